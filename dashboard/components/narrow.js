// A figure in a narrow place, such as a phone: panels one below the other, and the legend below the plot.

const NARROW = 560; // pixels of a chart that is narrow
const TITLE = 60; // pixels between two panels: the axis of one, the title of the next
const TIGHT = 330; // pixels of a plot on a phone
const WIDE = 900; // pixels of one that its figure was made for
const TOUCH = window.matchMedia('(pointer: coarse)').matches;

const isNarrow = (width) => width > 0 && width < NARROW;

/** Whether the legend stands beside the plot, where a narrow place has no room for it. */
const isBeside = ({ legend, showlegend }) => Boolean(legend) && showlegend !== false && legend.orientation !== 'h';

/** Pixels from top to bottom of a figure in a narrow place, where panels and the names of a legend are stacked. */
function narrowHeight({ data, layout }) {
  const { panels = 1, stacked = 0 } = layout.meta ?? {};
  const isSquare = Boolean(layout.yaxis?.scaleanchor); // it would keep its shape in the middle of a high place
  const plots = panels > 1 || isSquare ? panels * (stacked + TITLE) + TITLE : layout.height;
  if (!layout.legend || layout.showlegend === false) return plots;
  pen.font = `${layout.font.size}px sans-serif`;
  const names = namesOf(data);
  const entry = KEY + Math.max(0, ...names.map((name) => pen.measureText(plain(name)).width));
  const lines = (width) => Math.ceil(names.length / Math.max(1, Math.floor(width / entry)));
  return plots + (lines(TIGHT) - (isBeside(layout) ? 0 : lines(WIDE))) * (LINE * layout.font.size + 3);
}

/** Makes `layout` that of a narrow figure. */
function narrow({ layout }) {
  if (isBeside(layout)) {
    Object.assign(layout.legend, { orientation: 'h', yref: 'container', y: 0, yanchor: 'bottom', x: 0, xanchor: 'left' });
  }
  const { panels = 1, stacked = 0 } = layout.meta ?? {};
  const whole = panels * stacked + (panels - 1) * TITLE; // without what is above and the legend below
  const [gap, deep] = [TITLE / whole, stacked / whole];
  for (let panel = 0; panels > 1 && panel < panels; panel += 1) {
    const number = panel ? panel + 1 : '';
    const top = 1 - panel * (deep + gap);
    layout[`xaxis${number}`].domain = [0, 1];
    layout[`yaxis${number}`].domain = [Math.max(0, top - deep), top];
    Object.assign(layout.annotations[panel], { x: 0.5, y: top }); // its title: titles come first
  }
}
