"""A spec that is cheap to list, and the loaded model that its loader makes.

Specs import no deep-learning framework; loaders do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import pandas as pd

Precision = Literal["auto", "float32", "bfloat16", "float16"]

ROLES = ("supervised", "SimCLR", "MAE", "CAN", "CLIP", "ALIGN")
"""Roles of encoders in the five claims: the objectives of the six embeddings of arXiv 2307.05610."""


@dataclass(frozen=True)
class Preprocessing:
    """The checkpoint's own steps from a picture to the network, as data; part of the key of its embeddings.

    Attributes:
        size: (height, width) in pixels that the network receives.
        resize: ``"shorter"`` scales the shorter side to ``size / crop`` (rounded down) and crops the center;
            ``"squash"`` scales both sides likewise, ``"none"`` leaves the picture unchanged.
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
        for name in ("size", "mean", "std"):  # lists have no hash
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Availability:
    """Whether a model can be used here and now, and if not, why.

    Attributes:
        download_from: the address of the server of the weights (``https://host``), where only the network is missing.
    """

    available: bool
    why_not: str = ""
    download_from: str = ""


@dataclass(frozen=True, kw_only=True)
class EmbedderSpec:
    """A model that can be named.

    Attributes:
        name: as in commands, without options.
        family: kind of network or provider ("EfficientNet", "ViT", "baseline").
        weights: their source, in words.
        objective: of its training ("supervised", "MAE", "CLIP", "none").
        dim: length of an embedding; None if unknown before loading.
        data: what it was trained on, in words.
        input_size: side in pixels of its input; None if unknown before loading.
        download_mb: megabytes to download before first use.
        role: one of `ROLES` where the claims are tested on this encoder; else empty.
        loader: (`ModelName` with its options, device, precision) -> `LoadedEmbedder`.
        check: () -> `Availability`, at once and without a deep-learning framework.
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


class LoadedEmbedder(ABC):
    """A model in memory.

    Attributes:
        name: the full name, including options.
        device, precision: where and in which precision it runs ("cpu", "bfloat16").
        batch_size: images of one forward pass.
        embeds_pictures: whether it embeds any picture; precomputed embeddings cover the samples of a run alone.
        on_one_thread: whether it computes on the caller's thread alone, which may be another than the loader's.
        known_preprocessing: steps before the network, where there are no others.
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
        """Return embeddings (N, D) ``float32`` of ``images``, of any sizes.

        Raises:
            BadImage: one of them is neither (H, W, 3) nor (H, W) ``uint8``.
        """

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Return every input that changes the embeddings, in JSON types; it is hashed into their key."""

    def embed_layers(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        """Return full model name -> embeddings, computed in one pass: one entry, or for ``@layer=all`` one for each
        layer."""
        return {self.name: self.embed(images)}

    def recipes(self) -> Mapping[str, dict[str, Any]]:
        """Return full model name -> `recipe`, for each entry of `embed_layers`."""
        return {self.name: self.recipe()}

    def dims(self) -> Mapping[str, int]:
        """Return full model name -> length of its embedding, for each entry of `embed_layers`."""
        return dict.fromkeys(self.recipes(), self.dim)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the outputs of `embed_blocks`, first block to last: ``"1.cls"``, ``"1.mean"``, ...

        Empty for models that are no network, that have ``@layer=``, or whose blocks cannot be pooled.
        """
        return ()

    def embed_blocks(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        """Return (N, D) ``float32`` for each of `blocks`, from one pass."""
        return {}

    def embed_samples(self, images: Sequence[Image], samples: pd.DataFrame) -> Mapping[str, np.ndarray]:
        """Return the result of `embed_layers` for the pictures of the rows ``samples`` of a run.

        Only precomputed embeddings need the rows (image_id, transform, repetition, draw).
        """
        return self.embed_layers(images)

    def keep_embedding(self) -> None:  # noqa: B027 - most hold nothing else
        """Release what `embed` and `embed_layers` do not need; after this, nothing else may be called."""

    def close(self) -> None:  # noqa: B027 - most embedders hold nothing but what Python frees
        """Release the memory."""
