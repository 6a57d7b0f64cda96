"""Large pictures, whole and as tiles, from which the fusion rule is fitted (see `probing_core.compute.live.tiles`).

Views are too small to have tiles, so some of the corpus's own pictures, where they are larger than that, are
transformed at their own size, once by every transform, and embedded whole and as tiles. Blur and blocks are made at
either scale, as outside pictures have both: in proportion to the picture, or as large as they would be in a view.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from probing_core.compute.design import Design
from probing_core.compute.live.fusion import FLOOR
from probing_core.compute.live.tiles import DIRECT_UP_TO, PictureCrops, cut
from probing_core.compute.samples import used_images
from probing_core.corpora.base import Corpus
from probing_core.transforms.base import Image, Transform, generator
from probing_core.transforms.view import central_square, resize

DRAW_AT_OWN_SIZE = "{} at its own size"
"""Key of a random draw: other words would draw other pictures, under the same revision."""

MAX_PICTURES = 60
TILES = 2
"""Tiles a picture: enough to fit a rule on, and few enough that a run hardly notices."""

LARGEST = 3
"""Pictures are reduced to at most this many views a side first."""

COLUMNS = ("image_id", "base_id", "transform", "start", "stop")


def plan_crops(design: Design, images: pd.DataFrame, corpus: Corpus) -> list[str]:
    """Return ids of the pictures: the largest of each photograph that may be learned from, if it is large enough."""
    chosen = []
    for _, rows in used_images(images, "val").groupby("base_id", sort=False):
        sides = [min(corpus.load(i).shape[:2]) for i in rows["image_id"]]
        if max(sides) > DIRECT_UP_TO * design.view:
            chosen.append(rows["image_id"].iloc[int(np.argmax(sides))])
        if len(chosen) == MAX_PICTURES:
            break
    return chosen


def make_crops(design: Design, images: pd.DataFrame, corpus: Corpus) -> tuple[list[Image], pd.DataFrame]:
    """Make the pictures to embed, and tell which of them belong together.

    Returns:
        The pictures, whole before tiles; and a table of `COLUMNS`: the pictures ``start`` (the whole) to ``stop`` are
        those of one transformed image.
    """
    rows = images.set_index("image_id")
    with ThreadPoolExecutor(design.threads) as pool:
        made = pool.map(
            lambda i: _large_versions(design, corpus.load(i), i, str(rows.at[i, "split"])),
            plan_crops(design, images, corpus),
        )
    pictures: list[Image] = []
    table = []
    for image_id, transform, large in (version for versions in made for version in versions):
        stop = len(pictures) + len(large.pictures)
        table.append((image_id, rows.at[image_id, "base_id"], transform, len(pictures), stop))
        pictures += large.pictures
    return pictures, pd.DataFrame(table, columns=list(COLUMNS))


def mean_log_probabilities(probabilities: np.ndarray, crops: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, K) from (P, K) of all pictures: probabilities of the wholes, and exp of the tiles' mean logarithm."""
    logarithms = np.log(np.maximum(probabilities, FLOOR))
    whole = probabilities[crops["start"].to_numpy()]
    tiles = [logarithms[a + 1 : b].mean(0) for a, b in zip(crops["start"], crops["stop"], strict=True)]
    return whole, np.exp(np.stack(tiles))


def _large_versions(design: Design, image: Image, image_id: str, split: str) -> list[tuple[str, str, PictureCrops]]:
    square = central_square(image)
    square = resize(square, min(len(square), LARGEST * design.view))
    return [
        (image_id, t.name, _large_crops(design, square, t.for_split(split), image_id))
        for t in design.transforms
        if not t.far
    ]


def _large_crops(design: Design, square: Image, transform: Transform, image_id: str) -> PictureCrops:
    rng = generator(design.seed, image_id, DRAW_AT_OWN_SIZE.format(transform.name))
    made = square if transform.name == "identity" else apply_at_own_size(square, design.view, transform, rng)
    return cut(made, design.view, TILES)


def apply_at_own_size(image: Image, view: int, transform: Transform, rng: np.random.Generator) -> Image:
    """Transform ``image``; lengths are in proportion to it, or half of the time as long as in a view."""
    strength = transform.draw_strength(rng)
    if transform.is_length and rng.random() < 0.5:
        strength *= view / min(image.shape[:2])
    return transform.apply_unchecked(image, strength, rng)
