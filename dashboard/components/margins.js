// How much room labels and legend of a figure take beside its plot. Plotly finds out by drawing: a figure with too small
// margins is drawn again, most of them two or three times. So their room is estimated before. Plotly still measures: an
// estimate that is too small costs time, no label.

const LINE = 1.3; // height of a line of text, in sizes of its font
const AROUND = 16; // pixels that Plotly leaves around labels, and some to spare
const MENU = 24; // pixels of the chart's own menu, which labels along the upper edge stand below
const SMALLEST = 7; // pixels of a number in a cell that can be read
const KEY = 45; // pixels of a legend's entry beside its text
const pen = document.createElement('canvas').getContext('2d');

/** The margins of a figure that is `width` pixels wide, none smaller than its own. */
function marginsOf({ data, layout }, width) {
  const margin = { ...layout.margin };
  const need = (side, pixels) => (margin[side] = Math.max(margin[side], Math.ceil(pixels + AROUND)));
  const longest = (texts, size) => {
    pen.font = `${size}px ${layout.font.family}`;
    return Math.max(0, ...texts.flatMap((text) => plain(text).split('<br>')).map((line) => pen.measureText(line).width));
  };
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis/.test(name)) continue;
    const upright = name[0] === 'y';
    const size = axis.tickfont.size;
    const long = axis.showticklabels === false ? 0 : longest(ticksOf(name, axis, data), size);
    const angle = (Math.abs(axis.tickangle ?? 0) * Math.PI) / 180;
    const deep = upright ? long : long * Math.sin(angle) + (long && LINE * size);
    const title = axis.title ? axis.title.standoff + LINE * axis.title.font.size * axis.title.text.split('<br>').length : 0;
    const side = axis.side ?? (upright ? 'left' : 'bottom');
    const across = layout[axis.anchor?.replace(/[xy]/, '$&axis') ?? (upright ? 'xaxis' : 'yaxis')]?.domain ?? [0, 1];
    const inside = side === 'top' ? 1 - across[1] : across[0]; // other panels are between it and the edge
    if (inside < 0.01) need(side[0], deep + axis.ticklen + title + (side === 'top' ? MENU : 0));
    if (side === 'top') need('r', long * Math.cos(angle)); // slanted labels reach out
  }
  for (const { colorbar, showscale } of data.flatMap((trace) => [trace, trace.marker ?? {}])) {
    if (!colorbar || showscale === false) continue;
    const ticks = longest([`−0.00${colorbar.ticksuffix ?? ''}`], 12);
    const title = longest([colorbar.title?.text ?? ''], 1.2 * layout.font.size);
    need('r', Math.max(colorbar.thickness + ticks, title) + 0.02 * width + 20); // its own padding
  }
  const { legend } = layout;
  const names = legend && layout.showlegend !== false ? namesOf(data) : [];
  if (!names.length) return margin;
  const size = legend.font?.size ?? layout.font.size;
  const entry = longest(names, size) + KEY;
  if (legend.orientation !== 'h') need('r', entry + 0.02 * width);
  else {
    const columns = Math.max(1, Math.floor((width - margin.l - margin.r) / entry));
    margin.b += Math.ceil(Math.ceil(names.length / columns) * (LINE * size + 3) + 17);
  }
  return margin;
}

/** Breaks the titles of horizontal axes that are longer than their plot and what is beside it. */
function breakTitles({ layout }, width) {
  const { l, r } = layout.margin;
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^xaxis/.test(name) || !axis.title) continue;
    const [from, to] = axis.domain ?? [0, 1];
    const room = (to - from) * (width - l - r) + 2 * r;
    pen.font = `${axis.title.font.size}px ${layout.font.family}`;
    const lines = [];
    for (const word of axis.title.text.split(' ')) {
      const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
      if (lines.length && pen.measureText(plain(longer)).width > room) lines.push(word);
      else lines.splice(-1, 1, longer);
    }
    axis.title.text = lines.join('<br>');
  }
}

/** Makes the numbers of cells as small as the cells need, and leaves them out where nobody could read them. */
function fitNumbers({ data, layout }, width) {
  const numbers = data.filter(({ meta }) => meta?.columns);
  if (!numbers.length) return;
  const { textfont, meta } = numbers[0];
  pen.font = `${textfont.size}px ${layout.font.family}`;
  const widest = Math.max(1, ...numbers.flatMap(({ text }) => text).map((text) => pen.measureText(plain(text)).width));
  const room = (width - layout.margin.l - layout.margin.r) / meta.columns - 5; // between two cells and two numbers
  const size = Math.floor(textfont.size * Math.min(1, room / widest));
  for (const each of numbers) {
    if (size < SMALLEST) each.visible = false;
    else each.textfont.size = size;
  }
}

/** What stands along an axis. Numbers are not known before it is drawn: ours are not longer than this one. */
function ticksOf(name, { ticktext, ticksuffix = '' }, data) {
  if (ticktext) return ticktext;
  const key = name[0] + name.slice(5); // as traces call it
  const values = data.filter((trace) => (trace[`${name[0]}axis`] ?? name[0]) === key).flatMap((t) => t[name[0]] ?? []);
  const words = values.filter((value) => typeof value === 'string');
  return words.length ? words : [`−0.00${ticksuffix}`];
}

/** What a legend lists. */
function namesOf(data) {
  return [...new Set(data.filter((t) => t.name && t.showlegend !== false).map((t) => t.name))];
}

/** What Plotly shows of a text of ours: lines apart, no other markup. */
function plain(text) {
  const entities = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };
  return text.replace(/<(?!br>)[^>]*>/g, '').replace(/&(lt|gt|amp);/g, (entity) => entities[entity]);
}
