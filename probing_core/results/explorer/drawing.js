// HTML elements, colors, and drawing of points as pixels.

const NBSP = "\u00a0";
const SVG = new Set(["svg", "rect", "line", "path", "circle", "text"]);

const number = (value) => value.toLocaleString("en-US");
const minus = (text) => text.replace("-", "\u2212").replace(/^\u2212(0\.?0*)$/, "$1");
const signed = (value, digits) => (value > 0 ? "+" : "") + minus(value.toFixed(digits));
const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
const percent = (part, whole, digits = 0) => (whole ? `${((100 * part) / whole).toFixed(digits)}%` : "\u2013");

/**
 * Create an element. `name` contains its tag and classes ("button.px-chip"). Attributes are optional: `on...` adds a
 * listener, `style` is an object, and `keys` maps keys to functions that replace the default action of the browser.
 * Attributes and children that are null or false are omitted. Children may be nested lists.
 */
function el(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  const node = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  const attributes = Object.prototype.toString.call(rest[0]) === "[object Object]" ? rest.shift() : {};
  if (classes.length) node.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "keys") {
      node.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey || !(event.key in value)) return;
        event.preventDefault();
        value[event.key](event);
      });
    } else if (key.startsWith("on")) node.addEventListener(key.slice(2), value, { passive: false });
    else if (key === "style") Object.assign(node.style, value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  fill(node, rest);
  return node;
}

/** Replace the children of `node` with `children`, as accepted by `el`. A focused button keeps the focus. */
function fill(node, ...children) {
  const buttons = () => [...node.querySelectorAll("button")];
  const focused = buttons().indexOf(document.activeElement);
  node.replaceChildren(...children.flat(Infinity).filter((child) => child || child === 0));
  if (focused >= 0) buttons().at(Math.min(focused, buttons().length - 1))?.focus();
}

/** Make `nodes` a single tab stop. Arrow keys move between them. */
function roving(nodes) {
  const focus = (next) => nodes.forEach((node) => (node.tabIndex = node === next ? 0 : -1));
  nodes.forEach((node, at) => {
    node.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = nodes[clamp(at + by, 0, nodes.length - 1)];
      focus(next);
      next.focus();
    });
  });
  focus(nodes[0]);
}

const badge = (slot) => el(`span.px-badge.px-badge-${"ab"[slot]}`, { "aria-hidden": "true" }, "AB"[slot]);

/** Set the resolution of a canvas to its size on the page, and return its context in CSS pixels. */
function context(canvas) {
  const density = Math.min(window.devicePixelRatio, 2);
  const size = [canvas.clientWidth, canvas.clientHeight].map((one) => Math.round(one * density));
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const found = canvas.getContext("2d");
  found.setTransform(density, 0, 0, density, 0, 0);
  return found;
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const mix = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));
const css = (color) => `rgb(${color.join(" ")})`;
const pixel = ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;

function luminance(color) {
  const [r, g, b] = color.map((value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** Return black or white, whichever has more contrast with `color`. The contrast is at least 4.58. */
function inkOn(color) {
  const [black, white] = [[0, 0, 0], [255, 255, 255]];
  return contrast(color, black) > contrast(color, white) ? black : white;
}

/** Mix `color` with `ink` until text in this color is readable on `ground`. */
function readable(color, ground, ink) {
  const shares = Array.from({ length: 11 }, (_, i) => i / 10);
  return mix(color, ink, shares.find((share) => contrast(mix(color, ink, share), ground) >= 4.6) ?? 1);
}

function ramp(stops, share) {
  const place = clamp(share, 0, 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  return mix(stops[below], stops[below + 1], place - below);
}

/** Return the coverage of pixels by a disc, from 0 to 256, for 16 positions within a pixel: `{side, covers}`. */
function discs(radius) {
  const side = Math.ceil(2 * radius) + 2;
  const covers = Array.from({ length: 16 }, (_, place) => {
    const cx = side / 2 + (place % 4) / 4 - 0.375, cy = side / 2 + (place >> 2) / 4 - 0.375;
    return Uint16Array.from({ length: side * side }, (_, k) => {
      const away = Math.hypot((k % side) + 0.5 - cx, Math.floor(k / side) + 0.5 - cy);
      return Math.round(256 * clamp(radius + 0.5 - away, 0, 1));
    });
  });
  return { side, covers };
}

/** Draw the points that have all `bits` (null: all points). `codes` (null: all 0) are indices into `palette`. */
function drawPoints({ frame, width, height }, view, places, bits, codes, palette, { side, covers }) {
  const left = width / 2 - side / 2, top = height / 2 - side / 2;
  for (let i = 0; i < places.length / 2; i++) {
    if (bits && bits[i] !== ALL) continue;
    const x = left + (places[2 * i] - view.x) * view.scale, y = top - (places[2 * i + 1] - view.y) * view.scale;
    const x0 = Math.floor(x), y0 = Math.floor(y);
    if (x0 < 0 || y0 < 0 || x0 + side >= width || y0 + side >= height) continue;
    const cover = covers[(((y - y0) * 4) | 0) * 4 + (((x - x0) * 4) | 0)];
    const color = palette[codes ? codes[i] : 0];
    const r = color & 255, g = (color >> 8) & 255, b = (color >> 16) & 255;
    for (let row = 0, k = 0, j = y0 * width + x0; row < side; row++, j += width - side) {
      for (let column = 0; column < side; column++, j++, k++) {
        const c = cover[k];
        if (c === 256) frame[j] = color;
        else if (c > 0) {
          const old = frame[j], or = old & 255, og = (old >> 8) & 255, ob = (old >> 16) & 255;
          const red = or + (((r - or) * c) >> 8), green = og + (((g - og) * c) >> 8), blue = ob + (((b - ob) * c) >> 8);
          frame[j] = 0xff000000 | (blue << 16) | (green << 8) | red;
        }
      }
    }
  }
}

/** Smooth `grid` (`side` by `side`) with (1, 4, 6, 4, 1) / 16 twice in both directions, with zero padding. */
function smoothed(grid, side) {
  for (const along of ["row", "column", "row", "column"]) {
    const before = grid, step = along === "row" ? 1 : side;
    grid = before.map((value, i) => {
      const place = along === "row" ? i % side : Math.floor(i / side);
      const at = (by) => (place + by >= 0 && place + by < side ? before[i + by * step] : 0);
      return (6 * value + 4 * (at(-1) + at(1)) + at(-2) + at(2)) / 16;
    });
  }
  return grid;
}

/** Return the contour of `grid` (`side` by `side`) at `level`, scaled to `width` by `height`. */
function contour(grid, side, level, width, height) {
  const path = new Path2D();
  for (let y = 0; y < side - 1; y++) {
    for (let x = 0; x < side - 1; x++) {
      const corners = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]].map((at) => [...at, grid[at[1] * side + at[0]]]);
      const cuts = corners.flatMap(([x0, y0, from], edge) => {
        const [x1, y1, to] = corners[(edge + 1) % 4];
        if (from > level === to > level) return [];
        const share = (level - from) / (to - from);
        const place = [x0 + share * (x1 - x0), y0 + share * (y1 - y0)];
        return [[((place[0] + 0.5) / side) * width, ((place[1] + 0.5) / side) * height]];
      });
      cuts.forEach((cut, k) => (k % 2 ? path.lineTo(...cut) : path.moveTo(...cut)));
    }
  }
  return path;
}
