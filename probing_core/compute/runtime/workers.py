"""Processes that decode and transform images without sharing a global interpreter lock.

`Workers` is an executor. ``pool.submit(function, item)`` returns a future, as for a `ThreadPoolExecutor`::

    with Workers(2) as pool:
        images = list(pool.map(make_image, range(100)))

For each call, a thread of the pool takes an idle process (`_Worker`), or starts one. It writes one message to the
standard input of the process and reads one message from its standard output:

    parent -> worker    (digest of the function, pickled function or None if the worker has it, item)
    worker -> parent    (ANSWERED, result), (FAILED, exception) or (NOT_HERE, reason)

A message (`_write`, `_read`) is the number of its parts and, for each part, its length and content. The first part is a
pickle; the others are the arrays in it, which are not copied.

A worker is a new interpreter that runs `serve`. It imports only modules that the functions need, and exits when its
standard input is closed, so no worker remains if the parent is killed. If a worker dies, the item is computed again by
a new worker. Functions that a worker cannot load, for example because they are defined in a notebook, run in the
threads of the pool.
"""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import reprlib
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from queue import SimpleQueue
from typing import IO, Any, TypeVar

from probing_core.errors import ProbingError, one_line

T = TypeVar("T")
R = TypeVar("R")

OWN_CONSOLE: dict[str, Any] = {
    "start_new_session": True,  # ignored on Windows
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # exists only on Windows
}
"""Arguments of `subprocess.Popen` for a process that does not receive Ctrl+C from the terminal of its parent."""

UTF8: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}
"""Arguments of `subprocess.Popen` for reading the output of a process that calls `write_utf8`."""

MAX_FUNCTION_BYTES = 64 * 2**20
"""Maximum size in bytes of a pickled function that is sent to workers. Larger functions run in threads."""

TRIES = 3
"""Maximum number of attempts to compute an item if workers die."""

ANSWERED, FAILED, NOT_HERE = "done", "failed", "not here"
"""Kinds of responses from a worker."""

LENGTH = struct.Struct("<Q")
"""Format of the length before each message."""

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from probing_core.compute.runtime.workers import serve; serve()"
)

log = logging.getLogger(__name__)


class WorkerDied(ProbingError):
    """Raised if several worker processes die while computing the same item."""


class NoWorker(ProbingError):
    """Raised if no worker process can be started."""


class Workers(Executor):
    """Executor that runs functions of one argument in ``count`` processes.

    Functions that cannot be pickled, such as functions defined in a notebook, run in threads of this process.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="workers")
        self._idle: SimpleQueue[_Worker | None] = SimpleQueue()
        for _ in range(count):
            self._idle.put(None)  # workers are started when they are first needed
        self._here: set[bytes] = set()
        self._last: tuple[Any, tuple[bytes, bytes] | None] = None, None
        self._closed = threading.Event()

    def submit(self, function: Callable[[T], R], item: T) -> Future[R]:  # type: ignore[override]
        """Schedule ``function(item)``, and return a future for the result.

        The future raises `WorkerDied` if several workers die while they compute the item, for example because the
        machine runs out of memory. It raises `NoWorker` if no worker can be started.
        """
        packed = self._packed(function)
        if packed is None or packed[0] in self._here:
            return self._threads.submit(function, item)
        return self._threads.submit(partial(self._send, function, *packed), item)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed.set()
        if cancel_futures:
            self._stop()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        self._stop()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(cancel_futures=kind is not None)

    def _packed(self, function: Callable[..., Any]) -> tuple[bytes, bytes] | None:
        last, packed = self._last
        if last is not function:
            packed = _packed(function)
            self._last = function, packed
        return packed

    def _stop(self) -> None:
        while not self._idle.empty():
            if (worker := self._idle.get()) is not None:
                worker.close()

    def _send(self, function: Callable[[T], R], name: bytes, code: bytes, item: T) -> R:
        for attempt in range(TRIES):
            worker = self._idle.get()
            try:
                worker = worker or _Worker()
                kind, answer = worker.call(name, code, item)
            except (EOFError, OSError) as error:
                if self._closed.is_set():
                    raise
                if worker is None:
                    raise NoWorker(
                        f"No worker process could be started ({one_line(error)}). The limit on processes, open files "
                        "or memory has been reached. Close other programs and try again."
                    ) from error
                code_of = worker.close()
                worker = None
                task = reprlib.repr(item)
                log.warning("A worker process ended (%s, %s) while processing %s", code_of, error, task)
                if attempt == TRIES - 1:
                    raise WorkerDied(
                        f"{TRIES} worker processes ended while processing {task} (last exit code: {code_of}). "
                        "The machine may have run out of memory.",
                        hint="Use a single process: --jobs 1.",
                    ) from error
            else:
                if kind == ANSWERED:
                    return answer
                if kind == FAILED:
                    raise answer
                log.info("%s. The function runs in threads.", answer)
                self._here.add(name)
                return function(item)
            finally:
                self._idle.put(worker)
        raise AssertionError


class _Worker:
    """A worker process, which is used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            **OWN_CONSOLE,
        )
        self._known = b""

    def call(self, name: bytes, code: bytes, item: Any) -> tuple[str, Any]:
        """Call a function with ``item`` in the worker process.

        Args:
            name: digest of the pickled function.
            code: pickled function, which is only sent if the previous call was for a different function.
            item: argument of the function.

        Returns:
            `ANSWERED` and the result, `FAILED` and the exception, or `NOT_HERE` and a message if the worker cannot load
            the function.

        Raises:
            EOFError: the worker has died.
            OSError: the worker has died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _write(self._process.stdin, pickle.dumps((name, None if name == self._known else code, item), 5))
        kind, answer = _read(self._process.stdout)
        self._known = b"" if kind == NOT_HERE else name
        return kind, answer

    def close(self) -> int:
        """Close the pipes, wait until the process has ended, and return its exit code."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            return self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _write(pipe: IO[bytes], message: bytes, arrays: Sequence[memoryview] = ()) -> None:
    parts: list[bytes | memoryview] = [message, *arrays]
    pipe.write(LENGTH.pack(len(parts)))
    for part in parts:
        pipe.write(LENGTH.pack(len(part)))
        pipe.write(part)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    """Read a message, and return its content.

    Raises:
        EOFError: the other process has closed the pipe.
    """
    message, *arrays = [_exactly(pipe, _length(pipe)) for _ in range(_length(pipe))]
    return pickle.loads(message, buffers=arrays)


def _length(pipe: IO[bytes]) -> int:
    return int(LENGTH.unpack(_exactly(pipe, LENGTH.size))[0])


def _exactly(pipe: IO[bytes], size: int) -> bytearray:
    content = bytearray(size)  # arrays that use it are writable
    if pipe.readinto(content) < size:  # type: ignore[attr-defined]
        raise EOFError("the pipe was closed")
    return content


def _packed(function: Callable[..., Any]) -> tuple[bytes, bytes] | None:
    """Pickle a function.

    Returns:
        The digest and the bytes of the pickled function, or None if it cannot be sent to a worker.
    """
    packed = io.BytesIO()
    try:
        _Packer(packed, 5).dump(function)
    except Exception as error:  # pickling user-defined objects may raise any exception
        log.info("%s. The function runs in threads.", one_line(error))
        return None
    code = packed.getvalue()
    return (blake2b(code, digest_size=16).digest(), code) if len(code) <= MAX_FUNCTION_BYTES else None


class _Packer(pickle.Pickler):
    """Pickler that rejects objects whose type sets ``stays_in_process``, such as very large corpora."""

    def reducer_override(self, value: Any) -> Any:
        if getattr(type(value), "stays_in_process", False):
            raise pickle.PicklingError(f"{type(value).__name__} cannot be sent to another process")
        return NotImplemented


def serve() -> None:
    """Run the functions that are received through standard input until it is closed."""
    import cv2

    cv2.setNumThreads(1)
    parent_in, parent_out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what functions print must not be part of a message
    function: Callable[[Any], Any] | None = None
    function_name = b""
    with suppress(EOFError, OSError):
        while True:
            (message,) = [_exactly(parent_in, _length(parent_in)) for _ in range(_length(parent_in))]
            try:
                name, code, item = pickle.loads(message)
                if code is not None:
                    function, function_name = pickle.loads(code), name
                if name != function_name or function is None:
                    raise RuntimeError("No function was received")
            except Exception as error:  # importing modules may raise any exception
                function, function_name = None, b""
                _write(parent_out, pickle.dumps((NOT_HERE, f"{type(error).__name__}: {error}"), 5))
                continue
            _write(parent_out, *_answer(function, item))


def _answer(function: Callable[[Any], Any], item: Any) -> tuple[bytes, list[memoryview]]:
    """Call a function, and return the message with its result, in which arrays are stored separately."""
    arrays: list[pickle.PickleBuffer] = []
    try:
        message = pickle.dumps((ANSWERED, function(item)), 5, buffer_callback=arrays.append)
        return message, [array.raw() for array in arrays]
    except Exception as error:  # raised again in the parent
        return _error(error), []


def _error(error: Exception) -> bytes:
    try:
        packed = pickle.dumps((FAILED, error), 5)
        pickle.loads(packed)  # some exceptions cannot be unpickled
        return packed
    except Exception:
        return pickle.dumps((FAILED, RuntimeError(f"{type(error).__name__}: {error}")), 5)
