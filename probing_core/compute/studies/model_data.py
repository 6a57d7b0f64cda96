"""One model as the studies read it: some whole images of each split, their embeddings, and fits that studies share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.caveats import joined, note_of_fits
from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.studies.neighborhood import Copies, Crossed, Retrieved, compare_copies, crossed_rows, retrieve
from probing_core.compute.studies.sweep import Sweep, sweep_of
from probing_core.compute.tasks import make_task
from probing_core.corpora import limit_rows
from probing_core.measures import MEASURES, interval
from probing_core.measures.statistics import ClusterSums
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.linear import GRID
from probing_core.transforms.base import Transform

STUDY_IMAGES = {"train": 400, "val": 60, "test": 300}
"""Images of each split that are read under every transformation."""

FIT_IMAGES = 200
"""Images of the train split that probes of the studies learn from: each study fits several."""

PENALTIES = GRID[::2]
"""Every second penalty of the linear probe's grid."""


@dataclass(frozen=True, eq=False)
class EmbeddedRows:
    """Samples and their embeddings.

    Attributes:
        rows: of ``samples.parquet``.
        X: (n, D) ``float32``.
        y: (n,) class of the fine task; -1 for the second draw of identity.
    """

    rows: pd.DataFrame
    X: np.ndarray
    y: np.ndarray

    @property
    def bases(self) -> np.ndarray:
        return self.rows["base_id"].to_numpy()

    @property
    def images(self) -> int:
        return self.rows["image_id"].nunique()

    def where(self, mask: np.ndarray | pd.Series) -> EmbeddedRows:
        mask = np.asarray(mask, bool)
        return EmbeddedRows(self.rows[mask], self.X[mask], self.y[mask])

    def of(self, transform: str, draw: int = 0) -> EmbeddedRows:
        """Return the samples of one transformation, one an image, ordered by image."""
        there = self.where((self.rows["transform"] == transform) & (self.rows["draw"] == draw))
        order = np.argsort(there.rows["image_id"].to_numpy(str), kind="stable")
        return EmbeddedRows(there.rows.iloc[order], there.X[order], there.y[order])


@dataclass(frozen=True, eq=False)
class ModelData:
    """The samples of one model as the studies read them.

    Attributes:
        model: its name.
        X: (N, D) embeddings of all samples.
        samples, images: tables of the run.
        transforms: all that probes learn from, by name, identity first.
        seed: of random draws.
    """

    model: str
    X: LazyRows
    samples: pd.DataFrame
    images: pd.DataFrame
    transforms: Mapping[str, Transform]
    seed: int

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes of the fine task."""
        return tuple(self.transforms)

    @cached_property
    def _read(self) -> EmbeddedRows:
        """Everything that is read of the main samples, in one pass over the units."""
        rows = chosen_rows(self.samples, self.images, list(self.classes))
        truth = make_task("fine", self.samples, tuple(self.transforms.values())).truth[rows]
        return EmbeddedRows(self.samples.iloc[rows], self.X[rows], truth)

    @cached_property
    def clean(self) -> EmbeddedRows:
        """Every used image once, untransformed."""
        return self._read.of("identity")

    def of_split(self, split: str) -> EmbeddedRows:
        """Return `STUDY_IMAGES` of a split under every transformation."""
        chosen = chosen_images(self.images, split, STUDY_IMAGES[split])
        return self._read.where(self._read.rows["image_id"].isin(chosen))

    @cached_property
    def learned(self) -> EmbeddedRows:
        """The fine task's samples of `FIT_IMAGES` of the train split."""
        whole = self._fine_task("train")
        return whole.where(whole.rows["image_id"].isin(chosen_images(self.images, "train", FIT_IMAGES)))

    @cached_property
    def validated(self) -> EmbeddedRows:
        return self._fine_task("val")

    @cached_property
    def tested(self) -> EmbeddedRows:
        return self._fine_task("test")

    @cached_property
    def crossed(self) -> Crossed:
        """One image of each test photograph under every transformation, in every repetition."""
        chosen = self.samples["image_id"].isin(chosen_images(self.images, "test", STUDY_IMAGES["test"]))
        return self._cross(np.flatnonzero(chosen))

    @cached_property
    def crossed_train(self) -> Crossed:
        """The same of the train split, in the first repetition."""
        chosen = self.samples["image_id"].isin(chosen_images(self.images, "train", STUDY_IMAGES["train"]))
        return self._cross(np.flatnonzero(chosen & (self.samples["repetition"] == 0)))

    def _cross(self, there: np.ndarray) -> Crossed:
        images, at = crossed_rows(self.samples.iloc[there], self.classes)
        return Crossed(images, self.classes, self.X[there[at].ravel()].reshape(*at.shape, -1))

    @cached_property
    def _altered(self) -> EmbeddedRows:
        """Test images under every transformation, and untouched a second time."""
        whole = self.of_split("test")
        return whole.where((whole.rows["transform"] != "identity") | (whole.rows["draw"] == 1))

    @cached_property
    def retrieved(self) -> Retrieved:
        """The altered test images, searched among all untouched ones."""
        return self.retrieve(self._altered.rows, self._altered.X)

    def retrieve(self, rows: pd.DataFrame, X: np.ndarray) -> Retrieved:
        """Return where the originals of altered images stand; ``X`` (n, D) are embeddings of ``rows``."""
        s = self.samples
        untouched = (s["transform"] == "identity") & (s["draw"] == 0) & (s["repetition"] == 0) & (s["split"] == "test")
        at = np.flatnonzero(untouched)
        return retrieve(rows, X, s.iloc[at], self.X.at(at))

    @cached_property
    def copies(self) -> dict[str, Copies]:
        """Pairs of unrelated photographs beside altered copies, by kind of cosine."""
        return compare_copies(self.clean.rows, self.clean.X, self._altered.rows, self._altered.X)

    def _fine_task(self, split: str) -> EmbeddedRows:
        whole = self.of_split(split)
        return whole.where(whole.y >= 0)

    @cached_property
    def fine(self) -> LinearProbe:
        """A probe of the fine task that learned from as few images as the others of the studies do."""
        return fit_probe(self.learned.X, self.learned.y, self.validated.X, self.validated.y, self.classes)

    def note(self, *facts: FitFacts) -> str:
        """Return the note of fits of the fine task: how many images they learned from, and whether they converged."""
        there = self.images[self.images["used"] & (self.images["split"] == "train")]
        some = "" if len(there) == self.learned.images else f"learned from {self.learned.images} of {len(there)} images"
        return joined(some, note_of_fits(facts))


@dataclass(frozen=True, eq=False)
class SeriesData:
    """A series of one model as the studies read it.

    Attributes:
        main: the model and its samples.
        rows: of the table of the series.
        blocks: name -> embeddings (n, D) of that block of the network, first to last; ``embeddings`` alone where the
            series has only what the network returns.
        probe: of the fine task that the run learned, where the study reads it.
    """

    main: ModelData
    rows: pd.DataFrame
    blocks: Mapping[str, LazyRows]
    probe: LinearProbe | None = None

    @cached_property
    def X(self) -> np.ndarray:
        """(n, D) embeddings of the rows."""
        return self.blocks["embeddings"][:]

    @cached_property
    def sweep(self) -> Sweep:
        """Predictions of the run's probe for the strength series."""
        assert self.probe is not None
        samples = self.main.samples
        same = samples["image_id"].isin(self.rows["image_id"].unique())
        untouched = np.flatnonzero((samples["transform"] == "identity") & same)
        return sweep_of(self.rows, self.X, samples.iloc[untouched], self.main.X[untouched], self.probe)

    @cached_property
    def retrieved(self) -> Retrieved:
        """The rows, searched among all untouched test images."""
        return self.main.retrieve(self.rows, self.X)


def chosen_images(images: pd.DataFrame, split: str, most: int) -> list[str]:
    """Return ids of at most ``most`` used images of a split, the base images taking turns."""
    there = images[images["used"] & (images["split"] == split)].reset_index(drop=True)
    return limit_rows(there, min(most, len(there)))["image_id"].tolist() if len(there) else []


def chosen_rows(samples: pd.DataFrame, images: pd.DataFrame, transforms: Sequence[str]) -> np.ndarray:
    """Return increasing positions in ``samples``: `STUDY_IMAGES` under ``transforms``, and all images untransformed."""
    some = [i for split, most in STUDY_IMAGES.items() for i in chosen_images(images, split, most)]
    wanted = samples["image_id"].isin(some) & samples["transform"].isin(transforms)
    clean = (samples["transform"] == "identity") & (samples["draw"] == 0)
    return np.flatnonzero((wanted | clean) & (samples["repetition"] == 0))


def fit_probe(X: np.ndarray, y: np.ndarray, Xv: np.ndarray, yv: np.ndarray, classes: Sequence[str]) -> LinearProbe:
    from probing_core.probes.linear import fit  # imports torch, and pages that only read know the studies

    return fit(X, y, classes=classes, validation=(Xv, yv), penalties=PENALTIES)


def predict(probe: LinearProbe, X: np.ndarray) -> np.ndarray:
    """Return (n,) positions of the most probable classes."""
    return probe.logits(X).argmax(1)


def measured(measure: str, sums: ClusterSums) -> dict[str, Any]:
    """Return ``value``, ``low``, ``high``, ``interval``, ``bases``: the columns that every score has."""
    bounds = MEASURES.get(measure)
    return interval(sums, low=bounds.low, high=bounds.high).columns
