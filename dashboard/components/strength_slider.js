// The strength slider and its images. The images follow the slider; the server receives the step on release.

const REST_MS = 400; // delay before the other steps are fetched, so that the page loads first
const KNOB_PX = 16;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ARROW_STEP = 0.03; // fraction of the image's side

class Slider {
  constructor(root) {
    this.get = (selector) => root.querySelector(selector);
    this.all = (selector) => root.querySelectorAll(selector);
    this.amount = this.get('.amount');
    this.frames = []; // images and numbers of the steps that have arrived
    this.amount.oninput = () => this.show();
    this.amount.onchange = () => this.send(Number(this.amount.value));
    const views = this.get('.views');
    views.onkeydown = (event) => this.moveByKey(event);
    for (const view of this.all('.view')) view.onpointermove = view.onpointerdown = (event) => this.point(event);
    requestAnimationFrame(() => this.showTop());
  }

  /** Scroll to the top if the slider is above the window. A page opened from a list keeps its scroll position. */
  showTop() {
    if (this.amount.getBoundingClientRect().bottom < 0) document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0);
  }

  receive(data) {
    const changed = data.address !== this.data?.address;
    this.data = data;
    this.get('.name').textContent = data.name;
    this.amount.setAttribute('aria-label', data.name);
    this.get('.legend').textContent = data.legend;
    this.amount.max = data.labels.length - 1;
    this.amount.disabled = data.labels.length < 2;
    this.get('.trained').style.left = alongSlider(data.trained);
    this.get('.ticks').replaceChildren(...data.ticks.map(({ at, text }) => {
      const tick = document.createElement('span');
      tick.style.left = alongSlider(at);
      tick.textContent = text;
      return tick;
    }));
    const mark = this.get('.mark');
    mark.hidden = !data.mark;
    if (data.mark) {
      mark.style.left = alongSlider(data.mark.at);
      this.get('.mark-text').textContent = data.mark.text;
    }
    this.get('.mark-text').hidden = !data.mark;
    for (const caption of this.all('.zoom')) caption.textContent = `magnified ${data.zoom}×`;
    if (changed) {
      this.amount.value = data.index;
      this.frames = [];
      this.rest = setTimeout(() => this.fetch(), REST_MS);
      this.magnify(...data.focus);
    }
    this.take(data.first);
  }

  take({ clean, frames }) {
    for (const { step, before, ...frame } of frames) this.frames[step] ??= { before: clean[before], ...frame };
    this.show();
  }

  /** Fetch all steps once. If this fails, each step still arrives when the slider is released. */
  async fetch() {
    const { address } = this.data;
    clearTimeout(this.rest);
    if (this.asked === address) return;
    this.asked = address;
    const answer = await fetch(new URL(address, document.baseURI)).catch(() => null);
    const steps = answer?.ok ? await answer.json() : null;
    if (steps && address === this.data.address) this.take(steps);
  }

  show() {
    const step = Number(this.amount.value);
    const text = this.data.labels[step];
    this.amount.style.setProperty('--at', step / Math.max(1, this.data.labels.length - 1));
    this.get('output').textContent = text;
    this.amount.setAttribute('aria-valuetext', text);
    const frame = this.frames[step];
    this.get('.strength').classList.toggle('waiting', !frame);
    this.get('.strength').setAttribute('aria-busy', String(!frame));
    if (!frame) {
      this.shown = null;
      this.get('dl').replaceChildren(); // the numbers belong to another strength
      this.fetch();
    }
    if (!frame || frame === this.shown) return;
    this.shown = frame;
    for (const image of this.all('img.original')) image.src = frame.before;
    for (const image of this.all('img.transformed')) image.src = frame.after;
    this.get('dl').replaceChildren(...Object.entries(frame.numbers).flatMap(([label, value]) => {
      const term = document.createElement('dt');
      const detail = document.createElement('dd');
      term.textContent = label;
      term.title = this.data.hints[label];
      detail.textContent = value;
      return [term, detail];
    }));
  }

  /** Magnify the region around (x, y), which are fractions of the image's side. */
  magnify(x, y) {
    const side = 1 / this.data.zoom;
    const inside = (at) => Math.min(1 - side / 2, Math.max(side / 2, at));
    this.focus = [inside(x), inside(y)];
    const [left, top] = this.focus.map((at) => at - side / 2);
    for (const region of this.all('.region')) {
      region.style.left = `${100 * left}%`;
      region.style.top = `${100 * top}%`;
      region.style.width = region.style.height = `${100 * side}%`;
    }
    for (const image of this.all('.lens img')) {
      image.style.width = image.style.height = `${100 * this.data.zoom}%`;
      image.style.left = `${-100 * this.data.zoom * left}%`;
      image.style.top = `${-100 * this.data.zoom * top}%`;
    }
  }

  point(event) {
    const box = event.currentTarget.getBoundingClientRect();
    this.magnify((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  moveByKey(event) {
    const move = ARROWS[event.key];
    if (!move) return;
    event.preventDefault(); // Prevent scrolling of the page.
    this.magnify(this.focus[0] + ARROW_STEP * move[0], this.focus[1] + ARROW_STEP * move[1]);
  }
}

/** Return the CSS position of a fraction of the slider. The center of the knob does not reach the ends. */
function alongSlider(fraction) {
  return `calc(${KNOB_PX / 2}px + (100% - ${KNOB_PX}px) * ${fraction})`;
}

export default function ({ data, parentElement, setStateValue }) {
  // This function is called for every message. The slider is kept while its element stays on the page.
  const slider = (parentElement.__probingSlider ??= new Slider(parentElement));
  slider.send = (step) => setStateValue('index', step);
  slider.receive(data);
  return () => {
    if (!parentElement.isConnected) clearTimeout(slider.rest); // otherwise, a later message still uses the slider
  };
}
