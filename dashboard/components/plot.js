// Draws the Plotly figure that plot.py sends, and turns it into the next one when that comes.

// Always the same objects: to Plotly a button with another function is another chart.
const FULL_SCREEN = {
  name: 'Full screen',
  title: 'Full screen',
  icon: { width: 24, height: 24, path: 'M3 3h7v2H5v5H3zM14 3h7v7h-2V5h-5zM3 14h2v5h5v2H3zM19 14h2v7h-7v-2h5z' },
  click: (drawing) => (document.fullscreenElement ? document.exitFullscreen() : drawing.parentElement.requestFullscreen()),
};

const icon = (path) => ({ width: 24, height: 24, path });
const COPY = {
  name: 'Copy as a picture',
  title: 'Copy as a picture',
  icon: icon(ICONS.copy),
  click: ({ chart }) => shared(copyPicture(chart.picture(), chart.message.name), (text) => chart.note(text)),
};
const SAVE = {
  name: 'Download plot as a PNG',
  title: 'Download plot as a PNG',
  icon: icon(ICONS.save),
  click: ({ chart }) => shared(savePicture(chart.picture(), chart.message.name), (text) => chart.note(text)),
};

const SCREEN = window.devicePixelRatio > 1 ? SHARP : 1; // for good: with another one Plotly begins every chart anew
const FAINT = 0.15; // opacity of lines beside the one under the pointer
const NEAR = 8; // pixels from a line within which the pointer is on it
const REST_MS = 500; // most of a page arrives faster than this
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
    script.onload = () => (window.Plotly ? resolve(window.Plotly) : fail());
    script.onerror = fail;
    document.head.append(script);
  });
  return window.__probingPlotly;
}

/** `figure` in this size, in the font of `place`, with room for its labels. A finger scrolls the page, not the plot. */
function fitted({ data, layout }, place, width, height) {
  if (isNarrow(width)) narrow({ layout });
  if (TOUCH) layout.dragmode = false;
  Object.assign(layout, { font: { family: getComputedStyle(place).fontFamily, ...layout.font }, width, height });
  const figure = { data, layout };
  const least = layout.margin;
  layout.margin = marginsOf(figure, width);
  breakTitles(figure, width);
  layout.margin = marginsOf({ data, layout: { ...layout, margin: least } }, width); // with all lines of the titles
  fitNumbers(figure, width);
  return figure;
}

/** Plotly begins a chart anew when this changes. */
function menu() {
  return {
    displaylogo: false,
    showSendToCloud: false, // a button would send the data to another server
    displayModeBar: true, // else only a mouse finds it
    scrollZoom: false,
    plotGlPixelRatio: SCREEN, // twice as many is four times the work
    modeBarButtonsToAdd: [COPY, SAVE, ...(document.fullscreenEnabled ? [FULL_SCREEN] : [])],
    modeBarButtonsToRemove: ['toImage', 'autoScale2d', 'select2d', 'lasso2d'],
  };
}

/** Pixels from (x, y) to the line from `from` to `to`; NaN where one of its ends is missing. */
function distance(x, y, [fromX, fromY], [toX, toY]) {
  const [across, up] = [toX - fromX, toY - fromY];
  const along = ((x - fromX) * across + (y - fromY) * up) / (across ** 2 + up ** 2 || 1);
  const share = Math.min(1, Math.max(0, along));
  return Math.hypot(fromX + share * across - x, fromY + share * up - y);
}

class Chart {
  constructor(place) {
    this.place = place;
    this.drawing = null; // the element that is Plotly's, inside of the place
    this.received = null; // the text of the last message, unless it could not be drawn
    this.message = null; // the message itself, without the figure
    this.figure = null; // what it has to draw, until Plotly has it
    this.shown = null; // what the drawing is of
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
    const { figure, ...message } = JSON.parse(text);
    this.figure = figure;
    this.message = { ...message, height: figure.layout.height, narrow: narrowHeight(figure) };
    this.place.setAttribute('aria-label', message.alt);
    this.takeRoom(); // nothing jumps when the figure comes
    this.want();
  }

  /** Makes the place as high as its figure; returns whether that is the narrow one. */
  takeRoom() {
    const tight = isNarrow(this.place.clientWidth);
    this.place.style.height = `${tight ? this.message.narrow : this.message.height}px`;
    return tight;
  }

  want() {
    if (!this.message) return;
    if (this.seen) this.draw();
    else later.add(this);
  }

  /** Draws the last message, or fits it into another size; while Plotly is loading, or nobody sees it, later. */
  async draw() {
    try {
      this.Plotly ??= await plotly(this.message.plotly);
      if (!this.ended && this.place.clientWidth) await this.change();
      this.place.querySelector('[role=alert]')?.remove();
    } catch (error) {
      this.fail(error);
    }
  }

  async change() {
    const { place, message, shown } = this;
    const width = place.clientWidth;
    const tight = this.takeRoom();
    const height = document.fullscreenElement === place || tight ? place.clientHeight : message.height;
    this.shown = { message, width, height, tight };
    if (shown?.message === message && shown.tight === tight) {
      if (shown.width !== width || shown.height !== height) await this.Plotly.relayout(this.drawing, { width, height });
      return;
    }
    this.drawing ??= this.begin();
    // Plotly writes what it computes into what it is given: drawn again, it begins from the message.
    const { data, layout } = fitted(this.figure ?? JSON.parse(this.text).figure, place, width, height);
    this.figure = null;
    await this.Plotly.react(this.drawing, data, layout, menu());
    this.listen();
    this.reach();
  }

  /** The menu by keyboard: Tab leads to it, the arrows from button to button. Plotly makes it of links without any. */
  reach() {
    const buttons = [...this.drawing.querySelectorAll('.modebar-btn')];
    const here = Math.max(0, buttons.indexOf(document.activeElement));
    buttons.forEach((button, place) => {
      button.setAttribute('role', 'button');
      button.setAttribute('aria-label', button.dataset.title);
      button.tabIndex = place === here ? 0 : -1;
      button.onkeydown = (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (step) buttons[(place + step + buttons.length) % buttons.length].focus();
        else if (event.key === 'Enter' || event.key === ' ') button.click();
        else return;
        event.preventDefault();
      };
    });
  }

  begin() {
    const drawing = document.createElement('div');
    drawing.chart = this;
    this.place.append(drawing);
    return drawing;
  }

  /** Follows what is done to the drawing. */
  listen() {
    const { drawing } = this;
    if (drawing.followed) return;
    drawing.followed = true;
    drawing.on('plotly_click', (event) => this.pick(event.points.slice(0, 1)));
    drawing.on('plotly_hover', ({ points }) => this.follow({ labeled: points[0]?.fullData }));
    drawing.on('plotly_unhover', () => this.follow({ labeled: null }));
    drawing.addEventListener('mousemove', ({ target, clientX, clientY }) => {
      const { left, top } = drawing.getBoundingClientRect();
      const entry = target.closest?.('.legend .traces'); // Plotly tells of none under the pointer
      this.follow({ entry: entry?.__data__?.[0]?.trace, x: clientX - left, y: clientY - top });
    });
    drawing.addEventListener('mouseleave', () => this.follow({ entry: null, x: NaN, y: NaN }));
    this.place.dispatchEvent(new CustomEvent('probing-drawn', { bubbles: true, composed: true, detail: drawing }));
  }

  /**
   * Of a chart of many lines, shows the one under the pointer: that of its name in the legend, that of the point whose
   * label Plotly shows, or else, with its name, the nearest one, of which Plotly tells nothing between two points.
   */
  follow(change) {
    const { drawing } = this;
    if (!drawing._fullLayout?.meta?.highlights) return;
    const pointer = (this.pointer = { ...this.pointer, ...change });
    const labeled = pointer.entry ?? pointer.labeled;
    const line = labeled ?? this.lineAt(pointer);
    this.highlight(line);
    this.name(labeled ? null : line, pointer);
  }

  /** The line that lies within a few pixels of the pointer, the nearest if there are several; null if there is none. */
  lineAt({ x, y }) {
    const { _fullData, _fullLayout } = this.drawing;
    const axis = (id) => _fullLayout[`${id[0]}axis${id.slice(1)}`];
    let [found, near] = [null, NEAR];
    for (const each of _fullData) {
      if (each.visible !== true || !each.mode?.includes('lines')) continue;
      const [across, up] = [axis(each.xaxis), axis(each.yaxis)];
      let before = [NaN, NaN];
      for (let i = 0; i < each.x.length; i++) {
        const here = [across._offset + across.d2p(each.x[i]), up._offset + up.d2p(each.y[i])];
        const far = distance(x, y, before, here);
        if (far < near) [found, near] = [each, far];
        before = here;
      }
    }
    return found;
  }

  /** Writes the name of a line beside the pointer; none, if it is none. */
  name(line, { x, y }) {
    if (!line) return this.tag?.remove();
    this.tag ??= Object.assign(document.createElement('div'), { className: 'of-line' });
    this.tag.textContent = plain(line.name);
    this.place.append(this.tag);
    this.tag.style.left = `${Math.max(0, Math.min(x + 14, this.place.clientWidth - this.tag.offsetWidth))}px`;
    this.tag.style.top = `${Math.max(0, y - 30)}px`;
  }

  /** Of a chart of many lines, shows that of `trace` in full and the others faint; all as they were, if it is none. */
  highlight(trace) {
    const { drawing } = this;
    const group = ({ legendgroup, name }) => legendgroup || name;
    for (const each of drawing._fullData) {
      const line = drawing.querySelector(`.scatterlayer .trace${each.uid}`);
      if (line) line.style.opacity = trace ? (group(each) === group(trace) ? 1 : FAINT) : each.opacity;
    }
  }

  pick(points) {
    if (this.message.picks) this.send('picked', points.map((point) => point.customdata).filter((carried) => carried !== undefined));
  }

  fail(error) {
    this.shown = this.received = null; // the next message tries again
    this.remove();
    console.error(error);
    this.write('alert', `This chart could not be drawn: ${error.message}. Reload the page to try again.`);
  }

  /** The chart as it is on the page, with its zoom and without what is hidden, in light colors. */
  async inLight() {
    const { drawing, message, place } = this;
    const { data, layout } = drawing;
    if (!message.light) return { data, layout };
    const answer = await fetch(new URL(message.light, document.baseURI));
    if (!answer.ok) throw new Error(await answer.text());
    const figure = fitted(await answer.json(), place, layout.width, layout.height);
    for (const [name, axis] of Object.entries(figure.layout)) {
      if (/^[xy]axis/.test(name)) Object.assign(axis, { range: layout[name].range, autorange: layout[name].autorange });
    }
    figure.data.forEach((trace, i) => (trace.visible = data[i].visible));
    return figure;
  }

  /** The chart as a PNG, with its title and what it is of. */
  async picture() {
    const { about } = this.message;
    const { data, layout } = await this.inLight();
    const { width, height } = layout;
    const subject = { data, layout: { ...layout, paper_bgcolor: about.paper.background }, config: { plotGlPixelRatio: SHARP } };
    const image = await loaded(await this.Plotly.toImage(subject, { format: 'png', scale: SHARP, width, height }));
    const draw = (pen) => pen.drawImage(image, 0, 0, width, height);
    return framed(about, getComputedStyle(this.place).fontFamily, width, height, draw);
  }

  /** A sentence over the chart, for some seconds. */
  note(text) {
    const words = this.write('status', text);
    setTimeout(() => words.remove(), SHOWN_MS);
  }

  write(role, text) {
    this.place.querySelector(`[role=${role}]`)?.remove();
    const words = document.createElement('p');
    words.setAttribute('role', role);
    words.textContent = text;
    this.place.append(words);
    return words;
  }

  remove() {
    if (!this.drawing) return;
    this.drawing.remove();
    this.Plotly.purge(this.drawing);
    this.drawing = null;
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.sizes.disconnect();
    this.sight.disconnect();
    later.charts.delete(this);
    this.remove();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  // Called again with every message; the chart is the same as long as its place on the page is.
  const chart = (parentElement.__probingChart ??= new Chart(parentElement.querySelector('.probing-plot')));
  chart.send = setTriggerValue;
  chart.receive(new TextDecoder().decode(data));
  return () => {
    if (!parentElement.isConnected) chart.end(); // else a later message has taken over
  };
}
