"""Model specs and loaded models.

Only loading a model imports a deep-learning framework.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from probing_core.models.preprocessing import Preprocessing
from probing_core.transforms.transformation import Image

if TYPE_CHECKING:
    import pandas as pd

Precision = Literal["auto", "float32", "bfloat16", "float16"]

ROLES = ("supervised", "SimCLR", "MAE", "CAN", "CLIP", "ALIGN")
"""Roles of encoders in the five claims: the training objectives of the six embeddings in arXiv 2307.05610."""


@dataclass(frozen=True)
class Availability:
    """Whether a model is available, and the reason if it is not.

    Attributes:
        why_not: reason why the model is not available, without a final period.
        download_from: URL of the server that hosts the weights (``https://host``), if the model can be downloaded.
        hint: sentence with a command that makes the model available.
    """

    available: bool
    why_not: str = ""
    download_from: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class EmbedderSpec:
    """Description of a model that can be loaded by name.

    Attributes:
        name: model name without options.
        family: kind of network or provider ("EfficientNet", "ViT", "baseline").
        weights: source of the weights, as text.
        objective: training objective ("supervised", "MAE", "CLIP", "none").
        dim: embedding dimension; None if unknown before loading.
        data: training data, as text.
        input_size: input size in pixels; None if unknown before loading.
        download_mb: download size in megabytes; 0 if unknown or if nothing is downloaded.
        ask_download_mb: function that requests the download size in megabytes from the server, and returns 0 if it is
            not available.
        role: one of `ROLES` if the claims are tested on this encoder, otherwise empty.
        loader: function that maps a `ModelName`, a device and a precision to a `LoadedEmbedder`.
        check: function that returns the `Availability`. It is fast and does not import a deep-learning framework.
    """

    name: str
    family: str
    weights: str
    objective: str = "unknown"
    dim: int | None = None
    license: str = "unknown"
    data: str = ""
    input_size: int | None = None
    download_mb: float = 0.0
    role: str = ""
    loader: Callable[..., LoadedEmbedder] = field(repr=False)
    check: Callable[[], Availability] = field(default=lambda: Availability(True), repr=False)
    ask_download_mb: Callable[[], float] = field(default=lambda: 0.0, repr=False)


class LoadedEmbedder(ABC):
    """A model in memory.

    Attributes:
        name: full name, including options.
        device, precision: device and precision of the computation ("cpu", "bfloat16").
        batch_size: number of images per forward pass.
        embeds_pictures: whether the model can embed arbitrary images. Precomputed embeddings cover only the samples of
            a run.
        on_one_thread: whether the model is single-threaded. It can be called from any thread.
        known_preprocessing: preprocessing of the network; None if it is not fully known.
    """

    name: str
    dim: int
    device: str = "cpu"
    precision: str = "float32"
    batch_size: int = 64
    embeds_pictures: bool = True
    on_one_thread: bool = False
    known_preprocessing: Preprocessing | None = None

    @abstractmethod
    def embed(self, images: Sequence[Image]) -> np.ndarray:
        """Compute embeddings (N, D) ``float32`` of ``images`` of any size.

        Args:
            images: one image or several images, in the forms that `probing_core.images.to_images` accepts.

        Raises:
            BadImage: an image cannot be read, or has an unsupported type or shape.
        """

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Return all settings that affect the embeddings, as JSON types, for the cache key."""

    def embed_layers(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        """Compute embeddings (N, D) ``float32`` in one pass, and return them by full model name.

        The result has one entry or, for ``@layer=all``, one entry per layer.
        """
        return {self.name: self.embed(images)}

    def recipes(self) -> Mapping[str, dict[str, Any]]:
        """Return the `recipe` of each entry of `embed_layers` by full model name."""
        return {self.name: self.recipe()}

    def dims(self) -> Mapping[str, int]:
        """Return the embedding dimension of each entry of `embed_layers` by full model name."""
        return dict.fromkeys(self.recipes(), self.dim)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the outputs of `embed_blocks`, from the first block to the last: ``"1.cls"``, ``"1.mean"``, ...

        Empty if the model is not a network, has the option ``@layer=``, or has blocks that cannot be pooled.
        """
        return ()

    def embed_blocks(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        """Compute embeddings (N, D) ``float32`` of all `blocks` in one pass, and return them by block name."""
        return {}

    def embed_samples(self, images: Sequence[Image], samples: pd.DataFrame) -> Mapping[str, np.ndarray]:
        """Compute embeddings as in `embed_layers`, for the images of ``samples`` (one row per image).

        Only precomputed embeddings use the columns of ``samples``: image_id, transform, repetition and draw.
        """
        return self.embed_layers(images)

    def keep_embedding(self) -> None:  # noqa: B027 - most models have nothing to release
        """Release resources that `embed` and `embed_layers` do not need. Do not call other methods afterwards."""

    def close(self) -> None:  # noqa: B027 - Python frees the memory of most models
        """Release the memory that the model uses."""
