// Draw the points of one map: with WebGL by regl-scatterplot, or as a raster where a browser has no WebGL.

const HIDDEN = 0; // states of a point
const FADED = 1;
const PLAIN = 2;
const CHOSEN = 3;
const FADED_OPACITY = 0.08;
const FEW = 200; // up to so many selected points are drawn larger; more would hide each other

const SMALLEST = 2; // pixels of a point
const LARGEST = 7;
const COVERED = 0.35; // share of a map that its points cover, while they are neither smallest nor largest
const MOVE_MS = 900; // of points that move from one reading of a map to another
const MOST_MOVED = 200000; // points that are moved; of more, each frame takes too long

/** Pixels of a point on the page, by state: the same for all points of a map, larger when fewer are in view. */
function sizesOf(count, chosen, zoom, area) {
  const size = zoom * Math.sqrt((COVERED * area) / Math.max(1, count));
  const plain = Math.min(LARGEST, Math.max(SMALLEST, size));
  return [1, plain, plain, chosen <= FEW ? Math.max(9, plain) : plain + 1];
}

/** Where many points cover each other, what lies under them shows through. */
const opacityOf = (count, zoom) => {
  const inView = count / (zoom * zoom);
  return inView > 200000 ? 0.5 : inView > 20000 ? 0.65 : 0.85;
};

const eased = (part) => (part < 0.5 ? 4 * part ** 3 : 1 - (2 - 2 * part) ** 3 / 2);
const isStill = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;

class GlLayer {
  constructor(canvas, library, renderer) {
    this.library = library;
    this.plot = library.default({
      canvas,
      renderer,
      width: canvas.clientWidth,
      height: canvas.clientHeight,
      cameraIsFixed: true, // the view moves it
      pointScaleMode: 'constant',
      colorBy: 'valueZ',
      opacityBy: 'valueW',
      sizeBy: 'valueW',
      keyMap: {},
      deselectOnDblClick: false,
      deselectOnEscape: false,
    });
    this.work = Promise.resolve();
  }

  load(positions) {
    this.points = Array.from({ length: positions.length / 2 }, (_, i) => [positions[2 * i], positions[2 * i + 1], 0, 0]);
  }

  /** The next `paint` moves the points here. */
  move(positions) {
    this.load(positions);
    this.moves = !isStill();
  }

  resized({ sizes, opacity }) {
    return this.plot.set({ pointSize: sizes, opacity: [0, FADED_OPACITY, opacity, 1] });
  }

  paint({ codes, states, colors, background, sizes, opacity }) {
    const { points, plot, moves } = this;
    this.moves = false;
    this.work = this.work.then(async () => {
      if (this.ended) return;
      for (let i = 0; i < points.length; i += 1) {
        points[i][2] = codes[i];
        points[i][3] = states[i];
      }
      // Of one point: nothing here asks it, the server knows what is where.
      this.index ??= await this.library.createSpatialIndex([[0, 0]], false);
      await plot.set({ backgroundColor: background, pointColor: colors, pointSize: sizes, opacity: [0, FADED_OPACITY, opacity, 1] });
      const kinds = { zDataType: 'categorical', wDataType: 'categorical' };
      const transition = { transition: moves, transitionDuration: MOVE_MS, transitionEasing: 'cubicInOut' };
      await plot.draw(points, { ...kinds, ...(moves ? transition : {}), spatialIndex: this.index, preventFilterReset: true });
    });
    return this.work;
  }

  look({ x, y, half }) {
    return this.plot.set({ cameraTarget: [x, y], cameraDistance: half });
  }

  /** What is drawn, with `sharp` pixels for each on the page. */
  async picture(sharp) {
    const image = await this.plot.export({ scale: sharp / window.devicePixelRatio });
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width: image.width, height: image.height });
    canvas.getContext('2d').putImageData(image, 0, 0);
    return canvas;
  }

  resize(width, height) {
    return this.plot.set({ width, height });
  }

  end() {
    this.ended = true;
    this.plot.destroy();
  }
}

class RasterLayer {
  constructor(canvas) {
    this.canvas = canvas;
    this.resize(canvas.clientWidth, canvas.clientHeight);
  }

  load(positions) {
    this.positions = positions;
  }

  move(positions) {
    const [from, began] = [this.positions, performance.now()];
    if (isStill() || !this.codes) return this.load(positions);
    const step = () => {
      const part = Math.min(1, (performance.now() - began) / MOVE_MS);
      const way = eased(part);
      this.positions = part < 1 ? positions.map((to, i) => from[i] + way * (to - from[i])) : positions;
      this.raster();
      if (part < 1) this.moving = requestAnimationFrame(step);
    };
    cancelAnimationFrame(this.moving);
    this.moving = requestAnimationFrame(step);
  }

  resized({ sizes, opacity }) {
    this.sizes = sizes;
    this.shade(opacity);
    this.draw();
  }

  shade(opacity) {
    const over = (share) => Uint32Array.from(this.given.colors, (color) => mixed(color, this.given.background, share));
    this.colors = [null, over(2 * FADED_OPACITY), over(Math.sqrt(opacity)), over(1)];
  }

  async paint({ codes, states, colors, background, sizes, opacity }) {
    Object.assign(this, { codes, states, sizes, given: { colors, background } });
    this.shade(opacity);
    this.draw();
  }

  look(view) {
    this.view = view;
    this.draw();
  }

  resize(width, height) {
    this.canvas.width = Math.max(1, Math.round(width * window.devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(height * window.devicePixelRatio));
    this.draw();
  }

  async picture(sharp) {
    const canvas = document.createElement('canvas');
    const scale = sharp / window.devicePixelRatio;
    Object.assign(canvas, { width: scale * this.canvas.width, height: scale * this.canvas.height });
    this.raster(canvas, sharp);
    return canvas;
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.raster());
  }

  raster(canvas = this.canvas, density = window.devicePixelRatio) {
    const { positions, codes, states, view } = this;
    if (!codes || !view) return;
    const context = canvas.getContext('2d');
    const { width, height } = canvas;
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const scale = height / (2 * view.half);
    const left = width / 2 - view.x * scale;
    const top = height / 2 + view.y * scale;
    for (const state of [FADED, PLAIN, CHOSEN]) {
      const side = Math.max(1, Math.round(this.sizes[state] * density));
      const colors = this.colors[state];
      for (let i = 0; i < states.length; i += 1) {
        if (states[i] !== state) continue;
        const x = Math.round(left + positions[2 * i] * scale - side / 2);
        const y = Math.round(top - positions[2 * i + 1] * scale - side / 2);
        if (x < 0 || y < 0 || x + side > width || y + side > height) continue;
        for (let row = y; row < y + side; row += 1) pixels.fill(colors[codes[i]], row * width + x, row * width + x + side);
      }
    }
    context.putImageData(image, 0, 0);
  }

  end() {
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.moving);
  }
}

/** `share` of one color (#rrggbb) over another, as a pixel of a raster. */
function mixed(color, under, share) {
  const channel = (text, at) => parseInt(text.slice(at, at + 2), 16);
  const [red, green, blue] = [1, 3, 5].map((at) => Math.round(share * channel(color, at) + (1 - share) * channel(under, at)));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** A layer for each canvas; all of them share one WebGL context, of which a browser has few. */
class Layers {
  async begin(address) {
    if (this.make) return;
    this.make = (canvas) => new RasterLayer(canvas);
    if (!document.createElement('canvas').getContext('webgl')) return;
    const library = await import(address);
    const renderer = library.createRenderer();
    if (!renderer.isSupported) return renderer.destroy();
    this.renderer = renderer;
    this.make = (canvas) => new GlLayer(canvas, library, renderer);
  }

  get kind() {
    return this.renderer ? 'webgl' : 'raster';
  }

  end() {
    this.renderer?.destroy();
  }
}
