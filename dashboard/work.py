"""The worker process: starting, watching and cancelling a computation that outlives the page."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from probing_core.errors import BadRun
from probing_core.progress import Report
from probing_core.store import write_atomically

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
    """Starts (or resumes) ``probing run --out run ARGUMENTS`` in a process of its own.

    Raises:
        BadRun: nothing can be written to ``run``.
    """
    _work(run, ["run", "--out", str(run), *arguments])


def draw_maps(run: Path, models: Sequence[str]) -> None:
    """Has the maps of ``models`` drawn by a process of its own.

    Raises:
        BadRun: nothing can be written to ``run``.
    """
    _work(run, ["project", "--run", str(run), "--models", ",".join(models)])


def _work(run: Path, command: Sequence[str]) -> None:
    try:
        (run / "log").mkdir(parents=True, exist_ok=True)
        output = (run / "log" / "worker.txt").open("ab")
    except OSError as error:
        raise BadRun(
            f"Nothing can be written to '{run}' ({error.strerror}), so nothing can be computed there; "
            "make its folder writable, or start a run elsewhere."
        ) from error
    with output:
        process = subprocess.Popen(
            [sys.executable, "-m", "probing_core.worker", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # it goes on when the dashboard is closed
        )
    # The worker reports once it has been loaded; until then, whoever looks must not see the report of an earlier one.
    report = Report("start", 0, 1, None, "Starting", pid=process.pid)
    write_atomically(run / PROGRESS, json.dumps(asdict(report)).encode())


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


ESTIMATE_NOTE = (
    "A rough guess for two cores: about 3 ms to make a sample, and for a model about 3 ms (baselines, small networks), "
    "15 ms (EfficientNet-Lite0) or 60 ms (large ones) a sample; then the probes and the maps. A GPU is faster."
)
SECONDS_TO_MAKE = 0.003
SECONDS_TO_EMBED = {"baseline/": 0.003, "zoo/": 0.003, "timm:tf_efficientnet_lite0": 0.015, "file:": 0.0}
SECONDS_LARGE = 0.06
SECONDS_PER_MODEL = 20
"""Probes and map."""

TYPICAL_DIMENSION = 768


@dataclass(frozen=True)
class Estimate:
    """What a run will take: samples, seconds on two cores, megabytes of disk."""

    samples: int
    seconds: float
    megabytes: float


def estimate(images: int, transforms: int, models: Sequence[str], view: int) -> Estimate:
    """A rough guess for ``images`` under ``transforms`` transformations and two identities."""
    samples = images * (transforms + 2)
    scale = (view / 128) ** 2
    speeds = [next((s for start, s in SECONDS_TO_EMBED.items() if m.startswith(start)), SECONDS_LARGE) for m in models]
    seconds = samples * (SECONDS_TO_MAKE * scale + sum(speeds)) + SECONDS_PER_MODEL * len(models)
    return Estimate(samples, seconds, samples * len(models) * TYPICAL_DIMENSION * 4 / 1e6)
