"""Image transformations: the bank (identity, and thirty transformations in ten groups of three) and unseen styles."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Iterable
from typing import Any

from probing_core.arguments import NUMBER, TEXT, checked
from probing_core.catalog import Catalog
from probing_core.images import to_image
from probing_core.transforms.bank import artistic, blur, codec, color, geometry, noise, overlay, style, tone, weather
from probing_core.transforms.transformation import GROUPS, PROBE_SPLITS, Image, Transform, generator, of_bank
from probing_core.transforms.view import cut_pair, cut_view, prepare_source, source_side

__all__ = [
    "CATALOG",
    "FAR_CONTROL",
    "GROUPS",
    "PROBE_SPLITS",
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

# fmt: off
IDENTITY = of_bank(
    "identity", None, "identity", "none", "none", 0.0, 0.0, "Leaves the image unchanged.", "none",
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

CATALOG: Catalog[Transform] = Catalog(
    "transformation", (*_BANK, *style.UNSEEN_STYLES), entry_point_group="probing.transforms"
)
"""Catalog of the bank, the unseen styles, and transformations from other packages."""


def bank() -> tuple[Transform, ...]:
    """Return identity and the thirty transformations of the bank, ordered by `GROUPS` and member (A, B, C).

    Examples:
        >>> len(bank())
        31
    """
    return _BANK


FAR_CONTROL = style.CONTROL.name
"""Name of the control among the unseen styles. It renders images in their own style and is reported separately."""


def far_style() -> tuple[Transform, ...]:
    """Return the unseen styles, on which no probe is trained."""
    return style.UNSEEN_STYLES


TIERS: dict[str, Callable[[], tuple[Transform, ...]]] = {"bank": bank, "far-styles": far_style}
"""Name of a set of transformations -> function that returns the set."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Expand set names (`TIERS`) and plug-in prefixes (before a slash) into transformation names without duplicates."""
    return tuple(dict.fromkeys(selected for name in names for selected in _selected(name)))


def _selected(name: str) -> list[str]:
    if name in TIERS:
        return [transform.name for transform in TIERS[name]()]
    return [transform.name for transform in CATALOG.added if transform.name.startswith(f"{name}/")] or [name]


def resolve(name: str) -> Transform:
    """Return the transformation named ``name``.

    Raises:
        UnknownName: the transformation does not exist.
    """
    return CATALOG.get(name)


def _reduced(entry: Transform) -> str | tuple[Any, ...]:
    """Pickle the transformations of this package by name, because some of their functions cannot be pickled."""
    if (
        entry.name in CATALOG
        and CATALOG.get(entry.name) is entry
        and all(added is not entry for added in CATALOG.added)
    ):
        return resolve, (entry.name,)
    return object.__reduce_ex__(entry, pickle.HIGHEST_PROTOCOL)


copyreg.pickle(Transform, _reduced)


@checked(name=TEXT, strength=NUMBER)
def transform(image: Any, name: str, strength: float | None = None, seed: int = 0) -> Image:
    """Apply a transformation to an image.

    Examples:
        >>> probing_core.transform(np.zeros((32, 32, 3), np.uint8), "fog", strength=1.2).shape
        (32, 32, 3)

    Args:
        image: an array (H, W, 3) or (H, W) ``uint8``, a Pillow image, a tensor (C, H, W), or a file path.
        name: transformation name, as listed by ``probing transforms``.
        strength: strength in the unit of the transformation; by default the middle of its range.
        seed: random seed. Random draws do not depend on the strength.

    Returns:
        The transformed image, (H, W, 3) ``uint8``, of the same size as ``image``.

    Raises:
        UnknownName: the transformation does not exist.
        BadConfig: the strength is outside the documented range.
        BadImage: the image cannot be read, or a side is shorter than 8 pixels.
    """
    entry, picture = resolve(name), to_image(image)
    # The strength is not in the key, so that all strengths share the same random draws.
    rng = generator(seed, "picture", entry.name)
    return entry.apply(picture, entry.strength_at(0.5) if strength is None else strength, rng)
