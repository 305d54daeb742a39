// The form: what it says becomes an order, and an order becomes what it says.

/** Fields of the API that sliders stand for; a slider that nobody touched leaves its field to the server. */
const sliders = { num_inference_steps: "steps", guidance_scale: "guidance", temperature: "temperature" };

export const dice = () => crypto.getRandomValues(new Uint32Array(1))[0];

export class OrderForm {
  constructor(root) {
    this.root = root;
    this.part = id => root.querySelector("#" + id);
    this.touched = new Set();
    for (const field of root.querySelectorAll(".slider")) {
      const input = field.querySelector("input");
      input.addEventListener("input", () => {
        this.touched.add(input.id);
        this.show(input);
      });
      this.show(input);
    }
    this.part("dice").addEventListener("click", () => { this.part("seed").value = dice(); });
    this.part("unseed").addEventListener("click", () => { this.part("seed").value = ""; });
  }

  show(input) {
    const output = input.closest(".slider").querySelector("output");
    const isOwn = this.touched.has(input.id) || !Object.values(sliders).includes(input.id);
    output.textContent = isOwn ? input.value : `${input.value} · auto`;
  }

  /** Takes the served model's sizes and defaults. */
  adapt(model) {
    const set = (id, value) => {
      if (this.touched.has(id) || value === undefined || value === null) return;
      const input = this.part(id);
      if (Number(input.max) < value) input.max = Math.ceil(value * 2);
      input.value = value;
      this.show(input);
    };
    set("steps", model.steps);
    set("guidance", model.guidance_scale);
    set("temperature", model.temperature);
    for (const [id, natural] of [["width", model.width], ["height", model.height]]) {
      const input = this.part(id);
      input.min = input.step = model.size_multiple;
      // As wide as the other side leaves room for when it is the natural one.
      const other = id === "width" ? model.height : model.width;
      const room = Math.floor(model.pixel_limit / other / model.size_multiple) * model.size_multiple;
      input.max = Math.min(room, 4 * natural);
      set(id, natural);
    }
  }

  /** The fields of an order, without size and seed. */
  get fields() {
    const fields = { prompt: this.part("prompt").value.trim() };
    const negative = this.part("negative").value.trim();
    if (negative) fields.negative_prompt = negative;
    for (const [name, id] of Object.entries(sliders)) {
      if (this.touched.has(id)) fields[name] = Number(this.part(id).value);
    }
    return fields;
  }

  get width() { return Number(this.part("width").value); }
  get height() { return Number(this.part("height").value); }
  get hasSize() { return this.touched.has("width") || this.touched.has("height"); }
  get count() { return Number(this.part("count").value); }
  get seed() { return this.part("seed").value === "" ? dice() : Number(this.part("seed").value); }
  get strength() { return Number(this.part("strength").value); }
  get mode() { return this.root.querySelector("input[name=mode]:checked").value; }
  set mode(value) { this.root.querySelector(`input[name=mode][value=${value}]`).checked = true; }

  /** Says what a kept picture was made with. */
  load(record) {
    const { fields } = record;
    this.part("prompt").value = fields.prompt;
    this.part("negative").value = fields.negative_prompt || "";
    this.part("seed").value = fields.seed;
    this.part("count").value = 1;
    this.show(this.part("count"));
    for (const [name, id] of Object.entries(sliders)) {
      const input = this.part(id);
      if (fields[name] === undefined) this.touched.delete(id);
      else {
        this.touched.add(id);
        if (Number(input.max) < fields[name]) input.max = fields[name];
        input.value = fields[name];
      }
      this.show(input);
    }
    if (fields.size) {
      const [width, height] = fields.size.split("x");
      for (const [id, value] of [["width", width], ["height", height]]) {
        this.touched.add(id);
        this.part(id).value = value;
        this.show(this.part(id));
      }
    }
    if (fields.strength !== undefined) {
      this.part("strength").value = fields.strength;
      this.show(this.part("strength"));
    }
  }
}
