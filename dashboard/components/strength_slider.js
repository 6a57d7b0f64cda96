// The strength slider and its pictures: they follow it without asking the server, which gets the step on release.

const REST_MS = 400; // the page comes first

class Slider {
  constructor(root) {
    this.get = (selector) => root.querySelector(selector);
    this.amount = this.get('.amount');
    this.before = this.get('.before');
    this.after = this.get('.after');
    this.frames = []; // of each step what is shown, as far as it is here
    this.get('.split').oninput = () => this.divide();
    this.amount.oninput = () => this.show();
    this.amount.onchange = () => this.send(Number(this.amount.value));
    this.divide();
  }

  receive(data) {
    const another = data.address !== this.data?.address;
    this.data = data;
    this.get('.name').textContent = data.name;
    this.amount.setAttribute('aria-label', data.name);
    this.get('.legend').textContent = data.legend;
    this.amount.max = data.labels.length - 1;
    this.amount.disabled = data.labels.length < 2;
    // The middle of the slider's knob goes from 8 pixels on to 8 pixels before the end.
    this.get('.learned').style.left = `calc(8px + (100% - 16px) * ${data.learned})`;
    if (another) {
      this.amount.value = data.index;
      this.frames = [];
      this.rest = setTimeout(() => this.fetch(), REST_MS);
    }
    this.take(data.first);
  }

  take({ clean, frames }) {
    for (const { step, before, ...frame } of frames) this.frames[step] ??= { before: clean[before], ...frame };
    this.show();
  }

  /** All steps, once. Where that fails, each still comes when the slider is released. */
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
    this.get('.invite').hidden = step > 0 || !this.data.begins_untouched;
    const frame = this.frames[step];
    this.get('.strength').classList.toggle('waiting', !frame);
    this.get('.strength').setAttribute('aria-busy', String(!frame));
    if (!frame) {
      this.shown = null;
      this.get('dl').replaceChildren(); // numbers of another strength
      this.fetch();
    }
    if (!frame || frame === this.shown) return;
    this.shown = frame;
    this.before.src = frame.before;
    this.after.src = frame.after;
    this.get('dl').replaceChildren(...Object.entries(frame.numbers).flatMap(([label, value]) => {
      const term = document.createElement('dt');
      const detail = document.createElement('dd');
      term.textContent = label;
      term.title = this.data.hints[label];
      detail.textContent = value;
      return [term, detail];
    }));
  }

  divide() {
    const { value } = this.get('.split');
    this.after.style.clipPath = `inset(0 0 0 ${value}%)`;
    this.get('.divider').style.left = `${value}%`;
    this.get('.split').style.setProperty('--at', value / 100);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  // Called again with every message; the slider is the same as long as its place on the page is.
  const slider = (parentElement.__probingSlider ??= new Slider(parentElement));
  slider.send = (step) => setStateValue('index', step);
  slider.receive(data);
  return () => {
    if (!parentElement.isConnected) clearTimeout(slider.rest); // else a later message has taken over
  };
}
