"""Compute or complete the demo run, a small run on included photographs: ``python -m dashboard.jobs.demo``.

The demo run is computed in the background. If the reference run is missing, the demo run is computed on the packaged
photographs before this command returns.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dashboard.jobs import processes
from probing_core import paths
from probing_core.errors import ProbingError, without_controls
from probing_core.results import Run
from probing_core.results.run_places import DEMO, unused_name
from probing_core.run import layout
from probing_core.run.options import Options

LIMIT = 60
"""Number of images in a new demo run. An existing demo run keeps its recipe."""

MODELS = ("zoo/mae", "zoo/clip", "baseline/handcrafted")


def main() -> int:
    demo, reference = paths.runs_dir() / DEMO, paths.reference_run()
    try:
        if (reference / layout.RECIPE).is_file():
            started = (demo / layout.RECIPE).is_file()
            if started and (problem := _why_unreadable(demo)):
                processes.stop(demo)
                aside = _set_aside(demo)
                renamed = f"{problem}\nThe run was renamed to '{aside}'. A new demo run is being computed."
                print(without_controls(renamed), file=sys.stderr)
                started = False
            report = processes.report_of(demo)
            if report is None or report.state != "running":
                new = Options(corpus="reference", transforms=("bank",), repetitions=1, models=MODELS, limit=LIMIT)
                options = Options() if started else new
                processes.start(demo, options.arguments())
            return 0
    except (ProbingError, OSError) as error:
        print(without_controls(f"error: {error}"), file=sys.stderr)
        return 2
    from probing_core.cli import main as probing

    return probing(["run", "--out", str(demo), *Options(models=MODELS, limit=LIMIT).arguments()])


def _why_unreadable(run: Path) -> str:
    """Return the reason why a run cannot be opened, or an empty string if it can be opened."""
    try:
        Run.open(run)
    except ProbingError as error:
        return str(error)
    return ""


def _set_aside(run: Path) -> Path:
    """Rename the folder of a run, which may contain files of the user, and return the new path."""
    names = {path.name for path in run.parent.iterdir()}
    return run.rename(run.with_name(unused_name(f"{run.name}-unreadable", names)))


if __name__ == "__main__":
    sys.exit(main())
