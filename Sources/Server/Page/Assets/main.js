// Wires the page: views, the form, the stage, the gallery, keys, and the state of the server.

import { ApiError, keepKey, onKeyNeeded, read } from "/page/api.js";
import { ClusterView } from "/page/cluster.js";
import { Editor, fitted } from "/page/editor.js";
import { OrderForm } from "/page/form.js";
import { Gallery } from "/page/gallery.js";
import { paint } from "/page/painting.js";

const $ = id => document.getElementById(id);
const announce = text => { $("say").textContent = text; };
const hints = {
  brush: "Brush over what should be painted anew; the rest stays.",
  extend: "Drag the edges outwards; the new area is painted.",
  vary: "The whole picture is painted again, more or less differently by strength.",
};
const verbs = { brush: "Repaint", extend: "Extend", vary: "Vary" };
let model = { size_multiple: 16, pixel_limit: 1 << 20 };
let input = null;
let running = null;
/** The kept picture whose mask is used again, until something is brushed, grown or chosen. */
let repeat = null;

// ---- Views

const cluster = new ClusterView($("view-cluster"), announce);
function route() {
  const isCluster = location.hash === "#cluster";
  $("view-paint").hidden = isCluster;
  $("view-cluster").hidden = !isCluster;
  for (const link of document.querySelectorAll("nav a")) {
    if ((link.dataset.view === "cluster") === isCluster) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isCluster) cluster.start();
  else cluster.stop();
}
addEventListener("hashchange", route);
document.querySelector(".skip").addEventListener("click", event => {
  event.preventDefault();
  location.hash = "#paint";
  $("prompt").focus();
});

// ---- The key

function askKey(isWrong) {
  if ($("lock").open) return new Promise(resolve => $("lock").addEventListener("close", () => resolve(true),
    { once: true }));
  $("lock-error").hidden = !isWrong;
  $("lock-error").textContent = "This key is not known to the server.";
  $("key").value = "";
  $("lock").returnValue = "";
  $("lock").showModal();
  return new Promise(resolve => $("lock").addEventListener("close", () => resolve($("lock").returnValue === "use"),
    { once: true }));
}
$("lock-form").addEventListener("submit", event => {
  event.preventDefault();
  keepKey($("key").value.trim());
  isLocked = false;
  $("lock").close("use");
});
$("lock-cancel").addEventListener("click", () => $("lock").close(""));
onKeyNeeded(askKey);

// ---- The server's state

async function look() {
  const state = $("state");
  try {
    const answer = await (await fetch("/readyz")).json();
    const queue = await (await fetch("/health/progress")).json();
    const waiting = queue.waiting ? `, ${queue.waiting} waiting` : "";
    const isReady = answer.status === "ready";
    state.className = `state ${isReady ? "ready" : answer.status === "failed" ? "bad" : "busy"}`;
    $("state-text").textContent = (isReady ? queue.running ? "painting" : "ready" : answer.reason || answer.status)
      + waiting;
    if (isReady && !model.id && !isLocked) await learn(true);
  } catch {
    state.className = "state bad";
    $("state-text").textContent = "the server does not answer";
  }
  setTimeout(look, document.hidden ? 10000 : 3000);
}

/** True where the server has asked for a key that there is not yet. */
let isLocked = false;

/** Learns the model's sizes and defaults; `quietly`: without asking for a key. */
async function learn(quietly) {
  try {
    model = (await read("/v1/cluster", { quietly })).model;
    form.adapt(model);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    isLocked = error.status === 401;
  }
}

// ---- The stage

const form = new OrderForm($("order"));
const editor = new Editor($("editor"), { changed: refresh, announce });
const gallery = new Gallery({
  list: $("gallery"), blank: $("gallery-blank"), kept: $("kept"), clear: $("gallery-clear"), again, use,
});

function stage(part) {
  for (const id of ["blank", "tiles", "editor"]) $(id).hidden = id !== part;
}

function complain(sentences) {
  $("notice").hidden = !sentences.length;
  $("notice").textContent = sentences.join(" ");
}

function refresh() {
  const mode = input ? form.mode : null;
  $("go").textContent = mode ? verbs[mode] : "Paint";
  $("go").disabled = Boolean(running) || Boolean(input && !repeat && !editor.isReady);
  $("stop").disabled = !running;
  $("input").hidden = !input;
  $("strength-field").hidden = mode !== "vary";
  for (const id of ["width-field", "height-field"]) $(id).hidden = Boolean(input);
  if (mode) $("mode-hint").textContent = hints[mode];
}

/** Takes a picture as the input of the next orders. */
async function work(blob, mode = "brush") {
  complain([]);
  repeat = null;
  if (!model.id) await learn(false);
  try {
    const limits = { multiple: model.size_multiple, pixels: model.pixel_limit };
    const picture = await fitted(blob, limits);
    if (input) URL.revokeObjectURL($("input-image").src);
    input = { blob: picture };
    $("input-image").src = URL.createObjectURL(picture);
    form.mode = mode;
    stage("editor");
    await editor.load(picture, limits);
    $("input-size").textContent = `${editor.bitmap.width} × ${editor.bitmap.height} pixels`;
    editor.show(mode);
  } catch (error) {
    complain([`This picture cannot be opened: ${error.message}`]);
    leave();
  }
  refresh();
  $("stage").scrollIntoView({ block: "nearest" });
}

function leave() {
  input = null;
  stage("blank");
  refresh();
}

async function use(record) {
  $("prompt").value = record.fields.prompt;
  location.hash = "#paint";
  await work(record.blob);
  announce("The picture is on the board.");
}

async function again(record) {
  form.load(record);
  location.hash = "#paint";
  if (record.input) {
    await work(record.input, record.mode);
    repeat = record;
    refresh();
    announce("The settings are back; Vary, Brush or Extend as you like.");
  } else leave();
  $("prompt").focus();
  $("order").scrollIntoView({ block: "nearest" });
}

for (const radio of document.querySelectorAll("input[name=mode]")) {
  radio.addEventListener("change", () => {
    repeat = null;
    stage("editor");
    editor.show(form.mode);
    refresh();
  });
}
$("input-remove").addEventListener("click", () => { leave(); $("prompt").focus(); });
$("file").addEventListener("change", async () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (file) await work(file);
});
for (const label of document.querySelectorAll("label[for=file]")) {
  label.tabIndex = 0;
  label.addEventListener("keydown", event => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("file").click(); }
  });
}
$("stage").addEventListener("dragover", event => event.preventDefault());
$("stage").addEventListener("drop", async event => {
  event.preventDefault();
  const file = [...event.dataTransfer.files].find(file => file.type.startsWith("image/"));
  if (file) await work(file);
});

// ---- Painting

async function orders() {
  const seed = form.seed;
  const seeds = Array.from({ length: form.count }, (_, index) => seed + index);
  const fields = form.fields;
  if (!input) {
    if (form.hasSize) fields.size = `${form.width}x${form.height}`;
    return seeds.map(seed => ({ fields: { ...fields, seed }, width: form.width, height: form.height }));
  }
  const { image, mask } = repeat || await editor.files();
  if (form.mode === "vary") fields.strength = form.strength;
  const [width, height] = [editor.width, editor.height];
  return seeds.map(seed => ({
    fields: { ...fields, seed }, image, mask, width, height, mode: form.mode, input: input.blob,
  }));
}

async function start() {
  if (running || !$("order").reportValidity()) return;
  const control = new AbortController();
  running = control;
  complain([]);
  refresh();
  announce("Painting.");
  let count = 0;
  try {
    const list = await orders();
    const problems = await paint(list, {
      signal: control.signal, announce,
      place: tiles => {
        $("tiles").replaceChildren(...tiles);
        stage("tiles");
        if (matchMedia("(max-width: 52rem)").matches) $("stage").scrollIntoView({ behavior: "smooth" });
      },
      made: async (order, event, tile) => {
        count += 1;
        const record = await gallery.add({
          blob: event.blob, size: event.size.replace("x", " × "), fields: { ...order.fields, seed: event.seed },
          mode: order.mode, image: order.image, mask: order.mask, input: order.input,
        });
        tile.root.append(tools(record));
      },
    });
    complain(problems);
    announce(control.signal.aborted ? "Cancelled." : count ? `${count} of ${list.length} done.` : "");
  } catch (error) {
    complain([error instanceof ApiError ? error.sentence : String(error)]);
  }
  running = null;
  refresh();
}

/** What can be done with a picture that was just made. */
function tools(record) {
  const row = document.createElement("div");
  row.className = "row";
  for (const [text, action] of [
    ["Brush", () => work(record.blob, "brush")], ["Extend", () => work(record.blob, "extend")],
    ["Vary", () => work(record.blob, "vary")],
  ]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = text;
    button.addEventListener("click", action);
    row.append(button);
  }
  return row;
}

for (const type of ["pointerdown", "keydown"]) {
  $("frame").addEventListener(type, event => { if (event.key !== "Tab") repeat = null; });
}
$("order").addEventListener("submit", event => { event.preventDefault(); start(); });
$("stop").addEventListener("click", () => running && running.abort());
addEventListener("keydown", event => {
  if ($("lock").open) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!$("go").disabled) start();
  }
  if (event.key === "Escape" && running) running.abort();
});

route();
refresh();
look();
gallery.start();
