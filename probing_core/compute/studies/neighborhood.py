"""What lies near the test images of a model: originals, unrelated photographs, pictures of the same label or under the
same transformation. Several studies rest on each of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.corpora import limit_rows
from probing_core.measures.neighbors import (
    NEAREST,
    Ranks,
    UnrelatedPairs,
    content_accuracy,
    directions,
    is_hash,
    ranks,
    same_look,
    signed,
    unrelated_pairs,
)
from probing_core.measures.statistics import numbered

SHARES = {0.01: 20, 0.001: 100, 0.0001: 2000}
"""Shares of unrelated pairs above a threshold, and photographs from which up each is estimated."""

MAX_PHOTOGRAPHS = 2000
"""Untouched images whose pairs are looked at: two million pairs."""

RAW, CENTERED = "raw", "centered"
"""Cosines of embeddings as they are, and after the mean of the untouched images is taken off."""


@dataclass(frozen=True, eq=False)
class Crossed:
    """Photographs crossed with transformations: one picture of each photograph under every transformation.

    Attributes:
        images: one row a photograph, of one of its images: ``image_id``, ``base_id``, ``label``.
        transforms: T names, identity first.
        X: (P, T, R, D) embeddings, in R repetitions.
    """

    images: pd.DataFrame
    transforms: tuple[str, ...]
    X: np.ndarray

    @property
    def bases(self) -> np.ndarray:
        return self.images["base_id"].to_numpy()


def crossed_rows(rows: pd.DataFrame, transforms: tuple[str, ...]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return one image of each photograph that has every version, and positions (P, T, R) of the versions in ``rows``.

    Args:
        rows: samples; their second draws are left out.
    """
    first = rows["draw"].to_numpy() == 0 if "draw" in rows else np.ones(len(rows), bool)
    repetition = rows["repetition"].to_numpy() if "repetition" in rows else np.zeros(len(rows), int)
    transform = pd.Index(transforms).get_indexer(pd.Index(rows["transform"]))
    kept = np.flatnonzero(first & (transform >= 0))
    chosen = rows.iloc[kept]
    repetitions = int(repetition[kept].max()) + 1 if len(kept) else 1
    whole = chosen.groupby("image_id", sort=False)["transform"].transform("size") == len(transforms) * repetitions
    images = chosen[whole].drop_duplicates("base_id")[["image_id", "base_id", "label"]].reset_index(drop=True)
    image = pd.Index(images["image_id"]).get_indexer(pd.Index(chosen["image_id"]))
    used = image >= 0
    at = np.empty((len(images), len(transforms), repetitions), np.int64)
    at[image[used], transform[kept][used], repetition[kept][used]] = kept[used]
    return images, at


@dataclass(frozen=True, eq=False)
class Retrieved:
    """Altered test images searched among the untouched ones.

    Attributes:
        rows: of the samples that are searched with.
        ranks: of their originals.
        gallery: untouched test images.
    """

    rows: pd.DataFrame
    ranks: Ranks
    gallery: int


def retrieve(rows: pd.DataFrame, X: np.ndarray, gallery_rows: pd.DataFrame, gallery: LazyRows) -> Retrieved:
    """Search with embeddings ``X`` (Q, D) of ``rows`` among ``gallery`` (N, D), of ``gallery_rows``; N is streamed."""
    _, photograph = numbered(np.concatenate([rows["base_id"], gallery_rows["base_id"]]))
    at = pd.Index(gallery_rows["image_id"]).get_indexer(pd.Index(rows["image_id"]))
    images, image = np.unique(at, return_inverse=True)
    originals = directions(gallery[images])[image]
    found = ranks(
        directions(X),
        originals,
        (directions(block) for block in gallery.blocks()),
        photograph[: len(rows)],
        photograph[len(rows) :],
    )
    return Retrieved(rows, found, len(gallery_rows))


@dataclass(frozen=True, eq=False)
class Copies:
    """Unrelated photographs and altered copies, by one kind of cosine.

    Attributes:
        pairs: the most similar ones of unrelated photographs.
        thresholds: share of unrelated pairs -> the cosine above which it lies.
        rows: of altered test images, and of their second untouched version.
        cosines: (n,) of each to its original.
        chosen, images: untouched images whose pairs were looked at, and those that there are.
    """

    pairs: UnrelatedPairs
    thresholds: dict[float, float]
    rows: pd.DataFrame
    cosines: np.ndarray
    chosen: int
    images: int


def compare_copies(clean_rows: pd.DataFrame, clean: np.ndarray, rows: pd.DataFrame, X: np.ndarray) -> dict[str, Copies]:
    """Return `Copies` by kind of cosine.

    Args:
        clean_rows, clean: (N, D) every untouched image once.
        rows, X: (n, D) altered versions of some of them.
    """
    known = limit_rows(clean_rows.reset_index(drop=True), min(MAX_PHOTOGRAPHS, len(clean_rows))).index.to_numpy()
    bases = clean_rows["base_id"].to_numpy()[known]
    shares = [share for share, fewest in SHARES.items() if len(np.unique(bases)) >= fewest]
    original = pd.Index(clean_rows["image_id"]).get_indexer(pd.Index(rows["image_id"]))
    if is_hash(clean):  # before a mean is taken off
        clean, X = signed(clean), signed(X)
    found = {}
    for kind, mean in ((RAW, np.zeros(clean.shape[1], np.float32)), (CENTERED, clean.mean(0))):
        untouched = directions(clean - mean)
        pairs = unrelated_pairs(untouched[known], bases, max(shares, default=0.01))
        cosines = np.einsum("ij,ij->i", directions(X - mean), untouched[original])
        of_shares = {share: threshold_value(pairs, share) for share in shares}
        found[kind] = Copies(pairs, of_shares, rows, cosines, len(known), len(clean))
    return found


def threshold_value(pairs: UnrelatedPairs, share: float) -> float:
    """Return the least cosine above which no more than ``share`` of the pairs lie."""
    return float(pairs.cosines[int(share * pairs.pairs + 1e-9)])


def altered_alike(tested: Crossed, seed: int) -> np.ndarray:
    """Return (P, T) how many of the nearest pictures of other photographs are under the same transformation."""
    photographs, looks = len(tested.images), len(tested.transforms)
    X = directions(tested.X[:, :, 0].reshape(photographs * looks, -1))
    own = np.arange(photographs).repeat(looks)
    return same_look(X, np.tile(np.arange(looks), photographs), own, NEAREST, seed).reshape(photographs, looks)


def content_told(tested: Crossed, learned: Crossed, labels: tuple[str, ...], seed: int) -> pd.DataFrame:
    """Classify ``tested`` by the nearest of ``learned``, of the classes ``labels`` alone and in random looks.

    Ten neighbors vote where every class has as many photographs, else the nearest alone counts, as Ramos et al. do for
    classes of many and of few pictures.

    Returns:
        ``base_id``, and ``value``, the share of its looks under which a photograph was given its label.
    """
    truth, known = (pd.Index(labels).get_indexer(pd.Index(each.images["label"])) for each in (tested, learned))
    queries, gallery = truth >= 0, known >= 0
    fewest = np.bincount(known[gallery], minlength=len(labels)).min()
    k = NEAREST if fewest >= NEAREST else 1
    X, Y = (directions(each.X[mask, :, 0]) for each, mask in ((tested, queries), (learned, gallery)))
    hits = content_accuracy(X, Y, truth[queries], known[gallery], k, seed)
    return pd.DataFrame({"base_id": tested.bases[queries], "value": hits})
