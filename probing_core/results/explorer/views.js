// What is next to the maps: the matrix, the largest confusions, curves, who is right, pictures, one picture, the table.

const FEW = 30; // rows of a matrix with fewer pictures show counts instead of percent
const LEAST_SIZE = 8.8; // of the numbers in a matrix, in pixels
const OUTCOME_ORDER = [3, 1, 2, 0];
const MOST_IN_A_BUCKET = 400;

/** What is taken for what: percent of each row, by model A, by B, or B minus A. */
class Matrix {
  constructor(app) {
    Object.assign(this, { app, over: null }); // the cell [row, column] under the pointer or the keys
    const { classes } = app.data;
    const move = (event) => this.show(this.moved(ARROWS[event.key]));
    const choose = () => this.over && app.toggleCell(...this.over);
    this.canvas = el("canvas", {
      tabindex: 0,
      role: "application",
      "aria-label": "Confusion matrix: truth in rows, answers in columns. Arrow keys go from cell to cell, Enter " +
        "chooses one.",
      onpointermove: (event) => this.show(this.at(event), event),
      onpointerleave: () => this.show(null),
      onblur: () => this.show(null),
      onclick: (event) => app.toggleCell(...this.at(event)),
      keys: { ...Object.fromEntries(Object.keys(ARROWS).map((key) => [key, move])), Enter: choose, " ": choose },
    });
    this.rows = classes.map((one, cls) => el("button.px-row", { style: { gridRow: cls + 2 }, "aria-label": one.title,
      onclick: (event) => app.toggleRows([cls], event.shiftKey), ...app.previews([cls], []) }, one.title));
    this.columns = classes.map((one, cls) => el("button.px-column", { style: { gridColumn: cls + 2 },
      "aria-label": `taken for ${one.title}`, onclick: () => app.toggleColumn(cls), ...app.previews([], [cls]) },
    el("span", one.title)));
    this.totals = classes.map((_, cls) => el("span.px-n", { style: { gridRow: cls + 2 } }));
    roving(this.rows);
    roving(this.columns);
    const corner = [el("span.px-corner", el("span", "taken for"), el("span", "true")), el("span.px-n.px-n-head", "n")];
    this.grid = el("div.px-matrix", this.canvas, this.columns, this.rows, this.totals, corner);
    this.grid.style.setProperty("--k", classes.length);
    this.caption = el("p.px-quiet");
    this.node = el("div.px-cells", this.grid, this.caption);
  }

  /** Return width and height of a cell. */
  get cell() {
    const k = this.app.data.classes.length;
    return [this.canvas.clientWidth / k, this.canvas.clientHeight / k];
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect(), [width, height] = this.cell;
    const cell = [(event.clientY - box.top) / height, (event.clientX - box.left) / width];
    return cell.map((one) => clamp(Math.floor(one), 0, this.app.data.classes.length - 1));
  }

  moved([dx, dy]) {
    const last = this.app.data.classes.length - 1;
    return this.over ? [clamp(this.over[0] + dy, 0, last), clamp(this.over[1] + dx, 0, last)] : [0, 0];
  }

  /** Mark a cell, and tell what it counts: at the pointer, or next to it where keys have moved. */
  show(cell, event) {
    if (String(cell) === String(this.over)) return;
    const { app } = this;
    this.over = cell;
    this.draw();
    app.setPreview(cell && { rows: [cell[0]], columns: [cell[1]] });
    if (!cell) {
      app.tip(null);
      return;
    }
    const lines = this.describe(...cell), box = this.canvas.getBoundingClientRect(), [width, height] = this.cell;
    app.tip(lines, event ?? { clientX: box.left + (cell[1] + 1) * width, clientY: box.top + (cell[0] + 1) * height });
    if (!event) app.say(lines.join(". "));
  }

  describe(row, column) {
    const { counting, models, data } = this.app;
    const [truth, answer] = [data.classes[row].title, data.classes[column].title];
    const n = counting.counts.rows[row];
    const line = (slot) => {
      const count = counting.counts.matrix[slot][row * data.classes.length + column];
      return `${"AB"[slot]} ${models[slot].title}: ${number(count)} of ${number(n)}, ${percent(count, n)}`;
    };
    return [row === column ? `${truth} named right` : `${truth} taken for ${answer}`, line(0), line(1)];
  }

  draw() {
    if (!this.node.clientWidth) return;
    const { app } = this, { theme, data, counting, state } = app, { counts, total } = counting, { what } = state;
    // Before cells are measured: it takes their room.
    const hasFew = counts.rows.some((n) => n && n < FEW);
    const inFrame = what ? ", in the frame or not" : ""; // the matrix counts without its own clause
    const k = data.classes.length, none = app.identity;
    const isRare = none >= 0 && !hasFew && counts.matrix[state.by]?.[none * (k + 1)] < counts.rows[none] / 2;
    this.caption.textContent = state.by === EITHER
      ? `B minus A in percent of a row, from 10 on; blue: B more often, orange, hatched: A.${
        hasFew ? ` Rows with n below ${FEW} are empty.` : ""}`
      : `Percent of a row; below 10 only on the diagonal. n: pictures in the row${inFrame}.${
        hasFew ? ` Rows with n below ${FEW} show counts, in italics.` : ""}${
        isRare ? ` Untouched is rarely named: one class of ${k}, and many alterations are weak.` : ""}`;
    if (this.grid.scrollWidth > this.grid.clientWidth + 1) this.caption.prepend("Scroll sideways for all columns. ");
    const [cw, ch] = this.cell, ctx = context(this.canvas);
    const inRows = counting.flags(what?.rows ?? []), inColumns = counting.flags(what?.columns ?? []);
    const chosen = (list, cls) => String(Boolean(list?.includes(cls)));
    this.node.classList.toggle("px-dense", cw < 9.5);
    data.classes.forEach((_, cls) => {
      const color = css(app.classColors[cls]), pale = !counts.rows[cls];
      Object.assign(this.rows[cls].style, { borderColor: color }) && this.rows[cls].classList.toggle("px-pale", pale);
      this.columns[cls].style.borderColor = color;
      this.rows[cls].ariaPressed = chosen(what?.rows, cls);
      this.columns[cls].ariaPressed = chosen(what?.columns, cls);
      this.totals[cls].textContent = number(counts.rows[cls]);
      this.totals[cls].title = `${number(counts.rows[cls])} of ${number(total.rows[cls])}`;
    });
    ctx.fillStyle = css(theme.ground);
    ctx.fillRect(0, 0, k * cw, k * ch);
    for (let row = 0; row < k; row++) {
      for (let column = 0; column < k; column++) this.drawCell(ctx, row, column, !(inRows[row] && inColumns[column]));
    }
    ctx.fillStyle = css(theme.line);
    for (let cls = 1; cls < k; cls++) {
      if (data.classes[cls].group === data.classes[cls - 1].group) continue;
      ctx.fillRect(cls * cw - 0.8, 0, 1, k * ch);
      ctx.fillRect(0, cls * ch - 0.8, k * cw, 1);
    }
    const frame = (top, left, bottom, right, color, width) => {
      Object.assign(ctx, { strokeStyle: css(color), lineWidth: width });
      ctx.strokeRect(left * cw + 0.4, top * ch + 0.4, (right - left) * cw - 1.2, (bottom - top) * ch - 1.2);
    };
    if (what) {
      for (const [top, bottom] of runs(inRows)) {
        for (const [left, right] of runs(inColumns)) frame(top, left, bottom, right, theme.ink, 1.8);
      }
    }
    if (this.over) frame(this.over[0], this.over[1], this.over[0] + 1, this.over[1] + 1, theme.muted, 1.2);
  }

  /** Draw a cell. Color alone says too little: where B takes fewer than A it is hatched, or has a minus. */
  drawCell(ctx, row, column, dim) {
    const { app } = this, { theme, counting, state } = app, { counts } = counting;
    const [cw, ch] = this.cell, [left, top, width, height] = [column * cw, row * ch, cw - 0.6, ch - 0.6];
    const n = counts.rows[row], few = n < FEW, differs = state.by === EITHER;
    const isRight = n > 0 && row === column && !differs; // has its number, however small
    const [a, b] = counts.matrix.map((matrix) => matrix[row * app.data.classes.length + column]);
    const count = differs ? (few ? 0 : b - a) : [a, b][state.by];
    const share = n ? count / n : 0, points = Math.round(100 * share);
    const strong = Math.sign(share) * Math.sqrt(Math.abs(share)); // small shares are seen too
    let color = differs ? ramp(theme.diverging, (1 + strong) / 2) : ramp(theme.ramp, strong);
    if (!n || (differs && few)) color = theme.empty;
    if (few) color = mix(color, theme.ground, 0.45);
    if (dim) color = mix(color, theme.ground, 0.62); // less would leave the diagonal neither dark nor light
    ctx.fillStyle = css(color);
    ctx.fillRect(left, top, width, height);
    const wanted = few ? count : Math.abs(points) >= 10 || isRight ? points : 0;
    const shown = cw < 9.5 && Math.abs(wanted) > 9 ? 0 : wanted; // narrow cells, as on a phone, have no room
    if (points < 0 && !shown) {
      Object.assign(ctx, { strokeStyle: css(mix(color, theme.wrong, dim ? 0.2 : 0.5)), lineWidth: 0.8 }).beginPath();
      for (const [x0, y0, x1, y1] of [[0, 0.5, 0.5, 0], [0, 1, 1, 0], [0.5, 1, 1, 0.5]]) {
        ctx.moveTo(left + x0 * width, top + y0 * height);
        ctx.lineTo(left + x1 * width, top + y1 * height);
      }
      ctx.stroke();
    }
    if (!shown && (wanted || !isRight)) return;
    ctx.fillStyle = css(inkOn(color));
    Object.assign(ctx, { textAlign: "center", textBaseline: "middle" });
    const text = differs && (shown < 0 || cw >= 13) ? signed(shown, 0) : String(shown);
    const size = clamp(Math.min(cw * 0.9, ch * 0.72), LEAST_SIZE, 11.5);
    const write = (pixels) => (ctx.font = `${few ? "italic 400" : 600} ${pixels}px ${theme.font}`);
    write(size);
    const fits = width / ctx.measureText(text).width;
    if (fits < 1) write(Math.max(size * fits, LEAST_SIZE));
    ctx.fillText(text, left + cw / 2 - 0.3, top + ch / 2 + 0.4, width); // condensed where that is still too wide
  }
}

/** Return where `flags` are on, as [first, last + 1]. */
function runs(flags) {
  const edges = [...flags, 0].flatMap((on, i) => (on === (flags[i - 1] ?? 0) ? [] : [i]));
  return edges.flatMap((edge, i) => (i % 2 ? [] : [[edge, edges[i + 1]]]));
}

/** The largest confusions, or what the one class that is chosen is taken for; two bars each. */
class List {
  constructor(app) {
    this.app = app;
    this.node = el("div.px-list");
  }

  draw() {
    const { app } = this, { data, counting, models, state } = app, { rows, matrix } = counting.counts, { what } = state;
    const k = data.classes.length, cls = app.singleRow(), total = cls === null ? 0 : rows[cls];
    const isCell = what?.rows.length && what.columns.length; // it is marked among the others, as in the matrix
    const [inRows, inColumns] = ["rows", "columns"].map((side) => counting.flags(isCell ? [] : what?.[side] ?? []));
    const n = rows.reduce((sum, one, row) => sum + one * inRows[row], 0);
    const head = cls === null ? `Most frequent errors among ${plural(n, "picture")}, by the longer bar`
      : `What ${plural(total, "picture")} of ${data.classes[cls].title} are taken for`;
    const cells = Array.from({ length: k * k }, (_, cell) => {
      const both = matrix.map((one) => one[cell]);
      return { row: Math.floor(cell / k), column: cell % k, both, most: Math.max(...both) };
    }).filter(({ row, column, most }) => most && inRows[row] && inColumns[column] && (cls !== null || row !== column));
    const shown = cells.filter((one) => one.most >= 0.01 * total).sort((one, other) => other.most - one.most)
      .slice(0, app.isNarrow ? 8 : Math.max(5, Math.floor((this.node.clientHeight - 64) / 36)));
    const full = total || shown[0]?.most, folded = cells.length - shown.length;
    fill(this.node,
      el("p.px-lead", head),
      el("div.px-key", [0, 1].map((slot) => el("span", badge(slot), ` ${models[slot].title}`))),
      ...shown.map(({ row, column, both }) => {
        const name = [!total && [app.className(row), " \u2192 "], app.className(column), column === row && " \u2713"];
        const bars = both.map((count, slot) => el("span",
          el(`i.px-bar.px-fill-${"ab"[slot]}`, { style: { width: `${(72 * count) / full}%` } }),
          el("small", total ? percent(count, total) : number(count))));
        const pressed = String(isSame(what, [row], [column], what?.by));
        return el("button.px-line", { "aria-pressed": pressed, onclick: () => app.toggleCell(row, column),
          ...app.previews([row], [column]) }, el("span", name), el("span.px-bars", bars));
      }),
      shown.length ? "" : el("p.px-quiet", "No errors among what is chosen."),
      total > 0 && folded > 0 && el("p.px-quiet", `${folded} more below 1${NBSP}%`),
    );
  }
}

/** How many are right (or taken for the chosen class) from weak to strong; dragging chooses a range. */
class Curves {
  constructor(app) {
    Object.assign(this, { app, from: null });
    this.title = el("h2.px-title");
    const range = (event) => inOrder([this.from, this.binAt(event)]);
    this.plot = el("svg", {
      role: "img",
      onpointerdown: (event) => {
        this.plot.setPointerCapture(event.pointerId);
        [this.from, this.before] = [this.binAt(event), app.state.how];
      },
      onpointermove: (event) => this.from !== null && app.tryOut({ how: range(event) }, () => (this.from = null)),
      onpointerup: (event) => this.from !== null && this.choose(range(event)),
      onpointercancel: () => app.cancel(),
    });
    const oninput = () => app.set({ how: inOrder(this.ends.map((one) => Number(one.value) - 1)) });
    const end = (label) => el("input.px-hidden", { type: "range", min: 1, max: BINS, "aria-label": label, oninput });
    this.ends = [end("Weakest twelfth chosen"), end("Strongest twelfth chosen")];
    this.node = el("div.px-curves", this.title, this.plot, this.ends);
  }

  /** Choose a range; the same again, or the whole, takes it away. */
  choose(how) {
    this.from = null;
    this.app.set({ how: String(how) === String(this.before) || how[1] - how[0] === BINS - 1 ? null : how });
  }

  binAt(event) {
    const { left, width } = this.area, x = event.clientX - this.plot.getBoundingClientRect().left - left;
    return clamp(Math.floor((x / width) * BINS), 0, BINS - 1);
  }

  draw() {
    const { app } = this, { counting, data, state } = app, { counts, total } = counting;
    const columns = state.what?.columns ?? [], narrowed = (state.where || state.what) && !columns.length;
    const size = [this.plot.clientWidth, this.plot.clientHeight];
    const { left, top, width, height } = (this.area = { left: 34, top: 8, width: size[0] - 50, height: size[1] - 26 });
    const edge = (bin) => left + (bin / BINS) * width, y = (share) => top + (1 - share) * height;
    const text = (x, where, anchor, words) => el("text", { x, y: where, "text-anchor": anchor }, words);
    const line = ([n, ...both], slot, kind) => {
      const bins = [...n.keys()].filter((bin) => n[bin]);
      const at = bins.map((bin) => [edge(bin + 0.5).toFixed(1), y(both[slot][bin] / n[bin]).toFixed(1)]);
      const dots = kind === "bold" ? at.map(([cx, cy]) => el(`circle.px-fill-${"ab"[slot]}`, { cx, cy, r: 2 })) : [];
      const path = at.length && el(`path.px-${kind}.px-stroke-${"ab"[slot]}`, { d: `M${at.join("L")}` });
      return { last: Number(at.at(-1)?.[1]), nodes: [path || "", dots] };
    };
    const lines = [0, 1].map((slot) => line(counts.curve, slot, "bold")), ends = lines.map((one) => one.last);
    if (Math.abs(ends[0] - ends[1]) < 11) { // or one letter would be over the other
      const middle = (ends[0] + ends[1]) / 2, upper = ends[0] <= ends[1] ? 0 : 1;
      [ends[upper], ends[1 - upper]] = [middle - 5.5, middle + 5.5];
    }
    const shares = columns.length ? `Taken for ${app.nameOf(columns)}` : "Right";
    const notes = [state.out && "whoever is right", narrowed && "dashed: all"].filter(Boolean).join("; ");
    this.title.textContent = `${shares}, by strength${notes && ` (${notes})`}`;
    const share = (slot, bin) => percent(counts.curve[slot + 1][bin], counts.curve[0][bin]);
    const words = [0, 1].map((slot) => `${"AB"[slot]} ${share(slot, 0)} weakest, ${share(slot, BINS - 1)} strongest`);
    this.plot.setAttribute("viewBox", `0 0 ${size.join(" ")}`);
    this.plot.setAttribute("aria-label", [this.title.textContent, ...words].join("; "));
    const range = state.how && [edge(state.how[0]), edge(state.how[1] + 1)];
    fill(this.plot,
      range && el("rect.px-range", { x: range[0], y: top, width: range[1] - range[0], height }),
      [[0, "0"], [0.5, "50"], [1, `100${NBSP}%`]].map(([at, label]) => [
        el("line.px-grid", { x1: left, x2: left + width, y1: y(at), y2: y(at) }),
        text(left - 5, y(at) + 4, "end", label),
      ]),
      text(left, size[1] - 3, "start", "weak"), text(left + width, size[1] - 3, "end", "strong"),
      size[0] >= 190 && text(left + width / 2, size[1] - 3, "middle", "drag to choose"),
      narrowed && [0, 1].map((slot) => line(total.curve, slot, "thin").nodes),
      counts.curve[0].some(Boolean) && lines.map(({ nodes }, slot) => [nodes,
        el(`text.px-end.px-text-${"ab"[slot]}`, { x: left + width + 5, y: ends[slot] + 4 }, "AB"[slot])]),
    );
    this.ends.forEach((one, i) => (one.value = (state.how?.[i] ?? i * (BINS - 1)) + 1));
  }
}

/** How many both models, one alone, or none names right: a bar, and four buttons that choose. */
class Outcomes {
  constructor(app) {
    this.app = app;
    const mark = (code) => el(`i.px-out.px-out-${OUTCOMES[code]}`);
    this.bars = OUTCOME_ORDER.map(mark);
    const choose = (code) => ({ onclick: (event) => app.toggleOutcome(code, event.shiftKey) });
    this.buttons = OUTCOME_ORDER.map((code) => el("button", choose(code)));
    this.marks = OUTCOME_ORDER.map(mark);
    this.node = el("section.px-who", { "aria-label": "Who is right" },
      el("div.px-stack", { "aria-hidden": "true" }, this.bars), el("div.px-whos", this.buttons));
  }

  draw() {
    const { counting, state } = this.app, { outcomes } = counting.counts;
    const n = outcomes.reduce((sum, one) => sum + one, 0), all = counting.total.n;
    const words = ["both wrong", "only A right", "only B right", "both right"];
    OUTCOME_ORDER.forEach((code, i) => {
      const count = outcomes[code], chosen = Boolean((state.out >> code) & 1), off = state.out !== 0 && !chosen;
      const ofAll = n < all ? ` here, ${percent(counting.total.outcomes[code], all)} of all` : "";
      this.bars[i].style.width = `${n ? (100 * count) / n : 0}%`; // nothing chosen: no bar
      fill(this.buttons[i], this.marks[i], el("b", number(count)), el("span", ` ${words[code]} `),
        n > 0 && el("small", percent(count, n) + ofAll));
      this.bars[i].classList.toggle("px-off", off);
      this.buttons[i].classList.toggle("px-off", off);
      this.buttons[i].style.visibility = count || chosen ? "" : "hidden"; // its place is kept
      this.buttons[i].ariaPressed = String(chosen);
    });
  }
}

/** Return `points` in an order whose every beginning has about the shares of outcomes of all; each keeps its order.
 * `sizes` are the numbers of these, which may be more than are in `points`. */
function mixed(points, outcome, sizes) {
  const kinds = OUTCOMES.map(() => []);
  points.forEach((i) => kinds[outcome[i]].push(i));
  const places = kinds.flatMap((own, code) => own.map((i, at) => ({ i, place: (at + 0.5) / sizes[code] })));
  return places.sort((one, other) => one.place - other.place).map(({ i }) => i);
}

/** Pairs of pictures, untouched and altered, of what is chosen. */
class Pictures {
  constructor(app) {
    Object.assign(this, { app, rows: 1, order: [] });
    this.row = el("div.px-cards");
    this.more = el("button.px-more", { onclick: () => this.draw(this.rows + 3) }, "More pictures");
    this.node = el("section.px-pictures", { "aria-label": "Pictures" }, this.row, this.more);
  }

  /** Return at most `most` points, one of each image, surest errors of both models first; of several classes, one of
   * each comes before a second of any. Of what is chosen, who is right is mixed as in the bar of outcomes. */
  ranked(most) {
    const { counting, data, models, identity } = this.app;
    const buckets = Array.from({ length: 511 }, () => []), sizes = OUTCOMES.map(() => 0);
    counting.bits.forEach((passed, i) => {
      if (passed !== ALL || data.truth[i] === identity) return;
      sizes[counting.outcome[i]]++;
      const [a, b] = models.map((model, slot) => (this.app.isRight(i, slot) ? 0 : model.confidence[i]));
      if (buckets[510 - a - b].length < MOST_IN_A_BUCKET) buckets[510 - a - b].push(i);
    });
    const images = new Set(), classes = new Set(), found = [];
    const points = counting.isEmpty ? buckets.flat() : mixed(buckets.flat(), counting.outcome, sizes);
    for (const first of [true, false]) {
      for (const i of points) {
        if (found.length === most) return found;
        if (images.has(data.photo[i]) || (first && classes.has(data.truth[i]))) continue;
        images.add(data.photo[i]);
        classes.add(data.truth[i]);
        found.push(i);
      }
    }
    return found;
  }

  draw(rows = 1) {
    const { pin } = this.app.state;
    const columns = Math.max(2, Math.floor((this.row.clientWidth + 12) / 172)), most = columns * rows;
    const ranked = this.ranked(most + 1);
    this.rows = rows;
    this.more.hidden = ranked.length <= most;
    this.order = (pin === null ? ranked : [pin, ...ranked.filter((i) => i !== pin)]).slice(0, most);
    this.row.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const none = el("p.px-quiet", "No altered picture is chosen: take away a choice.");
    fill(this.row, this.order.length ? this.order.map((i, at) => this.card(i, at === 0)) : none);
  }

  card(i, first) {
    const { app } = this, show = () => app.hover(i), leave = () => app.hover(null);
    const answers = [0, 1].map((slot) => el("span.px-answer", badge(slot), ` ${app.answer(i, slot)}`));
    const words = first && [el("em", "untouched"), el("em", "altered")];
    const listening = { onclick: () => app.open(i), onfocus: show, onblur: leave, onpointerenter: show,
      onpointerleave: leave };
    const about = [app.strength(i), app.state.pin === i && "kept"].filter(Boolean).join(", ");
    return el("button.px-open", listening, app.pair(i, words), app.caption(i, about), answers);
  }
}

const ABOUT_SAYS = "As in the matrix, a model chooses one of all classes, and untouched is one of them. About a picture "
  + "of yours it says first whether it was altered, as if half of all pictures were, and then how.";

/** One picture: large, its untouched twin, every model's answer, its nearest. */
class PictureDialog {
  constructor(app) {
    this.app = app;
    const step = (by) => {
      const { order } = app.pictures, at = order.indexOf(this.point);
      if (order.length) this.open(order[(at + by + order.length) % order.length]);
    };
    const button = (label, text, onclick) => el("button", { "aria-label": label, onclick }, text);
    this.body = el("div.px-large");
    this.title = el("h2");
    this.label = el("small");
    this.pin = el("button", { onclick: () => {
      app.togglePin(this.point);
      this.drawPin();
    } });
    this.node = el("dialog", {
      class: "px-dialog",
      "aria-label": "Picture",
      onclick: (event) => event.target === this.node && this.node.close(),
      onclose: () => app.hover(null),
      onkeydown: (event) => event.stopPropagation(), // Esc closes the dialog and leaves the selection
      keys: { ArrowLeft: () => step(-1), ArrowRight: () => step(1) },
    }, el("header", this.title, this.label, el("span.px-grow"), this.pin,
      button("Picture before", "\u2039", () => step(-1)), button("Next picture", "\u203a", () => step(1)),
      button("Close", "\u00d7", () => this.node.close())), this.body);
  }

  drawPin() {
    const pinned = this.app.state.pin === this.point;
    this.pin.ariaPressed = String(pinned);
    this.pin.textContent = pinned ? "Kept in view" : "Keep in view";
  }

  /** Show a point; the other models' answers and the nearest are fetched when they are looked at first. */
  open(i) {
    const { app } = this, { data, models, identity } = app;
    const untouched = data.truth[i] === identity, strength = app.strength(i);
    const figure = (picture, words) => picture && el("figure", picture, el("figcaption", words));
    const answers = el("div.px-answers"), near = el("div.px-nears");
    this.point = i;
    fill(this.title, app.className(data.truth[i]), strength ? `, ${strength}` : "");
    this.label.textContent = data.labels[data.photo[i]];
    this.drawPin();
    fill(this.body, el("div.px-figures",
      !untouched && figure(app.picture(i, "untouched", true), "Untouched"),
      figure(app.picture(i, "altered", true), untouched ? "Untouched" : "Altered"),
      figure(app.picture(i, "whole", true), "The whole photograph; models see what is outlined")), answers, near);
    const says = () => fill(answers, el("h3", "What each model says"), data.models.map((model) => this.says(i, model)),
      el("small", ABOUT_SAYS));
    says();
    app.succeeds(app.loaded(data.models).then(says), () =>
      answers.append(el("p.px-quiet", "The predictions of the other models could not be loaded.")));
    const rows = [...new Set(models)].map((model, slot) => this.near(i, model, slot)
      .catch(() => el("p.px-quiet", `The nearest images for ${model.title} could not be loaded.`)));
    Promise.all(rows).then((found) => fill(near, found));
    if (!this.node.open) this.node.showModal();
    app.hover(i);
  }

  says(i, model) {
    const { data, models } = this.app, title = (cls) => data.classes[cls].title;
    if (!model.predicted) return el("div.px-says", el("span", model.title), el("span.px-track"), el("span", NBSP));
    const [answer, truth] = [title(model.predicted[i]), title(data.truth[i])];
    const right = model.predicted[i] === data.truth[i], slot = models.indexOf(model);
    const sure = percent(model.confidence[i], 255);
    const instead = `${answer}: ${sure}; true: ${truth}, ${percent(model.truthProbability[i], 255)}`;
    const words = right ? `\u2713 ${answer}: ${sure}` : instead;
    return el(`div.px-says.px-${right ? "right" : "wrong"}`, el("span", slot >= 0 && badge(slot), ` ${model.title}`),
      el("span.px-track", el("i", { style: { width: `${model.confidence[i] / 2.55}%` } })), el("span", words));
  }

  /** Return the five nearest of other images: as the run keeps them in the embedding, else on the map. */
  async near(i, model, slot) {
    const { app } = this, { data } = app;
    const kept = (await model.neighbors())[app.readingOf(model)];
    const near = kept?.subarray(5 * i, 5 * i + 5).filter((j) => j < data.tested);
    const points = [...(near ?? app.nearestOnMap(i, slot))];
    const how = kept ? [" Nearest in the embedding", model.title]
      : [" Nearest on the map", `${model.title}; which are nearest in its embedding itself was not saved`];
    return el("div.px-near", el("div", badge(slot), el("b", how[0]), el("small", how[1])),
      el("div.px-nearest", points.map((j) => el("button", { onclick: () => this.open(j),
        "aria-label": `Open ${data.classes[data.truth[j]].title}` }, app.picture(j, "altered"), app.caption(j)))));
  }
}

/** The numbers of all views as a table. */
class Numbers {
  constructor(app) {
    this.app = app;
    this.table = el("table");
    const summary = el("summary", "The numbers as a table");
    this.node = el("details.px-table", { ontoggle: () => this.draw() }, summary, this.table);
  }

  draw() {
    if (!this.node.open) return;
    const { data, counting, models } = this.app, { counts, total } = counting, k = data.classes.length;
    const rights = (slot) => [`${"AB"[slot]} ${models[slot].title}: right of chosen`, "right of all"];
    const head = ["true class", "chosen", "of all", ...rights(0), ...rights(1)];
    const line = (name, n, all, rights, rightsOfAll) => el("tr", el("th", { scope: "row" }, name),
      [number(n), number(all), ...[0, 1].flatMap((slot) => [percent(rights[slot], n), percent(rightsOfAll[slot], all)])]
        .map((text) => el("td", text)));
    const onDiagonal = (matrices, cls) => matrices.map((matrix) => matrix[cls * k + cls]);
    fill(this.table, el("thead", el("tr", head.map((text) => el("th", { scope: "col" }, text)))), el("tbody",
      line("all classes", counts.n, total.n, counts.right, total.right),
      data.classes.map((one, cls) => line(one.title, counts.chosenRows[cls], total.rows[cls],
        onDiagonal(counts.chosen, cls), onDiagonal(total.matrix, cls)))));
  }
}
