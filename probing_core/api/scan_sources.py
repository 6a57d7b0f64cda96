"""Sources of images for a scan: folders, object storage, Parquet files, datasets and other corpora."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from probing_core.api.scan_source import PART, Item, Loaded, Part, Source, stamp_of
from probing_core.api.scan_tables import HubRows, ParquetFiles
from probing_core.corpora import KINDS, open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.corpora.folder import Storage
from probing_core.errors import BadConfig
from probing_core.images import encode_png
from probing_core.paths import leads_out, user_path

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"))
"""Extensions of files to scan. Whether a file is an image is determined from its content."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to scan.

    Attributes:
        path: absolute path, or path in the file system of the URL.
        name: path relative to the scanned folder, with forward slashes; bytes that are not valid UTF-8 are replaced.
        stamp: size and modification time, used to detect changed files.
    """

    path: str
    name: str
    stamp: tuple[Any, ...]


def find_files(folder: Path, excluded: Path) -> list[File]:
    """Find the files to scan in ``folder`` and its subfolders, in a reproducible order.

    Hidden files and folders, links to files outside of ``folder``, and the folder ``excluded`` are skipped.

    Raises:
        BadConfig: the folder does not exist, has no files to scan, or contains a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise BadConfig(
            f"'{error.filename}' cannot be listed ({error.strerror}). Make it readable, or move it elsewhere."
        )

    root, excluded = (Path(os.path.realpath(path)) for path in (folder, excluded))
    if not root.is_dir():
        raise BadConfig(f"'{folder}' is not a folder. Specify a folder with images.")
    files = []
    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(n for n in folders if not n.startswith(".") and Path(place, n) != excluded)
        for name in sorted(names):
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES or leads_out(path, root):
                continue
            try:
                status = path.stat() if path.exists() else path.lstat()  # follow links, except broken ones
            except FileNotFoundError:
                continue  # the file was removed in the meantime
            relative = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")
            files.append(File(str(path), relative, (status.st_size, status.st_mtime_ns)))
    if not files:
        raise _no_images(str(folder))
    return files


def _no_images(place: str) -> BadConfig:
    return BadConfig(f"'{place}' contains no images. Expected files that end in {', '.join(sorted(SUFFIXES))}.")


class Files(Source):
    """Files of a local folder, or of a URL.

    A part begins at each file whose name has a digest divisible by `PART`, so a new file affects only one part.
    """

    def __init__(self, title: str, files: Sequence[File], storage: Storage | None = None) -> None:
        self.title, self._storage = title, storage
        parts: list[list[File]] = []
        for file in files:
            if not parts or _begins_part(file.name):
                parts.append([])
            parts[-1].append(file)
        self.parts = [Part(tuple((f.name, *f.stamp) for f in part), len(part), part) for part in parts]

    def read(self, indices: Sequence[int]) -> Iterator[Loaded]:
        for index in indices:
            yield Loaded(index, [Item(file.name, self._content(file)) for file in self.parts[index].place])

    def _content(self, file: File) -> Path | Callable[[], bytes]:
        return Path(file.path) if self._storage is None else partial(self._storage.read, file.path)


def _begins_part(name: str) -> bool:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") % PART == 0


def _remote_files(address: str) -> Files:
    storage = Storage(address)
    files = [
        File(name, name or Path(storage.root).name, stamp_of(facts))
        for name, facts in sorted(storage.find().items())
        if Path(name or storage.root).suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in Path(name).parts)
    ]
    if not files:
        raise _no_images(address)
    return Files(Path(storage.root).name, files, storage)


class CorpusImages(Source):
    """Images of an opened corpus."""

    has_columns = True

    def __init__(self, corpus: Corpus) -> None:
        self.title, self._corpus = corpus.name, corpus
        ids, starts = corpus.rows["image_id"].tolist(), range(0, len(corpus.rows), PART)
        key = corpus.fingerprint
        self.parts = [
            Part((key, *ids[start : start + PART]), len(ids[start : start + PART]), start) for start in starts
        ]

    def read(self, indices: Sequence[int]) -> Iterator[Loaded]:
        for index in indices:
            start, count = self.parts[index].place, self.parts[index].count
            rows = self._corpus.rows.iloc[start : start + count]
            items = [Item(name, partial(self._png, name)) for name in rows["image_id"]]
            yield Loaded(index, items, pa.Table.from_pandas(rows, preserve_index=False))

    def _png(self, image_id: str) -> bytes:
        return encode_png(self._corpus.load(image_id))


def open_source(name: Path | str, out: Path) -> Source:
    """Open the images to scan.

    Args:
        name: folder, or the name of a corpus, such as ``parquet:FILE``.
        out: folder for the results, which is not scanned.

    Raises:
        BadConfig: the folder cannot be used.
        BadCorpus: the corpus cannot be read.
        UnknownName: the kind of corpus does not exist.
    """
    kind, colon, argument = str(name).partition(":")
    if isinstance(name, Path) or kind not in KINDS or (not colon and Path(name).exists()):
        kind, argument = "folder", str(name)
    if kind == "folder" and argument:
        if "://" in argument:
            return _remote_files(argument)
        folder = Path(name) if isinstance(name, Path) else user_path(argument)
        return Files(folder.name, find_files(folder, excluded=out))
    if kind == "parquet" and argument:
        return ParquetFiles(argument)
    if kind == "hub" and argument:
        return HubRows(argument)
    return CorpusImages(open_corpus(str(name)))
