// The views other than maps: matrix, largest confusions, curves, outcomes, images, image dialog, and table.

const FEW = 30; // rows of a matrix with fewer samples show counts instead of percentages
const LEAST_SIZE = 8.8; // minimum font size of the numbers in a matrix, in pixels
const SPARSE = 20; // points of a curve with fewer samples show their number
const SIGNIFICANCE = 0.05;
const SCALE_STOPS = 12; // number of stops of the color scale
const OUTCOME_ORDER = [3, 1, 2, 0];
const MOST_IN_A_BUCKET = 400;

/** The confusion matrix, with row percentages of A, of B, or of the difference B minus A. */
class Matrix {
  constructor(app) {
    Object.assign(this, { app, over: null }); // cell [row, column] under the pointer or with keyboard focus
    const { classes } = app.data;
    const move = (event) => this.show(this.moved(ARROWS[event.key]));
    const select = () => this.over && app.toggleCell(...this.over);
    this.canvas = el("canvas", {
      tabindex: 0,
      role: "application",
      "aria-label": "Confusion matrix: true classes in rows, predicted classes in columns. Arrow keys move between " +
        "cells, Enter selects a cell.",
      onpointermove: (event) => this.show(this.at(event), event),
      onpointerleave: () => this.show(null),
      onblur: () => this.show(null),
      onclick: (event) => app.toggleCell(...this.at(event)),
      keys: { ...Object.fromEntries(Object.keys(ARROWS).map((key) => [key, move])), Enter: select, " ": select },
    });
    this.rows = classes.map((one, cls) => el("button.px-row", { style: { gridRow: cls + 2 }, "aria-label": one.title,
      onclick: (event) => app.toggleRows([cls], event.shiftKey), ...app.previews([cls], []) }, one.title));
    this.columns = classes.map((one, cls) => el("button.px-column", { style: { gridColumn: cls + 2 },
      "aria-label": `predicted as ${one.title}`, onclick: () => app.toggleColumn(cls), ...app.previews([], [cls]) },
    el("span", one.title)));
    this.totals = classes.map((_, cls) => el("span.px-n", { style: { gridRow: cls + 2 } }));
    roving(this.rows);
    roving(this.columns);
    const corner = [el("span.px-corner", el("span", "predicted"), el("span", "true")), el("span.px-n.px-n-head", "n")];
    this.grid = el("div.px-matrix", this.canvas, this.columns, this.rows, this.totals, corner);
    this.grid.style.setProperty("--k", classes.length);
    this.caption = el("p.px-quiet");
    this.scale = el("div.px-scale", { role: "img" });
    this.node = el("div.px-cells", this.grid, el("div.px-explained", this.caption, this.scale));
  }

  /** Return the width and height of a cell. */
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

  /** Mark a cell, and show its counts at the pointer, or next to the cell if the keyboard is used. */
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
    const [truth, predicted] = [data.classes[row].title, data.classes[column].title];
    const n = counting.counts.rows[row];
    const line = (slot) => {
      const count = counting.counts.matrix[slot][row * data.classes.length + column];
      return `${"AB"[slot]} ${models[slot].title}: ${number(count)} of ${number(n)}, ${percent(count, n)}`;
    };
    const title = row === column ? `${truth}, correctly classified` : `${truth} predicted as ${predicted}`;
    return [title, line(0), line(1), ...(n < FEW ? [] : [this.differenceInWords(row, column, n)])];
  }

  /** Return B minus A in a cell in percentage points with its 95% CI, clustered by photograph, and its significance. */
  differenceInWords(row, column, n) {
    const { sum, squares, clusters } = this.app.counting.cellDifferences();
    const cell = row * this.app.data.classes.length + column;
    const half = quantile(clusters[row]) * Math.sqrt(Math.max(0, squares[cell] - sum[cell] ** 2 / clusters[row]));
    const points = [sum[cell], sum[cell] - half, sum[cell] + half].map((one) => signed((100 * one) / n, 1));
    const verdict = this.isSignificant(sum[cell], squares[cell]) ? "significant" : "not significant";
    const interval = Number.isNaN(half) || !squares[cell] ? "" : ` (unadjusted 95% CI ${points[1]} to ${points[2]})`;
    return `B \u2212 A: ${points[0]} points${interval}, ${verdict}`;
  }

  /** Return whether a difference is significant after Bonferroni correction for all cells (paired, by photograph). */
  isSignificant(sum, squares) {
    const cells = this.app.data.classes.length ** 2;
    return squares > 0 && erfc(Math.abs(sum) / Math.sqrt(2 * squares)) <= SIGNIFICANCE / cells;
  }

  draw() {
    if (!this.node.clientWidth) return;
    const { app } = this, { theme, data, counting, state } = app, { counts, total } = counting, { what } = state;
    const k = data.classes.length;
    this.explain(); // before cells are measured, because the caption reduces their space
    const [cw, ch] = this.cell, ctx = context(this.canvas);
    this.differences = state.by === EITHER && counting.cellDifferences();
    const inRows = counting.flags(what?.rows ?? []), inColumns = counting.flags(what?.columns ?? []);
    const pressed = (list, cls) => String(Boolean(list?.includes(cls)));
    this.node.classList.toggle("px-dense", cw < 9.5);
    data.classes.forEach((_, cls) => {
      const color = css(app.classColors[cls]), pale = !counts.rows[cls];
      Object.assign(this.rows[cls].style, { borderColor: color }) && this.rows[cls].classList.toggle("px-pale", pale);
      this.columns[cls].style.borderColor = color;
      this.rows[cls].ariaPressed = pressed(what?.rows, cls);
      this.columns[cls].ariaPressed = pressed(what?.columns, cls);
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

  /** Write the caption and the color scale. */
  explain() {
    const { counting, state, data, identity, theme } = this.app, { counts } = counting, k = data.classes.length;
    const isDifference = state.by === EITHER, hasFew = counts.rows.some((n) => n && n < FEW);
    const ofClean = identity >= 0 && !isDifference && counts.matrix[state.by][identity * (k + 1)];
    const isRare = identity >= 0 && !isDifference && !hasFew && ofClean < counts.rows[identity] / 2;
    const sentences = isDifference
      ? ["Difference B \u2212 A in percentage points. Labeled: significant (p \u2264 0.05 after Bonferroni correction for " +
        "all cells). Blue: more frequent with B. Orange, hatched: more frequent with A.",
        hasFew && `Rows with n below ${FEW} are empty.`]
      : ["Row percentages. Off-diagonal values below 10% are not labeled.",
        // The counts in the matrix ignore its own clause.
        state.what ? "n: samples in the row, selected or not." : "n: samples in the row.",
        hasFew && `Rows with n below ${FEW} show counts, in italics.`,
        isRare && `Clean is rarely predicted: it is one of ${k} classes, and weak transformations look like it.`];
    const isWide = this.grid.scrollWidth > this.grid.clientWidth + 1;
    this.caption.textContent = [isWide && "Scroll right to see all columns.", ...sentences].filter(Boolean).join(" ");
    const [low, high] = isDifference ? [-100, 100] : [0, 100];
    const stops = Array.from({ length: SCALE_STOPS + 1 }, (_, i) =>
      css(this.color((low + ((high - low) * i) / SCALE_STOPS) / 100, isDifference, theme)));
    const [from, to] = isDifference ? ["\u2212100", "+100 points"] : ["0%", "100%"];
    this.scale.ariaLabel = `Color scale from ${from} to ${to}`;
    fill(this.scale, from, el("i", { style: { background: `linear-gradient(90deg, ${stops.join(", ")})` } }), to);
  }

  /** Return the color of a fraction of a row, on a square-root scale so that small fractions are visible. */
  color(share, isDifference, theme) {
    const strong = Math.sign(share) * Math.sqrt(Math.abs(share));
    return isDifference ? ramp(theme.diverging, (1 + strong) / 2) : ramp(theme.ramp, strong);
  }

  /** Draw a cell. Negative differences are hatched or have a minus sign, so that they are not shown by color alone. */
  drawCell(ctx, row, column, dim) {
    const { app } = this, { theme, counting, state } = app, { counts } = counting;
    const [cw, ch] = this.cell, [left, top, width, height] = [column * cw, row * ch, cw - 0.6, ch - 0.6];
    const n = counts.rows[row], few = n < FEW, differs = state.by === EITHER;
    const isDiagonal = n > 0 && row === column && !differs; // always labeled
    const [a, b] = counts.matrix.map((matrix) => matrix[row * app.data.classes.length + column]);
    const count = differs ? (few ? 0 : b - a) : [a, b][state.by];
    const share = n ? count / n : 0, points = Math.round(100 * share);
    let color = this.color(share, differs, theme);
    if (!n || (differs && few)) color = theme.empty;
    if (few) color = mix(color, theme.ground, 0.45);
    if (dim) color = mix(color, theme.ground, 0.62); // a lower value would make the diagonal neither dark nor light
    ctx.fillStyle = css(color);
    ctx.fillRect(left, top, width, height);
    const cell = row * app.data.classes.length + column, { sum, squares } = this.differences ?? {};
    const isMarked = differs ? !few && this.isSignificant(sum[cell], squares[cell]) : Math.abs(points) >= 10;
    const isLabeled = (few && !differs) || isMarked || isDiagonal, label = few ? count : points;
    const wanted = isLabeled ? label : 0;
    const shown = cw < 9.5 && Math.abs(wanted) > 9 ? 0 : wanted; // cells on a phone are too narrow
    if (differs && isMarked && count < 0) {
      Object.assign(ctx, { strokeStyle: css(mix(color, theme.wrong, dim ? 0.2 : 0.5)), lineWidth: 0.8 }).beginPath();
      for (const [x0, y0, x1, y1] of [[0, 0.5, 0.5, 0], [0, 1, 1, 0], [0.5, 1, 1, 0.5]]) {
        ctx.moveTo(left + x0 * width, top + y0 * height);
        ctx.lineTo(left + x1 * width, top + y1 * height);
      }
      ctx.stroke();
    }
    if (!shown && (wanted || !(isDiagonal || (differs && isMarked)))) return;
    ctx.fillStyle = css(inkOn(color));
    Object.assign(ctx, { textAlign: "center", textBaseline: "middle" });
    const text = differs && (shown < 0 || cw >= 13) ? signed(shown, 0) : String(shown);
    const size = clamp(Math.min(cw * 0.9, ch * 0.72), LEAST_SIZE, 11.5);
    const write = (pixels) => (ctx.font = `${few ? "italic 400" : 600} ${pixels}px ${theme.font}`);
    write(size);
    const fits = width / ctx.measureText(text).width;
    if (fits < 1) write(Math.max(size * fits, LEAST_SIZE));
    ctx.fillText(text, left + cw / 2 - 0.3, top + ch / 2 + 0.4, width); // condensed if the text is still too wide
  }
}

/** Return the ranges in which `flags` are set, as [first, last + 1]. */
function runs(flags) {
  const edges = [...flags, 0].flatMap((on, i) => (on === (flags[i - 1] ?? 0) ? [] : [i]));
  return edges.flatMap((edge, i) => (i % 2 ? [] : [[edge, edges[i + 1]]]));
}

/** The largest confusions, or the predictions for the only selected class, with a bar for each model. */
class List {
  constructor(app) {
    this.app = app;
    this.node = el("div.px-list");
  }

  draw() {
    const { app } = this, { data, models, state } = app, { what } = state;
    const cls = app.singleRow(), cells = this.cells(), total = cls === null ? 0 : this.app.counting.counts.rows[cls];
    // As many rows as fit above the note on omitted rows.
    const room = app.isNarrow ? 8 : Math.max(4, Math.floor((this.node.clientHeight - 84) / 36));
    const shown = cells.slice(0, room), full = total || shown[0]?.most;
    const title = cls === null ? `Largest confusions among ${plural(this.n, "sample")}, sorted by the longer bar`
      : `Predictions for ${plural(total, "sample")} of ${data.classes[cls].title}`;
    fill(this.node,
      el("p.px-lead", title),
      el("div.px-key", [0, 1].map((slot) => el("span", badge(slot), ` ${models[slot].title}`))),
      ...shown.map(({ row, column, both }) => {
        const name = [!total && [app.className(row), " \u2192 "], app.className(column), column === row && " \u2713"];
        const bars = both.map((count, slot) => el("span",
          el(`i.px-bar.px-fill-${"ab"[slot]}`, { style: { width: `${(72 * count) / full}%` } }),
          el("small", total ? percent(count, total) : `${number(count)} (${percent(count, app.counting.counts.rows[row])})`)));
        const pressed = String(isSame(what, [row], [column], what?.by));
        return el("button.px-line", { "aria-pressed": pressed, onclick: () => app.toggleCell(row, column),
          ...app.previews([row], [column]) }, el("span", name), el("span.px-bars", bars));
      }),
      el("p.px-quiet", shown.length ? this.leftOut(cells.slice(room), total) : "No confusions in the selection."),
    );
  }

  /** Return the cells to list, largest first, as `{row, column, both, most}`. Set `n`, the number of samples. */
  cells() {
    const { data, counting, state } = this.app, { rows, matrix } = counting.counts, { what } = state;
    const k = data.classes.length, isAny = this.app.singleRow() === null;
    const isCell = what?.rows.length && what.columns.length; // marked, like in the matrix
    const [inRows, inColumns] = ["rows", "columns"].map((side) => counting.flags(isCell ? [] : what?.[side] ?? []));
    this.n = rows.reduce((sum, one, row) => sum + one * inRows[row], 0);
    return Array.from({ length: k * k }, (_, cell) => {
      const both = matrix.map((one) => one[cell]);
      return { row: Math.floor(cell / k), column: cell % k, both, most: Math.max(...both) };
    }).filter(({ row, column, most }) => most && inRows[row] && inColumns[column] && !(isAny && row === column))
      .sort((one, other) => other.most - one.most);
  }

  /** Return a sentence on the number and total of cells that are not listed. */
  leftOut(cells, total) {
    if (!cells.length) return total ? "No other predictions." : "No other confusions.";
    const sums = [0, 1].map((slot) => cells.reduce((sum, one) => sum + one.both[slot], 0));
    const amounts = sums.map((sum, slot) => `${"AB"[slot]} ${total ? percent(sum, total) : number(sum)}`).join(", ");
    const kind = total ? `other ${cells.length === 1 ? "class" : "classes"} (total: ${amounts})`
      : `other ${cells.length === 1 ? "confusion" : "confusions"} (total: ${amounts} samples)`;
    return `Not listed: ${number(cells.length)} ${kind}.`;
  }
}

/** Accuracy, or the fraction predicted as the selected class, by strength. Dragging selects a range. */
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
        app.tip(null);
      },
      onpointermove: (event) => {
        if (this.from === null) app.tip(this.describe(this.binAt(event)), event);
        else app.tryOut({ how: range(event) }, () => (this.from = null));
      },
      onpointerup: (event) => this.from !== null && this.choose(range(event)),
      onpointercancel: () => app.cancel(),
      onpointerleave: () => app.tip(null),
    });
    const oninput = () => app.set({ how: inOrder(this.ends.map((one) => Number(one.value) - 1)) });
    const end = (label) => el("input.px-hidden", { type: "range", min: 1, max: BINS, "aria-label": label, oninput });
    this.ends = [end("Weakest twelfth selected"), end("Strongest twelfth selected")];
    this.node = el("div.px-curves", this.title, this.plot, this.ends);
  }

  /** Select a range. Selecting the same range again, or all strengths, clears the selection. */
  choose(how) {
    this.from = null;
    this.app.set({ how: String(how) === String(this.before) || how[1] - how[0] === BINS - 1 ? null : how });
  }

  binAt(event) {
    const { left, width } = this.area, x = event.clientX - this.plot.getBoundingClientRect().left - left;
    return clamp(Math.floor((x / width) * BINS), 0, BINS - 1);
  }

  /** Return the only class whose strengths are shown, or null. */
  get cls() {
    const rows = this.app.state.what?.rows ?? [];
    return rows.length === 1 && rows[0] !== this.app.identity ? rows[0] : null;
  }

  describe(bin) {
    const { counting, models } = this.app, [n, ...both] = counting.counts.curve;
    if (!n[bin]) return ["No samples"];
    const line = (slot) =>
      `${"AB"[slot]} ${models[slot].title}: ${percent(both[slot][bin], n[bin])} of ${plural(n[bin], "sample")}`;
    return [this.app.rangeInWords([bin, bin], this.cls), line(0), line(1), "Drag to select a range."];
  }

  draw() {
    const { app, cls } = this, { counting, data, state } = app, { counts, total } = counting;
    const columns = state.what?.columns ?? [], narrowed = (state.where || state.what) && !columns.length;
    const size = [this.plot.clientWidth, this.plot.clientHeight];
    const { left, top, width, height } = (this.area = { left: 36, top: 8, width: size[0] - 56, height: size[1] - 42 });
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
    if (Math.abs(ends[0] - ends[1]) < 11) { // the letters would overlap
      const middle = (ends[0] + ends[1]) / 2, upper = ends[0] <= ends[1] ? 0 : 1;
      [ends[upper], ends[1 - upper]] = [middle - 5.5, middle + 5.5];
    }
    const title = columns.length ? `Predicted as ${app.nameOf(columns)}, by strength` : "Accuracy by strength";
    const sparse = [...counts.curve[0].keys()].filter((bin) => counts.curve[0][bin] && counts.curve[0][bin] < SPARSE);
    const notes = [state.out && "all outcomes", narrowed && "dashed: all samples",
      sparse.length > 0 && `numbers: samples, if below ${SPARSE}`];
    this.title.textContent = [title, ...notes].filter(Boolean).join("; ");
    const share = (slot, bin) => percent(counts.curve[slot + 1][bin], counts.curve[0][bin]);
    const words = [0, 1].map((slot) => `${"AB"[slot]} ${share(slot, 0)} weakest, ${share(slot, BINS - 1)} strongest`);
    this.plot.setAttribute("viewBox", `0 0 ${size.join(" ")}`);
    this.plot.setAttribute("aria-label", [this.title.textContent, ...words].join("; "));
    const range = state.how && [edge(state.how[0]), edge(state.how[1] + 1)];
    const ticks = width < 130 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
    const chance = !columns.length && 1 / data.classes.length, middle = left + width / 2;
    fill(this.plot,
      range && el("rect.px-range", { x: range[0], y: top, width: range[1] - range[0], height }),
      [[0, "0%"], [0.5, "50%"], [1, "100%"]].map(([at, label]) => [
        el("line.px-grid", { x1: left, x2: left + width, y1: y(at), y2: y(at) }),
        text(left - 5, y(at) + 4, "end", label),
      ]),
      ticks.map((at) => text(left + at * width, size[1] - 20, "middle", app.strengthLabel(cls, at))),
      text(middle, size[1] - 4, "middle", cls === null ? "strength (percentile in class)" : app.strengthTitle(cls)),
      chance && [el("line.px-chance", { x1: left, x2: left + width, y1: y(chance), y2: y(chance) }),
        text(left + width, y(chance) - 3, "end", "chance")],
      narrowed && [0, 1].map((slot) => line(total.curve, slot, "thin").nodes),
      sparse.map((bin) => text(edge(bin + 0.5), top + height - 3, "middle", counts.curve[0][bin])),
      counts.curve[0].some(Boolean) && lines.map(({ nodes }, slot) => [nodes,
        el(`text.px-end.px-text-${"ab"[slot]}`, { x: left + width + 5, y: ends[slot] + 4 }, "AB"[slot])]),
    );
    this.ends.forEach((one, i) => (one.value = (state.how?.[i] ?? i * (BINS - 1)) + 1));
  }
}

/** Samples that both models, only one model, or neither classifies correctly, as a bar and four buttons. */
class Outcomes {
  constructor(app) {
    this.app = app;
    const mark = (code) => el(`i.px-out.px-out-${OUTCOMES[code]}`);
    this.bars = OUTCOME_ORDER.map(mark);
    const select = (code) => ({ onclick: (event) => app.toggleOutcome(code, event.shiftKey) });
    this.buttons = OUTCOME_ORDER.map((code) => el("button", select(code)));
    this.marks = OUTCOME_ORDER.map(mark);
    this.node = el("section.px-who", { "aria-label": "Which model is correct" },
      el("div.px-stack", { "aria-hidden": "true" }, this.bars), el("div.px-whos", this.buttons));
  }

  draw() {
    const { counting, state } = this.app, { outcomes } = counting.counts;
    const n = outcomes.reduce((sum, one) => sum + one, 0), all = counting.total.n;
    const words = ["both correct", "only A correct", "only B correct", "neither correct"];
    OUTCOME_ORDER.forEach((code, i) => {
      const count = outcomes[code], selected = Boolean((state.out >> code) & 1), off = state.out !== 0 && !selected;
      const overall = n < all ? ` (all: ${percent(counting.total.outcomes[code], all)})` : "";
      this.bars[i].style.width = `${n ? (100 * count) / n : 0}%`;
      fill(this.buttons[i], this.marks[i], el("b", number(count)), el("span", ` ${words[i]} `),
        n > 0 && el("small", percent(count, n) + overall));
      this.bars[i].classList.toggle("px-off", off);
      this.buttons[i].classList.toggle("px-off", off);
      this.buttons[i].style.visibility = count || selected ? "" : "hidden"; // keeps its space
      this.buttons[i].ariaPressed = String(selected);
    });
  }
}

/**
 * Reorder `points` so that every prefix has about the same proportions of outcomes. Each outcome keeps its order.
 * `sizes` are the numbers of samples with each outcome, which may exceed the numbers in `points`.
 */
function mixed(points, outcome, sizes) {
  const kinds = OUTCOMES.map(() => []);
  points.forEach((i) => kinds[outcome[i]].push(i));
  const places = kinds.flatMap((own, code) => own.map((i, at) => ({ i, place: (at + 0.5) / sizes[code] })));
  return places.sort((one, other) => one.place - other.place).map(({ i }) => i);
}

/** Original and transformed images of the selected samples. */
class Images {
  constructor(app) {
    Object.assign(this, { app, rows: 1, order: [] });
    this.title = el("h2.px-title");
    this.row = el("div.px-cards");
    this.more = el("button.px-more", { onclick: () => this.draw(this.rows + 1) }, "More images");
    this.node = el("section.px-images", { "aria-label": "Images" }, this.title, this.row, this.more);
  }

  /**
   * Return up to `most` selected samples to show (`points`), and the number of selected samples (`total`). Samples
   * of new classes come first, followed by samples of new crops. Within these, confident errors of both models come
   * first. In a selection, outcomes are mixed in the same proportions as in the bar.
   */
  ranked(most) {
    const { app } = this, { counting, data, models, identity } = app;
    const buckets = Array.from({ length: 511 }, () => []), sizes = OUTCOMES.map(() => 0);
    counting.bits.forEach((passed, i) => {
      if (passed !== ALL || data.truth[i] === identity || !app.hasImage(i)) return;
      sizes[counting.outcome[i]]++;
      const [a, b] = models.map((model, slot) => (app.isCorrect(i, slot) ? 0 : model.confidence[i]));
      if (buckets[510 - a - b].length < MOST_IN_A_BUCKET) buckets[510 - a - b].push(i);
    });
    const total = sizes.reduce((sum, one) => sum + one, 0);
    const points = counting.isEmpty ? buckets.flat() : mixed(buckets.flat(), counting.outcome, sizes);
    const crops = new Set(), classes = new Set(), found = new Set();
    const isNew = {
      class: (i) => !classes.has(data.truth[i]) && !crops.has(data.crop[i]),
      crop: (i) => !crops.has(data.crop[i]),
      sample: () => true,
    };
    for (const kind of ["class", "crop", "sample"]) {
      for (const i of points) {
        if (found.size === most) break;
        if (found.has(i) || !isNew[kind](i)) continue;
        found.add(i);
        crops.add(data.crop[i]);
        classes.add(data.truth[i]);
      }
    }
    return { points: [...found], total };
  }

  /** Draw `rows` times as many images as fit initially. */
  draw(rows = 1) {
    const { app } = this, { pin } = app.state;
    const columns = Math.max(1, Math.floor((this.row.clientWidth + 12) / 172));
    const most = rows * (columns === 1 ? 3 : columns), { points, total } = this.ranked(most);
    this.rows = rows;
    this.more.hidden = total <= most;
    this.order = (pin === null ? points : [pin, ...points.filter((i) => i !== pin)]).slice(0, most);
    this.title.textContent = this.titleWords(points.length, total);
    this.row.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const none = el("p.px-quiet", app.counting.n ? "No images in the selection." : "No samples selected.");
    fill(this.row, this.order.length ? this.order.map((i, at) => this.card(i, at === 0)) : none);
  }

  titleWords(shown, total) {
    const { options, data } = this.app;
    const words = `${options.image ? "Images" : "Samples"}: ${number(shown)} of ${plural(total, "transformed sample")}`;
    const part = options.imagesOf !== undefined && data.repetitions > 1;
    return part ? `${words} (images of 1 of ${data.repetitions} repetitions)` : words;
  }

  card(i, first) {
    const { app } = this, show = () => app.hover(i), leave = () => app.hovered === i && app.hover(null);
    const predictions = [0, 1].map((slot) => el("span.px-answer", badge(slot), ` ${app.prediction(i, slot)}`));
    const words = first && [el("em", "original"), el("em", "transformed")];
    // If an image is laid out under the pointer, pointerenter also fires. Only movement overrides the keyboard.
    const listening = { onclick: () => app.open(i), onfocus: show, onblur: leave, onpointermove: show,
      onpointerleave: leave };
    const about = [app.strength(i), app.state.pin === i && "pinned"].filter(Boolean).join(", ");
    return el("button.px-open", listening, app.pair(i, words), app.caption(i, about), predictions);
  }
}

/** Dialog with the enlarged images of a sample, the predictions of every model, and the nearest samples. */
class ImageDialog {
  constructor(app) {
    this.app = app;
    const step = (by) => {
      const { order } = app.images, at = order.indexOf(this.point);
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
      "aria-label": "Image",
      onclick: (event) => event.target === this.node && this.node.close(),
      onclose: () => app.hover(null),
      onkeydown: (event) => event.stopPropagation(), // Esc closes the dialog and keeps the selection
      keys: { ArrowLeft: () => step(-1), ArrowRight: () => step(1) },
    }, el("header", this.title, this.label, el("span.px-grow"), this.pin,
      button("Previous image", "\u2039", () => step(-1)), button("Next image", "\u203a", () => step(1)),
      button("Close", "\u00d7", () => this.node.close())), this.body);
  }

  drawPin() {
    const pinned = this.app.state.pin === this.point;
    this.pin.ariaPressed = String(pinned);
    this.pin.textContent = pinned ? "Pinned" : "Pin";
  }

  /** Show a point. Predictions of other models and nearest samples are loaded when they are first needed. */
  open(i) {
    const { app } = this, { data, models, identity } = app;
    const clean = data.truth[i] === identity, strength = app.strength(i);
    const figure = (image, words) => image && el("figure", image, el("figcaption", words));
    const predictions = el("div.px-answers"), near = el("div.px-nears");
    this.point = i;
    fill(this.title, app.className(data.truth[i]), strength ? `, ${strength}` : "");
    this.label.textContent = data.labels[data.crop[i]];
    this.drawPin();
    fill(this.body, el("div.px-figures",
      !clean && figure(app.image(i, "original", true), "Original"),
      figure(app.image(i, "transformed", true), clean ? "Clean" : "Transformed"),
      figure(app.image(i, "full", true), "Full photograph; the models see the outlined crop")), predictions, near);
    const about = `As in the matrix, clean is one of ${data.classes.length} classes.`;
    const predict = () => fill(predictions, el("h3", "Predictions"),
      data.models.map((model) => this.prediction(i, model)), el("small", about));
    predict();
    app.succeeds(app.loaded(data.models).then(predict), () =>
      predictions.append(el("p.px-quiet", "The predictions of the other models could not be loaded.")));
    const rows = [...new Set(models)].map((model, slot) => this.near(i, model, slot)
      .catch(() => el("p.px-quiet", `The nearest samples for ${model.title} could not be loaded.`)));
    Promise.all(rows).then((found) => fill(near, found));
    if (!this.node.open) this.node.showModal();
    app.hover(i);
  }

  prediction(i, model) {
    const { data, models } = this.app, title = (cls) => data.classes[cls].title;
    if (!model.predicted) return el("div.px-says", el("span", model.title), el("span.px-track"), el("span", NBSP));
    const [predicted, truth] = [title(model.predicted[i]), title(data.truth[i])];
    const isCorrect = model.predicted[i] === data.truth[i], slot = models.indexOf(model);
    const probability = percent(model.confidence[i], 255);
    const error = `${predicted}: ${probability}; true: ${truth}, ${percent(model.truthProbability[i], 255)}`;
    const words = isCorrect ? `\u2713 ${predicted}: ${probability}` : error;
    return el(`div.px-says.px-${isCorrect ? "right" : "wrong"}`, el("span", slot >= 0 && badge(slot), ` ${model.title}`),
      el("span.px-track", el("i", { style: { width: `${model.confidence[i] / 2.55}%` } })), el("span", words));
  }

  /** Return the five nearest samples of other crops, in the embedding if available, and otherwise on the map. */
  async near(i, model, slot) {
    const { app } = this, { data } = app;
    const stored = (await model.neighbors())[app.projectionOf(model)];
    const near = stored?.subarray(5 * i, 5 * i + 5).filter((j) => j < data.tested);
    const points = [...(near ?? app.nearestOnMap(i, slot))];
    const how = stored ? [" Nearest in the embedding", model.title]
      : [" Nearest on the map", `${model.title}; the run has no nearest neighbors in its embedding`];
    return el("div.px-near", el("div", badge(slot), el("b", how[0]), el("small", how[1])),
      el("div.px-nearest", points.map((j) => el("button", { onclick: () => this.open(j),
        "aria-label": `Open ${data.classes[data.truth[j]].title}` }, app.image(j, "transformed"), app.caption(j)))));
  }
}

/** Table with the numbers of all views. */
class Numbers {
  constructor(app) {
    this.app = app;
    this.table = el("table");
    const summary = el("summary", "Table of all numbers");
    this.node = el("details.px-table", { ontoggle: () => this.draw() }, summary, this.table);
  }

  draw() {
    if (!this.node.open) return;
    const { data, counting, models } = this.app, { counts, total } = counting, k = data.classes.length;
    const accuracies = (slot) => [`${"AB"[slot]} ${models[slot].title}: accuracy (selection)`, "accuracy (all)"];
    const head = ["true class", "selected", "all", ...accuracies(0), ...accuracies(1)];
    const line = (name, n, all, correct, correctOfAll) => el("tr", el("th", { scope: "row" }, name),
      [number(n), number(all), ...[0, 1].flatMap((slot) => [percent(correct[slot], n), percent(correctOfAll[slot], all)])]
        .map((text) => el("td", text)));
    const onDiagonal = (matrices, cls) => matrices.map((matrix) => matrix[cls * k + cls]);
    fill(this.table, el("thead", el("tr", head.map((text) => el("th", { scope: "col" }, text)))), el("tbody",
      line("all classes", counts.n, total.n, counts.correct, total.correct),
      data.classes.map((one, cls) => line(one.title, counts.selectedRows[cls], total.rows[cls],
        onDiagonal(counts.selected, cls), onDiagonal(total.matrix, cls)))));
  }
}
