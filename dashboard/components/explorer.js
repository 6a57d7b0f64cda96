// The explorer on its page: points and pictures come by their addresses, the selection goes to the server on release.

const shown = new WeakMap();

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector(".probing-explorer");
  const options = {
    theme: data.theme,
    scope: data.scope,
    own: data.own ?? undefined,
    picture: data.pictures ? picture(data.address) : undefined,
    onSelection: (selection) => setStateValue("selection", JSON.stringify(selection)),
  };
  const before = shown.get(root);
  if (before?.address === data.address) {
    // What the server knows may lag behind the visitor, but for the back button, which brings an earlier address.
    if (before.visit !== data.visit && data.selection) options.selection = data.selection;
    before.visit = data.visit;
    before.explorer?.update(options);
    return;
  }
  before?.explorer?.destroy();
  const now = { address: data.address, visit: data.visit, explorer: null };
  shown.set(root, now);
  fetch(`${data.address}/points`)
    .then((answer) => {
      if (!answer.ok) throw new Error(`${answer.status}`);
      return answer.arrayBuffer();
    })
    .then((buffer) => {
      if (shown.get(root) !== now) return;
      root.replaceChildren();
      now.explorer = explore(root, unpack(data.header, buffer), { ...options, selection: data.selection });
      root.explorer = now.explorer;
    })
    .catch((error) => {
      root.textContent = `The points could not be fetched (${error.message}): reload the page.`;
    });
}

function picture(address) {
  return (photo, cls, { sample }) => {
    if (cls < 0) return { url: `${address}/photograph/${photo}` };
    return sample === null ? null : { url: `${address}/sample/${sample}` };
  };
}
