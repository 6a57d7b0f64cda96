"""Models that exist in Python already: a function on images, or a network with its preprocessing.

    register(from_callable("mine/statistics", function, dim=12))
    register(from_module("mine/net", module, Preprocessing(size=(224, 224))))

makes the names usable like any other, in this process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.embedders.base import EmbedderSpec, LoadedEmbedder, Preprocessing
from probing_core.embedders.names import ModelName, refuse_options
from probing_core.embedders.network.embedder import Network, NetworkEmbedder
from probing_core.errors import BadConfig
from probing_core.images import as_image
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    from torch import nn

Function = Callable[[Sequence[Image]], np.ndarray]
"""Images of any sizes -> (N, D)."""


class CallableEmbedder(LoadedEmbedder):
    """A function as an embedder. Its key is its result for fixed pictures, since a name does not identify it."""

    def __init__(self, name: str, function: Function, dim: int) -> None:
        self.name, self.dim = name, dim
        self._function = function

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        images = [as_image(image) for image in images]
        batches = [images[i : i + self.batch_size] for i in range(0, len(images), self.batch_size)]
        parts = [np.asarray(self._function(batch), np.float32) for batch in batches]
        result = np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)
        if result.shape != (len(images), self.dim):
            raise BadConfig(
                f"'{self.name}' was to give {(len(images), self.dim)} numbers for {len(images)} images; "
                f"got {result.shape}. Return one row an image, of the announced dimension."
            )
        return result

    def recipe(self) -> dict[str, Any]:
        noise = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
        smooth = np.broadcast_to(np.arange(128, dtype=np.uint8)[:, None, None] * 2, (128, 128, 3))
        answers = self.embed([*noise, np.ascontiguousarray(smooth)])
        return {"answers": hashlib.sha256(answers.tobytes()).hexdigest(), "batch_size": self.batch_size}


def from_callable(name: str, function: Function, dim: int) -> EmbedderSpec:
    """Return the spec of a function: images of any sizes -> (N, ``dim``)."""

    def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> CallableEmbedder:
        refuse_options(name, options)
        return CallableEmbedder(name, function, dim)

    return EmbedderSpec(
        name=name, family="callable", objective="unknown", dim=dim, license="unknown", weights="in memory", loader=load
    )


def from_module(
    name: str, module: nn.Module, preprocessing: Preprocessing, blocks: Sequence[nn.Module] = ()
) -> EmbedderSpec:
    """Return the spec of a network in memory: batch (N, 3, H, W) -> (N, D).

    Args:
        blocks: modules whose outputs ``@layer=`` pools, first to last.
    """

    def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> NetworkEmbedder:
        network = Network(
            module=module,
            embed=module,
            pooling="the module's own",
            blocks=blocks,
            details={"module": f"{type(module).__module__}.{type(module).__qualname__}"},
        )
        return NetworkEmbedder(ModelName(name, options).full, network, preprocessing, options, device, precision)

    return EmbedderSpec(
        name=name, family="module", objective="unknown", dim=None, license="unknown", weights="in memory", loader=load
    )
