"""Select the images of a run, and plan their transformed versions.

Each row of ``images.parquet`` is an image before transformation. Each row of ``samples.parquet`` is a sample, which is
a transformed image. Samples are ordered by image and divided into units. The samples of a unit are computed, embedded
and saved together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.corpora import assign_splits, drawn, limit_rows, shares
from probing_core.corpora.corpus import NOT_FOR_PROBES, Corpus
from probing_core.errors import BadCorpus, BadImage
from probing_core.images.quality import NEAR_GRAY
from probing_core.transforms.distance import describe
from probing_core.transforms.transformation import Image, Transform, generator
from probing_core.transforms.view import cut_pair, source_side


@dataclass(frozen=True, kw_only=True)
class Design:
    """Parameters that determine the samples of a corpus.

    Attributes:
        view: view size in pixels.
        transforms: transformations in order, starting with identity.
        seed: random seed.
        repetitions: number of random draws of strength and noise per image and transformation.
        limit: maximum number of images before transformation, or None for all images.
        threads: number of threads for numerical libraries, which does not affect the samples.
    """

    view: int
    transforms: tuple[Transform, ...]
    seed: int = 0
    repetitions: int = 1
    limit: int | None = None
    threads: int = 2


LEARNED = ("train", "val")
"""Splits for training and validating probes."""

MIN_AT_ONCE = 16
"""Minimum number of images that are read together, so that all threads are used."""

SUBMITTED = 1024
"""Maximum number of images that are submitted to threads at a time, to limit memory use for large corpora."""

OnProgress = Callable[[int, int], None]
"""Callback with the number of completed images and the total number of images."""

FindFlaws = Callable[[pd.DataFrame], Iterator[str]]
"""Function that yields, for each image, the reason why it cannot be used, or an empty string if it can be used."""


def choose_images(design: Design, corpus: Corpus, progress: OnProgress) -> pd.DataFrame:
    """Select the images of a run.

    Returns:
        Rows of ``images.parquet``, including images that cannot be used, with the reasons.

    Raises:
        BadCorpus: no image can be used.
    """
    rows = corpus.rows[~corpus.rows["split"].isin(NOT_FOR_PROBES)].reset_index(drop=True).copy()
    if (rows["split"] == "").any():
        rows["split"] = assign_splits(rows["base_id"].tolist(), design.seed)
    needs_geometry = any(t.warp is not None for t in design.transforms)
    fit = rows["color"] & (rows["geometry"] | (not needs_geometry))
    rows["why_not"] = np.where(fit, "", rows["why_not"])

    smallest = source_side(design.view)
    with ThreadPoolExecutor(design.threads) as pool:

        def find_flaws(rows: pd.DataFrame) -> Iterator[str]:
            for start in range(0, len(rows), SUBMITTED):
                some = rows["image_id"].iloc[start : start + SUBMITTED].astype(str)
                yield from pool.map(partial(_flaw, corpus, smallest), some)

        if design.limit is None or not fit.any():
            reasons: list[str] = []
            for reason in find_flaws(rows[fit]):
                reasons.append(reason)
                progress(len(reasons), int(fit.sum()))
            rows.loc[fit, "why_not"] = reasons
        else:
            fitting = rows[fit]
            rows = _usable(fitting, shares(fitting, design.limit), find_flaws, progress).reset_index(drop=True)
    rows["used"] = rows["why_not"] == ""
    if not rows["used"].any():
        reason = rows["why_not"].value_counts().index[0] if len(rows) else "no image is in a split for probes"
        raise BadCorpus(
            f"The corpus '{corpus.name}' has no usable images at a view size of {design.view} pixels. Most frequent "
            f"reason: {reason}."
            + (f" Reduce the view size or use images of {smallest} pixels or more." if "smaller than" in reason else "")
            + (
                " Use color images, because color transformations have no effect on gray images."
                if reason == "near gray"
                else ""
            )
        )
    # Only corpora for pretraining specify the classes that encoders did not see.
    rows["held_out"] = rows["held_out_class"].astype(bool) if "held_out_class" in rows else False
    return rows[["image_id", "base_id", "label", "split", "license", "used", "why_not", "held_out"]]


def _usable(rows: pd.DataFrame, counts: dict[str, int], find_flaws: FindFlaws, progress: OnProgress) -> pd.DataFrame:
    """Examine rows in random order until each split has ``counts[split]`` usable rows or all rows have been examined.

    Returns:
        All examined rows, with the column ``why_not``.
    """
    order = drawn(rows)
    split = rows.loc[order, "split"].to_numpy()
    reasons: dict[int, str] = {}
    before, total = 0, sum(counts.values())
    for name, count in counts.items():
        waiting, usable = list(order[split == name]), 0
        while waiting and usable < count:
            size = max(count - usable, MIN_AT_ONCE)
            batch, waiting = waiting[:size], waiting[size:]
            for i, reason in zip(batch, find_flaws(rows.loc[batch]), strict=True):
                if usable == count:
                    break
                reasons[i] = reason
                usable += reason == ""
                progress(before + usable, total)
        before += count
    examined = rows.loc[sorted(reasons)].copy()
    examined["why_not"] = [reasons[i] for i in examined.index]
    return examined


def _flaw(corpus: Corpus, smallest: int, image_id: str) -> str:
    try:
        image = corpus.load(image_id)
    except BadImage as error:
        return f"unreadable: {error}"
    if min(image.shape[:2]) < smallest:
        return f"smaller than {smallest} pixels"
    small = image[:: max(1, image.shape[0] // 128), :: max(1, image.shape[1] // 128)].astype(np.int16)
    return "near gray" if float((small.max(2) - small.min(2)).mean()) < NEAR_GRAY else ""


FEW_PHOTOGRAPHS = 30
"""Minimum number of photographs for splits. Runs with fewer photographs are evaluated with cross-validation."""

IDENTITY_DRAWS = 2
"""Number of identity samples per image and repetition. It equals the number of seen transformations in other groups."""

FAR_IMAGES = 400
"""Maximum number of images to which unseen styles are applied, because these are slow to compute."""

UNIT_SAMPLES = 512
UNIT_BYTES = 64 * 2**20
"""Approximate maximum size of a unit in samples and in bytes of pixels. The pixels of a unit are kept in memory."""


@dataclass(frozen=True)
class Unit:
    """A block of consecutive samples, ``samples[start:stop]``, that contains all samples of its images."""

    index: int
    start: int
    stop: int


def has_splits(images: pd.DataFrame) -> bool:
    """Return whether a run with the image table ``images`` has enough photographs for splits."""
    return images.loc[images["used"], "base_id"].nunique() >= FEW_PHOTOGRAPHS


def used_images(images: pd.DataFrame, *splits: str) -> pd.DataFrame:
    """Return the used images in ``splits``, or all used images if the run has no splits (see `has_splits`).

    Cross-validation trains and tests on every photograph.
    """
    used = images[images["used"]]
    return used[used["split"].isin(splits)] if has_splits(images) else used


def samples_on_maps(samples: pd.DataFrame, images: pd.DataFrame) -> np.ndarray:
    """Return the positions of samples that are shown on maps: all test samples except second draws of identity."""
    tested = used_images(images, "test")["image_id"]
    return np.flatnonzero(samples["image_id"].isin(tested) & (samples["draw"] == 0))


class SamplePlan:
    """The planned samples of a run, without the columns that are measured on images.

    All transformations except unseen styles are applied to every image. Unseen styles are slow to compute and only used
    for testing, so they are applied to at most `FAR_IMAGES` test images, in the first repetition. Rows are computed on
    demand, so memory use depends on the number of images, not on the number of samples.
    """

    def __init__(self, design: Design, images: pd.DataFrame) -> None:
        columns = ["image_id", "base_id", "label", "split"]
        self._images = images.loc[images["used"], columns].reset_index(drop=True)
        self._versions = _versions(design)
        self._far = np.zeros(len(self._images), dtype=bool)
        if self._versions["far"].any():
            tested = used_images(images, "test")[columns].reset_index(drop=True)
            self._far = self._images["image_id"].isin(limit_rows(tested, FAR_IMAGES)["image_id"]).to_numpy()
        of_all = int((~self._versions["far"]).sum())
        self._ends = np.cumsum(np.where(self._far, len(self._versions), of_all))
        self.units = _cut(design, self._ends)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def rows(self, start: int = 0, stop: int | None = None) -> pd.DataFrame:
        """Return the samples from ``start`` to ``stop`` (exclusive)."""
        stop = len(self) if stop is None else stop
        first, last = np.searchsorted(self._ends, [start, stop - 1], side="right")
        images = self._images.iloc[first : last + 1].assign(gets_far=self._far[first : last + 1])
        rows = images.merge(self._versions, how="cross")
        rows = rows[~rows["far"] | rows["gets_far"]].drop(columns=["far", "gets_far"])
        begin = int(self._ends[first - 1]) if first else 0
        rows.insert(0, "sample", np.arange(begin, int(self._ends[last]), dtype=np.int32))
        return rows.iloc[start - begin : stop - begin].set_axis(range(start, stop))


def _versions(design: Design) -> pd.DataFrame:
    versions = pd.DataFrame(
        [
            (t.name, t.group, t.far, repetition, draw)
            for repetition in range(design.repetitions)
            for t in design.transforms
            if not (t.far and repetition)
            for draw in range(IDENTITY_DRAWS if t.name == "identity" else 1)
        ],
        columns=["transform", "group", "far", "repetition", "draw"],
    )
    counted = np.int8 if design.repetitions <= np.iinfo(np.int8).max else np.int16
    return versions.astype({"repetition": counted, "draw": np.int8})


def plan_samples(design: Design, images: pd.DataFrame) -> pd.DataFrame:
    return SamplePlan(design, images).rows()


def cut_units(design: Design, samples: pd.DataFrame) -> list[Unit]:
    """Divide samples into units of at most `UNIT_SAMPLES` samples and `UNIT_BYTES` bytes of pixels.

    All samples of an image are in the same unit, which may exceed these limits if it contains a single image.
    """
    ids = samples["image_id"].astype("category").cat.codes.to_numpy()
    return _cut(design, np.append(np.flatnonzero(ids[1:] != ids[:-1]) + 1, len(ids)))


def _cut(design: Design, ends: np.ndarray) -> list[Unit]:
    """Divide samples like `cut_units`. The samples of image i end before position ``ends[i]``."""
    affordable = min(UNIT_SAMPLES, UNIT_BYTES // (design.view**2 * 3))
    units: list[Unit] = []
    start = stop = 0
    for end in map(int, ends):
        if stop > start and end - start > affordable:
            units.append(Unit(len(units), start, stop))
            start = stop
        stop = end
    return [*units, Unit(len(units), start, stop)]


def measure_change(before: Image, after: Image) -> dict[str, Any]:
    """Compute the columns of a sample that compare its views before and after transformation."""
    described = describe(before, after)
    numbers = {name: np.float32(getattr(described, name)) for name in ("ssim", "difference", "distance")}
    return numbers | {"visible": bool(described.visible)}


def make_pair(
    source: Image, design: Design, transform: Transform, image_id: str, repetition: int, draw: int
) -> tuple[Image, Image, float]:
    """Compute a sample. The same arguments always give the same sample.

    Returns:
        The view before transformation, the view after transformation, and the drawn strength (NaN for identity).
    """
    rng = generator(design.seed, image_id, transform.name, repetition, draw)
    strength = float("nan") if transform.name == "identity" else transform.draw_strength(rng)
    return (*cut_pair(source, design.view, transform, strength, rng), strength)
