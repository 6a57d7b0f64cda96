"""``folder:PATH``: the images in a local or remote folder, with subfolders as labels.

Remote folders can be on any file system that fsspec supports, such as ``s3://bucket/folder``, and are read with
retries. Credentials are read from the environment. URLs that contain credentials are rejected, because recipes, logs
and pages show URLs. The error message does not repeat the URL. Error messages contain the type of a library error, but
not its text, which may include request data.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from probing_core.corpora.corpus import Corpus, CorpusKind, DigestedCorpus, content_digest
from probing_core.errors import BadCorpus, BadImage, one_line
from probing_core.images import Image, check, check_size, read_bytes, read_image
from probing_core.measures.notation import counted
from probing_core.paths import leads_out, user_path

WAITS_S = (1.0, 2.0, 4.0, 8.0)
"""Delays between attempts in seconds, in addition to the library's own retries."""

READERS = 16

PERMANENT_ERRORS = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    ValueError,
)
"""Errors that are not retried."""

NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError")
"""Names of botocore errors about missing credentials."""

T = TypeVar("T")


def _sentence(address: str, action: str, error: Exception, took_s: float) -> str:
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"Cannot {action} {address}: there is no such bucket, folder or file. Check the spelling."
    if isinstance(error, PermissionError) or kind in NO_CREDENTIALS:
        return (
            f"Cannot {action} {address}: permission denied ({kind}). Set credentials with read permission in the "
            f"environment (for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)."
        )
    return (
        f"Cannot {action} {address} ({kind}, after {took_s:.0f} seconds of retries). Check the network and the server, "
        f"then run the same command again to resume. Completed steps are kept."
    )


def _refuse_credentials(address: str) -> None:
    try:
        parts = urlsplit(address)
    except ValueError:  # do not chain: its message contains the URL
        raise BadCorpus("The corpus URL cannot be parsed. Use a URL such as s3://bucket/folder.") from None
    if parts.scheme != "file" and ("@" in parts.netloc or parts.query):
        raise BadCorpus(
            f"The '{parts.scheme}' URL contains a user name, password or query string. URLs are shown in recipes and "
            f"on pages, so set credentials in the environment instead."
        )


SPLIT_FOLDERS = {"train", "val", "test"}

SPLIT_SYNONYMS = {"training", "valid", "validation", "dev", "testing", "eval"}
"""Additional names of splits in other layouts."""


def _refuse_incomplete_splits(name: str, folders: set[str], files: Iterable[PurePosixPath]) -> None:
    """Raise `BadCorpus` if all subfolders are named like splits. Otherwise, they would be mistaken for labels."""
    # A single folder may be a label, unless it only contains folders, which are then the labels.
    is_label = len(folders) == 1 and any(len(file.parts) < 3 for file in files)
    if not folders or is_label or any(folder.lower() not in SPLIT_FOLDERS | SPLIT_SYNONYMS for folder in folders):
        return
    missing = ", ".join(split for split in ("train", "val", "test") if split not in folders)
    raise BadCorpus(
        f"{name} contains only the subfolders {', '.join(sorted(folders))}. Splits must be called train, val and test"
        f"{f' ({missing} missing)' if missing else ''}. Add or rename subfolders, or move all images into "
        f"one folder to split them at random."
    )


class PictureFiles(DigestedCorpus):
    """Image files in a local or remote folder and its subfolders, ordered by name.

    The first subfolder is the label. If the subfolders are exactly train, val and test, they are the splits, and their
    subfolders are the labels. Other sets of splits, such as train and test alone, are refused. Hidden files are
    ignored. Files that are not images are listed in ``skipped``. Opening the folder decodes no pixels, so only `load`
    detects corrupted pixel data.

    Every file is read when the folder is opened, because copies share a ``base_id`` and a run resumes only with
    unchanged images. File sizes and dates are not sufficient to detect changes, because copying may preserve both.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._read(sorted(self._files(), key=PurePosixPath.as_posix))
        labels = self._finish()
        self._ids = frozenset(self.rows["image_id"])  # an ID in a received run may name any file of this machine
        if self.rows.empty:
            reason = "The folder is empty. Add images, or use a different folder."
            if self.skipped:
                reason = f"Skipped files: {len(self.skipped)}. First reason: {self.skipped[0][1]}"
            raise BadCorpus(f"{name} contains no readable images. {reason}")
        self.description = f"{counted(len(self.rows), 'image')} from a folder, {labels}"

    def load(self, image_id: str) -> Image:
        if image_id not in self._ids:
            raise BadImage(f"{image_id} is not an image of {self.name}.")
        return read_image(self._bytes(image_id), image_id)

    @abstractmethod
    def _files(self) -> Iterator[PurePosixPath]:
        """Yield the relative paths of all files except hidden files."""

    @abstractmethod
    def _bytes(self, image_id: str) -> bytes:
        """Read a file.

        Raises:
            BadImage: the file cannot be read or exceeds the size limit.
        """

    def _digests_of(self, image_ids: Iterable[str]) -> Iterable[bytes | BadImage]:
        return map(self._digest, image_ids)

    def _read(self, files: list[PurePosixPath]) -> None:
        folders = {file.parts[0] for file in files if len(file.parts) > 1}
        has_splits = folders == SPLIT_FOLDERS
        if not has_splits:
            _refuse_incomplete_splits(self.name, folders, files)
        else:
            outside = [file for file in files if len(file.parts) == 1]
            self.skipped += [(str(file), "is not in one of the folders train, val or test") for file in outside]
            files = [file for file in files if len(file.parts) > 1]
        files = [file for file in files if self._is_named(file.as_posix())]
        for file, digest in zip(files, self._digests_of(map(PurePosixPath.as_posix, files)), strict=True):
            split, *labels = file.parts[:-1] if has_splits else ("", *file.parts[:-1])
            if isinstance(digest, BadImage):
                self.skipped.append((file.as_posix(), str(digest)))
            else:
                self._take(file.as_posix(), digest, labels[0] if labels else "", split)

    def _is_named(self, image_id: str) -> bool:
        try:
            image_id.encode()
        except UnicodeEncodeError:
            self.skipped.append((ascii(image_id), "its name is not valid Unicode"))
            return False
        return True

    def _digest(self, image_id: str) -> bytes | BadImage:
        try:
            content = self._bytes(image_id)
            check(content, image_id)
        except BadImage as error:
            return error
        return content_digest(content)


class FolderCorpus(PictureFiles):
    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            problem = "is not a folder" if path.exists() else "does not exist"
            raise BadCorpus(f"folder:{path} {problem}. Expected a folder with images, or with one subfolder per label.")
        self._root = path.resolve()
        super().__init__(f"folder:{path}")

    def _bytes(self, image_id: str) -> bytes:
        return read_bytes(self._root / image_id, image_id)

    def _files(self) -> Iterator[PurePosixPath]:
        def skip(error: OSError) -> None:
            self.skipped.append((os.path.relpath(error.filename, self._root), f"cannot be listed ({error.strerror})"))

        for folder, subfolders, names in os.walk(self._root, onerror=skip):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            links = {name for name in subfolders if Path(folder, name).is_symlink()}
            for name in sorted({*names, *links}):
                path = Path(folder, name)
                relative = PurePosixPath(path.relative_to(self._root).as_posix())
                if name in links or leads_out(path, self._root):
                    self.skipped.append((str(relative), "is a link to a folder or to a file outside the corpus"))
                elif not name.startswith("."):
                    yield relative


class Storage:
    """Files at an fsspec URL, which are read with retries. The object can be pickled.

    Attributes:
        address: the URL.
        files: the fsspec file system.
        root: path of the URL in the file system.

    Raises:
        BadCorpus: the URL contains credentials or cannot be opened.
    """

    def __init__(self, address: str) -> None:
        _refuse_credentials(address)
        self.address = address
        import fsspec

        try:
            self.files, root = fsspec.core.url_to_fs(address)
        except ImportError as error:  # the message of fsspec names the library
            raise BadCorpus(f"{address} requires a library that is not installed: {one_line(error)}.") from None
        except Exception as error:
            raise BadCorpus(
                f"{address} cannot be opened ({type(error).__name__}). Expected a URL such as s3://bucket/folder, "
                f"with a protocol that fsspec supports."
            ) from None
        self.root = str(root).rstrip("/")

    def __reduce__(self) -> tuple[type[Storage], tuple[str]]:
        return Storage, (self.address,)

    def find(self) -> dict[str, dict[str, Any]]:
        """Return the facts about each file by path relative to the URL. The path is empty if the URL is a file."""
        listing = self.call(lambda: self.files.find(self.root, detail=True), "list the files at")
        if not listing:
            raise BadCorpus(f"{self.address} contains no files. Check the bucket and the folder.")
        return {path[len(self.root) :].lstrip("/"): facts for path, facts in listing.items()}

    def path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def read(self, name: str) -> bytes:
        return self.call(lambda: self.files.cat_file(self.path(name)), f"read '{name}' on")

    def call(self, attempt: Callable[[], T], action: str) -> T:
        """Call ``attempt``, and retry after transient errors with the delays in `WAITS_S`.

        Raises:
            BadCorpus: the error is permanent, or the last attempt fails.
        """
        began = time.monotonic()
        for wait in (*WAITS_S, None):
            try:
                return attempt()
            except Exception as error:
                if wait is None or isinstance(error, PERMANENT_ERRORS) or type(error).__name__ in NO_CREDENTIALS:
                    raise BadCorpus(_sentence(self.address, action, error, time.monotonic() - began)) from None
                self.files.invalidate_cache()
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


class StorageCorpus(PictureFiles):
    """Images at an fsspec URL, with the same rows and fingerprint as a local folder with the same files."""

    def __init__(self, address: str) -> None:
        self._remote = Storage(address)
        self._storage = self._remote.files
        self._sizes = {name: self._size(name, facts) for name, facts in self._remote.find().items()}
        super().__init__(f"folder:{address}")

    def _size(self, name: str, facts: dict[str, Any]) -> int | None:
        if facts.get("size") is None:  # web servers do not list sizes, but report the size of each file
            path = self._remote.path(name)
            facts = self._remote.call(lambda: self._storage.info(path), f"access '{path}' on")
        return facts.get("size")

    def _files(self) -> Iterator[PurePosixPath]:
        for path in self._sizes:
            file = PurePosixPath(path)
            # the path is empty if the URL is a file
            if path and not path.endswith("/") and not any(part.startswith(".") for part in file.parts):
                yield file

    def _bytes(self, image_id: str) -> bytes:
        size = self._sizes[image_id]
        if size is None:
            raise BadImage(f"The server does not report the size of {image_id}. Copy the folder to this machine.")
        check_size(size, image_id)
        return self._remote.read(image_id)

    def _digests_of(self, image_ids: Iterable[str]) -> Iterator[bytes | BadImage]:
        with ThreadPoolExecutor(READERS) as readers:
            waiting = iter(image_ids)
            while some := list(islice(waiting, 2 * READERS)):
                yield from readers.map(self._digest, some)


def _open(argument: str) -> Corpus:
    return StorageCorpus(argument) if "://" in argument else FolderCorpus(user_path(argument))


KIND = CorpusKind(
    name="folder",
    argument="PATH",
    is_path=True,
    description="Images in a folder or at a URL such as s3://bucket/folder. Subfolders are labels, optionally in "
    "folders called train, val and test.",
    license="unknown; check the license of your images",
    open=_open,
)
