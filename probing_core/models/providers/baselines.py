"""Embedders that learned nothing: what a score means is read against them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from PIL import Image as pillow

from probing_core.images import as_image
from probing_core.models.base import EmbedderSpec, LoadedEmbedder
from probing_core.models.names import ModelName, refuse_options
from probing_core.models.providers.handcrafted import FEATURES, statistics
from probing_core.transforms.base import Image

PIXELS_SIDE = 16

HASHES = {"difference_hash": "dhash", "perceptual_hash": "phash"}
"""Hash, as recipes name it -> the function of the package ``ImageHash`` that computes it."""

BITS = 64


class Pixels(LoadedEmbedder):
    """The picture at 16 x 16 pixels, area-averaged: 768 values in [0, 1]."""

    on_one_thread = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.dim = PIXELS_SIDE * PIXELS_SIDE * 3

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        size = PIXELS_SIDE, PIXELS_SIDE
        rows = [cv2.resize(as_image(image), size, interpolation=cv2.INTER_AREA) for image in images]
        return np.array(rows, np.float32).reshape(len(rows), self.dim) / 255

    def recipe(self) -> dict[str, Any]:
        return {"resize": "squash", "interpolation": "area", "size": PIXELS_SIDE, "libraries": {"cv2": cv2.__version__}}


class Handcrafted(LoadedEmbedder):
    """The statistics of `probing_core.models.providers.handcrafted`."""

    on_one_thread = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.dim = len(FEATURES)

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        return statistics([as_image(image) for image in images])

    def recipe(self) -> dict[str, Any]:
        return {"features": list(FEATURES), "libraries": {"cv2": cv2.__version__, "numpy": np.__version__}}


class Hash(LoadedEmbedder):
    """The bits of an image hash, as zeros and ones: what a finder of duplicates sees of a picture.

    Args:
        kind: one of `HASHES`.
    """

    on_one_thread = True

    def __init__(self, name: str, kind: str) -> None:
        import imagehash

        self.name, self.dim = name, BITS
        self._kind, self._hash = kind, getattr(imagehash, HASHES[kind])

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        bits = [self._hash(pillow.fromarray(as_image(image))).hash.ravel() for image in images]
        return np.array(bits, np.float32).reshape(len(images), BITS)

    def recipe(self) -> dict[str, Any]:
        versions = {name: version(name) for name in ("ImageHash", "pillow", "numpy", "scipy")}
        return {"hash": self._kind, "bits": BITS, "libraries": versions}


def _load_plain(
    kind: Callable[[str], LoadedEmbedder], spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str
) -> LoadedEmbedder:
    refuse_options(spec.name, options)
    return kind(spec.name)


def _load_random_vit(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> LoadedEmbedder:
    from probing_core.models.weights import signs_digest
    from probing_core.models.zoo import CURRENT, ViTEmbedder

    refuse_options(spec.name, options, allowed=("pool", "layer", "seed"))
    vit = CURRENT.init(int(options.get("seed", "0")))
    others = {key: value for key, value in options.items() if key != "seed"}
    name = ModelName(spec.name, options).full
    digest = signs_digest(vit)
    return ViTEmbedder(name, vit, others, device, precision, weights=digest, architecture=CURRENT.description)


SPECS = (
    EmbedderSpec(
        name="baseline/pixels",
        family="baseline",
        objective="none",
        dim=PIXELS_SIDE * PIXELS_SIDE * 3,
        license="MIT (this project)",
        weights="none: the picture at 16 x 16 pixels",
        loader=partial(_load_plain, Pixels),
    ),
    EmbedderSpec(
        name="baseline/handcrafted",
        family="baseline",
        objective="none",
        dim=len(FEATURES),
        license="MIT (this project)",
        weights="none: color, sharpness, spectrum and noise statistics",
        loader=partial(_load_plain, Handcrafted),
    ),
    EmbedderSpec(
        name="baseline/dhash",
        family="baseline",
        objective="none",
        dim=BITS,
        license="MIT (this project)",
        weights="none: the difference hash (dHash), bit by bit",
        loader=partial(_load_plain, partial(Hash, kind="difference_hash")),
    ),
    EmbedderSpec(
        name="baseline/phash",
        family="baseline",
        objective="none",
        dim=BITS,
        license="MIT (this project)",
        weights="none: the perceptual hash (pHash), bit by bit",
        loader=partial(_load_plain, partial(Hash, kind="perceptual_hash")),
    ),
    EmbedderSpec(
        name="baseline/random-vit",
        family="ViT",
        objective="none",
        dim=192,
        license="MIT (this project)",
        weights="none: the zoo's architecture with random weights, @seed=N",
        input_size=128,
        loader=_load_random_vit,
    ),
)
