// The explorer: linked views of what models make of altered pictures. One module, no dependency.
//
// A selection has four clauses that intersect: where (a lasso on a map), what (rows and columns of the matrix), out
// (who is right) and how (strength). Every tested point has a byte of bits, one for each clause that it passes. A change
// of a clause writes one bit of all points; then one pass counts everything that the views show. A view leaves its own
// clause out of what it counts, and marks it by a frame instead.

const WHERE = 1;
const WHAT = 2;
const OUT = 4;
const HOW = 8;
const ROWS = 16; // the rows of `what` alone: the curves leave its columns out
const ALL = 31;

const BINS = 12; // of strength, from weak to strong
const NO_STRENGTH = 255;
const FAR = 32767; // places on a map run from -FAR to FAR
const FEW = 30; // rows of a matrix with fewer pictures show counts instead of percent
const LARGE_POINTS = 600; // fewer chosen points than this are drawn large, filled or hollow
const CONTOURS_FROM = 500;
const CORNERS = 64; // of a lasso in a selection that is kept
const NARROW = 600; // of the explorer: a phone, where the list says more than the matrix
const MOST_KEPT = 8; // selections with a name: all of them stand in the address
const OUTCOMES = ["neither", "a", "b", "both"]; // 1: A is right, 2: B is right, 3: both
const OUTCOME_ORDER = [3, 1, 2, 0];
const SLOTS = ["a", "b"];
const NBSP = "\u00a0";

/** Return the typed arrays that `packed` of data.py wrote: `header` from its JSON, `buffer` with the bytes. */
export function unpack(header, buffer) {
  const kinds = {
    uint8: Uint8Array,
    uint16: Uint16Array,
    uint32: Uint32Array,
    int16: Int16Array,
    int32: Int32Array,
    float32: Float32Array,
  };
  const read = (value) => {
    if (Array.isArray(value)) return value.map(read);
    if (value === null || typeof value !== "object") return value;
    if (value.type in kinds && "offset" in value) return new kinds[value.type](buffer, value.offset, value.length);
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, read(one)]));
  };
  return read(header);
}

/**
 * Draw the explorer into `root`, which it fills.
 *
 * `data` comes from `unpack`. Options: `selection` (restores one; JSON), `theme` ("light", "dark" or "auto"),
 * `onSelection(selection)` after every change that is at rest, `onPoint(sample)` when a picture is opened,
 * `picture(photo, cls, {point, sample, large})` -> `{url, columns, rows, tile, box}` or `{url}` or null (`cls` -1: the whole
 * photograph, with `cut: [left, top, width, height]` in shares of it), `own` (`{title, places: {model: [x, y]}}`: a picture
 * of the visitor on the maps by everything), `scope` (a sentence on what the points are).
 *
 * Returns `{update(options), destroy(), counts(), selection(), select(selection)}`.
 */
export function explore(root, data, options = {}) {
  return new Explorer(root, data, options).api();
}

// ---------------------------------------------------------------------------------------------- small helpers

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function svg(tag, attributes = {}, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const number = (value) => value.toLocaleString("en-US");
const signed = (value, digits) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);
const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;

function percent(part, whole, digits = 0) {
  return whole ? `${((100 * part) / whole).toFixed(digits)}${NBSP}%` : "\u2013";
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

function mix(from, to, share) {
  return from.map((value, i) => Math.round(value + (to[i] - value) * share));
}

const css = (color) => `rgb(${color[0]} ${color[1]} ${color[2]})`;
const pixel = (color) => (0xff000000 | (color[2] << 16) | (color[1] << 8) | color[0]) >>> 0;

function luminance(color) {
  const [r, g, b] = color.map((value) => {
    const share = value / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Return `color` moved towards the ink until it has a contrast of 4.5 on the ground. */
function readable(color, ground, ink) {
  const base = luminance(ground);
  for (let share = 0; share < 1; share += 0.1) {
    const tried = mix(color, ink, share);
    const light = luminance(tried);
    if ((Math.max(light, base) + 0.05) / (Math.min(light, base) + 0.05) >= 4.6) return tried;
  }
  return ink;
}

function ramp(stops, share) {
  const place = clamp(share, 0, 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  return mix(stops[below], stops[below + 1], place - below);
}

/** Half the width of a 95 % interval is this many standard errors: Student's t below twenty photographs, none under six. */
function quantile(clusters) {
  const t = [2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101];
  return clusters < 6 ? NaN : clusters < 20 ? t[clusters - 6] : 1.96;
}

// ---------------------------------------------------------------------------------------------- the lasso

/** Return which places lie in `polygon` (x0, y0, x1, y1, ...) by the even-odd rule, through `keep(i, inside)`. */
function enclose(polygon, places, count, keep) {
  const corners = polygon.length / 2;
  let left = Infinity, right = -Infinity, low = Infinity, high = -Infinity;
  for (let k = 0; k < polygon.length; k += 2) {
    left = Math.min(left, polygon[k]);
    right = Math.max(right, polygon[k]);
    low = Math.min(low, polygon[k + 1]);
    high = Math.max(high, polygon[k + 1]);
  }
  const inside = (x, y) => {
    let odd = false;
    for (let k = 0, j = corners - 1; k < corners; j = k++) {
      const y1 = polygon[2 * k + 1], y0 = polygon[2 * j + 1];
      if (y1 > y !== y0 > y) {
        const x1 = polygon[2 * k], x0 = polygon[2 * j];
        if (x < x1 + ((y - y1) * (x0 - x1)) / (y0 - y1)) odd = !odd;
      }
    }
    return odd;
  };
  // A grid over the lasso: cells that no edge touches are wholly inside or outside, so that few points need the test.
  const SIDE = 128, UNKNOWN = 2;
  const width = (right - left) / SIDE || 1, height = (high - low) / SIDE || 1;
  const cells = new Uint8Array(SIDE * SIDE).fill(3);
  const at = (value, start, size) => clamp(Math.floor((value - start) / size), 0, SIDE - 1);
  for (let k = 0, j = corners - 1; k < corners; j = k++) {
    const x0 = polygon[2 * j], y0 = polygon[2 * j + 1], x1 = polygon[2 * k], y1 = polygon[2 * k + 1];
    const first = at(Math.min(y0, y1), low, height), last = at(Math.max(y0, y1), low, height);
    for (let row = first; row <= last; row++) {
      // The part of the edge within this row of cells, and a cell more on both sides against rounding.
      const from = low + row * height, to = from + height;
      let a = x0, b = x1;
      if (y0 !== y1) {
        const cut = (y) => x0 + ((clamp(y, Math.min(y0, y1), Math.max(y0, y1)) - y0) * (x1 - x0)) / (y1 - y0);
        a = cut(from);
        b = cut(to);
      }
      const start = Math.max(at(Math.min(a, b), left, width) - 1, 0);
      const end = Math.min(at(Math.max(a, b), left, width) + 1, SIDE - 1);
      for (let column = start; column <= end; column++) {
        for (let near = Math.max(row - 1, 0); near <= Math.min(row + 1, SIDE - 1); near++) {
          cells[near * SIDE + column] = UNKNOWN;
        }
      }
    }
  }
  for (let i = 0; i < count; i++) {
    const x = places[2 * i], y = places[2 * i + 1];
    if (x < left || x > right || y < low || y > high) {
      keep(i, false);
      continue;
    }
    const cell = at(y, low, height) * SIDE + at(x, left, width);
    if (cells[cell] === 3) cells[cell] = inside(x, y) ? 1 : 0;
    keep(i, cells[cell] === UNKNOWN ? inside(x, y) : cells[cell] === 1);
  }
}

/** Return a polygon of at most `most` corners that follows `polygon` (Douglas and Peucker). */
function simplified(polygon, most) {
  const n = polygon.length / 2;
  if (n <= most) return polygon.slice();
  const errors = new Float64Array(n);
  errors[0] = errors[n - 1] = Infinity;
  const stack = [[0, n - 1, Infinity]];
  while (stack.length) {
    const [first, last, limit] = stack.pop();
    if (last - first < 2) continue;
    const x = polygon[2 * first], y = polygon[2 * first + 1];
    const dx = polygon[2 * last] - x, dy = polygon[2 * last + 1] - y;
    const length = Math.hypot(dx, dy);
    let worst = first + 1, far = -1;
    for (let k = first + 1; k < last; k++) {
      const px = polygon[2 * k] - x, py = polygon[2 * k + 1] - y;
      const away = length ? Math.abs(px * dy - py * dx) / length : Math.hypot(px, py);
      if (away > far) [worst, far] = [k, away];
    }
    errors[worst] = Math.min(far, limit);
    stack.push([first, worst, errors[worst]], [worst, last, errors[worst]]);
  }
  const kept = [...errors.keys()].sort((i, j) => errors[j] - errors[i] || i - j).slice(0, most).sort((i, j) => i - j);
  return kept.flatMap((k) => [polygon[2 * k], polygon[2 * k + 1]]);
}

// ---------------------------------------------------------------------------------------------- counting

/** The selection as bits of all tested points, and what is counted over it. */
class Engine {
  constructor(data) {
    this.data = data;
    this.n = data.tested;
    this.k = data.classes.length;
    this.bits = new Uint8Array(this.n).fill(ALL);
    this.outcome = new Uint8Array(this.n);
    this.models = [data.models[0], data.models[1] ?? data.models[0]];
    this.clear();
  }

  clear() {
    this.where = null; // {slot, polygon}
    this.what = null; // {rows, columns: Uint8Array of classes or null, by: 0, 1 or 2 (either)}
    this.out = 0; // a bit for each outcome; 0: any
    this.how = null; // [first, last] bin
    this.bits.fill(ALL);
  }

  get isEmpty() {
    return !(this.where || this.what || this.out || this.how);
  }

  setModels(a, b) {
    this.models = [a, b];
    const { truth } = this.data;
    for (let i = 0; i < this.n; i++) {
      this.outcome[i] = (a.predicted[i] === truth[i] ? 1 : 0) | (b.predicted[i] === truth[i] ? 2 : 0);
    }
    this.setWhat(this.what);
    this.setOut(this.out);
    this.total = this.countWith(new Uint8Array(this.n).fill(ALL));
  }

  setWhere(where, places) {
    const { bits } = this;
    this.where = where;
    if (!where) for (let i = 0; i < this.n; i++) bits[i] |= WHERE;
    else {
      enclose(where.polygon, places, this.n, (i, inside) => {
        bits[i] = inside ? bits[i] | WHERE : bits[i] & ~WHERE;
      });
    }
  }

  setWhat(what) {
    const { bits } = this;
    const { truth } = this.data;
    this.what = what;
    if (!what) {
      for (let i = 0; i < this.n; i++) bits[i] |= WHAT | ROWS;
      return;
    }
    const test = this.tester(what);
    for (let i = 0; i < this.n; i++) {
      const row = !what.rows || what.rows[truth[i]] ? ROWS : 0;
      bits[i] = (bits[i] & ~(WHAT | ROWS)) | row | (test(i) ? WHAT : 0);
    }
  }

  /** Return the test whether a point is of some rows and columns. */
  tester({ rows, columns, by }) {
    const { truth } = this.data;
    const a = this.models[0].predicted, b = this.models[1].predicted;
    const column = (i) =>
      !columns || (by === 0 ? columns[a[i]] : by === 1 ? columns[b[i]] : columns[a[i]] || columns[b[i]]);
    return (i) => (!rows || rows[truth[i]]) && column(i);
  }

  setOut(out) {
    const { bits, outcome } = this;
    this.out = out;
    for (let i = 0; i < this.n; i++) {
      bits[i] = !out || (out >> outcome[i]) & 1 ? bits[i] | OUT : bits[i] & ~OUT;
    }
  }

  setHow(how) {
    const { bits } = this;
    const { strength } = this.data;
    this.how = how;
    for (let i = 0; i < this.n; i++) {
      const bin = (strength[i] * BINS / NO_STRENGTH) | 0;
      const passes = !how || (strength[i] !== NO_STRENGTH && bin >= how[0] && bin <= how[1]);
      bits[i] = passes ? bits[i] | HOW : bits[i] & ~HOW;
    }
  }

  count() {
    this.counts = this.countWith(this.bits);
    return this.counts;
  }

  countWith(bits) {
    const { n, k, outcome, models } = this;
    const { truth, strength } = this.data;
    const [a, b] = models.map((model) => model.predicted);
    const taken = this.what?.columns ?? null;
    const found = {
      n: 0,
      rows: new Uint32Array(k), // without `what`
      matrix: [new Uint32Array(k * k), new Uint32Array(k * k)], // without `what`
      outcomes: new Uint32Array(4), // without `out`
      curve: [new Uint32Array(BINS), new Uint32Array(BINS), new Uint32Array(BINS)], // n, A, B; without how, out, columns
      chosenRows: new Uint32Array(k),
      chosen: [new Uint32Array(k * k), new Uint32Array(k * k)],
      right: [0, 0],
    };
    const { rows, outcomes, chosenRows } = found;
    const [ma, mb] = found.matrix, [ca, cb] = found.chosen, [curveN, curveA, curveB] = found.curve;
    for (let i = 0; i < n; i++) {
      const passed = bits[i];
      const row = truth[i] * k;
      if ((passed | WHAT | ROWS) === ALL) {
        rows[truth[i]]++;
        ma[row + a[i]]++;
        mb[row + b[i]]++;
      }
      if ((passed | OUT) === ALL) outcomes[outcome[i]]++;
      if ((passed & (WHERE | ROWS)) === (WHERE | ROWS) && strength[i] !== NO_STRENGTH) {
        const bin = (strength[i] * BINS / NO_STRENGTH) | 0;
        curveN[bin]++;
        if (taken ? taken[a[i]] : outcome[i] & 1) curveA[bin]++;
        if (taken ? taken[b[i]] : outcome[i] & 2) curveB[bin]++;
      }
      if (passed === ALL) {
        found.n++;
        chosenRows[truth[i]]++;
        ca[row + a[i]]++;
        cb[row + b[i]]++;
        found.right[0] += outcome[i] & 1;
        found.right[1] += outcome[i] >> 1;
      }
    }
    return found;
  }

  /** Return the difference B less A in points, and half its interval by photograph, over what is chosen. */
  difference() {
    const { photographs, photo } = this.data;
    const sums = new Map();
    let total = 0, n = 0;
    for (let i = 0; i < this.n; i++) {
      if (this.bits[i] !== ALL) continue;
      const better = (this.outcome[i] >> 1) - (this.outcome[i] & 1);
      const cluster = photographs[photo[i]];
      const sum = sums.get(cluster) ?? [0, 0];
      sum[0] += better;
      sum[1]++;
      sums.set(cluster, sum);
      total += better;
      n++;
    }
    const mean = total / n;
    let squares = 0;
    for (const [better, count] of sums.values()) squares += (better - mean * count) ** 2;
    const c = sums.size;
    return { value: 100 * mean, half: (100 * quantile(c) * Math.sqrt((squares * c) / (c - 1))) / n };
  }
}

// ---------------------------------------------------------------------------------------------- points as pixels

/** Return coverages of a disc at 16 places within a pixel: `{side, covers}`. */
function stamps(radius) {
  const side = Math.ceil(2 * radius) + 2;
  const covers = [];
  for (let place = 0; place < 16; place++) {
    const cx = side / 2 + (place % 4) / 4 - 0.375, cy = side / 2 + (place >> 2) / 4 - 0.375;
    const cover = new Uint16Array(side * side);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const away = Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
        cover[y * side + x] = Math.round(256 * clamp(radius + 0.5 - away, 0, 1));
      }
    }
    covers.push(cover);
  }
  return { side, covers };
}

/** Draw discs of the points `from` to `to` that `mask[i] === wanted` keeps; `codes` choose colors of `palette`. */
function drawDiscs(frame, width, height, view, places, from, to, mask, wanted, codes, palette, { side, covers }) {
  const { x: mx, y: my, scale } = view;
  const left = width / 2, top = height / 2, half = side / 2;
  for (let i = from; i < to; i++) {
    if (mask && mask[i] !== wanted) continue;
    const x = left + (places[2 * i] - mx) * scale - half, y = top - (places[2 * i + 1] - my) * scale - half;
    const x0 = Math.floor(x), y0 = Math.floor(y);
    if (x0 < 0 || y0 < 0 || x0 + side >= width || y0 + side >= height) continue;
    const cover = covers[(((y - y0) * 4) | 0) * 4 + (((x - x0) * 4) | 0)];
    const color = palette[codes ? codes[i] : 0];
    const r = color & 255, g = (color >> 8) & 255, b = (color >> 16) & 255;
    let j = y0 * width + x0;
    for (let row = 0, k = 0; row < side; row++, j += width - side) {
      for (let column = 0; column < side; column++, j++, k++) {
        const c = cover[k];
        if (c === 256) frame[j] = color;
        else if (c > 0) {
          const old = frame[j];
          const or = old & 255, og = (old >> 8) & 255, ob = (old >> 16) & 255;
          frame[j] = 0xff000000 | ((ob + (((b - ob) * c) >> 8)) << 16) | ((og + (((g - og) * c) >> 8)) << 8) | (or + (((r - or) * c) >> 8));
        }
      }
    }
  }
}

/** Draw squares of `side` pixels instead: a million points need no smooth edge. */
function drawSquares(frame, width, height, view, places, from, to, mask, wanted, codes, palette, side) {
  const { x: mx, y: my, scale } = view;
  const left = width / 2 - side / 2, top = height / 2 - side / 2;
  for (let i = from; i < to; i++) {
    if (mask && mask[i] !== wanted) continue;
    const x = (left + (places[2 * i] - mx) * scale + 0.5) | 0, y = (top - (places[2 * i + 1] - my) * scale + 0.5) | 0;
    if (x < 0 || y < 0 || x + side > width || y + side > height) continue;
    const color = palette[codes ? codes[i] : 0];
    for (let row = 0, j = y * width + x; row < side; row++, j += width) {
      for (let column = 0; column < side; column++) frame[j + column] = color;
    }
  }
}

// ---------------------------------------------------------------------------------------------- a map

/** The map of one model: points, names, lasso. */
class PointMap {
  constructor(app, slot) {
    this.app = app;
    this.slot = slot;
    this.zoom = { x: 0, y: 0, factor: 1 };
    this.select = el("select", { "aria-label": `Model ${"AB"[slot]}`, onchange: () => app.setModel(slot, this.select.value) });
    this.select.append(...app.data.models.map((model) => el("option", { value: model.name, title: model.name }, model.title)));
    this.readout = el("span", { class: "px-readout" });
    this.points = el("canvas", { "aria-hidden": "true" });
    this.over = el("canvas", { tabindex: 0, role: "application" });
    this.names = el("div", { class: "px-names" });
    this.enclose = el("button", { class: "px-enclose", "aria-pressed": "false", onclick: () => this.toggleTouch() }, "Enclose");
    this.box = el("div", { class: "px-plane" }, this.points, this.over, this.names, this.enclose);
    this.switch = el("div", { class: "px-switch", role: "group", "aria-label": "Map shown" },
      ...[0, 1].map((other) => el("button", { "aria-pressed": String(other === slot), onclick: () => app.showMap(other) }, `Map ${"AB"[other]}`)));
    this.node = el("section", { class: `px-map px-map-${"ab"[slot]}`, "aria-label": `Map ${"AB"[slot]}` }, this.switch,
      el("header", {}, badge(slot), this.select, this.readout), this.box);
    this.listen();
  }

  get model() {
    return this.app.engine.models[this.slot];
  }

  get reading() {
    const { places } = this.model;
    return this.app.reading in places ? this.app.reading : Object.keys(places)[0];
  }

  get places() {
    return this.model.places[this.reading];
  }

  /** Return pixels a unit of the map, and what is in the middle; in device pixels where `density` is given. */
  view(density = 1) {
    const { places } = this;
    if (this.fitted !== places) {
      let right = 1, top = 1;
      for (let i = 0; i < places.length; i += 2) {
        right = Math.max(right, Math.abs(places[i]));
        top = Math.max(top, Math.abs(places[i + 1]));
      }
      [this.fitted, this.extent] = [places, [right, top]];
    }
    const fit = Math.min((this.width / 2 - 10) / this.extent[0], (this.height / 2 - 12) / this.extent[1]);
    return { x: this.zoom.x, y: this.zoom.y, scale: Math.max(fit, 1e-9) * this.zoom.factor * density };
  }

  toMap(x, y) {
    const view = this.view();
    return [view.x + (x - this.width / 2) / view.scale, view.y - (y - this.height / 2) / view.scale];
  }

  screen(x, y, view = this.view()) {
    return [this.width / 2 + (x - view.x) * view.scale, this.height / 2 - (y - view.y) * view.scale];
  }

  toScreen(i) {
    return this.screen(this.places[2 * i], this.places[2 * i + 1]);
  }

  /** Call `add(i, cell)` for every point that is shown; `cell` is its place in a grid over the map, -1 outside of it. */
  binned(side, add) {
    const { app, places } = this;
    const mask = app.preview?.mask ?? app.engine.bits, wanted = app.preview ? 1 : ALL, view = this.view();
    for (let i = 0; i < app.data.tested; i++) {
      if (mask[i] !== wanted) continue;
      const x = Math.floor((0.5 + ((places[2 * i] - view.x) * view.scale) / this.width) * side);
      const y = Math.floor((0.5 - ((places[2 * i + 1] - view.y) * view.scale) / this.height) * side);
      add(i, x >= 0 && y >= 0 && x < side && y < side ? y * side + x : -1);
    }
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || (width === this.width && height === this.height && this.density === this.app.density)) return;
    [this.width, this.height, this.density] = [width, height, this.app.density];
    for (const canvas of [this.points, this.over]) {
      canvas.width = Math.round(width * this.density);
      canvas.height = Math.round(height * this.density);
    }
    this.image = new ImageData(this.points.width, this.points.height);
    this.frame = new Uint32Array(this.image.data.buffer);
    this.baseKey = "";
  }

  get hidden() {
    return !this.box.clientWidth;
  }

  /** Draw points; names and contours too, unless it is `live`, while the pointer drags. */
  draw(live = false) {
    if (this.hidden) return;
    this.resize();
    const { app } = this;
    const { engine, data } = app;
    this.readout.replaceChildren(...readout(engine.counts.right[this.slot], engine.counts.n, engine.total.right[this.slot], engine.total.n));
    const mask = app.preview?.mask ?? engine.bits;
    const wanted = app.preview ? 1 : ALL;
    this.count = app.preview ? app.preview.n : engine.counts.n;
    this.everything = engine.isEmpty && !app.preview;
    this.large = !this.everything && this.count < LARGE_POINTS;
    const { width, height } = this.image;
    const view = this.view(this.density);
    this.drawBase(width, height, view);
    if (!this.everything && !this.large) {
      const [codes, palette] = app.coloring(this.slot);
      this.stamp(view, 0, data.tested, mask, wanted, codes, palette, 1.9, this.count > 150000);
    }
    this.points.getContext("2d").putImageData(this.image, 0, 0);
    this.drawOver();
    if (!live) this.drawNames();
  }

  /** Draw what is not chosen; kept until the view, the colors or the model change. */
  drawBase(width, height, view) {
    const { app } = this;
    const { data } = app;
    const key = [this.model.name, this.reading, view.x, view.y, view.scale, width, height, app.theme.name, this.everything,
      this.everything && app.colors + app.engine.models.map((m) => m.name)].join();
    if (key !== this.baseKey) {
      this.frame.fill(pixel(app.theme.ground));
      this.stamp(view, data.tested, data.count, null, 0, null, [pixel(app.theme.faint)], 1.4, data.count > 150000);
      const [codes, palette] = this.everything ? app.coloring(this.slot) : [null, [pixel(app.theme.pale)]];
      this.stamp(view, 0, data.tested, null, 0, codes, palette, this.everything ? 1.7 : 1.4, data.tested > 150000);
      this.base = this.frame.slice();
      this.baseKey = key;
    } else this.frame.set(this.base);
  }

  stamp(view, from, to, mask, wanted, codes, palette, radius, many) {
    const { width, height } = this.image;
    const zoomed = radius * this.density * clamp(Math.sqrt(this.zoom.factor), 1, 2.2);
    const rest = [this.frame, width, height, view, this.places, from, to, mask, wanted, codes, palette];
    if (many) drawSquares(...rest, Math.max(1, Math.round(zoomed)));
    else drawDiscs(...rest, this.app.stamp(zoomed));
  }

  drawOver() {
    const { app, density } = this;
    const { engine, data } = app;
    const ctx = this.over.getContext("2d");
    ctx.setTransform(density, 0, 0, density, 0, 0);
    ctx.clearRect(0, 0, this.width, this.height);
    if (this.contours && !app.preview) this.drawContours(ctx);
    if (this.large) this.drawLarge(ctx);
    const where = this.drawing ?? (engine.where?.slot === this.slot ? engine.where.polygon : null);
    if (where) {
      ctx.beginPath();
      for (let k = 0; k < where.length; k += 2) ctx.lineTo(...this.screen(where[k], where[k + 1]));
      ctx.closePath();
      ctx.lineWidth = 1.4;
      ctx.setLineDash([5, 4]);
      ctx.strokeStyle = css(app.theme.ink);
      ctx.stroke();
      ctx.setLineDash([]);
    }
    for (const [i, width] of [[app.pin, 2.4], [app.hovered, 1.6]]) {
      if (i === null) continue;
      const [x, y] = this.toScreen(i);
      for (const [radius, line, color] of [[7.5, width + 2, app.theme.ground], [7.5, width, app.theme.ink]]) {
        ctx.beginPath();
        ctx.arc(x, y, radius, 0, 2 * Math.PI);
        ctx.lineWidth = line;
        ctx.strokeStyle = css(color);
        ctx.stroke();
      }
      this.dot(ctx, x, y, 3.6, css(app.pointColor(i, this.slot)), engine.outcome[i] & (1 << this.slot));
    }
    const own = this.reading === OWN_READING && app.options.own?.places?.[this.model.name];
    if (own) this.star(ctx, ...this.screen(...own));
    this.over.setAttribute("aria-label", `Map of ${this.model.title}, ${plural(data.tested, "picture")}, ${number(engine.counts.n)} chosen. ` +
      "Arrow keys go from point to point, Enter opens one, plus and minus zoom, 0 shows the whole map.");
  }

  star(ctx, x, y) {
    const { theme } = this.app;
    ctx.beginPath();
    for (let k = 0; k < 10; k++) {
      const radius = k % 2 ? 4 : 10, angle = (Math.PI * k) / 5 - Math.PI / 2;
      ctx.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    ctx.closePath();
    ctx.lineWidth = 3;
    ctx.strokeStyle = css(theme.ground);
    ctx.stroke();
    ctx.fillStyle = css(theme.ink);
    ctx.fill();
  }

  dot(ctx, x, y, radius, color, right) {
    ctx.beginPath();
    ctx.arc(x, y, radius + 1, 0, 2 * Math.PI);
    ctx.fillStyle = css(this.app.theme.ground);
    ctx.fill();
    ctx.beginPath();
    if (right) {
      ctx.arc(x, y, radius, 0, 2 * Math.PI);
      ctx.fillStyle = color;
      ctx.fill();
    } else {
      ctx.arc(x, y, radius - 0.8, 0, 2 * Math.PI);
      ctx.lineWidth = 1.6;
      ctx.strokeStyle = color;
      ctx.stroke();
    }
  }

  /** Draw few points large: filled where this map's model is right. Hollow ones come last and shrink where they crowd. */
  drawLarge(ctx) {
    const { app } = this;
    const { engine, data } = app;
    const mask = app.preview?.mask ?? engine.bits, wanted = app.preview ? 1 : ALL;
    const found = [], cells = new Set();
    for (let i = 0; i < data.tested; i++) {
      if (mask[i] !== wanted) continue;
      const [x, y] = this.toScreen(i);
      found.push([i, x, y]);
      cells.add(Math.floor(x / 6) * 4096 + Math.floor(y / 6));
    }
    const radius = clamp(4.2 - 0.7 * Math.log2(found.length / Math.max(cells.size, 1) || 1), 2.5, 4.2);
    const bit = 1 << this.slot;
    for (const right of [bit, 0]) {
      for (const [i, x, y] of found) {
        if ((engine.outcome[i] & bit) === right) this.dot(ctx, x, y, radius, css(app.pointColor(i, this.slot)), right);
      }
    }
  }

  /** Return the density of chosen points over a grid on this map, smoothed. */
  density2d(side) {
    let grid = new Float32Array(side * side);
    this.binned(side, (i, cell) => cell >= 0 && grid[cell]++);
    for (let pass = 0; pass < 2; pass++) {
      for (const step of [1, side]) {
        const next = new Float32Array(side * side);
        for (let i = 2 * step; i < grid.length - 2 * step; i++) {
          next[i] = (grid[i - 2 * step] + 4 * grid[i - step] + 6 * grid[i] + 4 * grid[i + step] + grid[i + 2 * step]) / 16;
        }
        grid = next;
      }
    }
    return grid;
  }

  /** Find outlines of the densest places that hold 50 and 90 % of what is enclosed on another map. */
  findContours() {
    const { engine } = this.app;
    this.contours = null;
    if (!engine.where || engine.where.slot === this.slot || engine.counts.n < CONTOURS_FROM) return;
    const side = 72, grid = this.density2d(side);
    const sorted = Float32Array.from(grid).sort().reverse();
    const total = sorted.reduce((sum, value) => sum + value, 0);
    const levels = [0.5, 0.9].map((share) => {
      let sum = 0;
      for (const value of sorted) if ((sum += value) >= share * total) return value;
      return 0;
    });
    this.contours = levels.map((level) => {
      const path = new Path2D();
      for (let y = 0; y < side - 1; y++) {
        for (let x = 0; x < side - 1; x++) {
          const corners = [grid[y * side + x], grid[y * side + x + 1], grid[(y + 1) * side + x + 1], grid[(y + 1) * side + x]];
          const cuts = [];
          for (let edge = 0; edge < 4; edge++) {
            const from = corners[edge], to = corners[(edge + 1) % 4];
            if (from > level === to > level) continue;
            const share = (level - from) / (to - from);
            const [dx, dy] = [[share, 0], [1, share], [1 - share, 1], [0, 1 - share]][edge];
            cuts.push([((x + dx + 0.5) / side) * this.width, ((y + dy + 0.5) / side) * this.height]);
          }
          for (let k = 0; k + 1 < cuts.length; k += 2) {
            path.moveTo(...cuts[k]);
            path.lineTo(...cuts[k + 1]);
          }
        }
      }
      return path;
    });
  }

  drawContours(ctx) {
    ctx.strokeStyle = css(this.app.theme.ink);
    this.contours.forEach((path, i) => {
      ctx.lineWidth = i ? 0.8 : 1.8;
      ctx.globalAlpha = i ? 0.6 : 1;
      ctx.stroke(path);
    });
    ctx.globalAlpha = 1;
  }

  /** Write the names of the largest classes at their densest places, none over another. */
  drawNames() {
    const { app } = this;
    const { data } = app;
    const side = 40, k = data.classes.length;
    const grid = new Uint32Array(k * side * side), counts = new Uint32Array(k);
    this.binned(side, (i, cell) => {
      counts[data.truth[i]]++;
      if (cell >= 0) grid[data.truth[i] * side * side + cell]++;
    });
    const total = counts.reduce((sum, one) => sum + one, 0);
    const found = [];
    for (let cls = 0; cls < k; cls++) {
      if (!counts[cls] || (!this.everything && counts[cls] < 0.04 * total)) continue;
      let best = 0, where = [0, 0];
      for (let y = 1; y < side - 1; y++) {
        for (let x = 1; x < side - 1; x++) {
          let sum = 0;
          for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) sum += grid[(cls * side + y + dy) * side + x + dx];
          if (sum > best) [best, where] = [sum, [x, y]];
        }
      }
      if (this.everything && best < 0.2 * counts[cls]) continue;
      // Of few points the name is above those that are together with the densest place.
      if (this.large) while (where[1] > 1 && [-1, 0, 1].some((dx) => grid[(cls * side + where[1] - 1) * side + where[0] + dx])) where[1]--;
      if (best) found.push({ cls, best, size: this.everything ? best : counts[cls], x: ((where[0] + 0.5) / side) * this.width, y: ((where[1] + 0.5) / side) * this.height });
    }
    found.sort((a, b) => b.size - a.size);
    const placed = [], nodes = [];
    for (const { cls, x, y } of found) {
      const title = data.classes[cls].title;
      const w = title.length * 6.3 + 8, h = 15;
      const left = clamp(x - w / 2, 1, this.width - w - 1);
      const top = clamp(y - (this.large ? 22 : 8), 1, this.height - h - 1);
      if (placed.some(([l, t, r]) => left < r && left + w > l && Math.abs(top - t) < h)) continue;
      placed.push([left, top, left + w]);
      const node = el("button", { tabindex: -1, onclick: (event) => app.toggleRows([cls], event.shiftKey),
        onpointerenter: () => app.setPreview({ rows: [cls] }), onpointerleave: () => app.setPreview(null) }, title);
      node.style.left = `${left + w / 2}px`;
      node.style.top = `${top}px`;
      node.style.color = css(app.textColors[cls]);
      nodes.push(node);
    }
    this.names.replaceChildren(...nodes);
  }

  // pointer and keys

  nearest(x, y, reach = 8) {
    const { engine, data } = this.app;
    const [mx, my] = this.toMap(x, y);
    const limit = reach / this.view().scale;
    const { places } = this;
    let best = [null, null], away = [limit * limit, (limit * limit) / 4];
    for (let i = 0; i < data.tested; i++) {
      const dx = places[2 * i] - mx, dy = places[2 * i + 1] - my, d = dx * dx + dy * dy;
      const kind = engine.bits[i] === ALL ? 0 : 1;
      if (d < away[kind]) [best[kind], away[kind]] = [i, d];
    }
    return best[0] ?? best[1];
  }

  toggleTouch() {
    this.touch = !this.touch;
    this.enclose.setAttribute("aria-pressed", String(this.touch));
    this.over.style.touchAction = this.touch ? "none" : "pan-y";
  }

  listen() {
    const { app, over } = this;
    const local = (event) => {
      const box = over.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    let drag = null;
    const cancel = () => {
      this.drawing = drag = null;
      app.cancelDrag = null;
    };
    over.addEventListener("contextmenu", (event) => event.preventDefault());
    over.addEventListener("pointerdown", (event) => {
      const [x, y] = local(event);
      const moves = event.shiftKey || event.button === 2;
      const lasso = event.pointerType !== "touch" || this.touch;
      over.setPointerCapture(event.pointerId);
      drag = { x, y, moves, lasso, far: 0, zoom: { ...this.zoom }, before: app.engine.where };
      if (!moves && lasso) this.drawing = this.toMap(x, y).map(Math.round);
    });
    over.addEventListener("pointermove", (event) => {
      const [x, y] = local(event);
      if (!drag) {
        app.hover(this.nearest(x, y), event);
        return;
      }
      drag.far = Math.max(drag.far, Math.hypot(x - drag.x, y - drag.y));
      if (drag.moves) {
        const { scale } = this.view();
        this.zoom.x = drag.zoom.x - (x - drag.x) / scale;
        this.zoom.y = drag.zoom.y + (y - drag.y) / scale;
        app.frame("map", () => this.draw(true));
      } else if (drag.lasso && drag.far > 4) {
        app.hover(null);
        app.cancelDrag = () => {
          const { before } = drag;
          cancel();
          app.setWhere(before, false);
        };
        for (const one of event.getCoalescedEvents?.() ?? [event]) this.drawing.push(...this.toMap(...local(one)).map(Math.round));
        app.frame("change", () => this.drawing && app.setWhere({ slot: this.slot, polygon: this.drawing }, true));
      }
    });
    over.addEventListener("pointerup", (event) => {
      if (!drag) return;
      const { far, moves, lasso } = drag;
      const drawn = this.drawing;
      cancel();
      const [x, y] = local(event);
      if (moves) this.draw();
      else if (far > 4 && lasso) app.setWhere({ slot: this.slot, polygon: simplified(drawn, CORNERS) }, false);
      else if (far <= 4) {
        const point = this.nearest(x, y);
        if (point !== null) app.open(point);
        else if (app.engine.where) app.setWhere(null, false);
      }
    });
    over.addEventListener("pointercancel", cancel);
    over.addEventListener("pointerleave", () => drag || app.hover(null));
    over.addEventListener("dblclick", () => this.home());
    over.addEventListener("wheel", (event) => {
      // A page that is being scrolled goes on over the map; at home, there is nothing to zoom out of.
      if (performance.now() - app.scrolled < 400 || (event.deltaY > 0 && this.zoom.factor <= 1)) return;
      event.preventDefault();
      this.zoomAt(...local(event), Math.exp(-event.deltaY / 400));
    }, { passive: false });
    over.addEventListener("keydown", (event) => this.key(event));
    over.addEventListener("blur", () => app.hover(null));
  }

  home() {
    this.zoom = { x: 0, y: 0, factor: 1 };
    this.app.settleMap(this);
  }

  zoomAt(x, y, by) {
    const [mx, my] = this.toMap(x, y);
    this.zoom.factor = clamp(this.zoom.factor * by, 1, 60);
    if (this.zoom.factor === 1) this.zoom.x = this.zoom.y = 0;
    else {
      const [nx, ny] = this.toMap(x, y);
      this.zoom.x += mx - nx;
      this.zoom.y += my - ny;
    }
    this.app.frame("map", () => this.draw(true));
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.app.settleMap(this), 120);
  }

  key(event) {
    const { app } = this;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in steps) app.hover(this.next(...steps[event.key]), null, true);
    else if (event.key === "Enter" && app.hovered !== null) app.open(app.hovered);
    else if (event.key === " " && app.hovered !== null) app.setPin(app.pin === app.hovered ? null : app.hovered);
    else if (event.key === "+" || event.key === "=") this.zoomAt(this.width / 2, this.height / 2, 1.4);
    else if (event.key === "-") this.zoomAt(this.width / 2, this.height / 2, 1 / 1.4);
    else if (event.key === "0") this.home();
    else return;
    event.preventDefault();
  }

  /** Return the chosen point that is next in a direction, or one in the middle at first. */
  next(dx, dy) {
    const { engine } = this.app;
    const from = this.app.hovered;
    const [x0, y0] = from === null ? [this.width / 2, this.height / 2] : this.toScreen(from);
    let best = from, least = Infinity;
    for (let i = 0; i < engine.n; i++) {
      if (engine.bits[i] !== ALL || i === from) continue;
      const [x, y] = this.toScreen(i);
      const along = (x - x0) * dx + (y - y0) * dy, across = Math.abs((x - x0) * dy) + Math.abs((y - y0) * dx);
      const cost = from === null ? Math.hypot(x - x0, y - y0) : along > 0.5 && across <= 2 * along ? along + 2 * across : Infinity;
      if (cost < least) [best, least] = [i, cost];
    }
    return best;
  }
}

function badge(slot) {
  return el("span", { class: `px-badge px-badge-${"ab"[slot]}`, "aria-hidden": "true" }, "AB"[slot]);
}

function readout(part, whole, allPart, all) {
  const chosen = el("b", {}, percent(part, whole));
  return whole === all ? [chosen, " right"] : [chosen, " right", el("span", {}, ` \u00b7 of all ${percent(allPart, all)}`)];
}

// ---------------------------------------------------------------------------------------------- the matrix

/** What is taken for what: percent of each row, by model A, by B, or B less A. */
class Matrix {
  constructor(app) {
    this.app = app;
    const { classes } = app.data;
    this.canvas = el("canvas", { tabindex: 0, role: "application", "aria-label": "Confusion matrix: truth in rows, answers in columns. " +
      "Arrow keys go from cell to cell, Enter chooses one." });
    this.rowNames = classes.map((one, cls) => this.name(one, cls, "row"));
    this.columnNames = classes.map((one, cls) => this.name(one, cls, "column"));
    this.totals = classes.map(() => el("span", { class: "px-n" }));
    this.corner = ["taken for", "true", "n"].map((text) => el("span", {}, text));
    this.strips = [0, 1].map(() => el("div", { class: "px-strip", "aria-hidden": "true" }));
    this.node = el("div", { class: "px-matrix" }, this.canvas, ...this.strips, ...this.columnNames, ...this.rowNames, ...this.totals, ...this.corner);
    this.over = null; // [row, column] under the pointer or the keys
    this.listen();
  }

  name(one, cls, kind) {
    const { app } = this;
    const choose = (event) => (kind === "row" ? app.toggleRows([cls], event.shiftKey) : app.toggleColumn(cls));
    const node = el("button", { class: `px-${kind}`, tabindex: cls ? -1 : 0, onclick: choose,
      "aria-label": kind === "row" ? one.title : `taken for ${one.title}`,
      onpointerenter: () => app.setPreview(kind === "row" ? { rows: [cls] } : { columns: [cls] }),
      onpointerleave: () => app.setPreview(null) }, el("span", {}, one.title));
    node.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const names = kind === "row" ? this.rowNames : this.columnNames;
      const next = names[clamp(cls + by, 0, names.length - 1)];
      names.forEach((other) => (other.tabIndex = other === next ? 0 : -1));
      next.focus();
    });
    return node;
  }

  layout() {
    const { clientWidth: width, clientHeight: height } = this.node;
    if (!width) return;
    const k = this.app.data.classes.length, { density } = this.app;
    if (width === this.width && height === this.height && density === this.density) return;
    [this.width, this.height, this.density] = [width, height, density];
    const narrow = width < 430;
    this.left = narrow ? 88 : 98;
    this.top = 86;
    const right = narrow ? 30 : 34;
    this.cw = Math.min((width - this.left - right) / k, 24);
    this.ch = Math.min((height - this.top - 2) / k, 24);
    this.canvas.style.left = `${this.left}px`;
    this.canvas.style.top = `${this.top}px`;
    const size = [this.cw * k + 1, this.ch * k + 1];
    [this.canvas.style.width, this.canvas.style.height] = size.map((one) => `${one}px`);
    [this.canvas.width, this.canvas.height] = size.map((one) => Math.round(one * density));
    this.strips.forEach((strip, across) => {
      strip.style.left = `${this.left - (across ? 0 : 4)}px`;
      strip.style.top = `${this.top - (across ? 4 : 0)}px`;
      strip.style.width = across ? `${size[0] - 1}px` : "3px";
      strip.style.height = across ? "3px" : `${size[1] - 1}px`;
    });
    this.rowNames.forEach((node, cls) => {
      node.style.top = `${this.top + cls * this.ch}px`;
      node.style.height = this.totals[cls].style.height = `${this.ch}px`;
      node.style.width = `${this.left - 7}px`;
      this.totals[cls].style.top = node.style.top;
      this.totals[cls].style.left = `${this.left + size[0] + 4}px`;
      this.totals[cls].style.lineHeight = node.style.lineHeight = `${this.ch}px`;
    });
    this.columnNames.forEach((node, cls) => {
      node.style.left = `${this.left + (cls + 0.5) * this.cw - 6}px`;
      node.style.top = `${this.top - 20}px`;
    });
    this.node.classList.toggle("px-dense", this.cw < 9.5);
    const [taken, truth, n] = this.corner;
    taken.style.top = "34px";
    truth.style.top = n.style.top = `${this.top - 20}px`;
    taken.style.width = truth.style.width = `${this.left - 10}px`;
    n.style.left = `${this.left + size[0] + 4}px`;
  }

  /** Return the share in each cell (-1 to 1 for a difference), or NaN where its row has too few pictures. */
  share(row, column) {
    const { engine, by } = this.app;
    const k = this.app.data.classes.length, cell = row * k + column;
    const n = engine.counts.rows[row];
    if (by < 2) return n ? engine.counts.matrix[by][cell] / n : NaN;
    return n < FEW ? NaN : (engine.counts.matrix[1][cell] - engine.counts.matrix[0][cell]) / n;
  }

  draw() {
    if (!this.node.clientWidth) return;
    this.layout();
    const { app, cw, ch } = this;
    const { engine, theme, data, by } = app;
    const { counts, what } = engine;
    const k = data.classes.length;
    const ctx = this.canvas.getContext("2d");
    ctx.setTransform(this.density, 0, 0, this.density, 0, 0);
    ctx.fillStyle = css(theme.ground);
    ctx.fillRect(0, 0, this.width, this.height);
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    const size = clamp(Math.min(cw * 0.74, ch * 0.66), 8.6, 11);
    for (let row = 0; row < k; row++) {
      const n = counts.rows[row], few = n < FEW;
      for (let column = 0; column < k; column++) {
        const share = this.share(row, column);
        let color = theme.empty;
        if (n && !Number.isNaN(share)) {
          color = by < 2 ? ramp(theme.ramp, Math.sqrt(share)) : ramp(theme.diverging, 0.5 + Math.sign(share) * Math.sqrt(Math.abs(share)) / 2);
          if (few) color = mix(color, theme.ground, 0.45);
        }
        const dim = what && !((!what.rows || what.rows[row]) && (!what.columns || what.columns[column]));
        if (dim) color = mix(color, theme.ground, row === column ? 0.35 : 0.62);
        ctx.fillStyle = css(color);
        ctx.fillRect(column * cw, row * ch, cw - 0.6, ch - 0.6);
        const count = by < 2 ? counts.matrix[by][row * k + column] : 0;
        const points = Math.round(100 * share);
        const text = few ? (by < 2 && count ? String(count) : "") : Math.abs(points) >= 10 ? String(Math.abs(points)) : "";
        if (text && (cw > 9.5 || text.length < 2)) { // narrower cells, as on a phone, have no room for digits
          ctx.font = `${few ? 700 : dim ? 400 : 500} ${size}px ${theme.font}`;
          const ink = luminance(color) > 0.34 ? theme.dark : theme.light;
          ctx.fillStyle = css(dim ? mix(ink, color, 0.35) : ink);
          ctx.fillText(text, column * cw + cw / 2 - 0.3, row * ch + ch / 2 + 0.4, cw - 0.6);
        }
      }
    }
    ctx.fillStyle = css(theme.line);
    for (let cls = 1; cls < k; cls++) {
      if (data.classes[cls].group === data.classes[cls - 1].group) continue;
      ctx.fillRect(cls * cw - 0.8, 0, 1, k * ch);
      ctx.fillRect(0, cls * ch - 0.8, k * cw, 1);
    }
    this.frames(ctx);
    this.strips.forEach((strip, across) => {
      const stops = app.classColors.map((color, cls) => `${css(color)} ${(100 * cls) / k}% ${(100 * (cls + 1)) / k}%`);
      strip.style.background = `linear-gradient(to ${across ? "right" : "bottom"}, ${stops.join()})`;
    });
    this.rowNames.forEach((node, cls) => {
      const chosen = Boolean(what?.rows?.[cls]);
      node.classList.toggle("px-pale", !counts.rows[cls]);
      node.setAttribute("aria-pressed", String(chosen));
      this.totals[cls].textContent = number(counts.rows[cls]);
      this.totals[cls].title = `${number(counts.rows[cls])} of ${number(engine.total.rows[cls])}`;
      this.totals[cls].classList.toggle("px-pale", !counts.rows[cls]);
      this.columnNames[cls].setAttribute("aria-pressed", String(Boolean(what?.columns?.[cls])));
    });
  }

  frames(ctx) {
    const { cw, ch } = this;
    const { engine, theme } = this.app;
    const k = this.app.data.classes.length;
    const runs = (chosen) => {
      if (!chosen) return [[0, k]];
      const found = [];
      chosen.forEach((on, i) => {
        if (!on) return;
        if (found.length && found[found.length - 1][1] === i) found[found.length - 1][1]++;
        else found.push([i, i + 1]);
      });
      return found;
    };
    ctx.lineWidth = 1.8;
    ctx.strokeStyle = css(theme.ink);
    if (engine.what) {
      for (const [top, bottom] of runs(engine.what.rows)) {
        for (const [left, right] of runs(engine.what.columns)) {
          ctx.strokeRect(left * cw + 0.2, top * ch + 0.2, (right - left) * cw - 1, (bottom - top) * ch - 1);
        }
      }
    }
    if (this.over) {
      ctx.lineWidth = 1.2;
      ctx.strokeStyle = css(theme.muted);
      ctx.strokeRect(this.over[1] * cw + 0.2, this.over[0] * ch + 0.2, cw - 1, ch - 1);
    }
  }

  listen() {
    const { app, canvas } = this;
    const k = app.data.classes.length;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientY - box.top) / this.ch, (event.clientX - box.left) / this.cw].map((one) => clamp(Math.floor(one), 0, k - 1));
    };
    const show = (cell, event) => {
      if (String(cell) === String(this.over)) return;
      this.over = cell;
      this.draw();
      app.setPreview(cell ? { rows: [cell[0]], columns: [cell[1]] } : null);
      app.tip(cell ? this.describe(...cell) : null, event ?? canvas, cell && !event ? [(cell[1] + 1) * this.cw, (cell[0] + 1) * this.ch] : null);
    };
    canvas.addEventListener("pointermove", (event) => show(at(event), event));
    canvas.addEventListener("pointerleave", () => show(null));
    canvas.addEventListener("blur", () => show(null));
    canvas.addEventListener("click", (event) => app.toggleCell(...at(event)));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (step) {
        const from = this.over ?? [0, 0];
        const cell = this.over ? from.map((one, i) => clamp(one + step[i], 0, k - 1)) : from;
        show(cell);
        app.say(this.describe(...cell).join(". "));
      } else if ((event.key === "Enter" || event.key === " ") && this.over) app.toggleCell(...this.over);
      else return;
      event.preventDefault();
    });
  }

  describe(row, column) {
    const { engine, data } = this.app;
    const k = data.classes.length, n = engine.counts.rows[row];
    const title = row === column ? `${data.classes[row].title} named right` : `${data.classes[row].title} taken for ${data.classes[column].title}`;
    const line = (slot) => {
      const count = engine.counts.matrix[slot][row * k + column];
      return `${"AB"[slot]} ${engine.models[slot].title}: ${number(count)} of ${number(n)}, ${percent(count, n)}`;
    };
    return [title, line(0), line(1)];
  }
}

// ---------------------------------------------------------------------------------------------- the list

/** The largest confusions of what is chosen, or what one class is taken for; two bars each. */
class List {
  constructor(app) {
    this.app = app;
    this.node = el("div", { class: "px-list" });
  }

  draw() {
    if (!this.node.clientWidth) return;
    const { app } = this;
    const { engine, data } = app;
    const { counts } = engine;
    const k = data.classes.length, cls = app.singleRow();
    const rows = [];
    let head;
    if (cls !== null) {
      const n = counts.chosenRows[cls];
      head = `What ${plural(n, "picture")} of ${data.classes[cls].title} are taken for`;
      for (let column = 0; column < k; column++) rows.push([cls, column, counts.chosen[0][cls * k + column], counts.chosen[1][cls * k + column]]);
      rows.total = n;
    } else {
      head = `Most frequent errors among ${plural(counts.n, "picture")}, by number`;
      for (let cell = 0; cell < k * k; cell++) {
        const row = Math.floor(cell / k), column = cell % k;
        if (row !== column) rows.push([row, column, counts.chosen[0][cell], counts.chosen[1][cell]]);
      }
    }
    const total = rows.total;
    const shown = rows.filter(([, , a, b]) => (total ? Math.max(a, b) >= 0.01 * total : a + b > 0))
      .sort((x, y) => Math.max(y[2], y[3]) - Math.max(x[2], x[3])).slice(0, Math.max(5, Math.floor((this.node.clientHeight - 64) / 36)));
    const most = total ?? Math.max(1, ...shown.map(([, , a, b]) => Math.max(a, b)));
    const folded = total ? rows.filter(([, , a, b]) => Math.max(a, b) > 0).length - shown.length : 0;
    this.node.replaceChildren(el("p", {}, head),
      el("div", { class: "px-key" }, ...[0, 1].map((slot) => el("span", {}, badge(slot), ` ${engine.models[slot].title}`))),
      ...shown.map(([row, column, a, b]) => {
        const colored = (one) => {
          const name = el("b", {}, data.classes[one].title);
          name.style.color = css(app.textColors[one]);
          return name;
        };
        const bars = el("span", { class: "px-bars" }, ...[a, b].map((count, slot) => {
          const bar = el("i", { class: `px-bar px-fill-${"ab"[slot]}` });
          bar.style.width = `${(72 * count) / most}%`;
          return el("span", {}, bar, el("small", {}, total ? percent(count, total) : number(count)));
        }));
        const text = total ? [colored(column), column === row ? " \u2713" : ""] : [colored(row), " \u2192 ", colored(column)];
        return el("button", { class: "px-line", onclick: () => app.toggleCell(row, column),
          onpointerenter: () => app.setPreview({ rows: [row], columns: [column] }), onpointerleave: () => app.setPreview(null) }, el("span", {}, ...text), bars);
      }),
      ...(shown.length ? [] : [el("p", { class: "px-quiet" }, "No errors among what is chosen.")]),
      ...(folded > 0 ? [el("p", { class: "px-quiet" }, `${folded} more below 1${NBSP}%`)] : []));
  }
}

// ---------------------------------------------------------------------------------------------- curves

/** How many are right (or taken for the chosen class) from weak to strong; dragging chooses a range. */
class Curves {
  constructor(app) {
    this.app = app;
    this.title = el("h3");
    this.plot = svg("svg", { role: "img" });
    this.handles = [0, 1].map((end) => el("input", { type: "range", min: 1, max: BINS, step: 1, class: "px-hidden",
      "aria-label": end ? "Strongest twelfth chosen" : "Weakest twelfth chosen", oninput: () => this.byKey() }));
    this.node = el("div", { class: "px-curves" }, this.title, this.plot, ...this.handles);
    this.listen();
  }

  byKey() {
    const [low, high] = this.handles.map((one) => Number(one.value) - 1);
    this.app.setHow([Math.min(low, high), Math.max(low, high)], false);
  }

  draw() {
    const { app } = this;
    const { engine, data } = app;
    const width = this.plot.clientWidth, height = this.plot.clientHeight;
    if (!width) return;
    const columns = engine.what?.columns;
    const names = columns ? data.classes.filter((one, i) => columns[i]).map((one) => one.title) : null;
    this.title.textContent = names ? `Taken for ${names.length > 2 ? `${names.length} classes` : names.join(" or ")}, weak to strong` : "Right, from weak to strong";
    const [left, right, top, bottom] = [34, 16, 8, 18];
    const x = (bin) => left + ((bin + 0.5) / BINS) * (width - left - right), y = (share) => top + (1 - share) * (height - top - bottom);
    const edge = (bin) => left + (bin / BINS) * (width - left - right);
    this.bin = (px) => clamp(Math.floor(((px - left) / (width - left - right)) * BINS), 0, BINS - 1);
    const nodes = [];
    if (engine.how) nodes.push(svg("rect", { class: "px-range", x: edge(engine.how[0]), y: top, width: edge(engine.how[1] + 1) - edge(engine.how[0]), height: y(0) - top }));
    for (const [share, label] of [[0, "0"], [0.5, "50"], [1, `100${NBSP}%`]]) {
      nodes.push(svg("line", { class: "px-grid", x1: left, x2: width - right, y1: y(share), y2: y(share) }),
        svg("text", { x: left - 5, y: y(share) + 4, "text-anchor": "end" }, label));
    }
    nodes.push(svg("text", { x: left, y: height - 3 }, "weak"), svg("text", { x: width - right, y: height - 3, "text-anchor": "end" }, "strong"),
      svg("text", { x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, width < 220 ? "" : "drag to choose"));
    const ends = [];
    const line = (counts, slot, kind) => {
      const points = [];
      for (let bin = 0; bin < BINS; bin++) if (counts[0][bin]) points.push([x(bin), y(counts[slot + 1][bin] / counts[0][bin])]);
      if (!points.length) return;
      nodes.push(svg("path", { class: `px-${kind} px-stroke-${"ab"[slot]}`, d: `M${points.map((one) => one.map((v) => v.toFixed(1)).join(",")).join("L")}` }));
      if (kind === "thin") return;
      nodes.push(...points.map(([cx, cy]) => svg("circle", { class: `px-fill-${"ab"[slot]}`, cx: cx.toFixed(1), cy: cy.toFixed(1), r: 2 })));
      ends.push([points[points.length - 1][1], slot]);
    };
    const narrowed = engine.where || engine.what;
    if (narrowed && !columns) [0, 1].forEach((slot) => line(engine.total.curve, slot, "thin"));
    [0, 1].forEach((slot) => line(engine.counts.curve, slot, "bold"));
    if (ends.length === 2 && Math.abs(ends[0][0] - ends[1][0]) < 11) {
      const middle = (ends[0][0] + ends[1][0]) / 2, up = ends[0][0] <= ends[1][0] ? 0 : 1;
      ends[up][0] = middle - 5.5;
      ends[1 - up][0] = middle + 5.5;
    }
    for (const [cy, slot] of ends) nodes.push(svg("text", { class: `px-end px-text-${"ab"[slot]}`, x: width - right + 5, y: cy + 4 }, "AB"[slot]));
    this.plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.plot.setAttribute("aria-label", `${this.title.textContent}; ${this.inWords()}${narrowed && !columns ? "; thin lines: all pictures" : ""}`);
    this.plot.replaceChildren(...nodes);
    this.handles[0].value = (engine.how?.[0] ?? 0) + 1;
    this.handles[1].value = (engine.how?.[1] ?? BINS - 1) + 1;
  }

  inWords() {
    const { curve } = this.app.engine.counts;
    return [0, 1].map((slot) => `${"AB"[slot]} ${percent(curve[slot + 1][0], curve[0][0])} weakest, ${percent(curve[slot + 1][BINS - 1], curve[0][BINS - 1])} strongest`).join("; ");
  }

  listen() {
    const { plot, app } = this;
    let from = null;
    const bin = (event) => this.bin(event.clientX - plot.getBoundingClientRect().left);
    const range = (event) => [from, bin(event)].sort((a, b) => a - b);
    plot.addEventListener("pointerdown", (event) => {
      plot.setPointerCapture(event.pointerId);
      [from, this.before] = [bin(event), app.engine.how];
    });
    plot.addEventListener("pointermove", (event) => from !== null && app.frame("change", () => from !== null && app.setHow(range(event), true)));
    plot.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const chosen = range(event);
      from = null;
      app.setHow(String(chosen) === String(this.before) || chosen[1] - chosen[0] === BINS - 1 ? null : chosen, false);
    });
    plot.addEventListener("pointercancel", () => (from = null));
  }
}

// ---------------------------------------------------------------------------------------------- who is right

class Outcomes {
  constructor(app) {
    this.app = app;
    this.bars = OUTCOME_ORDER.map((code) => el("i", { class: `px-out px-out-${OUTCOMES[code]}` }));
    this.buttons = OUTCOME_ORDER.map((code) => el("button", { onclick: (event) => app.toggleOutcome(code, event.shiftKey) },
      el("i", { class: `px-out px-out-${OUTCOMES[code]}` }), el("b"), el("span"), el("small")));
    this.node = el("section", { class: "px-who", "aria-label": "Who is right" }, el("div", { class: "px-stack", "aria-hidden": "true" }, ...this.bars), el("div", { class: "px-whos" }, ...this.buttons));
  }

  draw() {
    const { engine } = this.app;
    const { outcomes } = engine.counts;
    const n = outcomes.reduce((sum, one) => sum + one, 0), all = engine.n;
    const words = { both: "both right", a: "only A right", b: "only B right", neither: "both wrong" };
    OUTCOME_ORDER.forEach((code, i) => {
      const off = engine.out && !((engine.out >> code) & 1);
      this.bars[i].style.width = `${n ? (100 * outcomes[code]) / n : 0}%`;
      this.bars[i].classList.toggle("px-off", Boolean(off));
      const [, count, text, share] = this.buttons[i].children;
      count.textContent = number(outcomes[code]);
      text.textContent = ` ${words[OUTCOMES[code]]} `;
      share.textContent = n === all ? percent(outcomes[code], n) : `${percent(outcomes[code], n)} \u00b7 of all ${percent(engine.total.outcomes[code], all)}`;
      this.buttons[i].classList.toggle("px-off", Boolean(off));
      this.buttons[i].setAttribute("aria-pressed", String(Boolean(engine.out && !off)));
    });
  }
}

// ---------------------------------------------------------------------------------------------- pictures

class Pictures {
  constructor(app) {
    this.app = app;
    this.row = el("div", { class: "px-row" });
    this.more = el("button", { class: "px-more", onclick: () => { this.rows += 3; this.draw(); } }, "More pictures");
    this.rows = 1;
    this.order = [];
    this.node = el("section", { class: "px-pictures", "aria-label": "Pictures" }, this.row, this.more);
  }

  /** Return the points to show, surest errors of both models first; with several classes, one of each comes first. */
  ranked(most) {
    const { engine, data } = this.app;
    const [a, b] = engine.models;
    const buckets = Array.from({ length: 511 }, () => []);
    for (let i = 0; i < engine.n; i++) {
      if (engine.bits[i] !== ALL || data.classes[data.truth[i]].name === "identity") continue;
      const wrong = (engine.outcome[i] & 1 ? 0 : a.confidence[i]) + (engine.outcome[i] & 2 ? 0 : b.confidence[i]);
      const bucket = buckets[510 - wrong];
      if (bucket.length < 400) bucket.push(i);
    }
    const photos = new Set(), classes = new Set(), found = [], later = [];
    const mixed = this.app.singleRow() === null;
    for (const i of buckets.flat()) {
      if (photos.has(data.photo[i])) continue;
      if (mixed && classes.has(data.truth[i])) {
        later.push(i);
        continue;
      }
      photos.add(data.photo[i]);
      classes.add(data.truth[i]);
      found.push(i);
      if (found.length >= most) return found;
    }
    for (const i of later) {
      if (found.length >= most) break;
      if (photos.has(data.photo[i])) continue;
      photos.add(data.photo[i]);
      found.push(i);
    }
    return found;
  }

  draw() {
    const { app } = this;
    const width = this.row.clientWidth;
    if (!width) return;
    const columns = Math.max(2, Math.floor((width + 12) / 172));
    this.row.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const most = columns * this.rows;
    const ranked = this.ranked(most + 1);
    this.more.hidden = ranked.length <= most;
    this.order = ranked.slice(0, most);
    if (app.pin !== null) this.order = [app.pin, ...this.order.filter((i) => i !== app.pin)].slice(0, Math.max(most, 1));
    this.row.replaceChildren(...this.order.map((i, place) => this.card(i, place === 0)));
    if (!this.order.length) this.row.append(el("p", { class: "px-quiet" }, "No altered picture is chosen: take a clause away, or press Esc."));
  }

  card(i, first) {
    const { app } = this;
    const { data, engine } = app;
    const pinned = app.pin === i;
    const answers = [0, 1].map((slot) => {
      const model = engine.models[slot], right = (engine.outcome[i] >> slot) & 1;
      return el("span", { class: "px-answer" }, badge(slot), ` ${right ? "\u2713 " : ""}${data.classes[model.predicted[i]].title} ${percent(model.confidence[i], 255)}`);
    });
    const pair = app.options.picture && el("span", { class: "px-pair" }, app.image(i, true), app.image(i, false));
    if (first && pair) pair.append(el("em", {}, "untouched"), el("em", {}, "altered"));
    return el("div", { class: "px-card", onpointerenter: () => app.hover(i), onpointerleave: () => app.hover(null) },
      el("button", { class: "px-open", onclick: () => app.open(i), onfocus: () => app.hover(i), onblur: () => app.hover(null) }, pair, app.caption(i), ...answers),
      el("button", { class: "px-pin", "aria-pressed": String(pinned), "aria-label": pinned ? "No longer keep this picture in view" : "Keep this picture in view",
        title: pinned ? "No longer keep in view" : "Keep in view", onclick: () => app.setPin(pinned ? null : i) }, "\u25c9"));
  }
}

/** One picture: large, its untouched twin, every model's answer, its nearest. */
class PictureDialog {
  constructor(app) {
    this.app = app;
    this.body = el("div");
    this.node = el("dialog", { class: "px-dialog", "aria-label": "Picture", onclick: (event) => event.target === this.node && this.node.close(), onclose: () => app.hover(null) }, this.body);
    this.node.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) this.step(by);
      event.stopPropagation(); // Esc closes the dialog and leaves the selection
    });
  }

  step(by) {
    const { order } = this.app.pictures;
    const at = order.indexOf(this.point);
    if (order.length) this.open(order[(at + by + order.length) % order.length]);
  }

  open(i) {
    const { app } = this;
    const { data, engine } = app;
    this.point = i;
    const cls = data.classes[data.truth[i]];
    const title = el("b", {}, cls.title);
    title.style.color = css(app.textColors[data.truth[i]]);
    const label = data.labels[data.photo[i]];
    const pinned = app.pin === i;
    const figure = (picture, words) => picture && el("figure", {}, picture, el("figcaption", {}, words));
    const untouched = cls.name === "identity";
    const bars = data.models.map((model) => {
      const right = model.predicted[i] === data.truth[i];
      const bar = el("i");
      bar.style.width = `${model.confidence[i] / 2.55}%`;
      const slot = engine.models.indexOf(model);
      const says = `${data.classes[model.predicted[i]].title} ${percent(model.confidence[i], 255)}`;
      return el("div", { class: `px-says ${right ? "px-right" : "px-wrong"}` }, el("span", {}, slot >= 0 ? badge(slot) : null, ` ${model.title}`),
        el("span", { class: "px-track" }, bar), el("span", {}, right ? `\u2713 ${says}` : `${says}; ${cls.title} ${percent(model.truthProbability[i], 255)}`));
    });
    const rows = [0, 1].filter((slot) => slot === 0 || engine.models[0] !== engine.models[1]).map((slot) => {
      const { kept, points } = app.neighbors(i, slot);
      return el("div", { class: "px-near" }, el("div", {}, badge(slot), el("b", {}, kept ? " Nearest in the embedding" : " Nearest on the map"),
        el("small", {}, kept ? engine.models[slot].title : `${engine.models[slot].title}; this run keeps no neighbors in the embedding`)),
      el("div", { class: "px-nearest" }, ...points.map((j) => el("button", { onclick: () => this.open(j), "aria-label": `Open ${data.classes[data.truth[j]].title}` }, app.image(j, false), app.caption(j, true)))));
    });
    this.body.replaceChildren(
      el("header", {}, el("h2", {}, title, app.strength(i) ? `, ${app.strength(i)}` : ""), label ? el("small", {}, label) : null, el("span", { class: "px-grow" }),
        el("button", { "aria-pressed": String(pinned), onclick: () => { app.setPin(pinned ? null : i); this.open(i); } }, pinned ? "Kept in view" : "Keep in view"),
        el("button", { "aria-label": "Picture before", onclick: () => this.step(-1) }, "\u2039"), el("button", { "aria-label": "Next picture", onclick: () => this.step(1) }, "\u203a"),
        el("button", { "aria-label": "Close", onclick: () => this.node.close() }, "\u00d7")),
      el("div", { class: "px-large" }, untouched ? null : figure(app.image(i, true, true), "Untouched"), figure(app.image(i, false, true), untouched ? "Untouched" : "Altered"),
        figure(app.whole(i), "The whole photograph; models see what is outlined"), el("div", { class: "px-answers" }, el("h3", {}, "What each model says"), ...bars)),
      ...rows);
    if (!this.node.open) this.node.showModal();
    app.hover(i);
    app.options.onPoint?.(data.sample[i]);
  }
}

// ---------------------------------------------------------------------------------------------- the numbers as a table

class Numbers {
  constructor(app) {
    this.app = app;
    this.table = el("table");
    this.node = el("details", { class: "px-table", ontoggle: () => this.draw() }, el("summary", {}, "The numbers as a table"), this.table);
  }

  draw() {
    if (!this.node.open) return;
    const { engine, data } = this.app;
    const { counts, total } = engine;
    const k = data.classes.length;
    const [a, b] = engine.models.map((model) => model.title);
    const head = ["true class", "chosen", "of all", `A ${a}: right of chosen`, "right of all", `B ${b}: right of chosen`, "right of all"];
    const line = (name, n, all, rights, allRights, tag = "td") => el("tr", {}, el("th", { scope: "row" }, name), ...[number(n), number(all),
      percent(rights[0], n), percent(allRights[0], all), percent(rights[1], n), percent(allRights[1], all)].map((text) => el(tag, {}, text)));
    this.table.replaceChildren(el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))), el("tbody", {},
      line("all classes", counts.n, total.n, counts.right, total.right),
      ...data.classes.map((one, cls) => line(one.title, counts.chosenRows[cls], total.rows[cls],
        [0, 1].map((slot) => counts.chosen[slot][cls * k + cls]), [0, 1].map((slot) => total.matrix[slot][cls * k + cls])))));
  }
}

// ---------------------------------------------------------------------------------------------- all together

const OWN_READING = "everything"; // of a single picture nobody knows what was done: that is what its versions differ by

class Explorer {
  constructor(root, data, options) {
    Object.assign(this, { root, data, options });
    this.reading = options.own && OWN_READING in data.readings ? OWN_READING : Object.keys(data.readings)[0];
    this.by = 0; // the matrix of A, of B, or 2: B less A
    this.panel = "matrix";
    this.colors = "class";
    this.hovered = this.pin = this.preview = null;
    this.kept = [];
    this.scrolled = -1000;
    this.stampCache = new Map();
    this.tasks = new Map();
    this.identity = data.classes.findIndex((one) => one.name === "identity");
    this.twins = new Map(); // number of an image -> its untouched point
    for (let i = 0; i < data.tested; i++) if (data.truth[i] === this.identity && !this.twins.has(data.photo[i])) this.twins.set(data.photo[i], i);
    this.engine = new Engine(data);
    this.build();
    this.setTheme();
    const restored = options.selection && this.restore(options.selection);
    if (!restored) {
      this.engine.setModels(...this.engine.models);
      this.engine.count();
      if (options.hint !== false) this.firstCell();
    }
    if (!options.selection?.panel && this.root.clientWidth < NARROW) this.panel = "list";
    this.watch();
    this.refresh(false, true);
  }

  api() {
    return {
      update: (options) => this.update(options),
      destroy: () => this.destroy(),
      counts: () => this.exposed(),
      selection: () => this.selection(),
      select: (selection) => {
        this.restore(selection);
        this.refresh(false);
      },
      draw: (live) => this.refresh(live), // for measurements
    };
  }

  update(options) {
    const appears = options.own && !this.options.own;
    Object.assign(this.options, options);
    if ("theme" in options) this.setTheme();
    if (appears && OWN_READING in this.data.readings && this.reading !== OWN_READING) this.setReading(OWN_READING);
    if (options.selection) this.restore(options.selection);
    this.refresh(false, true);
  }

  destroy() {
    this.resizes.disconnect();
    this.dark.removeEventListener("change", this.onDark);
    document.removeEventListener("keydown", this.onKey);
    window.removeEventListener("scroll", this.onScroll, true);
    cancelAnimationFrame(this.pending);
    this.root.replaceChildren();
  }

  // ------------------------------------------------------------------ building

  build() {
    const { data } = this;
    this.sentence = el("p", { class: "px-sentence" });
    this.chips = el("div", { class: "px-chips" });
    this.keepName = el("input", { type: "text", maxlength: 60, "aria-label": "Name of this selection", placeholder: "Name this selection" });
    this.keptList = el("ul");
    this.keep = el("details", { class: "px-keep" }, el("summary", {}, "Keep"), el("form", { onsubmit: (event) => this.keepSelection(event) },
      this.keepName, el("button", {}, "Keep"), this.keptList));
    this.tools = el("div", { class: "px-tools" }, this.keep, el("button", { onclick: () => this.download(), title: "What is chosen, as a table (CSV)" }, "Download"));
    this.live = el("div", { class: "px-hidden", role: "status", "aria-live": "polite" });
    this.tooltip = el("div", { class: "px-tip", hidden: true });
    this.maps = [new PointMap(this, 0), new PointMap(this, 1)];
    this.groups = data.groups.map((group, i) => {
      const dot = el("i");
      return el("button", { onclick: (event) => this.toggleRows(this.members(i), event.shiftKey), onpointerenter: () => this.setPreview({ rows: this.members(i) }),
        onpointerleave: () => this.setPreview(null) }, dot, group.title);
    });
    this.coloringMenu = el("select", { "aria-label": "Colors of the points", onchange: () => { this.colors = this.coloringMenu.value; this.refresh(false); } },
      ...[["class", "colors: what was done"], ["right", "colors: right or wrong"], ["strength", "colors: weak to strong"]].map(([value, text]) => el("option", { value }, text)));
    const readings = Object.entries(data.readings);
    this.readingMenu = el("select", { "aria-label": "Reading of the maps", onchange: () => this.setReading(this.readingMenu.value) },
      ...readings.map(([value, text]) => el("option", { value }, `map by ${text}`)));
    this.readingMenu.hidden = readings.length < 2;
    this.note = el("p", { class: "px-quiet" });
    this.curves = new Curves(this);
    this.matrix = new Matrix(this);
    this.list = new List(this);
    this.panelTabs = [["matrix", "Matrix"], ["list", "Largest confusions"]].map(([value, text]) => el("button", { role: "tab", onclick: () => this.setPanel(value) }, text));
    this.byTabs = [0, 1, 2].map((by) => el("button", { "aria-pressed": "false", onclick: () => this.setBy(by) }));
    const tabs = el("header", {}, el("div", { role: "tablist", "aria-label": "Answers" }, ...this.panelTabs), this.byGroup = el("div", { role: "group", "aria-label": "Matrix of" }, ...this.byTabs));
    tabs.addEventListener("keydown", (event) => {
      if (event.target.getAttribute("role") !== "tab" || !/^Arrow(Left|Right)$/.test(event.key)) return;
      this.setPanel(this.panel === "matrix" ? "list" : "matrix");
      this.panelTabs.find((tab) => tab.getAttribute("aria-selected") === "true").focus();
    });
    this.outcomes = new Outcomes(this);
    this.pictures = new Pictures(this);
    this.dialog = new PictureDialog(this);
    this.numbers = new Numbers(this);
    this.main = el("div", { class: "px-main", "data-map": "a" },
      ...this.maps.map((map) => map.node),
      el("section", { class: "px-under" }, el("div", { class: "px-legend" }, el("div", { class: "px-groups", role: "group", "aria-label": "Groups of transformations" }, ...this.groups),
        el("div", { class: "px-menus" }, this.coloringMenu, this.readingMenu), this.note), this.curves.node),
      el("section", { class: "px-panel" }, tabs, this.matrix.node, this.list.node));
    this.frameNode = el("div", { class: "px-frame" }, el("header", { class: "px-head" }, this.sentence, el("div", { class: "px-second" }, this.chips, this.tools)),
      this.main, this.outcomes.node, this.pictures.node, this.numbers.node, this.dialog.node, this.tooltip, this.live);
    this.root.classList.add("px");
    this.root.replaceChildren(this.frameNode);
  }

  watch() {
    this.resizes = new ResizeObserver(() => this.frame("size", () => {
      const key = [this.root.clientWidth, this.maps[0].box.clientWidth, this.maps[1].box.clientWidth, this.matrix.node.clientWidth, this.matrix.node.clientHeight].join();
      if (key === this.sizes) return;
      this.sizes = key;
      this.refresh(false, true);
    }));
    for (const node of [this.root, this.maps[0].box, this.maps[1].box, this.matrix.node]) this.resizes.observe(node);
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.onDark = () => {
      this.setTheme();
      this.refresh(false, true);
    };
    this.dark.addEventListener("change", this.onDark);
    this.onKey = (event) => {
      if (event.key !== "Escape" || (event.target !== document.body && !event.composedPath().includes(this.root))) return;
      if (this.keep.open) this.keep.open = false;
      else this.escape();
    };
    document.addEventListener("keydown", this.onKey);
    this.onScroll = () => (this.scrolled = performance.now());
    window.addEventListener("scroll", this.onScroll, true);
  }

  get coarse() {
    return window.matchMedia("(pointer: coarse)").matches;
  }

  get density() {
    return Math.min(window.devicePixelRatio || 1, 2);
  }

  setTheme() {
    const wanted = this.options.theme ?? "auto";
    const dark = wanted === "auto" ? window.matchMedia("(prefers-color-scheme: dark)").matches : wanted === "dark";
    this.root.dataset.theme = dark ? "dark" : "light";
    const style = getComputedStyle(this.root);
    const color = (name) => rgb(style.getPropertyValue(`--px-${name}`).trim());
    const names = ["ground", "ink", "muted", "line", "pale", "faint", "empty", "right", "wrong"];
    this.theme = Object.fromEntries(names.map((name) => [name, color(name)]));
    Object.assign(this.theme, { name: dark ? "dark" : "light", font: style.fontFamily, dark: [17, 24, 39], light: [255, 255, 255] });
    const side = dark ? 1 : 0;
    this.theme.ramp = this.data.ramps[side].map(rgb);
    this.theme.diverging = this.data.diverging[side].map(rgb);
    this.classColors = this.data.classes.map((one) => rgb(one.colors[side]));
    this.textColors = this.classColors.map((one) => readable(one, this.theme.ground, this.theme.ink));
    this.groups.forEach((node, i) => (node.firstChild.style.background = this.data.groups[i].colors[side]));
    for (const map of this.maps) map.baseKey = "";
  }

  stamp(radius) {
    const key = radius.toFixed(2);
    if (!this.stampCache.has(key)) this.stampCache.set(key, stamps(radius));
    return this.stampCache.get(key);
  }

  /** Run `task` before the next paint; of those with one key, the last one asked for. */
  frame(key, task) {
    this.tasks.set(key, task);
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      const tasks = [...this.tasks.values()];
      this.tasks.clear();
      for (const one of tasks) one();
    });
  }

  // ------------------------------------------------------------------ facts on points

  /** Return the codes of all tested points in the present coloring, and the palette of these codes. */
  coloring(slot) {
    const { data, theme } = this;
    if (this.colors === "class") return [data.truth, this.classColors.map(pixel)];
    if (this.colors === "strength") return [data.strength, Array.from({ length: 256 }, (_, i) => pixel(i === NO_STRENGTH ? theme.pale : ramp(theme.ramp.slice(1), i / 254)))];
    return [this.engine.outcome, [0, 1, 2, 3].map((code) => pixel((code >> slot) & 1 ? theme.right : theme.wrong))];
  }

  pointColor(i, slot) {
    if (this.colors === "class") return this.classColors[this.data.truth[i]];
    const [codes, palette] = this.coloring(slot);
    const color = palette[codes[i]];
    return [color & 255, (color >> 8) & 255, (color >> 16) & 255];
  }

  strength(i) {
    const { before, after, scale } = this.data.classes[this.data.truth[i]];
    const value = this.data.value[i] * scale;
    return Number.isFinite(value) && this.data.strength[i] !== NO_STRENGTH ? `${before}${Number(value.toPrecision(2))}${after}` : "";
  }

  caption(i, short = false) {
    const name = el("b", {}, this.data.classes[this.data.truth[i]].title);
    name.style.color = css(this.textColors[this.data.truth[i]]);
    const strength = short ? "" : this.strength(i);
    return el("span", { class: "px-caption" }, name, strength ? `, ${strength}` : "");
  }

  /** Return an element with the picture of a point, or of the untouched version of its image. */
  image(i, twin, large = false) {
    const { data } = this;
    const point = twin ? this.twins.get(data.photo[i]) ?? null : i;
    const cls = twin ? this.identity : data.truth[i];
    const about = { point, sample: point === null ? null : data.sample[point], large };
    return this.tile(this.options.picture?.(data.photo[i], cls, about), twin ? "untouched" : data.classes[cls].title);
  }

  whole(i) {
    const { data } = this;
    const found = this.options.picture?.(data.photo[i], -1, { point: i, sample: data.sample[i], large: true });
    if (!found) return null;
    const node = this.tile(found, "whole photograph");
    if (found.cut) {
      const frame = el("i", { class: "px-cut" });
      ["left", "top", "width", "height"].forEach((side, k) => (frame.style[side] = `${100 * found.cut[k]}%`));
      node.append(frame);
    }
    return node;
  }

  /** Return a picture: one tile of a sheet of `columns` by `rows`, of which `box` (left, top, width, height) is shown. */
  tile(found, words) {
    const node = el("span", { class: "px-picture", role: "img", "aria-label": words });
    if (!found) {
      node.classList.add("px-missing");
      node.textContent = "no picture";
      return node;
    }
    const { url, columns = 1, rows = 1, tile = 0, box: [left, top, width, height] = [0, 0, 1, 1] } = found;
    const share = (place, count) => (count > 0 ? (100 * place) / count : 0);
    node.style.backgroundImage = `url("${url}")`;
    node.style.backgroundSize = `${(columns / width) * 100}% ${(rows / height) * 100}%`;
    node.style.backgroundPosition = `${share((tile % columns) + left, columns - width)}% ${share(Math.floor(tile / columns) + top, rows - height)}%`;
    node.style.aspectRatio = width / height;
    return node;
  }

  /** Return the five nearest of other images: as the run keeps them in the embedding, else on the map. */
  neighbors(i, slot) {
    const { data } = this;
    const { places, reading } = this.maps[slot];
    const kept = this.engine.models[slot].neighbors?.[reading];
    if (kept) return { kept: true, points: [...kept.subarray(5 * i, 5 * i + 5)].filter((j) => j >= 0) };
    const near = [];
    for (let j = 0; j < data.tested; j++) {
      if (data.photo[j] === data.photo[i]) continue;
      const away = (places[2 * j] - places[2 * i]) ** 2 + (places[2 * j + 1] - places[2 * i + 1]) ** 2;
      if (near.length < 5 || away < near[4][0]) {
        near.push([away, j]);
        near.sort((x, y) => x[0] - y[0]);
        near.length = Math.min(near.length, 5);
      }
    }
    return { kept: false, points: near.map(([, j]) => j) };
  }

  members(group) {
    return this.data.classes.flatMap((one, cls) => (one.group === group ? [cls] : []));
  }

  flags(classes) {
    const found = new Uint8Array(this.data.classes.length);
    for (const cls of classes) found[cls] = 1;
    return found;
  }

  chosenOf(flags) {
    return flags ? [...flags.keys()].filter((cls) => flags[cls]) : [];
  }

  /** Return the class whose row alone is chosen, or null. */
  singleRow() {
    const rows = this.chosenOf(this.engine.what?.rows);
    return rows.length === 1 && !this.engine.what.columns ? rows[0] : null;
  }

  nameOf(flags) {
    const { classes, groups } = this.data;
    const chosen = this.chosenOf(flags);
    if (chosen.length === 1) return classes[chosen[0]].title;
    const group = groups.findIndex((one, g) => this.members(g).join() === chosen.join());
    if (group >= 0) return groups[group].title;
    return chosen.length <= 3 ? chosen.map((cls) => classes[cls].title).join(" or ") : `${chosen.length} classes`;
  }

  howInWords() {
    const [low, high] = this.engine.how;
    const share = (bin) => Math.round((100 * bin) / BINS);
    if (low === 0) return `weakest ${share(high + 1)}${NBSP}%`;
    if (high === BINS - 1) return `strongest ${100 - share(low)}${NBSP}%`;
    return `strength ${share(low)} to ${share(high + 1)}${NBSP}%`;
  }

  // ------------------------------------------------------------------ events

  setModel(slot, name) {
    const { engine } = this;
    const models = [...engine.models];
    models[slot] = this.data.models.find((model) => model.name === name);
    if (engine.where?.slot === slot) engine.setWhere(null);
    this.maps[slot].zoom = { x: 0, y: 0, factor: 1 };
    engine.setModels(...models);
    this.settle();
  }

  setReading(reading) {
    this.reading = reading;
    if (this.engine.where) this.engine.setWhere(null);
    for (const map of this.maps) map.zoom = { x: 0, y: 0, factor: 1 };
    this.settle();
  }

  setWhere(where, live) {
    this.engine.setWhere(where && where.polygon.length >= 6 ? where : null, where && this.maps[where.slot].places);
    this.settle(live);
  }

  setHow(how, live) {
    this.engine.setHow(how);
    this.settle(live);
  }

  setWhat(what) {
    this.preview = null;
    this.hint = false;
    this.engine.setWhat(what && (what.rows || what.columns) ? what : null);
    this.settle();
  }

  toggleRows(classes, join) {
    const { what } = this.engine;
    const before = this.chosenOf(what?.columns ? null : what?.rows);
    const same = classes.every((cls) => before.includes(cls));
    let after = classes;
    if (join) after = same ? before.filter((cls) => !classes.includes(cls)) : [...before, ...classes];
    else if (same && before.length === classes.length) after = [];
    this.setWhat(after.length ? { rows: this.flags(after), columns: null, by: this.by } : null);
  }

  toggleColumn(cls) {
    const { what } = this.engine;
    const columns = this.chosenOf(what?.rows ? null : what?.columns);
    this.setWhat(columns.length === 1 && columns[0] === cls && what.by === this.by ? null : { rows: null, columns: this.flags([cls]), by: this.by });
  }

  toggleCell(row, column) {
    const { what } = this.engine;
    const by = this.panel === "list" ? 2 : this.by;
    const same = what && what.by === by && this.chosenOf(what.rows).join() === String(row) && this.chosenOf(what.columns).join() === String(column);
    this.setWhat(same ? null : { rows: this.flags([row]), columns: this.flags([column]), by });
  }

  toggleOutcome(code, join) {
    const bit = 1 << code, { out } = this.engine;
    const after = join ? out ^ bit : out === bit ? 0 : bit;
    this.engine.setOut(after === 15 ? 0 : after);
    this.settle();
  }

  escape() {
    if (this.cancelDrag) this.cancelDrag();
    else if (!this.engine.isEmpty) {
      this.hint = false;
      this.engine.clear();
      this.settle();
    }
  }

  setPanel(panel) {
    this.panel = panel;
    this.refresh(false);
    this.report();
  }

  setBy(by) {
    this.by = by;
    this.refresh(false);
    this.report();
  }

  showMap(slot) {
    this.main.dataset.map = "ab"[slot];
    for (const map of this.maps) map.switch.childNodes.forEach((node, other) => node.setAttribute("aria-pressed", String(other === slot)));
    this.refresh(false);
  }

  setPin(i) {
    this.pin = i;
    this.pictures.draw();
    for (const map of this.maps) map.drawOver();
    this.say(i === null ? "No picture is kept in view" : `${this.data.classes[this.data.truth[i]].title} is kept in view`);
    this.report();
  }

  setPreview(what) {
    if (what) {
      const full = { rows: what.rows ? this.flags(what.rows) : null, columns: what.columns ? this.flags(what.columns) : null, by: this.panel === "list" ? 2 : this.by };
      const test = this.engine.tester(full);
      const mask = new Uint8Array(this.engine.n);
      let n = 0;
      for (let i = 0; i < mask.length; i++) {
        if ((this.engine.bits[i] | WHAT | ROWS) === ALL && test(i)) {
          mask[i] = 1;
          n++;
        }
      }
      this.preview = { mask, n };
    } else if (this.preview) this.preview = null;
    else return;
    this.frame("preview", () => this.maps.forEach((map) => map.draw()));
  }

  hover(i, event, byKey = false) {
    if (i !== this.hovered) {
      this.hovered = i;
      for (const map of this.maps) if (!map.hidden) map.drawOver();
      if (byKey && i !== null) this.say(this.pointInWords(i).join(". "));
    }
    if (i === null || !event) this.tip(null);
    else {
      const pair = this.options.picture ? el("span", { class: "px-pair" }, this.image(i, true), this.image(i, false)) : null;
      this.tip(this.pointInWords(i), event, null, pair);
    }
  }

  pointInWords(i) {
    const { data, engine } = this;
    const strength = this.strength(i);
    return [data.classes[data.truth[i]].title + (strength ? `, ${strength}` : ""), ...[0, 1].map((slot) => {
      const model = engine.models[slot];
      return `${"AB"[slot]} ${(engine.outcome[i] >> slot) & 1 ? "\u2713 " : ""}${data.classes[model.predicted[i]].title} ${percent(model.confidence[i], 255)}`;
    })];
  }

  tip(lines, near, offset, picture) {
    this.tooltip.hidden = !lines;
    if (!lines) return;
    this.tooltip.replaceChildren(...(picture ? [picture] : []), ...lines.map((line, i) => el(i ? "span" : "b", {}, line)));
    const frame = this.frameNode.getBoundingClientRect();
    let x, y;
    if (offset) {
      const box = near.getBoundingClientRect();
      [x, y] = [box.left + offset[0], box.top + offset[1]];
    } else [x, y] = [near.clientX, near.clientY];
    const { offsetWidth: width, offsetHeight: height } = this.tooltip;
    x -= frame.left;
    y -= frame.top;
    this.tooltip.style.left = `${clamp(x + 14 + width > frame.width ? x - width - 14 : x + 14, 0, Math.max(frame.width - width, 0))}px`;
    this.tooltip.style.top = `${frame.top + y + height + 14 > window.innerHeight ? Math.max(y - height - 12, 0) : y + 14}px`;
  }

  open(i) {
    this.tip(null);
    this.dialog.open(i);
  }

  say(text) {
    this.live.textContent = text;
  }

  settleMap(map) {
    map.findContours();
    map.draw();
  }

  settle(live = false) {
    this.refresh(live);
    if (live) return;
    this.say(this.sentence.textContent);
    this.report();
  }

  report() {
    this.options.onSelection?.(this.selection());
  }

  // ------------------------------------------------------------------ drawing

  refresh(live, fresh = false) {
    const { engine, data } = this;
    engine.count();
    if (fresh) for (const map of this.maps) map.baseKey = "";
    for (const map of this.maps) {
      map.select.value = map.model.name;
      if (!map.hidden) map.resize();
      if (live) map.contours = null;
      else if (!map.hidden) map.findContours();
      map.draw(live);
    }
    const cls = this.singleRow();
    this.panelTabs[1].textContent = cls === null ? "Largest confusions" : "Taken for";
    this.panelTabs.forEach((tab, i) => {
      const on = (i === 0) === (this.panel === "matrix");
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    });
    this.matrix.node.hidden = this.panel !== "matrix";
    this.list.node.hidden = this.panel !== "list";
    this.byGroup.hidden = this.panel !== "matrix";
    this.byTabs.forEach((tab, by) => {
      tab.setAttribute("aria-pressed", String(by === this.by));
      if (by === 2) tab.textContent = "B less A";
      else tab.replaceChildren(badge(by), el("span", {}, ` ${engine.models[by].title}`));
    });
    (this.panel === "matrix" ? this.matrix : this.list).draw();
    this.curves.draw();
    this.outcomes.draw();
    this.writeSentence();
    this.drawLegend();
    if (live) return;
    this.writeChips();
    this.pictures.rows = fresh ? this.pictures.rows : 1;
    this.pictures.draw();
    this.numbers.draw();
  }

  drawLegend() {
    const { engine, data } = this;
    const { counts, what } = engine;
    this.groups.forEach((node, g) => {
      const members = this.members(g);
      node.classList.toggle("px-off", !members.some((cls) => counts.chosenRows[cls]));
      node.setAttribute("aria-pressed", String(Boolean(what?.rows) && members.every((cls) => what.rows[cls])));
    });
    this.coloringMenu.value = this.colors;
    this.readingMenu.value = this.reading;
    const without = this.maps.filter((map) => map.reading !== this.reading).map((map) => `map ${"AB"[map.slot]} by ${data.readings[map.reading]}`);
    const marks = this.maps[0].large || this.maps[1].large ? "Filled: named right; hollow: wrong. " : "";
    const colors = { class: "", right: "Blue: this model is right; orange: wrong. ", strength: "Light to dark: weak to strong. " }[this.colors];
    const scope = data.count > data.tested ? "Palest: not tested." : "";
    this.note.textContent = `${marks}${colors}${without.length ? `Without this reading: ${without.join(", ")}. ` : ""}${this.coarse ? "Touch Enclose, then draw." : "Drag to enclose, wheel to zoom, Shift-drag to move."} ${scope}`;
  }

  model(slot) {
    return el("span", { class: "px-model" }, badge(slot), el("b", {}, ` ${this.engine.models[slot].title}`));
  }

  writeSentence() {
    const { engine, data } = this;
    const { counts, what, where, out, how } = engine;
    const { n, right } = counts;
    const parts = [];
    const digits = engine.isEmpty ? 1 : 0;
    const rows = this.chosenOf(what?.rows), columns = this.chosenOf(what?.columns);
    const few = how ? `, ${this.howInWords()}` : "";
    if (out) {
      const base = counts.outcomes.reduce((sum, one) => sum + one, 0);
      const words = { 3: ["by both"], 1: ["by ", this.model(0), " alone"], 2: ["by ", this.model(1), " alone"], 0: ["by neither"] };
      const chosen = OUTCOME_ORDER.filter((code) => (out >> code) & 1).flatMap((code, i) => [...(i ? [" or "] : []), ...words[code]]);
      parts.push(el("b", {}, number(n)), ` of ${plural(base, "picture")}${what ? ` (${this.whatInWords()})` : ""}${few && `${few},`} are named right `, ...chosen, ".");
    } else if (columns.length && rows.length === 1 && columns.length === 1) {
      const [row] = rows, [column] = columns, k = data.classes.length, cell = row * k + column;
      const base = counts.rows[row], truth = data.classes[row].title, answer = data.classes[column].title;
      if (what.by === 2) {
        const count = (slot) => number(counts.matrix[slot][cell]);
        if (row === column) parts.push(`Of ${number(base)} ${truth}${few}, `, this.model(0), ` names ${count(0)} right, `, this.model(1), ` ${count(1)}.`);
        else parts.push(`Of ${number(base)} ${truth}${few}, `, this.model(0), ` takes ${count(0)} for ${answer}, `, this.model(1), ` ${count(1)}.`);
      } else {
        const other = 1 - what.by;
        const verb = row === column ? `names ${number(n)} of ${number(base)} ${truth} right${few}` : `takes ${number(n)} of ${number(base)} ${truth} for ${answer}${few}`;
        parts.push(this.model(what.by), ` ${verb}; `, this.model(other), ` names ${number(right[other])} of these right`);
        if (row !== column) parts.push(`, and takes ${number(counts.chosen[other][cell])} for the same`);
        parts.push(".");
      }
    } else if (columns.length) {
      const answer = this.nameOf(what.columns), by = what.by;
      if (by < 2) parts.push(this.model(by), ` takes ${plural(n, "picture")}${rows.length ? ` of ${this.nameOf(what.rows)}` : ""} for ${answer}${few} and is right about ${number(right[by])}; `, this.model(1 - by), ` names ${number(right[1 - by])} of them right.`);
      else parts.push(`${plural(n, "picture")} are taken for ${answer} by `, this.model(0), " or ", this.model(1), `; A names ${number(right[0])} of them right, B ${number(right[1])}.`);
    } else {
      if (engine.isEmpty) parts.push("What was done to a picture: ");
      else {
        const name = rows.length ? `${this.nameOf(what.rows)}, ` : "";
        parts.push(el("b", {}, `${name.charAt(0).toUpperCase()}${name.slice(1)}${plural(n, "picture")}${where ? " enclosed" : ""}${few}: `));
      }
      parts.push(this.model(0), ` names ${percent(right[0], n, digits)}${engine.isEmpty ? ` of ${number(n)}` : ""} right, `, this.model(1), ` names ${percent(right[1], n, digits)}`);
      // A lasso, a cell or an outcome chose where a model fails: the other one would look better by regression to the mean.
      if (!where && n && engine.models[0] !== engine.models[1]) {
        const { value, half } = engine.difference();
        parts.push(`; B less A ${signed(value, digits)}${Number.isFinite(half) ? ` ± ${half.toFixed(digits || (half < 1 ? 1 : 0))}` : ""} points`);
      }
      if (engine.isEmpty) parts.push(`; chance is ${percent(1, data.classes.length, 1)}`);
      parts.push(".");
    }
    this.sentence.replaceChildren(...parts);
    this.sentence.classList.remove("px-long");
    this.sentence.classList.toggle("px-long", this.sentence.scrollWidth > this.sentence.clientWidth);
  }

  whatInWords() {
    const { what, models } = this.engine;
    const rows = what.rows ? this.nameOf(what.rows) : "", columns = what.columns ? `taken for ${this.nameOf(what.columns)} by ${what.by === 2 ? "A or B" : models[what.by].title}` : "";
    return [rows, columns].filter(Boolean).join(" ");
  }

  writeChips() {
    const { engine } = this;
    const chips = [];
    const chip = (text, remove) => chips.push(el("button", { class: "px-chip", onclick: remove, "aria-label": `Take away: ${text}` }, text, el("i", { "aria-hidden": "true" }, "\u00d7")));
    if (engine.where) chip(`enclosed on ${engine.models[engine.where.slot].title}`, () => this.setWhere(null, false));
    if (engine.what) chip(this.whatInWords(), () => this.setWhat(null));
    if (engine.out) {
      const words = { 3: "both right", 1: `only ${engine.models[0].title} right`, 2: `only ${engine.models[1].title} right`, 0: "both wrong" };
      chip(OUTCOME_ORDER.filter((code) => (engine.out >> code) & 1).map((code) => words[code]).join(" or "), () => { engine.setOut(0); this.settle(); });
    }
    if (engine.how) chip(this.howInWords(), () => this.setHow(null, false));
    if (chips.length > 1) chips.push(el("button", { class: "px-clear", onclick: () => this.escape() }, "Clear all"));
    if (this.hint) {
      chips.push(el("span", { class: "px-hint" }, this.coarse ? "Try next: touch a group, or another confusion; the cross on a choice takes it away." : "Try next: draw around points on a map, or click another cell; Esc shows everything.",
        el("button", { "aria-label": "Close this hint", onclick: () => { this.hint = false; this.writeChips(); } }, "\u00d7")));
    } else if (engine.isEmpty && this.options.scope) chips.push(el("span", { class: "px-hint" }, this.options.scope));
    this.chips.replaceChildren(...chips);
    this.keptList.replaceChildren(...this.kept.map((one, i) => el("li", {}, el("button", { onclick: () => { this.keep.open = false; this.restore({ ...one.selection, kept: this.kept }); this.settle(); } }, one.name),
      el("button", { "aria-label": `Forget ${one.name}`, onclick: () => { this.kept.splice(i, 1); this.writeChips(); this.report(); } }, "\u00d7"))));
    this.keep.firstChild.textContent = this.kept.length ? `Kept (${this.kept.length})` : "Keep";
  }

  // ------------------------------------------------------------------ the selection as JSON, and as a table

  /** Choose the cell of errors of A of which B names most right. */
  firstCell() {
    const { engine, data } = this;
    const k = data.classes.length, counts = new Uint32Array(k * k);
    const [a] = engine.models;
    for (let i = 0; i < engine.n; i++) if (engine.outcome[i] === 2) counts[data.truth[i] * k + a.predicted[i]]++;
    const cell = counts.indexOf(Math.max(...counts));
    if (!counts[cell]) return;
    engine.setWhat({ rows: this.flags([Math.floor(cell / k)]), columns: this.flags([cell % k]), by: 0 });
    this.hint = true;
  }

  /** Return the whole state as JSON that fits into an address. */
  selection() {
    const { engine, data } = this;
    const names = (flags) => (flags ? this.chosenOf(flags).map((cls) => data.classes[cls].name) : undefined);
    const found = { a: engine.models[0].name, b: engine.models[1].name };
    if (this.reading !== Object.keys(data.readings)[0]) found.reading = this.reading;
    if (engine.where) found.where = { map: SLOTS[engine.where.slot], polygon: engine.where.polygon };
    if (engine.what) found.what = { rows: names(engine.what.rows), columns: names(engine.what.columns), by: ["a", "b", "either"][engine.what.by] };
    if (engine.out) found.out = OUTCOME_ORDER.filter((code) => (engine.out >> code) & 1).map((code) => OUTCOMES[code]);
    if (engine.how) found.how = engine.how;
    if (this.by) found.by = ["a", "b", "difference"][this.by];
    if (this.panel !== "matrix") found.panel = this.panel;
    if (this.colors !== "class") found.colors = this.colors;
    if (this.pin !== null) found.pin = data.sample[this.pin];
    if (this.kept.length) found.kept = this.kept;
    return JSON.parse(JSON.stringify(found));
  }

  /** Take over a selection, whatever of it this data knows; return whether it was one. It may come from an address. */
  restore(selection) {
    if (selection === null || typeof selection !== "object") return false;
    const { engine, data } = this;
    const model = (name, slot) => data.models.find((one) => one.name === name) ?? engine.models[slot];
    const classes = (names) => {
      const found = Array.isArray(names) ? names.map((name) => data.classes.findIndex((one) => one.name === name)).filter((cls) => cls >= 0) : [];
      return found.length ? this.flags(found) : null;
    };
    engine.clear();
    this.hint = false;
    if (selection.reading in data.readings) this.reading = selection.reading;
    engine.setModels(model(selection.a, 0), model(selection.b, 1));
    const { where, what, out, how } = selection;
    if (where && Array.isArray(where.polygon) && where.polygon.length >= 6 && where.polygon.length <= 4 * CORNERS && where.polygon.length % 2 === 0 && where.polygon.every(Number.isFinite)) {
      const slot = where.map === "b" ? 1 : 0;
      engine.setWhere({ slot, polygon: where.polygon.map((one) => Math.round(clamp(one, -4 * FAR, 4 * FAR))) }, this.maps[slot].places);
    }
    if (what && typeof what === "object") {
      const [rows, columns] = [classes(what.rows), classes(what.columns)];
      if (rows || columns) engine.setWhat({ rows, columns, by: { a: 0, b: 1, either: 2 }[what.by] ?? 0 });
    }
    if (Array.isArray(out)) engine.setOut(out.reduce((bits, name) => (OUTCOMES.includes(name) ? bits | (1 << OUTCOMES.indexOf(name)) : bits), 0) % 15);
    if (Array.isArray(how) && how.length === 2 && how.every(Number.isInteger)) engine.setHow(how.map((bin) => clamp(bin, 0, BINS - 1)).sort((x, y) => x - y));
    this.by = { a: 0, b: 1, difference: 2 }[selection.by] ?? 0;
    this.panel = selection.panel === "list" ? "list" : "matrix";
    this.colors = ["right", "strength"].includes(selection.colors) ? selection.colors : "class";
    const pin = Number.isInteger(selection.pin) ? data.sample.subarray(0, data.tested).indexOf(selection.pin) : -1;
    this.pin = pin >= 0 ? pin : null;
    this.kept = Array.isArray(selection.kept) ? selection.kept.filter((one) => one && typeof one.name === "string" && one.selection).slice(0, MOST_KEPT) : [];
    return true;
  }

  keepSelection(event) {
    event.preventDefault();
    const name = this.keepName.value.trim();
    if (!name) return;
    const { kept, ...selection } = this.selection();
    this.kept = [...this.kept.filter((one) => one.name !== name), { name, selection }].slice(-MOST_KEPT);
    this.keepName.value = "";
    this.writeChips();
    this.say(`Kept as ${name}`);
    this.report();
  }

  download() {
    const { data, engine } = this;
    const cell = (text) => {
      const safe = /^[=+\-@\t]/.test(text) && !/^-?[\d.]+$/.test(text) ? `'${text}` : text;
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const head = ["sample", "photograph", "true", "strength", ...data.models.flatMap((model) => [`${model.name} answer`, `${model.name} probability`])];
    const lines = [head.map(cell).join()];
    for (let i = 0; i < data.tested; i++) {
      if (engine.bits[i] !== ALL) continue;
      const value = data.value[i];
      lines.push([data.sample[i], data.photographs[data.photo[i]], data.classes[data.truth[i]].name, Number.isNaN(value) ? "" : Number(value.toPrecision(6)),
        ...data.models.flatMap((model) => [data.classes[model.predicted[i]].name, (model.confidence[i] / 255).toFixed(3)])].map((one) => cell(String(one))).join());
    }
    const url = URL.createObjectURL(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
    el("a", { href: url, download: "selection.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  /** Return every number that the views show, as plain arrays. */
  exposed() {
    const { counts } = this.engine;
    const plain = (value) => (ArrayBuffer.isView(value) || Array.isArray(value) ? Array.from(value, plain) : value);
    const { value, half } = this.engine.difference();
    return { ...Object.fromEntries(Object.entries(counts).map(([key, one]) => [key, plain(one)])), difference: [value, half] };
  }
}
