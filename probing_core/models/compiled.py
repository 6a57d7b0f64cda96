"""Networks compiled for the processor by OpenVINO, where they run faster than in PyTorch (docs/engines.md).

A compiled network is used only if it agrees with PyTorch on two pictures. OpenVINO stores what it compiled in the
system's cache folder.
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

BATCH = 4
"""Default number of pictures per pass; a smaller batch is padded, since each size would be compiled."""

HINTS = {"float32": "f32", "bfloat16": "bf16"}
"""Precisions that are compiled, and OpenVINO's names for them."""

MAX_DISTANCE = 1e-5
"""Largest distance between two float32 embeddings of a picture, relative to the length of the embedding."""

MIN_COSINE = 0.96
"""Smallest cosine between the embeddings in bfloat16 and in float32. The smallest of any picture and any network that
ships is 0.965 (docs/precision.md)."""

EXACT = "exact"
"""Mark in the names of operations that stay in float32."""

KEPT_DAYS = 90
"""Days without being read after which a compiled network is removed from the cache folder, the next time that one is
compiled: a network has a file for each version of OpenVINO, precision and number of cores that it was compiled for."""

FLOAT32 = "DisablePrecisionConversion"
"""Attribute of OpenVINO's file format for operations that stay in float32; its Python interface cannot set it."""

_COMPILING = Lock()
"""Conversion temporarily changes a function of Python."""

_for_one_caller = ContextVar("for_one_caller", default=False)


class NotCompiled(Exception):
    """Reason why a network is not compiled, in words."""


class Disagrees(NotCompiled):
    """Reason why results are not used: they differ from PyTorch's in float32."""


@cache
def installed_version() -> str:
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


@contextmanager
def for_one_caller() -> Iterator[None]:
    """Compile networks in this thread for few pictures at a time while the context lasts: all cores share one pass.

    Else each core has its own, which embeds many pictures faster; for each, OpenVINO keeps a copy of the graph and its
    buffers, which together take more memory than the weights of a small network.
    """
    token = _for_one_caller.set(True)
    try:
        yield
    finally:
        _for_one_caller.reset(token)


class CompiledReadout:
    """A compiled network.

    Args:
        model: OpenVINO's compiled model; its input is (N, H, W, 3), N pictures per pass.
        requests: number of simultaneous passes; more callers wait.
    """

    def __init__(self, model: Any, requests: int) -> None:
        self._shape = tuple(model.input(0).shape)
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(requests):
            self._free.put(model.create_infer_request())

    def fits(self, batch: torch.Tensor) -> bool:
        """Return whether a batch (N, 3, H, W) has the compiled height and width."""
        return (*batch.shape[2:], batch.shape[1]) == self._shape[1:]

    def __call__(self, batch: torch.Tensor) -> list[np.ndarray]:
        """Return the outputs, (N, D) ``float32`` each, for a batch (N, 3, H, W) that is channels last in memory."""
        pictures = batch.permute(0, 2, 3, 1).numpy()
        most = self._shape[0]
        passes = [self._infer(pictures[start : start + most]) for start in range(0, len(pictures), most)]
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
    """Compile ``read`` of ``network`` for this processor.

    Args:
        batch: two pictures (2, 3, H, W), channels last in memory.
        expected: outputs of ``read`` for them in PyTorch and float32, which the compiled network must reproduce.
        threads: number of simultaneous passes, each on one core; in `for_one_caller`, cores of the only pass.

    Raises:
        NotCompiled: OpenVINO is missing or fails, or its results differ from PyTorch's.
    """
    core = _core()
    if precision == "bfloat16" and "BF16" not in _capabilities(core):
        raise NotCompiled(f"OpenVINO does not compute in {precision} on this processor")
    settings = _settings(precision, threads)
    with _COMPILING:
        model = _convert(network, read, batch, batch_size)
        if precision != "float32":  # conversion is checked where nothing is rounded
            full = core.compile_model(model, "CPU", _settings("float32", threads))
            compare(CompiledReadout(full, 1)(batch), expected, "float32")
            model = _with_exact_modules(core, model) if network.exact else model
        compiled = core.compile_model(model, "CPU", settings)
    readout = CompiledReadout(compiled, AHEAD * settings["NUM_STREAMS"])
    compare(readout(batch), expected, precision)
    return readout


@cache
def _core() -> Any:
    # OpenVINO reports its import to its makers unless this package is missing; we send nothing.
    blocked = "openvino_telemetry" not in sys.modules
    if blocked:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino

        return openvino.Core()
    except (ImportError, OSError, RuntimeError) as error:
        raise NotCompiled(f"OpenVINO cannot be used here ({one_line(error)})") from error
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
        with suppress(OSError):  # another process removes the same, or reads it
            status = path.stat()
            if max(status.st_atime, status.st_mtime) < oldest:  # some systems do not note when a file was read
                path.unlink()


def _capabilities(core: Any) -> list[str]:
    return sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _settings(precision: str, threads: int) -> dict[str, Any]:
    cache = _cache_folder()
    return {
        **({"CACHE_DIR": str(cache)} if cache else {}),
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "NUM_STREAMS": 1 if _for_one_caller.get() else threads,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # several networks and the pages share the cores
    }


def compare(
    ours: Sequence[np.ndarray], expected: Sequence[np.ndarray], precision: str, engine: str = "OpenVINO"
) -> None:
    """Raise `Disagrees` where results of ``engine`` for the same images differ from those of PyTorch in float32 by
    more than ``precision`` explains."""
    tiny = np.finfo(np.float32).tiny
    for number, (a, b) in enumerate(zip(ours, expected, strict=True), 1):
        which = f"{engine}'s embeddings in {precision}" + (
            f", output {number} of {len(ours)}," if len(ours) > 1 else ""
        )
        if not np.isfinite(a).all():
            raise Disagrees(f"{which} hold values that are not finite")
        length = np.linalg.norm(b, axis=1) + tiny
        if precision == "float32":
            apart = float((np.abs(a - b).max(1) / length).max())
            if not apart <= MAX_DISTANCE:
                raise Disagrees(f"{which} are {apart:.1g} of their length from PyTorch's")
        else:
            cosine = float(((a * b).sum(1) / length / (np.linalg.norm(a, axis=1) + tiny)).min())
            if not cosine >= MIN_COSINE:
                raise Disagrees(f"{which} have a cosine of {cosine:.3f} to PyTorch's in float32")


def _convert(network: Network, read: Read, batch: torch.Tensor, count: int) -> Any:
    """Return OpenVINO's model of ``read`` for ``count`` pictures like those of ``batch``, from (count, H, W, 3).

    Operations of exact modules are named `EXACT`.
    """
    import torch
    from openvino import Layout
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.preprocess import PrePostProcessor

    class Traced(torch.nn.Module):
        # The tracer takes a millisecond for every module that it tracks; of others it records only the operations.
        def __init__(self) -> None:
            super().__init__()
            for position, name in enumerate(network.exact):
                self.add_module(f"{EXACT}{position}", network.module.get_submodule(name))

        def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(output.float() for output in read(pictures))

    example = batch.repeat(-(-count // len(batch)), 1, 1, 1)[:count].contiguous(memory_format=torch.channels_last)
    try:
        with warnings.catch_warnings(), torch.inference_mode(), _without_gradients(network.module):
            warnings.simplefilter("ignore")  # of the tracer: sizes become constants, and they are constant here
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
    except Exception as error:  # tracing runs the network's own code, which may fail in any way
        raise NotCompiled(f"OpenVINO cannot convert it ({one_line(error)[:200]})") from error


def _destroy(graph: Any) -> None:
    """Remove all operations of a traced graph, which TorchScript never frees, and with them the weights."""
    for _ in list(graph.outputs()):
        graph.eraseOutput(0)
    for node in reversed(list(graph.nodes())):
        node.destroy()


@contextmanager
def _without_gradients(module: nn.Module) -> Iterator[None]:
    """Switch gradients off temporarily: only then does the tracer record parameters as constants."""
    asking = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)


def _with_exact_modules(core: Any, model: Any) -> Any:
    """Mark the operations of ``model`` that are named `EXACT` to stay in float32.

    Joining operations would lose a mark, so they are joined before; the new ones list the names of the old.
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
            assert information is not None  # it has the names of the joined operations
            ElementTree.SubElement(information, "attribute", name=FLOAT32, version="0", value="dynamic:dynamic")
        made = core.read_model(ElementTree.tostring(root), openvino.Tensor(np.fromfile(weights, np.uint8)))
    kept = sum(any(key.startswith(FLOAT32) for key in op.get_rt_info()) for op in made.get_ops())
    if kept < len(marked) or not any(exact & _joined(layer) for layer in marked):
        raise NotCompiled(f"OpenVINO keeps {kept} of {len(marked)} operations in float32 that rounding spoils")
    return made


def _joined(layer: ElementTree.Element) -> set[str]:
    """Return the names of the operations from which one in OpenVINO's file was joined."""
    attributes = layer.iterfind("rt_info/attribute[@name='fused_names']")
    return {name.strip() for attribute in attributes for name in attribute.get("value", "").split(",")}


def _exact_names(model: Any) -> tuple[set[str], set[str]]:
    """Return the names of the operations of exact modules, and of those that read the input; all stay in float32."""
    exact = [op for op in model.get_ops() if f".{EXACT}" in op.get_friendly_name()]
    after = [target.get_node() for op in exact for output in op.outputs() for target in output.get_target_inputs()]
    first = [target.get_node() for target in model.input(0).get_target_inputs()]
    joined = [op for op in after if op.get_type_name() == "BatchNormInference"]
    return {op.get_friendly_name() for op in (*exact, *joined)}, {op.get_friendly_name() for op in first}
