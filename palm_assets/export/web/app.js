// The page: form, gallery, large view and downloads. worker.js generates the images.

import { ANY, LABELS } from "./hands.js";
import { languageOf, TEXTS } from "./texts.js";
import { zipSync } from "./vendor/fflate.js";

const MAX_COUNT = 500, MAX_SEED = 2 ** 53, DEFAULT_COUNT = 12;
const SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
const byId = (id) => document.getElementById(id);
const part = (selector, parent = document) => parent.querySelector(selector);

let language, texts;
let model = null; // content of model.json, once the worker is ready
let set = null; // the palms shown: {job, seed, count, palms: [{index, png, url}], state}
let shown = null; // index of the palm in the large view
let status = { key: "starting", values: [] };
let jobs = 0;

const worker = new Worker("worker.js", { type: "module" });
worker.onmessage = ({ data }) => handlers[data.type](data);
worker.onerror = () => handlers.failed({});

const handlers = {
  loading({ arrived, total }) {
    byId("progress").value = arrived / total;
    say("loading", Math.floor((100 * arrived) / total), (total / 1e6).toFixed(1));
    if (arrived === total) say("starting");
  },
  ready(data) {
    model = data.model;
    offerLabels();
    translate();
    generate();
  },
  palm({ job, index, png, hand }) {
    if (job !== set?.job) return;
    const url = URL.createObjectURL(new Blob([png], { type: "image/png" }));
    set.palms.push({ index, png, url, hand });
    place(index);
    byId("progress").value = set.palms.length / set.count;
    say("drawing", set.palms.length, set.count);
  },
  done({ job }) {
    if (job !== set?.job) return;
    finish("finished", set.count, set.seed);
    keepOffline();
  },
  failed({ reason, job }) {
    if (job !== undefined && job !== set?.job) return;
    console.error(reason);
    document.body.dataset.state = "failed";
    say("failed");
  },
};

// Texts

function translate() {
  texts = TEXTS[language];
  document.documentElement.lang = language;
  document.title = texts.title;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = texts[element.dataset.text];
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", texts[element.dataset.label]);
    if (element.tagName === "BUTTON") element.title = texts[element.dataset.label];
  }
  for (const button of byId("languages").children) {
    button.setAttribute("aria-pressed", String(button.lang === language));
  }
  byId("count-help").textContent = texts.countHelp(MAX_COUNT);
  for (const option of document.querySelectorAll("#labels option")) {
    option.textContent = texts[option.value === ANY ? "any" : option.value];
  }
  if (model) byId("model").textContent = texts.model(model.model, model.image_size);
  for (const card of byId("palms").children) label(card);
  if (set) byId("zip").textContent = texts.zip(set.palms.length);
  if (shown !== null) showLarge(shown);
  if (!byId("count-error").hidden || !byId("seed-error").hidden) readForm();
  say(status.key, ...status.values);
}

function say(key, ...values) {
  status = { key, values };
  const text = texts[key];
  byId("status").textContent = typeof text === "function" ? text(...values) : text;
}

function choose(code) {
  language = code;
  remember({ lang: code });
  translate();
}

// The link holds what is shown: #seed=7&count=12&lang=en

function linked() {
  return new URLSearchParams(location.hash.slice(1));
}

function remember(values) {
  const link = linked();
  for (const [name, value] of Object.entries(values)) link.set(name, value);
  history.replaceState(null, "", `#${link}`);
}

// Form

function wholeNumber(text, from, to) {
  const value = Number(text);
  return /^\d+$/.test(text.trim()) && value >= from && value <= to ? value : null;
}

function report(name, problem) {
  const field = byId(name), message = byId(`${name}-error`);
  message.hidden = problem === null;
  message.textContent = problem ?? "";
  field.setAttribute("aria-invalid", String(problem !== null));
}

/** The request, or null after saying what is wrong with it. */
function readForm() {
  const count = wholeNumber(byId("count").value, 1, MAX_COUNT);
  const seed = wholeNumber(byId("seed").value, 0, MAX_SEED - MAX_COUNT);
  report("count", count === null ? texts.countWrong(MAX_COUNT) : null);
  report("seed", seed === null ? texts.seedWrong(MAX_SEED - MAX_COUNT) : null);
  return count === null || seed === null ? null : { count, seed, asked: askedLabels() };
}

/** A choice for each label of the model, filled from the link. */
function offerLabels() {
  for (const name of model.labels) {
    const field = byId("label").content.firstElementChild.cloneNode(true);
    const choice = part("select", field), title = part("label", field);
    choice.id = title.htmlFor = name;
    title.dataset.text = name;
    choice.append(...[ANY, ...LABELS[name]].map((value) => new Option(value, value)));
    const wanted = linked().get(name);
    choice.value = LABELS[name].includes(wanted) ? wanted : ANY;
    byId("labels").append(field);
  }
  byId("labels").hidden = model.labels.length === 0;
}

function askedLabels() {
  return Object.fromEntries((model?.labels ?? []).map((name) => [name, byId(name).value]));
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

// A set

function generate() {
  const request = readForm();
  if (request === null) {
    part("[aria-invalid=true]").focus();
    return;
  }
  for (const palm of set?.palms ?? []) URL.revokeObjectURL(palm.url);
  set = { job: ++jobs, ...request, palms: [], state: "running" };
  remember({ seed: set.seed, count: set.count, ...set.asked });
  byId("palms").replaceChildren(...Array.from({ length: set.count }, (_, index) => emptyCard(index)));
  byId("zip").hidden = true;
  byId("progress").value = 0;
  document.body.dataset.state = "running";
  say("drawing", 0, set.count);
  const { job, seed, count, asked } = set;
  worker.postMessage({ type: "draw", job, seed, start: 0, count, asked });
}

function stop() {
  worker.postMessage({ type: "stop", job: ++jobs });
  const { count } = set;
  for (const card of [...byId("palms").children].slice(set.palms.length)) card.remove();
  set.job = jobs;
  finish("stopped", set.palms.length, count);
}

function finish(key, ...values) {
  set.state = "done";
  document.body.dataset.state = "done";
  byId("zip").hidden = set.palms.length === 0;
  byId("zip").textContent = texts.zip(set.palms.length);
  say(key, ...values);
}

function emptyCard(index) {
  const card = byId("card").content.firstElementChild.cloneNode(true);
  card.dataset.index = index;
  part("button", card).addEventListener("click", () => open(index));
  label(card);
  return card;
}

function label(card) {
  const number = Number(card.dataset.index) + 1;
  part("button", card).setAttribute("aria-label", texts.open(number));
  part("img", card).alt = texts.image(number);
  part(".badge", card).textContent = texts.label;
  part(".number", card).textContent = number;
}

function place(index) {
  const card = byId("palms").children[index], image = part("img", card);
  image.src = set.palms[index].url;
  image.hidden = false;
  part("button", card).disabled = false;
  card.classList.add("ready");
}

// Large view

function open(index) {
  showLarge(index);
  byId("large").showModal();
}

function showLarge(index) {
  const palm = set.palms[index];
  if (palm === undefined) return;
  shown = index;
  const image = byId("large-image"), save = byId("save");
  image.src = palm.url;
  image.alt = texts.image(index + 1);
  byId("large-caption").textContent = texts.caption(index + 1, set.seed);
  save.href = palm.url;
  save.download = `palms-${set.seed}-${index + 1}.png`;
  byId("previous").disabled = index === 0;
  byId("next").disabled = index === set.palms.length - 1;
}

function step(by) {
  const at = shown + by;
  if (at >= 0 && at < set.palms.length) showLarge(at);
}

// Downloads

function zipName(index) {
  return `palm_${String(index + 1).padStart(6, "0")}.png`;
}

function manifest() {
  const head = ["file", "index", "seed", "model", ...model.labels, "ai_generated", "digital_source_type"];
  const rows = set.palms.map(({ index, hand }) =>
    [zipName(index), index, set.seed, model.model, ...model.labels.map((name) => hand[name]), true, SOURCE_TYPE]);
  return [head, ...rows, []].map((row) => row.join(",")).join("\n");
}

function downloadZip() {
  const files = Object.fromEntries(set.palms.map(({ index, png }) => [zipName(index), png]));
  files["manifest.csv"] = new TextEncoder().encode(manifest());
  const content = zipSync(files, { level: 0, mtime: new Date(1980, 0, 1) }); // PNGs are compressed
  const url = URL.createObjectURL(new Blob([content], { type: "application/zip" }));
  const link = Object.assign(document.createElement("a"), {
    href: url, download: `palms-${set.seed}-${set.palms.length}.zip`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function keepOffline() {
  navigator.serviceWorker?.register("offline.js").catch(() => {}); // needs https or localhost
}

// Start

function fillForm() {
  const link = linked();
  byId("count").value = wholeNumber(link.get("count") ?? "", 1, MAX_COUNT) ?? DEFAULT_COUNT;
  byId("seed").value = wholeNumber(link.get("seed") ?? "", 0, MAX_SEED - MAX_COUNT) ?? randomSeed();
}

for (const [code, { name }] of Object.entries(TEXTS)) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
  button.lang = code;
  button.addEventListener("click", () => choose(code));
  byId("languages").append(button);
}
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (model) generate();
});
byId("random").addEventListener("click", () => {
  byId("seed").value = randomSeed();
  if (model) generate();
});
byId("stop").addEventListener("click", stop);
byId("zip").addEventListener("click", downloadZip);
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("close").addEventListener("click", () => byId("large").close());
byId("large").addEventListener("close", () => (shown = null));
byId("large").addEventListener("click", ({ target }) => {
  if (target === byId("large")) byId("large").close(); // beside the picture
});
byId("large").addEventListener("keydown", ({ key }) => {
  if (key === "ArrowLeft") step(-1);
  if (key === "ArrowRight") step(1);
});
language = languageOf(linked().get("lang"), navigator.languages);
fillForm();
document.body.dataset.state = "loading";
translate();
