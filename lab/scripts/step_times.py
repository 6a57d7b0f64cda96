"""Collect the durations of steps in ``probing_core/run/step-times.json``: ``python -m lab.scripts.step_times RUN ...``.

The durations are used for estimates (`probing_core.run.step_times`). Pass runs of different sizes, with and without
splits, that this machine has just computed without other load. Larger steps are assumed to take at least as long as
smaller ones: the durations of each kind are smoothed by isotonic regression.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import isotonic_regression

from lab.devtools.commands import errors_in_a_line, parser_of
from probing_core.run.step_times import RECORDED, noted, timed_fit

TIMED_FITS = 25


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    options = parser.parse_args()
    durations: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in options.runs:
        for each in noted(run):
            durations[each.kind][each.size].append(each.seconds)
    steps = {kind: _smoothed(by_size) for kind, by_size in sorted(durations.items())}
    fit_s = round(min(timed_fit() for _ in range(TIMED_FITS)), 4)  # other processes only make it longer
    RECORDED.write_text(json.dumps({"fit_s": fit_s, "steps": steps}, indent=1) + "\n", encoding="utf-8")
    print(f"{RECORDED}: {len(steps)} kinds of steps.")


def _smoothed(by_size: Mapping[float, Sequence[float]]) -> list[tuple[float, float]]:
    sizes = sorted(by_size)
    seconds = isotonic_regression([float(np.median(by_size[size])) for size in sizes]).x
    return [(size, round(float(each), 4)) for size, each in zip(sizes, seconds, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
