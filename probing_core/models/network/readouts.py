"""Readouts of a pass through a network: its own embedding, chosen layers, or every block in every pooling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

from probing_core.errors import BadConfig
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

    Read = Callable[[torch.Tensor], list[torch.Tensor]]
    """Batch on the device -> (N, D) each."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A module and what one must know to embed with it.

    Attributes:
        module: in evaluation mode once loaded; every weight lies in it.
        embed: batch -> (N, D), the checkpoint's own embedding, by the library's documented call.
        pooling: how that embedding is pooled, in words.
        prepare: pictures -> batch (N, 3, H, W), by the library's own processor; None: by the preprocessing's data.
        features: batch -> tokens or map after the last block and norm, for ``@pool=``; None if there is none.
        blocks: modules whose outputs ``@layer=`` pools, first to last.
        maps: axes of feature maps, where the blocks give maps and not tokens.
        prefix: number of tokens before those of the patches (class, registers); in some networks they join late, and
            the blocks before have none.
        class_token: whether the first of them is a class token.
        pool: pooling of a layer where the name states none: "cls" or "mean".
        exact: names of modules that are computed in float32 whatever the precision, since rounding spoils them.
        weights: digest of the weights, where it is not that of their bytes.
        details: what else changes the embeddings, in JSON types.
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


class Readouts:
    """The readouts of one network under the options of a name.

    Args:
        name: the full name, for messages.
        network: the module and its calls.
        options: of the name: ``pool`` and ``layer`` are used here.
        batch: two pictures as the network receives them. A pass over them, in float32, shows how many tokens each
            block gives.

    Attributes:
        layers: numbers of the layers that the name asks for, from 1; empty for the model's own embedding.
        all_layers: whether the name asks for each layer.
        first: what `read` gives of the two pictures.
        blocks: (layer, pooling) of every block, in every way that there is; empty where one of them cannot be pooled.

    Raises:
        BadConfig: the network has no such layer or pooling.
    """

    def __init__(self, name: str, network: Network, options: Mapping[str, str], batch: torch.Tensor) -> None:
        self._network = network
        self._pool = options.get("pool")
        self.all_layers = options.get("layer") == "all"
        self.layers = _asked_layers(name, options.get("layer"), len(network.blocks))
        _check_pool(name, self._pool, network, bool(self.layers))
        with _captured(network.blocks) as outputs:
            own = network.embed(batch)
        self._prefixes = _count_prefixes(network, batch, outputs)
        for layer in self.layers:
            if self._pool == "cls" and self._prefixes[layer - 1] == 0:
                raise BadConfig(
                    f"'{name}': the class token of this model joins after layer {layer}; its poolings there are: mean."
                )
        self.blocks = self._readable_blocks()
        self.first = self.read(batch) if self.layers or self._pool else [own]

    def pooling(self, layer: int | None) -> str:
        """Return how a layer, or the model's own embedding (None), is pooled."""
        if layer is None:
            return self._pool or self._network.pooling
        # as asked, else as the network is where the layer has what it takes
        return self._pool or (self._network.pool if self._prefixes[layer - 1] != 0 else "mean")

    def read(self, batch: torch.Tensor) -> list[torch.Tensor]:
        """Return (N, D) of the model's own embedding, or of each layer that the name asks for."""
        network = self._network
        if not self.layers:
            if self._pool is None:
                return [network.embed(batch)]
            assert network.features is not None
            return [_pooled(network.features(batch), self._pool, network, network.prefix)]
        with _captured([network.blocks[layer - 1] for layer in self.layers]) as outputs:
            network.embed(batch)
        pairs = zip(self.layers, outputs, strict=True)
        return [self._pooled_block(layer, output, self.pooling(layer)) for layer, output in pairs]

    def read_blocks(self, batch: torch.Tensor) -> list[torch.Tensor]:
        """Return (N, D) for each of `blocks`."""
        network = self._network
        with _captured(network.blocks) as outputs:
            network.embed(batch)
        return [self._pooled_block(layer, outputs[layer - 1], pool) for layer, pool in self.blocks]

    def _pooled_block(self, layer: int, output: torch.Tensor, pool: str) -> torch.Tensor:
        prefix = self._prefixes[layer - 1]
        return _pooled(output, pool, self._network, self._network.prefix if prefix is None else prefix)

    def _readable_blocks(self) -> tuple[tuple[int, str], ...]:
        if self.layers or any(prefix is None for prefix in self._prefixes):
            return ()

        def poolings(prefix: int | None) -> list[str]:
            there = ["cls", "mean"] if self._network.class_token and prefix else ["mean"]
            return [pool for pool in there if self._pool in (None, pool)]

        return tuple((layer, pool) for layer, prefix in enumerate(self._prefixes, 1) for pool in poolings(prefix))


def _count_prefixes(network: Network, batch: torch.Tensor, outputs: Sequence[Any]) -> list[int | None]:
    """Return how many tokens precede those of the patches in the ``outputs`` of the blocks; None where they cannot be
    pooled.

    A block that gives as many tokens as the network's features do has all of them, and one that lacks exactly these
    has none yet (CaiT, XCiT, ConViT).
    """
    if not network.blocks:
        return []
    if not network.prefix or network.features is None:
        return [network.prefix if _can_be_pooled(output, len(batch)) else None for output in outputs]
    tokens = network.features(batch).shape[1]
    known = {tokens: network.prefix, tokens - network.prefix: 0}
    return [known.get(output.shape[1]) if _can_be_pooled(output, len(batch)) else None for output in outputs]


@contextmanager
def _captured(blocks: Sequence[nn.Module]) -> Iterator[list[Any]]:
    """Yield a list of the outputs of ``blocks``, in the order given, which a forward pass inside the context fills."""
    outputs: list[Any] = [None] * len(blocks)
    mine = get_ident()

    def capture(position: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if get_ident() == mine:  # other threads pass through the same module at the same time
                outputs[position] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [block.register_forward_hook(capture(position)) for position, block in enumerate(blocks)]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _can_be_pooled(output: Any, images: int) -> bool:
    """Return whether a block gave tokens or a map for each picture; some are never called, or give lists of several."""
    import torch

    return isinstance(output, torch.Tensor) and output.ndim in (3, 4) and len(output) == images


def _pooled(features: torch.Tensor, pool: str, network: Network, prefix: int) -> torch.Tensor:
    """Pool tokens (N, L, D), ``prefix`` of them before the patches, or a map (4 axes), to (N, D).

    Means are taken in float32, whatever the precision.
    """
    features = features.float()
    if features.ndim == 4:
        return features.mean((2, 3)) if network.maps == "NCHW" else features.mean((1, 2))
    return features[:, 0] if pool == "cls" else features[:, prefix:].mean(1)


def _asked_layers(name: str, layer: str | None, count: int) -> list[int]:
    if layer is None:
        return []
    if count == 0:
        raise BadConfig(f"'{name}': this model gives no layers to choose from; leave '@layer=' away.")
    if layer == "all":
        return list(range(1, count + 1))
    if int(layer) > count:
        raise BadConfig(f"'{name}': this model has layers 1 to {count}, or 'all'; got {layer}.")
    return [int(layer)]


def _check_pool(name: str, pool: str | None, network: Network, layered: bool) -> None:
    if pool is None:
        return
    if network.features is None and not layered:
        raise BadConfig(f"'{name}': this model gives its own embedding only; leave '@pool=' away.")
    if pool == "cls" and not network.class_token:
        raise BadConfig(f"'{name}': this model has no class token; its poolings are: mean.")
