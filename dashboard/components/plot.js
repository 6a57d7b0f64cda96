// Draws the Plotly figure that dashboard/plot.py sends, and turns it into the next one when that comes.

// Always the same objects: to Plotly a button with another function is another chart.
const FULL_SCREEN = {
  name: 'Full screen',
  title: 'Full screen',
  icon: { width: 24, height: 24, path: 'M3 3h7v2H5v5H3zM14 3h7v7h-2V5h-5zM3 14h2v5h5v2H3zM19 14h2v7h-7v-2h5z' },
  click: (drawing) => (document.fullscreenElement ? document.exitFullscreen() : drawing.parentElement.requestFullscreen()),
};

const SHARP = 2; // pixels of a saved picture for each on the page
const SCREEN = window.devicePixelRatio > 1 ? SHARP : 1; // for good: with another one Plotly begins every chart anew
const SAVE = {
  name: 'Download plot as a PNG',
  title: 'Download plot as a PNG',
  icon: { width: 24, height: 24, path: 'M9 3 7.2 5H4a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2h-3.2L15 3zM12 8a5 5 0 1 1 0 10 5 5 0 0 1 0-10z' },
  click: ({ data, layout, chart, _context: shown }) => {
    const config = { ...shown, plotGlPixelRatio: SHARP };
    window.Plotly.downloadImage({ data, layout, config }, { ...shown.toImageButtonOptions }).catch((error) => {
      console.error(error);
      chart?.say(`This picture could not be saved: ${error.message ?? error}.`);
    });
  },
};

/** Drawings that are not shown, by the chart's name, the last one last: turning one into the next takes less. */
const kept = new Map();
const MOST_KEPT = 12; // each is thousands of elements, and a map two of the sixteen graphics contexts of a browser

function keep(drawing) {
  if (kept.has(drawing.name)) window.Plotly.purge(kept.get(drawing.name));
  kept.delete(drawing.name);
  kept.set(drawing.name, drawing);
  if (kept.size <= MOST_KEPT) return;
  const [oldest] = kept.values();
  kept.delete(oldest.name);
  window.Plotly.purge(oldest);
}

const REST_MS = 500; // most of a page arrives faster than this
const AHEAD_MS = 1500; // the page that is in sight comes first
const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 100)); // Safari has none

/** Charts out of sight: drawn one by one when the page is at rest, so that what is in sight is there first. */
const later = {
  charts: new Set(),
  add(chart) {
    this.charts.add(chart);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.next(), REST_MS);
  },
  next() {
    if (this.charts.size) whenIdle(() => this.draw(), { timeout: REST_MS });
  },
  async draw() {
    const [chart] = this.charts;
    this.charts.delete(chart);
    await chart?.draw();
    this.next();
  },
};

/** Plotly, once for the page: a module cannot import it, since it is written as a plain script. */
function plotly(name) {
  const address = new URL(name, document.baseURI); // beside the pages, whatever folder a server has them in
  window.__probingPlotly ??= new Promise((resolve, reject) => {
    const fail = () => {
      window.__probingPlotly = undefined; // the next drawing tries again
      reject(new Error(`Plotly could not be loaded from ${address}`));
    };
    const script = document.createElement('script');
    script.src = address;
    script.onload = () => {
      if (!window.Plotly) return fail();
      hasten(window.Plotly);
      return resolve(window.Plotly);
    };
    script.onerror = fail;
    document.head.append(script);
  });
  return window.__probingPlotly;
}

/**
 * Plotly looks through all attributes of a trace's type for what may be an array, once more for every trace: half of
 * the time of a map with a trace for each category. Traces that have arrays in the same places share the answer.
 */
function hasten({ PlotSchema }) {
  const search = PlotSchema.findArrayAttributes;
  const answers = new Map();
  PlotSchema.findArrayAttributes = (trace) => {
    if (!['scatter', 'scattergl'].includes(trace.type)) return search(trace); // others may have lists of objects
    const places = `${trace.type} ${arraysIn(trace)}`;
    if (!answers.has(places)) answers.set(places, search(trace));
    return [...answers.get(places)];
  };
}

/** The names of what is an array in `container`, a trace or a part of one; what begins with _ is Plotly's own. */
function arraysIn(container) {
  return Object.entries(container).flatMap(([name, value]) => {
    if (name.startsWith('_') || typeof value !== 'object' || !value) return [];
    if (Array.isArray(value) || ArrayBuffer.isView(value)) return [name];
    return arraysIn(value).map((inner) => `${name}.${inner}`);
  });
}

/** Draws where nobody sees it what a later page begins with: its drawing is there to be turned into that. */
async function prepare(said) {
  const drawing = document.createElement('div');
  try {
    const Plotly = await plotly(said.plotly);
    await new Promise((rested) => setTimeout(() => whenIdle(rested), AHEAD_MS));
    if (kept.has(said.name) || document.querySelector('.probing-plot canvas')) return;
    drawing.style.cssText = 'position: fixed; visibility: hidden';
    document.body.append(drawing);
    const page = document.querySelector('.stMainBlockContainer > .stVerticalBlock');
    const { data, layout } = fitted(said.figure, page, page.clientWidth, said.figure.layout.height);
    await Plotly.newPlot(drawing, data, layout, menu(said));
    drawing.name = said.name;
    keep(drawing);
  } catch (error) {
    console.warn(error); // nobody misses it
  } finally {
    drawing.remove();
    drawing.style.cssText = '';
  }
}

/** `figure` in this size, in the font of `place`, with room for its labels. */
function fitted({ data, layout }, place, width, height) {
  Object.assign(layout, { font: { family: getComputedStyle(place).fontFamily, ...layout.font }, width, height });
  layout.margin = marginsOf({ data, layout }, width);
  return { data, layout };
}

/** Plotly begins a chart anew when this changes. */
function menu({ name, tools }) {
  return {
    displaylogo: false,
    showSendToCloud: false, // a button would send the data to another server
    displayModeBar: true, // else only a mouse finds it
    scrollZoom: false,
    plotGlPixelRatio: SCREEN, // twice as many is four times the work
    toImageButtonOptions: { format: 'png', scale: SHARP, filename: name },
    modeBarButtonsToAdd: [SAVE, ...(document.fullscreenEnabled ? [FULL_SCREEN] : [])],
    modeBarButtonsToRemove: ['toImage', 'autoScale2d', ...(tools ? [] : ['select2d', 'lasso2d'])],
  };
}

class Chart {
  constructor(place) {
    this.place = place;
    this.drawing = null; // the element that is Plotly's, inside of the place
    this.received = null; // the text of the last message, unless it could not be drawn
    this.said = null; // the message itself
    this.figure = null; // what it has to draw, until Plotly has it
    this.shown = null; // what the drawing is of
    this.turning = 0; // changes that are on their way: an enclosure that they take away is let go by nobody
    this.turns = 0;
    this.ended = false;
    this.seen = false;
    this.sizes = new ResizeObserver(() => this.want());
    this.sizes.observe(place); // full screen is another size
    this.sight = new IntersectionObserver((changes) => {
      this.seen = changes.at(-1).isIntersecting;
      if (this.seen) this.want();
    });
    this.sight.observe(place);
  }

  receive(text) {
    if (text === this.received) return;
    this.received = this.text = text;
    const said = JSON.parse(text);
    if (said.ahead) return prepare(said);
    this.said = said;
    this.figure = said.figure;
    said.height = said.figure.layout.height;
    delete said.figure;
    this.place.setAttribute('aria-label', said.alt);
    this.place.style.height = `${said.height}px`; // nothing jumps when the figure comes
    this.want();
  }

  want() {
    if (!this.said) return;
    if (this.seen) this.draw();
    else later.add(this);
  }

  /** Draws what was said last, or fits it into another size; while Plotly is still away, or nobody sees it, later. */
  async draw() {
    try {
      this.Plotly ??= await plotly(this.said.plotly);
      if (!this.ended && this.place.clientWidth) await this.turn();
      this.place.querySelector('[role=alert]')?.remove();
    } catch (error) {
      this.fail(error);
    }
  }

  async turn() {
    const { place, said, shown } = this;
    const width = place.clientWidth;
    const height = document.fullscreenElement === place ? place.clientHeight : said.height;
    this.shown = { said, width, height };
    if (shown?.said === said) {
      if (shown.width !== width || shown.height !== height) await this.Plotly.relayout(this.drawing, { width, height });
      return;
    }
    this.drawing ??= this.begin();
    const { drawing, text } = this;
    if (drawing.text === text && drawing.layout.width === width && drawing.layout.height === height) return;
    drawing.text = null;
    // What Plotly computes it writes into what it is given: drawn again, it begins from what was said. What is selected
    // is said, too: no enclosure outlives a turn.
    const { data, layout } = fitted(this.figure ?? JSON.parse(this.text).figure, place, width, height);
    this.figure = null;
    layout.selectionrevision = ++this.turns;
    this.turning += 1;
    try {
      await this.Plotly.react(drawing, data, layout, menu(said));
    } finally {
      this.turning -= 1;
    }
    drawing.text = said.tools ? null : text; // an enclosure is let go by drawing once more
    hear(drawing);
  }

  begin() {
    const before = kept.get(this.said.name);
    if (before?.lost) this.Plotly.purge(before);
    const drawing = before && !before.lost ? before : document.createElement('div');
    kept.delete(this.said.name);
    drawing.chart = this;
    drawing.name = this.said.name;
    this.turns = drawing.layout?.selectionrevision ?? 0;
    this.place.append(drawing);
    return drawing;
  }

  pick(points) {
    if (!this.said.picks || this.turning) return;
    this.send('picked', points.map((point) => point.customdata).filter((carried) => carried !== undefined));
    if (points.length) return;
    this.shown = null; // an enclosure of nothing fades all points, and the server may have nothing new to say
    this.draw();
  }

  fail(error) {
    this.shown = this.received = null; // the next message tries again
    if (this.drawing) this.drawing.lost = true; // nobody begins with it again
    console.error(error);
    this.say(`This chart could not be drawn: ${error.message}. Reload the page to try again.`);
  }

  say(told) {
    if (this.place.querySelector('[role=alert]')) return;
    const words = document.createElement('p');
    words.setAttribute('role', 'alert');
    words.textContent = told;
    this.place.prepend(words);
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.sizes.disconnect();
    this.sight.disconnect();
    later.charts.delete(this);
    const { drawing } = this;
    if (!drawing) return;
    drawing.chart = null;
    drawing.remove();
    if (drawing.lost) return this.Plotly.purge(drawing);
    if (drawing._hoverdata) this.Plotly.Fx.unhover(drawing); // else its label would still be there
    keep(drawing);
  }
}

/** Tells the chart that a drawing is of just now what is done to it. */
function hear(drawing) {
  if (drawing.heard) return;
  drawing.heard = true;
  drawing.on('plotly_click', (event) => drawing.chart?.pick(event.points.slice(0, 1)));
  drawing.on('plotly_selected', (event) => event && drawing.chart?.pick(event.points));
  drawing.on('plotly_deselect', () => drawing.chart?.pick([]));
  drawing.on('plotly_webglcontextlost', () => {
    drawing.lost = true;
  });
}

export default function ({ data, parentElement, setTriggerValue }) {
  // Called again with every message; the chart is the same as long as its place on the page is.
  const chart = (parentElement.__probingChart ??= new Chart(parentElement.querySelector('.probing-plot')));
  chart.send = setTriggerValue;
  const [address, text] = new TextDecoder().decode(data).split(/\n(.*)/s);
  chart.receive(text);
  if (!address) return undefined; // what is drawn ahead has nothing to download
  const link = parentElement.querySelector('.probing-download');
  Object.assign(link, { hidden: false, href: new URL(address, document.baseURI), download: `${chart.said.name}.csv` });
  return () => {
    if (!parentElement.isConnected) chart.end(); // else a later message has taken over
  };
}
