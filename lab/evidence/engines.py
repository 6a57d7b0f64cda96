"""Write the throughput of networks in PyTorch, OpenVINO, ONNX Runtime and `torch.compile` to docs/engines.md.

    pip install onnx onnxscript    # required for the export to ONNX Runtime
    python -m lab.evidence.engines ["ROW" ...]

All engines process batches of the same images, one batch on each of two cores. The command measures the minimum
processor time over several rounds in which the engines alternate, so other processes have little effect. It takes a few
minutes. To measure only some rows, specify their names, such as "the zoo's ViT, 128 px bfloat16".
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.benchmarks._common import fastest, random_vit
from lab.devtools.commands import put_row
from lab.devtools.networks import forward_all, run_in_pytorch
from probing_core.measures.notation import decimal
from probing_core.models import compiled, load_embedder
from probing_core.models.network import NetworkEmbedder

PAGE = Path(__file__).resolve().parents[2] / "docs" / "engines.md"
BEGIN = "<!-- generated: python -m lab.evidence.engines -->"
CORES, ROUNDS = 2, 5
HEAD = (
    "| network | precision | PyTorch, eager | OpenVINO | ONNX Runtime | `torch.compile`, frozen |\n"
    "| --- | --- | --- | --- | --- | --- |"
)

Pass = Callable[[], object]


def main(selected: Sequence[str]) -> None:
    torch.set_num_threads(CORES)
    with tempfile.TemporaryDirectory() as folder:
        networks = {
            "EfficientNet-Lite0, 224 px": ("timm:tf_efficientnet_lite0", 32),
            "the zoo's ViT, 128 px": ("zoo/mae", 64),
            "ViT-B/16, 224 px": (random_vit(Path(folder)), 8),
        }
        rows = [(title, precision) for title in networks for precision in ("float32", "bfloat16")]
        for row in rows:
            if not selected or " ".join(row) in selected:
                title, precision = row
                cells = _row(networks[title][0], precision, networks[title][1])
                put_row(PAGE, BEGIN, HEAD, [" | ".join(cells_of_row) for cells_of_row in rows], " | ".join(row), cells)


def _row(name: str, precision: str, count: int) -> str:
    """Return the throughput of every engine in images per second, and relative to PyTorch in eager mode."""
    embedder, eager = (load_embedder(name, device="cpu", precision=precision) for _ in range(2))
    assert isinstance(embedder, NetworkEmbedder)
    assert isinstance(eager, NetworkEmbedder)
    assert embedder.engine.startswith("OpenVINO")
    run_in_pytorch(eager)
    images = list(np.random.default_rng(0).integers(0, 256, (count, 128, 128, 3), dtype=np.uint8))

    def batches(size: int) -> list[torch.Tensor]:
        return [embedder.prepare(images[start : start + size]) for start in range(0, count, size)]

    small = batches(compiled.COMPILED_BATCH)
    in_torch = batches(eager.batch_size)
    passes: dict[str, Pass] = {
        "eager": lambda: forward_all(eager, in_torch),
        "OpenVINO": lambda: forward_all(embedder, small),
        "compile": _torch_compile(eager, small, precision),
    }
    if precision == "float32":
        passes["ONNX"] = _onnx_runtime(eager, small)
    best = dict(zip(passes, fastest(ROUNDS, *passes.values(), clock=time.process_time), strict=True))
    cells = [
        f"{decimal(CORES * count / best[name])} ({best['eager'] / best[name]:.2f})" if name in best else "not supported"
        for name in ("eager", "OpenVINO", "ONNX", "compile")
    ]
    return " | ".join(cells)


def _onnx_runtime(embedder: NetworkEmbedder, batches: Sequence[torch.Tensor]) -> Pass:
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(embedder._network.module, (batches[0].contiguous(),), file, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    arrays = [batch.contiguous().numpy() for batch in batches]

    def run(array: np.ndarray) -> Any:
        return session.run(None, {name: array})

    return lambda: list(embedder._threads.run(run, arrays))


def _torch_compile(embedder: NetworkEmbedder, batches: Sequence[torch.Tensor], precision: str) -> Pass:
    import torch._inductor.config

    torch._inductor.config.freezing = True
    function = torch.compile(embedder._network.module)

    def run(batch: torch.Tensor) -> Any:
        half = precision == "bfloat16"
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            return function(batch)

    run(batches[0])
    return lambda: list(embedder._threads.run(run, batches))


if __name__ == "__main__":
    main(sys.argv[1:])
