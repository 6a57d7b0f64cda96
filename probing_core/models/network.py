"""Embedding with neural networks. A provider builds a `Network`, and `NetworkEmbedder` computes embeddings with it.

`Readouts` selects the outputs of a forward pass, which is computed by PyTorch or OpenVINO.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.images import to_images
from probing_core.models import compiled
from probing_core.models.compiled import CompiledReadout, Disagrees, NotCompiled
from probing_core.models.embedder import LoadedEmbedder, Preprocessing
from probing_core.models.hub import weights_digest
from probing_core.models.model_names import refuse_options, with_layer
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import make_batch
from probing_core.models.processor import (
    AHEAD,
    BatchThreads,
    Pass,
    copied_from,
    copied_to,
    free_memory,
    out_of_memory,
    resolve_device,
    resolve_precision,
)
from probing_core.transforms.transformation import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

    from probing_core.models.network_facts import Read


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


log = logging.getLogger(__name__)

TIMED_PASSES = 2
"""Number of timed passes per engine. The shortest time is used."""


@cache  # once per process
def _report_missing() -> None:
    log.warning("OpenVINO is not installed, so networks run in PyTorch at half the speed. Run `pip install openvino`.")


def _compute_in_float32(module: nn.Module, device_type: str) -> None:
    import torch

    forward = module.forward

    def exact(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device_type, enabled=False):
            return forward(batch.float())

    module.forward = exact


class NetworkEmbedder(LoadedEmbedder):
    """Loaded model that embeds images with a `Network`. Instances are thread-safe.

    Args:
        name: full canonical name.
        options: options in the name.
        batch_size: maximum number of images per forward pass; by default, the most efficient number for the device.
        threads: number of simultaneous passes on a CPU; by default, ``torch.get_num_threads()``.

    Raises:
        BadConfig: an option is not supported by the network, or the device or precision is not available.
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
        threads: int | None = None,
    ) -> None:
        import torch

        refuse_options(name, options, allowed=("pool", "layer", "weights"))
        self.name = name
        self.preprocessing = preprocessing
        self.known_preprocessing = preprocessing if network.prepare is None else None
        self._device = resolve_device(device)
        self.device, self.precision = str(self._device), resolve_precision(precision, self._device)
        self._batch_size = batch_size
        self._network = network
        self._weights = network.weights or weights_digest(network.module.state_dict())
        # With channels last, convolutions run faster on a CPU, and transformers equally fast.
        network.module.eval().to(self._device)
        network.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._threads = BatchThreads(self._device, threads or torch.get_num_threads())
        self._two = self.prepare(_two_pictures(preprocessing))
        with torch.inference_mode():
            self._readouts = Readouts(name, network, options, self._two.to(self._device))
            first = copied_from(self._device, self._readouts.first)()
        self._lock = Lock()
        self._compiled: dict[Read, CompiledReadout | None] = {}
        self._choose_engine(first, any_precision=precision == "auto")
        self.batch_size = self._recorded_batch_size = self._usual_batch_size()
        names = [name]
        if options.get("layer") == "all":
            names = [with_layer(name, layer) for layer in range(1, len(network.blocks) + 1)]
        self._asked = dict(zip(names, self._readouts.asked, strict=True))
        self._dims = dict(zip(names, (array.shape[1] for array in first), strict=True))
        self.dim = self._dims[names[-1]]

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        if self.name not in self._asked:
            raise BadConfig(f"'{self.name}' has one embedding per layer. Call embed_layers, or select one layer.")
        return self.embed_layers(images)[self.name]

    def embed_layers(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        images = list(to_images(images))
        if not images:  # runs without large images have no tiles
            return {name: np.empty((0, dim), np.float32) for name, dim in self._dims.items()}
        return dict(zip(self._asked, self._in_batches(images, self._readouts.read), strict=True))

    @property
    def blocks(self) -> tuple[str, ...]:
        return tuple(f"{layer}.{pool}" for layer, pool in self._readouts.blocks)

    def embed_blocks(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        import torch

        if not self.blocks:
            return {}
        images = list(to_images(images))
        read = self._readouts.read_blocks
        with self._lock:
            if read not in self._compiled:  # rarely needed, so compiled at the first call
                with torch.inference_mode():
                    first = copied_from(self._device, read(self._two.to(self._device)))()
                self._compiled[read] = self._compiled_or_none(read, first)
        return dict(zip(self.blocks, self._in_batches(images, read), strict=True))

    def recipe(self) -> dict[str, Any]:
        return list(self.recipes().values())[-1]

    def recipes(self) -> Mapping[str, dict[str, Any]]:
        return {name: self._recipe(layer, pooling) for name, (layer, pooling) in self._asked.items()}

    def keep_embedding(self) -> None:
        if self._own:  # the compiled network has a copy of the weights
            self._network.module.to("meta")
        free_memory(self.device)

    def close(self) -> None:
        for name in ("_network", "_readouts", "_compiled"):
            self.__dict__.pop(name, None)
        free_memory(self.device)

    def dims(self) -> Mapping[str, int]:
        return self._dims

    @property
    def megabytes(self) -> float:
        """Size of the weights in megabytes, as 32-bit floats."""
        return 4 * sum(tensor.numel() for tensor in self._network.module.state_dict().values()) / 1e6

    @property
    def engine(self) -> str:
        """Name of the engine: "OpenVINO" with its version, or "PyTorch" (see the libraries in `recipe`)."""
        return f"OpenVINO {compiled.installed_version()}" if self._own else "PyTorch"

    def prepare(self, images: Sequence[Image]) -> torch.Tensor:
        """Preprocess images into network input (N, 3, H, W) ``float32`` on the CPU, channels last in memory."""
        import torch

        if self._network.prepare is not None:
            return self._network.prepare(images).contiguous(memory_format=torch.channels_last)
        batch = make_batch(images, self.preprocessing, self._threads.each_picture)
        return torch.from_numpy(batch).permute(0, 3, 1, 2)  # a view: nothing is copied

    def forward(self, batch: torch.Tensor) -> list[np.ndarray]:
        """Compute the embeddings (N, D) of a batch from `prepare` for all entries of `embed_layers` in one pass."""
        return self._begin(self._readouts.read, batch)()

    @property
    def _own(self) -> CompiledReadout | None:
        return self._compiled[self._readouts.read]

    def _choose_engine(self, expected: Sequence[np.ndarray], any_precision: bool) -> None:
        """Select the engine for `Readouts.read`: OpenVINO if possible, otherwise PyTorch (docs/engines.md).

        If OpenVINO in a lower precision disagrees with ``expected`` (the outputs in float32) and ``any_precision`` is
        true, select the fastest combination of engine and precision that agrees.
        """
        read, reason = self._readouts.read, None
        self._compiled[read] = None
        if self._can_be_compiled():
            try:
                self._compiled[read] = self._compile(read, expected, self.precision)
            except NotCompiled as error:
                reason = error
        if self.precision != "float32":
            for exact in self._network.exact:
                _compute_in_float32(self._network.module.get_submodule(exact), self._device.type)
        if isinstance(reason, Disagrees) and any_precision and self.precision != "float32":
            self.precision, self._compiled[read] = self._fastest(expected)
        if reason is not None:
            log.warning("'%s' runs in %s (%s): %s.", self.name, self.engine.split()[0], self.precision, reason)

    def _fastest(self, expected: Sequence[np.ndarray]) -> tuple[str, CompiledReadout | None]:
        """Time the combinations of precision and engine that agree with ``expected``, and return the fastest one.

        The engine is None for PyTorch.
        """
        read, lower = self._readouts.read, self.precision
        ways: list[tuple[str, CompiledReadout | None]] = [("float32", None)]
        with suppress(NotCompiled):
            ways.append(("float32", self._compile(read, expected, "float32")))
        with suppress(Disagrees):
            compiled.compare(self.forward(self._two), expected, lower, "PyTorch")
            ways.append((lower, None))
        seconds = []
        for way in ways:
            self.precision, self._compiled[read] = way
            seconds.append(self._seconds_per_image())
        return ways[int(np.argmin(seconds))]

    def _seconds_per_image(self) -> float:
        """Measure the time per image in seconds with forward passes on every core, after one warm-up pass."""
        import torch

        size, begin = self._usual_batch_size(), partial(self._begin, self._readouts.read)
        batch = self._two.repeat(-(-size // 2), 1, 1, 1)[:size]
        batches = [batch.contiguous(memory_format=torch.channels_last)] * self._threads.threads
        measured = []
        for _ in range(TIMED_PASSES + 1):
            start = time.perf_counter()
            for _ in self._threads.feed(lambda ready: ready, begin, batches, AHEAD if self._own else 1):
                pass
            measured.append(time.perf_counter() - start)
        return min(measured[1:]) / (size * len(batches))

    def _can_be_compiled(self) -> bool:
        any_size = self.known_preprocessing is not None and self.preprocessing.resize == "none"
        if self._device.type != "cpu" or self.precision not in compiled.PRECISION_HINTS or any_size:
            return False
        if not compiled.installed_version():
            _report_missing()
            return False
        return True

    def _compile(self, read: Read, expected: Sequence[np.ndarray], precision: str) -> CompiledReadout:
        size = self._batch_size or compiled.COMPILED_BATCH
        threads = self._threads.threads
        return compiled.compile_readout(self._network, read, self._two, expected, precision, threads, size)

    def _compiled_or_none(self, read: Read, expected: Sequence[np.ndarray]) -> CompiledReadout | None:
        """Compile ``read`` in the precision of the model; return None if it must run in PyTorch."""
        if not self._can_be_compiled():
            return None
        try:
            return self._compile(read, expected, self.precision)
        except NotCompiled as reason:
            log.warning("The layers of '%s' are computed in PyTorch: %s.", self.name, reason)
            return None

    def _begin(self, read: Read, batch: torch.Tensor) -> Pass[list[np.ndarray]]:
        """Start a forward pass, and return a function that waits for and returns its outputs (N, D) ``float32``."""
        import torch

        compiled_readout = self._compiled[read]
        if compiled_readout and compiled_readout.fits(batch):
            arrays = compiled_readout(batch)
            return lambda: arrays
        dtype = getattr(torch, self.precision)
        with torch.inference_mode(), torch.autocast(self._device.type, dtype, enabled=dtype != torch.float32):
            outputs = read(copied_to(self._device, batch))  # a copy, because a network may modify its input
            return copied_from(self._device, outputs)

    def _usual_batch_size(self) -> int:
        usual = compiled.COMPILED_BATCH if self._own else self._threads.batch_size(self._network.module)
        return self._batch_size or usual

    def _in_batches(self, images: Sequence[Image], read: Read) -> list[np.ndarray]:
        begin = partial(self._begin, read)
        if not images:
            return [output[:0] for output in begin(self.prepare(_two_pictures(self.preprocessing)))()]

        def prepare(batch: range) -> torch.Tensor:
            prepared = self.prepare(images[batch.start : batch.stop])
            # Pinned memory is copied asynchronously.
            return prepared.pin_memory() if self._device.type == "cuda" else prepared

        outputs_by_batch: list[list[np.ndarray]] = []
        position, size = 0, self.batch_size  # other threads may reduce `self.batch_size` in the meantime
        while position < len(images):
            batches = self._threads.batches(range(position, len(images)), size)
            try:
                for outputs in self._threads.feed(prepare, begin, batches, AHEAD if self._own else 1):
                    outputs_by_batch.append(outputs)
                    position += len(outputs[0])
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if size == 1:
                    raise ModelUnavailable(
                        f"'{self.name}' runs out of memory on {self.device} with a single image. "
                        f"Free some memory, or use a different device or precision."
                    ) from error
                size //= 2
                self.batch_size = min(self.batch_size, size)  # for later calls, without changing the recipe
                free_memory(self.device)
        self._threads.release()
        return [np.concatenate(outputs) for outputs in zip(*outputs_by_batch, strict=True)]

    def _recipe(self, layer: int | None, pooling: str) -> dict[str, Any]:
        import torch

        network = self._network
        return {
            "weights": self._weights,
            "preprocessing": self.preprocessing.to_json(),
            "pooling": pooling,
            "layer": layer,
            "layers": len(network.blocks),
            "precision": self.precision,
            "float32_modules": [] if self.precision == "float32" else list(network.exact),
            "device": self.device.split(":")[0],
            "engine": self.engine,
            "batch_size": self._recorded_batch_size,
            **network.details,
            "libraries": {"torch": torch.__version__, **network.versions},
        }


def _two_pictures(preprocessing: Preprocessing) -> list[Image]:
    """Return two images with different embeddings: noise, and a gradient from black to white."""
    height, width = preprocessing.size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    slope = np.linspace(0, 255, width).astype(np.uint8)[None, :, None]
    return [noise, np.ascontiguousarray(np.broadcast_to(slope, noise.shape))]
