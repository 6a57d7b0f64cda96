"""``export:<file.pt2>``: a program that ``torch.export`` saved, with its preprocessing inside the file.

The program does not describe the pictures it expects, so the file must: an extra file ``preprocessing.json`` with
the fields of `Preprocessing`. `save` writes such a file.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_core.errors import ModelUnavailable, one_line
from probing_core.models.base import EmbedderSpec, Preprocessing
from probing_core.models.names import ModelName
from probing_core.models.network.embedder import Network, NetworkEmbedder
from probing_core.models.weights import spec_of_file
from probing_core.paths import user_path

if TYPE_CHECKING:
    from torch import nn

PREFIXES = ("export",)

FACTS = "preprocessing.json"

SAFE_TARGET = re.compile(r"torch\.ops\.(aten|prims|higher_order)\.\w+(\.\w+)?|_operator\.\w+|math\.\w+")
"""Tensor operations and arithmetic. Any other dotted name would be looked up in torch, and torch imports ``os``."""

SAFE_SYMBOL = re.compile(r"Symbol\('\w+'(, \w+=(True|False))*\)|Max|Min|FloorDiv|CleanDiv|Mod|PythonMod|Integer")
"""Names allowed in an expression of sizes; torch evaluates these expressions as Python."""


def save(module: nn.Module, preprocessing: Preprocessing, path: str | Path) -> None:
    """Export ``module`` (batch (N, 3, H, W) -> (N, D)) for any batch size and save it with its preprocessing."""
    import torch

    example = torch.zeros(2, 3, *preprocessing.size)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(module.eval(), (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, path, extra_files={FACTS: json.dumps(asdict(preprocessing))})


def load(spec: EmbedderSpec, options: Mapping[str, str], device: str, precision: str) -> NetworkEmbedder:
    """Load an exported program.

    Raises:
        ModelUnavailable: the file is missing, damaged, would execute code, or does not state its preprocessing.
    """
    import torch

    name = ModelName(spec.name, options)
    path = user_path(name.model)
    if not path.is_file():
        raise ModelUnavailable(f"There is no exported program '{path}'; `torch.export.save` writes one.")
    facts = {FACTS: ""}
    try:
        _refuse_code(path)
        program = torch.export.load(path, extra_files=facts)
        module = program.module()
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"'{path}' could not be read as an exported program: {one_line(error)[:300]}."
        ) from error
    try:
        fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(facts[FACTS]).items()}
        preprocessing = Preprocessing(**fields)
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelUnavailable(
            f"'{path}' does not state how its pictures are preprocessed; "
            f"save it with probing_core.models.providers.exported.save, which adds {FACTS}."
        ) from error
    # An exported program has its mode inside and refuses eval().
    module.eval = module.train = lambda *args: module  # type: ignore[method-assign, assignment]
    network = Network(module=module, embed=module, pooling="the program's own")
    return NetworkEmbedder(name.full, network, preprocessing, options, device, precision)


def make_spec(name: ModelName) -> EmbedderSpec:
    """Return the spec of an exported program."""
    return spec_of_file(name, "exported program", load)


def _refuse_code(path: Path) -> None:
    """Raise `ModelUnavailable` if loading the archive would do more than build tensor operations.

    `torch.export.load` falls back to pickles, looks names of functions up in the whole of torch, and evaluates sizes
    and guards as Python; so the archive is read first, as plain data.
    """
    import torch

    def refuse(what: str) -> None:
        raise ModelUnavailable(
            f"'{path}' would execute code when loaded ({what}); export tensors and operations alone."
        )

    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            inside = name.split("/", 1)[-1]
            if inside.startswith(("data/weights/", "data/constants/")):
                if inside.endswith(".json"):
                    for payload in json.loads(archive.read(name))["config"].values():
                        if payload["use_pickle"] or not payload["path_name"].startswith(("weight_", "tensor_")):
                            refuse(f"the pickle {payload['path_name']}")
                elif inside.endswith(".pt"):
                    refuse(f"the pickle {inside}")
            elif inside.startswith("data/sample_inputs/"):
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            elif inside.startswith("models/"):
                program = json.loads(archive.read(name))
                if program.get("guards_code"):
                    refuse("its guards are Python")
                for key, value in _strings(program):
                    if key == "target" and not SAFE_TARGET.fullmatch(value):
                        refuse(f"the function {value}")
                    if key == "expr_str" and re.search(r"[^\W\d]|['\"\[]", SAFE_SYMBOL.sub("", value)):
                        refuse(f"the expression {value}")


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in nested JSON, with the key under which it stands."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, str):
        yield key, value
