// The figure of maps: fetches the points that point_map.py names, and sends what was enclosed or clicked.

const REST_MS = 120; // how long the pointer rests before the server is asked what it is on
const ADVICE_MS = 1500; // after the last turn of the wheel
const UNSEEN_MS = 500; // after which maps out of sight are drawn, too, once the page has nothing else to do
const ZOOM_KEY = /Mac/.test(navigator.platform) ? '⌘' : 'Ctrl';
const LEGEND = 200; // pixels of the legend beside the maps of a picture, and of one of its lines
const ENTRY = 20;
const TOOLS = [
  ['pan', 'Move', 'M12 2l3 3h-2v6h6V9l3 3-3 3v-2h-6v6h2l-3 3-3-3h2v-6H5v2l-3-3 3-3v2h6V5H9z'],
  ['lasso', 'Lasso', 'M12 4C6 4 2 7 2 10.500c0 2 1.500 4 4 5L5 20l2 .5 1-4.300c1.300.2 2.600.3 4 .3 6 0 10-2.500 10-6S18 4 12 4zm0 10.500c-5 0-8-2-8-4S7 6 12 6s8 2 8 4.500-3 4-8 4z'],
  ['box', 'Box', 'M3 3h4v2H5v2H3zM9 3h6v2H9zM17 3h4v4h-2V5h-2zM3 9h2v6H3zM19 9h2v6h-2zM3 17h2v2h2v2H3zM9 19h6v2H9zM19 17h2v4h-4v-2h2z'],
];
const ACTIONS = [
  ['closer', 'Zoom in', 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z'],
  ['wider', 'Zoom out', 'M5 11h14v2H5z'],
  ['home', 'Show all', 'M12 3 3 11h3v9h5v-6h2v6h5v-9h3z'],
  ['copy', 'Copy as a picture', ICONS.copy],
  ['save', 'Download as a PNG', ICONS.save],
  ['full', 'Full screen', 'M3 3h7v2H5v5H3zM14 3h7v7h-2V5h-5zM3 14h2v5h5v2H3zM19 14h2v7h-7v-2h5z'],
];

function button([name, title, path], act) {
  const icon = drawn('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' });
  icon.append(drawn('path', { d: path }));
  const made = element('button', { type: 'button', title, 'aria-label': title, 'data-val': name }, icon);
  made.addEventListener('click', act);
  return made;
}

async function fetched(address, kind) {
  const answer = await fetch(new URL(address, document.baseURI));
  if (!answer.ok) throw new Error(await answer.text());
  return new kind(await answer.arrayBuffer());
}

class PointMap {
  constructor(root) {
    this.root = root;
    this.tool = 'pan';
    this.layers = new Layers();
    this.views = [];
    this.hidden = new Set();
    this.label = element('div', { class: 'label', hidden: '' });
    const tools = element('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Tools of the map' });
    this.tools = TOOLS.map((each) => button(each, () => this.take(each[0])));
    tools.append(...this.tools, ...ACTIONS.map((each) => button(each, () => this.act(each[0]))));
    this.field = element('div', { class: 'maps' });
    this.legend = element('div', { class: 'legend', role: 'group', 'aria-label': 'Legend: hides and shows points' });
    root.append(tools, element('div', { class: 'body' }, this.field, this.legend), this.label);
    this.take('pan');
    this.changes = this.turn();
  }

  /** Until the maps are in sight, or the page is at rest: what a visitor sees first is drawn first. */
  turn() {
    return new Promise((begin) => {
      this.sight = new IntersectionObserver((changes) => changes.at(-1).isIntersecting && begin());
      this.sight.observe(this.root);
      this.unseen = setTimeout(() => (window.requestIdleCallback ?? setTimeout)(begin), UNSEEN_MS);
    });
  }

  receive(text) {
    if (text === this.received) return;
    this.received = text;
    const message = JSON.parse(text);
    const count = message.panels.length;
    // Nothing jumps when the maps come: two stand side by side, on a phone one below the other.
    const room = { height: `${message.height}px`, rows: Math.ceil(count / 2), panels: count };
    for (const [name, value] of Object.entries(room)) this.root.style.setProperty(`--${name}`, value);
    this.changes = this.changes.then(() => this.change(message, text));
  }

  async change(message, text) {
    if (text !== this.received || this.ended) return; // another has come meanwhile
    try {
      // From then on the legend is the visitor's: what comes back of it may be older than the last click.
      if (message.coloring !== this.message?.coloring) this.hidden = new Set(message.hidden);
      this.message = message;
      this.root.setAttribute('aria-label', message.alt);
      await this.layers.begin(new URL(message.renderer, document.baseURI));
      const addresses = message.panels.map((panel) => panel.address).join();
      if (addresses !== this.addresses) await this.rebuild(message.panels);
      if (!this.isThere) return;
      this.addresses = addresses;
      this.codes = await Promise.all(message.panels.map((p) => fetched(`${p.address}/${message.coloring}`, Uint8Array)));
      if (!this.isThere) return;
      this.views.forEach((view, i) => view.describe(message.panels[i]));
      this.list();
      await this.paint();
      this.root.querySelector('[role=alert]')?.remove();
      this.root.dispatchEvent(new CustomEvent('probing-drawn', { bubbles: true, composed: true }));
    } catch (error) {
      this.received = this.addresses = null; // the next message tries again
      console.error(error);
      this.alert(`This map could not be drawn: ${error.message}. Reload the page to try again.`);
    }
  }

  async rebuild(panels) {
    this.pointed(null, null);
    const same = this.views.length === panels.length && panels.every((p, i) => p.title === this.views[i].title);
    if (same && (await this.moved(panels))) return;
    for (const view of this.views) view.end();
    const before = same ? this.views.map(({ view, atHome }) => ({ view, atHome })) : [];
    this.views = panels.map((_, index) => new View(this, index));
    this.field.replaceChildren(...this.views.map((view) => view.figure));
    this.field.classList.toggle('several', panels.length > 1);
    const positions = await Promise.all(panels.map((p) => fetched(`${p.address}/positions`, Float32Array)));
    if (!this.isThere) return;
    this.views.forEach((view, i) => {
      const layer = this.layers.make(view.canvas);
      layer.load(positions[i]);
      Object.assign(view, { title: panels[i].title, order: panels[i].order, positions: positions[i] });
      view.begin(layer);
      if (before[i] && !before[i].atHome) Object.assign(view, { atHome: false }).look(before[i].view);
    });
    this.root.dataset.drawnWith = this.layers.kind;
  }

  /** Whether the figure is on the page: it may have gone while something was fetched, and has no size then. */
  get isThere() {
    return !this.ended && this.root.isConnected;
  }

  /** Moves the points to another reading of the same samples; returns whether that can be. */
  async moved(panels) {
    const total = panels.reduce((sum, { count }) => sum + count, 0);
    if (total > MOST_MOVED || !panels.every(({ order }, i) => order === this.views[i].order)) return false;
    const positions = await Promise.all(panels.map((p) => fetched(`${p.address}/positions`, Float32Array)));
    this.views.forEach((view, i) => {
      view.positions = positions[i];
      view.layer.move(positions[i]);
    });
    return true;
  }

  /** Draws the points in the page's colors, or in those of `look`. */
  async paint(look = this.message) {
    this.look = look;
    const { colors, background } = look;
    const { panels } = this.message;
    await Promise.all(panels.map(({ selected, count }, i) => {
      const bits = selected === null ? null : Uint8Array.from(atob(selected), (c) => c.charCodeAt(0));
      const codes = this.codes[i];
      const states = new Uint8Array(count);
      let chosen = 0;
      for (let k = 0; k < count; k += 1) {
        const marked = bits !== null && (bits[k >> 3] >> (k & 7)) & 1;
        if (this.hidden.has(codes[k])) states[k] = HIDDEN;
        else states[k] = bits === null ? PLAIN : marked ? CHOSEN : FADED;
        chosen += states[k] === CHOSEN;
      }
      return this.views[i].paint({ codes, states, colors, background, count, chosen });
    }));
    this.root.dataset.points = panels.map((panel) => panel.count).join();
  }

  /** The legend: names that hide and show their points, or the scale of an amount. */
  list() {
    const { names, colors, unit, panels } = this.message;
    if (!names.length) {
      const bar = element('div', { class: 'bar', style: `background: linear-gradient(to top, ${colors.join()})` });
      const words = element('p', {}, ...unit.split('<br>').join(' '));
      const ends = element('div', { class: 'ends' }, element('span', {}, '100'), element('span', {}, '0'));
      this.legend.replaceChildren(words, element('div', { class: 'scale' }, bar, ends));
      this.listed = [];
      return;
    }
    const there = names.map((_, code) => code).filter((code) => panels.some(({ counts }) => counts[code]));
    this.legend.replaceChildren(...there.map((code) => {
      const count = panels.length > 1 ? '' : ` (${panels[0].counts[code].toLocaleString('en')})`;
      const swatch = element('span', { class: 'swatch', style: `background: ${colors[code]}` });
      const entry = element('button', { type: 'button', title: `${names[code]}${count}: click hides or shows, double-click shows it alone` }, swatch, names[code]);
      entry.setAttribute('aria-pressed', String(!this.hidden.has(code)));
      entry.addEventListener('click', () => this.toggle(code));
      entry.addEventListener('dblclick', () => this.isolate(code, there));
      return entry;
    }));
    this.listed = there;
  }

  toggle(code) {
    if (!this.hidden.delete(code)) this.hidden.add(code);
    this.relist();
  }

  isolate(code, there) {
    const alone = there.every((other) => other === code || this.hidden.has(other));
    this.hidden = new Set(alone ? [] : there.filter((other) => other !== code));
    this.relist();
  }

  relist() {
    [...this.legend.children].forEach((entry, i) => entry.setAttribute('aria-pressed', String(!this.hidden.has(this.listed[i]))));
    clearTimeout(this.repaint); // a double-click is three changes
    this.repaint = setTimeout(() => {
      this.paint();
      this.send('filtered', [...this.hidden]);
    }, 300);
  }

  /** The names that stand on a map: of what stands out, beside its contour, and of what is not hidden, where it is densest. */
  namesOn({ panel: { places, nameAt }, painted }) {
    const { names, standing } = this.message;
    const others = places.filter(([code]) => !this.hidden.has(code)).map(([code, ...place]) => [names[code], [place, 0]]);
    return standing && painted?.chosen ? [[standing, [nameAt[0], -1], [nameAt[1], 1]], ...others] : others;
  }

  /** Somebody scrolls the page with the pointer on `view`, and may have meant to zoom. */
  scrolled({ advice }) {
    advice.textContent = `${ZOOM_KEY} and the wheel zoom the map`;
    advice.classList.add('shown');
    clearTimeout(this.advised);
    this.advised = setTimeout(() => advice.classList.remove('shown'), ADVICE_MS);
  }

  take(tool) {
    this.tool = tool;
    this.root.dataset.tool = tool;
    for (const each of this.tools) each.setAttribute('aria-pressed', String(each.dataset.val === tool));
  }

  act(name) {
    if (name === 'closer') this.views.forEach((view) => view.zoom(CLOSER));
    if (name === 'wider') this.views.forEach((view) => view.zoom(1 / CLOSER));
    if (name === 'home') this.views.forEach((view) => view.home());
    if (name === 'copy') shared(copyPicture(this.picture(), this.message.name), (text) => this.note(text));
    if (name === 'save') shared(savePicture(this.picture(), this.message.name), (text) => this.note(text));
    if (name === 'full') document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen();
  }

  enclosed({ index }, corners) {
    this.submit({ panel: index, corners });
  }

  clicked({ index }, at, within) {
    this.submit({ panel: index, at, within });
  }

  submit(what) {
    this.send('enclosed', { ...what, coloring: this.message.coloring, hidden: [...this.hidden] });
  }

  /** The pointer is at `event` over `view`, or over none. */
  pointed(view, event) {
    clearTimeout(this.rest);
    this.asked = null;
    this.label.hidden = true;
    for (const each of this.views) {
      if (!each.ring) continue;
      each.ring = null;
      each.overlay.trace();
    }
    this.show(null);
    if (event) this.rest = setTimeout(() => this.ask(view, event), REST_MS);
  }

  async ask(view, event) {
    const asked = (this.asked = {});
    const [x, y] = view.toMap(view.aimed(event));
    const { panels, coloring } = this.message;
    const query = new URLSearchParams({ x, y, within: NEAR * view.pixel, coloring, hidden: [...this.hidden].join('.') });
    const answer = await fetch(new URL(`${panels[view.index].address}/nearest?${query}`, document.baseURI)).catch(() => null);
    const found = answer?.ok ? await answer.json() : null;
    if (this.asked !== asked || !found) return;
    view.ring = found.at;
    view.overlay.trace();
    const box = this.root.getBoundingClientRect();
    this.label.textContent = found.text;
    this.label.hidden = false;
    this.label.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 12, box.width - this.label.offsetWidth))}px`;
    this.label.style.top = `${event.clientY - box.top - 34}px`;
    this.show({ sample: found.sample, clientX: event.clientX, clientY: event.clientY });
  }

  /** For the pictures under the pointer (hover.js). */
  show(detail) {
    this.root.dispatchEvent(new CustomEvent('probing-point', { bubbles: true, composed: true, detail }));
  }

  /** The maps as they are, with their titles and the legend, in light colors, as a PNG. */
  async picture() {
    const { light, about } = this.message;
    const look = light ?? this.message;
    if (light) await this.paint(light);
    const points = [];
    const smalls = [];
    try {
      for (const { layer, small } of this.views) {
        points.push(await layer.picture(SHARP)); // in turn: they share one renderer
        smalls.push(small.pictures());
      }
    } finally {
      if (light) await this.paint();
    }
    const box = this.field.getBoundingClientRect();
    const font = getComputedStyle(this.root).fontFamily;
    const legend = this.legendOf(look);
    return framed(about, font, box.width + LEGEND + EDGE, Math.max(box.height, legend.high), (pen) => {
      pen.translate(EDGE, 0);
      Object.assign(pen, { font: `13px ${font}`, fillStyle: about.paper.text, strokeStyle: about.paper.muted });
      const placed = (part) => {
        const at = part.getBoundingClientRect();
        return [at.left - box.left, at.top - box.top, at.width, at.height];
      };
      this.views.forEach(({ caption, field, overlay }, i) => {
        const place = placed(field);
        pen.fillText(caption.textContent, place[0], placed(caption)[1] + 14);
        pen.drawImage(points[i], ...place);
        pen.strokeRect(...place);
        pen.save();
        pen.translate(place[0], place[1]);
        pen.beginPath();
        pen.rect(0, 0, place[2], place[3]);
        pen.clip();
        overlay.copy(pen, about.paper, light?.swap);
        pen.restore();
        for (const [canvas, [left, top, wide, high], name] of smalls[i]) {
          pen.drawImage(canvas, left - box.left, top - box.top, wide, high);
          pen.fillText(name, left - box.left, top - box.top + high + 14);
        }
      });
      legend.draw(pen, box.width + 12);
    });
  }

  /** The legend of a picture: its height, and what draws it at `left`. */
  legendOf({ colors }) {
    const { names, unit } = this.message;
    if (names.length) {
      const shown = this.listed.filter((code) => !this.hidden.has(code));
      const draw = (pen, left) => shown.forEach((code, i) => {
        const ink = pen.fillStyle;
        pen.fillStyle = colors[code];
        pen.fillRect(left, 24 + ENTRY * i, 11, 11);
        pen.fillStyle = ink;
        pen.fillText(names[code], left + 18, 34 + ENTRY * i);
      });
      return { high: 24 + ENTRY * shown.length, draw };
    }
    const words = unit.split('<br>');
    const top = 34 + ENTRY * words.length;
    const draw = (pen, left) => {
      words.forEach((line, i) => pen.fillText(line, left, 34 + ENTRY * i));
      pen.fillText('100', left + 18, top + 10);
      pen.fillText('0', left + 18, top + 220);
      const scale = pen.createLinearGradient(0, top + 220, 0, top);
      colors.forEach((color, i) => scale.addColorStop(i / (colors.length - 1), color));
      pen.fillStyle = scale;
      pen.fillRect(left, top, 12, 220);
    };
    return { high: top + 220, draw };
  }

  /** A sentence over the maps, for some seconds. */
  note(text) {
    this.root.querySelector('[role=status]')?.remove();
    const words = element('p', { role: 'status' }, text);
    this.root.append(words);
    setTimeout(() => words.remove(), SHOWN_MS);
  }

  alert(text) {
    if (!this.root.querySelector('[role=alert]')) this.root.prepend(element('p', { role: 'alert' }, text));
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.sight.disconnect();
    clearTimeout(this.unseen);
    this.pointed(null, null);
    for (const view of this.views) view.end();
    this.layers.end();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  // Called again with every message; the figure is the same as long as its place on the page is.
  const map = (parentElement.__probingMap ??= new PointMap(parentElement.querySelector('.probing-map')));
  map.send = setTriggerValue;
  map.receive(new TextDecoder().decode(data));
  return () => {
    if (!parentElement.isConnected) map.end(); // else a later message has taken over
  };
}
