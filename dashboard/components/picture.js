// A chart as a picture: saved as a file, or copied to the clipboard.

const SHARP = 2; // pixels of a picture for each on the page
const SHOWN_MS = 8000; // a note about what was done

/** What Plotly makes a picture of: on the page's own background, since a clear one cannot be read everywhere. */
function subjectOf({ data, layout, chart, _context: shown }) {
  const paper_bgcolor = getComputedStyle(chart.place).getPropertyValue('--st-background-color').trim() || '#ffffff';
  return { data, layout: { ...layout, paper_bgcolor }, config: { ...shown, plotGlPixelRatio: SHARP } };
}

async function pngOf(drawing) {
  const address = await window.Plotly.toImage(subjectOf(drawing), { format: 'png', scale: SHARP });
  const bytes = Uint8Array.from(atob(address.split(',')[1]), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: 'image/png' });
}

const SAVE = {
  name: 'Download plot as a PNG',
  title: 'Download plot as a PNG',
  icon: { width: 24, height: 24, path: 'M9 3 7.2 5H4a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2h-3.2L15 3zM12 8a5 5 0 1 1 0 10 5 5 0 0 1 0-10z' },
  click: (drawing) => {
    const options = drawing._context.toImageButtonOptions;
    window.Plotly.downloadImage(subjectOf(drawing), { ...options }).catch((error) => {
      console.error(error);
      drawing.chart.note(`This picture could not be saved: ${error.message ?? error}.`);
    });
  },
};

const COPY = {
  name: 'Copy as a picture',
  title: 'Copy as a picture',
  icon: { width: 24, height: 24, path: 'M16 1H4a2 2 0 0 0-2 2v14h2V3h12zM19 5H8a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2zm0 16H8V7h11z' },
  click: async (drawing) => {
    try {
      // The promise itself: Safari permits no copying once the click is over.
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': pngOf(drawing) })]);
      drawing.chart.note('Copied. Paste it into a document or a message.');
    } catch {
      drawing.chart.note(`This browser lets no picture be copied from ${location.host}; "${SAVE.title}" saves it as a file.`);
    }
  },
};
