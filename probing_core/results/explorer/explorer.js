// The explorer: linked views of what models make of altered pictures, over one selection.

const NARROW = 600; // of the explorer: a phone, where the list says more than the matrix
const OWN_READING = "everything"; // of a single picture nobody knows what was done: that is what its versions differ by
const SLOTS = ["a", "b"];
const BY = ["a", "b", "difference"];
const WHOSE = ["a", "b", "either"];
const CLAUSES = ["models", "where", "what", "out", "how"];

/**
 * Draw the explorer into `root`, which it fills, and promise it.
 *
 * `data` comes from `open`. Options: `selection` (restores one; JSON), `isDark()` (as the system, if not given),
 * `onSelection(selection)` after every change that is at rest, `picture(photo, cls, {sample, large})` -> `{url,
 * columns, rows, tile, box}` or `{url}` or null (`cls` -1: the whole photograph, with `cut: [left, top, width, height]`
 * in shares of it), `own` (`{title, places: {model: [x, y]}}`: a picture of the visitor on the maps by everything).
 *
 * Of what it promises, `update(options)`, `destroy()`, `counts()`, `selection()`, `select(selection)` and, for
 * measurements, `apply(patch)` and `draw(live)` are for others.
 */
export async function explore(root, data, options = {}) {
  const explorer = new Explorer(root, data, options);
  await explorer.start();
  return explorer;
}

class Explorer {
  constructor(root, data, options) {
    Object.assign(this, { root, data, options, hovered: null, preview: null, scrolled: -1000 });
    this.requests = [null, null]; // the last one of each map for a model
    this.counting = new Counting(data);
    this.tasks = new Map(); // what is done before the next paint
    this.identity = data.classes.findIndex((one) => one.name === "identity");
    this.twins = new Map(); // number of an image -> its untouched sample
    data.truth.forEach((cls, i) => cls === this.identity && this.twins.set(data.photo[i], data.sample[i]));
    this.members = data.groups.map((_, g) => [...data.classes.keys()].filter((cls) => data.classes[cls].group === g));
    const reading = options.own && OWN_READING in data.readings ? OWN_READING : Object.keys(data.readings)[0];
    this.state = { models: [data.models[0], data.models[1] ?? data.models[0]], reading };
  }

  async start() {
    const { data, options } = this, first = this.parsed(options.selection ?? {});
    await this.loaded(first.models);
    this.build();
    this.setTheme();
    if (!options.selection?.panel && this.isNarrow) first.panel = "list";
    this.apply(first);
    if (!options.selection && data.firstCell && !options.own) {
      const [row, column] = data.firstCell;
      this.apply({ what: { rows: [row], columns: [column], by: 0, unasked: true } });
    }
    if (options.own) this.giveWay();
    this.draw();
    this.watch();
  }

  update(options) {
    const appears = options.own && !this.options.own && OWN_READING in this.data.readings;
    Object.assign(this.options, options);
    this.setTheme();
    if (appears) {
      this.giveWay();
      this.set({ reading: OWN_READING });
    } else this.draw();
  }

  destroy() {
    this.unwatch();
    this.root.replaceChildren();
  }

  /** Return every number that the views show, as plain arrays. */
  counts() {
    const plain = (value) => (typeof value === "object" ? Array.from(value, plain) : value);
    const counts = Object.entries(this.counting.counts).map(([key, one]) => [key, plain(one)]);
    const { value, half } = this.counting.difference();
    return { ...Object.fromEntries(counts), difference: [value, half] };
  }

  /** Take over a selection, whatever of it this data knows. */
  async select(selection) {
    const found = this.parsed(selection);
    if (!(await this.arrived([0, 1], found.models))) return;
    this.apply(found);
    this.draw();
  }

  /** Promise that the arrays of `models` are here. */
  loaded(models) {
    return Promise.all(models.map((model) => model.predicted ?? model.load()));
  }

  /**
   * Load `models` for the maps of `slots`, and promise whether to show them: not if loading failed, or if the visitor has
   * selected others in the meantime.
   */
  async arrived(slots, models) {
    const request = {}, isLatest = () => slots.every((slot) => this.requests[slot] === request);
    slots.forEach((slot) => (this.requests[slot] = request));
    const isLoaded = await this.succeeds(this.loaded(models), () => isLatest() && this.failed(models));
    return isLoaded && isLatest();
  }

  /** Promise whether `promise` is fulfilled; if it is not, call `otherwise`. */
  succeeds(promise, otherwise) {
    return promise.then(() => true, () => {
      otherwise();
      return false;
    });
  }

  /** Show that `models` could not be loaded, and in the menus the models of the maps. */
  failed(models) {
    this.maps.forEach((map) => (map.select.value = map.model.name));
    const titles = [...new Set(models)].filter((model) => !model.predicted).map((model) => model.title);
    this.notice.textContent = `${titles.join(" and ")} could not be loaded. Check your connection, then try again.`;
    this.notice.hidden = false;
  }

  // ------------------------------------------------------------------ the state, and its form in an address

  get isNarrow() {
    return this.root.clientWidth < NARROW;
  }

  get models() {
    return this.state.models;
  }

  /** Return what the maps show as chosen. */
  get shown() {
    return this.preview ?? this.counting;
  }

  apply(patch) {
    const before = this.state, { what } = before;
    // What nobody asked for would leave next to nothing of a first lasso or of other models, and gives way to them. An
    // outcome or a strength is chosen from the numbers of that cell, which is thereby the visitor's own.
    const asked = what?.unasked && (patch.out || patch.how) ? { ...what, unasked: false } : what;
    const state = { ...before, what: what?.unasked && (patch.where || patch.models) ? null : asked, ...patch };
    const moved = (slot) => state.reading !== before.reading || state.models[slot] !== before.models[slot];
    if (state.where && !patch.where && moved(state.where.slot)) state.where = null;
    this.maps.filter((map) => moved(map.slot)).forEach((map) => (map.zoom = HOME));
    if (CLAUSES.some((key) => key in patch)) this.pictures.rows = 1;
    this.preview = null;
    this.notice.hidden = true;
    this.state = state;
    this.counting.update(state);
  }

  /** Change the state, draw, and tell it. */
  set(patch, words) {
    this.trial?.end();
    this.trial = null;
    this.tasks.delete("change");
    this.apply(patch);
    this.draw();
    this.say(words ?? this.sentence.textContent);
    this.options.onSelection?.(this.selection());
  }

  /** Show a change while it is being made; `set` keeps it, and `cancel` takes it back. Then `end` is called. */
  tryOut(patch, end) {
    const { where, what, how } = this.state;
    this.trial ??= { before: { where, what, how }, end };
    this.frame("change", () => {
      this.apply(patch);
      this.draw(true);
    });
  }

  /** Return whether there was a change to take back. */
  cancel() {
    if (!this.trial) return false;
    this.set(this.trial.before);
    return true;
  }

  escape() {
    if (!this.cancel() && !this.counting.isEmpty) this.set(NONE);
  }

  /** Return the state as JSON that fits into an address. */
  selection() {
    const { data, state } = this, { models, where, what, out, how, by, panel, pin } = state;
    const names = (classes) => (classes.length ? classes.map((cls) => data.classes[cls].name) : undefined);
    const outcomes = OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code) => OUTCOMES[code]);
    return JSON.parse(JSON.stringify({
      a: models[0].name,
      b: models[1].name,
      reading: state.reading === Object.keys(data.readings)[0] ? undefined : state.reading,
      where: where ? { map: SLOTS[where.slot], polygon: where.polygon } : undefined,
      what: what ? { rows: names(what.rows), columns: names(what.columns), by: WHOSE[what.by],
        unasked: what.unasked || undefined } : undefined,
      out: out ? outcomes : undefined,
      how: how ?? undefined,
      by: by ? BY[by] : undefined,
      panel: panel === "matrix" ? undefined : panel,
      pin: pin === null ? undefined : data.sample[pin],
    }));
  }

  /** Return the state of a selection, as far as this data knows it: it may come from an address, and be anything. */
  parsed(selection) {
    const { data } = this, { where, what, out, how } = Object(selection);
    const list = (value) => (Array.isArray(value) ? value : []);
    const place = (names, name) => Math.max(names.indexOf(name), 0);
    const find = (name) => data.classes.findIndex((one) => one.name === name);
    const classes = (names) => inOrder([...new Set(list(names))].map(find));
    const polygon = list(where?.polygon).filter(Number.isFinite).map((one) => Math.round(one));
    const isLasso = polygon.length >= 6 && polygon.length <= 4 * CORNERS && polygon.length % 2 === 0;
    const chosen = { rows: classes(what?.rows), columns: classes(what?.columns), by: place(WHOSE, what?.by),
      unasked: what?.unasked === true };
    const outcomes = OUTCOMES.reduce((bits, name, code) => bits | (list(out).includes(name) << code), 0);
    const range = list(how).filter(Number.isInteger).map((bin) => clamp(bin, 0, BINS - 1));
    const pin = data.sample.indexOf(selection.pin);
    return {
      models: SLOTS.map((slot, i) => data.models.find((one) => one.name === selection[slot]) ?? this.models[i]),
      reading: Object.hasOwn(data.readings, selection.reading) ? selection.reading : this.state.reading,
      where: isLasso ? { slot: place(SLOTS, where.map), polygon } : null,
      what: chosen.rows.length || chosen.columns.length ? chosen : null,
      out: outcomes % 15,
      how: range.length === 2 ? inOrder(range) : null,
      by: place(BY, selection.by),
      panel: selection.panel === "list" ? "list" : "matrix",
      pin: pin < 0 ? null : pin,
    };
  }

  /** Take away what was chosen by itself. */
  giveWay() {
    if (this.state.what?.unasked) this.apply({ what: null });
  }

  // ------------------------------------------------------------------ what is clicked

  async setModel(slot, name) {
    const model = this.data.models.find((one) => one.name === name);
    if (!(await this.arrived([slot], [model]))) return;
    this.set({ models: this.models.map((one, other) => (other === slot ? model : one)) });
  }

  setWhat(rows, columns, by) {
    this.set({ what: rows.length || columns.length ? { rows: inOrder(rows), columns, by } : null });
  }

  /** Choose rows, or take them away; joined to the rows before. */
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
    const by = this.answering, { what } = this.state;
    const same = isSame(what, [row], [column], by === EITHER ? what?.by : by);
    this.setWhat(same ? [] : [row], same ? [] : [column], by);
  }

  toggleOutcome(code, join) {
    const { out } = this.state, bit = 1 << code;
    this.set({ out: (join ? out ^ bit : out === bit ? 0 : bit) % 15 });
  }

  togglePin(i) {
    const pin = this.state.pin === i ? null : i;
    this.set({ pin }, pin === null ? "No picture is kept in view" : `${this.pointInWords(i)[0]} is kept in view`);
  }

  /** Whose answers a cell that is clicked is of. */
  get answering() {
    return this.state.panel === "list" ? EITHER : this.state.by;
  }

  showMap(slot) {
    this.main.dataset.map = SLOTS[slot];
    this.switches.forEach((node, other) => (node.ariaPressed = String(other === slot)));
    this.draw();
  }

  /** Show on the maps what would be chosen; null: what is. */
  setPreview(what) {
    if (!what && !this.preview) return;
    this.preview = what && this.counting.preview({ ...what, by: this.answering });
    this.frame("preview", () => this.maps.forEach((map) => map.draw()));
  }

  /** Return listeners that preview what a click would choose. */
  previews(rows, columns) {
    return { onpointerenter: () => this.setPreview({ rows, columns }), onpointerleave: () => this.setPreview(null) };
  }

  /** Ring a point on both maps; tell it at the pointer of `event`, or aloud where keys have moved (null). */
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
    const cell = (value) => {
      const text = String(value), isFormula = /^[=+\-@\t]/.test(text) && !/^-?[\d.]+$/.test(text);
      const safe = isFormula ? `'${text}` : text;
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const name = (cls) => data.classes[cls].name;
    const strength = (value) => (Number.isNaN(value) ? "" : Number(value.toPrecision(6)));
    const answers = (one) => [`${one.name} answer`, `${one.name} probability`];
    const answer = (i) => (one) => [name(one.predicted[i]), (one.confidence[i] / 255).toFixed(3)];
    const head = ["sample", "photograph", "true", "strength", ...data.models.flatMap(answers)];
    const row = (i) => [data.sample[i], data.photographs[data.photo[i]], name(data.truth[i]), strength(data.value[i]),
      ...data.models.flatMap(answer(i))];
    const points = [...counting.bits.keys()].filter((i) => counting.bits[i] === ALL);
    const text = [head, ...points.map(row)].map((line) => `${line.map(cell).join()}\r\n`);
    const url = URL.createObjectURL(new Blob(text, { type: "text/csv" }));
    el("a", { href: url, download: "selection.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  // ------------------------------------------------------------------ the page

  build() {
    const { data } = this;
    this.sentence = el("p.px-sentence");
    this.chips = el("div.px-chips");
    const downloading = { onclick: () => this.download(), title: "What is chosen, as a table (CSV)" };
    const download = el("button.px-download", downloading, "Download CSV");
    this.notice = el("p.px-notice", { role: "alert", hidden: true });
    this.live = el("div.px-hidden", { role: "status", "aria-live": "polite" });
    this.tooltip = el("div.px-tip", { hidden: true });
    this.maps = [new PointMap(this, 0), new PointMap(this, 1)];
    this.switches = [0, 1].map((slot) =>
      el("button", { "aria-pressed": String(slot === 0), onclick: () => this.showMap(slot) }, "Map ", "AB"[slot]));
    const switching = el("div.px-switch", { role: "group", "aria-label": "Map shown" }, this.switches);
    this.groups = data.groups.map((group, g) => el("button", { ...this.previews(this.members[g], []),
      onclick: (event) => this.toggleRows(this.members[g], event.shiftKey) }, el("i"), group.title));
    const readings = Object.entries(data.readings);
    const choosing = (event) => this.set({ reading: event.target.value });
    const reading = { "aria-label": "Reading of the maps", onchange: choosing, hidden: readings.length < 2 };
    const option = ([value, text]) => el("option", { value }, `map by ${text}`);
    this.readingMenu = el("select", reading, readings.map(option));
    this.note = el("p.px-quiet");
    this.curves = new Curves(this);
    this.matrix = new Matrix(this);
    this.list = new List(this);
    const tab = (panel) => el("button", { role: "tab", onclick: () => this.set({ panel }) });
    this.panelTabs = ["matrix", "list"].map(tab);
    roving(this.panelTabs);
    this.byTabs = [0, 1, 2].map((by) => el("button", { onclick: () => this.set({ by }) }));
    this.byGroup = el("div", { role: "group", "aria-label": "Matrix of" }, this.byTabs);
    this.outcomes = new Outcomes(this);
    this.pictures = new Pictures(this);
    this.dialog = new PictureDialog(this);
    this.numbers = new Numbers(this);
    const legend = el("div.px-legend",
      el("div.px-groups", { role: "group", "aria-label": "Groups of transformations" }, this.groups),
      this.readingMenu, this.note);
    const tabs = el("header", el("div", { role: "tablist", "aria-label": "Answers" }, this.panelTabs), this.byGroup);
    this.main = el("div.px-main", { "data-map": "a" }, switching, this.maps.map((map) => map.node),
      el("section.px-under", legend, this.curves.node),
      el("section.px-panel", tabs, this.matrix.node, this.list.node));
    const second = el("div.px-second", this.chips, download);
    this.frameNode = el("div.px-frame", el("header.px-head", this.sentence, second), this.notice, this.main,
      this.outcomes.node, this.pictures.node, this.numbers.node, this.dialog.node, this.tooltip, this.live);
    this.root.classList.add("px");
    this.root.replaceChildren(this.frameNode);
  }

  /** Draw again when sizes, the theme or the keys of the page ask for it. */
  watch() {
    const places = [...this.maps.map((map) => map.plane), this.matrix.node];
    const sizes = () => places.map((node) => `${node.clientWidth} ${node.clientHeight}`).join();
    let drawn = sizes();
    const resizes = new ResizeObserver(() => this.frame("size", () => {
      if (sizes() !== drawn) this.draw();
      drawn = sizes();
    }));
    places.forEach((node) => resizes.observe(node));
    const left = new AbortController(), { signal } = left;
    // The page around the explorer takes a moment to change its own colors.
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

  /** Run `task` before the next paint; of those with one key, the last one asked for. */
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

  // ------------------------------------------------------------------ facts on points

  isRight(i, slot) {
    return Boolean((this.counting.outcome[i] >> slot) & 1);
  }

  strength(i) {
    const { before, after, scale } = this.data.classes[this.data.truth[i]];
    if (this.data.strength[i] === NO_STRENGTH) return "";
    return `${before}${Number((this.data.value[i] * scale).toPrecision(2))}${after}`;
  }

  answer(i, slot) {
    const model = this.models[slot], title = this.data.classes[model.predicted[i]].title;
    return `${this.isRight(i, slot) ? "\u2713 " : ""}${title}: ${percent(model.confidence[i], 255)}`;
  }

  pointInWords(i) {
    const title = this.data.classes[this.data.truth[i]].title, strength = this.strength(i);
    return [strength ? `${title}, ${strength}` : title, `A ${this.answer(i, 0)}`, `B ${this.answer(i, 1)}`];
  }

  className(cls) {
    return el("b", { style: { color: css(this.textColors[cls]) } }, this.data.classes[cls].title);
  }

  caption(i, strength = "") {
    return el("span.px-caption", this.className(this.data.truth[i]), strength && `, ${strength}`);
  }

  pair(i, words = []) {
    return this.options.picture && el("span.px-pair", this.picture(i, "untouched"), this.picture(i, "altered"), words);
  }

  /** Return an element with a point's "altered" picture, its "untouched" one, or its "whole" photograph (or null). */
  picture(i, kind, large = false) {
    const { data, identity, options } = this, photo = data.photo[i], cls = data.truth[i];
    const sample = kind === "untouched" ? this.twins.get(photo) ?? null : data.sample[i];
    const tileOf = { altered: cls, untouched: identity, whole: -1 }[kind];
    const words = { altered: data.classes[cls].title, untouched: "untouched", whole: "whole photograph" }[kind];
    const found = options.picture?.(photo, tileOf, { sample, large });
    const image = { role: "img", "aria-label": words };
    if (!found) return kind !== "whole" && el("span.px-picture.px-missing", image, "no picture");
    // One tile of a sheet of `columns` by `rows`; `box` (left, top, width, height) of it is shown, and `cut` outlined.
    const { url, columns, rows, tile, box: [left, top, width, height] = [0, 0, 1, 1], cut } = found;
    const place = (at, count) => `${count > 0 ? (100 * at) / count : 0}%`;
    const x = place((tile % columns) + left, columns - width);
    const y = place(Math.floor(tile / columns) + top, rows - height);
    const size = `${(100 * columns) / width}% ${(100 * rows) / height}%`;
    const sheet = columns && { backgroundSize: size, backgroundPosition: `${x} ${y}`, aspectRatio: width / height };
    const style = { backgroundImage: `url("${url}")`, ...sheet };
    const sides = cut?.map((share) => `${100 * share}%`);
    return el("span.px-picture", { ...image, style },
      cut && el("i.px-cut", { style: { left: sides[0], top: sides[1], width: sides[2], height: sides[3] } }));
  }

  readingOf(model) {
    return this.state.reading in model.places ? this.state.reading : Object.keys(model.places)[0];
  }

  /** Return the five points of other images that are nearest on a map. */
  nearestOnMap(i, slot) {
    const { photo, tested } = this.data, { places } = this.maps[slot];
    let near = [];
    for (let j = 0; j < tested; j++) {
      const away = (places[2 * j] - places[2 * i]) ** 2 + (places[2 * j + 1] - places[2 * i + 1]) ** 2;
      if (photo[j] === photo[i] || away >= near[4]?.away) continue;
      near = [...near, { j, away }].sort((one, other) => one.away - other.away).slice(0, 5);
    }
    return near.map((one) => one.j);
  }

  /** Return the class whose row is chosen alone, or null. */
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

  /** Draw all views; while a change is being made (`live`) without pictures, names and chips. */
  draw(live = false) {
    this.maps.forEach((map) => map.draw(live));
    this.drawPanel();
    this.curves.draw();
    this.outcomes.draw();
    this.drawLegend();
    fill(this.sentence, this.sentenceWords());
    if (live) return;
    this.drawChips();
    this.pictures.draw(this.pictures.rows);
    this.numbers.draw();
  }

  drawPanel() {
    const { panel, by } = this.state;
    const titles = ["Matrix", this.singleRow() === null ? "Largest confusions" : "Taken for"];
    this.panelTabs.forEach((tab, i) => {
      tab.textContent = titles[i];
      tab.ariaSelected = String((i === 0) === (panel === "matrix"));
    });
    this.byTabs.forEach((tab, i) => {
      tab.ariaPressed = String(i === by);
      fill(tab, i === EITHER ? "B minus A" : [badge(i), el("span", ` ${this.models[i].title}`)]);
    });
    this.matrix.node.hidden = this.byGroup.hidden = panel !== "matrix";
    this.list.node.hidden = panel !== "list";
    (panel === "matrix" ? this.matrix : this.list).draw();
  }

  drawLegend() {
    const { data, state, counting, maps } = this;
    this.groups.forEach((node, g) => {
      const members = this.members[g];
      node.classList.toggle("px-off", !members.some((cls) => counting.counts.chosenRows[cls]));
      node.ariaPressed = String(members.every((cls) => state.what?.rows.includes(cls)));
    });
    this.readingMenu.value = state.reading;
    const other = maps.filter((map) => this.readingOf(map.model) !== state.reading)
      .map((map) => `map ${"AB"[map.slot]} by ${data.readings[this.readingOf(map.model)]}`);
    this.note.textContent = [
      maps.some((map) => map.large) && "\u25cf right, \u25cb wrong.",
      other.length && `Without this reading: ${other.join(", ")}.`,
      isTouch() ? "Touch Enclose, then draw; two fingers zoom." : "Drag to enclose, wheel to zoom, Shift-drag to move.",
      !counting.isEmpty && "Gray: not chosen.",
    ].filter(Boolean).join(" ");
  }

  /** Return what is seen, as one sentence. */
  sentenceWords() {
    const { data, counting, state, models } = this, { where, what, out, how } = state, { counts } = counting;
    const { n, right } = counts, few = how ? `, ${this.howInWords()}` : "", digits = counting.isEmpty ? 1 : 0;
    const names = models.map((model, slot) => el("span.px-model", badge(slot), el("b", ` ${model.title}`)));
    const sum = (list) => list.reduce((total, one) => total + one, 0);
    const rows = what ? this.nameOf(what.rows) : "";
    if (out) {
      const by = ["by neither", ["by ", names[0], " alone"], ["by ", names[1], " alone"], "by both"];
      const named = OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code, i) => [i ? " or " : "", by[code]]);
      const of = [plural(sum(counts.outcomes), "picture"), what && ` (${this.whatInWords()})`, few && `${few},`];
      return [number(n), " of ", of, " are named right ", named, "."];
    }
    if (what?.columns.length) {
      const inRows = counting.flags(what.rows), inColumns = counting.flags(what.columns), k = data.classes.length;
      const inside = (matrix) => number(sum(matrix.filter((_, i) => inRows[Math.floor(i / k)] && inColumns[i % k])));
      const isRight = rows && String(what.rows) === String(what.columns);
      const [verb, end] = isRight ? ["names", "right"] : ["takes", `for ${this.nameOf(what.columns)}`];
      const all = number(sum(counts.rows.filter((_, cls) => inRows[cls])));
      const untouched = String(what.rows) === String(this.identity);
      const of = untouched ? `${all} untouched pictures` : `${all} pictures${rows && ` with ${rows}`}`;
      const [a, b] = counts.matrix.map(inside), other = 1 - what.by;
      if (what.by === EITHER) return [`Of ${of}${few}, `, names[0], ` ${verb} ${a} ${end}, `, names[1], ` ${b}.`];
      return [names[what.by], ` ${verb} ${number(n)} of ${of} ${end}${few}`,
        models[0] !== models[1] &&
          [". ", names[other], ` names ${number(right[other])} of these ${number(n)} right`], "."];
    }
    if (!n) return ["No picture is chosen: take away a choice below."];
    const [a, b] = right.map((one) => percent(one, n, digits));
    const name = rows && `${rows.charAt(0).toUpperCase()}${rows.slice(1)}, `;
    const subject = `${name}${plural(n, "picture")}${where ? " enclosed" : ""}${few}: `;
    const words = [counting.isEmpty ? "What was done to a picture: " : subject, names[0], ` names ${a}`,
      counting.isEmpty && ` of ${number(n)}`, " right, ", names[1], ` names ${b}`];
    // A lasso, a cell or an outcome chose where a model fails: the other would look better by regression to the mean.
    if (!where && n && models[0] !== models[1]) {
      const { half } = counting.difference(), shown = right.map((one) => Number(((100 * one) / n).toFixed(digits)));
      const value = shown[1] - shown[0]; // of the two numbers that are read
      const interval = Number.isNaN(half) ? "" : ` ± ${half.toFixed(digits || (half < 1 ? 1 : 0))}`;
      words.push(`; B minus A: ${signed(value, digits)}${interval} points`);
    }
    return [words, counting.isEmpty && `; chance is ${percent(1, data.classes.length, 1)}`, "."];
  }

  whatInWords() {
    const { rows, columns, by } = this.state.what, whose = by === EITHER ? "A or B" : this.models[by].title;
    const taken = columns.length ? `taken for ${this.nameOf(columns)} by ${whose}` : "";
    return [this.nameOf(rows), taken].filter(Boolean).join(" ");
  }

  howInWords() {
    const [low, high] = this.state.how, share = (bin) => Math.round((100 * bin) / BINS);
    if (low === 0) return `weakest ${share(high + 1)}${NBSP}%`;
    if (high === BINS - 1) return `strongest ${100 - share(low)}${NBSP}%`;
    return `strength ${share(low)} to ${share(high + 1)}${NBSP}%`;
  }

  drawChips() {
    const { data, state, models, counting } = this, { where, what, out, how } = state;
    const alone = ["both wrong", `only ${models[0].title} right`, `only ${models[1].title} right`, "both right"];
    const clauses = {
      where: where && `enclosed on ${models[where.slot].title}`,
      what: what && this.whatInWords(),
      out: out && OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code) => alone[code]).join(" or "),
      how: how && this.howInWords(),
    };
    const chips = Object.entries(clauses).filter(([, text]) => text).map(([key, text]) => {
      const taking = { "aria-label": `Take away: ${text}`, onclick: () => this.set({ [key]: NONE[key] }) };
      return el("button.px-chip", taking, text, el("i", { "aria-hidden": "true" }, "\u00d7"));
    });
    const other = state.panel === "list" ? "confusion" : "cell";
    const scope = `${plural(data.tested, "tested picture")}: ${plural(data.labels.length, "image")} in every ` +
      `class${data.repetitions > 1 ? ` ${data.repetitions} times each` : ""}.`;
    const next = `draw around dots, or choose another ${other}.`;
    fill(this.chips, chips, chips.length > 1 && el("button.px-clear", { onclick: () => this.set(NONE) }, "Clear all"),
      what?.unasked && el("span.px-hint", `Try next: ${next}`),
      counting.isEmpty && el("span.px-hint", scope));
  }
}

const darkness = () => window.matchMedia("(prefers-color-scheme: dark)");
const isTouch = () => window.matchMedia("(pointer: coarse)").matches;

/** Return numbers that are not negative in order. */
const inOrder = (numbers) => numbers.filter((one) => one >= 0).sort((one, other) => one - other);

/** Return whether `what` is some rows and columns by one model. */
const isSame = (what, rows, columns, by) =>
  Boolean(what) && what.by === by && String(what.rows) === String(rows) && String(what.columns) === String(columns);
