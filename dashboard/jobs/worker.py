"""The worker process: starting, watching and cancelling a computation that outlives the page.

All but watching raises `NotAllowed` where the visitor has no rights, see `dashboard.rights`; what starts a process
raises `BadRun` where nothing can be written to the run.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

import psutil

from dashboard import rights
from probing_core.errors import BadRun
from probing_core.runs.last_options import last_options
from probing_core.runs.layout import LOG, PROGRESS, WORKER_OUTPUT
from probing_core.runs.options import ENGINES, LOCAL
from probing_core.runs.progress import Report
from probing_core.runs.store import write_atomically

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
"""Of the folder that a worker makes."""

SAME_S = 1.0
"""Two readings of when a process began differ by less; the number of a process is not used again so soon."""

LARGEST = 1e15
"""No number of a report reaches it; JSON may also hold NaN and infinity."""

NICENESS = 5
"""By how much a worker steps back behind the server: of two that compute at once, it gets about a quarter."""


def report_of(run: Path) -> Report | None:
    """How far the computation in ``run`` is; None if none was ever started, or its report cannot be read.

    A report of the state "running" whose process is gone is returned as cancelled: the run can be resumed.
    """
    try:
        report = Report(**json.loads((run / PROGRESS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    if not _is_sound(report):
        return None
    if report.state == "running" and _process(report) is None:
        return replace(report, state="cancelled")
    return report


def engines() -> tuple[str, ...]:
    """What can embed here, see `Options.engine`."""
    return ENGINES if find_spec("ray") else (LOCAL,)


def start(run: Path, arguments: Sequence[str]) -> None:
    """Starts ``probing run --out run ARGUMENTS`` in a process of its own."""
    rights.require("Starting a run")
    _work(run, ["run", "--out", str(run), *arguments])


def resume(run: Path) -> None:
    """Goes on with a run that was begun, with the options that it had."""
    start(run, last_options(run).arguments())


def scan(out: Path, folder: Path, run: Path, clean: Path | None) -> None:
    """Has ``folder`` scanned into ``out`` by a process of its own.

    Args:
        run: whose detector is used.
        clean: a folder of untouched pictures, if there is one.
    """
    rights.require("Scanning a folder")
    trusted = ["--clean", str(clean)] if clean else []
    _work(out, ["scan", str(folder), "--out", str(out), "--run", str(run), *trusted])


def draw_maps(run: Path, models: Sequence[str]) -> None:
    """Has the maps of ``models`` drawn by a process of its own."""
    rights.require("Drawing a map")
    _work(run, ["project", "--run", str(run), "--models", ",".join(models)])


def _work(run: Path, command: Sequence[str]) -> None:
    report = report_of(run)
    if report is not None and report.state == "running":
        return  # somebody else has started it, and its progress shows
    try:
        (run / LOG).mkdir(parents=True, exist_ok=True)
        output = (run / WORKER_OUTPUT).open("ab")
    except OSError as error:
        raise BadRun(
            f"Nothing can be written to '{run}' ({error.strerror}), so nothing can be computed there; "
            "make its folder writable, or start a run elsewhere."
        ) from error
    with output:
        process = subprocess.Popen(
            [sys.executable, "-m", "probing_core.cli.worker", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # it goes on when the dashboard is closed
        )
    begun = psutil.Process(process.pid)
    born = begun.create_time()
    _step_back(begun)
    # The worker reports once it has been loaded; until then, nobody must see the report of an earlier one.
    took_s = 0.0 if report is None else report.took_s
    starting = Report("start", 0, 1, None, "Starting", pid=process.pid, born=born, took_s=took_s)
    write_atomically(run / PROGRESS, json.dumps(asdict(starting)).encode())


def _step_back(process: psutil.Process) -> None:
    """Lowers the priority of a process: a visitor waits for the server, and a computation can wait."""
    with suppress(psutil.Error):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(process.nice() + NICENESS)
    # Linux may share the processor by sessions, and the worker has one of its own: within it, niceness alone is void.
    with suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(NICENESS))


def cancel(run: Path) -> bool:
    """Asks the worker of ``run`` to end; whether there was one. What is complete stays."""
    rights.require("Canceling a computation")
    report = report_of(run)
    process = _process(report) if report is not None and report.state == "running" else None
    if process is None:
        return False
    try:
        process.terminate()
    except psutil.Error:  # it has ended, or belongs to somebody else
        return False
    return True


def remove(run: Path) -> None:
    """Removes the folder of a run of which nothing was computed."""
    rights.require("Removing a run")
    shutil.rmtree(run)


def _is_sound(report: Report) -> bool:
    """Whether pages can compute with its values: the file may be damaged, or come with a run."""
    left_s = 0.0 if report.left_s is None else report.left_s
    numbers = (report.done, report.total, left_s, report.born, report.took_s)
    texts = (report.message, report.state, report.error)
    return (
        isinstance(report.pid, int)
        and all(isinstance(number, int | float) and abs(number) < LARGEST for number in numbers)
        and all(isinstance(text, str) for text in texts)
    )


def _process(report: Report) -> psutil.Process | None:
    """The process that wrote ``report``, while it lives: another one may have its number by now."""
    try:
        process = psutil.Process(report.pid)
        same = abs(process.create_time() - report.born) < SAME_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, ValueError):
        return None
