"""Real photographs and made pictures that the tests of the transforms share."""

from __future__ import annotations

from functools import cache

import numpy as np

from probing_core.corpora import open_corpus
from probing_core.transforms import Image, Transform, cut_view, generator, prepare_source


@cache
def sources(every: int = 20) -> tuple[tuple[str, str, Image], ...]:
    """(image id, base id, source for views of 128 px) of every n-th packaged image: by default one a photograph."""
    corpus = open_corpus("photos")
    rows = corpus.rows.iloc[::every]
    return tuple(
        (row.image_id, row.base_id, prepare_source(corpus.load(row.image_id), 128)) for row in rows.itertuples()
    )


def views(transform: Transform, strength: float, every: int = 20, draw: int = 0) -> list[Image]:
    """The view of each source under ``transform``."""
    return [
        cut_view(source, 128, transform, strength, generator(0, name, transform.name, 0, draw))
        for name, _, source in sources(every)
    ]


def photograph() -> Image:
    """(512, 512, 3)."""
    from skimage import data

    return data.astronaut()


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
