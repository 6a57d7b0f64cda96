"""Outputs of a network that a model name selects with ``@pool=`` and ``@layer=``.

A `Network` has one function for its default embedding. All other outputs are read from its features or its blocks
during a forward pass and pooled over patches. For example, in a ViT with a class token and 12 blocks:

- ``timm:vit_base_patch16_224.mae``: the default embedding, as documented by the library.
- ``…@pool=mean``: the mean of the patch tokens after the last norm.
- ``…@layer=4``: tokens after the fourth block, pooled as the network does by default.
- ``…@layer=all``: one embedding for each block, all computed in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

from probing_core.errors import BadConfig
from probing_core.models.network_facts import Network

if TYPE_CHECKING:
    import torch
    from torch import nn


class Readouts:
    """Outputs of a network that are selected by the options in a model name.

    Args:
        name: full model name, for messages.
        options: options in the name, of which only ``pool`` and ``layer`` are used.
        batch: two preprocessed images, used in a forward pass that determines the number of tokens in each block.

    Attributes:
        asked: (layer, pooling) of each selected output; the layer is None for the default embedding.
        first: outputs of `read` for ``batch``, computed in float32.
        blocks: (layer, pooling) of every block, with the pooling in the name or every supported pooling; empty if the
            name selects a layer or if a block cannot be pooled.
    """

    def __init__(self, name: str, network: Network, options: Mapping[str, str], batch: torch.Tensor) -> None:
        self._network, self._pool = network, options.get("pool")
        layers = _asked_layers(name, options.get("layer"), len(network.blocks))
        if self._pool and network.features is None and not layers:
            raise BadConfig(f"'{name}': this model does not support '@pool='. Remove the option.")
        if self._pool == "cls" and not network.class_token:
            raise BadConfig(f"'{name}': this model has no class token. Use '@pool=mean'.")
        with _captured(network.blocks) as outputs:
            output = network.embed(batch)
        self._prefixes = _count_prefixes(network, batch, outputs)
        for layer in layers:
            if self._pool == "cls" and self._prefixes[layer - 1] == 0:
                raise BadConfig(
                    f"'{name}': this model adds its class token only after layer {layer}. Use '@pool=mean' instead."
                )
        # the option in the name, or the default of the network if the layer supports it
        defaults = (network.pool if self._prefixes[layer - 1] != 0 else "mean" for layer in layers)
        self._layers = [(layer, self._pool or default) for layer, default in zip(layers, defaults, strict=True)]
        self.asked: Sequence[tuple[int | None, str]] = self._layers or [(None, self._pool or network.pooling)]
        self.blocks = () if layers or None in self._prefixes else tuple(self._readable_blocks())
        self.first = self.read(batch) if layers or self._pool else [output]

    def read(self, batch: torch.Tensor) -> list[torch.Tensor]:
        """Compute the embeddings (N, D) for each requested layer and pooling."""
        network = self._network
        if self._layers:
            return self._read_layers(self._layers, batch)
        if self._pool is None:
            return [network.embed(batch)]
        assert network.features is not None
        return [_pooled(network.features(batch), self._pool, network, network.prefix)]

    def read_blocks(self, batch: torch.Tensor) -> list[torch.Tensor]:
        return self._read_layers(self.blocks, batch)

    def _read_layers(self, poolings: Sequence[tuple[int, str]], batch: torch.Tensor) -> list[torch.Tensor]:
        network = self._network
        with _captured([network.blocks[layer - 1] for layer, _ in poolings]) as outputs:
            network.embed(batch)
        prefixes = (self._prefixes[layer - 1] for layer, _ in poolings)
        return [
            _pooled(output, pool, network, network.prefix if prefix is None else prefix)
            for (_, pool), output, prefix in zip(poolings, outputs, prefixes, strict=True)
        ]

    def _readable_blocks(self) -> Iterator[tuple[int, str]]:
        for layer, prefix in enumerate(self._prefixes, 1):
            poolings = ("cls", "mean") if self._network.class_token and prefix else ("mean",)
            yield from ((layer, pool) for pool in poolings if self._pool in (None, pool))


def _count_prefixes(network: Network, batch: torch.Tensor, outputs: Sequence[Any]) -> list[int | None]:
    """Return the number of tokens before the patch tokens for each block, or None if the block cannot be pooled.

    If a block outputs as many tokens as the features of the network, it includes all prefix tokens. Blocks before the
    layer that adds the prefix tokens (CaiT, XCiT, ConViT) output fewer tokens, by the number of prefix tokens.
    """
    if not network.blocks:
        return []
    if not network.prefix or network.features is None:
        return [network.prefix if _can_be_pooled(output, len(batch)) else None for output in outputs]
    tokens = network.features(batch).shape[1]
    prefix_by_count = {tokens: network.prefix, tokens - network.prefix: 0}
    return [prefix_by_count.get(output.shape[1]) if _can_be_pooled(output, len(batch)) else None for output in outputs]


@contextmanager
def _captured(blocks: Sequence[nn.Module]) -> Iterator[list[Any]]:
    """Yield a list that a forward pass within the context fills with the outputs of ``blocks``."""
    outputs: list[Any] = [None] * len(blocks)
    thread = get_ident()

    def capture(position: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if get_ident() == thread:  # other threads may run the same module at the same time
                outputs[position] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [block.register_forward_hook(capture(position)) for position, block in enumerate(blocks)]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _can_be_pooled(output: Any, images: int) -> bool:
    # some blocks are never called, or return lists of tensors
    import torch

    return isinstance(output, torch.Tensor) and output.ndim in (3, 4) and len(output) == images


def _pooled(features: torch.Tensor, pool: str, network: Network, prefix: int) -> torch.Tensor:
    """Pool tokens (N, L, D) or a feature map (4 axes) to (N, D). The first ``prefix`` tokens are not patches."""
    features = features.float()  # average in float32 for every precision
    if features.ndim == 4:
        return features.mean((2, 3)) if network.maps == "NCHW" else features.mean((1, 2))
    return features[:, 0] if pool == "cls" else features[:, prefix:].mean(1)


def _asked_layers(name: str, layer: str | None, count: int) -> list[int]:
    if layer is None:
        return []
    if count == 0:
        raise BadConfig(f"'{name}': this model has no selectable layers. Remove '@layer='.")
    if layer == "all":
        return list(range(1, count + 1))
    if int(layer) > count:
        raise BadConfig(f"'{name}': expected a layer from 1 to {count}, or 'all'; got {layer}.")
    return [int(layer)]
