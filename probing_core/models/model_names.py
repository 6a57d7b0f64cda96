"""Model names such as ``NAME@pool=mean@layer=6@weights=PATH``, with one canonical spelling per model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from probing_core.catalog import OPTION_START, suggest
from probing_core.errors import BadConfig, UnknownName
from probing_core.paths import user_path

OPTIONS = {
    "pool": "pooling of tokens or feature maps: cls or mean (default: as in the checkpoint)",
    "layer": "number of the block to pool, counting from 1, or 'all' (default: the embedding of the model)",
    "weights": "path of a local weight file or folder",
    "seed": "seed of an untrained network, or of an additional training run of a zoo encoder",
}
"""Descriptions of the options, in canonical order. The provider determines which options a model supports."""

POOLINGS = ("cls", "mean")


@dataclass(frozen=True)
class ModelName:
    """A parsed model name.

    Attributes:
        base: the part before the options, such as ``timm:vit_base_patch16_224.mae`` or ``zoo/mae``.
        options: values by option, in the order of `OPTIONS`.
    """

    base: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        """Provider, such as ``timm`` for ``timm:resnet50``; empty for names such as ``zoo/mae``."""
        return self.base.split(":", 1)[0] if ":" in self.base else ""

    @property
    def model(self) -> str:
        return self.base.split(":", 1)[-1]

    @property
    def full(self) -> str:
        """Canonical name, with options in a fixed order and without ``@seed=0``."""
        return self.base + "".join(f"@{key}={value}" for key, value in self.options.items())


def parse(name: str) -> ModelName:
    """Parse ``name`` and validate its options without loading the model.

    Raises:
        BadConfig: the name is empty, or an option is unknown, repeated or invalid.
    """
    base, *parts = OPTION_START.split(name.strip())
    if not base:
        raise BadConfig(f"Expected a model name such as 'timm:resnet50@pool=mean', got '{name}'.")
    options: dict[str, str] = {}
    for part in parts:
        key, value = part.split("=", 1)
        if key not in OPTIONS:
            raise BadConfig(
                f"'{key}' in '{name}' is not a model option.{suggest(key, OPTIONS)} Available: {', '.join(OPTIONS)}."
            )
        if key in options:
            raise BadConfig(f"'{name}' has the option '{key}' twice. Remove one of them.")
        options[key] = _check(key, value, name)
    if options.get("seed") == "0":
        del options["seed"]
    return ModelName(base, {key: options[key] for key in OPTIONS if key in options})


def with_layer(name: str, layer: int) -> str:
    parsed = parse(name)
    return parse(ModelName(parsed.base, {**parsed.options, "layer": str(layer)}).full).full


def checkpoints(name: str) -> tuple[str, ...]:
    """Return one model name for each file that matches the pattern in ``@weights=``, such as ``ckpts/step-*.pt``.

    Names are sorted by the last number in the path. Without a pattern, only ``name`` is returned.

    Raises:
        BadConfig: ``name`` is invalid, or no file matches the pattern.
    """
    parsed = parse(name)
    pattern = parsed.options.get("weights", "")
    if not any(sign in pattern for sign in "*?") or user_path(pattern).exists():
        return (name,)
    paths = glob(str(user_path(pattern)))
    if not paths:
        raise BadConfig(f"No file matches '{pattern}' in '{name}'. Use a pattern such as ckpts/step-*.pt.")
    paths.sort(key=lambda path: (int(numbers[-1]) if (numbers := re.findall(r"\d+", path)) else -1, path))
    return tuple(ModelName(parsed.base, {**parsed.options, "weights": path}).full for path in paths)


def refuse_options(name: str, options: Mapping[str, str], allowed: Collection[str] = ()) -> None:
    """Raise `BadConfig` if ``name`` has an option that is not in ``allowed``."""
    for option in options:
        if option not in allowed:
            raise BadConfig(
                f"'{name}' does not support '@{option}='. Supported: {', '.join(f'@{a}=' for a in allowed) or 'none'}."
            )


def unknown(lacks: str, name: str, known: Collection[str], listing: str = "") -> UnknownName:
    """Create the error for a name that does not exist in a library, with a suggestion.

    Args:
        lacks: beginning of the error message ("timm has no model").
        known: names in the library.
        listing: Python call that lists the ``known`` names, if there are too many for a message.
    """
    message = f"{lacks} '{name}'.{suggest(name, known)}"
    if listing:
        return UnknownName(message, hint=f"In Python, `{listing}` lists all of them.")
    return UnknownName(f"{message} Available: {', '.join(known) or 'none'}.")


def not_in_catalog(name: str, known: Collection[str]) -> str:
    """Return the error message, with a suggestion, for a name without a provider that is not in the catalog.

    Args:
        known: names in the catalog.
    """
    unprefixed = [entry for entry in known if ":" not in entry]
    same_ending = [entry for entry in known if entry.rpartition(":")[2] == name]
    path = user_path(name)
    if suggestion := suggest(name, unprefixed) or suggest(name, same_ending):
        advice = suggestion.strip()
    elif path.suffix == ".onnx":
        advice = f"For an ONNX file, use 'onnx:{name}'."
    elif "/" in name:
        advice = f"For a Hugging Face repository, use 'hf:{name}'."
    else:
        advice = f"For a model from a library, use 'timm:{name}' or 'torchvision:{name}'."
    return f"'{name}' is not a known model. {advice}"


def local_folder(model: str) -> Path | None:
    path = user_path(model)
    return path if re.search(r"^[.~]|[/\\]", model) and path.is_dir() else None


def _check(key: str, value: str, name: str) -> str:
    if not value:
        raise BadConfig(f"'@{key}=' in '{name}' has no value. Expected: {OPTIONS[key]}.")
    if key == "pool" and value not in POOLINGS:
        raise BadConfig(f"'@pool={value}' in '{name}' is not a pooling method. Use one of: {', '.join(POOLINGS)}.")
    if key == "layer" and value != "all":
        if not value.isdecimal() or len(value) > 9 or int(value) < 1:
            raise BadConfig(f"'@layer={value}' in '{name}' is not a layer. Use an integer of at least 1, or 'all'.")
        return str(int(value))
    if key == "seed":
        if not value.isdecimal() or len(value) > 20 or int(value) >= 2**64:
            raise BadConfig(f"'@seed={value}' in '{name}' is not a seed. Use an integer from 0 to 2^64 - 1.")
        return str(int(value))
    return value
