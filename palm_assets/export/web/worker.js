// Generates images beside the page, so that the page stays responsive.

import { latentOf } from "./latents.js";
import { encodePng } from "./png.js";
import * as ort from "./vendor/ort.wasm.min.js";

const FILES = ["vendor/ort-wasm-simd-threaded.wasm", "model.onnx"];
const here = (name) => new URL(name, import.meta.url).href;

let model; // content of model.json
let session;
let wanted = 0; // number of the job that the page waits for

/** Fetch the large files, and tell the page how much has arrived. */
async function fetchAll() {
  let arrived = 0;
  const total = FILES.reduce((sum, name) => sum + model.files[name], 0);
  const fetchOne = async (name) => {
    const response = await fetch(here(name));
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    const reader = response.body.getReader();
    const content = new Uint8Array(model.files[name]);
    for (let at = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) return content;
      content.set(value, at);
      at += value.length;
      arrived += value.length;
      postMessage({ type: "loading", arrived, total });
    }
  };
  return Promise.all(FILES.map(fetchOne));
}

async function start() {
  model = await (await fetch(here("model.json"))).json();
  const [runtime, graph] = await fetchAll();
  ort.env.wasm.wasmBinary = runtime.buffer;
  ort.env.wasm.wasmPaths = { mjs: here("vendor/ort-wasm-simd-threaded.js") };
  ort.env.wasm.numThreads = 1; // more need headers that a static host may not send
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
  postMessage({ type: "ready", model });
}

async function pixelsOf(seed) {
  const latents = new ort.Tensor("float32", latentOf(seed, model.latent), [1, model.latent]);
  const inputs = { latents };
  if (model.labels) { // zeros: any kind of hand
    inputs.labels = new ort.Tensor("float32", new Float32Array(model.labels), [1, model.labels]);
  }
  const { images } = await session.run(inputs);
  const pixels = images.data.slice();
  images.dispose();
  return pixels;
}

function pngOf(pixels, seed, index) {
  const texts = {
    Software: model.software,
    "palms:seed": String(seed),
    "palms:index": String(index),
    "palms:model": model.model,
    "palms:truncation": "1",
  };
  const xmp = model.xmp.replace("{seed}", String(seed + index));
  return encodePng(pixels, model.image_size, texts, xmp);
}

async function draw({ job, seed, start, count }) {
  for (let index = start; index < start + count; index++) {
    if (job !== wanted) return;
    const png = pngOf(await pixelsOf(seed + index), seed, index);
    postMessage({ type: "palm", job, index, png }, [png.buffer]);
    await new Promise((resume) => setTimeout(resume)); // lets a message of the page in
  }
  postMessage({ type: "done", job });
}

self.onmessage = async ({ data }) => {
  wanted = data.job;
  if (data.type !== "draw") return;
  try {
    await draw(data);
  } catch (error) {
    postMessage({ type: "failed", job: data.job, reason: String(error) });
  }
};

start().catch((error) => postMessage({ type: "failed", reason: String(error) }));
