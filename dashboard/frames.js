// What the slider and its feed (dashboard/strength.py) share: pictures of each strength, kept in the browser.

const MOST_KEPT = 24; // previews, of half a megabyte
const shared = (window.__probingFrames ??= { kept: new Map(), sliders: new Set(), hurry: null });

/** Keeps `told`, the message of some strengths of the preview called `of`, and shows it where it is waited for. */
function take(of, told) {
  const known = shared.kept.get(of) ?? [];
  shared.kept.delete(of);
  shared.kept.set(of, known); // the last one last
  if (shared.kept.size > MOST_KEPT) shared.kept.delete(shared.kept.keys().next().value);
  for (const { step, before, ...frame } of told?.frames ?? []) known[step] = { before: told.clean[before], ...frame };
  shared.sliders.forEach((slider) => slider.notice(of));
  return known;
}
