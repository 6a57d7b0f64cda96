// What lies over the points of a map: contours, arrows, names, the line of a lasso or box, a ring.

const SVG = 'http://www.w3.org/2000/svg';
const LETTER = 7; // pixels of a letter of a name, and of its line
const LINE = 16;
const BESIDE_LINE = 3; // pixels from a contour to the name above or below it

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const path = (points) => points.map((point) => point.map((c) => c.toFixed(1)).join(' ')).join(' L ');

/** A closed line as a smooth path, which touches the middle of each of its edges. */
function curve(line) {
  const corners = line.slice(1); // the last is the first
  const middles = corners.map(([x, y], i) => [(x + corners.at(i - 1)[0]) / 2, (y + corners.at(i - 1)[1]) / 2]);
  return `M ${middles[0].join(' ')} ${corners.map((corner, i) => `Q ${corner.join(' ')} ${(middles[i + 1] ?? middles[0]).join(' ')}`).join(' ')}`;
}

class Overlay {
  static made = 0;

  constructor(view) {
    this.view = view;
    const id = `probing-map-names-${(Overlay.made += 1)}`;
    this.names = []; // left, top, right, bottom of each
    this.gaps = drawn('g', { fill: 'black' });
    const whole = drawn('rect', { width: '100%', height: '100%', fill: 'white' });
    // Lines are interrupted where a name stands.
    const mask = drawn('mask', { id, maskUnits: 'userSpaceOnUse', x: 0, y: 0, width: '100%', height: '100%' }, whole, this.gaps);
    this.contours = drawn('g');
    this.front = drawn('g');
    this.svg = drawn('svg', { 'aria-hidden': 'true' }, mask, drawn('g', { mask: `url(#${id})` }, this.contours), this.front);
  }

  /** Takes the contours of the map's message, whose coordinates are the map's own: `trace` moves them with the view. */
  contour() {
    const lines = this.view.panel.contours.map((each) => each.map(curve).join(' '));
    // Wider lines of the page's color below, so that they are seen on points of any color.
    this.contours.replaceChildren(...['casing', 'contour'].flatMap((name) => lines.map((d) => drawn('path', { class: name, d }))));
  }

  trace() {
    const { view } = this;
    if (!view.panel || !view.view) return;
    const [x, y] = view.toPage([0, 0]);
    this.contours.setAttribute('transform', `translate(${x} ${y}) scale(${1 / view.pixel} ${-1 / view.pixel})`);
    this.contours.style.display = view.painted?.chosen ? '' : 'none'; // the legend may hide what stands out
    const over = [...this.arrows(), ...this.texts()];
    if (view.corners.length > 1) over.push(drawn('path', { class: 'line', d: `M ${path(view.corners)} Z` }));
    if (view.ring) {
      const [cx, cy] = view.toPage(view.ring);
      over.push(drawn('circle', { class: 'ring', cx, cy, r: 6 }));
    }
    this.front.replaceChildren(...over);
    this.gaps.replaceChildren(...this.names.map(([left, top, right, bottom]) => drawn('rect', { x: left, y: top, width: right - left, height: bottom - top })));
  }

  arrows() {
    const { arrows, arrowColors } = this.view.panel;
    return arrows.map(([x, y, toX, toY], i) => {
      const [from, to] = [this.view.toPage([x, y]), this.view.toPage([toX, toY])];
      const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
      const barb = (turn) => [to[0] - 6 * Math.cos(angle + turn), to[1] - 6 * Math.sin(angle + turn)];
      const stroke = arrowColors?.[i] ?? 'currentColor';
      return drawn('path', { class: 'arrow', stroke, d: `M ${path([from, to])} M ${path([barb(0.4), to, barb(-0.4)])}` });
    });
  }

  /** Names, each at the first of its places (and above, on or below it) that no other takes. */
  texts() {
    this.names = [];
    const [width, height] = this.view.size;
    return this.view.owner.namesOn(this.view).flatMap(([name, ...places]) => {
      const half = (LETTER * name.length) / 2;
      for (const [place, below] of places) {
        const [x, at] = this.view.toPage(place);
        const y = at + below * (LINE / 2 + BESIDE_LINE);
        const box = [x - half, y - LINE / 2, x + half, y + LINE / 2];
        if (box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height) continue;
        if (this.names.some((other) => overlap(box, other))) continue;
        this.names.push(box);
        const text = drawn('text', { class: 'name', x: x.toFixed(1), y: (y + 4).toFixed(1) });
        text.textContent = name;
        return [text];
      }
      return [];
    });
  }

  /** Draws what lies over the points into a picture, whose origin is this map's, with `swap` for some colors. */
  copy(pen, paper, swap = {}) {
    const channels = (color) => `rgb(${[1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)).join(', ')})`;
    const others = Object.fromEntries(Object.entries(swap).map(([color, other]) => [channels(color), other]));
    for (const each of this.svg.querySelectorAll('.casing, .contour, .arrow, .lead')) {
      if (each.parentNode.style.display === 'none') continue;
      const { stroke, strokeWidth, strokeDasharray, opacity } = getComputedStyle(each);
      const line = new Path2D();
      line.addPath(new Path2D(each.getAttribute('d')), each.parentNode.transform.baseVal.consolidate()?.matrix);
      Object.assign(pen, { strokeStyle: others[stroke] ?? stroke, lineWidth: parseFloat(strokeWidth), globalAlpha: Number(opacity) });
      pen.setLineDash(strokeDasharray === 'none' ? [] : strokeDasharray.split(',').map(parseFloat));
      pen.stroke(line);
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    for (const each of this.svg.querySelectorAll('.frame')) {
      const { stroke, strokeWidth } = getComputedStyle(each);
      const box = ['x', 'y', 'width', 'height'].map((name) => Number(each.getAttribute(name)));
      Object.assign(pen, { strokeStyle: others[stroke] ?? stroke, lineWidth: parseFloat(strokeWidth) });
      pen.strokeRect(...box);
      pen.drawImage(each.nextSibling, ...box);
    }
    Object.assign(pen, { textAlign: 'center', strokeStyle: paper.background, fillStyle: paper.text, lineWidth: 3, lineJoin: 'round' });
    for (const each of this.svg.querySelectorAll('text')) {
      const { fontWeight, fontSize, fontFamily } = getComputedStyle(each);
      pen.font = `${fontWeight} ${fontSize} ${fontFamily}`;
      for (const write of ['strokeText', 'fillText']) pen[write](each.textContent, Number(each.getAttribute('x')), Number(each.getAttribute('y')));
    }
  }
}

/** Whether two boxes (left, top, right, bottom) are less than `apart` pixels from each other. */
const overlap = (a, b, apart = 0) => a[0] < b[2] + apart && b[0] < a[2] + apart && a[1] < b[3] + apart && b[1] < a[3] + apart;
