"""The bank: thirty transforms and identity in ten groups of three, and the far-unseen style tier."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from probing_core.catalog import Catalog
from probing_core.images import read_image
from probing_core.transforms.bank import artistic, blur, codec, color, geometry, noise, overlay, style, tone, weather
from probing_core.transforms.bank.style import arbitrary_style
from probing_core.transforms.base import GROUPS, SPLITS, Image, Transform, generator
from probing_core.transforms.view import cut_pair, cut_view, prepare_source, source_side

__all__ = [
    "CATALOG",
    "FAR_CONTROL",
    "GROUPS",
    "SPLITS",
    "Image",
    "Transform",
    "arbitrary_style",
    "bank",
    "cut_pair",
    "cut_view",
    "expand",
    "far_style",
    "generator",
    "prepare_source",
    "resolve",
    "source_side",
]

IDENTITY = Transform(
    name="identity",
    group="identity",
    parameter="none",
    unit="none",
    weakest=0.0,
    strongest=0.0,
    revision=1,
    definition="The picture as it is.",
    library="NumPy",
    source="none",
    pixels=lambda image, strength, rng: image.copy(),
)

_BANK = (
    IDENTITY,
    *(
        transform
        for family in (color, tone, blur, noise, codec, overlay, geometry, artistic, weather, style)
        for transform in family.TRANSFORMS
    ),
)

CATALOG: Catalog[Transform] = Catalog("transform", (*_BANK, *style.FAR), entry_point_group="probing.transforms")
"""The bank, the far tier, and what other packages list."""


def bank() -> tuple[Transform, ...]:
    """Identity and the thirty transforms, in the order of `GROUPS`, members A, B, C."""
    return _BANK


FAR_CONTROL = style.CONTROL.name
"""The one of the far tier that has no style but its network's own: reported beside the tier, never in it."""


def far_style() -> tuple[Transform, ...]:
    """The far-unseen style tier: no probe is trained on it."""
    return style.FAR


TIERS = {"bank": bank, "far-styles": far_style}
"""Names that select several transforms."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """``names``, those of `TIERS` replaced by the names of their transforms; none twice."""
    return tuple(
        dict.fromkeys(one for name in names for one in ([t.name for t in TIERS[name]()] if name in TIERS else [name]))
    )


def resolve(name: str) -> Transform:
    """The catalog's entry of that name, or for ``style:PATH`` a style made from the picture at that path.

    Raises:
        UnknownName: there is no such transform.
        BadImage: the style picture cannot be read.
    """
    if name.startswith("style:"):
        return arbitrary_style(name, read_image(Path(name.removeprefix("style:"))))
    return CATALOG.get(name)
