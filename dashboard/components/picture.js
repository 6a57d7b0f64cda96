// A chart as a picture to show to others: its title above, what it is of below, in light colors; copied, or saved.

const SHARP = 2; // pixels of a picture for each on the page
const SHOWN_MS = 8000; // a note about what was done
const EDGE = 16; // pixels around the words
const HEAD = { size: 16, weight: 600 };
const FOOT = { size: 12, weight: 400 };
const COPIED = 'Copied. Paste it into a document or a message.';

const ICONS = {
  copy: 'M16 1H4a2 2 0 0 0-2 2v14h2V3h12zM19 5H8a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2zm0 16H8V7h11z',
  save: 'M9 3 7.200 5H4a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2h-3.200L15 3zM12 8a5 5 0 1 1 0 10 5 5 0 0 1 0-10z',
};

/** `text` in lines that are no wider than `room`. */
function linesOf(text, pen, room) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width <= room || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** What `draw(pen)` draws in `width` by `height` pixels, with the title above and the source below, as a PNG. */
async function framed({ title, source, paper }, font, width, height, draw) {
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d');
  const blocks = [[title, HEAD, paper.text], [source, FOOT, paper.muted]].map(([text, { size, weight }, color]) => {
    const style = { font: `${weight} ${size}px ${font}`, color, line: 1.4 * size };
    pen.font = style.font;
    const lines = linesOf(text, pen, width - 2 * EDGE);
    return { ...style, lines, high: lines.length * style.line + EDGE };
  });
  const [above, below] = blocks;
  canvas.width = Math.round(SHARP * width);
  canvas.height = Math.round(SHARP * (above.high + height + below.high));
  pen.scale(SHARP, SHARP);
  pen.fillStyle = paper.background;
  pen.fillRect(0, 0, width, canvas.height);
  const write = ({ font: face, color, line, lines }, top) => {
    Object.assign(pen, { font: face, fillStyle: color, textBaseline: 'middle' });
    lines.forEach((words, i) => pen.fillText(words, EDGE, top + (i + 0.5) * line));
  };
  write(above, EDGE / 2);
  write(below, above.high + height + EDGE / 2);
  pen.textBaseline = 'alphabetic';
  pen.translate(0, above.high);
  await draw(pen);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

/** The image at `address`, ready to be drawn. */
async function loaded(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

async function savePicture(making, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await making);
  link.download = `${name}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SHOWN_MS);
}

/** Copies the picture that is being made, or saves it where the clipboard takes none; returns what was done. */
async function copyPicture(making, name) {
  try {
    // The promise itself: Safari permits no copying once the click is over.
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': making })]);
    return COPIED;
  } catch {
    await savePicture(making, name);
    return `This browser lets no picture be copied from ${location.host}, so it was saved as ${name}.png.`;
  }
}

/** Tells through `note` what became of `act`, which copies or saves a picture. */
function shared(act, note) {
  act.then((done) => done && note(done)).catch((error) => {
    console.error(error);
    note(`This picture could not be made: ${error.message ?? error}.`);
  });
}
