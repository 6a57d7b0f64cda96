"""Estimates of the quick protocol by a process that waits for the next model name.

A process takes several seconds to import the libraries of the models. Therefore, the server starts one process when the
form is shown. The process uses 640 MB of memory, of which 420 MB are its own. It ends after the estimate, with the
server, or when no visitor has entered a name for `probing_core.cli.waiting_estimate.IDLE_S` seconds.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from dashboard import rights
from dashboard.jobs.processes import WAITING_ESTIMATE, Command

_lock = threading.Lock()
_waiting: dict[Path, Command] = {}
"""Base run -> process that waits for the name of a model. There is at most one process."""


def prepare(base: Path) -> None:
    """Start a process that waits for the name of a model, unless a process is waiting, for example for another run."""
    with _lock:
        if not any(command.is_running for command in _waiting.values()):
            _waiting.clear()
            _waiting[base] = Command([str(base)], WAITING_ESTIMATE)


def start(model: str, base: Path) -> Command:
    """Return the command that estimates the duration of ``probing rank MODEL --base BASE``."""
    rights.require("Starting a run")
    with _lock:
        command = _waiting.pop(base, None)
    if command is not None and command.is_running:
        with suppress(OSError):  # it has ended since
            command.send(model)
            return command
    return Command(["rank", model, "--base", str(base), "--estimate"])
