"""Baselines that require no training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from PIL import Image as pillow

from probing_core.images import to_images
from probing_core.models.embedder import EmbedderSpec, LoadedEmbedder
from probing_core.models.model_names import ModelName, refuse_options
from probing_core.models.providers.handcrafted import FEATURES, statistics
from probing_core.models.zoo_input import SIZE, WIDTH
from probing_core.transforms.transformation import Image

PIXELS_SIDE = 16

BITS = 64

BASELINE_LICENSE = "MIT (this project)"


class Plain(LoadedEmbedder):
    """Model that applies a fixed function to images.

    Args:
        dim: embedding dimension (D).
        function: function that maps N images to embeddings (N, D).
        recipe: settings that affect the embeddings.
    """

    on_one_thread = True

    def __init__(
        self, name: str, dim: int, function: Callable[[list[Image]], np.ndarray], recipe: dict[str, Any]
    ) -> None:
        self.name, self.dim, self._function, self._recipe = name, dim, function, recipe

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        listed = list(to_images(images))
        return self._function(listed).reshape(len(listed), self.dim)

    def recipe(self) -> dict[str, Any]:
        return self._recipe


def _pixels(name: str) -> Plain:
    def embed(images: list[Image]) -> np.ndarray:
        size = PIXELS_SIDE, PIXELS_SIDE
        return np.array([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images], np.float32) / 255

    recipe = {"resize": "squash", "interpolation": "area", "size": PIXELS_SIDE, "libraries": {"cv2": cv2.__version__}}
    return Plain(name, PIXELS_SIDE * PIXELS_SIDE * 3, embed, recipe)


def _handcrafted(name: str) -> Plain:
    libraries = {"cv2": cv2.__version__, "numpy": np.__version__}
    return Plain(name, len(FEATURES), statistics, {"features": list(FEATURES), "libraries": libraries})


def _hash(name: str, kind: str) -> Plain:
    import imagehash

    bits = getattr(imagehash, name.removeprefix("baseline/"))

    def embed(images: list[Image]) -> np.ndarray:
        return np.array([bits(pillow.fromarray(image)).hash for image in images], np.float32)

    versions = {package: version(package) for package in ("ImageHash", "pillow", "numpy", "scipy")}
    return Plain(name, BITS, embed, {"hash": kind, "bits": BITS, "libraries": versions})


def _load_plain(make: Callable[[str], Plain], name: ModelName, device: str, precision: str) -> Plain:
    refuse_options(name.base, name.options)
    return make(name.base)


def _load_random_vit(name: ModelName, device: str, precision: str) -> LoadedEmbedder:
    from probing_core.models.hub import signs_digest
    from probing_core.models.zoo_network import ViTEmbedder, init_vit

    refuse_options(name.base, name.options, allowed=("pool", "layer", "seed"))
    options = dict(name.options)
    vit = init_vit(int(options.pop("seed", "0")))
    return ViTEmbedder(name.full, vit, options, device, precision, weights=signs_digest(vit))


def _spec(name: str, dim: int, weights: str, make: Callable[[str], Plain]) -> EmbedderSpec:
    return EmbedderSpec(
        name=f"baseline/{name}",
        family="baseline",
        objective="none",
        dim=dim,
        license=BASELINE_LICENSE,
        weights=f"none: {weights}",
        loader=partial(_load_plain, make),
    )


SPECS: tuple[EmbedderSpec, ...] = (
    _spec("pixels", PIXELS_SIDE * PIXELS_SIDE * 3, "the picture at 16 x 16 pixels", _pixels),
    _spec("handcrafted", len(FEATURES), "color, sharpness, spectrum and noise statistics", _handcrafted),
    _spec("dhash", BITS, "the difference hash (dHash), bit by bit", partial(_hash, kind="difference_hash")),
    _spec("phash", BITS, "the perceptual hash (pHash), bit by bit", partial(_hash, kind="perceptual_hash")),
    EmbedderSpec(
        name="baseline/random-vit",
        family="ViT",
        objective="none",
        dim=WIDTH,
        license=BASELINE_LICENSE,
        weights="none: the zoo's architecture with random weights, @seed=N",
        input_size=SIZE,
        loader=_load_random_vit,
    ),
)
