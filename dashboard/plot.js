// Draws the Plotly figure that dashboard/plot.py sends, and turns it into the next one when that comes.

// Always the same objects: to Plotly a button with another function is another chart.
const EXPAND = button('Full screen', 'M3 3h7v2H5v5H3zM14 3h7v7h-2V5h-5zM3 14h2v5h5v2H3zM19 14h2v7h-7v-2h5z',
  (drawing) => drawing.parentElement.requestFullscreen());
const CLOSE = button('Close full screen', 'M8 3h2v7H3V8h5zM14 3h2v5h5v2h-7zM3 14h7v7H8v-5H3zM14 14h7v2h-5v5h-2z',
  () => document.exitFullscreen());

function button(title, path, click) {
  return { name: title, title, icon: { width: 24, height: 24, path }, click };
}

/** Drawings with a graphics context, which takes long to set up, by the chart's name: to be shown again. */
const kept = new Map();

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
  constructor(place) {
    this.place = place;
    this.drawing = null; // the element that is Plotly's, inside of the place
    this.received = null; // the text of the last message
    this.said = null; // the message itself
    this.shown = null; // what the drawing is of
    this.turning = 0; // changes that are on their way: an enclosure that they take away is let go by nobody
    this.ended = false;
    this.fit = () => this.said && this.draw();
    this.sizes = new ResizeObserver(this.fit);
    this.sizes.observe(place);
    place.addEventListener('fullscreenchange', this.fit);
    this.heard = {
      plotly_click: (event) => this.pick(event.points.slice(0, 1)),
      plotly_selected: (event) => event && this.pick(event.points),
      plotly_deselect: () => this.pick([]),
    };
  }

  receive(text) {
    if (text === this.received) return;
    this.received = text;
    this.said = JSON.parse(text);
    this.place.setAttribute('aria-label', this.said.alt);
    this.place.style.height = `${this.said.figure.layout.height}px`; // nothing jumps when the figure comes
    this.draw();
  }

  /** Draws what was said last, or fits it into another size; while Plotly is still away, or nobody sees it, later. */
  async draw() {
    this.Plotly ??= await plotly(this.said.plotly);
    const { place, said, shown } = this;
    const full = document.fullscreenElement === place;
    const width = place.clientWidth;
    const height = full ? place.clientHeight : said.figure.layout.height;
    if (this.ended || !width) return;
    this.shown = { said, full, width, height };
    if (shown?.said === said && shown.full === full) {
      if (shown.width !== width || shown.height !== height) this.Plotly.relayout(this.drawing, { width, height });
      return;
    }
    // What Plotly computes it writes into what it is given: each drawing begins from what was said.
    const { data, layout } = structuredClone(said.figure);
    const font = { family: getComputedStyle(place).fontFamily, ...layout.font };
    Object.assign(layout, { font, width, height });
    const drawing = (this.drawing ??= this.begin());
    this.turning += 1;
    try {
      await this.Plotly.react(drawing, data, layout, this.menu(full));
    } finally {
      this.turning -= 1;
    }
    if (!shown) Object.entries(this.heard).forEach(([event, act]) => drawing.on(event, act));
  }

  begin() {
    const drawing = kept.get(this.said.name) ?? document.createElement('div');
    kept.delete(this.said.name);
    this.place.append(drawing);
    return drawing;
  }

  menu(full) {
    return {
      displaylogo: false,
      showSendToCloud: false, // a button would send the data to another server
      displayModeBar: true, // else only a mouse finds it
      scrollZoom: false,
      toImageButtonOptions: { format: 'png', scale: 2, filename: this.said.name },
      modeBarButtonsToAdd: [full ? CLOSE : EXPAND],
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
    this.place.removeEventListener('fullscreenchange', this.fit);
    const { drawing } = this;
    if (!drawing) return;
    Object.entries(this.heard).forEach(([event, act]) => drawing.removeListener?.(event, act));
    drawing.remove();
    if (drawing.data?.some((trace) => trace.type === 'scattergl')) kept.set(this.said.name, drawing);
    else this.Plotly.purge(drawing);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  // Called again with every message; the chart is the same as long as its place on the page is.
  const chart = (parentElement.__probingChart ??= new Chart(parentElement.querySelector('.probing-plot')));
  chart.send = setTriggerValue;
  chart.receive(new TextDecoder().decode(data));
  return () => chart.end();
}
