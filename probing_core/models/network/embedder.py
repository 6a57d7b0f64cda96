"""Shared parts of every network: batches, precision, one pass for all layers, memory that runs out.

A provider builds a `Network`: the module, its own embedding as the library documents it, and where its blocks are.
`NetworkEmbedder` does the rest; `Forward` decides what computes its passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.errors import BadConfig, ModelUnavailable
from probing_core.images import as_image
from probing_core.models.base import LoadedEmbedder, Preprocessing
from probing_core.models.names import refuse_options, with_layer
from probing_core.models.network import compiled
from probing_core.models.network.cpu_batches import AHEAD, BatchThreads
from probing_core.models.network.devices import resolve_device, resolve_precision
from probing_core.models.network.forward import Forward
from probing_core.models.network.memory import free_memory, out_of_memory
from probing_core.models.network.preprocessing import make_batch
from probing_core.models.network.readouts import Network
from probing_core.models.network.shared import SharedPictures
from probing_core.models.weights import weights_digest
from probing_core.transforms.base import Image

if TYPE_CHECKING:
    import torch

__all__ = ["Network", "NetworkEmbedder"]


class NetworkEmbedder(LoadedEmbedder):
    """Embeds with a `Network`.

    Args:
        name: the full canonical name.
        network: the module and its calls.
        preprocessing: the checkpoint's own.
        options: of the name: ``pool`` and ``layer`` are used here.
        device, precision: as asked, "auto" included.
        batch_size: images of one forward pass at most; if not given, what pays on the device.
        threads: passes side by side on a processor; as many as PyTorch takes in this thread if not given.

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
        threads: int | None = None,
    ) -> None:
        import torch

        refuse_options(name, options, allowed=("pool", "layer", "weights"))
        self.name = name
        self.preprocessing = preprocessing
        target = resolve_device(device)
        self.device, self.precision = str(target), resolve_precision(precision, target)
        self._network = network
        self._weights = network.weights or weights_digest(network.module.state_dict())
        # Channels last: convolutions run faster on CPU, transformers as fast as before.
        network.module.eval().to(target)
        network.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        threads = threads or torch.get_num_threads()
        self._threads = BatchThreads(target, threads)
        two = self.prepare(_two_pictures(preprocessing))
        self._forward = Forward(
            name,
            network,
            preprocessing,
            options,
            two,
            self.device,
            self.precision,
            threads,
            self._weights,
            batch_size or compiled.BATCH,
        )
        self._choose_batch_size(batch_size)
        self._dims = self._forward.dims
        self.dim = self._dims[-1]

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        if self._readouts.all_layers:
            raise BadConfig(f"'{self.name}' has one embedding for each layer: call embed_layers, or name one layer.")
        if not isinstance(images, SharedPictures):  # those are a run's own, and made
            images = [as_image(image) for image in images]
        return self.embed_layers(images)[self._names()[0]]

    def embed_layers(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        if not images:  # a run without large pictures has no crops: nothing is computed for their shape alone
            return {name: np.empty((0, dim), np.float32) for name, dim in self.dims().items()}
        return dict(zip(self._names(), self._in_batches(images, self._forward.own), strict=True))

    @property
    def blocks(self) -> tuple[str, ...]:
        return tuple(f"{layer}.{pool}" for layer, pool in self._readouts.blocks)

    def embed_blocks(self, images: Sequence[Image]) -> Mapping[str, np.ndarray]:
        if not self.blocks:
            return {}
        return dict(zip(self.blocks, self._in_batches(images, self._forward.blocks), strict=True))

    def recipe(self) -> dict[str, Any]:
        layers = self._readouts.layers
        return self._recipe(layers[-1] if layers else None)

    def recipes(self) -> Mapping[str, dict[str, Any]]:
        layers: Sequence[int | None] = self._readouts.layers or [None]
        return {name: self._recipe(layer) for name, layer in zip(self._names(), layers, strict=True)}

    def close(self) -> None:
        for held in ("_network", "_forward"):
            self.__dict__.pop(held, None)
        free_memory(self.device)

    def dims(self) -> Mapping[str, int]:
        return dict(zip(self._names(), self._dims, strict=True))

    @property
    def engine(self) -> str:
        """Engine that computes the embeddings: "PyTorch", or "OpenVINO" with its version."""
        return self._forward.engine

    def run_in_pytorch(self) -> None:
        """Replace the compiled network, if there is one, by PyTorch, to compare the two."""
        self._forward.run_in_pytorch()
        self._choose_batch_size()

    def prepare(self, images: Sequence[Image]) -> torch.Tensor:
        """Return the input of the network: (N, 3, H, W) ``float32`` on the CPU, channels last in memory."""
        import torch

        if self._network.prepare is not None:
            return self._network.prepare(images).contiguous(memory_format=torch.channels_last)
        batch = make_batch(images, self.preprocessing, self._threads.each_picture)
        return torch.from_numpy(batch).permute(0, 3, 1, 2)  # a view: nothing is copied

    def forward(self, batch: torch.Tensor) -> list[np.ndarray]:
        """Compute one pass over a batch from `prepare`: (N, D) for each of the names that `embed_layers` gives."""
        return self._forward.own(batch)

    def forward_all(self, batches: Sequence[torch.Tensor]) -> list[list[np.ndarray]]:
        """Compute `forward` of several batches from `prepare`, in parallel where that is faster; nothing else is
        done."""
        return list(self._threads.run(self.forward, batches, self._of_each_core))

    @property
    def shared_preprocessing(self) -> Preprocessing | None:
        """Preprocessing of a compiled network; None in PyTorch, which works on copies: sharing gains nothing."""
        return self.preprocessing if self._forward.compiled and self._network.prepare is None else None

    @property
    def known_preprocessing(self) -> Preprocessing | None:
        return self.preprocessing if self._network.prepare is None else None

    def embed_batch(self, batch: np.ndarray) -> np.ndarray:
        import torch

        ready = torch.from_numpy(batch).permute(0, 3, 1, 2)
        parts = [self.forward(ready[i : i + self.batch_size])[-1] for i in range(0, len(ready), self.batch_size)]
        return np.concatenate(parts)

    @property
    def _of_each_core(self) -> int:
        return AHEAD if self._forward.compiled else 1

    @property
    def _readouts(self) -> Any:
        return self._forward.readouts

    def _choose_batch_size(self, asked: int | None = None) -> None:
        usual = compiled.BATCH if self._forward.compiled else self._threads.batch_size(self._network.module)
        self.batch_size = asked or usual
        self._recorded_batch_size = self.batch_size  # memory that ran short is no other recipe

    def _in_batches(
        self, images: Sequence[Image], forward: Callable[[torch.Tensor], list[np.ndarray]]
    ) -> list[np.ndarray]:
        """Return every output of ``forward`` for all ``images``, computed batch by batch."""
        if not images:
            return [output[:0] for output in forward(self.prepare(_two_pictures(self.preprocessing)))]

        def embed(batch: range) -> list[np.ndarray]:
            return forward(self._batch(images, batch))

        done: list[list[np.ndarray]] = []
        position = 0
        while position < len(images):
            batches = self._threads.batches(range(position, len(images)), self.batch_size)
            try:
                for outputs in self._threads.run(embed, batches, self._of_each_core):
                    done.append(outputs)
                    position += len(outputs[0])
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if self.batch_size == 1:
                    raise ModelUnavailable(
                        f"'{self.name}' runs out of memory on {self.device} with a single picture; "
                        f"free some, or take another device or precision."
                    ) from error
                if isinstance(images, SharedPictures):
                    images.forget()
                self._halve_batch()
        self._threads.release()
        return [np.concatenate(outputs) for outputs in zip(*done, strict=True)]

    def _batch(self, images: Sequence[Image], positions: range) -> torch.Tensor:
        """Return `prepare` of the pictures at ``positions``, or the batch that another network prepared from them."""

        def make() -> torch.Tensor:
            return self.prepare(images[positions.start : positions.stop])

        shared = self.shared_preprocessing
        if shared is None or not isinstance(images, SharedPictures):
            return make()
        return images.batch(shared, positions, make)

    def _halve_batch(self) -> None:
        import torch

        self.batch_size //= 2
        self.batch_halved = True
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def _names(self) -> list[str]:
        """Return the full names of the outputs of one pass: one, or one for each layer."""
        readouts = self._readouts
        return [with_layer(self.name, layer) for layer in readouts.layers] if readouts.all_layers else [self.name]

    def _recipe(self, layer: int | None) -> dict[str, Any]:
        import torch

        network = self._network
        return {
            "weights": self._weights,
            "preprocessing": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.preprocessing).items()},
            "pooling": self._readouts.pooling(layer),
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
    """Return two pictures on which networks give embeddings that differ: noise, and a slope from black to white."""
    height, width = preprocessing.size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    slope = np.linspace(0, 255, width).astype(np.uint8)[None, :, None]
    return [noise, np.ascontiguousarray(np.broadcast_to(slope, noise.shape))]
