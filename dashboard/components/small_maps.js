// A small map for each name of the legend: its points over all others, which are gray.

const SIDE = 192; // pixels of its drawing, about twice those on the page
const GRAY = 0.22; // share of the text's color in that of the others' points

class SmallMaps {
  constructor(view) {
    this.view = view;
    this.place = element('div', { class: 'small', role: 'group', hidden: '' });
  }

  paint() {
    const { view } = this;
    const { message, look, listed, hidden } = view.owner;
    this.place.hidden = !message.small || !listed.length;
    if (this.place.hidden) return this.place.replaceChildren();
    if (this.drawn?.positions !== view.positions || this.drawn.codes !== view.painted.codes || this.drawn.colors !== look.colors) this.draw();
    const alone = listed.filter((code) => !hidden.has(code));
    for (const [i, each] of [...this.place.children].entries()) {
      each.setAttribute('aria-pressed', String(alone.length === 1 && alone[0] === listed[i]));
      each.classList.toggle('off', hidden.has(listed[i]));
    }
  }

  /** The small maps as they are now: the drawing, its place in the window, and the name of each. */
  pictures() {
    return [...this.place.children].map((button) => {
      const shown = button.querySelector('canvas');
      const { left, top, width, height } = shown.getBoundingClientRect();
      return [shown, [left, top, width, height], button.textContent];
    });
  }

  draw() {
    const { positions, painted: { codes }, owner: { message, look, listed }, panel } = this.view;
    this.drawn = { positions, codes, colors: look.colors };
    const paper = look.background;
    const ink = isDark(paper) ? '#ffffff' : '#000000';
    const dot = codes.length > 100000 ? 1 : codes.length > 2000 ? 2 : 4;
    const first = new Int32Array(codes.length); // of a point's pixels
    for (let i = 0; i < codes.length; i += 1) {
      const across = Math.round(((positions[2 * i] + 1) / 2) * (SIDE - dot));
      const down = Math.round(((1 - positions[2 * i + 1]) / 2) * (SIDE - dot));
      first[i] = down * SIDE + across;
    }
    const put = (pixels, at, color) => {
      for (let row = 0; row < dot; row += 1) pixels.fill(color, at + row * SIDE, at + row * SIDE + dot);
    };
    const others = new Uint32Array(SIDE * SIDE);
    const gray = mixed(ink, paper, GRAY);
    for (let i = 0; i < codes.length; i += 1) put(others, first[i], gray);
    const images = new Map(listed.map((code) => [code, new ImageData(SIDE, SIDE)]));
    const pixels = new Map([...images].map(([code, image]) => [code, new Uint32Array(image.data.buffer)]));
    for (const each of pixels.values()) each.set(others);
    const own = look.colors.map((color) => mixed(color, paper, 1));
    for (let i = 0; i < codes.length; i += 1) put(pixels.get(codes[i]), first[i], own[codes[i]]);
    this.place.setAttribute('aria-label', `Small maps of ${panel.title}: a click shows one alone on the map`);
    this.place.replaceChildren(...listed.map((code) => {
      const canvas = element('canvas', { width: SIDE, height: SIDE, 'aria-hidden': 'true' });
      canvas.getContext('2d').putImageData(images.get(code), 0, 0);
      const count = panel.counts[code].toLocaleString('en');
      const title = `${message.names[code]}, ${count} points: a click shows them alone on the map, another shows all`;
      const button = element('button', { type: 'button', title }, canvas, message.names[code]);
      button.addEventListener('click', () => this.view.owner.isolate(code, listed));
      return button;
    }));
  }
}

const isDark = (color) => [1, 3, 5].reduce((sum, at) => sum + parseInt(color.slice(at, at + 2), 16), 0) < 384;
