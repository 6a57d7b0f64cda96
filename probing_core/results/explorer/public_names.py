"""Remove local paths from model names in shared files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from probing_core.catalog import OPTION_START

_LOCAL = re.compile(r"[~./\\]|[A-Za-z]:[/\\]")
"""Pattern for the start of a local path: absolute, relative, in the home folder, or on a Windows drive."""


def public_names(models: Iterable[str]) -> dict[str, str]:
    """Map each model name to a name in which paths are replaced with file names. The new names are unique.

    Example:
        >>> public_names(["timm:resnet18@weights=/home/jane/runs/best.pt"])
        {'timm:resnet18@weights=/home/jane/runs/best.pt': 'timm:resnet18@weights=best.pt'}
    """
    names: dict[str, str] = {}
    for model in dict.fromkeys(models):
        name = public_name = _public(model)
        number = 1
        while name in names.values():
            number += 1
            name = f"{public_name} ({number})"
        names[model] = name
    return names


def _public(model: str) -> str:
    base, *options = OPTION_START.split(model)
    pairs = (option.partition("=") for option in options)
    return _base(base) + "".join(f"@{key}={_file_name(text) if key == 'weights' else text}" for key, _, text in pairs)


def _base(base: str) -> str:
    provider, colon, path = base.partition(":")
    is_file = _LOCAL.match(base) or (colon and re.search(r"[/\\]", provider))  # also FILE.py:function
    if is_file:
        return _file_name(base)
    is_local = provider == "onnx" or _LOCAL.match(path) or (re.search(r"[/\\]", path) and Path(path).is_dir())
    return provider + colon + _file_name(path) if is_local else base


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
