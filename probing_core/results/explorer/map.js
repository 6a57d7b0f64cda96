// The map of one model: points, class names, contours and lasso.

const LARGE_POINTS = 600; // if fewer points are selected, they are drawn large, filled or hollow
const SEPARATE_POINTS = 100; // if fewer points are selected, they are moved apart so that all are visible
const CONTOURS_FROM = 500;
const HOME = { x: 0, y: 0, factor: 1 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STAR = 12; // half the width of the star for an uploaded image, in pixels
const STEP = 12; // distance by which arrow keys move a rectangle, in pixels

const extents = new WeakMap();

/** Return the largest horizontal and vertical distances of points from the center. */
function extentOf(places) {
  if (!extents.has(places)) {
    const reach = [1, 1];
    places.forEach((value, k) => (reach[k % 2] = Math.max(reach[k % 2], Math.abs(value))));
    extents.set(places, reach);
  }
  return extents.get(places);
}

/** Move positions apart, in place, until none are closer than `least`. Stop after one hundred steps. */
function separate(places, least) {
  for (let step = 0; step < 100; step++) {
    let isDone = true;
    for (let j = 1; j < places.length; j++) {
      for (let i = 0; i < j; i++) {
        const [dx, dy] = [places[j][0] - places[i][0], places[j][1] - places[i][1]], away = Math.hypot(dx, dy);
        if (away >= least - 0.01) continue;
        isDone = false;
        const angle = away ? Math.atan2(dy, dx) : i + j; // equal positions move in an arbitrary direction
        const [x, y] = [Math.cos(angle), Math.sin(angle)].map((one) => (one * (least - away)) / 2);
        places[i] = [places[i][0] - x, places[i][1] - y];
        places[j] = [places[j][0] + x, places[j][1] + y];
      }
    }
    if (isDone) return;
  }
}

class PointMap {
  constructor(app, slot) {
    Object.assign(this, { app, slot, zoom: HOME, stamps: new Map(), contours: [], separated: new Map() });
    const letter = "AB"[slot];
    const selecting = { "aria-label": `Model ${letter}`, onchange: () => app.setModel(slot, this.select.value) };
    const option = ({ name, title }) => el("option", { value: name, title: name }, title);
    this.select = el("select", selecting, app.data.models.map(option));
    this.readout = el("span.px-readout");
    this.points = el("canvas", { "aria-hidden": "true" });
    this.over = el("canvas", { tabindex: 0, role: "application", ...this.gestures(), keys: this.keys() });
    this.names = el("div.px-names");
    // Touching the map scrolls the page unless this button is on. If pressed with a key, it starts a rectangle.
    this.enclose = el("button.px-enclose", { "aria-pressed": "false", onclick: (event) => this.begin(event),
      "aria-label": `Lasso points on map ${letter}` }, "Lasso");
    const corner = (k) => [Math.sin((Math.PI * k) / 5), -Math.cos((Math.PI * k) / 5)].map((at) => at * (k % 2 ? 4 : 10));
    const corners = Array.from({ length: 10 }, (_, k) => corner(k).map((at) => (at + STAR).toFixed(1)));
    this.star = el("svg.px-star", { "aria-hidden": "true" }, el("path", { d: `M${corners.join("L")}Z` }));
    this.plane = el("div.px-plane", this.points, this.over, this.names, this.star, this.enclose);
    this.node = el(`section.px-map.px-map-${"ab"[slot]}`, { "aria-label": `Map ${letter}` },
      el("header", badge(slot), this.select, this.readout), this.plane);
  }

  get model() {
    return this.app.models[this.slot];
  }

  get places() {
    return placesOf(this.model, this.app.state.projection);
  }

  // ------------------------------------------------------------------ map and page coordinates

  /** Return the center of the view, and its scale in pixels per unit of the map. */
  view(density = 1) {
    const [right, top] = extentOf(this.places), { clientWidth, clientHeight } = this.plane;
    const fit = Math.min((clientWidth / 2 - 10) / right, (clientHeight / 2 - 12) / top);
    return { x: this.zoom.x, y: this.zoom.y, scale: Math.max(fit, 1e-9) * this.zoom.factor * density };
  }

  toMap([x, y]) {
    const view = this.view();
    const { clientWidth: width, clientHeight: height } = this.plane;
    return [view.x + (x - width / 2) / view.scale, view.y - (y - height / 2) / view.scale];
  }

  /** Return a function from map coordinates to pixels. */
  toPage() {
    const view = this.view(), [left, top] = [this.plane.clientWidth / 2, this.plane.clientHeight / 2];
    return (x, y) => [left + (x - view.x) * view.scale, top - (y - view.y) * view.scale];
  }

  /** Call `visit(i, x, y)` with the pixel position of every point that is shown as selected. */
  eachShown(visit) {
    const { places } = this, { bits } = this.app.shown, toPage = this.toPage();
    for (let i = 0; i < bits.length; i++) if (bits[i] === ALL) visit(i, ...toPage(places[2 * i], places[2 * i + 1]));
  }

  /** Return the selected point nearest to a pixel position, or the nearest other point if there is none. */
  nearest(at) {
    const { places } = this, { bits } = this.app.counting;
    for (const [i, [x, y]] of this.separated) if (Math.hypot(x - at[0], y - at[1]) < this.radius + 1) return i;
    const [mx, my] = this.toMap(at), limit = (8 / this.view().scale) ** 2;
    const best = [null, null], away = [limit, limit / 4];
    for (let i = 0; i < bits.length; i++) {
      const far = (places[2 * i] - mx) ** 2 + (places[2 * i + 1] - my) ** 2, kind = bits[i] === ALL ? 0 : 1;
      if (far < away[kind]) [best[kind], away[kind]] = [i, far];
    }
    return best[0] ?? best[1];
  }

  /** Return the next selected point in a direction. The first point is the one nearest to the center. */
  next(dx, dy) {
    const from = this.app.hovered;
    const [x0, y0] = from === null ? [this.plane.clientWidth / 2, this.plane.clientHeight / 2] : this.pageOf(from);
    let best = from, least = Infinity;
    this.eachShown((i, x, y) => {
      const along = (x - x0) * dx + (y - y0) * dy, across = Math.abs((x - x0) * dy) + Math.abs((y - y0) * dx);
      const ahead = along > 0.5 && across <= 2 * along ? along + 2 * across : Infinity;
      const cost = from === null ? Math.hypot(x - x0, y - y0) : ahead;
      if (cost < least) [best, least] = [i, cost];
    });
    return best;
  }

  /** Return the pixel position of the uploaded image, or null if it is not on this map. */
  get ownPlace() {
    const { state, options } = this.app, own = options.own?.places[this.model.name];
    return state.projection === OWN_PROJECTION && own ? this.toPage()(...own) : null;
  }

  pageOf(i) {
    return this.separated.get(i) ?? this.toPage()(this.places[2 * i], this.places[2 * i + 1]);
  }

  // ------------------------------------------------------------------ drawing

  /** Draw the map. During an interaction (`live`), names and contours are omitted. */
  draw(live = false) {
    if (!this.plane.clientWidth) return; // on a phone, only the other map is visible
    const { app } = this, { counting, shown } = app, { counts, total } = counting;
    this.select.value = this.model.name;
    const { n } = counts, { slot } = this;
    if (shown !== counting) fill(this.readout, `${plural(shown.n, "sample")} highlighted`);
    else {
      fill(this.readout, "accuracy ", el("b", percent(total.correct[slot], total.n)),
        n > 0 && n < total.n && [" (selection: ", el("b", percent(counts.correct[slot], n)), ")"]);
    }
    this.everything = counting.isEmpty && shown === counting;
    this.large = !this.everything && shown.n < LARGE_POINTS;
    this.arrange();
    this.drawPoints();
    // During a preview, keep the name under the pointer. A new element would not report that the pointer left.
    const isPointedAt = shown !== counting && this.names.matches(":hover");
    if (!live && !isPointedAt) this.drawNames();
    this.contours = live ? [] : this.findContours();
    this.drawOver();
  }

  drawPoints() {
    const { app, everything, places, points } = this, { data, theme, shown } = app;
    const ctx = context(points), { width, height } = points;
    if (this.image?.width !== width || this.image.height !== height) this.image = new ImageData(width, height);
    const layer = { frame: new Uint32Array(this.image.data.buffer), width, height };
    const density = width / this.plane.clientWidth, view = this.view(density);
    const stamp = (bits, codes, colors, radius) => {
      const size = (radius * density * clamp(Math.sqrt(this.zoom.factor), 1, 2.2)).toFixed(2);
      if (!this.stamps.has(size)) this.stamps.set(size, discs(Number(size)));
      drawPoints(layer, view, places, bits, codes, colors, this.stamps.get(size));
    };
    const palette = app.classColors.map(pixel);
    // The points that are not selected are reused until the view or the colors change.
    const key = JSON.stringify([width, height, view, theme.name, everything]);
    if (this.base?.places !== places || this.base.key !== key) {
      layer.frame.fill(pixel(theme.ground));
      if (everything) stamp(null, data.truth, palette, 1.7);
      else stamp(null, null, [pixel(theme.pale)], 1.4);
      this.base = { places, key, frame: layer.frame.slice() };
    } else layer.frame.set(this.base.frame);
    if (!everything && !this.large) stamp(shown.bits, data.truth, palette, 1.9);
    ctx.putImageData(this.image, 0, 0);
  }

  /** Draw the overlay: contours, large points, the lasso, rings, and the star of an uploaded image. */
  drawOver() {
    const { app, slot } = this, { theme, state, counting } = app;
    const ctx = context(this.over), toPage = this.toPage(), [ink, ground] = [css(theme.ink), css(theme.ground)];
    ctx.clearRect(0, 0, this.plane.clientWidth, this.plane.clientHeight);
    ctx.strokeStyle = ink;
    this.contours.forEach((path, i) => {
      [ctx.lineWidth, ctx.globalAlpha] = i ? [0.8, 0.6] : [1.8, 1];
      ctx.stroke(path);
    });
    ctx.globalAlpha = 1;
    if (this.large) this.drawLarge(ctx);
    if (state.where?.slot === slot) {
      const { polygon } = state.where;
      ctx.beginPath();
      for (let k = 0; k < polygon.length; k += 2) ctx.lineTo(...toPage(polygon[k], polygon[k + 1]));
      ctx.closePath();
      Object.assign(ctx, { strokeStyle: ink, lineWidth: 1.4 }).setLineDash([5, 4]);
      ctx.stroke();
      ctx.setLineDash([]);
    }
    for (const [i, width] of [[state.pin, 2.4], [app.hovered, 1.6]]) {
      if (i === null) continue;
      const [x, y] = this.pageOf(i);
      for (const ring of [{ lineWidth: width + 2, strokeStyle: ground }, { lineWidth: width, strokeStyle: ink }]) {
        ctx.beginPath();
        ctx.arc(x, y, 7.5, 0, 2 * Math.PI);
        Object.assign(ctx, ring).stroke();
      }
      this.dot(ctx, x, y, 3.6, i);
    }
    const [x, y] = this.ownPlace ?? [];
    this.star.style.display = this.ownPlace ? "" : "none";
    Object.assign(this.star.style, { left: `${x - STAR}px`, top: `${y - STAR}px` });
    this.over.setAttribute("aria-label", `Map of ${this.model.title}, ${plural(app.data.tested, "sample")}, ` +
      `${number(counting.n)} selected. Arrow keys move between points, Enter opens a point, Space pins it, ` +
      "E selects points with a rectangle, plus and minus zoom, 0 shows the whole map.");
  }

  /** Draw a large point, which is filled if the model of this map is correct, and hollow otherwise. */
  dot(ctx, x, y, radius, i) {
    const { app } = this, color = css(app.classColors[app.data.truth[i]]);
    const disc = (size) => {
      ctx.beginPath();
      ctx.arc(x, y, size, 0, 2 * Math.PI);
    };
    disc(radius + 1);
    Object.assign(ctx, { fillStyle: css(app.theme.ground) }).fill();
    if (app.isCorrect(i, this.slot)) {
      disc(radius);
      Object.assign(ctx, { fillStyle: color }).fill();
    } else {
      disc(radius - 0.8);
      Object.assign(ctx, { strokeStyle: color, lineWidth: 1.6 }).stroke();
    }
  }

  /** Compute the radius and positions of large points. If there are few, overlapping points are moved apart. */
  arrange() {
    this.separated = new Map();
    if (!this.large) return;
    const found = [], cells = new Set();
    this.eachShown((i, x, y) => {
      found.push([i, [x, y]]);
      cells.add(Math.floor(x / 6) * 4096 + Math.floor(y / 6));
    });
    this.radius = clamp(4.2 - 0.7 * Math.log2(found.length / cells.size || 1), 2.5, 4.2);
    const places = found.map(([, place]) => place);
    if (found.length < SEPARATE_POINTS) separate(places, 2 * this.radius + 1);
    this.separated = new Map(found.map(([i], k) => [i, places[k]]));
  }

  drawLarge(ctx) {
    for (const [i, [x, y]] of this.separated) this.dot(ctx, x, y, this.radius, i);
  }

  /** Count the shown points in a grid of `side` by `side` cells over the map, separately for each `layer(i)`. */
  binned(side, layers = 1, layer = () => 0) {
    const grid = new Float32Array(layers * side * side);
    const { clientWidth, clientHeight } = this.plane;
    this.eachShown((i, x, y) => {
      const column = Math.floor((x / clientWidth) * side), row = Math.floor((y / clientHeight) * side);
      if (column >= 0 && row >= 0 && column < side && row < side) grid[(layer(i) * side + row) * side + column]++;
    });
    return grid;
  }

  /** Return the contours of the densest regions with 50% and 90% of the points in the lasso on the other map. */
  findContours() {
    const { shown, counting, state } = this.app;
    if (!state.where || state.where.slot === this.slot || shown !== counting || shown.n < CONTOURS_FROM) return [];
    const side = 72, grid = smoothed(this.binned(side), side), sorted = grid.slice().sort().reverse();
    const total = sorted.reduce((sum, value) => sum + value, 0);
    return [0.5, 0.9].map((share) => {
      let sum = 0;
      const level = sorted.find((value) => (sum += value) >= share * total);
      return contour(grid, side, level, this.plane.clientWidth, this.plane.clientHeight);
    });
  }

  /** Write the names of the largest classes at their densest points, without overlap. */
  drawNames() {
    const { app, everything, large } = this, { classes, truth } = app.data;
    const { clientWidth: width, clientHeight: height } = this.plane;
    const side = 40, grid = this.binned(side, classes.length, (i) => truth[i]);
    const at = (cls, x, y) => grid[(cls * side + y) * side + x];
    const found = classes.map((_, cls) => {
      let size = 0, best = { size: 0 };
      for (let y = 1; y < side - 1; y++) {
        for (let x = 1; x < side - 1; x++) {
          size += at(cls, x, y);
          let near = 0;
          for (const dy of [-1, 0, 1]) near += at(cls, x - 1, y + dy) + at(cls, x, y + dy) + at(cls, x + 1, y + dy);
          if (near > best.size) best = { size: near, x, y };
        }
      }
      return { cls, ...best, all: size };
    });
    const total = found.reduce((sum, one) => sum + one.all, 0);
    const shown = found.filter((one) => one.size && (everything ? one.size >= 0.2 * one.all : one.all >= 0.04 * total));
    shown.sort((one, other) => (everything ? other.size - one.size : other.all - one.all));
    const placed = (this.ownPlace ? [-12, 0] : []).map((by) => // the two halves of the star
      ({ middle: this.ownPlace[0], half: STAR, top: this.ownPlace[1] + by }));
    const dots = large ? [...this.separated.values()] : []; // names avoid large points
    const nodes = shown.map(({ cls, x, y }) => {
      const { title } = classes[cls], half = title.length * 3.15 + 4;
      const middle = clamp(((x + 0.5) / side) * width, half + 1, width - half - 1);
      const isHidden = (top) => ([dotX, dotY]) => Math.abs(dotX - middle) < half + 4 && Math.abs(dotY - top - 8) < 12;
      let top = 0, least = Infinity;
      for (let step = 0; step < (large ? 20 : 1); step++) {
        const away = 8 * Math.ceil(step / 2) * (step % 2 ? -1 : 1); // alternately above and below
        const tried = clamp(((y + 0.5) / side) * height - 8 + away, 1, height - 16);
        const cost = dots.filter(isHidden(tried)).length + step / 4;
        if (cost < least) [top, least] = [tried, cost];
      }
      const covers = (one) => Math.abs(one.middle - middle) < one.half + half && Math.abs(one.top - top) < 15;
      if (placed.some(covers)) return null;
      placed.push({ middle, half, top });
      const style = { left: `${middle}px`, top: `${top}px`, color: css(app.textColors[cls]) };
      const select = (event) => app.toggleRows([cls], event.shiftKey);
      return el("button", { tabindex: -1, style, onclick: select, ...app.previews([cls], []) }, title);
    });
    fill(this.names, nodes);
  }

  // ------------------------------------------------------------------ pointer

  /** Return listeners for lassoing and tapping, and for panning with Shift, the right button or a second finger. */
  gestures() {
    const { app } = this;
    const fingers = new Map(); // active pointers -> their positions
    let kind = "", far = 0, start = null, drawn = [];
    const place = (event) => {
      const box = this.over.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const mean = (axis) => [...fingers.values()].reduce((sum, at) => sum + at[axis], 0) / fingers.size;
    const middle = () => [mean(0), mean(1)];
    const spread = () => {
      const [first, second] = [...fingers.values()];
      return second ? Math.hypot(first[0] - second[0], first[1] - second[1]) : 1;
    };
    const twoFingers = (event) => event.touches.length > 1 && event.preventDefault(); // prevent scrolling
    return {
      ontouchstart: twoFingers,
      ontouchmove: twoFingers,
      oncontextmenu: (event) => event.preventDefault(),
      onpointerdown: (event) => {
        this.over.setPointerCapture(event.pointerId);
        fingers.set(event.pointerId, place(event));
        if (fingers.size > 1) {
          app.cancel();
          kind = "move";
          return;
        }
        const encloses = event.pointerType !== "touch" || this.enclose.ariaPressed === "true";
        kind = event.shiftKey || event.button === 2 ? "move" : encloses ? "lasso" : "tap";
        [far, start, drawn] = [0, place(event), this.toMap(place(event)).map(Math.round)];
      },
      onpointermove: (event) => {
        if (!fingers.has(event.pointerId)) {
          app.hover(this.nearest(place(event)), event);
          return;
        }
        const before = [middle(), spread()];
        fingers.set(event.pointerId, place(event));
        far = Math.max(far, Math.hypot(place(event)[0] - start[0], place(event)[1] - start[1]));
        if (kind === "move") this.zoomBy(spread() / before[1], before[0], middle());
        if (kind !== "lasso" || far <= 4) return;
        app.hover(null);
        for (const one of event.getCoalescedEvents()) drawn.push(...this.toMap(place(one)).map(Math.round));
        const polygon = drawn;
        app.tryOut({ where: { slot: this.slot, polygon } }, () => (kind = ""));
      },
      onpointerup: (event) => {
        fingers.delete(event.pointerId);
        const at = place(event), point = far <= 4 && (kind === "lasso" || kind === "tap") && this.nearest(at);
        if (kind === "lasso" && far > 4) app.set({ where: { slot: this.slot, polygon: simplified(drawn) } });
        else if (Number.isInteger(point)) app.open(point);
        else if (point === null && app.state.where) app.set({ where: null });
        if (!fingers.size) kind = "";
      },
      onpointercancel: (event) => {
        fingers.delete(event.pointerId);
        app.cancel();
        kind = "";
      },
      onpointerleave: () => fingers.size || app.hover(null),
      ondblclick: () => this.home(),
      onwheel: (event) => {
        // Continue scrolling the page if it reaches the map, or if the map cannot be zoomed out further.
        if (performance.now() - app.scrolled < 400 || (event.deltaY > 0 && this.zoom.factor <= 1)) return;
        event.preventDefault();
        this.zoomBy(Math.exp(-event.deltaY / 400), place(event));
      },
      onblur: () => app.hover(null),
    };
  }

  /** Zoom by `factor`, and move the point at `from` to `to`. */
  zoomBy(factor, from, to = from) {
    const [x, y] = this.toMap(from);
    this.zoom = { ...this.zoom, factor: clamp(this.zoom.factor * factor, 1, 60) };
    const [newX, newY] = this.toMap(to);
    const moved = { ...this.zoom, x: this.zoom.x + x - newX, y: this.zoom.y + y - newY };
    this.zoom = factor < 1 && this.zoom.factor === 1 ? HOME : moved;
    this.app.frame(`map ${this.slot}`, () => this.draw(true));
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.draw(), 120);
  }

  home() {
    this.zoom = HOME;
    this.draw();
  }

  // ------------------------------------------------------------------ keys

  keys() {
    const { app } = this;
    const zoom = (factor) => this.zoomBy(factor, [this.plane.clientWidth / 2, this.plane.clientHeight / 2]);
    const arrow = (event) => {
      if (this.rectangle) this.moveRectangle(ARROWS[event.key], event.shiftKey);
      else app.hover(this.next(...ARROWS[event.key]), null);
    };
    return {
      ...Object.fromEntries(Object.keys(ARROWS).map((key) => [key, arrow])),
      Enter: () => {
        if (this.rectangle) app.set({ where: { ...app.state.where } });
        else if (app.hovered !== null) app.open(app.hovered);
      },
      " ": () => {
        if (app.hovered !== null) app.togglePin(app.hovered);
      },
      "+": () => zoom(1.4),
      "=": () => zoom(1.4),
      "-": () => zoom(1 / 1.4),
      0: () => this.home(),
      e: () => this.beginRectangle(),
      E: () => this.beginRectangle(),
    };
  }

  /** Switch touch lasso on or off, or start a rectangle if the button was pressed with a key. */
  begin(event) {
    if (event.detail === 0) {
      this.over.focus();
      this.beginRectangle();
      return;
    }
    const on = this.enclose.ariaPressed !== "true";
    this.enclose.ariaPressed = String(on);
    this.over.style.touchAction = on ? "none" : "pan-y";
  }

  beginRectangle() {
    const { clientWidth: width, clientHeight: height } = this.plane;
    this.rectangle = { middle: [width / 2, height / 2], half: [width / 4, height / 4] };
    this.moveRectangle([0, 0], false, "Arrow keys move the rectangle, Shift and arrow keys change its size, " +
      "Enter keeps it, Escape removes it.");
  }

  moveRectangle(by, sizes, hint = "") {
    const { app } = this, size = [this.plane.clientWidth, this.plane.clientHeight], { middle, half } = this.rectangle;
    [0, 1].forEach((axis) => {
      if (sizes) half[axis] = clamp(half[axis] + (axis ? -1 : 1) * by[axis] * STEP, STEP / 2, size[axis] / 2);
      else middle[axis] = clamp(middle[axis] + by[axis] * STEP, 0, size[axis]);
    });
    const polygon = [[-1, -1], [1, -1], [1, 1], [-1, 1]].flatMap((signs) => {
      const corner = signs.map((sign, axis) => middle[axis] + sign * half[axis]);
      return this.toMap(corner).map(Math.round);
    });
    app.tryOut({ where: { slot: this.slot, polygon } }, () => (this.rectangle = null));
    app.frame("said", () => app.say(`${plural(app.counting.n, "sample")} selected. ${hint}`));
  }
}
