// Shows the pictures of the point that the pointer rests on; hover.py sends of which chart, and where they are.

class Hover {
  constructor(root) {
    this.root = root;
    this.wanted = null;
    this.enter = (event) => this.want(event);
    this.leave = () => {
      this.wanted = null;
      clearTimeout(this.timer);
      if (this.root.matches(':popover-open')) this.root.hidePopover();
    };
    this.drawn = () => this.attach(); // the chart may be drawn after this component, and again later
    document.addEventListener('probing-drawn', this.drawn);
    this.pointed = ({ target, detail }) => { // on a map that draws every point (point_map.js)
      if (!target.closest(`.st-key-chart-${this.data.chart}`)) return;
      if (detail) this.want({ points: [{ customdata: detail.sample }], event: detail });
      else this.leave();
    };
    document.addEventListener('probing-point', this.pointed);
  }

  receive(data) {
    this.data = data;
    this.attach();
  }

  attach() {
    const found = document.querySelector(`.st-key-chart-${this.data.chart} .js-plotly-plot`);
    if (found === this.chart || !found?.on) return;
    this.chart = found;
    found.on('plotly_hover', this.enter);
    found.on('plotly_unhover', this.leave);
  }

  want({ points, event }) {
    const sample = points?.[0]?.customdata;
    if (typeof sample !== 'number') return;
    const wanted = `${this.data.folder}/${sample}`;
    if (wanted !== this.wanted) this.leave(); // pictures of another point
    this.wanted = wanted;
    this.x = event.clientX;
    this.y = event.clientY;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(this.wanted), this.data.rest);
  }

  async show(wanted) {
    const pictures = this.data.which.map((which) => {
      const picture = document.createElement('img');
      picture.src = new URL(`${wanted}/${which}`, document.baseURI);
      picture.alt = which;
      return picture;
    });
    const there = await Promise.all(pictures.map((picture) => picture.decode().then(() => true, () => false)));
    if (this.wanted !== wanted || !there.every(Boolean)) return;
    this.root.replaceChildren(...pictures);
    this.root.style.left = `${Math.min(this.x + 16, window.innerWidth - 260)}px`;
    this.root.style.top = `${Math.max(8, Math.min(this.y + 22, window.innerHeight - 140))}px`;
    if (!this.root.matches(':popover-open')) this.root.showPopover(); // above everything, a chart in full screen too
  }

  end() {
    document.removeEventListener('probing-drawn', this.drawn);
    document.removeEventListener('probing-point', this.pointed);
    this.chart?.removeListener?.('plotly_hover', this.enter);
    this.chart?.removeListener?.('plotly_unhover', this.leave);
    this.leave();
  }
}

export default function ({ data, parentElement }) {
  // Called again with every message.
  const hover = (parentElement.__probingHover ??= new Hover(parentElement.querySelector('.probing-hover')));
  hover.receive(data);
  return () => {
    if (!parentElement.isConnected) hover.end(); // else a later message has taken over
  };
}
