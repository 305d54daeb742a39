// The board on which a picture gets a mask by brush, or grows beyond its edges.

const strokeColor = "#e5484d";
const edges = ["left", "top", "right", "bottom"];

function canvas(width, height) {
  const made = document.createElement("canvas");
  made.width = width;
  made.height = height;
  return made;
}

const toBlob = board => new Promise(resolve => board.toBlob(resolve, "image/png"));

/** A picture of any format as the server takes it: sides that fit its tokens, not more pixels than it can make. */
export async function fitted(blob, limits) {
  const bitmap = await createImageBitmap(blob);
  const { multiple, pixels } = limits;
  const scale = Math.min(1, Math.sqrt(pixels / (bitmap.width * bitmap.height)));
  const side = value => Math.max(multiple, Math.floor(value * scale / multiple) * multiple);
  const board = canvas(side(bitmap.width), side(bitmap.height));
  const cover = Math.max(board.width / bitmap.width, board.height / bitmap.height);
  const context = board.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (board.width - bitmap.width * cover) / 2, (board.height - bitmap.height * cover) / 2,
    bitmap.width * cover, bitmap.height * cover);
  return toBlob(board);
}

export class Editor {
  constructor(root, { changed, announce }) {
    const find = id => root.querySelector("#" + id);
    Object.assign(this, { root, changed, announce });
    this.board = find("board");
    this.frame = find("frame");
    this.source = find("source");
    this.mask = find("mask");
    this.cursor = find("cursor");
    this.sizeSlider = find("brush-size");
    this.sizeText = find("extend-size");
    this.buttons = { paint: find("tool-paint"), erase: find("tool-erase"), undo: find("tool-undo"),
      clear: find("tool-clear") };
    this.parts = { brush: [find("brush-tools"), find("brush-help")], extend: [find("extend-tools"),
      find("extend-help")] };
    this.limits = { multiple: 16, pixels: 1 << 20 };
    this.mode = "brush";
    this.reset();
    this.buttons.paint.addEventListener("click", () => this.choose(false));
    this.buttons.erase.addEventListener("click", () => this.choose(true));
    this.buttons.undo.addEventListener("click", () => this.undo());
    this.buttons.clear.addEventListener("click", () => { this.strokes = []; this.draw(); });
    find("extend-reset").addEventListener("click", () => { this.grown = { left: 0, top: 0, right: 0, bottom: 0 };
      this.layout(); });
    this.listen();
    new ResizeObserver(() => this.layout()).observe(this.board);
  }

  reset() {
    this.strokes = [];
    this.erases = false;
    this.grown = { left: 0, top: 0, right: 0, bottom: 0 };
    this.point = null;
  }

  /** Takes a picture; `limits` are the server's: sides' multiple and most pixels. */
  async load(blob, limits) {
    this.limits = limits;
    this.reset();
    this.bitmap = await createImageBitmap(blob);
    this.source.width = this.bitmap.width;
    this.source.height = this.bitmap.height;
    this.source.getContext("2d").drawImage(this.bitmap, 0, 0);
    const longest = Math.max(this.bitmap.width, this.bitmap.height);
    this.sizeSlider.max = Math.max(2, Math.round(longest / 2));
    this.sizeSlider.value = Math.max(1, Math.round(longest / 6));
    this.choose(false);
    this.layout();
  }

  show(mode) {
    this.mode = mode;
    for (const [name, parts] of Object.entries(this.parts)) for (const part of parts) part.hidden = name !== mode;
    this.frame.classList.toggle("extending", mode === "extend");
    this.mask.hidden = mode === "vary";
    if (mode !== "extend") this.grown = { left: 0, top: 0, right: 0, bottom: 0 };
    this.layout();
  }

  get width() { return this.bitmap.width + this.grown.left + this.grown.right; }
  get height() { return this.bitmap.height + this.grown.top + this.grown.bottom; }
  get hasStrokes() { return this.strokes.some(stroke => !stroke.erases); }
  get hasGrown() { return edges.some(edge => this.grown[edge] > 0); }
  /** Whether there is something to paint anew. */
  get isReady() { return this.mode === "vary" || this.hasStrokes || (this.mode === "extend" && this.hasGrown); }

  layout() {
    if (!this.bitmap || !this.board.clientWidth) return;
    const style = getComputedStyle(this.board);
    const room = this.board.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const tallest = Math.max(200, Math.min(innerHeight * .62, 640));
    this.scale = Math.min(room / this.width, tallest / this.height, 10);
    const set = (part, values) => {
      for (const [name, value] of Object.entries(values)) part.style[name] = `${value * this.scale}px`;
    };
    set(this.frame, { width: this.width, height: this.height });
    set(this.source, { left: this.grown.left, top: this.grown.top, width: this.bitmap.width,
      height: this.bitmap.height });
    this.mask.width = this.width;
    this.mask.height = this.height;
    this.sizeText.textContent = `${this.width} × ${this.height} pixels`;
    for (const edge of this.frame.querySelectorAll(".edge")) {
      const name = edge.dataset.edge;
      edge.setAttribute("aria-valuenow", this.grown[name]);
      edge.setAttribute("aria-valuemin", 0);
      edge.setAttribute("aria-valuemax", this.most(name));
      edge.setAttribute("aria-valuetext", `${this.grown[name]} pixels`);
      edge.setAttribute("aria-orientation", ["left", "right"].includes(name) ? "horizontal" : "vertical");
    }
    this.draw();
  }

  // ---- Brushing

  choose(erases) {
    this.erases = erases;
    this.buttons.paint.setAttribute("aria-pressed", String(!erases));
    this.buttons.erase.setAttribute("aria-pressed", String(erases));
    this.showCursor();
  }

  undo() {
    if (this.strokes.pop()) this.announce("Undone.");
    this.draw();
  }

  draw() {
    if (!this.bitmap) return;
    const context = this.mask.getContext("2d");
    context.clearRect(0, 0, this.mask.width, this.mask.height);
    context.lineCap = "round";
    context.lineJoin = "round";
    context.strokeStyle = strokeColor;
    for (const stroke of this.strokes) {
      context.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
      context.lineWidth = stroke.size;
      context.beginPath();
      const [first, ...rest] = stroke.points;
      context.moveTo(first[0] + this.grown.left, first[1] + this.grown.top);
      if (!rest.length) rest.push([first[0] + 0.01, first[1]]);
      for (const [x, y] of rest) context.lineTo(x + this.grown.left, y + this.grown.top);
      context.stroke();
    }
    context.globalCompositeOperation = "source-over";
    this.buttons.undo.disabled = !this.strokes.length;
    this.buttons.clear.disabled = !this.strokes.length;
    this.showCursor();
    this.changed();
  }

  begin(point) {
    this.strokes.push({ erases: this.erases, size: Number(this.sizeSlider.value), points: [point] });
    this.draw();
  }

  position(event) {
    const place = this.mask.getBoundingClientRect();
    return [(event.clientX - place.left) / this.scale - this.grown.left,
      (event.clientY - place.top) / this.scale - this.grown.top];
  }

  showCursor(isHere = this.point !== null) {
    this.cursor.hidden = !isHere || this.mode === "vary" || !this.point;
    if (this.cursor.hidden) return;
    const size = Number(this.sizeSlider.value) * this.scale;
    Object.assign(this.cursor.style, {
      width: `${size}px`, height: `${size}px`, left: `${(this.point[0] + this.grown.left) * this.scale}px`,
      top: `${(this.point[1] + this.grown.top) * this.scale}px`, borderStyle: this.erases ? "dashed" : "solid",
    });
  }

  listen() {
    let isDown = false;
    this.mask.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      isDown = true;
      this.mask.setPointerCapture(event.pointerId);
      this.point = this.position(event);
      this.begin(this.point);
      event.preventDefault();
      this.mask.focus();
    });
    this.mask.addEventListener("pointermove", event => {
      this.point = this.position(event);
      if (isDown) {
        this.strokes[this.strokes.length - 1].points.push(this.point);
        this.draw();
      } else this.showCursor(true);
    });
    for (const end of ["pointerup", "pointercancel"]) this.mask.addEventListener(end, () => { isDown = false; });
    this.mask.addEventListener("pointerleave", () => { if (!isDown) this.showCursor(false); });
    this.mask.addEventListener("focus", () => {
      this.point ??= [this.bitmap.width / 2, this.bitmap.height / 2];
      this.showCursor();
    });
    this.mask.addEventListener("blur", () => this.showCursor(false));
    this.mask.addEventListener("keydown", event => this.press(event));
    for (const edge of this.frame.querySelectorAll(".edge")) this.listenToEdge(edge);
  }

  press(event) {
    const step = event.shiftKey ? 8 : 2;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const key = event.key;
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "z") this.undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (moves[key]) {
      const [x, y] = this.point;
      this.point = [Math.min(this.bitmap.width + this.grown.right, Math.max(-this.grown.left, x + moves[key][0])),
        Math.min(this.bitmap.height + this.grown.bottom, Math.max(-this.grown.top, y + moves[key][1]))];
      this.showCursor();
    } else if (key === " ") this.begin(this.point);
    else if (key === "[" || key === "]") {
      this.sizeSlider.value = Number(this.sizeSlider.value) + (key === "]" ? 2 : -2);
      this.showCursor();
    } else if (key.toLowerCase() === "e") {
      this.choose(!this.erases);
      this.announce(this.erases ? "The brush erases." : "The brush paints.");
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // ---- Growing

  /** How far an edge can go with the others as they are. */
  most(edge) {
    const isWide = ["left", "right"].includes(edge);
    const { multiple, pixels } = this.limits;
    const across = isWide ? this.height : this.width;
    const along = (isWide ? this.width : this.height) - this.grown[edge];
    return Math.max(0, Math.floor((pixels / across - along) / multiple) * multiple);
  }

  grow(edge, value) {
    const { multiple } = this.limits;
    const wanted = Math.round(value / multiple) * multiple;
    const next = Math.min(this.most(edge), Math.max(0, wanted));
    if (next === this.grown[edge]) return;
    this.grown[edge] = next;
    this.layout();
  }

  listenToEdge(edge) {
    const name = edge.dataset.edge;
    const isWide = ["left", "right"].includes(name);
    const sign = ["left", "top"].includes(name) ? -1 : 1;
    let start = null;
    edge.addEventListener("pointerdown", event => {
      // The scale changes while the frame grows; a drag keeps the one it began with.
      start = { at: isWide ? event.clientX : event.clientY, value: this.grown[name], scale: this.scale };
      edge.setPointerCapture(event.pointerId);
      event.preventDefault();
      edge.focus();
    });
    edge.addEventListener("pointermove", event => {
      if (!start) return;
      const moved = ((isWide ? event.clientX : event.clientY) - start.at) * sign / start.scale;
      this.grow(name, start.value + moved);
    });
    for (const end of ["pointerup", "pointercancel"]) edge.addEventListener(end, () => { start = null; });
    edge.addEventListener("keydown", event => {
      const outwards = { left: "ArrowLeft", right: "ArrowRight", top: "ArrowUp", bottom: "ArrowDown" };
      const inwards = { left: "ArrowRight", right: "ArrowLeft", top: "ArrowDown", bottom: "ArrowUp" };
      if (event.key === outwards[name]) this.grow(name, this.grown[name] + this.limits.multiple);
      else if (event.key === inwards[name]) this.grow(name, this.grown[name] - this.limits.multiple);
      else if (event.key === "Home") this.grow(name, 0);
      else if (event.key === "End") this.grow(name, this.most(name));
      else return;
      event.preventDefault();
    });
  }

  // ---- What goes to the server

  /** The picture and its mask as PNG files; no mask where all of it is varied. */
  async files() {
    const image = canvas(this.width, this.height);
    const context = image.getContext("2d");
    const { left, top } = this.grown;
    const [w, h] = [this.bitmap.width, this.bitmap.height];
    // The tokens next to the edge look at what lies beyond it: the edge's own colours disturb them least.
    for (const [x, sourceX, wide] of [[0, 0, left], [left, 0, w], [left + w, w - 1, this.grown.right]]) {
      for (const [y, sourceY, high] of [[0, 0, top], [top, 0, h], [top + h, h - 1, this.grown.bottom]]) {
        if (!wide || !high) continue;
        const [sw, sh] = [x === left && wide === w ? w : 1, y === top && high === h ? h : 1];
        context.imageSmoothingEnabled = false;
        context.drawImage(this.bitmap, sourceX, sourceY, sw, sh, x, y, wide, high);
      }
    }
    context.drawImage(this.bitmap, left, top);
    if (this.mode === "vary") return { image: await toBlob(image), mask: null };
    const mask = canvas(this.width, this.height);
    const brushed = this.mask.getContext("2d").getImageData(0, 0, this.width, this.height);
    const out = mask.getContext("2d").createImageData(this.width, this.height);
    for (let y = 0; y < this.height; y += 1) {
      for (let x = 0; x < this.width; x += 1) {
        const index = 4 * (y * this.width + x);
        const isNew = x < left || y < top || x >= left + w || y >= top + h;
        out.data[index + 3] = isNew || brushed.data[index + 3] > 127 ? 0 : 255;
      }
    }
    mask.getContext("2d").putImageData(out, 0, 0);
    return { image: await toBlob(image), mask: await toBlob(mask) };
  }
}
