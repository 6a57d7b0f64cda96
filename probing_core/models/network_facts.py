"""A network as providers describe it: its module, and how it embeds, pools and prepares images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

    Read = Callable[[torch.Tensor], list[torch.Tensor]]
    """Batch on the device -> (N, D) each."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A module with the facts that embedding needs.

    Attributes:
        module: it holds every weight.
        embed: batch -> (N, D), the checkpoint's own embedding, by the library's documented call.
        pooling: how that embedding is pooled, in words.
        prepare: pictures -> batch (N, 3, H, W), by the library's own processor; None: by the preprocessing's data.
        features: batch -> tokens or map after the last block and norm, for ``@pool=``.
        blocks: modules whose outputs ``@layer=`` pools, first to last.
        maps: axes of feature maps, where the blocks give maps and not tokens.
        prefix: number of tokens before those of the patches (class, registers); in some networks they join late.
        class_token: whether the first of them is a class token.
        pool: pooling of a layer where the name states none.
        exact: names of modules that are computed in float32 whatever the precision, since rounding spoils them.
        weights: digest of the weights, where it is not that of their bytes.
        details: other facts that change the embeddings, in JSON types.
        versions: library -> version, of those that compute the embedding.
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
    details: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
