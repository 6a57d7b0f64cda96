"""The bank: thirty transforms and identity in ten groups of three, and the far-unseen style tier."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Iterable
from typing import Any

from probing_core.catalog import Catalog
from probing_core.errors import BadImage
from probing_core.images import to_image
from probing_core.transforms.bank import artistic, blur, codec, color, geometry, noise, overlay, style, tone, weather
from probing_core.transforms.base import GROUPS, SPLITS, Image, Transform, generator, of_bank
from probing_core.transforms.view import cut_pair, cut_view, prepare_source, source_side

__all__ = [
    "CATALOG",
    "FAR_CONTROL",
    "GROUPS",
    "SPLITS",
    "Image",
    "Transform",
    "bank",
    "cut_pair",
    "cut_view",
    "expand",
    "far_style",
    "generator",
    "prepare_source",
    "resolve",
    "source_side",
    "transform",
]

SMALLEST = 8
"""Fewest pixels along a side: in smaller pictures, nothing can be recognized after a transformation."""

# fmt: off
IDENTITY = of_bank(
    "identity", None, "identity", "none", "none", 0.0, 0.0, "The unchanged image.", "none",
    library="NumPy", neutral=None, pixels=lambda image, strength, rng: image.copy(),
)
# fmt: on

_BANK = (
    IDENTITY,
    *(
        transform
        for family in (color, tone, blur, noise, codec, overlay, geometry, artistic, weather, style)
        for transform in family.TRANSFORMS
    ),
)

CATALOG: Catalog[Transform] = Catalog("transformation", (*_BANK, *style.FAR), entry_point_group="probing.transforms")
"""The bank, the far tier, and entries of other packages."""


def bank() -> tuple[Transform, ...]:
    """Return identity and the thirty transforms, in the order of `GROUPS`, members A, B, C."""
    return _BANK


FAR_CONTROL = style.CONTROL.name
"""The one of the far tier that has no style but its network's own: reported next to the tier."""


def far_style() -> tuple[Transform, ...]:
    """Return the far-unseen style tier: no probe is trained on it."""
    return style.FAR


TIERS: dict[str, Callable[[], tuple[Transform, ...]]] = {"bank": bank, "far-styles": far_style}
"""Names that select several transforms."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` without duplicates, with `TIERS` and prefixes of plug-ins before a slash expanded."""
    return tuple(dict.fromkeys(one for name in names for one in _selected(name)))


def _selected(name: str) -> list[str]:
    if name in TIERS:
        return [transform.name for transform in TIERS[name]()]
    return [one.name for one in CATALOG.added if one.name.startswith(f"{name}/")] or [name]


def resolve(name: str) -> Transform:
    """Return the catalog's entry of that name.

    Raises:
        UnknownName: there is no such transform.
    """
    return CATALOG.get(name)


def _reduced(entry: Transform) -> str | tuple[Any, ...]:
    """Reduce an entry of the catalog to its name for pickling: some of its functions cannot be pickled."""
    if entry.name in CATALOG and CATALOG.get(entry.name) is entry and all(one is not entry for one in CATALOG.added):
        return resolve, (entry.name,)
    return object.__reduce_ex__(entry, pickle.HIGHEST_PROTOCOL)


copyreg.pickle(Transform, _reduced)


def transform(image: Any, name: str, strength: float | None = None, seed: int = 0) -> Image:
    """Return a transformed picture (H, W, 3) ``uint8``, of the size of ``image``.

    Args:
        image: an array (H, W, 3) or (H, W) ``uint8``, a picture of Pillow, a tensor (C, H, W), or the path of a file.
        name: of the transformation, as in ``probing transforms``.
        strength: in the transformation's own unit; by default the middle of its range.
        seed: of what it draws; the draws do not depend on the strength.

    Raises:
        UnknownName: there is no such transformation.
        BadConfig: the strength is outside of its range.
        BadImage: the picture cannot be read, or has less than 8 pixels along a side.
    """
    entry, picture = resolve(name), to_image(image)
    if min(picture.shape[:2]) < SMALLEST:
        raise BadImage(
            f"A picture needs {SMALLEST} pixels along each side to be transformed; got {picture.shape[1]} x "
            f"{picture.shape[0]}."
        )
    # The strength is not in the key, so that all strengths share one draw.
    rng = generator(seed, "picture", entry.name)
    return entry.apply(picture, entry.strength_at(0.5) if strength is None else strength, rng)
