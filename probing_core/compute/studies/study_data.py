"""Input data of studies: samples from each split, their embeddings from one model, and shared results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.sampling.probe_tasks import classes_of
from probing_core.compute.training.model_samples import ModelSamples
from probing_core.corpora import limit_rows
from probing_core.measures.neighbors import directions, is_hash, ranks, signed, threshold, unrelated_pairs
from probing_core.measures.statistics import Interval, numbered
from probing_core.probes.linear import PENALTY_GRID, fit
from probing_core.probes.probe import LinearProbe

# Changing one of these two constants requires new code versions of the studies ``duplicates`` and ``uses``.
SHARES = {
    0.05: 20,
    0.02: 20,
    0.01: 20,
    0.005: 40,
    0.002: 70,
    0.001: 100,
    0.0005: 400,
    0.0002: 800,
    0.0001: 2000,
}
"""Minimum number of photographs for each false-positive rate (fraction of unrelated pairs above a threshold)."""

MAX_PAIRED_IMAGES = 2000
"""Maximum number of clean images that are compared pairwise (about two million pairs)."""

RAW = "raw"
"""Kind of similarity: cosine similarity of embeddings without centering."""

CENTERED = "centered"
"""Kind of similarity: cosine similarity after the mean embedding of the clean images is subtracted."""


@dataclass(frozen=True, eq=False)
class Crossed:
    """A crossed design: one image from each photograph under every transformation.

    Attributes:
        images: one row per photograph, with the columns ``image_id``, ``base_id`` and ``label``.
        X: (P, T, R, D) embeddings of P photographs under T transformations (identity first) in R repetitions.
    """

    images: pd.DataFrame
    X: np.ndarray

    @property
    def bases(self) -> np.ndarray:
        return self.images["base_id"].to_numpy()


def crossed_rows(rows: pd.DataFrame, transforms: tuple[str, ...]) -> tuple[pd.DataFrame, np.ndarray]:
    """Select one image from each photograph.

    Only images with samples under every transformation in every repetition are selected.

    Args:
        rows: samples.
        transforms: names of T transformations.

    Returns:
        The selected images (P rows), and the positions (P, T, R) of their samples in ``rows``, without second draws.
    """
    first = rows["draw"].to_numpy() == 0 if "draw" in rows else np.ones(len(rows), bool)
    repetition = rows["repetition"].to_numpy() if "repetition" in rows else np.zeros(len(rows), int)
    transform = pd.Index(transforms).get_indexer(pd.Index(rows["transform"]))
    positions = np.flatnonzero(first & (transform >= 0))
    chosen = rows.iloc[positions]
    repetitions = int(repetition[positions].max()) + 1 if len(positions) else 1
    complete = chosen.groupby("image_id", sort=False)["transform"].transform("size") == len(transforms) * repetitions
    images = chosen[complete].drop_duplicates("base_id")[["image_id", "base_id", "label"]].reset_index(drop=True)
    image = pd.Index(images["image_id"]).get_indexer(pd.Index(chosen["image_id"]))
    used = image >= 0
    at = np.empty((len(images), len(transforms), repetitions), np.int64)
    at[image[used], transform[positions][used], repetition[positions][used]] = positions[used]
    return images, at


@dataclass(frozen=True, eq=False)
class Retrieved:
    """Results of retrieving clean test images with transformed test images as queries.

    Attributes:
        rows: sample rows of the Q queries.
        ahead: (Q,) number of images of other photographs that are at least as similar to the query as its original.
        gallery: number of clean test images.
    """

    rows: pd.DataFrame
    ahead: np.ndarray
    gallery: int


@dataclass(frozen=True, eq=False)
class Copies:
    """Similarities of unrelated photographs and of transformed copies, for one kind of cosine similarity.

    Attributes:
        pairs: number of unrelated pairs, which are pairs of images from different photographs.
        thresholds: false-positive rate -> cosine similarity that this fraction of unrelated pairs exceeds, with its
            confidence interval.
        rows: n sample rows of transformed test images and of second clean versions.
        cosines: (n,) cosine similarity between each of ``rows`` and its original.
        chosen: number of clean images that were compared pairwise.
        images: total number of clean images.
    """

    pairs: int
    thresholds: dict[float, Interval]
    rows: pd.DataFrame
    cosines: np.ndarray
    chosen: int
    images: int


STUDY_IMAGES = {"train": 400, "val": 60, "test": 300}
"""Maximum number of images from each split for studies that use every transformation."""

FIT_IMAGES = 200
"""Maximum number of images from the train split for the probes in the selectivity study."""

PENALTIES = PENALTY_GRID[::2]


@dataclass(frozen=True, eq=False)
class EmbeddedRows:
    """Samples with their embeddings and classes.

    Attributes:
        rows: n sample rows.
        X: (n, D) embeddings.
        y: (n,) class indices of the fine task, or -1 for the second draw of identity.
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
        """Return the samples of one transformation, one per image, ordered by image ID."""
        samples = self.where((self.rows["transform"] == transform) & (self.rows["draw"] == draw))
        order = np.argsort(samples.rows["image_id"].to_numpy(str), kind="stable")
        return EmbeddedRows(samples.rows.iloc[order], samples.X[order], samples.y[order])


@dataclass(frozen=True, eq=False)
class StudiedModel(ModelSamples):
    """The samples of a run with their embeddings from one model, and results that several studies share."""

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return classes_of("fine", self.transforms)

    @cached_property
    def _read(self) -> EmbeddedRows:
        """Samples of `STUDY_IMAGES` images under every transformation, and clean samples of all images.

        All samples are from the first repetition.
        """
        s = self.samples
        image_ids = [i for split, limit in STUDY_IMAGES.items() for i in self._images(split, limit)]
        in_study = s["image_id"].isin(image_ids) & s["transform"].isin(self.classes)
        clean = (s["transform"] == "identity") & (s["draw"] == 0)
        rows = np.flatnonzero((in_study | clean) & (s["repetition"] == 0))
        return EmbeddedRows(s.iloc[rows], self.X[rows], self.task("fine").truth[rows])

    def _images(self, split: str, limit: int) -> list[str]:
        available = self.images[self.images["used"] & (self.images["split"] == split)].reset_index(drop=True)
        return limit_rows(available, limit)["image_id"].tolist()

    @cached_property
    def clean(self) -> EmbeddedRows:
        """One clean sample of every used image, from the first repetition."""
        return self._read.of("identity")

    def of_split(self, split: str, limit: int | None = None) -> EmbeddedRows:
        """Return the samples of up to ``limit`` images from a split (by default `STUDY_IMAGES`)."""
        return self._read.where(self._read.rows["image_id"].isin(self._images(split, limit or STUDY_IMAGES[split])))

    def of_fine_task(self, split: str, limit: int | None = None) -> EmbeddedRows:
        """Return the samples of `of_split` that are part of the fine task."""
        samples = self.of_split(split, limit)
        return samples.where(samples.y >= 0)

    @cached_property
    def crossed(self) -> Crossed:
        """One image from each test photograph under every transformation, in every repetition."""
        return self._cross("test", np.ones(len(self.samples), bool))

    @cached_property
    def crossed_train(self) -> Crossed:
        """One image from each train photograph under every transformation, in the first repetition."""
        return self._cross("train", self.samples["repetition"] == 0)

    def _cross(self, split: str, among: np.ndarray | pd.Series) -> Crossed:
        chosen = self.samples["image_id"].isin(self._images(split, STUDY_IMAGES[split]))
        positions = np.flatnonzero(chosen & among)
        images, at = crossed_rows(self.samples.iloc[positions], self.classes)
        return Crossed(images, self.X[positions[at].ravel()].reshape(*at.shape, -1))

    @cached_property
    def _queries(self) -> EmbeddedRows:
        samples = self.of_split("test")
        return samples.where((samples.rows["transform"] != "identity") | (samples.rows["draw"] == 1))

    @cached_property
    def retrieved(self) -> Retrieved:
        return self.retrieve(self._queries.rows, self._queries.X)

    def retrieve(self, rows: pd.DataFrame, X: np.ndarray) -> Retrieved:
        """Retrieve the originals of transformed images from all clean test images.

        Args:
            rows: n sample rows of the queries.
            X: (n, D) embeddings of the queries.
        """
        s = self.samples
        is_gallery = (s["transform"] == "identity") & (s["draw"] == 0) & (s["repetition"] == 0) & (s["split"] == "test")
        at = np.flatnonzero(is_gallery)
        clean_rows, gallery = s.iloc[at], self.X.at(at)
        _, photograph = numbered(np.concatenate([rows["base_id"], clean_rows["base_id"]]))
        original = pd.Index(clean_rows["image_id"]).get_indexer(pd.Index(rows["image_id"]))
        images, image = np.unique(original, return_inverse=True)
        blocks = (directions(block) for block in gallery.blocks())
        originals = directions(gallery[images])[image]
        ahead = ranks(directions(X), originals, blocks, photograph[: len(rows)], photograph[len(rows) :])
        return Retrieved(rows, ahead, len(at))

    @cached_property
    def copies(self) -> dict[str, Copies]:
        """Similarities of unrelated photographs and of transformed copies, by kind of cosine similarity."""
        sampled = limit_rows(self.clean.rows.reset_index(drop=True), MAX_PAIRED_IMAGES).index.to_numpy()
        bases = self.clean.bases[sampled]
        shares = [share for share, fewest in SHARES.items() if len(np.unique(bases)) >= fewest]
        by_cosine, rows = {}, self._queries.rows
        for kind in (RAW, CENTERED):
            pairs = unrelated_pairs(self._compared(kind, self.clean.X)[sampled], bases, max(shares, default=0.01))
            cosines = self.original_cosines(kind, rows, self._queries.X)
            of_shares = {share: threshold(pairs, share) for share in shares}
            by_cosine[kind] = Copies(pairs.pairs, of_shares, rows, cosines, len(sampled), len(self.clean.X))
        return by_cosine

    def original_cosines(self, kind: str, rows: pd.DataFrame, X: np.ndarray) -> np.ndarray:
        """Compute the similarity between copies and the clean samples of their images.

        Args:
            kind: kind of cosine similarity, `RAW` or `CENTERED`.
            rows: n sample rows of the copies.
            X: (n, D) embeddings of the copies.
        """
        original = pd.Index(self.clean.rows["image_id"]).get_indexer(pd.Index(rows["image_id"]))
        return np.einsum("ij,ij->i", self._compared(kind, X), self._compared(kind, self.clean.X)[original])

    def _compared(self, kind: str, X: np.ndarray) -> np.ndarray:
        """Return ``X`` with unit norm, after the mean of the clean samples is subtracted if ``kind`` is `CENTERED`."""
        clean = self.clean.X
        if is_hash(clean):  # convert hashes before the mean is subtracted
            clean, X = signed(clean), signed(X)
        return directions(X - clean.mean(0) if kind == CENTERED else X)


@dataclass(frozen=True, eq=False)
class SeriesData:
    """The samples of an additional experiment with their embeddings from one model.

    Attributes:
        main: main samples of the run.
        rows: n rows of the sample table of the experiment.
        blocks: layer and pooling, such as ``3.mean`` -> embeddings (n, D), in the order of the layers. If the
            experiment only uses the output of the model, the only key is ``embeddings``.
    """

    main: StudiedModel
    rows: pd.DataFrame
    blocks: Mapping[str, LazyRows]

    @classmethod
    def without_samples(cls, main: StudiedModel) -> SeriesData:
        """Return the data of a model that does not embed the experiment."""
        embeddings = LazyRows((np.empty((0, main.X.shape[1]), np.float32),))
        return cls(main, main.samples.iloc[:0], {"embeddings": embeddings})

    @cached_property
    def X(self) -> np.ndarray:
        return self.blocks["embeddings"][:]


def fit_probe(X: np.ndarray, y: np.ndarray, Xv: np.ndarray, yv: np.ndarray, classes: Sequence[str]) -> LinearProbe:
    return fit(X, y, classes=classes, validation=(Xv, yv), penalties=PENALTIES)


def predict(probe: LinearProbe, X: np.ndarray) -> np.ndarray:
    return probe.logits(X).argmax(1)
