"""What the detector learns from of each photograph: untouched views of three kinds, altered ones of three.

Every photograph, whatever its corpus, appears untouched and altered in the same proportions, so that where it comes
from never predicts the class. A larger size of a photograph teaches what tiles show: a piece of it at its own scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.compute.series import alter_elsewhere
from probing_core.transforms.alternatives import clean
from probing_core.transforms.alternatives.clean import wider_clean
from probing_core.transforms.alternatives.effects import WIDER_ALTERED
from probing_core.transforms.base import Image, Transform, generator
from probing_core.transforms.view import cut_view, prepare_source, source_side

# Keys of random draws: other words would draw other views, under the same revision.
DRAW_MIX = "training mix"
DRAW_PIECE = "a piece at its own scale"
DRAW_VIEW = "{} for the detector, {}"

CLEAN, WIDER_CLEAN = 3, 4
"""Untouched views a photograph, beside one identity of the bank."""

BY_BANK, BY_ALTERNATIVES = 9, 8
"""Altered views a photograph, beside one of `WIDER_ALTERED`."""


@dataclass(frozen=True)
class View:
    """One view to make of a photograph.

    Attributes:
        maker: ``bank``, ``clean``, ``wider`` or ``alternative``.
        transform: its name; ``identity`` in untouched views.
        draw: separates views of one maker and transform.
    """

    maker: str
    transform: str
    draw: int = 0


def plan_views(names: Sequence[str], image_id: str, seed: int) -> list[View]:
    """Plan the views of one photograph.

    Args:
        names: of the transforms, identity left out; each is as likely as the others to the bank and to alternatives.
    """
    rng = generator(seed, image_id, DRAW_MIX)
    views = [View("bank", "identity")]
    views += [View("clean", "identity", draw) for draw in range(CLEAN)]
    views += [View("wider", "identity", draw) for draw in range(WIDER_CLEAN)]
    for maker, count in (("bank", BY_BANK), ("alternative", BY_ALTERNATIVES)):
        # Without repetition while there are names left.
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
    """Yield the pictures of ``planned``.

    Args:
        picture: whose shorter side has at least ``view`` pixels.
        transforms: by name, as of the photograph's split (`Transform.for_split`).
        own_scale: whether they show a piece of the picture at its own scale and not the picture reduced.
    """
    source: Image | None = None
    piece = picture
    if own_scale:
        picture = square_of(picture, source_side(view), generator(seed, image_id, DRAW_PIECE))
        piece = square_of(picture, view)
    for one in planned:
        rng = generator(seed, image_id, DRAW_VIEW.format(one.transform, one.maker), draw=one.draw)
        transform = transforms[one.transform]
        if one.maker == "bank":
            source = prepare_source(picture, view) if source is None else source
            strength = float("nan") if one.transform == "identity" else transform.draw_strength(rng)
            yield cut_view(source, view, transform, strength, rng)
        elif one.maker == "wider" and one.transform == "identity":
            yield wider_clean(piece, view, rng)
        elif one.maker == "wider":
            yield WIDER_ALTERED[one.transform](clean(piece, view, rng), rng)
        else:
            yield alter_elsewhere(clean(piece, view, rng), transform, rng)


def square_of(picture: Image, side: int, rng: np.random.Generator | None = None) -> Image:
    """Cut a square of ``side`` pixels, or as large as there is: from a random place, or the middle."""
    side = min(side, *picture.shape[:2])
    top, left = (
        (length - side) // 2 if rng is None else int(rng.integers(length - side + 1)) for length in picture.shape[:2]
    )
    return np.ascontiguousarray(picture[top : top + side, left : left + side])
