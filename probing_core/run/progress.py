"""Progress of long work: how much is done, and how long the rest will take."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import psutil

from probing_core.errors import ProbingError, one_line
from probing_core.run.layout import PROGRESS
from probing_core.run.store import write_atomically

INTERVAL = 0.5
"""Seconds between two reports: often enough to watch, rare enough to cost nothing."""

EXACT_S = 600
"""From so long a duration on, seconds are not worth reading."""


@dataclass(frozen=True)
class Report:
    """What ``log/progress.json`` holds.

    Attributes:
        stage: embed, train, evaluate, project, ...
        done, total: units of work of this stage.
        left_s: seconds that the stage still takes, or None while that is unknown.
        message: one phrase for people.
        state: running, done, failed or cancelled.
        pid: the process that works.
        error: the one sentence of a failure.
        born: when that process began (``psutil.Process.create_time``): numbers of processes are used again.
        took_s: seconds that all work on this file's run has taken so far.
    """

    stage: str
    done: int
    total: int
    left_s: float | None
    message: str
    state: str = "running"
    pid: int = 0
    error: str = ""
    born: float = 0.0
    took_s: float = 0.0

    @property
    def so_far(self) -> str:
        """``Transforming: 120 of 4,000, 3 min left``; of a single unit of work, no count: ``Starting``."""
        left = "" if self.left_s is None else f", {duration(self.left_s)} left"
        count = f": {self.done:,} of {self.total:,}" if self.total > 1 else ""
        return f"{self.message}{count}{left}"

    @property
    def share(self) -> float:
        """How much of the stage is done, from 0 to 1."""
        return min(1.0, self.done / max(1, self.total))


class Progress:
    """Reports how far the work is to a terminal, a file, both or neither.

    Args:
        stream: where lines go; a terminal gets one line that is overwritten.
        file: where the latest `Report` is written as JSON for other processes.
    """

    def __init__(self, stream: TextIO | None = None, file: Path | None = None) -> None:
        self.stream, self.file = stream, file
        self._on_terminal = stream is not None and stream.isatty()
        self._me = {"pid": os.getpid(), "born": psutil.Process().create_time()} if file is not None else {}
        self._took_before, self._began = _took(file), time.monotonic()
        self._stage, self._started, self._last = "", 0.0, 0.0
        self._first_done = 0

    @property
    def begun(self) -> bool:
        """Whether anything has been reported."""
        return bool(self._stage)

    def update(self, stage: str, done: int, total: int, message: str = "") -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._started, self._first_done, self._last = stage, now, done, 0.0
        if now - self._last < INTERVAL and done < total:
            return
        self._last = now
        fresh = done - self._first_done  # what an earlier run had done took no time now
        left = (now - self._started) / fresh * (total - done) if fresh > 0 else None
        self._report(Report(stage, done, total, left, message or stage, **self._me))

    def note(self, sentence: str) -> None:
        """Write a sentence to the terminal, in place of the line of progress; nothing where it is empty."""
        if sentence:
            self._write(f"{sentence}\n")

    def close(self) -> None:
        """Take away what shows the progress."""

    def finish(self, state: str, error: str = "") -> None:
        """Write the last report: ``done``, ``failed`` or ``cancelled``."""
        if self.stream is not None and self._on_terminal:
            self.stream.write("\n")
        self._save(Report(self._stage, 1, 1, 0.0, state, state, error=error, **self._me))

    def _report(self, report: Report) -> None:
        self._save(report)
        self._write(report.so_far if self._on_terminal else f"{report.so_far}\n")

    def _write(self, text: str) -> None:
        """Write ``text``; on a terminal, over the line that stands there."""
        if self.stream is not None:
            self.stream.write(f"\r\x1b[K{text}" if self._on_terminal else text)
            self.stream.flush()

    def _save(self, report: Report) -> None:
        if self.file is not None:
            took = self._took_before + time.monotonic() - self._began
            write_atomically(self.file, json.dumps(asdict(replace(report, took_s=round(took, 1)))).encode())


class Bar(Progress):
    """Shows a bar of tqdm for each stage, in a terminal or a notebook."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Any = None

    def update(self, stage: str, done: int, total: int, message: str = "") -> None:
        from tqdm.auto import tqdm

        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(desc=message or stage, total=total, initial=done, leave=False)
        self._bar.total = total
        self._bar.set_description(message or stage, refresh=False)
        self._bar.update(done - self._bar.n)

    def note(self, sentence: str) -> None:
        if sentence:
            print(sentence, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, ""


def _took(file: Path | None) -> float:
    """Return the seconds that the earlier work took whose report is in ``file``."""
    try:
        return float(json.loads(file.read_bytes())["took_s"]) if file is not None else 0.0
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def duration(seconds: float) -> str:
    """Format as ``1.2 s``, ``42 s``, ``3 min 20 s``, ``12 min`` or ``2 h 30 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < EXACT_S:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


SILENT = Progress()


def bar() -> Progress:
    """Report to a bar, where somebody would see it."""
    return Bar() if sys.stderr.isatty() or "ipykernel" in sys.modules else SILENT


def terminal(run: Path | None = None) -> Progress:
    """Report to the terminal, and to the file that pages read of ``run``, if one is named."""
    return Progress(sys.stderr, None if run is None else run / PROGRESS)


@contextmanager
def final_report(progress: Progress) -> Iterator[None]:
    """Write the last report, however the work inside ends; none where it had not begun."""
    state, error = "failed", ""
    try:
        yield
        state = "done"
    except (KeyboardInterrupt, SystemExit):
        state = "cancelled"
        raise
    except BaseException as caught:
        error = one_line(caught) if isinstance(caught, ProbingError) else f"{type(caught).__name__}: {one_line(caught)}"
        raise
    finally:
        if progress.begun:
            progress.finish(state, error)
