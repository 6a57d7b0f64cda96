"""``python -m dashboard.demo``: has the worker compute, or complete, the demo run under the reference run's probes.

Without a reference run the demo run trains probes of its own, before anything is served.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from dashboard import work
from probing_core.errors import ProbingError
from probing_core.paths import data_dir
from probing_core.results import Run, source_of
from probing_core.results.finding import DEMO, REFERENCE

VIEWS = 100
"""Ten of each photograph, so that it takes minutes on slow cores too."""

OPTIONS = ("--limit", str(VIEWS), "--maps", "first")
"""Further maps are drawn when somebody opens them."""


def main() -> int:
    demo, reference = data_dir() / "runs" / DEMO, data_dir() / REFERENCE
    try:
        if (reference / "run.toml").is_file():
            if _outdated(demo, reference):
                work.cancel(demo)
                shutil.rmtree(demo)
            report = work.report_of(demo)
            if report is None or report.state != "running":
                work.start(demo, ["--probes-from", str(reference), *OPTIONS])
            return 0
    except (ProbingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from probing_core.cli import main as probing

    return probing(["run", "--out", str(demo), *OPTIONS])


def _outdated(demo: Path, reference: Path) -> bool:
    """Whether the demo run was begun under another reference run or with more views, before a ``git pull``."""
    if not (demo / "run.toml").is_file():
        return False
    run = Run.open(demo)
    return run.recipe.limit != VIEWS or source_of(run, [Run.open(reference)]) is None


if __name__ == "__main__":
    sys.exit(main())
