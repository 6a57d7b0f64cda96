// A figure in a narrow place, such as a phone: panels one below the other, and the legend below the plot.

const NARROW = 560; // pixels of a chart that is narrow
const TITLE = 44; // pixels for the title of a panel
const LEGEND_LINE = 23; // pixels of a line of two names
const TOUCH = window.matchMedia('(pointer: coarse)').matches;

const isNarrow = (width) => width > 0 && width < NARROW;

/** Whether the legend stands beside the plot, where a narrow place has no room for it. */
const isBeside = ({ legend, showlegend }) => Boolean(legend) && showlegend !== false && legend.orientation !== 'h';

/** Pixels of a figure from top to bottom, in a place that is `width` pixels wide. */
function heightOf({ data, layout }, width) {
  if (!isNarrow(width)) return layout.height;
  const { panels = 1, stacked = 0 } = layout.meta ?? {};
  const plots = panels > 1 ? panels * (stacked + TITLE) + TITLE : layout.height;
  return plots + (isBeside(layout) ? LEGEND_LINE * Math.ceil(namesOf(data).length / 2) : 0);
}

/** Makes `layout` that of a narrow figure of this height. */
function narrow({ layout }, height) {
  if (isBeside(layout)) {
    Object.assign(layout.legend, { orientation: 'h', yref: 'container', y: 0, yanchor: 'bottom', x: 0, xanchor: 'left' });
  }
  const { panels = 1 } = layout.meta ?? {};
  const gap = TITLE / height;
  const deep = (1 - gap * (panels - 1)) / panels;
  for (let panel = 0; panels > 1 && panel < panels; panel += 1) {
    const number = panel ? panel + 1 : '';
    const top = 1 - panel * (deep + gap);
    layout[`xaxis${number}`].domain = [0, 1];
    layout[`yaxis${number}`].domain = [Math.max(0, top - deep), top];
    Object.assign(layout.annotations[panel], { x: 0.5, y: top }); // its title: titles come first
  }
}
