"""Background processes: start, status and cancellation of computations that outlive the page.

Functions that start or end a process raise `NotAllowed` if the visitor has no rights (see `dashboard.rights`), and
`BadRun` if the run is not writable.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from dashboard import rights
from probing_core.catalog import loaded_plugins
from probing_core.errors import BadRun
from probing_core.run.files import process_of, write_atomically
from probing_core.run.layout import BACKGROUND_OUTPUT, LOG, PROGRESS
from probing_core.run.options import last_options
from probing_core.run.progress import Report
from probing_core.run.store import Store

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
"""Allowed names of folders that a process creates."""

MAX_REPORT_NUMBER = 1e15
"""Upper bound for numbers in a valid report; JSON may also contain NaN and infinity."""

END_S = 30.0
"""Seconds after which a process that was asked to end is killed; meanwhile it may finish its current file."""

STARTING_LOCK = f"{LOG}/starting.lock"
"""Lock held while a process is started: only one is started at a time."""

NICENESS = 5
"""Increase of the niceness of a process, which gives the server priority."""


def report_of(run: Path) -> Report | None:
    """Return the progress of the computation in ``run``; None if none was started, or the report cannot be read.

    A report of the state "running" whose process has ended is returned as cancelled: the run can be resumed.
    """
    try:
        report = Report(**json.loads((run / PROGRESS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    if not _is_sound(report):
        return None
    if report.state == "running" and process_of(report.pid, report.born) is None:
        return replace(report, state="cancelled")
    return report


def start(run: Path, arguments: Sequence[str]) -> None:
    begin("Starting a run", run, ["run", "--out", str(run), *arguments])


def suggested_models() -> dict[str, list[str]]:
    """Return the names of the models that are ``on_disk`` and of ``published`` models, listed by a separate process,
    which imports their libraries.

    Raises:
        BadRun: they cannot be listed.
    """
    rights.require("Starting a run")
    command = [sys.executable, "-m", "probing_core.models.suggestions"]
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if process.returncode:
        raise BadRun(f"The models of the installed libraries could not be listed: {process.stderr.strip()[-200:]}")
    return json.loads(process.stdout.splitlines()[-1])


def measured(run: Path, arguments: Sequence[str], on_progress: Callable[[str], object]) -> str:
    """Return the output of ``probing run --out run ARGUMENTS --estimate``, measured in a separate process.

    Args:
        on_progress: called with each line of progress.

    Raises:
        BadRun: the run cannot be measured; the message is the error of the command.
    """
    return _printed(["run", "--out", str(run), *arguments, "--estimate"], on_progress)


def ranked_quickly(model: str, base: Path, on_progress: Callable[[str], object]) -> list[dict[str, Any]]:
    """Return the output of ``probing rank model --base base --json``, computed in a separate process.

    Args:
        on_progress: called with each line of progress.

    Raises:
        BadRun: the model cannot be ranked; the message is the error of the command.
    """
    return json.loads(_printed(["rank", model, "--base", str(base), "--json"], on_progress))


def quick_estimate(model: str, base: Path, on_progress: Callable[[str], object]) -> str:
    """Return the output of ``probing rank model --base base --estimate``, measured in a separate process.

    Args:
        on_progress: called with each line of progress.

    Raises:
        BadRun: the time cannot be measured; the message is the error of the command.
    """
    return _printed(["rank", model, "--base", str(base), "--estimate"], on_progress)


def _printed(command: Sequence[str], on_progress: Callable[[str], object]) -> str:
    """Return the output of a command, and call ``on_progress`` with each line of progress."""
    rights.require("Starting a run")
    last = "The process ended without a message."
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as printed,
        subprocess.Popen(
            [sys.executable, "-m", "probing_core.cli", *_plugins(), *command],
            stdout=printed,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        try:
            for line in filter(None, map(str.strip, process.stderr or ())):
                if line.startswith("hint: "):  # only for a terminal
                    continue
                last = line
                if not line.startswith("error: "):  # raised below
                    on_progress(line)
        except BaseException:  # the visitor left the page
            process.terminate()
            raise
        if process.wait():
            raise BadRun(last.removeprefix("error: "))
        printed.seek(0)
        return printed.read().strip()


def resume(run: Path) -> None:
    start(run, last_options(run).arguments())


def begin(what: rights.Guarded, run: Path, command: Sequence[str]) -> None:
    """Start a process that runs the command line with the arguments ``command``, unless one is writing to ``run``."""
    rights.require(what)
    try:
        (run / LOG).mkdir(parents=True, exist_ok=True)
        with FileLock(run / STARTING_LOCK, thread_local=False):  # two visitors, or a second click
            report = report_of(run)
            if report is None or report.state != "running":
                _start_process(run, command)
    except OSError as error:
        raise BadRun(
            f"'{run}' cannot be written to ({error.strerror}). Make the folder writable, or start a run in a "
            "different folder."
        ) from error


def _start_process(run: Path, command: Sequence[str]) -> None:
    with (run / BACKGROUND_OUTPUT).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "probing_core.cli.background", *_plugins(), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # it outlives the dashboard
        )
    started = psutil.Process(process.pid)
    born = started.create_time()
    _lower_priority(started)
    # The process reports after it has been loaded; until then, nobody must see the report of an earlier one.
    starting = Report(
        "start",
        0,
        1,
        None,
        "Starting a process, which takes a few seconds",
        pid=process.pid,
        born=born,
    )
    write_atomically(run / PROGRESS, json.dumps(asdict(starting)).encode())


def _plugins() -> list[str]:
    return [argument for path in loaded_plugins() for argument in ("--plugin", str(path))]


def _lower_priority(process: psutil.Process) -> None:
    """Lower the priority of ``process``: visitors wait for the server, whereas a computation can wait."""
    with suppress(psutil.Error):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(process.nice() + NICENESS)
    # Linux may schedule by session. The process is the only one in its session, so its niceness has no effect.
    with suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(NICENESS))


def cancel(run: Path) -> bool:
    """Ask the process that writes to ``run`` to end, and return whether there was one; complete files are kept."""
    return _ask_to_end(run) is not None


def stop(run: Path) -> None:
    """End the process that writes to ``run``, if there is one, and wait for its end."""
    if process := _ask_to_end(run):
        with suppress(psutil.Error):
            try:
                process.wait(END_S)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(END_S)


def _ask_to_end(run: Path) -> psutil.Process | None:
    rights.require("Canceling a computation")
    report = report_of(run)
    process = process_of(report.pid, report.born) if report is not None and report.state == "running" else None
    if process is not None:
        try:
            process.terminate()
        except psutil.Error:  # it has ended, or belongs to a different user
            return None
    return process


def remove(run: Path) -> list[str]:
    """Remove a run, and return the remaining files in its folder that do not belong to the run.

    Raises:
        BadRun: the run is being written, or a file cannot be removed.
    """
    rights.require("Removing a run")
    return Store(run).delete()


def _is_sound(report: Report) -> bool:
    """Return whether the values of ``report`` are valid: its file may be corrupted or from a different program."""
    left_s = 0.0 if report.left_s is None else report.left_s
    numbers = (report.done, report.total, left_s, report.born, report.whole or 0.0)
    texts = (report.message, report.state, report.error)
    return (
        isinstance(report.pid, int)
        and all(isinstance(number, int | float) and abs(number) < MAX_REPORT_NUMBER for number in numbers)
        and all(isinstance(text, str) for text in texts)
    )
