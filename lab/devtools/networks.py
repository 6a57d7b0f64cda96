"""Forward passes of networks in PyTorch's eager mode, for comparing and timing engines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from probing_core.models.network import NetworkEmbedder
from probing_core.models.processor import AHEAD


def run_in_pytorch(embedder: NetworkEmbedder) -> None:
    """Replace the compiled network of ``embedder`` with the PyTorch network."""
    embedder._compiled = {embedder._readouts.read: None, embedder._readouts.read_blocks: None}
    embedder.batch_size = embedder._recorded_batch_size = embedder._usual_batch_size()


def forward_all(embedder: NetworkEmbedder, batches: Sequence[torch.Tensor]) -> list[list[np.ndarray]]:
    """Compute `NetworkEmbedder.forward` for several batches, in parallel if this is faster."""
    begin = partial(embedder._begin, embedder._readouts.read)
    ahead = AHEAD if embedder._own else 1
    return list(embedder._threads.feed(lambda batch: batch, begin, batches, ahead))
