"""Processes that decode and transform images without sharing a global interpreter lock.

A worker is a new interpreter that runs `serve` and is connected to its parent by a socket pair. It only imports modules
that the received functions need. It exits when the socket is closed, so no worker remains if the parent is killed.
Arrays are returned in shared memory: the worker writes them to an anonymous file (memfd) and sends its descriptor
through the socket. The parent maps the file until the last array is freed.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import mmap
import os
import pickle
import reprlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, TypeVar

from probing_core.errors import ProbingError, one_line

T = TypeVar("T")
R = TypeVar("R")

MAX_FUNCTION_BYTES = 64 * 2**20
"""Maximum size in bytes of a pickled function that is sent to workers. Larger functions run in threads."""

TRIES = 3
"""Maximum number of attempts to compute an item if workers die."""

ANSWERED, FAILED, NOT_HERE = "done", "failed", "not here"
"""Kinds of responses from a worker."""

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from probing_core.compute.runtime.workers import serve; serve(int(sys.argv[1]))"
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
        parent_end, worker_end = socket.socketpair()
        with worker_end:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, str(worker_end.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__ or subprocess.DEVNULL,  # keep standard output for results of commands
                pass_fds=[worker_end.fileno()],
                start_new_session=True,  # only the parent receives Ctrl+C, and then closes the socket
                env=environment,
            )
        self._socket, self._connection = parent_end, Connection(os.dup(parent_end.fileno()))
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
        """
        self._connection.send_bytes(pickle.dumps((name, None if name == self._known else code, item), 5))
        kind, answer, sizes, in_memory = pickle.loads(self._connection.recv_bytes())
        self._known = b"" if kind == NOT_HERE else name
        return kind, pickle.loads(answer, buffers=self._buffers(sizes, in_memory)) if kind == ANSWERED else answer

    def _buffers(self, sizes: Sequence[int], in_memory: bool) -> Iterable[Any]:
        """Return the buffers that the worker has written.

        They are mapped from an anonymous file or, if the system does not support such files, read from the socket.
        """
        if not in_memory:
            return [bytearray(self._connection.recv_bytes()) for _ in sizes]  # bytearray, so that arrays are writable
        descriptor = self._received_descriptor()
        try:
            memory = memoryview(mmap.mmap(descriptor, sum(sizes)))
        finally:
            os.close(descriptor)
        ends, start = [], 0
        for size in sizes:
            ends.append(memory[start : start + size])
            start += size
        return ends

    def _received_descriptor(self) -> int:
        byte, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
        if not byte:
            raise EOFError
        if not descriptors:  # the system drops descriptors beyond the limit of open files
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return descriptors[0]

    def close(self) -> int | str:
        with suppress(OSError):
            self._connection.close()
        self._socket.close()
        try:
            return self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _packed(function: Callable[..., Any]) -> tuple[bytes, bytes] | None:
    """Pickle a function.

    Returns:
        The digest and the bytes of the pickled function, or None if it cannot be sent to a worker.
    """
    if os.name != "posix":
        return None
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


def serve(descriptor: int) -> None:
    """Run the functions that are received through the socket ``descriptor`` until the socket is closed."""
    import cv2

    cv2.setNumThreads(1)
    parent, function, function_name = socket.socket(fileno=descriptor), None, b""
    connection = Connection(os.dup(descriptor))
    with suppress(EOFError, OSError):
        while True:
            message = connection.recv_bytes()
            try:
                name, code, item = pickle.loads(message)
                if code is not None:
                    function, function_name = pickle.loads(code), name
                if name != function_name or function is None:
                    raise RuntimeError("No function was received")
            except Exception as error:  # importing modules may raise any exception
                function, function_name = None, b""
                connection.send_bytes(_message(NOT_HERE, f"{type(error).__name__}: {error}"))
                continue
            _answer(connection, parent, function, item)


def _answer(connection: Connection, parent: socket.socket, function: Callable[[Any], Any], item: Any) -> None:
    buffers: list[pickle.PickleBuffer] = []
    try:
        answer = pickle.dumps(function(item), 5, buffer_callback=buffers.append)
    except Exception as error:  # raised again in the parent
        connection.send_bytes(_error(error))
        return
    parts = [buffer.raw() for buffer in buffers]
    sizes = [part.nbytes for part in parts]
    if not sum(sizes) or not hasattr(os, "memfd_create"):
        connection.send_bytes(_message(ANSWERED, answer, sizes))
        for part in parts:
            connection.send_bytes(part)
        return
    memory = os.memfd_create("images")
    try:
        with open(memory, "wb", buffering=0, closefd=False) as file:
            for part in parts:
                left = part
                while left.nbytes:
                    left = left[file.write(left) :]
        connection.send_bytes(_message(ANSWERED, answer, sizes, in_memory=True))
        socket.send_fds(parent, [b"\0"], [memory])
    finally:
        os.close(memory)


def _message(kind: str, answer: Any, sizes: Sequence[int] = (), in_memory: bool = False) -> bytes:
    return pickle.dumps((kind, answer, sizes, in_memory), 5)


def _error(error: Exception) -> bytes:
    try:
        packed = _message(FAILED, error)
        pickle.loads(packed)  # some exceptions cannot be unpickled
        return packed
    except Exception:
        return _message(FAILED, RuntimeError(f"{type(error).__name__}: {error}"))
