"""Protocols of others as data: a TOML file each, with its operations and their parameters by severity.

``preset:NAME`` stands for all operations of a protocol, ``preset:NAME/PART`` for those of one of its parts. An
operation is a transform called ``NAME/OPERATION``, whose strength is the severity, a whole number from 1 on.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from probing_core.transforms.base import Coordinates, Image, Transform
from probing_core.transforms.presets import imagenet_c, traces

FILES = ("traces.toml", "imagenet-c.toml")

PIXELS: dict[str, Callable[..., Image]] = {**imagenet_c.OPERATIONS, **traces.OPERATIONS}
"""What operations are made of by the name that ``does`` has in a file: (image, rng, **parameters) -> image."""

WARPS: dict[str, Callable[..., Coordinates]] = imagenet_c.MAPS
"""Those of geometric ones: ((height, width), rng, **parameters) -> `Coordinates`."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The protocol of others, or a part of it.

    Attributes:
        name: ``imagenet-c``, or ``imagenet-c/noise`` of a part.
        title, source: what it is, and the paper.
        license: under what its parameters and its code are used.
        transforms: its operations, in the order of the file.
    """

    name: str
    title: str
    source: str
    license: str
    transforms: tuple[Transform, ...]


@dataclass(frozen=True)
class Operation:
    """What is done at each severity.

    Attributes:
        does: the function.
        levels: its parameters at each severity, the first being severity 1.
        lengths: names of the parameters that are lengths, in pixels of a view of ``side`` pixels.
    """

    does: Callable[..., Any]
    levels: tuple[dict[str, Any], ...]
    lengths: tuple[str, ...]
    side: int

    def __call__(self, subject: Any, shape: tuple[int, ...], severity: float, rng: np.random.Generator) -> Any:
        scale = min(shape[:2]) / self.side
        level = self.levels[round(severity) - 1]
        return self.does(subject, rng, **{k: v * scale if k in self.lengths else v for k, v in level.items()})

    def pixels(self, image: Image, severity: float, rng: np.random.Generator) -> Image:
        return self(image, image.shape, severity, rng)

    def warp(self, shape: tuple[int, int], severity: float, rng: np.random.Generator) -> Coordinates:
        return self(shape, shape, severity, rng)


def read_preset(path: Path) -> tuple[Preset, ...]:
    """Return the preset of a TOML file, followed by its parts in the order in which the file names them."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    transforms = [(_transform(content, entry), entry["parts"]) for entry in content["operation"]]
    whole = Preset(
        **{key: content[key] for key in ("name", "title", "source", "license")},
        transforms=tuple(transform for transform, _ in transforms),
    )
    names = dict.fromkeys(part for _, parts in transforms for part in parts)
    return (
        whole,
        *(
            Preset(
                name=f"{whole.name}/{name}",
                title=whole.title,
                source=whole.source,
                license=whole.license,
                transforms=tuple(transform for transform, parts in transforms if name in parts),
            )
            for name in names
        ),
    )


def _transform(preset: dict[str, Any], entry: dict[str, Any]) -> Transform:
    values: dict[str, Any] = entry["values"]
    side: int = preset["side"]
    severities = max(len(value) if isinstance(value, list) else 1 for value in values.values())
    levels = tuple({k: v[i] if isinstance(v, list) else v for k, v in values.items()} for i in range(severities))
    lengths = tuple(entry.get("lengths", ()))
    geometric = entry.get("geometric", False)
    operation = Operation((WARPS if geometric else PIXELS)[entry["does"]], levels, lengths, side)
    return Transform(
        name=f"{preset['name']}/{entry['name']}",
        group=entry["group"],
        parameter="severity",
        unit=f"of {severities}",
        weakest=1,
        strongest=severities,
        distribution="integer",
        revision=f"{preset['revision']}: {json.dumps([entry['does'], values, lengths, side])}",
        definition=f"{entry['definition']} {_in_words(values, lengths, side)}",
        library=entry["library"],
        source=preset["source"],
        draws=entry.get("draws", False),
        pixels=None if geometric else operation.pixels,
        warp=operation.warp if geometric else None,
    )


def _in_words(values: dict[str, Any], lengths: tuple[str, ...], side: int) -> str:
    parts = []
    for name, value in values.items():
        numbers = ", ".join(f"{v:g}" if isinstance(v, int | float) else v for v in np.atleast_1d(value).tolist())
        parts.append(f"{name} {numbers}{' px' if name in lengths else ''}")
    words = "; ".join(parts)
    return f"{words[0].upper()}{words[1:]}{f' (of a {side} px view)' if lengths else ''}."


PRESETS: tuple[Preset, ...] = tuple(preset for file in FILES for preset in read_preset(Path(__file__).with_name(file)))
"""Every preset, each followed by its parts."""
