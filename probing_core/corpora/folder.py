"""``folder:PATH``: the pictures in a folder, here or at an address; its subfolders are labels."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from probing_core.corpora.base import Corpus, CorpusKind
from probing_core.corpora.storage import Storage, is_address
from probing_core.corpora.table import DigestedCorpus, content_digest
from probing_core.errors import BadCorpus, BadImage
from probing_core.images import Image, check, read_bytes, read_image, size_error
from probing_core.paths import leads_out, user_path

SPLITS = {"train", "val", "test"}


class PictureFiles(DigestedCorpus):
    """Pictures that are files below one place, by the order of their names.

    The first subfolder is the label (none: no label). If the subfolders are exactly train, val and test, they are
    the splits and the labels are below them. Hidden files are ignored; files that are no pictures are listed in
    ``skipped``. None is decoded: a picture that is damaged inside is refused by `load` alone.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._read(sorted(self._files(), key=PurePosixPath.as_posix))
        labels = self._finish()
        if self.rows.empty:
            raise BadCorpus(f"{name} holds no picture that can be read. {self._first_reason()}")
        self.description = f"{len(self.rows)} pictures of a folder, {labels}"

    @abstractmethod
    def _files(self) -> Iterator[PurePosixPath]:
        """Return the files below the place, relative to it, hidden ones left out."""

    @abstractmethod
    def _contents(self, image_ids: Sequence[str]) -> Iterator[bytes | BadImage]:
        """Return the bytes of each file, or the reason why they are no picture's."""

    def _read(self, files: list[PurePosixPath]) -> None:
        """Add the files that are pictures; read each of them once."""
        has_splits = {file.parts[0] for file in files if len(file.parts) > 1} == SPLITS
        if has_splits:
            beside = [file for file in files if len(file.parts) == 1]
            self.skipped += [(str(file), "lies beside the folders train, val and test") for file in beside]
            files = [file for file in files if len(file.parts) > 1]
        files = [file for file in files if self._is_named(file.as_posix())]
        for file, content in zip(files, self._contents([file.as_posix() for file in files]), strict=True):
            split, *folders = file.parts[:-1] if has_splits else ("", *file.parts[:-1])
            digest = self._digest(file.as_posix(), content)
            if digest is not None:
                self._take(file.as_posix(), digest, folders[0] if folders else "", split)

    def _is_named(self, image_id: str) -> bool:
        """Return whether the name is valid Unicode; if not, list it in ``skipped``."""
        try:
            image_id.encode()
        except UnicodeEncodeError:
            self.skipped.append((ascii(image_id), "its name is not valid Unicode"))
            return False
        return True

    def _digest(self, image_id: str, content: bytes | BadImage) -> bytes | None:
        """Return the digest of a file, or None if it is no picture (then list it in ``skipped``)."""
        try:
            if isinstance(content, BadImage):
                raise content
            check(content, image_id)
        except BadImage as error:
            self.skipped.append((image_id, str(error)))
            return None
        return content_digest(content)

    def _first_reason(self) -> str:
        if not self.skipped:
            return "It is empty; put pictures there, or name another folder."
        return f"Of {len(self.skipped)} files that were skipped, the first: {self.skipped[0][1]}"


class FolderCorpus(PictureFiles):
    """The pictures in a folder of this machine; see `PictureFiles`."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            what = "is not a folder" if path.exists() else "does not exist"
            raise BadCorpus(f"folder:{path} {what}; expected a folder with pictures, or with one subfolder a label.")
        self._root = path.resolve()
        super().__init__(f"folder:{path}")

    def load(self, image_id: str) -> Image:
        return read_image(self._root / image_id, image_id)

    def _files(self) -> Iterator[PurePosixPath]:
        """Yield the files, hidden ones left out; follow links only to files inside."""

        def skip(error: OSError) -> None:
            self.skipped.append((os.path.relpath(error.filename, self._root), f"cannot be listed ({error.strerror})"))

        for folder, subfolders, names in os.walk(self._root, onerror=skip):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            links = {name for name in subfolders if Path(folder, name).is_symlink()}
            for name in sorted({*names, *links}):
                path = Path(folder, name)
                relative = PurePosixPath(path.relative_to(self._root).as_posix())
                if name in links or leads_out(path, self._root):
                    self.skipped.append((str(relative), "is a link to a folder or to a file outside"))
                elif not name.startswith("."):
                    yield relative

    def _contents(self, image_ids: Sequence[str]) -> Iterator[bytes | BadImage]:
        for image_id in image_ids:
            try:
                yield read_bytes(self._root / image_id, image_id)
            except BadImage as error:
                yield error


class StorageCorpus(PictureFiles):
    """The pictures below an address of fsspec; see `PictureFiles`. Rows and fingerprint are those of the same folder
    on disk, so that both make the same tables."""

    def __init__(self, address: str) -> None:
        self._storage = Storage(address)
        self._sizes = self._storage.sizes()
        super().__init__(f"folder:{address}")

    def load(self, image_id: str) -> Image:
        return read_image(self._storage.read(image_id), image_id)

    def _files(self) -> Iterator[PurePosixPath]:
        for path in self._sizes:
            file = PurePosixPath(path)
            if path and not path.endswith("/") and not any(part.startswith(".") for part in file.parts):
                yield file

    def _contents(self, image_ids: Sequence[str]) -> Iterator[bytes | BadImage]:
        errors = {image_id: self._size_error(image_id) for image_id in image_ids}
        contents = self._storage.read_all(image_id for image_id in image_ids if errors[image_id] is None)
        for image_id in image_ids:
            yield errors[image_id] or next(contents)

    def _size_error(self, image_id: str) -> BadImage | None:
        size = self._sizes[image_id]
        if size is None:
            return BadImage(f"{image_id} has a size that its server does not state; copy the folder to this machine.")
        return size_error(size, image_id)


def _open(argument: str) -> Corpus:
    return StorageCorpus(argument) if is_address(argument) else FolderCorpus(user_path(argument))


KIND = CorpusKind(
    name="folder",
    argument="PATH",
    is_path=True,
    description="The pictures in a folder, or at an address such as s3://bucket/folder; subfolders are labels, or "
    "train, val and test above them.",
    license="unknown: yours to judge",
    open=_open,
)
