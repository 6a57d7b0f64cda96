"""Functions that tests run in worker processes. Each process imports this module, so it has few imports."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

from probing_core.api.scan_decoding import decode
from probing_core.errors import BadCorpus


def squares(n: int) -> tuple[np.ndarray, list[np.ndarray], int]:
    return np.full((n, n), n, np.uint8), [np.arange(n), np.zeros(0)], os.getpid()


def fails(n: int) -> int:
    if n == 2:
        raise BadCorpus("the second cannot be read")
    if n == 4:
        raise FileNotFoundError("there is no fourth")  # as the end of a worker is an OSError, too
    return n


def dies_once(marks: Path, n: int) -> int:
    mark = marks / str(n)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def dies(n: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return n


def process_and_argument(argument, _: int):
    return os.getpid(), argument


def modules(_: int) -> list[str]:
    return [name for name in ("torch", "streamlit", "onnxruntime", "transformers") if name in sys.modules]


def decode_that_ends(source, name):
    """Decode like a faulty decoder: one file ends the process."""
    if name == "a/002.png":
        os._exit(11)
    return decode(source, name)
