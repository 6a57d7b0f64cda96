"""Detector training: selection of photographs, computation of views and features, and fitting.

The photographs for training, validation, calibration and evaluation are disjoint. Within the image limit of the run,
the split of a photograph determines its purpose. Beyond the limit, photographs in the test split are used for
calibration, and all other photographs are used according to their split. Calibration corpora keep their splits. A
corpus without splits is used only for calibration.

The ratio of clean to edited views is the same for every photograph, so the source does not predict the class. If a
photograph is available in several sizes, crops at the original scale, which look like tiles, are cut from its
additional large images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.answers.crops import DIRECT_UP_TO
from probing_core.compute.runtime.parallel import image_pool, in_chunks
from probing_core.compute.sampling.samples import Design, has_splits
from probing_core.compute.sampling.series import alter_elsewhere
from probing_core.corpora import assign_splits, drawn
from probing_core.corpora.corpus import NOT_FOR_PROBES, Corpus
from probing_core.detector.detector import Detector, fit_detector
from probing_core.detector.features import features
from probing_core.errors import BadCorpus, BadImage
from probing_core.transforms.alternatives import WIDER_ALTERED, clean, wider_clean
from probing_core.transforms.transformation import Image, Transform, generator
from probing_core.transforms.view import cut_view, prepare_source, source_side

LEARN, CHOOSE, CALIBRATE, REPORT = "learn", "choose", "calibrate", "report"
PURPOSES = {"train": LEARN, "val": CHOOSE, "calibrate": CALIBRATE, "test": REPORT}
BEYOND_LIMIT = PURPOSES | {"test": CALIBRATE}
"""Split -> purpose of the photographs beyond the image limit in the run's corpus. The run does not use them otherwise.
"""

MAX_BY_PURPOSE = {LEARN: 2000, CHOOSE: 300, CALIBRATE: 1000, REPORT: 420}

PHOTOGRAPH_COLUMNS = ("corpus", "image_id", "base_id", "split", "role", "first")


def choose_photographs(
    design: Design, images: pd.DataFrame, corpus: Corpus, calibrate_on: Sequence[Corpus]
) -> pd.DataFrame:
    """Select the photographs for each purpose (``role``).

    Returns:
        One row per image and role: ``corpus`` (index of the corpus; 0 is the corpus of the run), ``image_id``,
        ``base_id``, ``split``, ``role`` and ``first`` (whether this is the first row of the photograph for this role).
        A photograph in several sizes has one row per size. If the IDs of a calibration corpus are unique only within
        the corpus, as file names are, ``base_id`` starts with the fingerprint of the corpus.

    Raises:
        BadCorpus: no photographs are available for calibration or evaluation.
    """
    tables = [_corpus_rows(design, images, corpus), *(_calibration_rows(source) for source in calibrate_on)]
    rows = pd.concat([table.assign(corpus=i) for i, table in enumerate(tables)], ignore_index=True)
    if not rows["role"].isin((CALIBRATE, REPORT)).any():
        raise BadCorpus(
            f"Calibration requires photographs without splits, or in the splits 'calibrate' or 'test', but "
            f"none were found in {', '.join(source.name for source in calibrate_on)}. "
            "Use a different calibration corpus."
        )
    limited = []
    for role, limit in MAX_BY_PURPOSE.items():
        for _, candidates in rows[rows["role"] == role].groupby("corpus"):
            order = drawn(candidates.assign(split=""))  # cycle through base images
            limited.append(candidates.loc[order[:limit]])
    rows = pd.concat(limited, ignore_index=True).sort_values(["corpus", "role", "image_id"], ignore_index=True)
    rows["first"] = ~rows.duplicated(["base_id", "role"])
    return rows[list(PHOTOGRAPH_COLUMNS)]


def _corpus_rows(design: Design, images: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    columns = ["image_id", "base_id", "split"]
    if not has_splits(images):
        return pd.DataFrame(columns=[*columns, "role"])  # all photographs are used for probes
    used = images[images["used"]]
    rows = corpus.rows[~corpus.rows["split"].isin(NOT_FOR_PROBES)].reset_index(drop=True)
    if (rows["split"] == "").any():
        rows = rows.assign(split=assign_splits(rows["base_id"].tolist(), design.seed))
    unused = rows[rows["color"] & rows["geometry"] & ~rows["base_id"].isin(used["base_id"])]
    calibration = corpus.rows[corpus.rows["split"] == "calibrate"]
    tables = [(used, PURPOSES), (unused, BEYOND_LIMIT), (calibration, PURPOSES)]
    return pd.concat([table[columns].assign(role=table["split"].map(roles)) for table, roles in tables])


def _calibration_rows(corpus: Corpus) -> pd.DataFrame:
    rows = corpus.rows[corpus.rows["color"] & (corpus.rows["split"] != "pretrain")]
    split = np.where((corpus.rows["split"] == "").all(), "calibrate", rows["split"])
    table = rows[["image_id", "base_id"]].assign(split=split)
    if not corpus.has_global_ids:
        table["base_id"] = f"{corpus.fingerprint}/" + table["base_id"]
    return table.assign(role=table["split"].map(PURPOSES))


# Keys of random draws: changing a key would draw different views under the same code version.
DRAW_MIX = "training mix"
DRAW_PIECE = "a piece at its own scale"
DRAW_VIEW = "{} for the detector, {}"

CLEAN_VIEWS = 3
"""Number of clean views per photograph, in addition to one identity view from the bank."""

WIDER_CLEAN_VIEWS = 4
"""Number of additional clean views per photograph from `wider_clean`."""

BANK_VIEWS = 9
"""Number of edited views per photograph that are computed by the bank."""

ALTERNATIVE_VIEWS = 8
"""Number of edited views per photograph that are computed by alternative implementations."""


@dataclass(frozen=True)
class View:
    """Specification of one view of a photograph.

    Attributes:
        maker: implementation that computes the view: ``bank``, ``clean``, ``wider`` or ``alternative``.
        transform: name of the transformation; ``identity`` for clean views.
        draw: index of the random draw. Views with the same implementation and transformation have different indices.
    """

    maker: str
    transform: str
    draw: int = 0


def plan_views(names: Sequence[str], image_id: str, seed: int) -> list[View]:
    """Plan the views of one photograph.

    All transformations in ``names``, which must not include identity, are equally likely, both for the bank and for
    alternative implementations.
    """
    rng = generator(seed, image_id, DRAW_MIX)
    views = [View("bank", "identity")]
    views += [View("clean", "identity", draw) for draw in range(CLEAN_VIEWS)]
    views += [View("wider", "identity", draw) for draw in range(WIDER_CLEAN_VIEWS)]
    for maker, count in (("bank", BANK_VIEWS), ("alternative", ALTERNATIVE_VIEWS)):
        # Draw without replacement until all names are used.
        order = np.concatenate([rng.permutation(len(names)) for _ in range(-(-count // len(names)))])[:count]
        views += [View(maker, names[i], draw) for draw, i in enumerate(order)]
    if wider := [name for name in WIDER_ALTERED if name in names]:
        views.append(View("wider", str(rng.choice(wider))))
    return views


def make_views(
    picture: Image,
    view: int,
    planned: Sequence[View],
    transforms: dict[str, Transform],
    image_id: str,
    seed: int,
    own_scale: bool = False,
) -> Iterator[Image]:
    """Yield the image of each of the ``planned`` views.

    Args:
        picture: image whose shorter side has at least ``view`` pixels.
        view: side length of the views in pixels.
        transforms: name -> transformation for the split of the photograph (`Transform.for_split`).
        own_scale: whether to cut views at the original scale instead of downsampling the image.
    """
    source: Image | None = None
    piece = picture
    if own_scale:
        picture = square_of(picture, source_side(view), generator(seed, image_id, DRAW_PIECE))
        piece = square_of(picture, view)
    for plan in planned:
        rng = generator(seed, image_id, DRAW_VIEW.format(plan.transform, plan.maker), draw=plan.draw)
        transform = transforms[plan.transform]
        if plan.maker == "bank":
            source = prepare_source(picture, view) if source is None else source
            strength = float("nan") if plan.transform == "identity" else transform.draw_strength(rng)
            yield cut_view(source, view, transform, strength, rng)
        elif plan.maker == "wider" and plan.transform == "identity":
            yield wider_clean(piece, view, rng)
        elif plan.maker == "wider":
            yield WIDER_ALTERED[plan.transform](clean(piece, view, rng), rng)
        else:
            yield alter_elsewhere(clean(piece, view, rng), transform, rng)


def square_of(picture: Image, side: int, rng: np.random.Generator | None = None) -> Image:
    """Cut a square of up to ``side`` pixels per side, at a random position or, if ``rng`` is None, at the center."""
    side = min(side, *picture.shape[:2])
    top, left = (
        (length - side) // 2 if rng is None else int(rng.integers(length - side + 1)) for length in picture.shape[:2]
    )
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


MIN_BY_PURPOSE = {LEARN: 20, CHOOSE: 5}

LEARN_UNIT_PHOTOGRAPHS = 20


def can_learn(photographs: pd.DataFrame) -> bool:
    counts = photographs.groupby("role")["base_id"].nunique()
    return all(counts.get(role, 0) >= fewest for role, fewest in MIN_BY_PURPOSE.items())


def learned_from(photographs: pd.DataFrame) -> list[list[dict[Any, Any]]]:
    """Divide the rows of ``photographs`` for training and validation into units of work.

    The field ``Index`` is the position of a row among all of these rows.
    """
    rows = photographs[photographs["role"].isin(MIN_BY_PURPOSE)]
    records = rows.assign(Index=np.arange(len(rows))).to_dict("records")
    return [records[i : i + LEARN_UNIT_PHOTOGRAPHS] for i in range(0, len(records), LEARN_UNIT_PHOTOGRAPHS)]


def measure_units(
    design: Design, corpora: Sequence[Corpus], units: Sequence[Sequence[dict[Any, Any]]]
) -> Iterator[dict[str, np.ndarray]]:
    """Compute the features of all views in each of ``units`` (see `learned_from`).

    Yields:
        Arrays by name: ``features`` (n, 407); ``classes`` (n,), indices into `learned_transforms`; and ``photographs``
        (n,), the ``Index`` of each photograph's row.
    """
    transforms = learned_transforms(design.transforms)
    with image_pool(len(transforms) * sum(map(len, units))) as pool:
        for unit, results in in_chunks(pool, partial(measure_photograph, corpora, transforms, design), units):
            yield {
                "features": np.concatenate([X for X, _ in results]),
                "classes": np.concatenate([y for _, y in results]),
                "photographs": np.repeat([row["Index"] for row in unit], [len(y) for _, y in results]),
            }


def measure_photograph(
    corpora: Sequence[Corpus], transforms: Sequence[Transform], design: Design, row: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the features (n, 407) and class indices (n,) of all views of a photograph.

    Both arrays are empty if the photograph cannot be read or is too small.

    Args:
        transforms: transformations to which the class indices refer, from `learned_transforms`.
        row: row from `learned_from`.
    """
    names = [t.name for t in transforms]
    planned = plan_views(names[1:], row["image_id"], design.seed)
    views: list[Image] = []
    with suppress(BadImage):
        picture = corpora[row["corpus"]].load(row["image_id"])
        # A photograph is used once at view size. Its other sizes are only used for crops at the original scale.
        if min(picture.shape[:2]) >= (design.view if row["first"] else DIRECT_UP_TO * design.view):
            split = {t.name: t.for_split(row["split"]) for t in transforms}
            images = make_views(picture, design.view, planned, split, row["image_id"], design.seed, not row["first"])
            views = list(images)
    return features(views), np.array([names.index(plan.transform) for plan in planned[: len(views)]], np.int64)


def learn_detector(
    measured: Sequence[Mapping[str, np.ndarray]], photographs: pd.DataFrame, transforms: Sequence[Transform]
) -> Detector:
    """Train the detector on ``measured``, the results of `measure_units` for all units of ``photographs``."""
    rows = photographs[photographs["role"].isin(MIN_BY_PURPOSE)]
    X, y, photograph = (np.concatenate([a[name] for a in measured]) for name in ("features", "classes", "photographs"))
    learned = (rows["role"] == LEARN).to_numpy()[photograph]
    trained = learned_transforms(transforms)
    return fit_detector(
        X[learned],
        y[learned],
        (X[~learned], y[~learned]),
        classes=[t.name for t in trained],
        groups=[t.group for t in trained],
    )


def learned_transforms(transforms: Sequence[Transform]) -> list[Transform]:
    """Return the transformations that the detector is trained on, identity first."""
    return sorted((t for t in transforms if not t.far), key=lambda t: t.name != "identity")
