// One map of a figure: its view, and what a visitor does in it by pointer and keys.

const STILL = 4; // pixels that a click may move, and that two corners of a lasso are apart
const NEAR = 8; // pixels around the pointer in which a point is found
const STEP = 0.15; // of the height, by an arrow key
const CLOSER = 1.5;
const NOTCH = 100; // pixels of a mouse wheel's notch, and lines; a touchpad sends less and more often
const NOTCH_LINES = 3;
const RESIZED = 0.2; // change of the zoom, as a logarithm, from which points are drawn in another size
const CLOSEST = 1e-4; // half the height of the closest view

class View {
  /** `owner` has the selected `tool`, and is called with what was `enclosed`, `clicked` or `pointed` at. */
  constructor(owner, index) {
    Object.assign(this, { owner, index, corners: [], touches: new Map() });
    this.canvas = element('canvas', { 'aria-hidden': 'true' });
    this.overlay = new Overlay(this);
    this.pictures = new Pictures(this);
    this.overlay.svg.append(this.pictures.group);
    this.small = new SmallMaps(this);
    this.caption = element('figcaption');
    this.advice = element('p', { class: 'advice', 'aria-hidden': 'true' });
    this.field = element('div', { class: 'field', tabindex: '0', role: 'application' }, this.canvas, this.overlay.svg, this.advice);
    this.figure = element('figure', {}, this.caption, this.field, this.small.place);
    const hear = (name, act, options) => this.field.addEventListener(name, act, options);
    hear('pointerdown', (event) => this.press(event));
    hear('pointermove', (event) => this.move(event));
    hear('pointerup', (event) => this.release(event));
    hear('pointercancel', (event) => this.drop(event));
    hear('pointerleave', () => this.owner.pointed(this, null));
    hear('dblclick', () => this.home());
    hear('wheel', (event) => this.wheel(event), { passive: false });
    hear('keydown', (event) => this.key(event));
    this.sizes = new ResizeObserver(() => this.fit());
  }

  begin(layer) {
    this.layer = layer;
    this.home();
    this.sizes.observe(this.field);
  }

  describe(panel) {
    const { title, count } = panel;
    this.panel = panel;
    this.caption.textContent = title;
    this.overlay.contour();
    const keys = 'Arrow keys move, plus and minus zoom, 0 shows all.';
    this.field.setAttribute('aria-label', `Map of ${title}, ${count.toLocaleString('en')} points. ${keys}`);
    this.overlay.trace();
  }

  get size() {
    return [this.field.clientWidth || 1, this.field.clientHeight || 1];
  }

  /** What one pixel is of the map. */
  get pixel() {
    return (2 * this.view.half) / this.size[1];
  }

  at({ clientX, clientY }) {
    const box = this.field.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  }

  toMap([x, y]) {
    const [width, height] = this.size;
    return [this.view.x + (x - width / 2) * this.pixel, this.view.y - (y - height / 2) * this.pixel];
  }

  toPage([x, y]) {
    const [width, height] = this.size;
    return [width / 2 + (x - this.view.x) / this.pixel, height / 2 - (y - this.view.y) / this.pixel];
  }

  /** What the pointer is on: the point of a picture, where it is on one. */
  aimed(event) {
    const at = this.at(event);
    return this.pictures.pointAt(at) ?? at;
  }

  look(view) {
    this.view = view;
    this.layer.look(view);
    if (this.painted && Math.abs(Math.log(this.zoomed / this.painted.zoom)) > RESIZED) this.layer.resized(this.sized());
    this.overlay.trace();
    this.pictures.follow();
  }

  /** How much larger than the whole map it is seen. */
  get zoomed() {
    const [width, height] = this.size;
    return Math.max(1, height / width) / this.view.half;
  }

  sized() {
    const { count, chosen } = this.painted;
    const [width, height] = this.size;
    this.painted.zoom = this.zoomed;
    return { sizes: sizesOf(count, chosen, this.zoomed, Math.min(width, height) ** 2), opacity: opacityOf(count, this.zoomed) };
  }

  paint({ count, chosen, ...drawing }) {
    this.painted = { count, chosen, ...drawing };
    this.overlay.trace(); // names of what is hidden
    this.small.paint();
    this.pictures.follow();
    return this.layer.paint({ ...drawing, ...this.sized() });
  }

  home() {
    const [width, height] = this.size;
    this.atHome = true;
    this.look({ x: 0, y: 0, half: Math.max(1, height / width) });
  }

  zoom(factor, around = this.size.map((side) => side / 2)) {
    const [x, y] = this.toMap(around);
    const half = Math.min(4, Math.max(CLOSEST, this.view.half / factor));
    const change = half / this.view.half;
    this.atHome = false;
    this.look({ x: x + (this.view.x - x) * change, y: y + (this.view.y - y) * change, half });
  }

  shift(right, up) {
    this.atHome = false;
    this.look({ ...this.view, x: this.view.x + right, y: this.view.y + up });
  }

  fit() {
    this.layer.resize(...this.size);
    if (this.atHome) this.home();
    else this.look(this.view);
  }

  press(event) {
    if (event.button) return;
    this.field.setPointerCapture(event.pointerId);
    this.touches.set(event.pointerId, this.at(event));
    if (this.touches.size > 1) { // a second finger: they zoom, and no tool draws
      this.from = null;
      this.corners = [];
      return;
    }
    this.from = this.last = this.at(event);
    this.corners = [this.from];
    this.moved = false;
    this.owner.pointed(this, null);
  }

  move(event) {
    const at = this.at(event);
    if (this.touches.size === 2 && this.touches.has(event.pointerId)) {
      this.pinch(event.pointerId, at);
      return;
    }
    if (!this.from) {
      if (event.pointerType !== 'touch') this.owner.pointed(this, event);
      return;
    }
    this.moved ||= Math.hypot(at[0] - this.from[0], at[1] - this.from[1]) >= STILL;
    if (!this.moved) return;
    const { tool } = this.owner;
    if (tool === 'pan') this.shift((this.last[0] - at[0]) * this.pixel, (at[1] - this.last[1]) * this.pixel);
    else if (tool === 'box') this.corners = [this.from, [at[0], this.from[1]], at, [this.from[0], at[1]]];
    else if (Math.hypot(at[0] - this.corners.at(-1)[0], at[1] - this.corners.at(-1)[1]) >= STILL) this.corners.push(at);
    this.last = at;
    if (tool !== 'pan') this.overlay.trace();
  }

  /** One of two fingers moves to `at`: what lies between them stays there. */
  pinch(finger, at) {
    const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const distance = ([a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const before = [...this.touches.values()];
    this.touches.set(finger, at);
    const after = [...this.touches.values()];
    const [from, to] = [middle(before), middle(after)];
    this.shift((from[0] - to[0]) * this.pixel, (to[1] - from[1]) * this.pixel);
    this.zoom(distance(after) / distance(before), to);
  }

  release(event) {
    const { from, moved, corners } = this;
    this.drop(event);
    if (!from) return;
    if (!moved) this.owner.clicked(this, this.toMap(this.aimed(event)), NEAR * this.pixel);
    else if (this.owner.tool !== 'pan' && corners.length > 2) this.owner.enclosed(this, corners.map((c) => this.toMap(c)));
  }

  drop({ pointerId }) {
    this.touches.delete(pointerId);
    this.from = null;
    this.corners = [];
    this.overlay.trace();
  }

  /** Zooms with Ctrl (a touchpad's pinch is sent as that), or where the map is all there is; else the page scrolls. */
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !document.fullscreenElement) return this.owner.scrolled(this);
    event.preventDefault();
    const notches = event.deltaY / (event.deltaMode ? NOTCH_LINES : NOTCH);
    this.zoom(CLOSER ** -Math.max(-1, Math.min(1, notches)), this.at(event));
  }

  key(event) {
    const step = STEP * 2 * this.view.half;
    const acts = {
      ArrowLeft: () => this.shift(-step, 0),
      ArrowRight: () => this.shift(step, 0),
      ArrowUp: () => this.shift(0, step),
      ArrowDown: () => this.shift(0, -step),
      '+': () => this.zoom(CLOSER),
      '-': () => this.zoom(1 / CLOSER),
      0: () => this.home(),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  end() {
    this.sizes.disconnect();
    this.pictures.end();
    this.layer?.end();
  }
}
