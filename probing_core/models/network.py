"""Embedding with neural networks. A provider builds a `Network`, and `NetworkEmbedder` computes embeddings with it.

    embedder = NetworkEmbedder("zoo/mae", network, preprocessing, options={})
    embedder.embed(images)  # (N, D)

1. `Readouts` selects the outputs that the model name asks for, such as one layer.
2. `compile_readout` compiles the forward pass with OpenVINO. If this is not possible, or if the compiled network
   disagrees with PyTorch for two images, PyTorch computes the outputs.
3. `NetworkEmbedder._in_batches` preprocesses images while the network computes the previous batch, and halves the batch
   size if memory runs out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.images import to_images
from probing_core.models import compiled
from probing_core.models.compiled import CompiledReadout, Disagrees, NotCompiled
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.hub import weights_digest
from probing_core.models.model_names import refuse_options, with_layer
from probing_core.models.network_facts import Network
from probing_core.models.preprocessing import Preprocessing, make_batch
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
from probing_core.models.readouts import Readouts
from probing_core.transforms.transformation import Image

if TYPE_CHECKING:
    import torch
    from torch import nn

    from probing_core.models.network_facts import Read

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
