"""Find the similarity threshold for duplicates in a user's own images, and the recall of edited copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probing_core.api.diff_embeddings import load_encoders, reduced
from probing_core.api.diff_pairs import read_side
from probing_core.api.scan_sources import find_files
from probing_core.arguments import MODELS, NUMBER, TEXT, checked
from probing_core.compute.runtime.parallel import in_chunks, one_core_threads
from probing_core.compute.studies.study_data import MAX_PAIRED_IMAGES
from probing_core.compute.task_names import ALL
from probing_core.cores import cores
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.diffs.same_photograph import photographs_of, same_photograph
from probing_core.errors import BadConfig, BadImage
from probing_core.images import Image, is_one_image
from probing_core.images.decoding import printable
from probing_core.measures.neighbors import UNRELATED, directions, is_hash, threshold, unrelated_pairs
from probing_core.measures.notation import (
    counted,
    interval_text,
    model_titles,
    percent_interval,
    text_table,
    transform_title,
)
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_BOOTSTRAP, Interval, interval, mean
from probing_core.models.embedder import LoadedEmbedder
from probing_core.paths import user_path
from probing_core.run.progress import SILENT, Progress
from probing_core.transforms import bank
from probing_core.transforms.transformation import MIN_SIDE, generator

LOW_RATE = 1e-5
"""Additional false-positive rate in collections with enough photographs."""

EXPECTED_MATCHES = 10
"""Minimum number of expected false matches for the threshold at `LOW_RATE`. It requires 1,415 photographs."""

EDITED_PHOTOGRAPHS = 100
"""Maximum number of photographs of which edited copies are made."""

CHUNK = 32
"""Number of images that are in memory at the same time."""

EDITED_CHUNK = 4
"""Number of photographs whose edited copies are in memory at the same time."""

SEED = 0

LISTED = 20
"""Maximum number of groups of near-duplicates that are printed."""


@dataclass(frozen=True, eq=False)
class Threshold:
    """The threshold of a model at one false-positive rate, and the recall of edited copies.

    Attributes:
        model, title: name and display name of the model.
        rate: fraction of pairs of different photographs whose similarity exceeds the threshold.
        threshold: cosine similarity with its confidence interval.
        pairs: number of pairs of different photographs.
        bits: length of an image hash; 0 for other models.
        recall: edit -> fraction of copies whose similarity to their original exceeds the threshold. ``all`` combines
            all transformations of the bank.
    """

    model: str
    title: str
    rate: float
    threshold: Interval
    pairs: int
    bits: int
    recall: Mapping[str, Interval]

    @property
    def max_bits(self) -> int | None:
        """Largest Hamming distance between matching hashes (-1 if even equal hashes do not match); None for models."""
        return self._max_bits(self.threshold.value) if self.bits else None

    def _max_bits(self, cosine: float) -> int:
        return round((1 - cosine) / 2 * self.bits) - 1

    @property
    def interval(self) -> str:
        """The confidence interval of the threshold as text, in bits for image hashes."""
        low, high = self.threshold.low, self.threshold.high
        if self.bits:
            if np.isnan(low):  # there is no interval if all resamples have the same threshold
                low = high = self.threshold.value
            return f"{self._max_bits(high)}\N{EN DASH}{self._max_bits(low)} bits"
        return interval_text(low, high, "{:.3f}".format)

    def to_row(self) -> dict[str, Any]:
        """Return a flat row, with the recall of all edits combined."""
        recall = self.recall[ALL]
        return {
            "model": self.model,
            "rate": self.rate,
            "threshold": self.threshold.value,
            "threshold_low": self.threshold.low,
            "threshold_high": self.threshold.high,
            "max_bits": self.max_bits,
            "pairs": self.pairs,
            "recall": recall.value,
            "recall_low": recall.low,
            "recall_high": recall.high,
        }

    def recall_rows(self) -> Iterator[dict[str, Any]]:
        for edit, recall in self.recall.items():
            about = {"model": self.model, "rate": self.rate, "edit": edit}
            yield about | {"recall": recall.value, "low": recall.low, "high": recall.high, "images": recall.clusters}


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Result of `duplicates`, with a readable `repr`.

    Attributes:
        found: number of images in the collection.
        images: number of images that were compared.
        photographs: number of different photographs among them.
        near_duplicates: names of images that show the same photograph, in groups.
        thresholds: one entry for each model and false-positive rate.
        errors: one message for each image that cannot be used.
    """

    found: int
    images: int
    photographs: int
    near_duplicates: tuple[tuple[str, ...], ...]
    thresholds: tuple[Threshold, ...]
    errors: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """One row for each model and false-positive rate."""
        return pd.DataFrame([threshold.to_row() for threshold in self.thresholds])

    @property
    def recall(self) -> pd.DataFrame:
        """One row for each model, false-positive rate and edit."""
        return pd.DataFrame([row for threshold in self.thresholds for row in threshold.recall_rows()])

    def to_json(self) -> dict[str, Any]:
        return {
            "found": self.found,
            "images": self.images,
            "photographs": self.photographs,
            "near_duplicates": [list(group) for group in self.near_duplicates],
            "thresholds": self.table.to_dict("records"),
            "recall": self.recall.to_dict("records"),
            "errors": list(self.errors),
        }

    def __str__(self) -> str:
        return "\n".join([*self._collection, "", *self._thresholds, "", *self._recalls])

    __repr__ = __str__

    @property
    def _collection(self) -> Iterator[str]:
        of_all = f" of {self.found:,}" if self.images < self.found else ""
        yield f"{self.images:,}{of_all} images of {self.photographs:,} photographs were compared."
        if self.near_duplicates:
            yield "Images of the same photograph, which do not count as false matches:"
            yield from (f"  {', '.join(map(printable, group))}" for group in self.near_duplicates[:LISTED])
        if len(self.near_duplicates) > LISTED:
            yield f"  and {counted(len(self.near_duplicates) - LISTED, 'more group')}"

    @property
    def _thresholds(self) -> Iterator[str]:
        rows = [
            {
                "model": each.title,
                "false matches": f"1 in {1 / each.rate:,.0f} pairs",
                "match if": _condition(each),
                "95% CI of the threshold": each.interval,
                "recall of edited copies": _with_interval(each.recall[ALL]),
            }
            for each in self.thresholds
        ]
        yield text_table(rows)
        few = sorted({each.rate for each in self.thresholds if each.pairs * each.rate < EXPECTED_MATCHES}, reverse=True)
        for rate in few:
            yield (
                f"With {self.photographs:,} photographs, fewer than {EXPECTED_MATCHES} false matches are expected at a "
                f"rate of {rate:g}, so the threshold is imprecise. Use at least {_photographs_for(rate):,} photographs."
            )

    @property
    def _recalls(self) -> Iterator[str]:
        rate = self.thresholds[0].rate
        of_rate = [each for each in self.thresholds if each.rate == rate]
        yield f"Recall of copies by edit, at 1 false match in {1 / rate:,.0f} pairs:"
        yield text_table(
            [
                {"edit": "All transformations" if edit == ALL else transform_title(edit)}
                | {each.title: f"{100 * each.recall[edit].value:.0f}%" for each in of_rate}
                for edit in of_rate[0].recall
            ]
        )


def _condition(each: Threshold) -> str:
    if each.max_bits is None:
        return f"cosine > {each.threshold.value:.3f}"
    if each.max_bits < 0:
        return "never: different photographs have equal hashes"
    return f"at most {each.max_bits} of {each.bits} bits differ"


def _with_interval(value: Interval) -> str:
    bounds = percent_interval(value.low, value.high, 0, "")
    return f"{100 * value.value:.0f}%" + (f" (95% CI {bounds})" if bounds else "")


def _photographs_for(rate: float) -> int:
    """Return the smallest number of photographs with `EXPECTED_MATCHES` expected false matches."""
    return int(np.ceil(0.5 + np.sqrt(0.25 + 2 * EXPECTED_MATCHES / rate) - 1e-9))


@checked(models=MODELS, rate=NUMBER, device=TEXT, precision=TEXT)
def duplicates(
    images: Path | str | Sequence[Any],
    *,
    models: Sequence[Any] = (),
    rate: float = UNRELATED,
    device: str = "auto",
    precision: str = "auto",
    progress: Progress = SILENT,
) -> Duplicates:
    """Find the similarity threshold at which few pairs of different photographs of a collection match.

    Images that show the same photograph are found first and do not count as false matches. At most 2,000 random images
    are compared. Edited copies of up to 100 photographs show how many duplicates exceed the threshold.

    Args:
        images: a folder, or a sequence of images (paths, arrays, Pillow images or tensors).
        models: names of models, or models loaded by `load_embedder`. Image hashes are always included.
        rate: maximum fraction of pairs of different photographs that match. If ten false matches are expected at a rate
            of 1 in 100,000, the threshold at this rate is returned as well.
        device: as in `load_embedder`.
        precision: as in `load_embedder`.
        progress: object that receives progress updates.

    Examples:
        >>> print(probing_core.duplicates("photos", models=["zoo/clip"]))  # doctest: +SKIP

    Raises:
        BadConfig: the rate is invalid, or there are fewer than 20 different photographs.
        ProbingError: a model cannot be loaded.
    """
    if not 0 < rate < 1:
        raise BadConfig(f"The rate must be strictly between 0 and 1; got {rate:g}.")
    sources = _sources(images)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(sources))[:MAX_PAIRED_IMAGES])
    encoders = load_encoders(models, device, precision, progress)
    with one_core_threads(cores()) as pool:
        collection = Collection.embedded([sources[i] for i in chosen], encoders, pool, progress)
        photographs = collection.photographs(pool, progress)
        count = len(set(photographs))
        if count < MIN_CLUSTERS_FOR_BOOTSTRAP:
            raise BadConfig(
                f"A threshold requires at least {MIN_CLUSTERS_FOR_BOOTSTRAP} different photographs; got {count}."
            )
        copies = collection.edited(photographs, encoders, pool, progress)
    titles = model_titles(encoders)
    entries = [
        entry
        for name in encoders
        for entry in _thresholds_of(name, titles[name], collection.vectors[name], photographs, copies[name], rate)
    ]
    groups = [np.flatnonzero(photographs == number) for number in np.unique(photographs)]
    near = tuple(tuple(collection.sources[i][0] for i in group) for group in groups if len(group) > 1)
    entries.sort(key=lambda entry: entry.rate != rate)
    return Duplicates(len(sources), len(collection.sources), count, near, tuple(entries), collection.errors)


Source = tuple[str, Any]
"""Name of an image, and its path or the image in memory."""


def _sources(images: Path | str | Sequence[Any]) -> list[Source]:
    if isinstance(images, str | Path):
        folder = user_path(images)
        return [(file.name, Path(file.path)) for file in find_files(folder, excluded=folder / ".none")]
    if is_one_image(images):
        raise BadConfig("Finding duplicates requires several images. Pass a folder or a sequence of images.")
    return [
        (str(image), user_path(image)) if isinstance(image, str | Path) else (f"image {i}", image)
        for i, image in enumerate(images)
    ]


def _read(source: Source) -> Image | str:
    """Read an image, reduced to a moderate size, or return the reason why it cannot be used."""
    name, content = source
    side = read_side(content, name)
    if side.image is None:
        return f"{name}: {side.error}"
    if min(side.image.shape[:2]) < 2 * MIN_SIDE:
        return f"{name}: the image has fewer than {2 * MIN_SIDE} pixels along a side."
    return reduced(side.image)


def _required(source: Source) -> Image:
    """Read an image again."""
    image = _read(source)
    if isinstance(image, str):
        raise BadImage(f"{image} It was changed while it was compared. Try again.")
    return image


@dataclass(frozen=True, eq=False)
class Copies:
    """Similarities of edited copies to their originals.

    Attributes:
        edits: (n,) edit of each copy.
        photographs: (n,) photograph of each copy.
        vectors: (n, D) embeddings.
        originals: (n,) position of the original in the collection.
    """

    edits: np.ndarray
    photographs: np.ndarray
    vectors: np.ndarray
    originals: np.ndarray


@dataclass(frozen=True, eq=False)
class Collection:
    """The readable images of a collection, and their embeddings.

    Attributes:
        vectors: model -> (N, D) embeddings.
        errors: messages about images that cannot be used.
    """

    sources: tuple[Source, ...]
    vectors: Mapping[str, np.ndarray]
    errors: tuple[str, ...]

    @classmethod
    def embedded(
        cls, sources: Sequence[Source], encoders: Mapping[str, LoadedEmbedder], pool: Executor, progress: Progress
    ) -> Collection:
        kept: list[Source] = []
        errors: list[str] = []
        vectors: dict[str, list[np.ndarray]] = {name: [] for name in encoders}
        for start in range(0, len(sources), CHUNK):
            progress.update("embed", start, len(sources), "Embedding images")
            chunk = sources[start : start + CHUNK]
            images = []
            for source, read in zip(chunk, pool.map(_read, chunk), strict=True):
                if isinstance(read, str):
                    errors.append(read)
                else:
                    images.append(read)
                    kept.append(source)
            for name, encoder in encoders.items() if images else ():
                vectors[name].append(encoder.embed(images))
        if not kept:
            raise BadConfig("None of the images can be used. " + " ".join(errors[:1]))
        return cls(tuple(kept), {name: np.concatenate(parts) for name, parts in vectors.items()}, tuple(errors))

    def photographs(self, pool: Executor, progress: Progress) -> np.ndarray:
        """Find images that show the same photograph, and return the number of the photograph of each image."""
        read = lru_cache(maxsize=4 * CHUNK)(lambda index: _required(self.sources[index]))

        def similarities() -> Iterator[np.ndarray]:
            for i, vectors in enumerate(self.vectors.values()):
                progress.update("compare", i, len(self.vectors), "Searching for near-duplicates")
                X = directions(vectors)
                yield X @ X.T

        return photographs_of(len(self.sources), similarities(), lambda i, j: same_photograph(read(i), read(j)), pool)

    def edited(
        self,
        photographs: np.ndarray,
        encoders: Mapping[str, LoadedEmbedder],
        pool: Executor,
        progress: Progress,
    ) -> dict[str, Copies]:
        """Embed edited copies of one image of each photograph."""
        _, first = np.unique(photographs, return_index=True)
        chosen = np.sort(np.random.default_rng(SEED).permutation(first)[:EDITED_PHOTOGRAPHS])
        vectors: dict[str, list[np.ndarray]] = {name: [] for name in encoders}
        edits: list[str] = []

        def edit(index: int) -> dict[str, Image]:
            return edited_copies(self.sources[index][0], _required(self.sources[index]))

        chunks = [chosen[start : start + EDITED_CHUNK].tolist() for start in range(0, len(chosen), EDITED_CHUNK)]
        for i, (_, made) in enumerate(in_chunks(pool, edit, chunks)):
            progress.update("edit", i, len(chunks), "Embedding edited copies")
            for copies in made:
                edits += copies
                for name, encoder in encoders.items():
                    vectors[name].append(encoder.embed(list(copies.values())))
        originals = np.repeat(chosen, len(edits) // len(chosen))
        return {
            name: Copies(np.array(edits), photographs[originals], np.concatenate(parts), originals)
            for name, parts in vectors.items()
        }


def edited_copies(name: str, image: Image) -> dict[str, Image]:
    """Return a copy of ``image`` with each transformation of the bank, at random strength, and each framing edit."""
    copies = {}
    for transform in bank():
        if transform.name != "identity":
            rng = generator(SEED, name, transform.name)
            copies[transform.name] = transform.apply(image, transform.draw_strength(rng), rng)
    return copies | {edit: apply(image, generator(SEED, name, edit)) for edit, apply in FRAMING_EDITS.items()}


def _thresholds_of(
    model: str, title: str, vectors: np.ndarray, photographs: np.ndarray, copies: Copies, rate: float
) -> Iterator[Threshold]:
    bits = vectors.shape[1] if is_hash(vectors) else 0
    X = directions(np.concatenate([vectors, copies.vectors]))
    of_images, of_copies = X[: len(vectors)], X[len(vectors) :]
    cosines = np.einsum("ij,ij->i", of_copies, of_images[copies.originals])
    pairs = unrelated_pairs(of_images, photographs, rate)
    rates = [rate]
    if rate > LOW_RATE and pairs.pairs * LOW_RATE >= EXPECTED_MATCHES:
        rates.append(LOW_RATE)
    for each in rates:
        at = threshold(pairs, each)
        is_found = cosines > at.value
        of_edits = {edit: copies.edits == edit for edit in dict.fromkeys(copies.edits)}
        of_bank = ~np.isin(copies.edits, list(FRAMING_EDITS))
        recall = {
            edit: interval(mean(is_found[mask], copies.photographs[mask]), low=0, high=1)
            for edit, mask in {ALL: of_bank, **of_edits}.items()
        }
        yield Threshold(model, title, each, at, pairs.pairs, bits, recall)
