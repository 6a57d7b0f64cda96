// Asks for all strengths of a preview once the page is at rest, so that a slider need not ask for each.

const REST_MS = 400;
const AGAIN_MS = 5000; // the answer is lost where the page runs again meanwhile

export default function ({ data, setTriggerValue }) {
  const known = take(data.of, data.told);
  if (known.filter(Boolean).length === data.steps) return undefined;
  let asked = -Infinity;
  const ask = () => {
    if (performance.now() - asked < AGAIN_MS) return;
    asked = performance.now();
    setTriggerValue('wanted', data.of);
  };
  shared.hurry = ask;
  const rest = setTimeout(ask, REST_MS);
  const again = setInterval(ask, AGAIN_MS);
  return () => {
    clearTimeout(rest);
    clearInterval(again);
    if (shared.hurry === ask) shared.hurry = null;
  };
}
