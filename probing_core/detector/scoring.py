"""Edit scores of models and the detector on calibration and evaluation photographs.

All photographs are scored unchanged and in grayscale. For evaluation photographs, edited versions are also scored: two
per group of transformations, one by the bank and one by an alternative implementation. Large photographs are scored as
a full image with tiles and, like all other photographs, as a single view. A few edits of large evaluation photographs
are also scored at the original size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from probing_core.answers.answer import score_of
from probing_core.answers.crops import Crops, Prediction, cut
from probing_core.answers.reference_sets import AS_IT_IS, LARGE, TURNED_GRAY, VIEW
from probing_core.compute.runtime.parallel import image_pool, in_chunks
from probing_core.compute.sampling.samples import Design
from probing_core.corpora import drawn
from probing_core.corpora.corpus import Corpus
from probing_core.detector.learning import CALIBRATE, REPORT, View, make_views, square_of
from probing_core.errors import BadImage
from probing_core.images.quality import has_no_color, turned_gray
from probing_core.transforms.transformation import GROUPS, Image, Transform, generator

# Keys of random draws: changing a key would draw different views under the same code version.
DRAW_REPORTED = "reported alterations"
DRAW_REPORTED_AT_OWN_SIZE = "reported alterations at its own size"
DRAW_AT_OWN_SIZE = "{} at its own size, {}"

SCORE_UNIT_PHOTOGRAPHS = 10

MAX_ALTERED = 150
"""Maximum number of evaluation photographs per corpus for which edited versions are scored. They are drawn at random.
"""

ALTERED_LARGE = 5
"""Number of edits at the original size per large evaluation photograph. They are scored as full images with tiles."""

LARGEST_ALTERED = 6
"""Maximum side of images edited at the original size, as a multiple of the view size. Style transfer takes seconds for
larger images."""


@dataclass(frozen=True, eq=False)
class ScoredView:
    crops: Crops
    facts: dict[str, object]


def scored_from(photographs: pd.DataFrame) -> list[list[dict[Any, Any]]]:
    """Divide the rows of ``photographs`` for calibration and evaluation into units of work.

    The field ``altered`` is True for rows whose edited versions are scored. These rows are drawn at random. Names often
    start with the source, so if rows were selected by name, the source would predict whether an image was edited.
    """
    rows = photographs[photographs["role"].isin((CALIBRATE, REPORT))]
    reporting = [corpus_rows.assign(split="") for _, corpus_rows in rows[rows["role"] == REPORT].groupby("corpus")]
    altered = [index for corpus_rows in reporting for index in drawn(corpus_rows)[:MAX_ALTERED]]
    records = rows.assign(altered=rows.index.isin(altered)).to_dict("records")
    return [records[i : i + SCORE_UNIT_PHOTOGRAPHS] for i in range(0, len(records), SCORE_UNIT_PHOTOGRAPHS)]


VIEWS_OF_PHOTOGRAPH = 30
"""Approximate number of views per photograph."""


def made_views(
    design: Design, corpora: Sequence[Corpus], units: Sequence[Sequence[dict[Any, Any]]]
) -> Iterator[list[ScoredView]]:
    make = partial(views_of_row, corpora, [t for t in design.transforms if not t.far], design)
    with image_pool(VIEWS_OF_PHOTOGRAPH * sum(map(len, units))) as pool:
        for _, photographs in in_chunks(pool, make, units):
            yield [view for photograph in photographs for view in photograph]


def views_of_row(
    corpora: Sequence[Corpus], transforms: Sequence[Transform], design: Design, row: dict[Any, Any]
) -> list[ScoredView]:
    """Compute the views of the photograph in ``row`` (see `scored_from`), or none if it cannot be read."""
    try:
        picture = corpora[row["corpus"]].load(row["image_id"])
    except BadImage:
        return []
    return list(views_of(picture, row, transforms, design))


def views_of(picture: Image, row: dict, transforms: Sequence[Transform], design: Design) -> Iterator[ScoredView]:
    """Yield the views of ``picture``, the photograph in ``row`` (see `scored_from`)."""
    about = {name: row[name] for name in ("corpus", "image_id", "base_id", "role")}

    def view(crops: Crops, maker: str, transform: str = "identity", group: str = "identity") -> ScoredView:
        size = LARGE if crops.tiles else VIEW
        no_color = has_no_color(crops.whole)
        facts = {"maker": maker, "transform": transform, "group": group, "size": size, "no_color": no_color}
        return ScoredView(crops, about | facts)

    crops = cut(picture, design.view)
    planned = plan_alterations(transforms, row["image_id"], design.seed) if row["altered"] else []
    by_name = {t.name: t.for_split(row["split"]) for t in transforms}
    if crops.tiles:
        yield view(crops, AS_IT_IS)
        for plan, image in _altered_large(picture, planned, by_name, row["image_id"], design):
            yield view(cut(image, design.view), plan.maker, plan.transform, by_name[plan.transform].group)
    if not row["first"]:
        return
    full_image = Crops(crops.whole)
    yield view(full_image, AS_IT_IS)
    yield view(Crops(turned_gray(crops.whole)), TURNED_GRAY)
    if min(picture.shape[:2]) >= design.view:
        images = make_views(picture, design.view, planned, by_name, row["image_id"], design.seed)
        for plan, image in zip(planned, images, strict=True):
            yield view(Crops(image), plan.maker, plan.transform, by_name[plan.transform].group)


def _altered_large(
    picture: Image, planned: Sequence[View], by_name: dict[str, Transform], image_id: str, design: Design
) -> Iterator[tuple[View, Image]]:
    picture = square_of(picture, LARGEST_ALTERED * design.view)
    rng = generator(design.seed, image_id, DRAW_REPORTED_AT_OWN_SIZE)
    for i in sorted(rng.permutation(len(planned))[:ALTERED_LARGE]):
        plan = planned[i]
        transform = by_name[plan.transform]
        view_rng = generator(design.seed, image_id, DRAW_AT_OWN_SIZE.format(plan.transform, plan.maker))
        if plan.maker == "alternative" and transform.alternative is not None:
            yield plan, np.ascontiguousarray(transform.alternative(picture, view_rng))
        else:
            yield plan, apply_at_own_size(picture, design.view, transform, view_rng)


def apply_at_own_size(image: Image, view: int, transform: Transform, rng: np.random.Generator) -> Image:
    """Transform ``image`` at its original size.

    If the strength is a length, it scales with the image size or, with probability 0.5, is the same length in pixels as
    in a view.
    """
    strength = transform.draw_strength(rng)
    if transform.is_length and rng.random() < 0.5:
        strength *= view / min(image.shape[:2])
    return transform.apply_unchecked(image, strength, rng)


def plan_alterations(transforms: Sequence[Transform], image_id: str, seed: int) -> list[View]:
    """Plan two edited views for each group, one by the bank and one by an alternative implementation.

    The random draws differ from those in training.
    """
    rng = generator(seed, image_id, DRAW_REPORTED)
    planned = []
    for group in GROUPS[1:]:
        members = [t.name for t in transforms if t.group == group]
        if members:
            planned += [View(maker, str(rng.choice(members)), draw=1000) for maker in ("bank", "alternative")]
    return planned


def scored(views: Sequence[ScoredView], predictions: Sequence[Prediction]) -> pd.DataFrame:
    """Create a table with the metadata and scores of ``views``, one row per view."""
    table = pd.DataFrame([view.facts for view in views])

    def scores(tiles: bool) -> np.ndarray:
        """Compute scores as for calibrated predictions: tiles are not used for images without color."""
        values = []
        for view, prediction in zip(views, predictions, strict=True):
            no_color = bool(view.facts["no_color"])
            joined = tiles and bool(view.crops.tiles) and not no_color
            values.append(score_of(prediction, no_color, whole_only=not joined))
        return np.array(values, np.float64)

    return table.assign(score=scores(tiles=True), whole_score=scores(tiles=False))
