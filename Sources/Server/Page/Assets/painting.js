// A set of pictures on their way: one stream each, shown as they form.

import { ApiError, call, follow, pngBlob } from "/page/api.js";

/** Streams at one time: a browser opens six connections to a server, and the page needs some itself. */
const streamLimit = 3;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function duration(seconds) {
  if (seconds < 1) return "less than a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

const pause = (milliseconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, milliseconds);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(new DOMException("cancelled", "AbortError"));
  }, { once: true });
});

/** A picture on its way, with its place on the page. */
class Tile {
  constructor(order, index, count) {
    this.order = order;
    this.image = element("img", { alt: "", hidden: true });
    this.picture = element("div", { class: "picture" }, this.image);
    if (order.width && order.height) this.picture.style.aspectRatio = `${order.width} / ${order.height}`;
    else this.picture.style.aspectRatio = "1";
    this.bar = element("progress", { max: 1, value: 0 });
    this.bar.setAttribute("aria-label", count > 1 ? `Picture ${index + 1} of ${count}` : "Picture");
    this.left = element("span", {}, "waiting");
    this.right = element("span");
    this.note = element("div", { class: "note" }, this.left, this.right);
    this.root = element("article", { class: "tile forming" }, this.picture, this.bar, this.note);
    this.times = [];
  }
  say(left, right = "") {
    this.left.textContent = left;
    this.right.textContent = right;
  }
  show(blob, alt) {
    if (this.image.src) URL.revokeObjectURL(this.image.src);
    this.image.src = URL.createObjectURL(blob);
    this.image.alt = alt;
    this.image.hidden = false;
  }
  stepped(done, total) {
    this.bar.max = total;
    this.bar.value = done;
    this.times.push(performance.now());
    const recent = this.times.slice(-6);
    let left = "";
    if (recent.length > 1 && done < total) {
      const each = (recent[recent.length - 1] - recent[0]) / (recent.length - 1) / 1000;
      left = duration(each * (total - done)) + " left";
    }
    this.say(`step ${done} of ${total}`, left);
  }
  end(text, isBad = false) {
    this.root.classList.remove("forming");
    this.bar.hidden = true;
    this.say(text);
    this.left.classList.toggle("bad", isBad);
  }
}

/** Sends an order of one picture; resolves with the last event. */
async function send(order, tile, signal, announce) {
  const fields = { ...order.fields, stream: true, partial_images: 3 };
  let options;
  if (order.image) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
    form.append("image", order.image, "image.png");
    if (order.mask) form.append("mask", order.mask, "mask.png");
    options = { method: "POST", body: form, signal };
  } else {
    options = {
      method: "POST", body: JSON.stringify(fields), signal, headers: { "content-type": "application/json" },
    };
  }
  const path = order.image ? "/v1/images/edits" : "/v1/images/generations";
  for (;;) {
    try {
      return await attempt(path, options, tile, announce);
    } catch (error) {
      if (!(error instanceof ApiError && ["queue_full", "not_ready"].includes(error.code))) throw error;
      announce(error.sentence);
      for (let left = Math.max(1, error.retryAfter || 5); left > 0; left -= 1) {
        tile.say(error.code === "queue_full" ? "the queue is full" : "the cluster is not ready",
          `again in ${left} s`);
        await pause(1000, signal);
      }
    }
  }
}

async function attempt(path, options, tile, announce) {
  const response = await call(path, options);
  let last = null;
  await follow(response, {
    note: text => {
      const step = /^step (\d+) of (\d+)/.exec(text);
      const queued = /^queued, (\d+) ahead/.exec(text);
      const loaded = /^loaded (\d+) of (\d+)/.exec(text);
      if (step) tile.stepped(Number(step[1]), Number(step[2]));
      if (queued) {
        const ahead = Number(queued[1]);
        tile.say(ahead ? `${ahead} ${ahead === 1 ? "order" : "orders"} ahead in the queue` : "starting");
        if (ahead) announce(`${ahead} ahead in the queue.`);
      }
      if (loaded) tile.say(`loading the model: ${Math.round(100 * loaded[1] / Math.max(1, loaded[2]))} %`);
    },
    take: event => {
      const blob = pngBlob(event.b64_json);
      const isLast = event.type.endsWith(".completed");
      tile.show(blob, isLast ? event.prompt || tile.order.fields.prompt : "The picture as it forms");
      if (isLast) last = { ...event, blob };
    },
  });
  if (!last) throw new ApiError("The server ended the connection before the picture was done. Try again.");
  return last;
}

/**
 * Paints orders side by side.
 *
 * `place` takes the tiles, `made(order, event)` every finished picture, `announce` sentences for a live region.
 * Resolves with the errors' sentences; cancelled orders have none.
 */
export async function paint(orders, { place, made, announce, signal }) {
  const tiles = orders.map((order, index) => new Tile(order, index, orders.length));
  place(tiles.map(tile => tile.root));
  const problems = [];
  let next = 0;
  async function worker() {
    while (next < tiles.length) {
      const tile = tiles[next];
      next += 1;
      try {
        signal.throwIfAborted();
        const event = await send(tile.order, tile, signal, announce);
        tile.end(["done", ...(event.warnings || [])].join("; "));
        made(tile.order, event, tile);
      } catch (error) {
        if (error.name === "AbortError") { tile.end("cancelled"); continue; }
        const sentence = error instanceof ApiError ? error.sentence : String(error);
        tile.end("failed", true);
        if (!problems.includes(sentence)) problems.push(sentence);
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(streamLimit, tiles.length) }, worker));
  return problems;
}
