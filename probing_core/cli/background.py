"""Background process that continues to compute a run or a scan after the page that started it is closed.

``python -m probing_core.cli.background`` takes the same arguments as ``probing``. The command must be ``run`` or
``scan``.

The process reports progress to ``log/progress.json`` in the output folder (see `probing_core.run.progress.Report`). To
cancel the computation, terminate the process. To resume it, start the process again.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from probing_core.api.scan import scan
from probing_core.cli import load_plugins, parse
from probing_core.cli.run_command import run_options
from probing_core.cli.shared import print_text, write_utf8
from probing_core.errors import ProbingError, RunBusy, one_line
from probing_core.paths import reference_run
from probing_core.run.layout import PROGRESS
from probing_core.run.pipeline import run
from probing_core.run.progress import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in the command line
    write_utf8()
    options = parse(arguments)
    out = Path(options.out)
    progress = Progress(file=out / PROGRESS)

    def cancel(signum: int, frame: object) -> None:
        try:
            progress.finish("cancelled")
            _kill_children()
        finally:
            os._exit(1)  # other code could catch an exception; files remain valid if the process is killed

    def finish(state: str, error: str = "") -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # too late to cancel
        progress.finish(state, error)

    signal.signal(signal.SIGTERM, cancel)
    try:
        load_plugins(options)
        if options.called == "scan":
            scan(options.source, out, options.run or reference_run(), options.clean, options.level, progress)
        else:
            run(out, run_options(options), options.until, progress)
    except RunBusy:
        print_text(f"{out} is in use by another process.", sys.stderr)  # that process owns the progress file
        return 2
    except ProbingError as error:
        finish("failed", one_line(error))
        return 2
    except Exception as error:  # the page reads the failure from the progress file; the log has the traceback
        finish("failed", f"{type(error).__name__}: {one_line(error)}")
        raise
    finish("done")
    return 0


def _kill_children() -> None:
    """Kill all child processes. Otherwise, some processes of a Ray cluster would continue to run for a minute."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


if __name__ == "__main__":
    sys.exit(main())
