"""Networks compiled for the CPU with OpenVINO, which is faster than PyTorch (docs/engines.md).

A compiled network is used only if its outputs for two images agree with those of PyTorch. OpenVINO stores compiled
networks in the user's cache folder.

    readout = compile_readout(network, read, batch, expected, "bfloat16", threads=2, batch_size=4)
    readout(batch)  # the outputs of read(batch)

`compile_readout` traces the function and converts the trace (`_convert`), marks the operations that must stay in
float32 (`_with_exact_modules`), compiles it, and compares the outputs (`compare`). `CompiledReadout` then runs it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from probing_core.errors import one_line
from probing_core.models.processor import AHEAD

if TYPE_CHECKING:
    import torch
    from torch import nn

    from probing_core.models.network_facts import Network, Read

COMPILED_BATCH = 4
"""Default number of images per pass. Smaller batches are padded, because each batch size requires a separate
compilation."""

PRECISION_HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""OpenVINO's name for each supported precision."""

MAX_DISTANCE = 1e-5
"""Maximum absolute difference between values of OpenVINO and PyTorch in float32, relative to the embedding norm."""

MIN_COSINE = 0.96
"""Minimum cosine similarity between embeddings in bfloat16 and float32. The lowest value measured for an included
network is 0.965 (docs/precision.md)."""

EXACT = "exact"
"""Name prefix of modules whose operations stay in float32."""

KEPT_DAYS = 90
"""Number of days without access after which the next compilation removes a compiled network from the cache folder. The
folder contains one file for each combination of network, OpenVINO version, precision and number of cores."""

FLOAT32 = "DisablePrecisionConversion"
"""Attribute in OpenVINO's file format that marks operations that stay in float32. The Python API cannot set it."""

_COMPILING = Lock()
"""Lock for conversions, which temporarily replace a function of the standard library."""

_for_one_caller = ContextVar("for_one_caller", default=False)


class NotCompiled(Exception):
    """Raised if a network cannot be compiled. The message states the reason."""


class Disagrees(NotCompiled):
    """Raised if outputs differ too much from those of PyTorch in float32."""


@cache
def installed_version() -> str:
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


@contextmanager
def for_one_caller() -> Iterator[None]:
    """Compile networks for low latency within the context (in this thread only): all cores share one pass.

    By default, each core runs its own pass, which increases throughput. However, OpenVINO keeps a copy of the graph and
    its buffers for each pass. For a small network, these copies take more memory than the weights.
    """
    token = _for_one_caller.set(True)
    try:
        yield
    finally:
        _for_one_caller.reset(token)


class CompiledReadout:
    """A compiled network.

    Args:
        model: compiled OpenVINO model with input (N, H, W, 3), where N is the number of images per pass.
        requests: maximum number of simultaneous passes. Additional callers wait.
    """

    def __init__(self, model: Any, requests: int) -> None:
        self._shape = tuple(model.input(0).shape)
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(requests):
            self._free.put(model.create_infer_request())

    def fits(self, batch: torch.Tensor) -> bool:
        """Return whether a batch (N, 3, H, W) has the height and width that the network was compiled for."""
        return (*batch.shape[2:], batch.shape[1]) == self._shape[1:]

    def __call__(self, batch: torch.Tensor) -> list[np.ndarray]:
        """Compute the outputs, (N, D) ``float32`` each, for a batch (N, 3, H, W) that is channels last in memory."""
        pictures = batch.permute(0, 2, 3, 1).numpy()
        batch_size = self._shape[0]
        passes = [self._infer(pictures[start : start + batch_size]) for start in range(0, len(pictures), batch_size)]
        return passes[0] if len(passes) == 1 else [np.concatenate(outputs) for outputs in zip(*passes, strict=True)]

    def _infer(self, pictures: np.ndarray) -> list[np.ndarray]:
        count = len(pictures)
        if count < self._shape[0]:
            missing = np.zeros((self._shape[0] - count, *pictures.shape[1:]), np.float32)
            pictures = np.concatenate([pictures, missing])
        request = self._free.get()
        try:
            results = request.infer({0: np.ascontiguousarray(pictures)}, share_inputs=True)
            return [results[position][:count] for position in range(len(results))]
        finally:
            self._free.put(request)


def compile_readout(
    network: Network,
    read: Read,
    batch: torch.Tensor,
    expected: Sequence[np.ndarray],
    precision: str,
    threads: int,
    batch_size: int,
) -> CompiledReadout:
    """Compile the function ``read``, which computes outputs of ``network``, for this CPU.

    Args:
        batch: two images (2, 3, H, W), channels last in memory.
        expected: outputs of ``read`` for ``batch`` in PyTorch with float32, which the compiled network must reproduce.
        threads: number of simultaneous passes, each on one core; within `for_one_caller`, number of cores that share
            one pass.

    Raises:
        NotCompiled: OpenVINO is missing, does not support the precision or fails, or its outputs differ from those of
            PyTorch.
    """
    core = openvino_core()
    if precision == "bfloat16" and "BF16" not in _capabilities(core):
        raise NotCompiled(f"OpenVINO does not support {precision} on this processor")
    cache = None if network.is_random else _cache_folder()
    settings = _settings(precision, threads, cache)
    with _COMPILING:
        model = _convert(network, read, batch, batch_size)
        if precision != "float32":
            if not network.is_random:  # check the conversion without rounding
                full = core.compile_model(model, "CPU", _settings("float32", threads, cache))
                compare(CompiledReadout(full, 1)(batch), expected, "float32")
            model = _with_exact_modules(core, model) if network.exact else model
        compiled = core.compile_model(model, "CPU", settings)
    readout = CompiledReadout(compiled, AHEAD * settings["NUM_STREAMS"])
    compare(readout(batch), expected, precision)
    return readout


@cache
def openvino_core() -> Any:
    # OpenVINO sends usage statistics when it is imported, unless this package is missing.
    blocked = "openvino_telemetry" not in sys.modules
    if blocked:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino

        return openvino.Core()
    except (ImportError, OSError, RuntimeError) as error:
        raise NotCompiled(f"OpenVINO could not be imported ({one_line(error)})") from error
    finally:
        if blocked:
            del sys.modules["openvino_telemetry"]


def _cache_folder() -> Path | None:
    import platformdirs

    folder = platformdirs.user_cache_path("probing") / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    _remove_unread(folder)
    return folder


def _remove_unread(folder: Path) -> None:
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for path in folder.glob("*.blob"):
        with suppress(OSError):  # another process may have removed or opened the file
            status = path.stat()
            if max(status.st_atime, status.st_mtime) < oldest:  # some file systems do not record access times
                path.unlink()


def _capabilities(core: Any) -> list[str]:
    return sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _settings(precision: str, threads: int, cache: Path | None) -> dict[str, Any]:
    return {
        **({"CACHE_DIR": str(cache)} if cache else {}),
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
        "NUM_STREAMS": 1 if _for_one_caller.get() else threads,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # several networks and the dashboard share the cores
    }


def compare(
    outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray], precision: str, engine: str = "OpenVINO"
) -> None:
    """Compare outputs of ``engine`` with the outputs of PyTorch in float32 for the same images.

    Raises:
        Disagrees: an output is not finite, or the difference is larger than expected from rounding to ``precision``.
    """
    tiny = np.finfo(np.float32).tiny
    for number, (a, b) in enumerate(zip(outputs, expected, strict=True), 1):
        subject = f"{engine}'s embeddings in {precision}" + (
            f", output {number} of {len(outputs)}," if len(outputs) > 1 else ""
        )
        if not np.isfinite(a).all():
            raise Disagrees(f"{subject} are not finite")
        length = np.linalg.norm(b, axis=1) + tiny
        if precision == "float32":
            distance = float((np.abs(a - b).max(1) / length).max())
            if not distance <= MAX_DISTANCE:
                raise Disagrees(f"{subject} differ from those of PyTorch by {distance:.1g} of their norm")
        else:
            cosine = float(((a * b).sum(1) / length / (np.linalg.norm(a, axis=1) + tiny)).min())
            if not cosine >= MIN_COSINE:
                raise Disagrees(f"{subject} have a cosine similarity of {cosine:.3f} to those of PyTorch in float32")


def _convert(network: Network, read: Read, batch: torch.Tensor, count: int) -> Any:
    """Convert ``read`` to an OpenVINO model with input (count, H, W, 3), where H and W are the same as in ``batch``.

    The names of operations in the modules ``network.exact`` contain `EXACT`.
    """
    import torch
    from openvino import Layout
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.preprocess import PrePostProcessor

    class Traced(torch.nn.Module):
        # The tracer needs a millisecond per registered module, so only exact modules are registered.
        def __init__(self) -> None:
            super().__init__()
            for position, name in enumerate(network.exact):
                self.add_module(f"{EXACT}{position}", network.module.get_submodule(name))

        def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(output.float() for output in read(pictures))

    example = batch.repeat(-(-count // len(batch)), 1, 1, 1)[:count].contiguous(memory_format=torch.channels_last)
    try:
        with warnings.catch_warnings(), torch.inference_mode(), _without_gradients(network.module):
            warnings.simplefilter("ignore")  # the tracer warns that sizes become constants, which is intended
            decoder = TorchScriptPythonDecoder(
                Traced().eval(), example_input=(example,), trace_kwargs={"check_trace": False}
            )
            frontend = FrontEndManager().load_by_framework("pytorch")
            model = frontend.convert(frontend.load(decoder))
            _destroy(decoder.pt_module.graph)
        model.reshape(list(example.shape))
        steps = PrePostProcessor(model)
        steps.input().tensor().set_layout(Layout("NHWC"))
        steps.input().model().set_layout(Layout("NCHW"))
        return steps.build()
    except Exception as error:  # tracing runs the code of the network, which may raise anything
        raise NotCompiled(f"OpenVINO cannot convert the network ({one_line(error)[:200]})") from error


def _destroy(graph: Any) -> None:
    """Remove all operations and their weights from a traced graph, because TorchScript never frees them."""
    for _ in list(graph.outputs()):
        graph.eraseOutput(0)
    for node in reversed(list(graph.nodes())):
        node.destroy()


@contextmanager
def _without_gradients(module: nn.Module) -> Iterator[None]:
    """Disable gradients within the context, so that the tracer records parameters as constants."""
    asking = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)


def _with_exact_modules(core: Any, model: Any) -> Any:
    """Return a copy of ``model`` in which the operations with `EXACT` in their names stay in float32.

    Fusing operations would remove the attribute `FLOAT32`, so operations are fused before it is set. A fused operation
    lists the names of the original operations.
    """
    import openvino
    from openvino._offline_transformations import apply_moc_transformations

    exact, first = _exact_names(model)
    apply_moc_transformations(model, cf=True)
    with tempfile.TemporaryDirectory() as folder:
        structure, weights = Path(folder) / "model.xml", Path(folder) / "model.bin"
        openvino.serialize(model, structure, weights)
        root = ElementTree.parse(structure).getroot()
        layers = [layer for layer in root.iter("layer") if layer.get("type") != "Const"]
        marked = [layer for layer in layers if (exact | first) & _joined(layer)]
        for layer in marked:
            information = layer.find("rt_info")
            assert information is not None  # it contains the names of the fused operations
            ElementTree.SubElement(information, "attribute", name=FLOAT32, version="0", value="dynamic:dynamic")
        marked_model = core.read_model(ElementTree.tostring(root), openvino.Tensor(np.fromfile(weights, np.uint8)))
    exact_count = sum(any(key.startswith(FLOAT32) for key in op.get_rt_info()) for op in marked_model.get_ops())
    if exact_count < len(marked) or not any(exact & _joined(layer) for layer in marked):
        raise NotCompiled(f"OpenVINO computes {exact_count} of {len(marked)} rounding-sensitive operations in float32")
    return marked_model


def _joined(layer: ElementTree.Element) -> set[str]:
    """Return the names of the operations that OpenVINO fused into ``layer``."""
    attributes = layer.iterfind("rt_info/attribute[@name='fused_names']")
    return {name.strip() for attribute in attributes for name in attribute.get("value", "").split(",")}


def _exact_names(model: Any) -> tuple[set[str], set[str]]:
    """Return the names of the operations to keep in float32, and the names of the operations that read the input.

    Operations in exact modules are kept in float32, as well as batch norms that directly follow these operations.
    """
    exact = [op for op in model.get_ops() if f".{EXACT}" in op.get_friendly_name()]
    after = [target.get_node() for op in exact for output in op.outputs() for target in output.get_target_inputs()]
    first = [target.get_node() for target in model.input(0).get_target_inputs()]
    joined = [op for op in after if op.get_type_name() == "BatchNormInference"]
    return {op.get_friendly_name() for op in (*exact, *joined)}, {op.get_friendly_name() for op in first}
