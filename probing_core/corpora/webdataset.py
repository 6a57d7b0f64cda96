"""``webdataset:ADDRESS``: pictures in tar files (shards), here or at an address, each beside its label.

The files of a sample share a name up to its first dot: ``0001.jpg`` with ``0001.cls`` (or ``0001.json`` with a
``label``, or ``0001.txt`` of one line). Shards are read once, from beginning to end, for rows and fingerprint; later a
picture is read by the place where it lies in its shard.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from probing_core.corpora.base import CorpusKind
from probing_core.corpora.storage import Storage, is_address
from probing_core.corpora.table import DigestedCorpus, content_digest
from probing_core.errors import BadCorpus, BadImage, one_line
from probing_core.images import Image, check, read_image, size_error
from probing_core.paths import user_path

PICTURES = ("jpg", "jpeg", "png", "webp", "ppm", "bmp", "gif", "tif", "tiff", "avif")
"""Extensions of pictures: the part of a name after its first dot."""

LABELS = ("cls", "json", "txt")
"""Extensions of labels, the preferred first."""

MAX_LABEL_BYTES = 10_000
"""Bytes of the file of a label."""

BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
"""Numbers of shards, as in ``train-{0000..0146}.tar``."""


@dataclass(frozen=True)
class Place:
    """Place of a picture: bytes ``start`` to ``end`` of the shard number ``shard``."""

    shard: int
    start: int
    end: int


class WebDatasetCorpus(DigestedCorpus):
    """The pictures of shards, in their order.

    An image's id is its name without what follows the first dot; where two shards use one name, the later one is
    listed in ``skipped``. No sample has a split.
    """

    def __init__(self, address: str) -> None:
        super().__init__(f"webdataset:{address}")
        self._shards = _shards(address)
        self._places: dict[str, Place] = {}
        for number in range(len(self._shards)):
            for image_id, (place, digest, label) in self._read(number).items():
                if image_id in self._places:
                    self.skipped.append((image_id, "another shard has a picture of this name"))
                elif self._take(image_id, digest, label):
                    self._places[image_id] = place
        labels = self._finish()
        if self.rows.empty:
            reason = f"The first file that was skipped: {self.skipped[0][1]}" if self.skipped else "They are empty."
            raise BadCorpus(f"{self.name} holds no picture that can be read. {reason}")
        self.description = f"{len(self.rows)} pictures of {len(self._shards)} shards, {labels}"

    def load(self, image_id: str) -> Image:
        place = self._places[image_id]
        storage, path = self._shards[place.shard]
        return read_image(storage.read(path, place.start, place.end), image_id)

    def _read(self, number: int) -> dict[str, tuple[Place, bytes, str]]:
        """Return a mapping from image_id to place, digest and label."""
        storage, path = self._shards[number]
        skipped: list[tuple[str, str]] = []

        def work(file: Any) -> tuple[dict, dict]:
            skipped.clear()  # of a try that broke off
            try:
                return _index(file, number, skipped)
            except tarfile.TarError as error:
                shard = PurePosixPath(path or storage.root).name
                raise BadCorpus(f"{self.name}: {shard} is no tar file that can be read ({one_line(error)}).") from None

        found, labels = storage.scan(path, work)
        self.skipped += skipped
        return {image_id: (*one, labels.get(image_id, "")) for image_id, one in found.items()}


def _shards(address: str) -> list[tuple[Storage, str]]:
    """Return storage and path of every shard that ``address`` names: a tar file, a folder of such, or a range in
    braces."""
    place = address if is_address(address) else f"file://{user_path(address).absolute()}"
    if braces := BRACES.search(place):
        first, last = braces.groups()
        numbers = [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)]
        names = [place[: braces.start()] + number + place[braces.end() :] for number in numbers]
        return [(Storage(name), "") for name in names]
    storage = Storage(place)
    paths = [path for path in sorted(storage.sizes()) if path.endswith(".tar") or not path]
    if not paths:
        raise BadCorpus(f"webdataset:{address} holds no .tar file; name one, a folder of them, or a range in braces.")
    return [(storage, path) for path in paths]


def _index(
    file: Any, number: int, skipped: list[tuple[str, str]]
) -> tuple[dict[str, tuple[Place, bytes]], dict[str, str]]:
    """Return the pictures and labels of one shard, by the names of samples."""
    pictures: dict[str, tuple[Place, bytes]] = {}
    labels: dict[str, tuple[int, str]] = {}
    with tarfile.open(fileobj=file, mode="r:") as shard:
        for name, kind, member in _members(shard):
            if kind in PICTURES:
                try:
                    if error := size_error(member.size, member.name):
                        raise error
                    data = shard.extractfile(member).read()  # type: ignore[union-attr]
                    check(data, member.name)
                except BadImage as error:
                    skipped.append((member.name, str(error)))
                    continue
                place = Place(number, member.offset_data, member.offset_data + member.size)
                pictures[name] = place, content_digest(data)
            elif kind in LABELS and member.size <= MAX_LABEL_BYTES:
                found = _label(kind, shard.extractfile(member).read())  # type: ignore[union-attr]
                labels[name] = min(labels.get(name, (len(LABELS), "")), (LABELS.index(kind), found))
    return pictures, {name: label for name, (_, label) in labels.items()}


def _members(shard: tarfile.TarFile) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """Yield the name of the sample, the kind of the file, and the file, of every regular one."""
    for member in shard:
        path = PurePosixPath(member.name)
        stem, dot, kind = path.name.partition(".")
        if member.isreg() and stem and dot and member.name.isprintable():
            yield path.with_name(stem).as_posix(), kind.lower(), member


def _label(kind: str, data: bytes) -> str:
    """Return the label in a file; empty where it has none that can be used."""
    text = data.decode("utf-8", "replace").strip()
    if kind == "json":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        text = str(found.get("label", "")) if isinstance(found, dict) else ""
    return text if "\n" not in text and text.isprintable() else ""


KIND = CorpusKind(
    name="webdataset",
    argument="ADDRESS",
    is_path=True,
    description="Tar files of pictures and labels (shards): a file, a folder of them, or a range such as "
    "s3://bucket/train-{0000..0146}.tar.",
    license="unknown: yours to judge",
    open=WebDatasetCorpus,
)
