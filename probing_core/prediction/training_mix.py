"""What the detector learns from of each photograph: untouched views of three kinds, altered ones of two.

Every photograph, whatever its corpus, appears untouched and altered in the same proportions, so that where it comes
from never predicts the class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.transforms.alternatives import clean
from probing_core.transforms.alternatives.wider_clean import wider_clean
from probing_core.transforms.base import Image, Transform, generator
from probing_core.transforms.view import cut_view, prepare_source

CLEAN, WIDER_CLEAN = 3, 4
"""Untouched views a photograph, beside one identity of the bank."""

BY_BANK, BY_ALTERNATIVES = 9, 8
"""Altered views a photograph."""


@dataclass(frozen=True)
class View:
    """One view to make of a photograph.

    Attributes:
        maker: ``bank``, ``clean``, ``wider`` or ``alternative``.
        transform: its name; ``identity`` in untouched views.
        draw: tells views of one maker and transform apart.
    """

    maker: str
    transform: str
    draw: int = 0


def plan_views(names: Sequence[str], image_id: str, seed: int) -> list[View]:
    """The views of one photograph.

    Args:
        names: of the transforms, identity left out; each is as likely as the others.
    """
    rng = generator(seed, image_id, "training mix")
    views = [View("bank", "identity")]
    views += [View("clean", "identity", draw) for draw in range(CLEAN)]
    views += [View("wider", "identity", draw) for draw in range(WIDER_CLEAN)]
    for maker, count in (("bank", BY_BANK), ("alternative", BY_ALTERNATIVES)):
        # Without repetition while there are names left.
        order = np.concatenate([rng.permutation(len(names)) for _ in range(-(-count // len(names)))])[:count]
        views += [View(maker, names[i], draw) for draw, i in enumerate(order)]
    return views


def make_views(
    picture: Image, view: int, planned: Sequence[View], transforms: dict[str, Transform], image_id: str, seed: int
) -> Iterator[Image]:
    """The pictures of ``planned``.

    Args:
        picture: whose shorter side has at least ``view`` pixels.
        transforms: by name, with the art of the photograph's split.
    """
    source: Image | None = None
    for one in planned:
        rng = generator(seed, image_id, f"{one.transform} for the detector, {one.maker}", draw=one.draw)
        transform = transforms[one.transform]
        if one.maker == "bank":
            source = prepare_source(picture, view) if source is None else source
            strength = float("nan") if one.transform == "identity" else transform.draw_strength(rng)
            yield cut_view(source, view, transform, strength, rng)
        elif one.maker == "wider":
            yield wider_clean(picture, view, rng)
        else:
            yield _by_others(clean(picture, view, rng), transform, rng)


def _by_others(view: Image, transform: Transform, rng: np.random.Generator) -> Image:
    """``view`` as another program alters it; by the bank's own transform where none does."""
    if transform.name == "identity":
        return view
    if transform.alternative is not None:
        return np.ascontiguousarray(transform.alternative(view, rng))
    return transform.apply(view, transform.draw_strength(rng), rng)


def sample_weights(untouched: np.ndarray) -> np.ndarray:
    """(n,) weights, 1 on average, by which untouched views weigh half of all: ``untouched`` (n,) bool."""
    share = untouched.mean()
    return np.where(untouched, 0.5 / share, 0.5 / (1 - share))
