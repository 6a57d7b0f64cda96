// The explorer: linked views of what models make of altered pictures, over one selection.

const NARROW = 600; // of the explorer: a phone, where the list says more than the matrix
const MOST_KEPT = 8; // selections with a name: all of them stand in the address
const OWN_READING = "everything"; // of a single picture nobody knows what was done: that is what its versions differ by
const SLOTS = ["a", "b"];
const BY = ["a", "b", "difference"];
const WHOSE = ["a", "b", "either"];
const COLORS = { class: "what was done", right: "right or wrong", strength: "weak to strong" };
const CLAUSES = ["models", "where", "what", "out", "how"];

/**
 * Draw the explorer into `root`, which it fills, and promise it, as an `Explorer` whose methods after `start` are public.
 *
 * `data` comes from `open`. Options: `selection` (restores one; JSON), `theme` ("light", "dark" or "auto"),
 * `onSelection(selection)` after every change that is at rest, `picture(photo, cls, {sample, large})` -> `{url, columns,
 * rows, tile, box}` or `{url}` or null (`cls` -1: the whole photograph, with `cut: [left, top, width, height]` in shares of
 * it), `own` (`{title, places: {model: [x, y]}}`: a picture of the visitor on the maps by everything), `scope` (a sentence
 * on what the points are), `hint` (false: nothing is chosen at first).
 */
export async function explore(root, data, options = {}) {
  const explorer = new Explorer(root, data, options);
  await explorer.start();
  return explorer;
}

class Explorer {
  constructor(root, data, options) {
    Object.assign(this, { root, data, options, hovered: null, preview: null, hint: false, scrolled: -1000 });
    this.counting = new Counting(data);
    this.tasks = new Map(); // what is done before the next paint
    this.identity = data.classes.findIndex((one) => one.name === "identity");
    this.twins = new Map(); // number of an image -> its untouched sample
    for (let i = data.tested; i-- > 0; ) if (data.truth[i] === this.identity) this.twins.set(data.photo[i], data.sample[i]);
    this.members = data.groups.map((_, g) => [...data.classes.keys()].filter((cls) => data.classes[cls].group === g));
    const reading = options.own && OWN_READING in data.readings ? OWN_READING : Object.keys(data.readings)[0];
    this.state = { models: [data.models[0], data.models[1] ?? data.models[0]], reading };
  }

  async start() {
    const { options } = this;
    const first = this.parsed(options.selection ?? {});
    await this.loaded(first.models);
    this.build();
    this.setTheme();
    if (!options.selection?.panel && this.root.clientWidth < NARROW) first.panel = "list";
    this.apply(first);
    if (!options.selection && options.hint !== false) this.chooseFirstCell();
    this.draw();
    this.watch();
  }

  update(options) {
    const appears = options.own && !this.options.own && OWN_READING in this.data.readings;
    Object.assign(this.options, options);
    this.setTheme();
    if (appears) this.set({ reading: OWN_READING });
    else this.draw();
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
    await this.loaded(found.models);
    this.hint = false;
    this.apply(found);
    this.draw();
  }

  /** Promise that the arrays of `models` are here. */
  loaded(models) {
    return Promise.all(models.map((model) => model.predicted ?? model.load()));
  }

  // ------------------------------------------------------------------ the state, and its form in an address

  get models() {
    return this.state.models;
  }

  /** Return what the maps show as chosen. */
  get shown() {
    return this.preview ?? this.counting;
  }

  apply(patch) {
    const before = this.state, state = { ...before, ...patch };
    const moved = (slot) => state.reading !== before.reading || state.models[slot] !== before.models[slot];
    if (state.where && !patch.where && moved(state.where.slot)) state.where = null;
    this.maps.filter((map) => moved(map.slot)).forEach((map) => (map.zoom = HOME));
    if ("what" in patch) this.hint = false;
    if (CLAUSES.some((key) => key in patch)) this.pictures.rows = 1;
    this.preview = null;
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
    const { where, how } = this.state;
    this.trial ??= { before: { where, how }, end };
    this.frame("change", () => {
      this.apply(patch);
      this.draw(true);
    });
  }

  /** Return whether there was a change to take back. */
  cancel() {
    if (this.trial) this.set(this.trial.before);
    else return false;
    return true;
  }

  escape() {
    if (this.keep.open) this.keep.open = false;
    else if (!this.cancel() && !this.counting.isEmpty) this.set(NONE);
  }

  /** Return the state as JSON that fits into an address. */
  selection() {
    const { data, state } = this, { models, where, what, out, how, by, panel, colors, pin, kept } = state;
    const names = (classes) => (classes.length ? classes.map((cls) => data.classes[cls].name) : undefined);
    const outcomes = OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code) => OUTCOMES[code]);
    return JSON.parse(JSON.stringify({
      a: models[0].name,
      b: models[1].name,
      reading: state.reading === Object.keys(data.readings)[0] ? undefined : state.reading,
      where: where ? { map: SLOTS[where.slot], polygon: where.polygon } : undefined,
      what: what ? { rows: names(what.rows), columns: names(what.columns), by: WHOSE[what.by] } : undefined,
      out: out ? outcomes : undefined,
      how: how ?? undefined,
      by: by ? BY[by] : undefined,
      panel: panel === "matrix" ? undefined : panel,
      colors: colors === "class" ? undefined : colors,
      pin: pin === null ? undefined : data.sample[pin],
      kept: kept.length ? kept : undefined,
    }));
  }

  /** Return the state of a selection, as far as this data knows it: it may come from an address, with anything in it. */
  parsed(selection) {
    const { data } = this, { where, what, out, how, kept } = Object(selection);
    const list = (value) => (Array.isArray(value) ? value : []);
    const place = (names, name) => Math.max(names.indexOf(name), 0);
    const classes = (names) => inOrder(list(names).map((name) => data.classes.findIndex((one) => one.name === name)));
    const polygon = list(where?.polygon).filter(Number.isFinite).map((one) => Math.round(one));
    const isLasso = polygon.length >= 6 && polygon.length <= 4 * CORNERS && polygon.length % 2 === 0;
    const chosen = { rows: classes(what?.rows), columns: classes(what?.columns), by: place(WHOSE, what?.by) };
    const outcomes = OUTCOMES.reduce((bits, name, code) => bits | (list(out).includes(name) << code), 0);
    const range = list(how).filter(Number.isInteger).map((bin) => clamp(bin, 0, BINS - 1)).sort((low, high) => low - high);
    const pin = data.sample.subarray(0, data.tested).indexOf(selection.pin);
    return {
      models: SLOTS.map((slot, i) => data.models.find((one) => one.name === selection[slot]) ?? this.models[i]),
      reading: selection.reading in data.readings ? selection.reading : this.state.reading,
      where: isLasso ? { slot: place(SLOTS, where.map), polygon } : null,
      what: chosen.rows.length || chosen.columns.length ? chosen : null,
      out: outcomes % 15,
      how: range.length === 2 ? range : null,
      by: place(BY, selection.by),
      panel: selection.panel === "list" ? "list" : "matrix",
      colors: Object.keys(COLORS)[place(Object.keys(COLORS), selection.colors)],
      pin: pin < 0 ? null : pin,
      kept: list(kept).filter((one) => typeof one?.name === "string" && one.selection).slice(0, MOST_KEPT),
    };
  }

  /** Choose the cell of errors of A of which B names most right. */
  chooseFirstCell() {
    const { data, counting } = this, k = data.classes.length, counts = new Uint32Array(k * k);
    counting.outcome.forEach((code, i) => (counts[data.truth[i] * k + this.models[0].predicted[i]] += code === 2));
    const cell = counts.indexOf(Math.max(...counts));
    if (!counts[cell]) return;
    this.apply({ what: { rows: [Math.floor(cell / k)], columns: [cell % k], by: 0 } });
    this.hint = true;
  }

  // ------------------------------------------------------------------ what is clicked

  async setModel(slot, name) {
    const model = this.data.models.find((one) => one.name === name);
    await this.loaded([model]);
    this.set({ models: this.models.map((one, other) => (other === slot ? model : one)) });
  }

  setWhat(rows, columns, by) {
    this.set({ what: rows.length || columns.length ? { rows: inOrder(rows), columns, by } : null });
  }

  /** Choose rows, or take them away; joined to the rows before. */
  toggleRows(classes, join) {
    const { what, by } = this.state, before = what && !what.columns.length ? what.rows : [];
    const others = before.filter((cls) => !classes.includes(cls)), same = others.length === before.length - classes.length;
    this.setWhat([...(join ? others : []), ...(same && (join || !others.length) ? [] : classes)], [], by);
  }

  toggleColumn(cls) {
    const { what, by } = this.state, same = isSame(what, { rows: [], columns: [cls], by });
    this.setWhat([], same ? [] : [cls], by);
  }

  toggleCell(row, column) {
    const by = this.answering, same = isSame(this.state.what, { rows: [row], columns: [column], by });
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
    for (const map of this.maps) [...map.switch.children].forEach((node, other) => (node.ariaPressed = String(other === slot)));
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
    Object.assign(this.tooltip.style, { left: `${clamp(left, 0, Math.max(frame.width - width, 0))}px`, top: `${Math.max(top, 0)}px` });
  }

  open(i) {
    this.tip(null);
    this.dialog.open(i);
  }

  say(text) {
    this.live.textContent = text;
  }

  keepSelection(event) {
    event.preventDefault();
    const name = this.keepName.value.trim();
    if (!name) return;
    const { kept, ...selection } = this.selection();
    this.keepName.value = "";
    this.set({ kept: [...this.state.kept.filter((one) => one.name !== name), { name, selection }].slice(-MOST_KEPT) }, `Kept as ${name}`);
  }

  async restoreKept({ selection }) {
    this.keep.open = false;
    await this.select({ ...selection, kept: this.state.kept });
    this.set({});
  }

  async download() {
    const { data, counting } = this;
    await this.loaded(data.models);
    const cell = (value) => {
      const text = String(value), safe = /^[=+\-@\t]/.test(text) && !/^-?[\d.]+$/.test(text) ? `'${text}` : text; // no formula
      return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const head = ["sample", "photograph", "true", "strength", ...data.models.flatMap(({ name }) => [`${name} answer`, `${name} probability`])];
    const row = (i) => [data.sample[i], data.photographs[data.photo[i]], data.classes[data.truth[i]].name,
      Number.isNaN(data.value[i]) ? "" : Number(data.value[i].toPrecision(6)),
      ...data.models.flatMap((model) => [data.classes[model.predicted[i]].name, (model.confidence[i] / 255).toFixed(3)])];
    const points = [...counting.bits.keys()].filter((i) => counting.bits[i] === ALL);
    const text = [head, ...points.map(row)].map((line) => `${line.map(cell).join()}\r\n`);
    const url = URL.createObjectURL(new Blob(text, { type: "text/csv" }));
    el("a", { href: url, download: "selection.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  // ------------------------------------------------------------------ the page

  build() {
    const { data } = this, set = (key) => (event) => this.set({ [key]: event.target.value });
    const option = ([value, text]) => el("option", { value }, text);
    this.sentence = el("p.px-sentence");
    this.chips = el("div.px-chips");
    this.keepName = el("input", { type: "text", maxlength: 60, "aria-label": "Name of this selection", placeholder: "Name this selection" });
    this.keptList = el("ul");
    this.keepTitle = el("summary");
    this.keep = el("details.px-keep", this.keepTitle,
      el("form", { onsubmit: (event) => this.keepSelection(event) }, this.keepName, el("button", "Keep"), this.keptList));
    const download = el("button", { onclick: () => this.download(), title: "What is chosen, as a table (CSV)" }, "Download");
    this.live = el("div.px-hidden", { role: "status", "aria-live": "polite" });
    this.tooltip = el("div.px-tip", { hidden: true });
    this.maps = [new PointMap(this, 0), new PointMap(this, 1)];
    this.groups = data.groups.map((group, g) => el("button", { ...this.previews(this.members[g], []),
      onclick: (event) => this.toggleRows(this.members[g], event.shiftKey) }, el("i"), group.title));
    this.coloringMenu = el("select", { "aria-label": "Colors of the points", onchange: set("colors") },
      Object.entries(COLORS).map(([value, text]) => option([value, `colors: ${text}`])));
    const readings = Object.entries(data.readings);
    this.readingMenu = el("select", { "aria-label": "Reading of the maps", onchange: set("reading"), hidden: readings.length < 2 },
      readings.map(([value, text]) => option([value, `map by ${text}`])));
    this.note = el("p.px-quiet");
    this.curves = new Curves(this);
    this.matrix = new Matrix(this);
    this.list = new List(this);
    this.panelTabs = ["matrix", "list"].map((panel) => el("button", { role: "tab", onclick: () => this.set({ panel }) }));
    roving(this.panelTabs);
    this.byTabs = [0, 1, 2].map((by) => el("button", { onclick: () => this.set({ by }) }));
    this.byGroup = el("div", { role: "group", "aria-label": "Matrix of" }, this.byTabs);
    this.outcomes = new Outcomes(this);
    this.pictures = new Pictures(this);
    this.dialog = new PictureDialog(this);
    this.numbers = new Numbers(this);
    const legend = el("div.px-legend",
      el("div.px-groups", { role: "group", "aria-label": "Groups of transformations" }, this.groups),
      el("div.px-menus", this.coloringMenu, this.readingMenu), this.note);
    const tabs = el("header", el("div", { role: "tablist", "aria-label": "Answers" }, this.panelTabs), this.byGroup);
    this.main = el("div.px-main", { "data-map": "a" }, this.maps.map((map) => map.node),
      el("section.px-under", legend, this.curves.node),
      el("section.px-panel", tabs, this.matrix.node, this.list.node));
    const second = el("div.px-second", this.chips, el("div.px-tools", this.keep, download));
    this.frameNode = el("div.px-frame", el("header.px-head", this.sentence, second), this.main,
      this.outcomes.node, this.pictures.node, this.numbers.node, this.dialog.node, this.tooltip, this.live);
    this.root.classList.add("px");
    this.root.replaceChildren(this.frameNode);
  }

  /** Draw again when sizes, the theme or the keys of the page ask for it. */
  watch() {
    const places = [...this.maps.map((map) => map.plane), this.matrix.node, this.pictures.row];
    const sizes = () => places.map((node) => `${node.clientWidth} ${node === this.pictures.row || node.clientHeight}`).join();
    let drawn = sizes();
    const resizes = new ResizeObserver(() => this.frame("size", () => {
      if (sizes() !== drawn) this.draw();
      drawn = sizes();
    }));
    places.forEach((node) => resizes.observe(node));
    const left = new AbortController(), { signal } = left;
    darkness().addEventListener("change", () => this.setTheme() || this.draw(), { signal });
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
    const { theme = "auto" } = this.options;
    const dark = theme === "auto" ? darkness().matches : theme === "dark", side = dark ? 1 : 0;
    this.root.dataset.theme = dark ? "dark" : "light";
    const style = getComputedStyle(this.root);
    const names = ["ground", "ink", "muted", "line", "pale", "faint", "empty", "right", "wrong"];
    const colors = Object.fromEntries(names.map((name) => [name, rgb(style.getPropertyValue(`--px-${name}`).trim())]));
    const [shares, diverging] = [this.data.ramps[side].map(rgb), this.data.diverging[side].map(rgb)];
    const texts = { font: style.fontFamily, dark: [17, 24, 39], light: [255, 255, 255] };
    this.theme = { ...colors, ...texts, name: this.root.dataset.theme, ramp: shares, diverging };
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

  /** Return codes of all tested points, and the color of each code, in the chosen coloring. */
  codes(slot) {
    const { data, theme, counting } = this;
    const weakToStrong = () => Array.from({ length: 256 }, (_, i) => (i === NO_STRENGTH ? theme.pale : ramp(theme.ramp.slice(1), i / 254)));
    const right = [0, 1, 2, 3].map((code) => ((code >> slot) & 1 ? theme.right : theme.wrong));
    if (this.state.colors === "class") return [data.truth, this.classColors];
    return this.state.colors === "right" ? [counting.outcome, right] : [data.strength, weakToStrong()];
  }

  coloring(slot) {
    const [codes, colors] = this.colored[slot];
    return [codes, colors.map(pixel)];
  }

  pointColor(i, slot) {
    const [codes, colors] = this.colored[slot];
    return colors[codes[i]];
  }

  strength(i) {
    const { before, after, scale } = this.data.classes[this.data.truth[i]];
    if (this.data.strength[i] === NO_STRENGTH) return "";
    return `${before}${Number((this.data.value[i] * scale).toPrecision(2))}${after}`;
  }

  answer(i, slot) {
    const model = this.models[slot], title = this.data.classes[model.predicted[i]].title;
    return `${this.isRight(i, slot) ? "\u2713 " : ""}${title} ${percent(model.confidence[i], 255)}`;
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
    return this.options.picture && el("span.px-pair", this.image(i, true), this.image(i, false), words);
  }

  /** Return an element with the picture of a point, or of the untouched version of its image. */
  image(i, untouched, large = false) {
    const { data } = this, photo = data.photo[i], cls = untouched ? this.identity : data.truth[i];
    const sample = untouched ? this.twins.get(photo) ?? null : data.sample[i];
    return this.tile(this.options.picture?.(photo, cls, { sample, large }), untouched ? "untouched" : data.classes[cls].title);
  }

  /** Return an element with the whole photograph, the cut outlined that models see; null where it is not there. */
  whole(i) {
    const found = this.options.picture?.(this.data.photo[i], -1, { sample: this.data.sample[i], large: true });
    const node = found ? this.tile(found, "whole photograph") : null;
    if (found?.cut) {
      const [left, top, width, height] = found.cut.map((share) => `${100 * share}%`);
      node.append(el("i.px-cut", { style: { left, top, width, height } }));
    }
    return node;
  }

  /** Return a picture: one tile of a sheet of `columns` by `rows`, of which `box` (left, top, width, height) is shown. */
  tile(found, words) {
    if (!found) return el("span.px-picture.px-missing", { role: "img", "aria-label": words }, "no picture");
    const { url, columns = 1, rows = 1, tile = 0, box: [left, top, width, height] = [0, 0, 1, 1] } = found;
    const share = (place, count) => `${count > 0 ? (100 * place) / count : 0}%`;
    const style = {
      backgroundImage: `url("${url}")`,
      backgroundSize: `${(100 * columns) / width}% ${(100 * rows) / height}%`,
      backgroundPosition: `${share((tile % columns) + left, columns - width)} ${share(Math.floor(tile / columns) + top, rows - height)}`,
      aspectRatio: width / height,
    };
    return el("span.px-picture", { role: "img", "aria-label": words, style });
  }

  readingOf(model) {
    return this.state.reading in model.places ? this.state.reading : Object.keys(model.places)[0];
  }

  /** Return the five points of other images that are nearest on a map. */
  nearestOnMap(i, slot) {
    const { photo, tested } = this.data, { places } = this.maps[slot];
    let near = [];
    for (let j = 0; j < tested; j++) {
      if (photo[j] === photo[i]) continue;
      const away = (places[2 * j] - places[2 * i]) ** 2 + (places[2 * j + 1] - places[2 * i + 1]) ** 2;
      if (near.length < 5 || away < near[4][0]) near = [...near, [away, j]].sort((one, other) => one[0] - other[0]).slice(0, 5);
    }
    return near.map(([, j]) => j);
  }

  /** Return the class whose row alone is chosen, or null. */
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
    this.colored = [this.codes(0), this.codes(1)];
    this.maps.forEach((map) => map.draw(live));
    this.drawPanel();
    this.curves.draw();
    this.outcomes.draw();
    this.drawLegend();
    fill(this.sentence, this.sentenceWords());
    this.sentence.classList.remove("px-long");
    this.sentence.classList.toggle("px-long", this.sentence.scrollWidth > this.sentence.clientWidth);
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
      fill(tab, i === EITHER ? "B less A" : [badge(i), el("span", ` ${this.models[i].title}`)]);
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
    [this.coloringMenu.value, this.readingMenu.value] = [state.colors, state.reading];
    const colors = { right: "Blue: this model is right; orange: wrong.", strength: "Light to dark: weak to strong." };
    const other = maps.filter((map) => this.readingOf(map.model) !== state.reading)
      .map((map) => `map ${"AB"[map.slot]} by ${data.readings[this.readingOf(map.model)]}`);
    this.note.textContent = [
      maps.some((map) => map.large) && "Filled: named right; hollow: wrong.",
      colors[state.colors],
      other.length && `Without this reading: ${other.join(", ")}.`,
      state.panel === "matrix" && state.by === EITHER && "Matrix: + (blue) where B says so more often, \u2212 and hatched (orange) where A does.",
      isTouch() ? "Touch Enclose, then draw; two fingers zoom." : "Drag to enclose, wheel to zoom, Shift-drag to move.",
      data.count > data.tested && "Palest: not tested.",
    ].filter(Boolean).join(" ");
  }

  /** Return what is seen, as one sentence. */
  sentenceWords() {
    const { data, counting, state, models } = this, { where, what, out, how } = state, { counts } = counting;
    const { n, right } = counts, few = how ? `, ${this.howInWords()}` : "", digits = counting.isEmpty ? 1 : 0;
    const [A, B] = models.map((model, slot) => el("span.px-model", badge(slot), el("b", ` ${model.title}`)));
    const rows = what && this.nameOf(what.rows), columns = what && this.nameOf(what.columns);
    if (out) {
      const base = counts.outcomes.reduce((sum, one) => sum + one, 0);
      const by = { 3: "by both", 1: ["by ", A, " alone"], 2: ["by ", B, " alone"], 0: "by neither" };
      const named = OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code, i) => [i ? " or " : "", by[code]]);
      const of = `${plural(base, "picture")}${what ? ` (${this.whatInWords()})` : ""}${few && `${few},`}`;
      return mixed`${el("b", number(n))} of ${of} are named right ${named}.`;
    }
    if (what?.columns.length) {
      const [mine, theirs] = what.by === 1 ? [B, A] : [A, B], [own, other] = what.by === 1 ? [1, 0] : [0, 1];
      const alone = what.rows.length === 1 && what.columns.length === 1, isRight = alone && what.rows[0] === what.columns[0];
      const cell = what.rows[0] * data.classes.length + what.columns[0], base = number(counts.rows[what.rows[0]] ?? 0);
      if (alone && what.by === EITHER) {
        const [a, b] = counts.matrix.map((matrix) => number(matrix[cell]));
        if (isRight) return mixed`Of ${base} ${rows}${few}, ${A} names ${a} right, ${B} ${b}.`;
        return mixed`Of ${base} ${rows}${few}, ${A} takes ${a} for ${columns}, ${B} ${b}.`;
      }
      const also = `names ${number(right[other])} of ${alone ? "these" : "them"} right`;
      if (isRight) return mixed`${mine} names ${number(n)} of ${base} ${rows} right${few}; ${theirs} ${also}.`;
      if (alone) {
        const same = number(counts.chosen[other][cell]);
        return mixed`${mine} takes ${number(n)} of ${base} ${rows} for ${columns}${few}; ${theirs} ${also}, and takes ${same} for the same.`;
      }
      const pictures = `${plural(n, "picture")}${rows && ` of ${rows}`}`;
      if (what.by !== EITHER) return mixed`${mine} takes ${pictures} for ${columns}${few} and is right about ${number(right[own])}; ${theirs} ${also}.`;
      return mixed`${pictures} are taken for ${columns} by ${A} or ${B}; A names ${number(right[0])} of them right, B ${number(right[1])}.`;
    }
    const name = rows ? `${rows.charAt(0).toUpperCase()}${rows.slice(1)}, ` : "";
    const subject = counting.isEmpty ? "What was done to a picture: "
      : el("b", `${name}${plural(n, "picture")}${where ? " enclosed" : ""}${few}: `);
    const [a, b] = right.map((one) => percent(one, n, digits));
    const words = mixed`${subject}${A} names ${a}${counting.isEmpty ? ` of ${number(n)}` : ""} right, ${B} names ${b}`;
    // A lasso, a cell or an outcome chose where a model fails: the other one would look better by regression to the mean.
    if (!where && n && models[0] !== models[1]) {
      const { value, half } = counting.difference();
      const interval = Number.isNaN(half) ? "" : ` ± ${half.toFixed(digits || (half < 1 ? 1 : 0))}`;
      words.push(`; B less A ${signed(value, digits)}${interval} points`);
    }
    if (counting.isEmpty) words.push(`; chance is ${percent(1, data.classes.length, 1)}`);
    return [words, "."];
  }

  whatInWords() {
    const { rows, columns, by } = this.state.what, whose = by === EITHER ? "A or B" : this.models[by].title;
    return [this.nameOf(rows), columns.length && `taken for ${this.nameOf(columns)} by ${whose}`].filter(Boolean).join(" ");
  }

  howInWords() {
    const [low, high] = this.state.how, share = (bin) => Math.round((100 * bin) / BINS);
    if (low === 0) return `weakest ${share(high + 1)}${NBSP}%`;
    if (high === BINS - 1) return `strongest ${100 - share(low)}${NBSP}%`;
    return `strength ${share(low)} to ${share(high + 1)}${NBSP}%`;
  }

  drawChips() {
    const { state, models, counting } = this, { where, what, out, how, kept } = state;
    const alone = ["both wrong", `only ${models[0].title} right`, `only ${models[1].title} right`, "both right"];
    const clauses = {
      where: where && `enclosed on ${models[where.slot].title}`,
      what: what && this.whatInWords(),
      out: out && OUTCOME_ORDER.filter((code) => (out >> code) & 1).map((code) => alone[code]).join(" or "),
      how: how && this.howInWords(),
    };
    const cross = el("i", { "aria-hidden": "true" }, "\u00d7");
    const chips = Object.entries(clauses).filter(([, text]) => text).map(([key, text]) =>
      el("button.px-chip", { "aria-label": `Take away: ${text}`, onclick: () => this.set({ [key]: NONE[key] }) }, text, cross.cloneNode(true)));
    const next = isTouch() ? "touch a group, or another confusion; the cross on a choice takes it away."
      : "draw around points on a map, or click another cell; Esc shows everything.";
    const close = () => {
      this.hint = false;
      this.drawChips();
    };
    fill(this.chips, chips, chips.length > 1 && el("button.px-clear", { onclick: () => this.set(NONE) }, "Clear all"),
      this.hint && el("span.px-hint", `Try next: ${next}`, el("button", { "aria-label": "Close this hint", onclick: close }, "\u00d7")),
      counting.isEmpty && el("span.px-hint", this.options.scope ?? ""));
    this.keepTitle.textContent = kept.length ? `Kept (${kept.length})` : "Keep";
    fill(this.keptList, kept.map((one) => el("li", el("button", { type: "button", onclick: () => this.restoreKept(one) }, one.name),
      el("button", { type: "button", "aria-label": `Forget ${one.name}`, onclick: () => this.set({ kept: kept.filter((other) => other !== one) }) }, "\u00d7"))));
  }
}

const darkness = () => window.matchMedia("(prefers-color-scheme: dark)");
const isTouch = () => window.matchMedia("(pointer: coarse)").matches;

/** Return classes that were found, each once and in order. */
const inOrder = (classes) => [...new Set(classes)].filter((cls) => cls >= 0).sort((one, other) => one - other);

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);
