// Generates images beside the page, so that the page stays responsive.

import { ANY, complete, encode, isMirrored } from "./hands.js";
import { latentOf, MersenneTwister, uniforms } from "./latents.js";
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

/** Pixels of an image, and what it shows. `asked` has a value, or "any", for each label of the model. */
async function imageOf(seed, asked) {
  const random = new MersenneTwister(seed);
  const latents = latentOf(seed, model.latent, 1, random);
  const inputs = { latents: new ort.Tensor("float32", latents, [1, model.latent]) };
  const hand = complete(model.labels, asked, model.label_shares, uniforms(random, 3));
  const labels = encode(model.labels, hand);
  if (labels.length) inputs.labels = new ort.Tensor("float32", labels, [1, labels.length]);
  const { images } = await session.run(inputs);
  const pixels = images.data.slice();
  images.dispose();
  if (isMirrored(model.labels, hand)) mirror(pixels, model.image_size);
  return { pixels, hand };
}

function mirror(pixels, side) {
  for (let row = 0; row < pixels.length; row += side) pixels.subarray(row, row + side).reverse();
}

function pngOf({ pixels, hand }, seed, index) {
  const texts = {
    Software: model.software,
    "palms:seed": String(seed),
    "palms:index": String(index),
    "palms:model": model.model,
    "palms:truncation": "1",
  };
  for (const name of model.labels) if (hand[name] !== ANY) texts[`palms:${name}`] = hand[name];
  const xmp = model.xmp.replace("{seed}", String(seed + index));
  return encodePng(pixels, model.image_size, texts, xmp);
}

async function draw({ job, seed, start, count, asked }) {
  for (let index = start; index < start + count; index++) {
    if (job !== wanted) return;
    const image = await imageOf(seed + index, asked);
    const png = pngOf(image, seed, index);
    postMessage({ type: "palm", job, index, png, hand: image.hand }, [png.buffer]);
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
