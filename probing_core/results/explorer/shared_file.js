
// ---------------------------------------------------------------------------------------------- this file

const part = (name) => document.querySelector(`script[data-${name}]`).textContent;
const header = JSON.parse(part("header"));
const text = part("bytes");
const decoded = ([at, length]) => Uint8Array.from(atob(text.slice(at, at + length)), (one) => one.charCodeAt(0));
const addresses = new Map();

/** Return the address of a sheet of pictures, which is decoded when it is first shown. */
function sheetAddress(place) {
  const [offset] = place;
  if (!addresses.has(offset)) {
    addresses.set(offset, URL.createObjectURL(new Blob([decoded(place)], { type: "image/webp" })));
  }
  return addresses.get(offset);
}

/** Return one tile of a sheet, which has one for each class and, at the end, the whole photograph. */
function picture(photo, cls, { large }) {
  const { columns, small, large: larger, whole } = header.pictures, classes = header.data.classes.length;
  const place = (large && larger[photo]) || small[photo];
  const sheet = { url: sheetAddress(place), columns, rows: Math.ceil((classes + 1) / columns) };
  return cls < 0 ? { ...sheet, tile: classes, ...whole[photo] } : { ...sheet, tile: cls };
}

let selection = null;
try {
  selection = JSON.parse(decodeURIComponent(location.hash.slice(1)));
} catch {
  // No selection in the address.
}
const data = await open(header.data, async (name) => decoded(header.parts[name]).buffer);
window.explorer = await explore(document.querySelector("[data-explorer]"), data, {
  selection,
  picture: header.pictures ? picture : undefined,
  onSelection: (chosen) => {
    try {
      history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(chosen))}`);
    } catch {
      // A frame without an address of its own.
    }
  },
});
