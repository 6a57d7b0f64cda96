"""Description of a network, created by its provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from probing_core.transforms.transformation import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

    Read = Callable[[torch.Tensor], list[torch.Tensor]]
    """Function that maps a batch on the device to a list of outputs (N, D)."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A module with the properties required to compute embeddings.

    Attributes:
        module: module with all weights.
        embed: function that maps a batch to the default embeddings (N, D), computed as documented by the library.
        pooling: description of the pooling of ``embed``.
        prepare: function that maps images to a batch (N, 3, H, W) with the processor of the library; None to use
            `Preprocessing`.
        features: function that maps a batch to tokens or a feature map after the last block and norm, for ``@pool=``.
        blocks: modules whose outputs ``@layer=`` pools, first to last.
        maps: axis order of feature maps.
        prefix: number of tokens before the patch tokens (class token, registers). Some networks add these tokens after
            the first blocks.
        class_token: whether the first token is a class token.
        pool: default pooling of layers.
        exact: names of modules that are always computed in float32, because they are sensitive to rounding.
        weights: digest of the weights; by default, computed from their bytes.
        is_random: whether the weights are random. If so, compiled networks are not stored in the cache folder.
        details: other settings that affect the embeddings, as JSON types.
        versions: versions of the libraries that compute the embeddings.
    """

    module: nn.Module
    embed: Callable[[torch.Tensor], torch.Tensor]
    pooling: str
    prepare: Callable[[Sequence[Image]], torch.Tensor] | None = None
    features: Callable[[torch.Tensor], torch.Tensor] | None = None
    blocks: Sequence[nn.Module] = ()
    maps: Literal["NCHW", "NHWC"] = "NCHW"
    prefix: int = 0
    class_token: bool = False
    pool: Literal["cls", "mean"] = "mean"
    exact: Sequence[str] = ()
    weights: str = ""
    is_random: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
