"""Pictures at an address: any file system of fsspec, such as ``s3://bucket/folder``, read with retries.

Credentials are the environment's (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``, ...): an address that carries any is refused
without being shown, since recipes, logs and pages hold addresses. Messages name the kind of a library's error and not
its text, which may quote what was sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import urlsplit

from probing_core.errors import BadCorpus

WAITS_S = (1.0, 2.0, 4.0, 8.0)
"""Seconds between two tries, beside those that a library tries by itself: a server may be away for some seconds."""

READERS = 16
"""Files that are read at the same time: most of the time of a small one is waiting."""

LIBRARIES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""Protocol -> the library that fsspec reads it with."""

LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, NotImplementedError, ValueError)
"""Errors that another try does not mend."""

NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError")
"""Names of botocore's errors where the environment has no credentials."""

T = TypeVar("T")


def is_address(text: str) -> bool:
    """Return whether ``text`` is an address and no path."""
    return "://" in text


class Storage:
    """Files under one address.

    Attributes:
        address: as it was given, for messages; free of credentials.
        root: its path within the file system, without a slash at its end.
    """

    def __init__(self, address: str) -> None:
        """Open the file system of ``address``.

        Raises:
            BadCorpus: it carries credentials, no library can read it, or there is no such protocol.
        """
        _refuse_credentials(address)
        self.address = address
        protocol = address.partition("://")[0]
        import fsspec

        try:
            self._files, root = fsspec.core.url_to_fs(address)
        except ImportError:
            library = LIBRARIES.get(protocol)
            mend = f"`pip install {library}`" if library else f"install fsspec's library for '{protocol}'"
            raise BadCorpus(f"{address} needs a library that is not installed; {mend}.") from None
        except Exception as error:
            raise BadCorpus(
                f"{address} cannot be opened ({type(error).__name__}); expected an address such as "
                f"s3://bucket/folder, of a protocol that fsspec knows."
            ) from None
        self.root = str(root).rstrip("/")

    def sizes(self) -> dict[str, int | None]:
        """Return a mapping from path relative to the root to bytes, for every file below it, None where the storage
        states none; ``""`` is the address itself, if it is a file.

        Raises:
            BadCorpus: there is nothing, or it cannot be listed.
        """
        found = self._call(lambda: self._files.find(self.root, detail=True), "be listed")
        if not found:
            raise BadCorpus(f"{self.address} holds no file; check the bucket and the folder.")
        return {path[len(self.root) :].lstrip("/"): self._size(path, facts) for path, facts in found.items()}

    def _size(self, path: str, facts: dict[str, Any]) -> int | None:
        if facts.get("size") is None:  # web servers list no sizes, but state that of each file
            facts = self._call(lambda: self._files.info(path), f"describe '{path}'")
        return facts.get("size")

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read the file at ``path``, relative to the root; safe to call from several threads.

        Raises:
            BadCorpus: it is gone, or the storage does not answer.
        """
        return self._call(lambda: self._files.cat_file(self._full(path), start=start, end=end), f"give '{path}'")

    def read_all(self, paths: Iterable[str]) -> Iterator[bytes]:
        """Yield the bytes of each file in order; several are read at the same time, and few are in memory."""
        with ThreadPoolExecutor(READERS) as readers:
            waiting = iter(paths)
            while some := list(islice(waiting, 2 * READERS)):
                yield from readers.map(self.read, some)

    def scan(self, path: str, work: Callable[[Any], T]) -> T:
        """Return the result of ``work`` on the open file at ``path``; begin again where reading it fails.

        Raises:
            BadCorpus: it is gone, or the storage does not answer.
        """

        def attempt() -> T:
            with self._files.open(self._full(path), "rb", block_size=2**24) as file:
                return work(file)

        return self._call(attempt, f"give '{path}'")

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def _call(self, attempt: Callable[[], T], what: str) -> T:
        """Call ``attempt``, and again after each of `WAITS_S` if it fails for a reason that may pass.

        Args:
            what: that the storage cannot do, for the message.
        """
        began = time.monotonic()
        for wait in (*WAITS_S, None):
            try:
                return attempt()
            except BadCorpus:
                raise
            except Exception as error:
                if wait is None or isinstance(error, LASTING) or type(error).__name__ in NO_CREDENTIALS:
                    raise BadCorpus(_sentence(self.address, what, error, time.monotonic() - began)) from None
                self._files.invalidate_cache()
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")


def _sentence(address: str, what: str, error: Exception, took_s: float) -> str:
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"{address} cannot {what}: there is no such bucket, folder or file; check its spelling."
    if isinstance(error, PermissionError) or kind in NO_CREDENTIALS:
        return (
            f"{address} cannot {what}: the storage refuses ({kind}); set credentials that may read it in the "
            f"environment (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)."
        )
    return (
        f"{address} cannot {what} ({kind}, after {took_s:.0f} seconds of trying); check the network and the server: "
        f"what was complete stays, and the same command goes on from there."
    )


def _refuse_credentials(address: str) -> None:
    try:
        parts = urlsplit(address)
    except ValueError:  # whose text quotes the address
        raise BadCorpus("An address was given that cannot be parsed; write one as s3://bucket/folder.") from None
    if parts.scheme != "file" and ("@" in parts.netloc or parts.query):
        raise BadCorpus(
            f"An address of '{parts.scheme}' with a user, password or query was given; addresses stand in recipes and "
            f"pages, so leave these out and set credentials in the environment."
        )
