
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
