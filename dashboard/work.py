"""The worker process: starting, watching and cancelling a computation that outlives the page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from probing_core.progress import Report

PROGRESS = "log/progress.json"


def report_of(run: Path) -> Report | None:
    """How far the computation in ``run`` is; None if none was ever started, or its report cannot be read.

    A report that says "running" although its process is gone is told as cancelled: it can be resumed.
    """
    try:
        report = Report(**json.loads((run / PROGRESS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    if report.state == "running" and not _alive(report.pid):
        return Report(**{**report.__dict__, "state": "cancelled"})
    return report


def start(run: Path, arguments: Sequence[str]) -> None:
    """Starts (or resumes) ``probing run --out run ARGUMENTS`` in a process of its own."""
    (run / "log").mkdir(parents=True, exist_ok=True)
    with (run / "log" / "worker.txt").open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "probing_core.worker", str(run), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # it goes on when the dashboard is closed
        )


def cancel(run: Path) -> bool:
    """Asks the worker of ``run`` to end; whether there was one. What is complete stays."""
    report = report_of(run)
    if report is None or report.state != "running":
        return False
    os.kill(report.pid, signal.SIGTERM)
    return True


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False
