// Pictures of the points of a map, beside their points, where few are in view.

const REST_OF_VIEW_MS = 200; // how long the view rests before pictures come
const [SMALLEST_SIDE, LARGEST_SIDE] = [36, 72]; // pixels of a picture
const PICTURED = 0.3; // share of a map that pictures cover, while they are neither smallest nor largest
const FREE = 3; // pixels between pictures
const BESIDE = 8; // pixels from a point to its picture
const ZOOMED = 0.02; // change of the zoom, as a logarithm, that is one
const AROUND = [[0, -1], [0, 1], [1, 0], [-1, 0], [1, -1], [-1, -1], [1, 1], [-1, 1]];

class Pictures {
  constructor(view) {
    this.view = view;
    this.group = drawn('g', { class: 'pictures' });
    this.made = new Map(); // point -> its elements
    this.placed = new Map(); // point -> how far its picture's middle is from it
  }

  /** The view has changed: pictures move with their points, and are placed again when it rests. */
  follow() {
    const { view } = this;
    if (!view.painted || !view.owner.message.mostPictured) return this.clear();
    const isZoomed = Math.abs(Math.log(view.zoomed / (this.zoom ?? view.zoomed))) > ZOOMED;
    const isHidden = [...this.placed.keys()].some((point) => !this.isShown(point));
    if (isZoomed || isHidden) this.clear();
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), REST_OF_VIEW_MS);
  }

  clear() {
    clearTimeout(this.timer);
    this.placed = new Map();
    this.draw();
  }

  settle() {
    const points = this.inView();
    this.zoom = this.view.zoomed;
    const [width, height] = this.view.size;
    this.side = Math.min(LARGEST_SIDE, Math.max(SMALLEST_SIDE, Math.sqrt((PICTURED * width * height) / points.length)));
    this.placed = this.place(points);
    for (const point of this.made.keys()) if (!this.placed.has(point)) this.made.delete(point);
    this.draw();
  }

  /** A point has a picture unless it is hidden or faded. */
  isShown(point) {
    return this.view.painted.states[point] >= PLAIN;
  }

  /** The shown points in view; none where they are too many. */
  inView() {
    const { positions, owner: { message: { mostPictured } } } = this.view;
    const [[left, top], [right, bottom]] = [this.view.toMap([0, 0]), this.view.toMap(this.view.size)];
    const found = [];
    for (let i = 0; i < positions.length / 2; i += 1) {
      const [x, y] = [positions[2 * i], positions[2 * i + 1]];
      if (x < left || x > right || y < bottom || y > top || !this.isShown(i)) continue;
      if (found.length === mostPictured) return [];
      found.push(i);
    }
    return found;
  }

  /** A place for the picture of each point, over no other picture and no name, and over few points; some find none. */
  place(points) {
    const { view, side } = this;
    const [width, height] = view.size;
    const at = new Map(points.map((point) => [point, this.pageOf(point)]));
    const dots = [...at.values()];
    const taken = [...view.overlay.names];
    const placed = new Map();
    const near = side / 2 + BESIDE;
    const ways = [near, near + side].flatMap((reach) => AROUND.map(([right, down]) => [right * reach, down * reach]));
    // Those that have one keep it where they can, so that pictures stay where they are while the map is moved.
    for (const point of [...points].sort((a, b) => this.placed.has(b) - this.placed.has(a))) {
      const [x, y] = at.get(point);
      let [best, fewest] = [null, Infinity];
      for (const [right, down] of this.placed.has(point) ? [this.placed.get(point), ...ways] : ways) {
        const box = [x + right - side / 2, y + down - side / 2, x + right + side / 2, y + down + side / 2];
        if (box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height) continue;
        if (taken.some((other) => overlap(box, other, FREE))) continue;
        const covered = dots.filter(([a, b]) => a > box[0] && a < box[2] && b > box[1] && b < box[3]).length;
        if (covered < fewest) [best, fewest] = [{ way: [right, down], box }, covered];
      }
      if (!best) continue;
      taken.push(best.box);
      placed.set(point, best.way);
    }
    return placed;
  }

  pageOf(point) {
    const { positions } = this.view;
    return this.view.toPage([positions[2 * point], positions[2 * point + 1]]);
  }

  boxOf(point) {
    const [x, y] = this.pageOf(point);
    const [right, down] = this.placed.get(point);
    return [x + right - this.side / 2, y + down - this.side / 2];
  }

  draw() {
    const { codes, colors } = this.view.painted ?? {};
    this.group.replaceChildren(...[...this.placed.keys()].map((point) => {
      const [x, y] = this.boxOf(point);
      const { group, lead, frame, image } = this.elementsOf(point);
      const middle = [x + this.side / 2, y + this.side / 2];
      frame.setAttribute('stroke', colors[codes[point]]);
      lead.setAttribute('d', `M ${path([this.pageOf(point), middle])}`);
      for (const each of [frame, image]) for (const [name, value] of Object.entries({ x, y, width: this.side, height: this.side })) each.setAttribute(name, value);
      return group;
    }));
  }

  elementsOf(point) {
    let made = this.made.get(point);
    if (!made) {
      const lead = drawn('path', { class: 'lead' });
      const frame = drawn('rect', { class: 'frame' });
      const image = drawn('image', { href: new URL(`${this.view.panel.address}/pictures/${point}`, document.baseURI) });
      const group = drawn('g', { 'data-point': point }, lead, frame, image);
      image.addEventListener('error', () => group.remove());
      made = { group, lead, frame, image };
      this.made.set(point, made);
    }
    return made;
  }

  /** The place of the point whose picture is at a place of the page, or null. */
  pointAt([x, y]) {
    for (const point of this.placed.keys()) {
      const [left, top] = this.boxOf(point);
      if (x >= left && x <= left + this.side && y >= top && y <= top + this.side) return this.pageOf(point);
    }
    return null;
  }

  end() {
    clearTimeout(this.timer);
  }
}
