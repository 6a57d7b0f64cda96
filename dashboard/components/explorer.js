// The explorer on the Explore page: points and images are fetched from URLs, and selections are sent to the server.

const shown = new WeakMap();

export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector(".probing-explorer");
  const options = {
    isDark: () => luminance(rgb(getComputedStyle(root).getPropertyValue("--st-background-color").trim())) < 0.2,
    own: data.own ?? undefined,
    image: data.images ? image(data.address, data.visitor) : undefined,
    onSelection: (selection) => setStateValue("selection", JSON.stringify(selection)),
  };
  const before = shown.get(root);
  if (before?.address === data.address) {
    // The server's selection may be older than the visitor's, unless the back button has restored a selection.
    const [a, b = a] = data.header.models.map((model) => model.name);
    const returned = before.visit !== data.visit && (data.selection ?? { a, b });
    before.visit = data.visit;
    if (!root.explorer) {
      Object.assign(before.options, options, returned ? { selection: returned } : {});
      return;
    }
    root.explorer.update(options);
    if (returned) root.explorer.select(returned);
    return;
  }
  root.explorer?.destroy();
  root.explorer = null;
  const now = { address: data.address, visit: data.visit, options: { ...options, selection: data.selection } };
  shown.set(root, now);
  draw(root, data, now).catch((error) => {
    root.textContent = `The explorer could not be loaded (${error.message}). Reload the page.`;
  });
}

async function draw(root, { address, header }, now) {
  const bytes = async (name) => {
    const answer = await fetch(`${address}/${name}`);
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.arrayBuffer();
  };
  const { a, b } = now.options.selection ?? {};
  const first = header.models.map((model) => model.name).map((name, i) => name === a || name === b || i < 2);
  const names = ["points", ...first.flatMap((one, i) => (one ? [`model/${i}`] : []))];
  const parts = new Map(names.map((name) => [name, bytes(name)])); // all parts are requested simultaneously
  const arrived = Promise.all(parts.values());
  arrived.catch(() => {}); // the error is thrown below, once
  const data = await open(header, (name) => {
    const part = parts.get(name) ?? bytes(name);
    parts.delete(name); // requested again if it fails
    return part;
  });
  await arrived;
  if (shown.get(root) !== now) return;
  root.replaceChildren();
  root.explorer = await explore(root, data, now.options);
}

function image(address, visitor) {
  return ({ crop, cls, sample }) => {
    if (cls < 0) return { url: `${address}/photograph/${crop}?visitor=${visitor}` };
    return sample === null ? null : { url: `${address}/sample/${sample}?visitor=${visitor}` };
  };
}
