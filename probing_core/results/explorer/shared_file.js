
// ---------------------------------------------------------------------------------------------- this file

const part = (name) => document.querySelector(`script[data-${name}]`).textContent;
const decoded = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const header = JSON.parse(part("header"));
const sheets = part("sheets");
const addresses = new Map();

/** Return the address of a sheet of pictures, which is decoded when it is first shown. */
function sheetAddress([offset, length]) {
  if (!addresses.has(offset)) {
    addresses.set(offset, URL.createObjectURL(new Blob([decoded(sheets.slice(offset, offset + length))], { type: "image/webp" })));
  }
  return addresses.get(offset);
}

function picture(photo, cls, { large }) {
  const place = (large && header.pictures.large[photo]) || header.pictures.small[photo];
  const tile = header.pictures.tiles.indexOf(cls);
  if (!place || tile < 0) return null;
  const { columns, rows, whole } = header.pictures;
  return { url: sheetAddress(place), columns, rows, tile, ...(cls < 0 ? whole[photo] : {}) };
}

let selection = null;
try {
  selection = JSON.parse(decodeURIComponent(location.hash.slice(1)));
} catch {
  // No selection in the address.
}
const explorer = explore(document.querySelector("[data-explorer]"), unpack(header.data, decoded(part("points")).buffer), {
  selection,
  scope: header.scope,
  picture: header.pictures ? picture : undefined,
  onSelection: (chosen) => {
    try {
      history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(chosen))}`);
    } catch {
      // A frame without an address of its own.
    }
  },
});
Object.assign(window, { explorer });
