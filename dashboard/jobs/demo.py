"""``python -m dashboard.jobs.demo``: computes or completes the demo run under the reference probes.

Without a reference run the demo run trains probes of its own, before the dashboard is served.
"""

from __future__ import annotations

import shutil
import sys

from dashboard.jobs import processes
from probing_core import paths
from probing_core.errors import ProbingError
from probing_core.results import Run, source_of
from probing_core.results.run_places import DEMO
from probing_core.run import layout
from probing_core.run.options import Options

LIMIT = 100
"""Images of a new demo run, ten views of each photograph; a run that was begun keeps its own limit."""


def main() -> int:
    demo, reference = paths.runs_dir() / DEMO, paths.reference_run()
    try:
        if (reference / layout.RECIPE).is_file():
            begun = (demo / layout.RECIPE).is_file()
            if begun and source_of(Run.open(demo), [Run.open(reference)]) is None:
                # The demo run used another reference run, which has been replaced since, as by `git pull`.
                processes.stop(demo)
                shutil.rmtree(demo)
                begun = False
            report = processes.report_of(demo)
            if report is None or report.state != "running":
                options = Options(probes_from=reference, limit=None if begun else LIMIT)
                processes.start(demo, options.arguments())
            return 0
    except (ProbingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from probing_core.cli import main as probing

    return probing(["run", "--out", str(demo), *Options(limit=LIMIT).arguments()])


if __name__ == "__main__":
    sys.exit(main())
