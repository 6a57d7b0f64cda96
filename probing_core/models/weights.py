"""Files of weights: read without executing code, checked against the network, hashed."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from probing_core.errors import ModelUnavailable, one_line
from probing_core.paths import user_path

if TYPE_CHECKING:
    import torch
    from torch import nn

WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "module", "encoder")
"""Keys under which training scripts store the tensors; averages first, as in timm. The last is I-JEPA's."""

NAMES_SHOWN = 5


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read tensors by name from a safetensors file or a PyTorch checkpoint, without the wrappers of trainings.

    Raises:
        ModelUnavailable: no such file, not weights, or a pickle that would have to execute code.
    """
    path = user_path(path)
    if not path.is_file():
        raise ModelUnavailable(f"There is no file of weights '{path}'; give the path of a .safetensors or .pth file.")
    try:
        content = _read(path)
    except Exception as error:  # a corrupt file fails in as many ways as there are readers
        raise ModelUnavailable(
            f"'{path}' could not be read as weights without executing code ({_reason(error)}); "
            f"save its state dict as .safetensors."
        ) from error
    tensors = _unwrap(content)
    if tensors is None:
        raise ModelUnavailable(
            f"'{path}' holds no tensors by name; expected a state dict, or one under {', '.join(WRAPPERS)}."
        )
    return tensors


def load_weights(module: nn.Module, tensors: Mapping[str, torch.Tensor], source: str, ignore: str = "") -> None:
    """Load ``tensors`` into ``module`` if they fit it exactly.

    Args:
        source: of the tensors, for the message.
        ignore: prefix of tensors that may be left over (a classifier's).

    Raises:
        ModelUnavailable: tensors are missing, unexpected, or of another shape; they are named.
    """
    wanted = module.state_dict()
    loaded = OrderedDict(
        (name, t) for name, t in tensors.items() if name in wanted or not (ignore and name.startswith(ignore))
    )
    # A file has lost the versions of modules, which some require.
    loaded._metadata = wanted._metadata  # type: ignore[attr-defined]
    try:
        module.load_state_dict(loaded)
    except RuntimeError as error:
        raise torch_misfit(source, error) from error


def refuse_misfit(source: str, missing: list[str], unexpected: list[str], misshapen: list[str]) -> None:
    if error := _misfit(source, missing, unexpected, misshapen):
        raise error


def _misfit(source: str, missing: list[str], unexpected: list[str], misshapen: list[str]) -> ModelUnavailable | None:
    problems = [
        f"{len(names)} {what} ({', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''})"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if names
    ]
    if not problems:
        return None
    return ModelUnavailable(
        f"The weights of {source} do not fit the network: tensors {'; '.join(problems)}. "
        f"Name the architecture that these weights were trained with."
    )


def torch_misfit(source: str, error: Exception) -> ModelUnavailable:
    """Return the error for weights that a library could not load, with the names of tensors that ``load_state_dict``
    misses or does not know, else with the library's own text."""
    text = str(error)

    def names(heading: str) -> list[str]:
        section = re.search(heading + r"[^:]*: (.*?)\.? *$", text, re.MULTILINE)
        return re.findall(r'"([^"]+)"', section.group(1)) if section else []

    shapes = re.findall(r"size mismatch for ([\w.]+): \D*(\[.*?\])\D*(\[.*?\])", text)
    misshapen = [f"{name} {found} for {wanted}" for name, found, wanted in shapes]
    named = _misfit(source, names("Missing key"), names("Unexpected key"), misshapen)
    return named or ModelUnavailable(f"The weights of {source} cannot be loaded: {one_line(error).rstrip('.!')}.")


def weights_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of ``tensors``; independent of the file format."""
    import torch

    sha = hashlib.sha256()
    for name, tensor in tensors.items():
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()


def signs_digest(module: nn.Module) -> str:
    """Return the SHA-256 over names, shapes and signs of every tensor of ``module``.

    A seed fixes these on any machine; the last bits of random weights differ from processor to processor.
    """
    sha = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        sha.update(f"{name} {tuple(tensor.shape)}\n".encode())
        sha.update(np.packbits(tensor.detach().cpu().numpy().ravel() < 0).tobytes())
    return sha.hexdigest()


def _read(path: Path) -> Any:
    import argparse

    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    # Training scripts keep their arguments with the tensors; a Namespace holds values and executes nothing.
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _unwrap(content: Any) -> dict[str, torch.Tensor] | None:
    import torch

    if not isinstance(content, Mapping):
        return None
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return _unwrap(content[key])
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    for prefix in ("module.", "_orig_mod."):  # left by DistributedDataParallel and torch.compile
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors or None


def _reason(error: Exception) -> str:
    return one_line(error).split(". ")[0][:200]  # torch continues with advice to execute the file
