"""Which images a run uses, which transformed versions are made of them, and making them.

An image before transforms is a row of ``images.parquet``; a transformed one is a sample, a row of
``samples.parquet``. Samples are numbered image by image, and cut into units: blocks of consecutive samples that are
made, embedded and saved together, so that a killed run loses at most the unit it was in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.config import Recipe
from probing_core.corpora import assign_splits, limit_rows
from probing_core.corpora.base import Corpus
from probing_core.errors import BadCorpus, BadImage
from probing_core.transforms import resolve
from probing_core.transforms.base import Image, Transform, generator
from probing_core.transforms.distance import describe
from probing_core.transforms.view import cut_pair, prepare_source, source_side

NEAR_GRAY = 8.0
"""Mean of (max - min channel) below which a picture has too little color for the color group to show."""

FEW_PHOTOGRAPHS = 30
"""With fewer base photographs than this, evaluation leaves one photograph out at a time."""

IDENTITY_DRAWS = 2
"""Identity is drawn twice a repetition, as the group task sees two members of every other group."""

LIVE_ONLY = "beyond the limit: live predictions alone learn from it"
"""Why an image is left out of everything else."""

LEARNED = ("train", "val")
"""Splits that probes learn from and choose on."""

FAR_IMAGES = 400
"""Images that get the far tier: painting takes a tenth of a second a style."""

UNIT_SAMPLES = 512
UNIT_BYTES = 64 * 2**20
"""A unit holds about this many samples, fewer where views are large: it is in memory whole."""


@dataclass(frozen=True)
class Unit:
    """Consecutive samples of whole images: ``samples[start:stop]``."""

    index: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        return f"unit-{self.index:05d}"


def load_transforms(recipe: Recipe) -> tuple[Transform, ...]:
    return tuple(resolve(name) for name in recipe.transforms)


def choose_images(recipe: Recipe, corpus: Corpus, progress: Callable[[int, int], None]) -> pd.DataFrame:
    """The rows of ``images.parquet``: every image that the run considered, and why some are left out.

    Raises:
        BadCorpus: nothing is left.
    """
    rows = corpus.rows[corpus.rows["split"] != "pretrain"].reset_index(drop=True).copy()
    if (rows["split"] == "").any():
        rows["split"] = assign_splits(rows["base_id"].tolist(), recipe.seed)
    needs_geometry = any(t.warp is not None for t in load_transforms(recipe))
    fit = rows["color"] & (rows["geometry"] | (not needs_geometry))
    beyond = pd.Series(False, index=rows.index)
    if recipe.limit is not None:
        chosen = limit_rows(rows[fit], recipe.limit)
        further = _live_only(recipe, rows[fit].drop(chosen.index), chosen)
        rows = pd.concat([chosen, further], ignore_index=True)
        fit = pd.Series(True, index=rows.index)
        beyond = fit & (rows.index >= len(chosen))
    rows["why_not"] = np.where(fit, "", rows["why_not"])

    smallest = source_side(recipe.view)
    with ThreadPoolExecutor(recipe.threads) as pool:
        candidates = rows.index[fit]
        reasons = pool.map(lambda i: _unfit(corpus, str(rows.at[i, "image_id"]), smallest), candidates)
        for done, (i, reason) in enumerate(zip(candidates, reasons, strict=True), 1):
            rows.at[i, "why_not"] = reason
            progress(done, len(candidates))
    rows.loc[beyond & (rows["why_not"] == ""), "why_not"] = LIVE_ONLY
    rows["used"] = rows["why_not"] == ""
    if not rows["used"].any():
        reason = rows["why_not"].value_counts().index[0] if len(rows) else "it has no probe images"
        raise BadCorpus(
            f"Corpus '{corpus.name}' leaves no image for a view of {recipe.view} pixels; most often: {reason}."
            + (f" Try a smaller --view: sources must have {smallest} pixels." if "smaller than" in reason else "")
        )
    # Only corpora on which encoders were pretrained say which classes those never saw.
    rows["held_out"] = rows["held_out_class"].astype(bool) if "held_out_class" in rows else False
    return rows[["image_id", "base_id", "label", "split", "license", "used", "why_not", "held_out"]]


def _live_only(recipe: Recipe, rest: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Those of the ``rest`` of the rows that live predictions learn from beside the ``chosen``."""
    wanted = (recipe.live_images or 0) - int(chosen["split"].isin(LEARNED).sum())
    rest = rest[rest["split"].isin(LEARNED)]
    return limit_rows(rest, wanted) if wanted > 0 else rest[:0]


def _unfit(corpus: Corpus, image_id: str, smallest: int) -> str:
    """Why an image leaves all classes, or an empty string."""
    try:
        image = corpus.load(image_id)
    except BadImage as error:
        return f"unreadable: {error}"
    if min(image.shape[:2]) < smallest:
        return f"smaller than {smallest} pixels"
    small = image[:: max(1, image.shape[0] // 128), :: max(1, image.shape[1] // 128)].astype(np.int16)
    return "near gray" if float((small.max(2) - small.min(2)).mean()) < NEAR_GRAY else ""


def evaluation_mode(images: pd.DataFrame) -> str:
    """``leave-one-out`` where photographs are few, else ``split``."""
    return "leave-one-out" if images.loc[images["used"], "base_id"].nunique() < FEW_PHOTOGRAPHS else "split"


def plan_samples(recipe: Recipe, images: pd.DataFrame) -> pd.DataFrame:
    """The samples of a run without what only the pictures tell: who, which transform, which draw.

    Every image gets every transform, save those of the far tier: no probe learns from them, and the networks that
    make them are slow, so `FAR_IMAGES` images that are tested get them, in the first repetition.
    """
    versions = pd.DataFrame(
        [
            (t.name, t.group, t.far, repetition, draw)
            for repetition in range(recipe.repetitions)
            for t in load_transforms(recipe)
            if not (t.far and repetition)
            for draw in range(IDENTITY_DRAWS if t.name == "identity" else 1)
        ],
        columns=["transform", "group", "far", "repetition", "draw"],
    )
    used = images.loc[images["used"], ["image_id", "base_id", "label", "split"]]
    samples = used.merge(versions, how="cross")
    if versions["far"].any():
        tested = used if evaluation_mode(images) == "leave-one-out" else used[used["split"] == "test"]
        painted = limit_rows(tested.reset_index(drop=True), FAR_IMAGES)["image_id"]
        samples = samples[~samples["far"] | samples["image_id"].isin(painted)].reset_index(drop=True)
    samples = samples.drop(columns="far")
    samples[["repetition", "draw"]] = samples[["repetition", "draw"]].astype(np.int8)
    samples.insert(0, "sample", np.arange(len(samples), dtype=np.int32))
    return samples


def cut_units(recipe: Recipe, samples: pd.DataFrame) -> list[Unit]:
    """Blocks of whole images, about `UNIT_SAMPLES` samples each; they fix the batches of every model."""
    affordable = min(UNIT_SAMPLES, UNIT_BYTES // (recipe.view**2 * 3))
    ids = samples["image_id"].to_numpy()
    ends = [*(np.flatnonzero(ids[1:] != ids[:-1]) + 1), len(ids)]  # of each image's samples
    units: list[Unit] = []
    start = stop = 0
    for end in ends:
        if stop > start and end - start > affordable:
            units.append(Unit(len(units), start, stop))
            start = stop
        stop = int(end)
    return [*units, Unit(len(units), start, stop)]


def make_samples(
    recipe: Recipe,
    corpus: Corpus,
    transforms: Iterable[Transform],
    samples: pd.DataFrame,
    pool: ThreadPoolExecutor,
) -> tuple[list[Image], pd.DataFrame]:
    """The pictures of ``samples`` (one unit), and the unit's rows completed by what the pictures tell."""
    by_name = {t.name: t for t in transforms}
    parts = list(
        pool.map(lambda part: _make_versions(recipe, corpus, by_name, part[1]), samples.groupby("image_id", sort=False))
    )
    facts = pd.DataFrame([fact for _, rows in parts for fact in rows], index=samples.index)
    return [image for images, _ in parts for image in images], pd.concat([samples, facts], axis=1)


def _make_versions(
    recipe: Recipe, corpus: Corpus, transforms: dict[str, Transform], rows: pd.DataFrame
) -> tuple[list[Image], list[dict]]:
    source = prepare_source(corpus.load(rows["image_id"].iloc[0]), recipe.view)
    images, facts = [], []
    columns = (rows[name].tolist() for name in ("image_id", "split", "transform", "repetition", "draw"))
    for image_id, split, name, repetition, draw in zip(*columns, strict=True):
        transform = transforms[name].for_split(split)
        before, after, strength = make_pair(source, recipe, transform, image_id, repetition, draw)
        described = describe(before, after)
        images.append(after)
        facts.append(
            {
                "strength": np.float32(strength),
                "ssim": np.float32(described.ssim),
                "difference": np.float32(described.difference),
                "distance": np.float32(described.distance),
                "visible": bool(described.visible),
            }
        )
    return images, facts


def make_pair(
    source: Image, recipe: Recipe, transform: Transform, image_id: str, repetition: int, draw: int
) -> tuple[Image, Image, float]:
    """One sample, again and again the same: the view without the transform, with it, and the strength drawn."""
    rng = generator(recipe.seed, image_id, transform.name, repetition, draw)
    strength = float("nan") if transform.name == "identity" else transform.draw_strength(rng)
    return (*cut_pair(source, recipe.view, transform, strength, rng), strength)
