"""The star of transformations: where each moves embeddings on average, on two axes, from weak to strong.

The middle is the untouched picture. A transformation's mean offset is the mean, over tested images, of the embedding of
the transformed image less that of the same image untouched. The axes are the first two principal components of these
offsets about the middle, so that the star of a model shows as much of them as any two axes can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.samples import used_images
from probing_core.compute.series import positions_of
from probing_core.corpora import limit_rows
from probing_core.measures import interval
from probing_core.measures.cluster_sums import mean
from probing_core.transforms.base import Transform

STAR_IMAGES = 300
"""Tested images that are read at most."""

TERCILES = 3
"""Steps of a trail where a run has no series of strengths: the main samples in so many parts, from weak to strong."""

MEAN = 0
"""Step of a transformation's mean over the strengths of the main samples; its trail has the steps from 1 on."""


@dataclass(frozen=True, eq=False)
class Versions:
    """Transformed versions of images, and their embeddings.

    Attributes:
        rows: ``image_id``, ``base_id``, ``transform``, ``strength``.
        X: (n, D) embeddings.
    """

    rows: pd.DataFrame
    X: np.ndarray


@dataclass(frozen=True, eq=False)
class Star:
    """The star of one model.

    Attributes:
        table: ``transform``, ``step`` (`MEAN`, then the trail from weak to strong), ``strength`` (median of the step),
            ``x``, ``y`` (the mean offset on the axes), ``value``, ``low``, ``high``, ``interval``, ``bases`` (length of
            the offset with all dimensions, and its 95 % interval by photograph, along the offset's own direction),
            ``single`` (mean length of the offsets of single images, which is longer than their mean offset where they
            point apart), ``images``, ``share`` (of the sum of squares of the mean offsets, on the two axes). Empty with
            fewer than two photographs.
        axes: (D, 2) ``float32``, the first two principal components of the mean offsets.
        unit: mean distance between the embeddings of two photographs, in which lengths are measured.
    """

    table: pd.DataFrame
    axes: np.ndarray
    unit: float


def star_rows(samples: pd.DataFrame, images: pd.DataFrame, transforms: Mapping[str, Transform]) -> np.ndarray:
    """Return the positions in ``samples`` of what `make_star` reads: `STAR_IMAGES` tested images, in one repetition.

    Args:
        samples, images: tables of the run; with few photographs, all images are tested (see `used_images`).
        transforms: by name, identity among them.
    """
    tested = used_images(images, "test").reset_index(drop=True)
    chosen = limit_rows(tested, min(STAR_IMAGES, len(tested)))["image_id"]
    there = samples["image_id"].isin(chosen) & samples["transform"].isin(list(transforms))
    return np.flatnonzero(there & (samples["repetition"] == 0) & (samples["draw"] == 0))


def make_star(main: Versions, series: Versions | None, transforms: Mapping[str, Transform]) -> Star:
    """Return the mean offset of each transformation, and its trail from weak to strong.

    Args:
        main: the samples at `star_rows`.
        series: the strength series of some of these images; without it, trails are made of `TERCILES` of ``main``.
        transforms: by name, identity among them.
    """
    identity = (main.rows["transform"] == "identity").to_numpy()
    clean = Versions(main.rows[identity], np.asarray(main.X[identity], np.float64))
    unit = photograph_distance(clean.X, clean.rows["base_id"].to_numpy())
    names = [name for name in transforms if name != "identity" and (main.rows["transform"] == name).any()]
    if unit <= 0 or not names:
        return Star(pd.DataFrame(columns=list(COLUMNS)), np.zeros((main.X.shape[1], 2), np.float32), unit)
    place = pd.Series(np.arange(len(clean.rows)), index=clean.rows["image_id"].to_numpy())
    offsets = {}
    for name in names:
        parts = {MEAN: _of(main, name)} | dict(enumerate(_trail(main, series, transforms[name]), start=1))
        for step, part in parts.items():
            moved = part.X - clean.X[place[part.rows["image_id"].to_numpy()].to_numpy()]
            offsets[name, step] = part.rows, moved / unit
    means = np.stack([offsets[name, MEAN][1].mean(axis=0) for name in names])
    axes, share = principal_directions(means)
    table = []
    for (name, step), (rows, moved) in offsets.items():
        offset = moved.mean(axis=0)
        # The length of a mean changes with its rows, to first order, by their parts along it.
        along = moved @ (offset / max(np.linalg.norm(offset), 1e-12))
        found = interval(mean(along, rows["base_id"].to_numpy()), low=0.0, high=None).columns
        x, y = offset @ axes
        strength = float(rows["strength"].median())
        single = float(np.linalg.norm(moved, axis=1).mean())
        place_of = {"transform": name, "step": step, "strength": strength, "x": x, "y": y, "single": single}
        table.append(place_of | found | {"images": rows["image_id"].nunique(), "share": share})
    return Star(pd.DataFrame(table)[list(COLUMNS)], axes.astype(np.float32), unit)


COLUMNS = (
    "transform",
    "step",
    "strength",
    "x",
    "y",
    "value",
    "low",
    "high",
    "interval",
    "bases",
    "single",
    "images",
    "share",
)


def offsets_of_one(before: np.ndarray, after: np.ndarray, axes: np.ndarray, unit: float) -> pd.DataFrame:
    """Return where transformations move the embedding of one picture, as `make_star` measures it of many.

    Args:
        before, after: (K, D) embeddings of the untouched views and of the transformed ones.
        axes, unit: of a `Star`.

    Returns:
        A row each: ``x``, ``y`` and ``value`` (length of the offset with all dimensions).
    """
    offsets = (np.asarray(after, np.float64) - before) / unit
    x, y = (offsets @ axes).T
    return pd.DataFrame({"x": x, "y": y, "value": np.linalg.norm(offsets, axis=1)})


def photograph_distance(X: np.ndarray, bases: np.ndarray) -> float:
    """Return the mean Euclidean distance between rows of ``X`` (n, D) of different photographs; 0 where there is one.

    Args:
        bases: (n,) photograph of each row.
    """
    squares = (X**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * X @ X.T, 0))
    apart = bases[:, None] != bases
    return float(distances[apart].mean()) if apart.any() else 0.0


def principal_directions(offsets: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the first two principal components of ``offsets`` (K, D) about zero, (D, 2), and their share of the sum of
    squares.

    Where one dimension holds all offsets, the second component is zero. Components are signed so that their largest
    entry is positive.
    """
    _, sizes, directions = np.linalg.svd(offsets, full_matrices=False)
    axes = np.zeros((offsets.shape[1], 2))
    axes[:, : len(directions)] = directions[:2].T
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)
    total = float((sizes**2).sum())
    return axes, float((sizes[:2] ** 2).sum()) / total if total > 0 else 0.0


def turn_onto(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the turn, or turn and reflection, (2, 2), that brings ``points`` (n, 2) nearest to ``target`` (n, 2):
    ``points @ turn``.

    By the singular value decomposition (orthogonal Procrustes, Schönemann 1966); the middle stays where it is.
    """
    left, _, right = np.linalg.svd(points.T @ target)
    return left @ right


def turned(stars: pd.DataFrame) -> pd.DataFrame:
    """Return the stars of several models, each turned onto that of the first by its mean offsets.

    Args:
        stars: tables of `Star` with a column ``model``.
    """
    means = stars[stars["step"] == MEAN].set_index("transform")
    first, parts = None, []
    for model, star in stars.groupby("model", sort=False):
        mine = means.loc[means["model"] == model, ["x", "y"]]
        first = mine if first is None else first
        both = mine.index.intersection(first.index, sort=False)
        turn = turn_onto(compressed(mine.loc[both].to_numpy()), compressed(first.loc[both].to_numpy()))
        x, y = (star[["x", "y"]].to_numpy() @ turn).T
        parts.append(star.assign(x=x, y=y))
    return pd.concat(parts, ignore_index=True)


def compressed(points: np.ndarray) -> np.ndarray:
    """Return ``points`` (n, 2) in their directions, at the square root of their distance from the middle: else a few
    long offsets would leave no room for all others."""
    radius = np.linalg.norm(points, axis=1, keepdims=True)
    return points / np.sqrt(np.maximum(radius, 1e-12))


def _of(versions: Versions, transform: str) -> Versions:
    there = (versions.rows["transform"] == transform).to_numpy()
    return Versions(versions.rows[there], np.asarray(versions.X[there], np.float64))


def _trail(main: Versions, series: Versions | None, transform: Transform) -> list[Versions]:
    """Return the versions under ``transform`` in steps from weak to strong; none where it has one strength alone."""
    if series is not None and (series.rows["transform"] == transform.name).any():
        mine = _of(series, transform.name)
        step = mine.rows["position"].to_numpy()
        steps = np.unique(step)
    else:
        mine = _of(main, transform.name)
        position = np.nan_to_num(positions_of(transform, mine.rows["strength"].to_numpy(np.float64)))
        step = np.searchsorted(np.quantile(position, np.arange(1, TERCILES) / TERCILES), position, side="left")
        steps = np.unique(step)
    if len(steps) < 2:
        return []
    return [Versions(mine.rows[step == each], mine.X[step == each]) for each in steps]
