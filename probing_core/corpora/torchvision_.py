"""``torchvision:NAME``: published data sets, downloaded once when a user names them."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from probing_core.catalog import Catalog
from probing_core.corpora.base import Corpus, CorpusKind
from probing_core.corpora.table import content_digest, fingerprint, make_rows
from probing_core.errors import BadCorpus, one_line
from probing_core.images import Image, read_bytes, read_image
from probing_core.online import TIMEOUT_S, answers


@dataclass(frozen=True)
class Published:
    """A data set that torchvision can download without another package.

    Attributes:
        name: the class in ``torchvision.datasets``.
        server: the address that it is downloaded from.
        size: of the download, in words.
        parts: name of each part -> arguments of the class; if they are train, val and test, they are the splits.
        license: of the pictures, in words.
    """

    name: str
    server: str
    size: str
    parts: dict[str, dict[str, Any]]
    license: str


TRAIN_TEST = {"train": {"train": True}, "test": {"train": False}}
SPLIT_TRAIN_TEST = {"train": {"split": "train"}, "test": {"split": "test"}}
THREE = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}

PUBLISHED = Catalog(
    "torchvision data set",
    (
        Published("CIFAR10", "https://www.cs.toronto.edu", "0.2 GB", TRAIN_TEST, "unknown; cite Krizhevsky 2009"),
        Published("CIFAR100", "https://www.cs.toronto.edu", "0.2 GB", TRAIN_TEST, "unknown; cite Krizhevsky 2009"),
        Published("STL10", "http://ai.stanford.edu", "2.6 GB", SPLIT_TRAIN_TEST, "unknown; from ImageNet"),
        Published("DTD", "https://www.robots.ox.ac.uk", "0.6 GB", THREE, "research use"),
        Published("Flowers102", "https://www.robots.ox.ac.uk", "0.4 GB", THREE, "unknown"),
        Published("FGVCAircraft", "https://www.robots.ox.ac.uk", "2.8 GB", THREE, "non-commercial research"),
        Published("Food101", "http://data.vision.ee.ethz.ch", "5 GB", SPLIT_TRAIN_TEST, "Foodspotting terms"),
        Published("EuroSAT", "https://huggingface.co", "0.1 GB", {"all": {}}, "MIT"),
    ),
)


class TorchvisionCorpus(Corpus):
    """One published data set, stored under ``cache``.

    Its own splits hold where it has train, val and test; otherwise a run makes its own from all pictures.
    """

    def __init__(self, published: Published, cache: Path) -> None:
        self.name = f"torchvision:{published.name}"
        self.description = f"{published.name} as torchvision publishes it"
        self._parts = _open_parts(published, cache / published.name)
        own_splits = set(self._parts) == {"train", "val", "test"}
        found = [(part, number) for part, dataset in self._parts.items() for number in range(len(dataset))]
        self._place = {f"{part}/{number:06d}": (part, number) for part, number in found}
        self.rows = make_rows(
            {
                "image_id": list(self._place),
                "label": [self._label(part, number) for part, number in found],
                "split": [part if own_splits else "" for part, _ in found],
                "license": published.license,
            }
        )

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.rows, map(content_digest, self._contents()))

    def load(self, image_id: str) -> Image:
        picture = self._picture(*self._place[image_id])
        return read_image(picture, image_id) if isinstance(picture, Path) else picture

    def _picture(self, part: str, number: int) -> Path | Image:
        """Return the file of a picture, or the picture where torchvision keeps the data set as one array."""
        picture = self._parts[part][number][0]
        return picture if isinstance(picture, Path) else np.asarray(picture.convert("RGB"))

    def _label(self, part: str, number: int) -> str:
        target = int(self._parts[part][number][1])
        classes = getattr(self._parts[part], "classes", None)
        return str(classes[target]) if classes else str(target)

    def _contents(self) -> Iterator[bytes]:
        for part, number in self._place.values():
            picture = self._picture(part, number)
            yield read_bytes(picture) if isinstance(picture, Path) else picture.tobytes()


def _open_parts(published: Published, folder: Path) -> dict[str, Any]:
    """Open every part of the data set; download them first where ``folder`` does not exist yet.

    A download goes into a folder of its own that is renamed at the end, so that half of one is never opened.
    """
    if not folder.exists():
        _require_answer(published, folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        try:
            _build(published, unfinished, download=True)
            os.replace(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return _build(published, folder, download=False)


def _build(published: Published, folder: Path, download: bool) -> dict[str, Any]:
    from torchvision import datasets

    build = getattr(datasets, published.name)
    options: dict[str, Any] = {"root": str(folder), "download": download}
    if "loader" in inspect.signature(build).parameters:
        options["loader"] = Path  # a data set of files then gives paths: nothing is decoded but by `images`
    folder.mkdir(exist_ok=True)
    try:
        return {part: build(**options, **arguments) for part, arguments in published.parts.items()}
    except (OSError, RuntimeError) as error:  # no network (URLError), a full disk, a checksum that does not fit
        mend = "try again later" if download else f"remove {folder} and try again"
        raise BadCorpus(
            f"torchvision:{published.name} could not be {'downloaded' if download else 'opened'} "
            f"({one_line(error)}); {mend}."
        ) from error


def _require_answer(published: Published, folder: Path) -> None:
    """Raise `BadCorpus` within seconds where the server cannot be reached."""
    if not answers(published.server, TIMEOUT_S):
        raise BadCorpus(
            f"torchvision:{published.name} has to be downloaded once ({published.size}), and {published.server} does "
            f"not answer; use a machine with a network, copy {folder} from one, or name a folder or Parquet file."
        )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "probing" / "torchvision"


KIND = CorpusKind(
    name="torchvision",
    argument="NAME",
    description=f"A published data set, downloaded once: {', '.join(PUBLISHED.names)}.",
    license="the data set's own",
    open=lambda argument: TorchvisionCorpus(PUBLISHED.get(argument), _cache()),
)
