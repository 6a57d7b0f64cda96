"""The command line in a process of its own that begins at once, on Linux: forked from one that has the libraries in
memory. Where a test starts many, loading those would be most of its work.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import ModuleType

import pytest

LIBRARIES = [
    "probing_core.cli.run_command",
    "probing_core.compute.studies",
    "scipy.stats",
    "sklearn.linear_model",
    "timm",
    "torchvision",
    "umap",
]
"""Modules that take seconds to load, and start nothing that would not survive a fork."""


def begin(
    arguments: Sequence[str], heard: bool = True, libraries: Sequence[str] = LIBRARIES
) -> Forked | subprocess.Popen[str]:
    """Starts ``probing ARGUMENTS``; on Linux in the environment and folder, and with the libraries, of the first call
    in this process.

    Args:
        heard: whether ``stderr`` is read, which must then happen: else the process waits. Otherwise it goes where that
            of the tests does.
        libraries: modules that it finds in memory.
    """
    if sys.platform == "linux":
        return Forked(arguments, heard, libraries)
    command = [sys.executable, "-m", "probing_core.cli", *arguments]  # elsewhere, these libraries survive no fork
    return subprocess.Popen(command, stderr=subprocess.PIPE if heard else None, text=True)


class Forked:
    """What `begin` has started, as `subprocess.Popen` with ``text=True``."""

    def __init__(self, arguments: Sequence[str], heard: bool, libraries: Sequence[str]) -> None:
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(list(libraries))
        read, write = os.pipe()
        self.stderr = open(read, encoding="utf-8")  # noqa: SIM115
        with Connection(write, readable=False) as writer:
            arguments = list(arguments), writer if heard else None
            # A daemon, so that a test that fails leaves none to wait for at the end.
            self._process = server.Process(target=_call, daemon=True, args=arguments)
            with pytest.MonkeyPatch.context() as patch:
                # A page that an earlier test opened has left its script there, which the process would run first.
                patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
                self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return self.returncode

    def communicate(self) -> tuple[None, str]:
        with self.stderr:
            text = self.stderr.read()
        self.wait()
        return None, text

    def kill(self) -> None:
        self._process.kill()


def _call(arguments: list[str], stderr: Connection | None) -> None:
    from probing_core.cli import main

    if stderr is not None:
        os.dup2(stderr.fileno(), sys.stderr.fileno())
        stderr.close()
    sys.exit(main(arguments))
