// The strength slider and its pictures: they follow it without asking the server, which is told when it is let go.

class Slider {
  constructor(root) {
    this.get = (selector) => root.querySelector(selector);
    this.amount = this.get('.amount');
    this.before = this.get('.before');
    this.after = this.get('.after');
    this.get('.split').oninput = () => this.divide();
    this.amount.oninput = () => this.show();
    this.amount.onchange = () => this.tell(Number(this.amount.value));
    this.divide();
    shared.sliders.add(this);
  }

  receive(data) {
    const another = data.of !== this.data?.of;
    this.data = data;
    this.shown = null;
    this.get('.name').textContent = data.name;
    this.amount.setAttribute('aria-label', data.name);
    this.amount.max = data.texts.length - 1;
    this.amount.disabled = data.texts.length < 2;
    if (another) this.amount.value = data.index;
    take(data.of, data.told);
  }

  notice(of) {
    if (of === this.data.of) this.show();
  }

  show() {
    const step = Number(this.amount.value);
    const text = this.data.texts[step];
    this.get('output').textContent = text;
    this.amount.setAttribute('aria-valuetext', text);
    const frame = shared.kept.get(this.data.of)?.[step];
    this.get('.strength').classList.toggle('waiting', !frame);
    if (!frame) shared.hurry?.();
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
    this.subtract(frame);
  }

  divide() {
    const { value } = this.get('.split');
    this.after.style.clipPath = `inset(0 0 0 ${value}%)`;
    this.get('.divider').style.left = `${value}%`;
  }

  async subtract(frame) {
    const { before, after } = this;
    await Promise.all([before.decode(), after.decode()]).catch(() => {});
    if (frame !== this.shown) return;
    const canvas = this.get('canvas');
    const side = (canvas.width = canvas.height = before.naturalWidth || 1);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const [a, b] = [before, after].map((picture) => {
      context.drawImage(picture, 0, 0);
      return context.getImageData(0, 0, side, side);
    });
    for (let i = 0; i < a.data.length; i += 1) {
      if (i % 4 < 3) a.data[i] = Math.min(255, 4 * Math.abs(a.data[i] - b.data[i]));
    }
    context.putImageData(a, 0, 0);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  // Called again with every message; the slider is the same as long as its place on the page is.
  const slider = (parentElement.__probingSlider ??= new Slider(parentElement));
  slider.tell = (step) => setStateValue('index', step);
  slider.receive(data);
  return () => {
    if (!parentElement.isConnected) shared.sliders.delete(slider); // else a later message has taken over
  };
}
