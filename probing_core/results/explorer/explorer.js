// The explorer: linked views of the embeddings and predictions of two models, with a shared selection.

const NARROW = 600; // width on a phone, where the list is more readable than the matrix
const OWN_PROJECTION = "everything"; // the other projection requires all transformed versions of an image
const SLOTS = ["a", "b"];
const BY = ["a", "b", "difference"];
const WHOSE = ["a", "b", "either"];
const CLAUSES = ["models", "where", "what", "out", "how"];

/**
 * Draw the explorer into `root`, replacing its content, and return a promise of it.
 *
 * `data` is the result of `open`. Options:
 * - `selection`: a selection to restore, as JSON.
 * - `isDark()`: returns whether to use dark colors. The default is the system setting.
 * - `onSelection(selection)`: called after every completed change.
 * - `image({crop, cls, sample, large})`: returns `{url}`, `{url, columns, rows, tile, box}` for a tile of a sprite
 *   sheet, or null. `cls` -1 requests the full photograph. Its result may include `cut: [left, top, width, height]`,
 *   the crop as fractions of the photograph.
 * - `imagesOf`: the only repetition that has images. By default, all repetitions have images.
 * - `own`: `{title, places: {model: [x, y]}}`, an uploaded image to show on the maps of full embeddings.
 *
 * The explorer has the public methods `update(options)`, `destroy()`, `counts()`, `selection()` and
 * `select(selection)`, and for benchmarks `apply(patch)` and `draw(live)`.
 */
export async function explore(root, data, options = {}) {
  const explorer = new Explorer(root, data, options);
  await explorer.start();
  return explorer;
}

class Explorer {
  constructor(root, data, options) {
    Object.assign(this, { root, data, options, hovered: null, preview: null, scrolled: -1000 });
    this.requests = [null, null]; // latest model request of each map
    this.counting = new Counting(data);
    this.tasks = new Map(); // tasks to run before the next paint
    this.identity = data.classes.findIndex((one) => one.name === "identity");
    this.originals = new Map(); // clean samples by crop and repetition
    data.truth.forEach((cls, i) => cls === this.identity && this.originals.set(this.versionOf(i), data.sample[i]));
    this.strengths = new Map(); // strengths of a class, in ascending order of rank
    this.members = data.groups.map((_, g) => [...data.classes.keys()].filter((cls) => data.classes[cls].group === g));
    const [first] = Object.keys(data.projections), hasOwn = options.own && OWN_PROJECTION in data.projections;
    this.state = { models: [data.models[0], data.models[1] ?? data.models[0]],
      projection: hasOwn ? OWN_PROJECTION : first };
  }

  versionOf(i) {
    return this.data.crop[i] * this.data.repetitions + this.data.repetition[i];
  }

  async start() {
    const { options } = this, first = this.parsed(options.selection ?? {});
    await this.loaded(first.models);
    this.build();
    this.setTheme();
    if (!options.selection?.panel && this.isNarrow) first.panel = "list";
    this.apply(first);
    this.draw();
    this.watch();
  }

  update(options) {
    const appears = options.own && !this.options.own && OWN_PROJECTION in this.data.projections;
    Object.assign(this.options, options);
    this.setTheme();
    if (appears) this.set({ projection: OWN_PROJECTION });
    else this.draw();
  }

  destroy() {
    this.unwatch();
    this.root.replaceChildren();
  }

  /** Return all numbers that the views show, as plain arrays. */
  counts() {
    const plain = (value) => (typeof value === "object" ? Array.from(value, plain) : value);
    const counts = Object.entries(this.counting.counts).map(([key, one]) => [key, plain(one)]);
    const { value, low, high, p } = this.counting.difference();
    const photographs = this.counting.photographs();
    return { ...Object.fromEntries(counts), photographs, difference: [value, low, high, p] };
  }

  /** Restore a selection. Unknown models and classes are ignored. */
  async select(selection) {
    const found = this.parsed(selection);
    if (!(await this.arrived([0, 1], found.models))) return;
    this.apply(found);
    this.draw();
  }

  /** Return a promise that is fulfilled when the arrays of `models` are loaded. */
  loaded(models) {
    return Promise.all(models.map((model) => model.predicted ?? model.load()));
  }

  /**
   * Load `models` for the maps of `slots`. Return a promise of whether to show them: not if loading failed or the user
   * has selected other models in the meantime.
   */
  async arrived(slots, models) {
    const request = {}, isLatest = () => slots.every((slot) => this.requests[slot] === request);
    slots.forEach((slot) => (this.requests[slot] = request));
    const isLoaded = await this.succeeds(this.loaded(models), () => isLatest() && this.failed(models));
    return isLoaded && isLatest();
  }

  /** Return a promise of whether `promise` is fulfilled. If it is rejected, call `otherwise`. */
  succeeds(promise, otherwise) {
    return promise.then(() => true, () => {
      otherwise();
      return false;
    });
  }

  /** Show that `models` could not be loaded, and reset the menus to the models on the maps. */
  failed(models) {
    this.maps.forEach((map) => (map.select.value = map.model.name));
    const titles = [...new Set(models)].filter((model) => !model.predicted).map((model) => model.title);
    this.notice.textContent = `${titles.join(" and ")} could not be loaded. Check your connection, then try again.`;
    this.notice.hidden = false;
  }

  // ------------------------------------------------------------------ state and its serialization

  get isNarrow() {
    return this.root.clientWidth < NARROW;
  }

  get models() {
    return this.state.models;
  }

  /** Return the selection that the maps show. */
  get shown() {
    return this.preview ?? this.counting;
  }

  apply(patch) {
    const before = this.state, state = { ...before, ...patch };
    const moved = (slot) => state.projection !== before.projection || state.models[slot] !== before.models[slot];
    if (state.where && !patch.where && moved(state.where.slot)) state.where = null;
    this.maps.filter((map) => moved(map.slot)).forEach((map) => (map.zoom = HOME));
    if (CLAUSES.some((key) => key in patch)) this.images.rows = 1;
    this.preview = null;
    this.notice.hidden = true;
    this.state = state;
    this.counting.update(state);
  }

  /** Change the state, redraw the views, and report the selection. */
  set(patch, words) {
    this.trial?.end();
    this.trial = null;
    this.tasks.delete("change");
    this.apply(patch);
    this.draw();
    this.say(words ?? this.sentence.textContent);
    this.options.onSelection?.(this.selection());
  }

  /** Preview a change during an interaction. `set` keeps the change, and `cancel` reverts it. Both call `end`. */
  tryOut(patch, end) {
    const { where, what, how } = this.state;
    this.trial ??= { before: { where, what, how }, end };
    this.frame("change", () => {
      this.apply(patch);
      this.draw(true);
    });
  }

  /** Revert the change of an interaction. Return whether there was a change. */
  cancel() {
    if (!this.trial) return false;
    this.set(this.trial.before);
    return true;
  }

  escape() {
    if (!this.cancel() && !this.counting.isEmpty) this.set(NONE);
  }

  /** Return the state as a JSON-serializable object that fits into a URL. */
  selection() {
    const { data, state } = this, { models, projection, where, what, out, how, by, panel, pin } = state;
    const names = (classes) => (classes.length ? classes.map((cls) => data.classes[cls].name) : undefined);
    const outcomes = OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code) => OUTCOMES[code]);
    return JSON.parse(JSON.stringify({
      a: models[0].name,
      b: models[1].name,
      projection: projection === Object.keys(data.projections)[0] ? undefined : projection,
      where: where ? { map: SLOTS[where.slot], polygon: where.polygon } : undefined,
      what: what ? { rows: names(what.rows), columns: names(what.columns), by: WHOSE[what.by] } : undefined,
      out: out ? outcomes : undefined,
      how: how ?? undefined,
      by: by ? BY[by] : undefined,
      panel: panel === "matrix" ? undefined : panel,
      pin: pin === null ? undefined : data.sample[pin],
    }));
  }

  /** Return the state for a selection. Invalid parts are ignored, because a selection from a URL can be anything. */
  parsed(selection) {
    const { data } = this, { where, what, out, how } = Object(selection);
    const list = (value) => (Array.isArray(value) ? value : []);
    const place = (names, name) => Math.max(names.indexOf(name), 0);
    const find = (name) => data.classes.findIndex((one) => one.name === name);
    const classes = (names) => inOrder([...new Set(list(names))].map(find));
    const polygon = list(where?.polygon).filter(Number.isFinite).map((one) => Math.round(one));
    const isLasso = polygon.length >= 6 && polygon.length <= 4 * CORNERS && polygon.length % 2 === 0;
    const selected = { rows: classes(what?.rows), columns: classes(what?.columns), by: place(WHOSE, what?.by) };
    const outcomes = OUTCOMES.reduce((bits, name, code) => bits | (list(out).includes(name) << code), 0);
    const range = list(how).filter(Number.isInteger).map((bin) => clamp(bin, 0, BINS - 1));
    const pin = data.sample.indexOf(selection.pin);
    return {
      models: SLOTS.map((slot, i) => data.models.find((one) => one.name === selection[slot]) ?? this.models[i]),
      projection: Object.hasOwn(data.projections, selection.projection) ? selection.projection : this.state.projection,
      where: isLasso ? { slot: place(SLOTS, where.map), polygon } : null,
      what: selected.rows.length || selected.columns.length ? selected : null,
      out: outcomes % 15,
      how: range.length === 2 ? inOrder(range) : null,
      by: place(BY, selection.by),
      panel: selection.panel === "list" ? "list" : "matrix",
      pin: pin < 0 ? null : pin,
    };
  }

  // ------------------------------------------------------------------ actions

  async setModel(slot, name) {
    const model = this.data.models.find((one) => one.name === name);
    if (!(await this.arrived([slot], [model]))) return;
    this.set({ models: this.models.map((one, other) => (other === slot ? model : one)) });
  }

  setWhat(rows, columns, by) {
    this.set({ what: rows.length || columns.length ? { rows: inOrder(rows), columns, by } : null });
  }

  /** Select or deselect rows. `join` keeps other rows selected. */
  toggleRows(classes, join) {
    const { what, by } = this.state, before = what && !what.columns.length ? what.rows : [];
    const others = before.filter((cls) => !classes.includes(cls));
    const same = others.length === before.length - classes.length;
    this.setWhat([...(join ? others : []), ...(same && (join || !others.length) ? [] : classes)], [], by);
  }

  toggleColumn(cls) {
    const { what, by } = this.state, same = isSame(what, [], [cls], by);
    this.setWhat([], same ? [] : [cls], by);
  }

  toggleCell(row, column) {
    const by = this.predictedBy, { what } = this.state;
    const same = isSame(what, [row], [column], by === EITHER ? what?.by : by);
    this.setWhat(same ? [] : [row], same ? [] : [column], by);
  }

  toggleOutcome(code, join) {
    const { out } = this.state, bit = 1 << code;
    this.set({ out: (join ? out ^ bit : out === bit ? 0 : bit) % 15 });
  }

  togglePin(i) {
    const pin = this.state.pin === i ? null : i;
    this.set({ pin }, pin === null ? "No image is pinned" : `${this.pointInWords(i)[0]} is pinned`);
  }

  /** Return the slot of the model whose predictions determine the samples of a cell. */
  get predictedBy() {
    return this.state.panel === "list" ? EITHER : this.state.by;
  }

  showMap(slot) {
    this.main.dataset.map = SLOTS[slot];
    this.switches.forEach((node, other) => (node.ariaPressed = String(other === slot)));
    this.draw();
  }

  /** Highlight on the maps what a click would select. If `what` is null, show the selection. */
  setPreview(what) {
    if (!what && !this.preview) return;
    this.preview = what && this.counting.preview({ ...what, by: this.predictedBy });
    this.frame("preview", () => this.maps.forEach((map) => map.draw()));
  }

  /** Return listeners that preview what a click would select. */
  previews(rows, columns) {
    return { onpointerenter: () => this.setPreview({ rows, columns }), onpointerleave: () => this.setPreview(null) };
  }

  /** Mark a point on both maps. Describe it at the pointer, or to screen readers if `event` is null (keyboard). */
  hover(i, event) {
    if (i !== this.hovered) {
      this.hovered = i;
      this.maps.forEach((map) => map.drawOver());
      if (i !== null && event === null) this.say(this.pointInWords(i).join(". "));
    }
    this.tip(i !== null && event ? this.pointInWords(i) : null, event, i);
  }

  tip(lines, at, point = null) {
    this.tooltip.hidden = !lines;
    if (!lines) return;
    fill(this.tooltip, point !== null && this.pair(point), lines.map((line, i) => el(i ? "span" : "b", {}, line)));
    const frame = this.frameNode.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = this.tooltip;
    const [x, y] = [at.clientX - frame.left, at.clientY - frame.top];
    const left = x + 14 + width > frame.width ? x - width - 14 : x + 14;
    const top = at.clientY + height + 14 > window.innerHeight ? y - height - 12 : y + 14;
    const most = Math.max(frame.width - width, 0);
    Object.assign(this.tooltip.style, { left: `${clamp(left, 0, most)}px`, top: `${Math.max(top, 0)}px` });
  }

  open(i) {
    this.tip(null);
    this.dialog.open(i);
  }

  say(text) {
    this.live.textContent = text;
  }

  async download() {
    const { data, counting } = this;
    if (!(await this.succeeds(this.loaded(data.models), () => this.failed(data.models)))) return;
    const name = (cls) => data.classes[cls].name;
    const strength = (value) => (Number.isNaN(value) ? "" : Number(value.toPrecision(6)));
    const columns = (one) => [`${one.name} prediction`, `${one.name} probability`];
    const prediction = (i) => (one) => [name(one.predicted[i]), (one.confidence[i] / 255).toFixed(3)];
    const head = ["sample", "photograph", "crop", "repetition", "true", "strength", ...data.models.flatMap(columns)];
    const row = (i) => [data.sample[i], data.photographs[data.crop[i]], data.crop[i], data.repetition[i],
      name(data.truth[i]), strength(data.value[i]), ...data.models.flatMap(prediction(i))];
    const points = [...counting.bits.keys()].filter((i) => counting.bits[i] === ALL);
    const text = [head, ...points.map(row)].map((line) => `${line.map(csvCell).join()}\r\n`);
    const url = URL.createObjectURL(new Blob(text, { type: "text/csv" }));
    el("a", { href: url, download: "selection.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  // ------------------------------------------------------------------ the page

  build() {
    const { data } = this;
    this.sentence = el("p.px-sentence");
    this.chips = el("div.px-chips");
    const downloading = { onclick: () => this.download(), title: "Download the selected samples as a table" };
    const download = el("button.px-download", downloading, "Download CSV");
    this.notice = el("p.px-notice", { role: "alert", hidden: true });
    this.live = el("div.px-hidden", { role: "status", "aria-live": "polite" });
    this.tooltip = el("div.px-tip", { hidden: true });
    this.maps = [new PointMap(this, 0), new PointMap(this, 1)];
    this.switches = [0, 1].map((slot) =>
      el("button", { "aria-pressed": String(slot === 0), onclick: () => this.showMap(slot) }, "Map ", "AB"[slot]));
    const switching = el("div.px-switch", { role: "group", "aria-label": "Displayed map" }, this.switches);
    this.groups = data.groups.map((group, g) => el("button", { ...this.previews(this.members[g], []),
      onclick: (event) => this.toggleRows(this.members[g], event.shiftKey) }, el("i"), group.title));
    const projections = Object.entries(data.projections);
    const selecting = (event) => this.set({ projection: event.target.value });
    const projecting = { "aria-label": "Projection of the maps", onchange: selecting, hidden: projections.length < 2 };
    const option = ([value, text]) => el("option", { value }, `UMAP: ${text}`);
    this.projectionMenu = el("select", projecting, projections.map(option));
    this.note = el("p.px-quiet");
    this.curves = new Curves(this);
    this.matrix = new Matrix(this);
    this.list = new List(this);
    const tab = (panel) => el("button", { role: "tab", onclick: () => this.set({ panel }) });
    this.panelTabs = ["matrix", "list"].map(tab);
    roving(this.panelTabs);
    this.byTabs = [0, 1, 2].map((by) => el("button", { onclick: () => this.set({ by }) }));
    this.byGroup = el("div", { role: "group", "aria-label": "Values in the matrix" }, this.byTabs);
    this.outcomes = new Outcomes(this);
    this.images = new Images(this);
    this.dialog = new ImageDialog(this);
    this.numbers = new Numbers(this);
    const legend = el("div.px-legend",
      el("div.px-groups", { role: "group", "aria-label": "Groups of transformations" }, this.groups),
      this.projectionMenu, this.note);
    const tabs = el("header", el("div", { role: "tablist", "aria-label": "Predictions" }, this.panelTabs), this.byGroup);
    this.main = el("div.px-main", { "data-map": "a" }, switching, this.maps.map((map) => map.node),
      el("section.px-side", legend, this.curves.node), this.outcomes.node,
      el("section.px-panel", tabs, this.matrix.node, this.list.node), this.images.node);
    const second = el("div.px-second", this.chips, download);
    this.frameNode = el("div.px-frame", el("header.px-head", this.sentence, second), this.notice, this.main,
      this.numbers.node, this.dialog.node, this.tooltip, this.live);
    this.root.classList.add("px");
    this.root.replaceChildren(this.frameNode);
  }

  /** Redraw when sizes or the theme change, and handle the Escape key. */
  watch() {
    const places = [...this.maps.map((map) => map.plane), this.matrix.node, this.curves.plot];
    const sizes = () => places.map((node) => `${node.clientWidth} ${node.clientHeight}`).join();
    let drawn = sizes();
    const resizes = new ResizeObserver(() => this.frame("size", () => {
      if (sizes() !== drawn) this.draw();
      drawn = sizes();
    }));
    places.forEach((node) => resizes.observe(node));
    const left = new AbortController(), { signal } = left;
    // The surrounding page takes a moment to change its colors.
    darkness().addEventListener("change", () => setTimeout(() => this.update({}), 300), { signal });
    document.addEventListener("keydown", (event) => {
      const here = event.target === document.body || event.composedPath().includes(this.root);
      if (event.key === "Escape" && here) this.escape();
    }, { signal });
    window.addEventListener("scroll", () => (this.scrolled = performance.now()), { signal, capture: true });
    this.unwatch = () => {
      left.abort();
      resizes.disconnect();
      this.tasks.clear();
    };
  }

  setTheme() {
    const dark = this.options.isDark?.() ?? darkness().matches, side = dark ? 1 : 0;
    this.root.dataset.theme = dark ? "dark" : "light";
    const style = getComputedStyle(this.root);
    const names = ["ground", "ink", "muted", "line", "pale", "faint", "empty", "right", "wrong"];
    const colors = Object.fromEntries(names.map((name) => [name, rgb(style.getPropertyValue(`--px-${name}`).trim())]));
    const [shares, diverging] = [this.data.ramps[side].map(rgb), this.data.diverging[side].map(rgb)];
    this.theme = { ...colors, font: style.fontFamily, name: this.root.dataset.theme, ramp: shares, diverging };
    this.classColors = this.data.classes.map((one) => rgb(one.colors[side]));
    this.textColors = this.classColors.map((one) => readable(one, this.theme.ground, this.theme.ink));
    this.groups.forEach((node, g) => (node.firstChild.style.background = this.data.groups[g].colors[side]));
  }

  /** Run `task` before the next paint. It replaces a pending task with the same key. */
  frame(key, task) {
    if (!this.tasks.size) {
      requestAnimationFrame(() => {
        const tasks = [...this.tasks.values()];
        this.tasks.clear();
        tasks.forEach((one) => one());
      });
    }
    this.tasks.set(key, task);
  }

  // ------------------------------------------------------------------ facts about points

  isCorrect(i, slot) {
    return Boolean((this.counting.outcome[i] >> slot) & 1);
  }

  hasImage(i) {
    const { options, data } = this;
    return options.imagesOf === undefined || data.repetition[i] === options.imagesOf;
  }

  /** Return the strength of a point with its unit, or an empty string for a clean sample. */
  strength(i) {
    if (this.data.strength[i] === NO_STRENGTH) return "";
    const cls = this.data.truth[i], { before, after } = this.data.classes[cls];
    return `${before}${this.rounded(cls, this.data.value[i])}${after}`;
  }

  rounded(cls, value) {
    return Number((value * this.data.classes[cls].scale).toPrecision(2));
  }

  /** Return the quantile `share` (from 0 to 1) of the strengths of a class. */
  strengthAt(cls, share) {
    const { truth, strength, value } = this.data;
    if (!this.strengths.has(cls)) {
      const points = [];
      for (let i = 0; i < truth.length; i++) if (truth[i] === cls) points.push(i);
      points.sort((one, other) => strength[one] - strength[other]);
      this.strengths.set(cls, points.map((i) => value[i]));
    }
    const values = this.strengths.get(cls);
    return values[Math.round(share * (values.length - 1))];
  }

  /** Return a tick label for the strength axis of a class, or of all classes if `cls` is null. */
  strengthLabel(cls, share) {
    return cls === null ? String(100 * share) : minus(String(this.rounded(cls, this.strengthAt(cls, share))));
  }

  /** Return the title of the strength axis of a class: the parameter and its unit. */
  strengthTitle(cls) {
    const [parameter, unit] = ["before", "after"].map((side) => this.data.classes[cls][side].trim());
    return parameter && unit ? `${parameter} (${unit})` : parameter || unit;
  }

  prediction(i, slot) {
    const model = this.models[slot], title = this.data.classes[model.predicted[i]].title;
    return `${this.isCorrect(i, slot) ? "\u2713 " : ""}${title}: ${percent(model.confidence[i], 255)}`;
  }

  pointInWords(i) {
    const title = this.data.classes[this.data.truth[i]].title, strength = this.strength(i);
    return [strength ? `${title}, ${strength}` : title, `A ${this.prediction(i, 0)}`, `B ${this.prediction(i, 1)}`];
  }

  className(cls) {
    return el("b", { style: { color: css(this.textColors[cls]) } }, this.data.classes[cls].title);
  }

  caption(i, strength = "") {
    return el("span.px-caption", this.className(this.data.truth[i]), strength && `, ${strength}`);
  }

  pair(i, words = []) {
    return this.options.image && el("span.px-pair", this.image(i, "original"), this.image(i, "transformed"), words);
  }

  /** Return an element with the "transformed", "original" or "full" image of a point, or null. */
  image(i, kind, large = false) {
    const { data, identity, options } = this, crop = data.crop[i], cls = data.truth[i];
    const sample = kind === "original" ? this.originals.get(this.versionOf(i)) ?? null : data.sample[i];
    const tileOf = { transformed: cls, original: identity, full: -1 }[kind];
    const words = { transformed: data.classes[cls].title, original: "original", full: "full photograph" }[kind];
    const isThere = kind === "full" || this.hasImage(i);
    const found = isThere ? options.image?.({ crop, cls: tileOf, sample, large }) : null;
    const image = { role: "img", "aria-label": words };
    if (!found) return kind !== "full" && el("span.px-image.px-missing", image, "no image");
    // Show the `box` (left, top, width, height) of a tile in a sheet of `columns` by `rows`, and outline `cut`.
    const { url, columns, rows, tile, box: [left, top, width, height] = [0, 0, 1, 1], cut } = found;
    const place = (at, count) => `${count > 0 ? (100 * at) / count : 0}%`;
    const x = place((tile % columns) + left, columns - width);
    const y = place(Math.floor(tile / columns) + top, rows - height);
    const size = `${(100 * columns) / width}% ${(100 * rows) / height}%`;
    const sheet = columns && { backgroundSize: size, backgroundPosition: `${x} ${y}`, aspectRatio: width / height };
    const style = { backgroundImage: `url("${url}")`, ...sheet };
    const sides = cut?.map((share) => `${100 * share}%`);
    return el("span.px-image", { ...image, style },
      cut && el("i.px-cut", { style: { left: sides[0], top: sides[1], width: sides[2], height: sides[3] } }));
  }

  projectionOf(model) {
    const { projection } = this.state;
    return projection in model.places ? projection : Object.keys(model.places)[0];
  }

  /** Return the five points of other crops that are nearest on a map. */
  nearestOnMap(i, slot) {
    const { crop, tested } = this.data, { places } = this.maps[slot];
    let near = [];
    for (let j = 0; j < tested; j++) {
      const away = (places[2 * j] - places[2 * i]) ** 2 + (places[2 * j + 1] - places[2 * i + 1]) ** 2;
      if (crop[j] === crop[i] || away >= near[4]?.away) continue;
      near = [...near, { j, away }].sort((one, other) => one.away - other.away).slice(0, 5);
    }
    return near.map((one) => one.j);
  }

  /** Return the class of the only selected row, or null. */
  singleRow() {
    const { what } = this.state;
    return what?.rows.length === 1 && !what.columns.length ? what.rows[0] : null;
  }

  nameOf(classes) {
    const titles = classes.map((cls) => this.data.classes[cls].title);
    const group = this.members.findIndex((members) => classes.length > 1 && String(members) === String(classes));
    if (group >= 0) return this.data.groups[group].title;
    return classes.length <= 3 ? titles.join(" or ") : `${classes.length} classes`;
  }

  // ------------------------------------------------------------------ drawing

  /** Draw all views. During an interaction (`live`), images, names and chips are omitted. */
  draw(live = false) {
    this.maps.forEach((map) => map.draw(live));
    this.drawPanel();
    this.drawLegend();
    this.curves.draw(); // in the space below the legend
    this.outcomes.draw();
    fill(this.sentence, this.sentenceWords());
    if (live) return;
    this.drawChips();
    this.images.draw(this.images.rows);
    this.numbers.draw();
  }

  drawPanel() {
    const { panel, by } = this.state;
    const titles = ["Matrix", this.singleRow() === null ? "Largest confusions" : "Predicted as"];
    this.panelTabs.forEach((tab, i) => {
      tab.textContent = titles[i];
      tab.ariaSelected = String((i === 0) === (panel === "matrix"));
    });
    this.byTabs.forEach((tab, i) => {
      tab.ariaPressed = String(i === by);
      fill(tab, i === EITHER ? "B \u2212 A" : [badge(i), el("span", ` ${this.models[i].title}`)]);
    });
    this.matrix.node.hidden = this.byGroup.hidden = panel !== "matrix";
    this.list.node.hidden = panel !== "list";
    (panel === "matrix" ? this.matrix : this.list).draw();
  }

  drawLegend() {
    const { data, state, counting, maps } = this;
    this.groups.forEach((node, g) => {
      const members = this.members[g];
      node.classList.toggle("px-off", !members.some((cls) => counting.counts.selectedRows[cls]));
      node.ariaPressed = String(members.every((cls) => state.what?.rows.includes(cls)));
    });
    this.projectionMenu.value = state.projection;
    const other = maps.filter((map) => this.projectionOf(map.model) !== state.projection)
      .map((map) => `map ${"AB"[map.slot]} shows ${data.projections[this.projectionOf(map.model)]}`);
    this.note.textContent = [
      maps.some((map) => map.large) && "\u25cf correct, \u25cb incorrect.",
      other.length && `Not available: ${other.join(", ")}.`,
      isTouch() ? "Tap Lasso, then draw. Pinch to zoom." : "Drag to lasso, scroll to zoom, Shift-drag to pan.",
      !counting.isEmpty && "Gray: not selected.",
    ].filter(Boolean).join(" ");
  }

  /** Return the result for the selection as one sentence. */
  sentenceWords() {
    const { counting, state } = this, { what, out } = state;
    if (out) return this.outcomeWords();
    if (what?.columns.length) return this.confusionWords();
    if (!counting.n) return ["No samples selected. Remove a filter below."];
    return counting.isEmpty ? this.overallWords() : this.accuracyWords();
  }

  /** Return the names of the models with their badges. */
  names() {
    return this.models.map((model, slot) => el("span.px-model", badge(slot), el("b", ` ${model.title}`)));
  }

  outcomeWords() {
    const { counting, state } = this, { what, out, how } = state, names = this.names();
    const by = ["by neither model", ["by ", names[0], " only"], ["by ", names[1], " only"], "by both models"];
    const selected = OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code, i) => [i ? " or " : "", by[code]]);
    const all = counting.counts.outcomes.reduce((sum, one) => sum + one, 0);
    const scope = [what && this.whatInWords(), how && this.howInWords()].filter(Boolean).join(", ");
    return [number(counting.n), " of ", plural(all, "sample"), scope && ` (${scope})`, " are classified correctly ",
      selected, "."];
  }

  confusionWords() {
    const { counting, state, models, data } = this, { what, how } = state, { counts } = counting, names = this.names();
    const inRows = counting.flags(what.rows), inColumns = counting.flags(what.columns), k = data.classes.length;
    const sum = (list) => list.reduce((total, one) => total + one, 0);
    const isInside = (_, i) => inRows[Math.floor(i / k)] && inColumns[i % k];
    const [a, b] = counts.matrix.map((matrix) => sum(matrix.filter(isInside)));
    const all = plural(sum(counts.rows.filter((_, cls) => inRows[cls])), "sample");
    const of = [all, what.rows.length > 0 && ` of ${this.nameOf(what.rows)}`, how && ` (${this.howInWords()})`];
    const isDiagonal = what.rows.length && String(what.rows) === String(what.columns);
    const result = isDiagonal ? "correctly" : `as ${this.nameOf(what.columns)}`;
    if (what.by === EITHER) {
      return ["Of ", of, ", ", names[0], ` classifies ${number(a)} ${result}, `, names[1], ` ${number(b)}.`];
    }
    const other = 1 - what.by, { n, correct } = counts;
    return [names[what.by], ` classifies ${number(n)} of `, of, ` ${result}.`, models[0] !== models[1] && n > 0 &&
      [" ", names[other], ` classifies ${number(correct[other])} of these ${number(n)} correctly.`]];
  }

  /** Return the accuracy of both models on all samples, and their difference. */
  overallWords() {
    const { counting, models } = this, { n, correct } = counting.counts, names = this.names();
    const accuracies = correct.map((one) => percent(one, n, 1));
    const chance = ` Chance: ${percent(1, this.data.classes.length, 1)}.`;
    if (models[0] === models[1]) return [names[0], `: accuracy ${accuracies[0]}.`, chance];
    const { value, p } = counting.difference(), best = value < 0 ? 0 : 1, { interval } = this.differenceWords(1, true);
    if (p <= 0.05) {
      return [names[best], " predicts transformations better than ", names[1 - best],
        `: accuracy ${accuracies[best]} vs. ${accuracies[1 - best]}, a difference of `,
        `${Math.abs(value).toFixed(1)} percentage points`, interval(best === 0), ".", chance];
    }
    const result = Number.isNaN(p) ? ": accuracy " : " are not significantly different: accuracy ";
    return [names[0], " and ", names[1], result, `${accuracies[0]} and ${accuracies[1]}, B \u2212 A `,
      `${signed(value, 1)} percentage points`, interval(), ".", chance];
  }

  /** Return the accuracy of both models on the selection, and their difference if it is not biased. */
  accuracyWords() {
    const { counting, models, state } = this, { where, what, how } = state, { n, correct } = counting.counts;
    const name = what ? this.nameOf(what.rows) : "", names = this.names();
    const subject = [name && `${name.charAt(0).toUpperCase()}${name.slice(1)}`, how && this.howInWords(),
      `${plural(n, "sample")}${where ? " in the lasso" : ""}`].filter(Boolean).join(", ");
    const [a, b] = correct.map((one) => percent(one, n));
    const words = [subject, ": accuracy ", names[0], ` ${a}, `, names[1], ` ${b}.`];
    // A lasso or a cell may select errors of one model. The other model then appears better (regression to the mean).
    if (where || models[0] === models[1]) return words;
    const { interval, points } = this.differenceWords();
    return [words, ` B \u2212 A: ${points} percentage points`, interval(), "."];
  }

  /**
   * Return the text of the difference B minus A, and a function that formats its interval and p-value. `least` is the
   * minimum number of decimal places, and `isAdjusted` is whether p is adjusted for testing all pairs of models.
   */
  differenceWords(least = 0, isAdjusted = false) {
    const { value, low, high, p } = this.counting.difference();
    const digits = Math.max(least, high - low < 4 ? 1 : 0), write = (one) => minus(one.toFixed(digits));
    const isClose = p < 0.01 || Math.abs(p - 0.05) < 0.005; // two digits would hide on which side of 0.05 it is
    const probability = p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(isClose ? 3 : 2)}`;
    const interval = (isReversed = false) => {
      if (Number.isNaN(low)) return "";
      const [from, to] = isReversed ? [-high, -low] : [low, high];
      const bounds = `95% CI ${write(from)} to ${write(to)}`;
      if (Number.isNaN(p)) return ` (${bounds})`;
      return isAdjusted ? ` (unadjusted ${bounds}, adjusted ${probability})` : ` (${bounds}, ${probability})`;
    };
    return { points: signed(value, digits), interval };
  }

  whatInWords() {
    const { rows, columns, by } = this.state.what, whose = by === EITHER ? "A or B" : this.models[by].title;
    const predicted = columns.length ? `predicted as ${this.nameOf(columns)} by ${whose}` : "";
    return [this.nameOf(rows), predicted].filter(Boolean).join(" ");
  }

  howInWords() {
    return this.rangeInWords(this.state.how);
  }

  /** Format a range of bins as percentages of samples, or as strengths of the class `cls`. */
  rangeInWords([low, high], cls = null) {
    const [from, to] = [low / BINS, (high + 1) / BINS], [first, last] = [from, to].map((one) => Math.round(100 * one));
    if (cls !== null) {
      const { before, after } = this.data.classes[cls];
      return `${before}${this.strengthLabel(cls, from)} to ${this.strengthLabel(cls, to)}${after}`;
    }
    if (low === 0) return `weakest ${last}%`;
    if (high === BINS - 1) return `strongest ${100 - first}%`;
    return `strength percentile ${first} to ${last}`;
  }

  drawChips() {
    const { state, models, counting } = this, { where, what, out, how } = state;
    const correct = ["neither correct", `only ${models[0].title} correct`, `only ${models[1].title} correct`,
      "both correct"];
    const clauses = {
      where: where && `lasso on ${models[where.slot].title}`,
      what: what && this.whatInWords(),
      out: out && OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code) => correct[code]).join(" or "),
      how: how && this.howInWords(),
    };
    const chips = Object.entries(clauses).filter(([, text]) => text).map(([key, text]) => {
      const removing = { "aria-label": `Remove: ${text}`, onclick: () => this.set({ [key]: NONE[key] }) };
      return el("button.px-chip", removing, text, el("i", { "aria-hidden": "true" }, "\u00d7"));
    });
    fill(this.chips, chips, chips.length > 1 && el("button.px-clear", { onclick: () => this.set(NONE) }, "Clear all"),
      counting.isEmpty && this.example(), el("span.px-hint", this.scope()));
  }

  /** Return a button that selects an example confusion, or null. It is shown if nothing is selected. */
  example() {
    const { data, models } = this;
    if (!data.example) return null;
    const [rows, columns] = data.example.map((cls) => [cls]), what = { rows, columns, by: 0 };
    const isMade = models[0].predicted.some((cls, i) => cls === columns[0] && data.truth[i] === rows[0]);
    const words = `${this.nameOf(rows)} predicted as ${this.nameOf(columns)}`;
    return isMade && el("button.px-example", { onclick: () => this.set({ what }), ...this.previews(rows, columns) },
      el("span", "Example: "), words);
  }

  /** Return a description of the samples. */
  scope() {
    const { data, counting } = this, photographs = plural(counting.photographs(), "photograph");
    if (!counting.isEmpty) return `${plural(counting.n, "sample")} from ${photographs}`;
    const repetitions = data.repetitions > 1 ? ` \u00d7 ${data.repetitions} repetitions` : "";
    const crops = data.labels.length, product = crops * data.classes.length * data.repetitions;
    const scope = `${plural(data.tested, "test sample")} from ${photographs}`;
    // The total is smaller if some samples are on no map.
    return product === data.tested ? `${scope}: ${plural(crops, "crop")} \u00d7 ${data.classes.length} classes${repetitions}`
      : scope;
  }
}

const darkness = () => window.matchMedia("(prefers-color-scheme: dark)");

/** Format a cell as csv_text.py does: text that a spreadsheet could execute is prefixed with an apostrophe. */
function csvCell(value) {
  const text = String(value).replaceAll("\r", " ");
  const [first = ""] = text.replace(/^[\p{C}\p{Z}\p{M}\u115f\u1160\u2800\u3164\uffa0]+/u, "");
  const mayBeFormula = /^[\t\n]/.test(text) || /^[=+\-@]/.test(first.normalize("NFKC"));
  const safe = mayBeFormula && !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const isTouch = () => window.matchMedia("(pointer: coarse)").matches;

/** Return the numbers that are not negative, in ascending order. */
const inOrder = (numbers) => numbers.filter((one) => one >= 0).sort((one, other) => one - other);

/** Return whether `what` selects exactly these rows and columns for this model. */
const isSame = (what, rows, columns, by) =>
  Boolean(what) && what.by === by && String(what.rows) === String(rows) && String(what.columns) === String(columns);
