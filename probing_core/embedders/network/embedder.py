"""What every PyTorch model shares: batches, precision, one pass for all layers, memory that runs out.

A provider builds a `Network`: the module, its own embedding as the library documents it, and where its blocks are.
`NetworkEmbedder` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from probing_core.embedders.base import LoadedEmbedder, Preprocessing
from probing_core.embedders.names import refuse_options, with_layer
from probing_core.embedders.network.cpu_batches import Lanes
from probing_core.embedders.network.devices import resolve_device, resolve_precision
from probing_core.embedders.network.memory import give_back, out_of_memory
from probing_core.embedders.network.preprocessing import make_batch
from probing_core.embedders.weights import weights_digest
from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

    Encode = Callable[[torch.Tensor], list[torch.Tensor]]
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
        text: texts -> (N, D), for models with a text tower.
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
    text: Callable[[Sequence[str]], torch.Tensor] | None = None
    weights: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


class NetworkEmbedder(LoadedEmbedder):
    """Embeds with a `Network`.

    Args:
        name: the full canonical name.
        network: the module and its calls.
        preprocessing: the checkpoint's own.
        options: of the name: ``pool`` and ``layer`` are used here.
        device, precision: as asked, "auto" included.
        batch_size: images of one forward pass at most; if not given, what pays on the device.

    Raises:
        BadConfig: the network has no such layer or pooling, or the device or precision is not there.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        preprocessing: Preprocessing,
        options: Mapping[str, str],
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        import torch

        refuse_options(name, options, allowed=("pool", "layer", "weights"))
        self.name = name
        self.preprocessing = preprocessing
        self.batch_halved = False
        self._pool = options.get("pool")
        self._all_layers = options.get("layer") == "all"
        self._layers = _asked_layers(name, options.get("layer"), len(network.blocks))
        _check_pool(name, self._pool, network, bool(self._layers))
        target = resolve_device(device)
        self.device, self.precision = str(target), resolve_precision(precision, target)
        self._network = network
        self._weights = network.weights or weights_digest(network.module)
        # Channels last: convolutions run 1.3 to 1.5 times as fast on CPU, transformers as fast as before.
        network.module.eval().to(target)
        network.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.precision != "float32":
            for exact in network.exact:
                _compute_in_float32(network.module.get_submodule(exact), target.type)
        self._lanes = Lanes(target, torch.get_num_threads())
        self.batch_size = batch_size or self._lanes.batch_size(network.module)
        self._asked_batch_size = self.batch_size  # recorded: memory that ran short is no other recipe
        self._prefixes = self._count_prefixes()
        self._check_layers()
        self._blocks = self._readable_blocks()
        self._dims = [output.shape[1] for output in self.forward(self.prepare([self._blank()]))]
        self.dim = self._dims[-1]

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        if self._all_layers:
            raise BadConfig(f"'{self.name}' has one embedding for each layer: call embed_layers, or name one layer.")
        return self.embed_layers(images)[self._names()[0]]

    def embed_layers(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        return dict(zip(self._names(), self._passed(images, self._encode), strict=True))

    @property
    def blocks(self) -> tuple[str, ...]:
        return tuple(f"{layer}.{pool}" for layer, pool in self._blocks)

    def embed_blocks(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        if not self.blocks:
            return {}
        return dict(zip(self.blocks, self._passed(images, self._encode_blocks), strict=True))

    def _passed(self, images: Sequence[Image], encode: Encode) -> list[np.ndarray]:
        """All that ``encode`` gives of a batch, each for all ``images``."""
        parts: list[list[np.ndarray]] = []
        position = 0
        while position < len(images):
            batches = self._lanes.next_batches(images[position:], self.batch_size)
            try:
                parts += self._lanes.run(lambda batch: self.forward(self.prepare(batch), encode), batches)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if self.batch_size == 1:
                    raise ModelUnavailable(
                        f"'{self.name}' runs out of memory on {self.device} with a single picture; "
                        f"free some, or take another device or precision."
                    ) from error
                self._halve_batch()
                continue
            position += sum(map(len, batches))
        self._lanes.rest()
        if not parts:
            return [output[:0] for output in self.forward(self.prepare([self._blank()]), encode)]
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    def recipe(self) -> dict[str, Any]:
        return self._recipe(self._layers[-1] if self._layers else None)

    def recipes(self) -> Mapping[str, dict[str, Any]]:
        layers: Sequence[int | None] = self._layers or [None]
        return {name: self._recipe(layer) for name, layer in zip(self._names(), layers, strict=True)}

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        if self._network.text is None:
            return super().embed_text(texts)
        with self._inference():
            return self._network.text(texts).float().cpu().numpy()

    @property
    def embeds_text(self) -> bool:
        return self._network.text is not None

    def close(self) -> None:
        self.__dict__.pop("_network", None)
        give_back(self.device)

    def dims(self) -> Mapping[str, int]:
        return dict(zip(self._names(), self._dims, strict=True))

    def _names(self) -> list[str]:
        """Full names of what one pass gives: one, or one for each layer."""
        return [with_layer(self.name, layer) for layer in self._layers] if self._all_layers else [self.name]

    def _recipe(self, layer: int | None) -> dict[str, Any]:
        import torch

        network = self._network
        pooling = self._pool_of(layer) if layer else self._pool or network.pooling
        return {
            "weights": self._weights,
            "preprocessing": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.preprocessing).items()},
            "pooling": pooling,
            "layer": layer,
            "layers": len(network.blocks),
            "precision": self.precision,
            "float32_modules": [] if self.precision == "float32" else list(network.exact),
            "device": self.device.split(":")[0],
            "batch_size": self._asked_batch_size,
            **network.details,
            "libraries": {"torch": torch.__version__, **network.versions},
        }

    def prepare(self, images: Sequence[Image]) -> torch.Tensor:
        """What the network receives: (N, 3, H, W) ``float32`` on the CPU, channels last in memory."""
        import torch

        if self._network.prepare is not None:
            return self._network.prepare(images).contiguous(memory_format=torch.channels_last)
        batch = make_batch(images, self.preprocessing, self._lanes.each_picture)
        return torch.from_numpy(batch).permute(0, 3, 1, 2)  # a view: nothing is copied

    def forward(self, batch: torch.Tensor, encode: Encode | None = None) -> list[np.ndarray]:
        """One pass over a batch from `prepare`: (N, D) for each of the names that `embed_layers` gives.

        Args:
            encode: what is read out instead.
        """
        with self._inference():
            return [output.float().cpu().numpy() for output in (encode or self._encode)(batch.to(self.device))]

    def forward_all(self, batches: Sequence[torch.Tensor]) -> list[list[np.ndarray]]:
        """`forward` of several batches from `prepare`, side by side where that pays; nothing else is done."""
        return self._lanes.run(self.forward, batches)

    def _encode(self, batch: torch.Tensor) -> list[torch.Tensor]:
        network = self._network
        if not self._layers:
            if self._pool is None:
                return [network.embed(batch)]
            assert network.features is not None
            return [_pooled(network.features(batch), self._pool, network, network.prefix)]
        with _captured([network.blocks[layer - 1] for layer in self._layers]) as outputs:
            network.embed(batch)
        pairs = zip(self._layers, outputs, strict=True)
        return [self._pooled_block(layer, output, self._pool_of(layer)) for layer, output in pairs]

    def _encode_blocks(self, batch: torch.Tensor) -> list[torch.Tensor]:
        network = self._network
        with _captured(network.blocks) as outputs:
            network.embed(batch)
        return [self._pooled_block(layer, outputs[layer - 1], pool) for layer, pool in self._blocks]

    def _pooled_block(self, layer: int, output: torch.Tensor, pool: str) -> torch.Tensor:
        prefix = self._prefixes[layer - 1]
        return _pooled(output, pool, self._network, self._network.prefix if prefix is None else prefix)

    def _pool_of(self, layer: int) -> str:
        """How a layer is pooled: as asked, else as the network is where the layer has what it takes."""
        return self._pool or (self._network.pool if self._prefixes[layer - 1] != 0 else "mean")

    @contextmanager
    def _inference(self) -> Iterator[None]:
        import torch

        dtype = getattr(torch, self.precision)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.split(":")[0], dtype, enabled=dtype != torch.float32),
        ):
            yield

    def _count_prefixes(self) -> list[int | None]:
        """Tokens before those of the patches in the output of each block; None where it cannot be read.

        Found out by two blank pictures: a block that gives as many tokens as the network's features do has all of
        them, and one that lacks exactly these has none yet (CaiT, XCiT, ConViT).
        """
        network = self._network
        if not network.blocks:
            return []
        batch = self.prepare([self._blank()] * 2)
        with _captured(network.blocks) as outputs:
            self.forward(batch, lambda pictures: [network.embed(pictures)])
        if not network.prefix or network.features is None:
            return [network.prefix if _readable(output, len(batch)) else None for output in outputs]
        with self._inference():
            tokens = network.features(batch.to(self.device)).shape[1]
        known = {tokens: network.prefix, tokens - network.prefix: 0}
        return [known.get(output.shape[1]) if _readable(output, len(batch)) else None for output in outputs]

    def _check_layers(self) -> None:
        for layer in self._layers:
            if self._pool == "cls" and self._prefixes[layer - 1] == 0:
                raise BadConfig(
                    f"'{self.name}': the class token of this model joins after layer {layer}; its poolings there are: "
                    f"mean."
                )

    def _readable_blocks(self) -> tuple[tuple[int, str], ...]:
        """(layer, pooling) of every block, in every way that there is; none where one of them cannot be read."""
        if self._layers or any(prefix is None for prefix in self._prefixes):
            return ()
        network = self._network

        def poolings(prefix: int | None) -> list[str]:
            there = ["cls", "mean"] if network.class_token and prefix else ["mean"]
            return [pool for pool in there if self._pool in (None, pool)]

        return tuple((layer, pool) for layer, prefix in enumerate(self._prefixes, 1) for pool in poolings(prefix))

    def _blank(self) -> Image:
        return np.zeros((*self.preprocessing.size, 3), np.uint8)

    def _halve_batch(self) -> None:
        import torch

        self.batch_size //= 2
        self.batch_halved = True
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()


@contextmanager
def _captured(blocks: Sequence[nn.Module]) -> Iterator[list[Any]]:
    """The outputs of ``blocks`` in the order given, filled while a forward pass runs inside."""
    outputs: list[Any] = [None] * len(blocks)
    mine = get_ident()

    def keep(position: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if get_ident() == mine:  # other threads pass through the same module at the same time
                outputs[position] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [block.register_forward_hook(keep(position)) for position, block in enumerate(blocks)]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _readable(output: Any, images: int) -> bool:
    """Whether a block gave tokens or a map for each picture; some are never called, or give lists of several."""
    import torch

    return isinstance(output, torch.Tensor) and output.ndim in (3, 4) and len(output) == images


def _compute_in_float32(module: nn.Module, device_type: str) -> None:
    """Takes ``module`` out of autocast."""
    import torch

    forward = module.forward

    def exact(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device_type, enabled=False):
            return forward(batch.float())

    module.forward = exact


def _pooled(features: torch.Tensor, pool: str, network: Network, prefix: int) -> torch.Tensor:
    """(N, D) from tokens (N, L, D), ``prefix`` of them before the patches, or a map (4 axes).

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
