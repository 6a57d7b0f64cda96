// Draws the Plotly figure that dashboard/plot.py sends, and turns it into the next one when that comes.

const EXPAND = {
  width: 24, height: 24,
  path: 'M3 3h7v2H5v5H3zM14 3h7v7h-2V5h-5zM3 14h2v5h5v2H3zM19 14h2v7h-7v-2h5z',
};
const CLOSE = {
  width: 24, height: 24,
  path: 'M8 3h2v7H3V8h5zM14 3h2v5h5v2h-7zM3 14h7v7H8v-5H3zM14 14h7v2h-5v5h-2z',
};

/** Plotly, once for the page: a module cannot import it, since it is written as a plain script. */
function plotly(name) {
  const address = new URL(name, document.baseURI); // beside the pages, whatever folder a server has them in
  window.__probingPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = address;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.__probingPlotly = undefined; // the next chart tries again
      reject(new Error(`Plotly could not be loaded from ${address}.`));
    };
    document.head.append(script);
  });
  return window.__probingPlotly;
}

class Chart {
  constructor(root) {
    this.root = root;
    this.received = null; // the text of the last message
    this.said = null; // the message itself
    this.shown = null; // what the drawing is of
    this.turning = 0; // changes that are on their way: an enclosure that they take away is let go by nobody
    this.ended = false;
    this.fit = () => this.said && this.draw();
    this.sizes = new ResizeObserver(this.fit);
    this.sizes.observe(root);
    root.addEventListener('fullscreenchange', this.fit);
  }

  receive(text) {
    if (text === this.received) return;
    this.received = text;
    this.said = JSON.parse(text);
    this.root.setAttribute('aria-label', this.said.alt);
    this.root.style.height = `${this.said.figure.layout.height}px`; // nothing jumps when the figure comes
    this.draw();
  }

  /** Draws what was said last, or fits it into another size; while Plotly is still away, or nobody sees it, later. */
  async draw() {
    this.Plotly ??= await plotly(this.said.plotly);
    const { root, said } = this;
    const full = document.fullscreenElement === root;
    const width = root.clientWidth;
    const height = full ? root.clientHeight : said.figure.layout.height;
    if (this.ended || !width) return;
    const { shown } = this;
    this.shown = { said, full, width, height };
    if (shown?.said === said && shown.full === full) {
      if (shown.width !== width || shown.height !== height) this.Plotly.relayout(root, { width, height });
      return;
    }
    // What Plotly computes it writes into what it is given: each drawing begins from what was said.
    const { data, layout } = structuredClone(said.figure);
    const font = { family: getComputedStyle(root).fontFamily, ...layout.font };
    Object.assign(layout, { font, width, height });
    // With another configuration, Plotly begins anew; functions in it are never the same.
    const menu = shown?.full === full ? undefined : this.menu(full);
    if (shown) {
      this.turning += 1;
      try {
        await this.Plotly.react(root, data, layout, menu);
      } finally {
        this.turning -= 1;
      }
      return;
    }
    await this.Plotly.newPlot(root, data, layout, menu);
    root.on('plotly_click', (event) => this.pick(event.points.slice(0, 1)));
    root.on('plotly_selected', (event) => event && this.pick(event.points));
    root.on('plotly_deselect', () => this.pick([]));
  }

  menu(full) {
    const title = full ? 'Close full screen' : 'Full screen';
    const click = () => (full ? document.exitFullscreen() : this.root.requestFullscreen());
    return {
      displaylogo: false,
      showSendToCloud: false, // a button would send the data to another server
      displayModeBar: true, // else only a mouse finds it
      scrollZoom: false,
      toImageButtonOptions: { format: 'png', scale: 2, filename: this.said.name },
      modeBarButtonsToAdd: [{ name: title, title, icon: full ? CLOSE : EXPAND, click }],
      modeBarButtonsToRemove: ['autoScale2d', ...(this.said.tools ? [] : ['select2d', 'lasso2d'])],
    };
  }

  pick(points) {
    if (!this.said.picks || this.turning) return;
    this.send('picked', points.map((point) => point.customdata).filter((carried) => carried !== undefined));
  }

  end() {
    this.ended = true;
    this.sizes.disconnect();
    this.root.removeEventListener('fullscreenchange', this.fit);
    if (this.shown) this.Plotly.purge(this.root);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  // Called again with every message; the chart is the same as long as its place on the page is.
  const chart = (parentElement.__probingChart ??= new Chart(parentElement.querySelector('.probing-plot')));
  chart.send = setTriggerValue;
  chart.receive(new TextDecoder().decode(data));
  return () => chart.end();
}
