"""Progress of long computations: completed fraction and remaining time."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import psutil

from probing_core.errors import ProbingError, one_line, without_controls
from probing_core.run.files import write_atomically
from probing_core.run.layout import PROGRESS

INTERVAL = 0.5
"""Minimum time between two reports in seconds."""

LOADING = "load"
"""Stage in which models are loaded and compiled. Its duration does not predict the duration of other stages."""

EXACT_S = 600
"""Minimum duration, in seconds, for which seconds are not displayed."""


@dataclass(frozen=True)
class Report:
    """The content of ``log/progress.json``.

    Attributes:
        stage: name of the stage, such as ``embed`` or ``train``.
        done, total: completed and total number of units of work in this stage.
        left_s: remaining seconds of the run, or of the stage if ``whole`` is None. None if unknown.
        message: description of the current work for users.
        state: ``running``, ``done``, ``failed`` or ``cancelled``.
        pid: ID of the process that does the work.
        error: error message if the work has failed.
        born: start time of the process (``psutil.Process.create_time``), because process IDs are reused.
        whole: completed fraction of the run, from 0 to 1. None if only the progress of the stage is known.
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
    whole: float | None = None

    @property
    def so_far(self) -> str:
        """Progress as text, such as ``34%, 3 min left: Transforming, 120 of 4,000``.

        If only the progress of the stage is known, the text is similar to ``Transforming: 120 of 4,000, 3 min left``.
        The count is omitted if there is only one unit of work.
        """
        left = "" if self.left_s is None else f", {duration(self.left_s)} left"
        count = f"{self.done:,} of {self.total:,}" if self.total > 1 else ""
        if self.whole is None:
            return f"{self.message}{': ' if count else ''}{count}{left}"
        return f"{self.whole:.0%}{left}: {self.message}{', ' if count else ''}{count}"

    @property
    def share(self) -> float:
        """Completed fraction (0 to 1) of the run, or of the stage if ``whole`` is None."""
        return min(1.0, self.done / max(1, self.total)) if self.whole is None else self.whole


@dataclass
class Expected:
    """A step of the work, with its expected duration and the time spent so far.

    Attributes:
        stage: stage of the step. All steps of a stage are assumed to deviate from the estimate by the same factor.
        seconds: expected duration.
        is_guessed: whether ``seconds`` is only meaningful relative to other steps of the stage. The remaining time of
            the step is then unknown until a step of the stage has been timed.
        done: completed fraction of the step.
        took_s: duration of the step in seconds once it has ended.
    """

    stage: str
    seconds: float
    is_guessed: bool = False
    done: float = 0.0
    took_s: float = 0.0


class Progress:
    """Progress reporter that can write to a stream and to a file.

    Args:
        stream: stream to which lines are written. In a terminal, a single line is overwritten.
        file: file to which the latest `Report` is written as JSON for other processes.
        overwrites: whether to overwrite a single line even if ``stream`` is not a terminal, for example in a notebook.
    """

    def __init__(self, stream: TextIO | None = None, file: Path | None = None, overwrites: bool = False) -> None:
        self.stream, self.file = stream, file
        self._on_terminal = stream is not None and (overwrites or stream.isatty())
        self._me = {"pid": os.getpid(), "born": psutil.Process().create_time()} if file is not None else {}
        self._stage, self._step, self._entered, self._last = "", "", 0.0, 0.0
        self._first: tuple[int, float] | None = None
        self._before = 0
        self._expected: dict[str, Expected] = {}
        self._whole = 0.0

    @property
    def begun(self) -> bool:
        """Whether anything has been reported."""
        return bool(self._stage)

    def expect(self, steps: Mapping[str, Expected]) -> None:
        """Set the remaining steps, so that subsequent reports include the overall progress.

        Args:
            steps: name of a step -> step, in order.
        """
        self._expected = dict(steps)

    def update(self, stage: str, done: int, total: int, message: str = "", step: str = "") -> None:
        """Report that ``done`` of ``total`` units of work in a stage are complete.

        Args:
            step: name of an expected step. By default, the step with the name of the stage or, if there is none, the
                previous step of the stage.
        """
        now = time.monotonic()
        if step not in self._expected:
            step = self._step if stage == self._stage and stage not in self._expected else stage
        if (stage, step) != (self._stage, self._step):
            if stage != self._stage:
                self._last = 0.0
            self._leave(step, now)
            self._stage, self._step, self._entered, self._before, self._first = stage, step, now, done, None
        if step == stage and self._first is None and done > self._before:
            self._first = done, now  # the first unit includes loading and compiling, so its duration is not typical
        if now - self._last < INTERVAL and done < total:
            return
        self._last = now
        left = self._left_of_step(done, total, now)
        whole = None
        if self._expected:
            fresh, all_fresh = done - self._before, total - self._before  # excludes work of earlier sessions
            share = fresh / max(1, all_fresh) if step == stage and total > 1 else float(done >= total)
            left, whole = self._left_of_all(step, share, left, now - self._entered)
        self._report(Report(stage, done, total, left, message or stage, whole=whole, **self._me))

    def _left_of_step(self, done: int, total: int, now: float) -> float | None:
        """Estimate the remaining seconds from the average duration of units after the first.

        Returns None until a second unit is complete.
        """
        if done >= total:
            return 0.0
        if self._first is None or done <= self._first[0]:
            return None
        first, since = self._first
        return (now - since) / (done - first) * (total - done)

    def _leave(self, step: str, now: float) -> None:
        """Record the duration of the step that has ended, and mark all steps before ``step`` as complete."""
        if (left := self._expected.get(self._step)) is not None and self._stage != LOADING:
            left.done, left.took_s = 1.0, left.took_s + now - self._entered
        if step in self._expected:
            for name, expected in self._expected.items():
                if name == step:
                    break
                expected.done = 1.0

    def _left_of_all(self, step: str, done: float, left: float | None, elapsed: float) -> tuple[float | None, float]:
        """Estimate the progress of all steps.

        Args:
            step: name of the current step.
            done: completed fraction of the step.
            left: remaining seconds of the step, estimated from its completed units. None if unknown.
            elapsed: seconds since the step began.

        Returns:
            The remaining seconds (None if unknown) and the completed fraction.
        """
        now, steps = self._expected.get(step), self._expected.values()
        if now is not None:
            now.done = max(now.done, done)
        total_s = sum(each.seconds for each in steps) or 1.0
        self._whole = min(1.0, max(self._whole, sum(each.seconds * each.done for each in steps) / total_s))
        current = {} if now is None or left is None else {now.stage: (now, left / (1 - done) if done < 1 else elapsed)}
        remaining = 0.0 if left is None else left
        for each in steps:
            if each.done == 1 or (each is now and left is not None):
                continue
            slowness = self._slowness(each.stage, *current.get(each.stage, ()))
            if slowness is None and each.is_guessed:
                return None, self._whole
            remaining += each.seconds * (1 - each.done) * (1.0 if slowness is None else slowness)
        return remaining, self._whole

    def _slowness(self, stage: str, now: Expected | None = None, now_s: float = 0.0) -> float | None:
        """Return the duration of the steps of ``stage`` so far relative to the expected duration, or None if unknown.

        Args:
            now: the current step, if it belongs to the stage.
            now_s: its duration, extrapolated from its completed units.
        """
        ended = [each for each in self._expected.values() if each.stage == stage and each.took_s]
        took = sum(each.took_s for each in ended)
        expected = sum(each.seconds for each in ended)
        if now is not None and not now.took_s:
            took, expected = took + now_s, expected + now.seconds
        if not took:
            return None
        return took / expected if expected else 1.0

    def note(self, sentence: str) -> None:
        """Write a sentence to the stream in place of the progress line. An empty sentence is ignored."""
        if sentence:
            self._write(f"{sentence}\n")

    def close(self) -> None:
        """Remove the progress line from a terminal or a notebook."""
        if self.begun and self._on_terminal:
            self._write("")

    def finish(self, state: str, error: str = "") -> None:
        """Write the final report with the state ``done``, ``failed`` or ``cancelled``."""
        if self.stream is not None and self._on_terminal:
            self.stream.write("\n")
        whole = None
        if self._expected:
            whole = 1.0 if state == "done" else self._whole
        self._save(Report(self._stage, 1, 1, 0.0, state, state, error=error, whole=whole, **self._me))

    def _report(self, report: Report) -> None:
        self._save(report)
        self._write(report.so_far if self._on_terminal else f"{report.so_far}\n")

    def _write(self, text: str) -> None:
        if self.stream is not None:
            text = without_controls(text)  # of names of models and files
            self.stream.write(f"\r\x1b[K{text}" if self._on_terminal else text)
            self.stream.flush()

    def _save(self, report: Report) -> None:
        if self.file is not None:
            write_atomically(self.file, json.dumps(asdict(report)).encode())


def duration(seconds: float) -> str:
    """Format a duration as ``1.2 s``, ``42 s``, ``3 min 20 s``, ``12 min`` or ``2 h 30 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < EXACT_S:
        minutes, remainder = divmod(round(seconds), 60)
        return f"{minutes} min {remainder} s" if remainder else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


SILENT = Progress()


def in_one_line(is_shown: bool | None = None) -> Progress:
    """Return a `Progress` that overwrites a single line on standard error.

    Args:
        is_shown: whether to show the line. By default, it is shown in terminals and notebooks.
    """
    if is_shown is None:
        is_shown = sys.stderr.isatty() or _in_a_notebook()
    return Progress(sys.stderr, overwrites=True) if is_shown else SILENT


def _in_a_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # not imported just for this check
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def terminal(run: Path | None = None) -> Progress:
    """Return a `Progress` that reports to standard error and, if ``run`` is given, to the progress file of the run."""
    return Progress(sys.stderr, None if run is None else run / PROGRESS)


@contextmanager
def final_report(progress: Progress) -> Iterator[None]:
    """Return a context manager that writes the final report on exit, unless nothing has been reported."""
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
