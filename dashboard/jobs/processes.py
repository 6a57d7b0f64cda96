"""Start, monitor and cancel background processes, which continue when the page is closed.

Functions that start or end a process or remove a run raise `NotAllowed` if the visitor has no permission (see
`dashboard.rights`). Functions that start a background process raise `BadRun` if the run is not writable.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import psutil
from filelock import FileLock

from dashboard import rights
from probing_core.catalog import loaded_plugins
from probing_core.compute.runtime.workers import OWN_CONSOLE, UTF8
from probing_core.corpora import is_remote
from probing_core.errors import BadRun
from probing_core.paths import refuse_links
from probing_core.run.directory import RunDirectory
from probing_core.run.files import process_of, read_json, write_atomically
from probing_core.run.layout import BACKGROUND_OUTPUT, LOG, PROGRESS
from probing_core.run.options import LOCAL_ADDRESS, last_options
from probing_core.run.progress import Report
from probing_core.run.recipe import read_recipe
from probing_core.run.run_files import RunFiles

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,58}[A-Za-z0-9_-])?")
"""Regular expression for names of new runs, which are also names of folders. Windows ignores dots at the end."""

MAX_REPORT_NUMBER = 1e15
"""Upper bound for the numbers in a valid report. JSON files may also contain NaN and infinity."""

END_S = 30.0
"""Time in seconds that a terminated process has to finish its current file before it is killed."""

STARTING_LOCK = f"{LOG}/starting.lock"
"""Path of the lock that is held while a process is started, so that only one process is started at a time."""

NICENESS = 5
"""Increase in the niceness of background processes, so that the server has a higher priority."""


def report_of(run: Path) -> Report | None:
    """Return the progress report of the computation in ``run``, or None if there is no valid report.

    If the report has the state "running" but the process has ended, it is returned with the state "cancelled", because
    the run can be resumed.
    """
    try:
        report = Report(**read_json(run / PROGRESS))
    except (BadRun, TypeError):
        return None
    if not _is_sound(report):
        return None
    if report.state == "running" and process_of(report.pid, report.born) is None:
        return replace(report, state="cancelled")
    return report


def start(run: Path, arguments: Sequence[str]) -> None:
    begin("Starting a run", run, ["run", "--out", str(run), *arguments])


def suggested_models() -> dict[str, list[str]]:
    """List the models of the installed libraries in a separate process, which imports the libraries.

    Returns:
        ``on_disk`` and ``published`` -> names (see `dashboard.jobs.model_names.ModelNames`).

    Raises:
        BadRun: the models cannot be listed.
    """
    rights.require("Starting a run")
    command = [sys.executable, "-m", "probing_core.models.suggestions"]
    process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, **UTF8)
    if process.returncode:
        raise BadRun(f"Cannot list the models of the installed libraries: {process.stderr.strip()[-200:]}")
    return json.loads(process.stdout.splitlines()[-1])


WAITING_ESTIMATE = "probing_core.cli.waiting_estimate"
"""Module of the process that reads the name of a model from its standard input."""


class Command:
    """A ``probing`` command in a separate process, whose progress and output a page reads while the process runs.

    The process is terminated when the object is deleted, for example when the session of the visitor ends.

    Args:
        arguments: arguments after ``probing``, or of ``module``.
        module: module to run.
    """

    def __init__(self, arguments: Sequence[str], module: str = "probing_core.cli") -> None:
        rights.require("Starting a run")
        self._folder = tempfile.TemporaryDirectory(prefix="probing-", ignore_cleanup_errors=True)
        self._printed, self._reported = (Path(self._folder.name) / name for name in ("stdout", "stderr"))
        command = [sys.executable, "-m", module, *_plugins(), *arguments]
        with self._printed.open("wb") as printed, self._reported.open("wb") as reported:
            stdin = subprocess.PIPE if module == WAITING_ESTIMATE else subprocess.DEVNULL
            self._process = subprocess.Popen(command, stdout=printed, stderr=reported, stdin=stdin)
        weakref.finalize(self, _end, self._process)

    def send(self, line: str) -> None:
        """Write a line to the standard input of a `WAITING_ESTIMATE` process and close the input.

        Raises:
            OSError: the process has ended.
        """
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(f"{line}\n".encode())

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def progress(self) -> str:
        """The latest line of progress, or an empty string."""
        lines = [line for line in self._lines() if not line.startswith(("hint: ", "error: "))]
        return lines[-1] if lines else ""

    def output(self) -> str:
        """Wait until the command has ended, and return its output.

        Raises:
            BadRun: the command failed. The message is the error message of the command.
        """
        if self._process.wait():
            errors = [line for line in self._lines() if line.startswith("error: ")]
            last = errors or self._lines() or ["The process ended without an error message."]
            raise BadRun(last[-1].removeprefix("error: "))
        return self._printed.read_text("utf-8", errors="replace").strip()

    def stop(self) -> None:
        """Terminate the process."""
        _end(self._process)

    def _lines(self) -> list[str]:
        return [*filter(None, map(str.strip, self._reported.read_text("utf-8", errors="replace").splitlines()))]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)


def measured(run: Path, arguments: Sequence[str]) -> Command:
    """Start ``probing run --out RUN ARGUMENTS --estimate``."""
    return Command(["run", "--out", str(run), *arguments, "--estimate"])


def ranked_quickly(model: str, base: Path) -> Command:
    """Start ``probing rank MODEL --base BASE --json``."""
    return Command(["rank", model, "--base", str(base), "--json"])


def resume(run: Path) -> None:
    """Resume a run with the options that it was last computed with.

    Raises:
        BadRun: the run would connect to a server that its files name. The run may be from somebody else.
    """
    rights.require("Starting a run")
    options, recipe = last_options(run), read_recipe(RunFiles(run))
    servers = [name for name in (recipe.corpus, *recipe.calibrate_on) if is_remote(name)]
    if options.address not in (None, LOCAL_ADDRESS):
        servers.append(f"the Ray cluster {options.address}")
    if servers:
        raise BadRun(
            f"The run '{run.name}' uses {' and '.join(servers)}. This page only resumes runs that connect to no other "
            f"computer, because a run from somebody else could name any server. Resume the run in a terminal."
        )
    start(run, options.arguments())


def begin(what: rights.Guarded, run: Path, command: Sequence[str]) -> None:
    """Start a background process that runs ``probing COMMAND``, unless a process is already writing to ``run``.

    Args:
        what: action for which the visitor needs permission.
        run: folder to which the command writes.
        command: command-line arguments.
    """
    rights.require(what)
    refuse_links(run)
    try:
        (run / LOG).mkdir(parents=True, exist_ok=True)
        with FileLock(run / STARTING_LOCK, thread_local=False):  # for simultaneous requests, such as a double click
            report = report_of(run)
            if report is None or report.state != "running":
                _start_process(run, command)
    except OSError as error:
        raise BadRun(
            f"Cannot write to '{run}' ({error.strerror}). Make the folder writable, or use a different folder."
        ) from error


def _start_process(run: Path, command: Sequence[str]) -> None:
    with (run / BACKGROUND_OUTPUT).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "probing_core.cli.background", *_plugins(), *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            **OWN_CONSOLE,  # the process continues when the dashboard is stopped
        )
    started = psutil.Process(process.pid)
    born = started.create_time()
    _lower_priority(started)
    # The process writes its first report after imports. Until then, this report replaces any report of an earlier one.
    starting = Report(
        "start",
        0,
        1,
        None,
        "Starting a process (takes a few seconds)",
        pid=process.pid,
        born=born,
    )
    write_atomically(run / PROGRESS, json.dumps(asdict(starting)).encode())


def _plugins() -> list[str]:
    return [argument for path in loaded_plugins() for argument in ("--plugin", str(path))]


def _lower_priority(process: psutil.Process) -> None:
    """Lower the priority of ``process``, so that the server stays responsive."""
    with suppress(psutil.Error):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(process.nice() + NICENESS)
    # Linux may schedule by session. Since the process is alone in its session, its niceness would have no effect.
    with suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(NICENESS), encoding="utf-8")


def cancel(run: Path) -> bool:
    """Terminate the process that writes to ``run``, and return whether there was one. Completed files are kept."""
    return _ask_to_end(run) is not None


def stop(run: Path) -> None:
    """Terminate the process that writes to ``run``, if any, and wait until it has ended.

    A process that has not ended after `END_S` seconds is killed.
    """
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
        except psutil.Error:  # the process has ended, or belongs to another user
            return None
    return process


def remove(run: Path) -> list[str]:
    """Remove the files of a run, and return the names of all other files in its folder, which are kept.

    Raises:
        BadRun: the run is in use, or a file cannot be removed.
    """
    rights.require("Removing a run")
    directory = RunDirectory(run)
    try:
        (run / LOG).mkdir(parents=True, exist_ok=True)
        with FileLock(run / STARTING_LOCK, thread_local=False):  # removed with the log, so nobody else may hold it
            return directory.delete()
    except OSError as error:
        raise BadRun(f"'{run}' could not be removed ({error.strerror}). Change its permissions first.") from error


def _is_sound(report: Report) -> bool:
    """Return whether all values in ``report`` are valid. The file may be corrupted or from another program."""
    left_s = 0.0 if report.left_s is None else report.left_s
    numbers = (report.done, report.total, left_s, report.born, report.whole or 0.0)
    texts = (report.message, report.state, report.error)
    return (
        isinstance(report.pid, int)
        and all(isinstance(number, int | float) and abs(number) < MAX_REPORT_NUMBER for number in numbers)
        and all(isinstance(text, str) for text in texts)
    )
