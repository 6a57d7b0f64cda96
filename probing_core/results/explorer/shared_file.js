
// ---------------------------------------------------------------------------------------------- this file

const part = (name) => document.querySelector(`script[data-${name}]`).textContent;
const header = JSON.parse(part("header"));
const text = part("bytes");
const decoded = ([at, length]) => Uint8Array.from(atob(text.slice(at, at + length)), (one) => one.charCodeAt(0));
const addresses = new Map();

/** Return the URL of a sprite sheet. The sheet is decoded when it is first shown. */
function sheetAddress(place) {
  const [offset] = place;
  if (!addresses.has(offset)) {
    addresses.set(offset, URL.createObjectURL(new Blob([decoded(place)], { type: "image/webp" })));
  }
  return addresses.get(offset);
}

/** Return a tile of a sprite sheet, which has one tile per class, followed by the full photograph. */
function image({ crop, cls, large }) {
  const { columns, small, large: larger, full } = header.images, classes = header.data.classes.length;
  const place = (large && larger[crop]) || small[crop];
  const sheet = { url: sheetAddress(place), columns, rows: Math.ceil((classes + 1) / columns) };
  return cls < 0 ? { ...sheet, tile: classes, ...full[crop] } : { ...sheet, tile: cls };
}

let selection = JSON.parse(part("selection"));
try {
  selection = JSON.parse(decodeURIComponent(location.hash.slice(1)));
} catch {
  // The URL contains no selection, so the file opens with the selection of its author.
}
const data = await open(header.data, async (name) => decoded(header.parts[name]).buffer);
window.explorer = await explore(document.querySelector("[data-explorer]"), data, {
  selection,
  image: header.images ? image : undefined,
  imagesOf: header.images ? header.images.repetition : undefined,
  onSelection: (selected) => {
    try {
      history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(selected))}`);
    } catch {
      // Inside a frame, the URL cannot be changed.
    }
  },
});

/** Show the steps of the tour in `root`. A step selects its samples when the reader moves to it. */
function tour(root, steps) {
  const element = (name) => document.createElement(name);
  const back = element("button"), next = element("button"), count = element("span");
  const text = element("p"), question = element("b"), answer = element("span");
  let at = -1;
  const go = (to) => {
    at = to;
    back.disabled = at < 1;
    next.disabled = at === steps.length - 1;
    next.textContent = at < 0 ? "Start the tour" : "Next";
    question.textContent = steps[Math.max(at, 0)].question;
    answer.textContent = at < 0 ? "" : steps[at].answer;
    count.textContent = at < 0 ? `${steps.length} steps` : `${at + 1} of ${steps.length}`;
    return at < 0 ? null : window.explorer.select(steps[at].selection);
  };
  back.textContent = "Back";
  back.onclick = () => go(at - 1);
  next.onclick = () => go(at + 1);
  text.setAttribute("aria-live", "polite");
  text.append(question, answer);
  root.append(text, count, back, next);
  root.hidden = false;
  go(-1);
}
if (header.tour.length) tour(document.querySelector("[data-tour]"), header.tour);
