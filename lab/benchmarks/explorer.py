"""Response time of the explorer in a browser, from the release of a lasso to the rendering of all views."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass

from lab.devtools.browser import CHROMIUM, browser
from probing_core.results.explorer.data import SCRIPTS, source


@dataclass(frozen=True)
class Size:
    """Tested points on both maps; and lassos: the first, which compiles the scripts, is left out of the median."""

    points: tuple[int, ...] = (33_000, 1_000_000)
    changes: int = 8


SMALL = Size((500,), 2)

WINDOW = {"width": 1400, "height": 900}

MADE = """
const n = %d, classes = 31, photos = Math.ceil(n / classes);
let state = 1;
const random = () => (state = (state * 48271) %% 2147483647) / 2147483647;
const model = (name) => {
  const places = new Int16Array(2 * n), predicted = new Uint8Array(n), confidence = new Uint8Array(n);
  const centers = Array.from({ length: classes }, () => [random(), random()].map((one) => 44000 * (one - 0.5)));
  for (let i = 0; i < n; i++) {
    const [x, y] = centers[i %% classes], angle = 6.283 * random(), away = 9000 * random();
    places[2 * i] = x + away * Math.cos(angle);
    places[2 * i + 1] = y + away * Math.sin(angle);
    predicted[i] = random() < 0.65 ? i %% classes : Math.floor(classes * random());
    confidence[i] = 255 * random();
  }
  const answers = { predicted, confidence, truthProbability: confidence };
  return { name, title: name, places: { done: places }, neighbors: () => ({}), ...answers };
};
const data = {
  classes: Array.from({ length: classes }, (_, i) => ({ name: i ? `class ${i}` : "identity", title: `class ${i}`,
    group: Math.floor((i + 2) / 3), before: "", after: "", scale: 1, colors: ["#cc3311", "#ff7a5c"] })),
  groups: Array.from({ length: 11 }, (_, i) => ({ name: `g${i}`, title: `g${i}`, colors: ["#cc3311", "#ff7a5c"] })),
  projections: { done: "effect of the transformation" },
  ramps: [["#f4f7fa", "#0a2f4d"], ["#171c24", "#d8f1ff"]],
  diverging: [["#d55e00", "#f4f7fa", "#0072b2"], ["#d55e00", "#171c24", "#56b4e9"]],
  count: n, tested: n, labels: Array(photos).fill(""),
  sample: Int32Array.from({ length: n }, (_, i) => i),
  truth: Uint8Array.from({ length: n }, (_, i) => i %% classes),
  strength: Uint8Array.from({ length: n }, (_, i) => (i %% classes ? 254 * random() : 255)),
  value: Float32Array.from({ length: n }, () => random()),
  crop: Uint16Array.from({ length: n }, (_, i) => Math.floor(i / classes)),
  repetition: new Uint8Array(n),
  repetitions: 1,
  differences: [],
  photographs: Uint16Array.from({ length: photos }, (_, i) => i),
  models: [model("one"), model("two")],
};
const made = document.createElement("div");
document.body.append(made);
window.explorer = await explore(made, data);
window.paints = [];
const afterPaint = (since, name) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => window.paints.push([name, performance.now() - since]);
  channel.port2.postMessage(null);
});
addEventListener("pointerup", () => afterPaint(performance.now(), "released"), true);
"""

LIVE = """() => {
  const start = performance.now();
  explorer.apply({ where: { ...explorer.state.where } });
  explorer.draw(true);
  return performance.now() - start;
}"""


def run(size: Size) -> dict[str, dict[str, float]]:
    """Medians in milliseconds for 33,000 and a million tested points: ``released``, from the release of a lasso to the
    paint of every view (the aim is at most 50 and 300), and ``live``, the script of one change while it is drawn.

    ``bytes`` is the size of the data for each point and model.
    """
    results: dict[str, float] = {"bytes": 2 * 2 + 3.0}  # two 16-bit coordinates, a class and two probabilities
    if not CHROMIUM:
        print("  no Chromium on this machine: the explorer is not drawn", file=sys.stderr, flush=True)
    for count in size.points if CHROMIUM else ():
        released, live = _measured(count, size.changes)
        results |= {f"released_{count}": round(released, 1), f"live_{count}": round(live, 1)}
    return {"explorer": results}


def _measured(count: int, changes: int) -> tuple[float, float]:
    script = source(*SCRIPTS) + MADE % count
    with browser() as chromium:
        page = chromium.new_page(viewport=WINDOW)
        page.set_content("<!doctype html><body></body>")
        page.add_style_tag(content=source("explorer.css"))
        page.add_script_tag(content=script, type="module")
        page.wait_for_function("window.paints", timeout=120_000)
        live = []
        for change in range(changes):
            box = page.locator(".px-map-a .px-plane").bounding_box()
            left, top, side = box["x"] + 40 + 6 * change, box["y"] + 60, box["width"] / 2
            corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side), (left, top + 9)]
            page.mouse.move(*corners[0])
            page.mouse.down()
            for corner in corners[1:]:
                page.mouse.move(*corner, steps=3)
            page.mouse.up()
            page.wait_for_function("(done) => window.paints.length > done", arg=change, timeout=120_000)
            live.append(page.evaluate(LIVE))
        paints = [took for _, took in page.evaluate("window.paints")]
    return statistics.median(paints[1:]), statistics.median(live[1:])
