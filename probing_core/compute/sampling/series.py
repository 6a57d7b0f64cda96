"""Compute the main samples, and the samples of additional experiments.

There are four experiments:

- ``strength``: test images under every transformation at several strengths, including strengths below the training
  range. The random numbers are the same at all strengths.
- ``rendering``: images from every split, clean and transformed, as other programs would save them. Transformations use
  alternative implementations where available (`probing_core.transforms.alternatives`). Deployment probes are also
  trained and validated on these samples.
- ``layers``: images from every split, transformed as in the main samples, and additional clean images. Embeddings
  are computed for every layer of a network.
- ``framing``: test images that were cropped, mirrored, turned or reduced (`probing_core.diffs.framing`), to measure
  whether duplicates are found. No probe is trained or tested on these samples.

The experiments require a run with splits. Like the main samples, their samples are computed and embedded in units.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.sampling.samples import Design, has_splits, make_pair, measure_change
from probing_core.compute.task_names import FRAMING, LAYERS, MAIN, RENDERING, STRENGTH
from probing_core.corpora import limit_rows
from probing_core.corpora.corpus import Corpus
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.transforms.alternatives import clean
from probing_core.transforms.transformation import Image, Transform, generator
from probing_core.transforms.view import cut_pair, prepare_source, resize

Transforms = dict[str, Transform]
Columns = dict[str, Any]
Made = tuple[Image, Image, Columns]
"""View before transformation, view after transformation, and columns with random draws."""

# Keys of random draws. They must not change, because different keys would give different samples.
DRAW_AT_STRENGTHS = "{} at every strength"
DRAW_RENDERED = "{} by another hand"

# Changing one of these numbers of images requires a new code version of the experiment in `probing_core.run.embed`.
SERIES_IMAGES = 150
"""Maximum number of test images in the strength experiment.

The number of samples is then similar to the number of main samples of 1,000 images.
"""

RENDERED_IMAGES = 500
"""Maximum number of images in the rendering experiment."""

LAYER_IMAGES = {"train": 200, "val": 60, "test": 150}
"""Maximum number of images from each split that are used under every transformation in the layer experiment."""

LAYER_CLEAN_IMAGES = {"train": 1000, "val": 300, "test": 700}
"""Maximum number of clean images from each split in the layer experiment, including `LAYER_IMAGES`.

They are used for the content task.
"""

FRAMED_IMAGES = 300
"""Maximum number of test images in the framing experiment, as in studies of the main samples."""

FAINT_FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Strengths below the documented range, as fractions of the distance from no change to the weakest documented strength.
They are logarithmically spaced, because the detection threshold may be anywhere in this range."""

STRENGTHS_PER_TRANSFORM = 7
"""Number of strengths per transformation.

Strengths in the documented range are evenly spaced on the scale of the distribution and include both ends.
"""


def series_names(design: Design, images: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the additional experiments of a run.

    The tuple is empty if the run has no splits or no test images.
    """
    if not has_splits(images) or not (images["used"] & (images["split"] == "test")).any():
        return ()
    included = {RENDERING: bool(rendered(design)), STRENGTH: True, LAYERS: True, FRAMING: True}
    return tuple(name for name, is_included in included.items() if is_included)


def rendered(design: Design) -> list[Transform]:
    """Return the transformations in the rendering experiment.

    These are all transformations except unseen styles. Identity and transformations without an alternative
    implementation are included so that the samples of all classes start from the same images. Otherwise, a probe could
    identify these classes by how images were resized. The list is empty if no transformation has an alternative
    implementation.
    """
    learned = [t for t in design.transforms if not t.far]
    return learned if any(t.alternative for t in learned) else []


def swept(design: Design) -> list[Transform]:
    """Return the transformations in the strength experiment: all except identity and unseen styles."""
    return [t for t in design.transforms if not t.far and t.name != "identity"]


def strengths_of(transform: Transform) -> list[float]:
    """Return the strengths of a transformation in the strength experiment, starting with the weakest.

    Strengths that coincide, for example because they must be integers, are included once. The neutral strength is
    excluded.
    """
    faint = [transform.fainter(share) for share in FAINT_FRACTIONS] if transform.neutral is not None else []
    within = [transform.strength_at(fraction) for fraction in np.linspace(0, 1, STRENGTHS_PER_TRANSFORM - len(faint))]
    return [strength for strength in dict.fromkeys([*faint, *within]) if strength != transform.neutral]


def plan_series(name: str, design: Design, images: pd.DataFrame) -> pd.DataFrame:
    """Plan the samples of an additional experiment.

    Returns:
        Samples ordered by image, without the columns that are measured on images. The columns are ``sample`` (0 to
        n - 1), ``image_id``, ``base_id``, ``label``, ``split``, ``transform`` and ``group``. The strength
        experiment also has ``strength`` and ``position`` (see `position_of`).
    """
    if name == LAYERS:
        return _numbered(_plan_layers(design, images))
    available, limit = images["used"] & (images["split"] == "test"), SERIES_IMAGES
    if name == RENDERING:
        available, limit = images["used"], RENDERED_IMAGES
    elif name == FRAMING:
        limit = FRAMED_IMAGES
    candidates = images.loc[available, ["image_id", "base_id", "label", "split"]]
    chosen = limit_rows(candidates.reset_index(drop=True), limit)
    if name == RENDERING:
        versions = pd.DataFrame([(t.name, t.group) for t in rendered(design)], columns=["transform", "group"])
    elif name == FRAMING:
        versions = pd.DataFrame([(edit, FRAMING) for edit in FRAMING_EDITS], columns=["transform", "group"])
    else:
        versions = pd.DataFrame(
            [(t.name, t.group, s, position_of(t, s)) for t in swept(design) for s in strengths_of(t)],
            columns=["transform", "group", "strength", "position"],
        ).astype({"strength": np.float32, "position": np.float32})
    return _numbered(chosen.merge(versions, how="cross"))


def _plan_layers(design: Design, images: pd.DataFrame) -> pd.DataFrame:
    learned = pd.DataFrame([(t.name, t.group) for t in design.transforms if not t.far], columns=["transform", "group"])
    identity = learned[learned["transform"] == "identity"]
    parts = []
    for split, limit in LAYER_IMAGES.items():
        available = images.loc[images["used"] & (images["split"] == split), ["image_id", "base_id", "label", "split"]]
        clean = limit_rows(available.reset_index(drop=True), LAYER_CLEAN_IMAGES[split])
        chosen = limit_rows(clean, limit)
        parts += [chosen.merge(learned, how="cross"), clean.drop(chosen.index).merge(identity, how="cross")]
    return pd.concat(parts, ignore_index=True)


def _numbered(planned: pd.DataFrame) -> pd.DataFrame:
    planned.insert(0, "sample", np.arange(len(planned), dtype=np.int32))
    return planned


def make_samples(
    series: str, design: Design, corpus: Corpus, planned: pd.DataFrame, pool: Executor
) -> tuple[list[Image], pd.DataFrame]:
    """Compute planned samples.

    Args:
        series: name of the experiment, or `MAIN`.
        design: design of the run.
        corpus: corpus with the images.
        planned: planned samples, including all samples of each image.
        pool: executor for processing images.

    Returns:
        The transformed images, and ``planned`` with the additional columns that are measured on images.
    """
    by_name = {t.name: t for t in design.transforms}
    of_image = [rows.to_dict("records") for _, rows in planned.groupby("image_id", sort=False)]
    versions = [
        version
        for image_versions in pool.map(partial(_versions, series, design, corpus, by_name), of_image)
        for version in image_versions
    ]
    measured = pd.DataFrame([columns for _, columns in versions], index=planned.index)
    return [image for image, _ in versions], pd.concat([planned, measured], axis=1)


def _versions(
    series: str, design: Design, corpus: Corpus, transforms: Transforms, rows: list[Columns]
) -> list[tuple[Image, Columns]]:
    image = corpus.load(rows[0]["image_id"])
    source = image if series == RENDERING else prepare_source(image, design.view)
    make: Callable[..., Made] = MAKERS[series]
    triples = (make(source, design, transforms, row) for row in rows)
    return [(after, drawn | measure_change(before, after)) for before, after, drawn in triples]


def _at_strength(source: Image, design: Design, transforms: Transforms, row: Columns) -> Made:
    rng = generator(design.seed, row["image_id"], DRAW_AT_STRENGTHS.format(row["transform"]))
    transform = transforms[row["transform"]].for_split(row["split"])
    return *cut_pair(source, design.view, transform, float(row["strength"]), rng), {}


def _as_sampled(source: Image, design: Design, transforms: Transforms, row: Columns) -> Made:
    transform = transforms[row["transform"]].for_split(row["split"])
    numbers = row.get("repetition", 0), row.get("draw", 0)
    before, after, strength = make_pair(source, design, transform, row["image_id"], *numbers)
    return before, after, {"strength": np.float32(strength)}


def _rendered(image: Image, design: Design, transforms: Transforms, row: Columns) -> Made:
    """Render ``image`` without the sub-pixel warp of other samples, because other programs do not apply it."""
    name = row["transform"]
    rng = generator(design.seed, row["image_id"], DRAW_RENDERED.format(name))
    before = clean(image, design.view, rng)
    return before, alter_elsewhere(before, transforms[name].for_split(row["split"]), rng), {}


def alter_elsewhere(view: Image, transform: Transform, rng: np.random.Generator) -> Image:
    """Transform ``view`` with the alternative implementation or, if there is none, with the bank implementation.

    For identity, ``view`` is returned unchanged.
    """
    if transform.name == "identity":
        return view
    if transform.alternative is not None:
        return np.ascontiguousarray(transform.alternative(view, rng))
    return transform.apply(view, transform.draw_strength(rng), rng)


def _framed(source: Image, design: Design, transforms: Transforms, row: Columns) -> Made:
    """Edit the frame of a clean view. The result has the size of a view, because some encoders require it."""
    rng = generator(design.seed, row["image_id"], row["transform"])
    before, _ = cut_pair(source, design.view, transforms["identity"], float("nan"), rng)
    return before, resize(FRAMING_EDITS[row["transform"]](before, rng), design.view), {}


MAKERS = {
    MAIN: _as_sampled,
    STRENGTH: _at_strength,
    RENDERING: _rendered,
    LAYERS: _as_sampled,
    FRAMING: _framed,
}


def position_of(transform: Transform, strength: float) -> float:
    """Return the position of a strength on the scale of its distribution.

    The weakest documented strength is at 0 and the strongest at 1. Positions of weaker strengths are negative.
    """
    weakest, strongest = transform.weakest, transform.strongest
    if weakest == strongest:
        return 0.0
    if transform.distribution == "log":
        return float(np.log(float(strength) / weakest) / np.log(strongest / weakest))
    return (float(strength) - weakest) / (strongest - weakest)
