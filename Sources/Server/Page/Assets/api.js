// The server's API: keys, errors that say what to do, and event streams.

const advice = {
  invalid_api_key: "Check the key, or ask whoever runs the server for one.",
  missing_api_key: "Give an API key.",
  queue_full: "Many orders are waiting; it is tried again by itself.",
  not_ready: "The cluster is not ready; it is tried again by itself.",
  stopping: "The server is being stopped: wait until it is back.",
  too_large: "Use a smaller picture, or a shorter prompt.",
  too_long: "Shorten the text.",
  invalid_image: "Open the picture again, or another one.",
  keys_unusable: "Whoever runs the server has to look at its keys.",
};

/** An answer that is no success, or no answer at all. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", retryAfter = 0, mayRetry = false } = {}) {
    super(message);
    Object.assign(this, { status, code, retryAfter, mayRetry });
  }
  /** The message, and what to do about it. */
  get sentence() {
    const hint = advice[this.code];
    const start = this.message.charAt(0).toUpperCase() + this.message.slice(1);
    return (/[.!?…]$/.test(start) ? start : start + ".") + (hint ? " " + hint : "");
  }
}

let askForKey = null;
/** Sets what is called where a key is needed; it resolves with true once there is one. */
export function onKeyNeeded(ask) { askForKey = ask; }

export function keepKey(key) { sessionStorage.setItem("key", key); }

async function fail(response) {
  let error = {};
  try { error = (await response.json()).error || {}; } catch { /* An answer of a proxy, say. */ }
  throw new ApiError(error.message || `the server answered with status ${response.status}`, {
    status: response.status, code: error.code || "", retryAfter: Number(response.headers.get("retry-after")) || 0,
    mayRetry: response.headers.get("x-should-retry") === "true",
  });
}

/** Fetches with the key of this tab; asks for one where it is missing or wrong. */
export async function call(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem("key");
    const headers = { ...options.headers, ...(key ? { authorization: "Bearer " + key } : {}) };
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The server does not answer. Check that it runs.");
    }
    if (response.ok) return response;
    if (response.status === 401 && askForKey && !options.quietly && await askForKey(Boolean(key))) continue;
    await fail(response);
  }
}

/** An answer in JSON. */
export async function read(path, options) { return (await call(path, options)).json(); }

/** Follows an event stream; `take` gets events, `note` the comments between them. */
export async function follow(response, { take, note }) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      if (block.startsWith(":")) { note(block.slice(1).trim()); continue; }
      const data = block.split("\n").filter(line => line.startsWith("data:")).map(line => line.slice(5)).join("\n");
      if (!data) continue;
      const event = JSON.parse(data);
      const error = event.type === "error" ? event.error || event : null;
      if (error) throw new ApiError(error.message, { code: error.code || "", status: 500 });
      take(event);
    }
  }
}

/** A PNG file from base64. */
export function pngBlob(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}
