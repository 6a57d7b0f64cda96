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
    """The bits of an image hash, as zeros and ones; ``kind`` is one of `HASHES`."""

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


def _spec(
    name: str,
    family: str,
    dim: int,
    weights: str,
    loader: Callable[..., LoadedEmbedder],
    input_size: int | None = None,
) -> EmbedderSpec:
    return EmbedderSpec(
        name=f"baseline/{name}",
        family=family,
        objective="none",
        dim=dim,
        license="MIT (this project)",
        weights=f"none: {weights}",
        input_size=input_size,
        loader=loader,
    )


def _plain(name: str, dim: int, weights: str, kind: Callable[[str], LoadedEmbedder]) -> EmbedderSpec:
    return _spec(name, "baseline", dim, weights, partial(_load_plain, kind))


SPECS: tuple[EmbedderSpec, ...] = (
    _plain("pixels", PIXELS_SIDE * PIXELS_SIDE * 3, "the picture at 16 x 16 pixels", Pixels),
    _plain("handcrafted", len(FEATURES), "color, sharpness, spectrum and noise statistics", Handcrafted),
    _plain("dhash", BITS, "the difference hash (dHash), bit by bit", partial(Hash, kind="difference_hash")),
    _plain("phash", BITS, "the perceptual hash (pHash), bit by bit", partial(Hash, kind="perceptual_hash")),
    _spec(
        "random-vit",
        "ViT",
        192,
        "the zoo's architecture with random weights, @seed=N",
        _load_random_vit,
        input_size=128,
    ),
)
