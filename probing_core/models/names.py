"""Model names: ``NAME@pool=mean@layer=6@weights=PATH``; one canonical spelling each."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from probing_core.catalog import suggest
from probing_core.errors import BadConfig, UnknownName
from probing_core.paths import user_path

OPTIONS = {
    "pool": "how tokens or a feature map become one vector: cls or mean; without it, as the checkpoint does",
    "layer": "the block whose output is pooled, counted from 1, or 'all'; without it, the model's own embedding",
    "weights": "a local file or folder of weights",
    "seed": "the seed of an untrained network, or of another training of a zoo encoder",
}
"""Every option of a name, in canonical order. The provider decides which of them a model takes."""

POOLINGS = ("cls", "mean")

_OPTION = re.compile(r"@(?=\w+=)")  # an '@' that begins an option; paths may contain others


@dataclass(frozen=True)
class ModelName:
    """A parsed name.

    Attributes:
        base: the part before the options: ``timm:vit_base_patch16_224.mae``, ``zoo/mae``.
        options: option -> value, in the order of `OPTIONS`.
    """

    base: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        """``timm`` in ``timm:resnet50``; empty for names such as ``zoo/mae``."""
        return self.base.split(":", 1)[0] if ":" in self.base else ""

    @property
    def model(self) -> str:
        return self.base.split(":", 1)[-1]

    @property
    def full(self) -> str:
        """The canonical name: options in a fixed order, defaults left out."""
        return self.base + "".join(f"@{key}={value}" for key, value in self.options.items())


def parse(name: str) -> ModelName:
    """Parse ``name``, and check its options as far as possible without the model.

    Raises:
        BadConfig: an empty name, an unknown or repeated option, or an invalid value.
    """
    base, *parts = _OPTION.split(name.strip())
    if not base:
        raise BadConfig(f"Expected a model name such as 'timm:resnet50@pool=mean', got '{name}'.")
    options: dict[str, str] = {}
    for part in parts:
        key, value = part.split("=", 1)
        if key not in OPTIONS:
            raise BadConfig(
                f"'{key}' in '{name}' is not an option of a model name.{suggest(key, OPTIONS)} "
                f"There are: {', '.join(OPTIONS)}."
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
    """Return one name for each file that the pattern in ``@weights=`` matches (``ckpts/step-*.pt``).

    They are ordered by the last number in their paths. Without a pattern, ``name`` is returned alone.
    """
    parsed = parse(name)
    pattern = parsed.options.get("weights", "")
    if not any(sign in pattern for sign in "*?") or user_path(pattern).exists():
        return (name,)
    found = glob(str(user_path(pattern)))
    if not found:
        raise BadConfig(f"No file matches '{pattern}' in '{name}'. Use a pattern such as ckpts/step-*.pt.")
    found.sort(key=lambda path: (int(numbers[-1]) if (numbers := re.findall(r"\d+", path)) else -1, path))
    return tuple(ModelName(parsed.base, {**parsed.options, "weights": path}).full for path in found)


def refuse_options(name: str, options: Mapping[str, str], allowed: Collection[str] = ()) -> None:
    """Raise `BadConfig` if ``name`` has an option outside of ``allowed``."""
    for option in options:
        if option not in allowed:
            raise BadConfig(
                f"'{name}' takes no '@{option}='; it takes {', '.join(f'@{a}=' for a in allowed) or 'no options'}."
            )


def unknown(lacks: str, name: str, known: Collection[str], listing: str = "") -> UnknownName:
    """Return the error for a name that a library lacks, with the closest of those that it has.

    Args:
        lacks: beginning of the sentence ("timm has no model").
        listing: where ``known`` are listed, if they are too many for a message.
    """
    there_are = f"`{listing}` lists them." if listing else f"There are: {', '.join(known) or 'none'}."
    return UnknownName(f"{lacks} '{name}'.{suggest(name, known)} {there_are}")


def not_in_catalog(name: str, known: Collection[str]) -> str:
    """Return the error for a name without a provider that the catalog ``known`` lacks, with what was probably meant."""
    own = [one for one in known if ":" not in one]
    same = [one for one in known if one.rpartition(":")[2] == name]
    path = user_path(name)
    if suggestion := suggest(name, own) or suggest(name, same):
        hint = suggestion.strip()
    elif path.suffix == ".onnx":
        hint = f"For an ONNX file, use 'onnx:{name}'."
    elif "/" in name:
        hint = f"A model of a library begins with the library's name: 'hf:{name}', if Hugging Face has it."
    else:
        hint = f"A model of a library begins with the library's name: 'timm:{name}' or 'torchvision:{name}'."
    return f"There is no model called '{name}'. {hint} `probing models` lists the others."


def local_folder(model: str) -> Path | None:
    path = user_path(model)
    return path if path.is_dir() and ("/" in model or model.startswith((".", "~"))) else None


def _check(key: str, value: str, name: str) -> str:
    if not value:
        raise BadConfig(f"'@{key}=' in '{name}' has no value; {key} is {OPTIONS[key]}.")
    if key == "pool" and value not in POOLINGS:
        raise BadConfig(f"'@pool={value}' in '{name}': a pooling is one of {', '.join(POOLINGS)}.")
    if key == "layer" and value != "all":
        if not value.isdecimal() or len(value) > 9 or int(value) < 1:
            raise BadConfig(f"'@layer={value}' in '{name}': a layer is a whole number from 1, or 'all'.")
        return str(int(value))
    if key == "seed":
        if not value.isdecimal() or len(value) > 20 or int(value) >= 2**64:
            raise BadConfig(f"'@seed={value}' in '{name}': a seed is a whole number from 0 to 2^64 - 1.")
        return str(int(value))
    return value
