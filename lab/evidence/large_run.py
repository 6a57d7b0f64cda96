"""A made run of many samples, and how long its explorer takes: ``python -m lab.evidence.large_run --samples 1000000
--out DIR``.

The samples are those of the packaged photographs in as many repetitions as are needed: their pictures can be made, and
what models predict of them, and where they lie on the maps, is invented. Its tables of scores are a small made run's.

With ``--measure`` it serves the run (made before, or now) and prints one JSON object, seconds in headless Chromium on
this machine:

- ``drawn``: from opening the first page in a fresh browser until every point is drawn, of each try.
- ``lasso``: from the end of a lasso around the middle of a map until the browser has painted what it holds.
- ``pages``: from opening the page in a browser that has been here until it is complete.
- ``server_mb``, ``browser_mb``: resident memory of the server, and of all processes of the browser, at the end.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from lab.devtools.browser import EXPLORER_READY, PAINTED, WAIT_MS, browser, rest, served, settle
from lab.devtools.commands import parser_of
from lab.devtools.drawing import draw
from lab.devtools.made_run import KEY, MODELS, complete, make_run, map_of
from probing_core.compute.samples import plan_samples
from probing_core.compute.tasks import make_task
from probing_core.results import Run
from probing_core.run import layout
from probing_core.run.recipe import load_transforms

VIEWS = 25
PAGES = {"": "Explore", "leaderboard": "Leaderboard", "inside": "Inside"}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--out", type=Path, required=True, help="a new folder, or a run that this script made")
    parser.add_argument("--measure", action="store_true", help="how long its pages take")
    parser.add_argument("--tries", type=int, default=5, help="of each measurement (default 5)")
    options = parser.parse_args()
    if not options.out.exists():
        make_large(options.out, options.samples)
    if options.measure:
        print(json.dumps(measure(options.out, options.tries), indent=1))


def make_large(root: Path, count: int) -> Path:
    """Writes a run of ``count`` samples into ``root`` and returns it."""
    run = Run.open(make_run(root, views=VIEWS))
    for name in run.store.names():
        if layout.is_embeddings_path(name):
            run.store.remove(name)
    planned = plan_samples(run.recipe.design, run.images)
    times = -(-count // len(planned))
    at = np.tile(np.arange(len(planned)), times)[:count]
    repetition = np.repeat(np.arange(times, dtype=np.int16), len(planned))[:count]
    samples = planned.iloc[at].reset_index(drop=True)
    samples = complete(samples.assign(sample=np.arange(count, dtype=np.int32), repetition=repetition), 0)
    run.store.write_table(layout.SAMPLES, samples, KEY)
    for position, model in enumerate(MODELS):
        rng = np.random.default_rng(position)
        run.store.write_table(layout.map_path(model), map_of(samples, rng), KEY)
        for task in run.tasks:
            made = layout.predictions_path(model, task)
            run.store.write_table(made, _predictions(run, task, MODELS[model][3], planned, at, rng), KEY)
    return root


def _predictions(
    run: Run, task_name: str, skill: float, planned: pd.DataFrame, at: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Of each sample the class of the one in ``planned`` that it repeats, and an answer that is right by ``skill``."""
    task = make_task(task_name, planned, load_transforms(run.recipe))
    rows = np.flatnonzero(task.takes_part[at])
    truth = task.truth[at][rows]
    right = rng.random(len(rows)) < skill
    predicted = np.where(right, truth, (truth + rng.choice([-1, 1, 2], len(rows))) % len(task.classes))
    p = rng.uniform(0.4, 0.99, len(rows)).astype(np.float32)
    classes = np.array(task.classes)
    columns = {"sample": rows.astype(np.int32), "truth": classes[truth], "predicted": classes[predicted]}
    p_truth = np.where(right, p, 0.9 * (1 - p)).astype(np.float32)
    return pd.DataFrame({**columns, "p_truth": p_truth, "p_predicted": p, "seen": task.seen[at][rows]})


def measure(root: Path, tries: int) -> dict[str, Any]:
    """What the module's documentation lists."""
    with served(["--run", str(root)]) as address:
        opened = list(_open_explorer(address, tries))
        with browser() as chromium:
            pages = {heading: _pages(chromium, f"{address}/{path}", heading, tries) for path, heading in PAGES.items()}
            lasso = list(_lassos(chromium, address, tries))
            memory = {"server_mb": _megabytes("streamlit"), "browser_mb": _megabytes("chrom")}
    return {
        "samples": Run.open(root).sample_count,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "drawn": opened,
        "lasso": lasso,
        "pages": pages,
        **memory,
    }


def _open_explorer(address: str, tries: int) -> Iterator[float]:
    for _ in range(tries):
        with browser() as chromium:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            page.goto(address)
            page.wait_for_function(EXPLORER_READY, timeout=WAIT_MS)
            yield round(time.perf_counter() - started, 2)


def _lassos(chromium: Any, address: str, tries: int) -> Iterator[float]:
    for _ in range(tries):
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_function(EXPLORER_READY, timeout=WAIT_MS)
        rest(page)
        draw(page, "a")
        started = time.perf_counter()
        page.mouse.up()
        page.evaluate(PAINTED)
        yield round(time.perf_counter() - started, 3)
        page.close()


def _pages(chromium: Any, address: str, heading: str, tries: int) -> float:
    times = []
    for _ in range(tries):
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        page.goto(address)
        page.get_by_role("heading", name=heading, exact=True, level=1).wait_for(timeout=WAIT_MS)
        settle(page)
        times.append(time.perf_counter() - started)
        page.close()
    return round(statistics.median(times), 2)


def _megabytes(name: str) -> int:
    """Resident memory of the processes that this one began and whose command holds ``name``."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            total += process.memory_info().rss if name in " ".join(process.cmdline()) else 0
    return round(total / 2**20)


if __name__ == "__main__":
    main()
