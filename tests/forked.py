"""The command line in a process of its own that begins at once: forked from one that has the libraries in memory.

Where a test starts many, loading those would be most of its work.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

LIBRARIES = [
    "probing_core.cli.stages",
    "probing_core.pipeline.studies",
    "scipy.stats",
    "sklearn.linear_model",
    "timm",
    "torchvision",
    "umap",
]
"""Modules that take seconds to load, and start nothing that would not survive a fork."""

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(LIBRARIES)


class Forked:
    """As `subprocess.Popen` of ``probing ARGUMENTS``, with ``text=True``.

    Args:
        heard: whether ``stderr`` is read, which must then happen: else the process waits. Otherwise it goes where that
            of the tests does.
    """

    def __init__(self, arguments: Sequence[str], heard: bool = True) -> None:
        read, write = os.pipe()
        self.stderr = open(read, encoding="utf-8")  # noqa: SIM115
        with Connection(write, readable=False) as writer:
            self._process = SERVER.Process(target=_call, args=(list(arguments), writer if heard else None))
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
            told = self.stderr.read()
        self.wait()
        return None, told

    def kill(self) -> None:
        self._process.kill()


def _call(arguments: list[str], stderr: Connection | None) -> None:
    from probing_core.cli import main

    if stderr is not None:
        os.dup2(stderr.fileno(), sys.stderr.fileno())
        stderr.close()
    sys.exit(main(arguments))
