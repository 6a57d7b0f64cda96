"""Progress of long work: how much is done, and how long the rest will take."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from probing_core.store import write_atomically

INTERVAL = 0.5
"""Seconds between two reports: often enough to watch, rare enough to cost nothing."""


@dataclass(frozen=True)
class Report:
    """What ``log/progress.json`` holds.

    Attributes:
        stage: embed, train, evaluate, project, ...
        done, total: units of work of this stage.
        left_s: seconds that the stage still takes, or None while that cannot be told.
        message: one phrase for people.
        state: running, done, failed or cancelled.
        pid: the process that works.
        error: the one sentence of a failure.
    """

    stage: str
    done: int
    total: int
    left_s: float | None
    message: str
    state: str = "running"
    pid: int = 0
    error: str = ""


class Progress:
    """Tells a terminal, a file, both or nobody how far the work is.

    Args:
        stream: where lines go; a terminal gets one line that is overwritten.
        file: where the latest `Report` is kept as JSON for other processes.
        pid: written into the file.
    """

    def __init__(self, stream: TextIO | None = None, file: Path | None = None, pid: int = 0) -> None:
        self.stream, self.file, self.pid = stream, file, pid
        self._stage, self._started, self._last = "", 0.0, 0.0
        self._first_done = 0

    def update(self, stage: str, done: int, total: int, message: str = "") -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._started, self._first_done, self._last = stage, now, done, 0.0
        if now - self._last < INTERVAL and done < total:
            return
        self._last = now
        fresh = done - self._first_done  # what an earlier run had done took no time now
        left = (now - self._started) / fresh * (total - done) if fresh > 0 else None
        self._tell(Report(stage, done, total, left, message or stage, pid=self.pid))

    def finish(self, state: str, error: str = "") -> None:
        """The last report: ``done``, ``failed`` or ``cancelled``."""
        if self.stream is not None and self.stream.isatty():
            self.stream.write("\n")
        self._save(Report(self._stage, 1, 1, 0.0, state, state, self.pid, error))

    def _tell(self, report: Report) -> None:
        self._save(report)
        if self.stream is not None:
            left = "" if report.left_s is None else f", {duration(report.left_s)} left"
            line = f"{report.message}: {report.done} of {report.total}{left}"
            self.stream.write(f"\r\x1b[K{line}" if self.stream.isatty() else f"{line}\n")
            self.stream.flush()

    def _save(self, report: Report) -> None:
        if self.file is not None:
            write_atomically(self.file, json.dumps(asdict(report)).encode())


def duration(seconds: float) -> str:
    """``42 s``, ``3 min`` or ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


SILENT = Progress()


def terminal() -> Progress:
    return Progress(stream=sys.stderr)
