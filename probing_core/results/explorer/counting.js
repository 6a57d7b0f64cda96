// The selection and its counts, without drawing. The files in `SCRIPTS` of data.py form one module.
//
// A selection is the intersection of four clauses: where (a lasso on a map), what (rows and columns of the matrix), out
// (which model is correct) and how (strength). Every point has a byte with one bit for each clause that it passes. If a
// clause changes, its bit is updated for all points, and all numbers in the views are counted in one pass. The counts
// in a view ignore the clause that is set in this view. A frame marks this clause instead.

const WHERE = 1;
const WHAT = 2;
const OUT = 4;
const HOW = 8;
const ROWS = 16; // only the rows of `what`, because curves ignore columns
const ALL = 31;

const BINS = 12; // number of strength bins, each with the same number of samples of a class
const NO_STRENGTH = 255;
const EITHER = 2; // used instead of a slot: model A or B
const OUTCOMES = ["neither", "a", "b", "both"]; // bit 1: A is correct, bit 2: B is correct
const CORNERS = 64; // maximum number of corners of a lasso in a stored selection
const NONE = { where: null, what: null, out: 0, how: null };

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const binOf = (strength) => ((strength * BINS) / NO_STRENGTH) | 0;

/** Return the coordinates of a model in a projection, or in its only projection. */
const placesOf = (model, projection) => model.places[projection] ?? Object.values(model.places)[0];

/**
 * Read the data written by `packed` in data.py. `bytes(name)` returns a promise of the buffer of a part. The parts of a
 * model are requested by the first call to its `load` or `neighbors`, and requested again if that call failed.
 */
export async function open(header, bytes) {
  const typed = (value, buffer) => {
    if (!value.type) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typed(one, buffer)]));
    const kinds = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int16: Int16Array, int32: Int32Array };
    return new (kinds[value.type] ?? Float32Array)(buffer, value.offset, value.length);
  };
  const once = (make) => {
    let made = null;
    return () => (made ??= make().catch((error) => {
      made = null;
      throw error;
    }));
  };
  const models = header.models.map(({ name, title, points, neighbors }, i) => {
    const model = { name, title };
    model.load = once(async () => Object.assign(model, typed(points, await bytes(`model/${i}`))));
    model.neighbors = once(async () => typed(neighbors, await bytes(`neighbors/${i}`)));
    return model;
  });
  return { ...header, ...typed(header.points, await bytes("points")), models };
}

/** Return a function that tests whether a point is in `polygon` (x0, y0, x1, y1, ...), by the even-odd rule. */
function encloser(polygon) {
  const xs = polygon.filter((_, k) => k % 2 === 0), ys = polygon.filter((_, k) => k % 2);
  const [left, right] = [Math.min(...xs), Math.max(...xs)], [low, high] = [Math.min(...ys), Math.max(...ys)];
  // A point is compared only with the edges in its horizontal band, because a lasso may have hundreds of edges.
  const bands = Array.from({ length: 256 }, () => []);
  const band = (y) => Math.min(Math.floor(((y - low) / (high - low || 1)) * bands.length), bands.length - 1);
  xs.forEach((x1, k) => {
    const y1 = ys[k], x0 = xs.at(k - 1), y0 = ys.at(k - 1);
    if (y0 === y1) return;
    for (let at = band(Math.min(y0, y1)); at <= band(Math.max(y0, y1)); at++) bands[at].push(x0, y0, x1, y1);
  });
  return (x, y) => {
    if (x < left || x > right || y < low || y > high) return false;
    const edges = bands[band(y)];
    let odd = false;
    for (let k = 0; k < edges.length; k += 4) {
      const x0 = edges[k], y0 = edges[k + 1], y1 = edges[k + 3];
      if (y1 > y !== y0 > y && x < edges[k + 2] + ((y - y1) * (x0 - edges[k + 2])) / (y0 - y1)) odd = !odd;
    }
    return odd;
  };
}

/** Simplify a polygon to at most `CORNERS` corners by removing the corners that form the smallest triangles. */
function simplified(polygon) {
  const corners = Array.from({ length: polygon.length / 2 }, (_, k) => [polygon[2 * k], polygon[2 * k + 1]]);
  const area = ([x, y], k) => {
    const [x0, y0] = corners.at(k - 1), [x1, y1] = corners[(k + 1) % corners.length];
    return Math.abs((x0 - x) * (y1 - y) - (x1 - x) * (y0 - y));
  };
  const areas = corners.map(area);
  while (corners.length > CORNERS) {
    const least = areas.indexOf(Math.min(...areas));
    corners.splice(least, 1);
    areas.splice(least, 1);
    for (const k of [(least || corners.length) - 1, least % corners.length]) areas[k] = area(corners[k], k);
  }
  return corners.flat();
}

/** Return the 97.5% quantile of Student's t distribution for `clusters`, or NaN for fewer than six clusters. */
function quantile(clusters) {
  const t = [2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101];
  if (clusters < 6) return NaN;
  return t[clusters - 6] ?? 1.95996 + 2.3723 / (clusters - 1) + 2.8225 / (clusters - 1) ** 2;
}

/** Return the complementary error function of `x` >= 0, with a relative error below 1.2e-7 (Numerical Recipes 6.2). */
function erfc(x) {
  const t = 1 / (1 + x / 2);
  const powers = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277];
  return t * Math.exp(-x * x + powers.reduceRight((sum, one) => sum * t + one, 0));
}

/** Return the two-sided p-value of Student's t for `clusters`, or NaN for fewer than six clusters. */
function twoSided(t, clusters) {
  if (clusters < 6 || Number.isNaN(t)) return NaN;
  // With t = sqrt(freedom) tan(angle), the density is proportional to a power of the cosine.
  const freedom = clusters - 1, steps = 4000, end = Math.PI / 2;
  const from = Math.atan(Math.abs(t) / Math.sqrt(freedom));
  const area = (start) => {
    const step = (end - start) / steps;
    let sum = 0;
    for (let k = 0; k < steps; k++) sum += Math.cos(start + (k + 0.5) * step) ** (freedom - 1);
    return sum * step;
  };
  return area(from) / area(0);
}

/**
 * Return the interval (`low`, `high`) of the mean difference `mean` of `n` samples, and the statistic `z` of its test,
 * by the score test for paired proportions (see `RareDifferences` in rare_differences.py). The result is null if half
 * or more of the photographs differ. `sums` contains the sum of differences and the number of samples by photograph.
 */
function rareDifference(sums, mean, n) {
  const clusters = sums.length, differing = sums.filter(([sum]) => sum).length, z = quantile(clusters);
  if (2 * differing >= clusters || Number.isNaN(z)) return null;
  const over = (value) => sums.reduce((total, row) => total + value(...row), 0) / n;
  const spread = over((sum, count) => (sum - mean * count) ** 2) / n * clusters / (clusters - 1);
  const total = over(Math.abs), squares = over((sum) => sum ** 2) / n;
  const size = Math.max(1 / (over((_, count) => count ** 2) / n), squares ? total ** 2 / squares : 0);
  const unseen = Math.max(0, 1 - differing / 5), scale = (size ** 2 * squares + unseen) / (size * total + unseen);
  const balance = size * mean / scale;
  const count = Math.max(Math.min(size * (size * spread + mean ** 2) / scale ** 2, size), Math.abs(balance));
  const losses = (count - balance) / 2;
  const statistic = (value) => {
    const delta = clamp(value / scale, -1, 1), b = (2 * size - balance) * delta - count;
    const rate = (Math.sqrt(Math.max(b ** 2 + 8 * size * losses * delta * (1 - delta), 0)) - b) / (4 * size);
    const variance = size * (2 * rate + delta * (1 - delta)), excess = balance - size * value / scale;
    return Math.abs(excess) <= 1e-9 ? 0 : excess / Math.sqrt(Math.max(variance, 0));
  };
  const root = (low, high, limit) => {
    for (let k = 0; k < 60; k++) {
      const middle = (low + high) / 2;
      if (statistic(middle) > limit) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  return { low: Math.max(root(-scale, mean, z), -1), high: Math.min(root(mean, scale, -z), 1), z: statistic(0) };
}

/** Return the interval of model `second` minus model `first`. `table` contains each model minus preceding models. */
function differenceOf(table, first, second) {
  const found = table[Math.max(first, second)]?.[Math.min(first, second)];
  return found && first > second ? [-found[1], -found[0], found[2]] : found;
}

/**
 * The bits of all points, and all counts in the views.
 *
 * A state is `{models, projection, where, what, out, how}`. `models` contains two models, and `where` is a lasso
 * `{slot, polygon}`. `what` is `{rows, columns, by}`: lists of classes (empty: all classes), and the slot of the model
 * whose predictions are used. `out` has a bit for each outcome (0: any outcome). `how` contains the first and last bin.
 */
class Counting {
  constructor(data) {
    this.data = data;
    this.bits = new Uint8Array(data.tested).fill(ALL);
    this.outcome = new Uint8Array(data.tested);
    this.state = {};
  }

  get n() {
    return this.counts.n;
  }

  get isEmpty() {
    const { where, what, out, how } = this.state;
    return !(where || what || out || how);
  }

  /** Update the bits of the clauses that changed, and all counts. */
  update(state) {
    const { bits, outcome } = this;
    const { truth, strength, tested } = this.data;
    const { models, projection, where, what, out, how } = state;
    const differs = (...keys) => keys.some((key) => state[key] !== this.state[key]);
    const mark = (bit, test) => {
      for (let i = 0; i < tested; i++) bits[i] = !test || test(i) ? bits[i] | bit : bits[i] & ~bit;
    };
    const [newModels, newWhere, newHow] = [differs("models"), differs("where"), differs("how")];
    const [newWhat, newOut] = [differs("models", "what"), differs("models", "out")];
    this.state = state;
    if (newModels) {
      const [a, b] = models.map((model) => model.predicted);
      for (let i = 0; i < tested; i++) outcome[i] = (a[i] === truth[i] ? 1 : 0) | (b[i] === truth[i] ? 2 : 0);
      this.total = this.count(new Uint8Array(tested).fill(ALL), []);
    }
    if (newWhere) {
      const inside = where && encloser(where.polygon), places = where && placesOf(models[where.slot], projection);
      mark(WHERE, where && ((i) => inside(places[2 * i], places[2 * i + 1])));
    }
    if (newWhat) {
      mark(WHAT, what && this.tester(what));
      mark(ROWS, what && this.tester({ ...what, columns: [] }));
    }
    if (newOut) mark(OUT, out && ((i) => (out >> outcome[i]) & 1));
    const inRange = (bin) => bin >= how[0] && bin <= how[1];
    if (newHow) mark(HOW, how && ((i) => strength[i] !== NO_STRENGTH && inRange(binOf(strength[i]))));
    this.counts = this.count(bits, what?.columns ?? []);
  }

  /** Return whether each class is in `list`. An empty list represents all classes. */
  flags(list) {
    return Uint8Array.from(this.data.classes, (_, cls) => Number(!list.length || list.includes(cls)));
  }

  /** Return a function that tests whether a point is in the rows and columns. */
  tester({ rows, columns, by }) {
    const { truth } = this.data;
    const inRows = this.flags(rows), inColumns = this.flags(columns);
    const first = this.state.models[by === EITHER ? 0 : by].predicted;
    const second = this.state.models[by === EITHER ? 1 : by].predicted;
    return (i) => inRows[truth[i]] && (inColumns[first[i]] || inColumns[second[i]]);
  }

  /** Return the `bits` and the number `n` of points that `what` would select. */
  preview(what) {
    const test = this.tester(what);
    const bits = this.bits.map((passed, i) => ((passed | WHAT | ROWS) === ALL && test(i) ? ALL : 0));
    return { bits, n: bits.reduce((sum, one) => sum + (one === ALL), 0) };
  }

  count(bits, columns) {
    const { outcome, data } = this;
    const { truth, strength, tested } = data;
    const k = data.classes.length, counted = columns.length ? this.flags(columns) : null;
    const [a, b] = this.state.models.map((model) => model.predicted);
    const tally = (length) => new Uint32Array(length);
    const found = {
      n: 0,
      rows: tally(k), // without `what`
      matrix: [tally(k * k), tally(k * k)], // without `what`
      outcomes: tally(4), // without `out`
      curve: [tally(BINS), tally(BINS), tally(BINS)], // all, A, B; without `how`, `out` and columns
      selectedRows: tally(k),
      selected: [tally(k * k), tally(k * k)],
      correct: [0, 0],
    };
    const { rows, outcomes, selectedRows } = found, [matrixA, matrixB] = found.matrix;
    const [selectedA, selectedB] = found.selected, [curve, curveA, curveB] = found.curve;
    for (let i = 0; i < tested; i++) {
      const passed = bits[i], row = truth[i] * k;
      if ((passed | WHAT | ROWS) === ALL) {
        rows[truth[i]]++;
        matrixA[row + a[i]]++;
        matrixB[row + b[i]]++;
      }
      if ((passed | OUT) === ALL) outcomes[outcome[i]]++;
      if ((passed | WHAT | OUT | HOW) === ALL && strength[i] !== NO_STRENGTH) {
        const bin = binOf(strength[i]);
        curve[bin]++;
        if (counted ? counted[a[i]] : outcome[i] & 1) curveA[bin]++;
        if (counted ? counted[b[i]] : outcome[i] & 2) curveB[bin]++;
      }
      if (passed === ALL) {
        found.n++;
        selectedRows[truth[i]]++;
        selectedA[row + a[i]]++;
        selectedB[row + b[i]]++;
        found.correct[0] += outcome[i] & 1;
        found.correct[1] += outcome[i] >> 1;
      }
    }
    return found;
  }

  /**
   * Compare B with A in every cell over the samples of the matrix. Return for each cell the difference in counts
   * (`sum`), the sum of its squares by photograph (`squares`), and the number of photographs of its row (`clusters`).
   */
  cellDifferences() {
    const { truth, crop, photographs, classes } = this.data, k = classes.length;
    const [a, b] = this.state.models.map((model) => model.predicted);
    const found = new Map(), clusters = classes.map(() => new Set());
    this.bits.forEach((passed, i) => {
      if ((passed | WHAT | ROWS) !== ALL) return;
      const photograph = photographs[crop[i]];
      clusters[truth[i]].add(photograph);
      if (a[i] === b[i]) return;
      for (const [column, by] of [[a[i], -1], [b[i], 1]]) {
        const key = photograph * k * k + truth[i] * k + column;
        found.set(key, (found.get(key) ?? 0) + by);
      }
    });
    const [sum, squares] = [new Float64Array(k * k), new Float64Array(k * k)];
    found.forEach((by, key) => {
      sum[key % (k * k)] += by;
      squares[key % (k * k)] += by * by;
    });
    return { sum, squares, clusters: clusters.map((one) => one.size) };
  }

  /** Return the number of photographs in the selection. */
  photographs() {
    const { photographs, crop } = this.data, found = new Set();
    this.bits.forEach((passed, i) => passed === ALL && found.add(photographs[crop[i]]));
    return found.size;
  }

  /**
   * Return the difference in accuracy B minus A on the selected samples in percentage points (`value`), with its 95% CI
   * (`low`, `high`) and two-sided p-value (`p`), clustered by photograph. The CI and p are NaN for fewer than six
   * photographs, or if they all differ equally. For all samples, they were computed in Python. p is then adjusted for testing all pairs of models, and
   * NaN if the pair was not tested.
   */
  difference() {
    const { photographs, crop, differences, models } = this.data;
    const sums = new Map();
    let total = 0;
    this.bits.forEach((passed, i) => {
      if (passed !== ALL) return;
      const better = (this.outcome[i] >> 1) - (this.outcome[i] & 1), cluster = photographs[crop[i]];
      const [sum, count] = sums.get(cluster) ?? [0, 0];
      sums.set(cluster, [sum + better, count + 1]);
      total += better;
    });
    const mean = total / this.n, clusters = sums.size;
    let squares = 0;
    for (const [sum, count] of sums.values()) squares += (sum - mean * count) ** 2;
    const error = Math.sqrt((squares * clusters) / (clusters - 1)) / this.n, half = quantile(clusters) * error;
    const [first, second] = this.state.models.map((model) => models.indexOf(model)), value = 100 * mean;
    if (this.isEmpty && differenceOf(differences, first, second)) {
      const [low, high, p] = differenceOf(differences, first, second);
      return { value, low, high, p: p ?? NaN };
    }
    const rare = rareDifference([...sums.values()], mean, this.n);
    if (rare) return { value, low: 100 * rare.low, high: 100 * rare.high, p: twoSided(rare.z, clusters) };
    if (!(error > 1e-9)) return { value, low: NaN, high: NaN, p: NaN };
    return { value, low: value - 100 * half, high: value + 100 * half, p: twoSided(mean / error, clusters) };
  }
}
