// Finished pictures with their settings, kept in the browser's database, or in memory where there is none.

const keptLimit = 200;

function open() {
  return new Promise(resolve => {
    let request;
    try { request = indexedDB.open("tessera", 1); } catch { return resolve(null); }
    request.onupgradeneeded = () => request.result.createObjectStore("pictures", { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    // A private window may have no database; the pictures then live as long as the page.
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
}

function settle(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The settings of a picture in a line. */
export function summary(record) {
  const { fields } = record;
  const mode = { brush: "brushed", extend: "extended", vary: "varied" }[record.mode];
  return [
    record.size, mode, `seed ${fields.seed}`, fields.num_inference_steps && `${fields.num_inference_steps} steps`,
    fields.guidance_scale !== undefined && `guidance ${fields.guidance_scale}`,
    fields.temperature !== undefined && `temperature ${fields.temperature}`,
    record.mode === "vary" && fields.strength !== undefined && `strength ${fields.strength}`,
    fields.negative_prompt && `without ${fields.negative_prompt}`,
  ].filter(Boolean).join(" · ");
}

export class Gallery {
  /** Shows the kept pictures in `list`; `again` and `use` get the record of a picture. */
  constructor({ list, blank, kept, clear, again, use }) {
    Object.assign(this, { list, blank, kept, clear, again, use, items: new Map() });
    clear.addEventListener("click", () => this.removeAll());
  }

  async start() {
    this.database = await open();
    if (!this.database) this.kept.textContent = "Pictures are kept until this page is closed.";
    else for (const record of await settle(this.store("readonly").getAll())) this.show(record);
    this.count();
  }

  store(mode) { return this.database.transaction("pictures", mode).objectStore("pictures"); }

  /** Adds a picture, and forgets the oldest where there are too many. */
  async add(record) {
    record.id = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    this.show(record);
    this.count();
    try {
      if (this.database) await settle(this.store("readwrite").put(record));
    } catch {
      this.kept.textContent = "The browser has no more room: new pictures are kept until this page is closed.";
    }
    while (this.items.size > keptLimit) await this.remove([...this.items.keys()].sort()[0]);
    return record;
  }

  async remove(id) {
    const item = this.items.get(id);
    if (!item) return;
    URL.revokeObjectURL(item.querySelector("img").src);
    item.remove();
    this.items.delete(id);
    this.count();
    if (this.database) await settle(this.store("readwrite").delete(id));
  }

  async removeAll() {
    if (!confirm("Remove all pictures from this browser?")) return;
    for (const id of [...this.items.keys()]) await this.remove(id);
  }

  count() {
    this.blank.hidden = this.items.size > 0;
    this.clear.hidden = this.items.size === 0;
  }

  show(record) {
    const item = document.createElement("li");
    const image = new Image();
    image.src = URL.createObjectURL(record.blob);
    image.alt = record.fields.prompt;
    image.loading = "lazy";
    const prompt = document.createElement("p");
    prompt.className = "prompt";
    prompt.textContent = record.fields.prompt;
    const settings = document.createElement("p");
    settings.className = "settings";
    settings.textContent = summary(record);
    const row = document.createElement("div");
    row.className = "row";
    const button = (text, action) => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "small";
      made.textContent = text;
      made.addEventListener("click", action);
      row.append(made);
    };
    button("Same again", () => this.again(record));
    button("Use as input", () => this.use(record));
    const link = document.createElement("a");
    link.className = "button small";
    link.href = image.src;
    link.download = `tessera-${record.fields.seed}.png`;
    link.textContent = "Download";
    row.append(link);
    button("Remove", () => this.remove(record.id));
    item.append(image, prompt, settings, row);
    this.list.prepend(item);
    this.items.set(record.id, item);
  }
}
