"""Embedders: a spec that is cheap to list, and a loaded model that is made from it when it is needed.

Only `LoadedEmbedder.embed` is particular to a model. Specs import no deep-learning framework; `load` does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from probing_core.errors import BadConfig
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import pandas as pd

Precision = Literal["auto", "float32", "bfloat16", "float16"]

ROLES = ("supervised", "SimCLR", "MAE", "CAN", "CLIP", "ALIGN")
"""The roles of encoders in the five claims: the objectives of the six embeddings of arXiv 2307.05610."""


@dataclass(frozen=True)
class Preprocessing:
    """Steps that a picture takes before the network, as data: the checkpoint's own, recorded, part of the key.

    Attributes:
        size: (height, width) in pixels that the network receives.
        resize: ``"shorter"`` scales the shorter side to ``size / crop`` (rounded down) and crops the center;
            ``"squash"`` scales both sides likewise, ``"none"`` leaves the picture alone.
        crop: fraction of the resized picture that the center crop keeps.
        interpolation: ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"box"``, ``"hamming"`` or ``"nearest"``; all
            but the last are antialiased.
        mean, std: per channel, in units of [0, 1].
    """

    size: tuple[int, int]
    resize: Literal["shorter", "squash", "none"] = "shorter"
    crop: float = 1.0
    interpolation: str = "bicubic"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("size", "mean", "std"):  # given as lists they would have no hash
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclass(frozen=True)
class Availability:
    """Availability of a model here and now; if it is not available, the reason in one sentence.

    Attributes:
        download_from: the host that has the weights, where the network is all that is missing.
    """

    available: bool
    why_not: str = ""
    download_from: str = ""


@dataclass(frozen=True, kw_only=True)
class EmbedderSpec:
    """A model that can be named.

    Attributes:
        name: as in commands: ``zoo/mae``, ``timm:tf_efficientnet_lite0``, ``baseline/pixels``.
        family: what kind of network or provider ("EfficientNet", "ViT", "baseline").
        objective: what it was trained for ("supervised", "MAE", "CLIP", "none").
        dim: length of an embedding; None where it is known only after loading.
        license: of the weights.
        weights: where they come from, in words.
        data: what it was trained on, in words.
        input_size: pixels of the side it receives; None where it is known after loading.
        download_mb: megabytes to download before first use; 0 if none.
        role: one of `ROLES` where the claims are tested on this encoder; empty for all others, ablations included.
        loader: (spec, options, device, precision) -> `LoadedEmbedder`; imports its libraries when called.
        check: () -> `Availability`, at once and without a deep-learning framework.
    """

    name: str
    family: str
    objective: str
    dim: int | None
    license: str
    weights: str
    data: str = ""
    input_size: int | None = None
    download_mb: float = 0.0
    role: str = ""
    loader: Callable[..., LoadedEmbedder] = field(repr=False)
    check: Callable[[], Availability] = field(default=lambda: Availability(True), repr=False)


class LoadedEmbedder(ABC):
    """A model in memory.

    Attributes:
        name: the full name, options included.
        dim: length of an embedding.
        device, precision: what it really runs on and in ("cpu", "bfloat16").
        batch_size: images of one forward pass; units are cut into batches of this size.
        batch_halved: whether that became less since memory ran out; the last bits of embeddings may then differ.
        embeds_pictures: whether it embeds any picture; precomputed embeddings cover the samples of a run alone.
        on_one_thread: whether it computes on the caller's thread alone. A run then calls it in a thread other than the
            one that loaded it, while it embeds with other models and makes pictures.
    """

    name: str
    dim: int
    device: str = "cpu"
    precision: str = "float32"
    batch_size: int = 64
    batch_halved: bool = False
    embeds_pictures: bool = True
    on_one_thread: bool = False

    @abstractmethod
    def embed(self, images: Sequence[Image]) -> np.ndarray:
        """Return embeddings (N, D) ``float32`` of ``images`` of any sizes, in their order.

        Raises:
            BadImage: one of them is neither (H, W, 3) nor (H, W) ``uint8``.
        """

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Return every input that changes the embeddings: weights hash, preprocessing, pooling, layer, precision,
        library versions. JSON types only; it is hashed into the key of its embeddings and shown on Methods and data."""

    def embed_layers(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        """Return a mapping from full model name to embeddings: one entry, or one a layer, from one pass, if the name
        asked for ``@layer=all``."""
        return {self.name: self.embed(images)}

    def recipes(self) -> Mapping[str, dict[str, Any]]:
        """Return a mapping from full model name to `recipe`, with one entry for each that `embed_layers` gives."""
        return {self.name: self.recipe()}

    def dims(self) -> Mapping[str, int]:
        """Return a mapping from full model name to the length of its embedding, with one entry for each that
        `embed_layers` gives."""
        return dict.fromkeys(self.recipes(), self.dim)

    @property
    def shared_preprocessing(self) -> Preprocessing | None:
        """Preprocessing whose batches other models with the same one may take; None if its batches are its own."""
        return None

    @property
    def known_preprocessing(self) -> Preprocessing | None:
        """Steps before the network, whose result `embed_batch` takes; None where the model is no network, or prepares
        pictures by a function of its own."""
        return None

    def embed_batch(self, batch: np.ndarray) -> np.ndarray:
        """Return embeddings (N, D) ``float32`` of a batch (N, H, W, 3) ``float32`` that is ready for the network.

        Raises:
            BadConfig: it takes no batches (`known_preprocessing` is None).
        """
        raise BadConfig(f"'{self.name}' takes pictures alone, no batches that are ready for a network.")

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the outputs of `embed_blocks`, first block to last: ``"1.cls"``, ``"1.mean"``, ... Empty for models
        that are no network, that were asked for layers by ``@layer=``, or whose blocks give what cannot be pooled."""
        return ()

    def embed_blocks(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        """Return (N, D) ``float32`` for each of `blocks`, from one pass: the output of the blocks, pooled in every way
        that the network allows."""
        return {}

    def embed_samples(self, images: Sequence[Image], samples: pd.DataFrame) -> Mapping[str, np.ndarray]:
        """Return the embeddings, as `embed_layers` does, for the samples of a run: rows of ``samples`` (image_id,
        transform, repetition, draw) and their pictures. Only precomputed embeddings need the rows."""
        return self.embed_layers(images)

    def close(self) -> None:  # noqa: B027 - most embedders hold nothing but what Python frees
        """Release the memory."""
