"""Collect the durations of steps in ``probing_core/run/step-times.json``: ``python -m lab.scripts.step_times RUN ...``.

The durations are used for estimates (`probing_core.run.step_times`). Pass runs of different sizes, with and without
splits, that this machine has just computed without other load. Durations of the same kind and size are averaged.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

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
    steps = {
        kind: [[size, round(float(np.median(seconds)), 4)] for size, seconds in sorted(by_size.items())]
        for kind, by_size in sorted(durations.items())
    }
    fit_s = round(min(timed_fit() for _ in range(TIMED_FITS)), 4)  # other processes only make it longer
    RECORDED.write_text(json.dumps({"fit_s": fit_s, "steps": steps}, indent=1) + "\n", encoding="utf-8")
    print(f"{RECORDED}: {len(steps)} kinds of steps.")


if __name__ == "__main__":
    sys.exit(main())
