"""The forward pass of a network: compiled by OpenVINO on a processor, where that can be done; else by PyTorch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.models.base import Preprocessing
from probing_core.models.network import compiled
from probing_core.models.network.compiled import CompiledReadout, NotCompiled
from probing_core.models.network.readouts import Network, Readouts

if TYPE_CHECKING:
    import torch
    from torch import nn

    from probing_core.models.network.readouts import Read

PYTORCH = "PyTorch"
"""The engine of networks that are not compiled; its version stands under ``libraries``."""

log = logging.getLogger(__name__)


class Forward:
    """Passes through a network in memory, for any number of threads.

    Args:
        name: the full name, for messages.
        network: the module, on its device, and its calls.
        preprocessing: of its pictures.
        options: of the name: ``pool`` and ``layer`` are used here.
        two: a batch of two pictures as `NetworkEmbedder.prepare` makes it; the engines are compared on it.
        device, precision: resolved.
        threads: how many passes run side by side on a processor.
        batch_size: pictures of a compiled pass.

    Attributes:
        readouts: what is read from a pass.
        dims: lengths of what `own` gives.
        compiled: whether OpenVINO computes the model's own embedding.

    Raises:
        BadConfig: the network has no such layer or pooling.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        preprocessing: Preprocessing,
        options: Mapping[str, str],
        two: torch.Tensor,
        device: str,
        precision: str,
        threads: int,
        batch_size: int = compiled.BATCH,
    ) -> None:
        import torch

        self._name, self._network = name, network
        self._device, self._precision, self._threads = device, precision, threads
        self._any_size = network.prepare is None and preprocessing.resize == "none"
        self._two, self._batch_size = two, batch_size
        self._lock = Lock()
        self._rounds_all = precision != "float32"
        with torch.inference_mode():
            self.readouts = Readouts(name, network, options, two.to(device))
            first = _arrays(self.readouts.first)
        self.dims = [array.shape[1] for array in first]
        self._own = self._choose(self.readouts.read, first)
        self._blocks: Callable[[torch.Tensor], list[np.ndarray]] | None = None

    @property
    def compiled(self) -> bool:
        return isinstance(self._own, CompiledReadout)

    @property
    def engine(self) -> str:
        """Engine that computes the model's own embedding, for its recipe."""
        return f"OpenVINO {compiled.installed_version()}" if self.compiled else PYTORCH

    def own(self, batch: torch.Tensor) -> list[np.ndarray]:
        """Return (N, D) ``float32`` of the model's own embedding, or of each layer that its name asks for."""
        return self._run(self._own, self.readouts.read, batch)

    def blocks(self, batch: torch.Tensor) -> list[np.ndarray]:
        """Return (N, D) ``float32`` for each of the readouts' blocks."""
        import torch

        with self._lock:
            if self._blocks is None:  # few visitors need them, so they are compiled at the first call
                with torch.inference_mode():
                    first = _arrays(self.readouts.read_blocks(self._two.to(self._device)))
                self._blocks = self._choose(self.readouts.read_blocks, first)
        return self._run(self._blocks, self.readouts.read_blocks, batch)

    def run_in_pytorch(self) -> None:
        """Replace the compiled network by PyTorch, to compare the two."""
        self._own = partial(self._in_pytorch, self.readouts.read)
        self._blocks = partial(self._in_pytorch, self.readouts.read_blocks)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Compute in PyTorch without gradients, in the precision, while the context lasts."""
        import torch

        dtype = getattr(torch, self._precision)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.split(":")[0], dtype, enabled=dtype != torch.float32),
        ):
            yield

    def _choose(self, read: Read, expected: list[np.ndarray]) -> Callable[[torch.Tensor], list[np.ndarray]]:
        """Return the engine for ``read`` that the device, the precision and the network allow.

        ``expected`` is what PyTorch reads from the two pictures in float32.
        """
        in_pytorch = partial(self._in_pytorch, read)
        if self._device != "cpu" or self._precision not in compiled.HINTS or self._any_size:
            return in_pytorch
        if not compiled.installed_version():
            _report_missing()
            return in_pytorch
        network = self._network
        try:
            return compiled.compile_readout(
                network.module,
                read,
                self._two,
                expected,
                self._precision,
                network.exact,
                self._threads,
                self._batch_size,
            )
        except NotCompiled as reason:
            log.warning("'%s' runs in PyTorch: %s.", self._name, reason)
            return in_pytorch

    def _run(self, engine: Callable[[torch.Tensor], list[np.ndarray]], read: Read, batch: torch.Tensor) -> Any:
        if isinstance(engine, CompiledReadout) and not engine.fits(batch):
            return self._in_pytorch(read, batch)
        return engine(batch)

    def _in_pytorch(self, read: Read, batch: torch.Tensor) -> list[np.ndarray]:
        with self._lock:
            if self._rounds_all:
                for name in self._network.exact:
                    _compute_in_float32(self._network.module.get_submodule(name), self._device.split(":")[0])
                self._rounds_all = False
        with self.inference():
            return _arrays(read(batch.to(self._device, copy=True)))  # a network may write into its input


def _arrays(outputs: Sequence[torch.Tensor]) -> list[np.ndarray]:
    return [output.float().cpu().numpy() for output in outputs]


@cache  # once a process
def _report_missing() -> None:
    log.warning("OpenVINO is not installed, so networks run in PyTorch, at half the speed; `pip install openvino`.")


def _compute_in_float32(module: nn.Module, device_type: str) -> None:
    """Exclude ``module`` from autocast."""
    import torch

    forward = module.forward

    def exact(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device_type, enabled=False):
            return forward(batch.float())

    module.forward = exact
