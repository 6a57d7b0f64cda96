"""The options of a run.

`Options` defines the arguments of ``probing run`` and the settings of runs started on the "Evaluate your model" page.
Executor, address, device and precision are not part of the recipe. They are stored in ``log/`` and reused when the run
is resumed from this page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from probing_core.errors import BadConfig, BadRun
from probing_core.run.files import read_json, write_atomically
from probing_core.run.layout import LAST_OPTIONS
from probing_core.run.recipe import VIEW

LOCAL, RAY = "local", "ray"
EXECUTORS = (LOCAL, RAY)

LOCAL_ADDRESS = "auto"
"""Address of a Ray cluster to which this computer belongs."""

EMBED, TRAIN, EVALUATE, PROJECT = "embed", "train", "evaluate", "project"
STAGES = (EMBED, TRAIN, EVALUATE, PROJECT)
"""Stages of a run, in order."""

Kind = Literal["text", "number", "names", "folder"]
"""Type of an option on the command line."""


def _option(metavar: str, help: str, kind: Kind = "text", *, entry: bool = False, default: Any = None) -> Any:
    """Create a field of `Options`. ``entry`` specifies whether the value is copied to the recipe unchanged."""
    return field(default=default, metadata={"metavar": metavar, "help": help, "kind": kind, "entry": entry})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a run.

    If an option is None, the value in the recipe of an existing run or the default is used. A single name can be passed
    instead of a list, such as ``models="zoo/mae"``.

    Attributes:
        corpus, view, models, transforms, limit, seed, repetitions: see `Recipe`.
        base: directory of a run to copy. ``models`` are added to the copy, and the base run is not changed.
        calibrate_on: corpora of unedited photographs for calibrating answers.
        device, precision: device and precision of the models. ``auto`` selects the fastest on this machine.
        jobs: number of processes that transform images, by default one per core if memory allows. It does not affect
            the results.
        executor: ``local`` (embed in this process) or ``ray`` (embed on the workers of a Ray cluster).
        address: address of an existing Ray cluster. By default, a local cluster is started.
    """

    corpus: str | None = _option("C", "photos (default), folder:PATH or folder:s3://..., parquet:FILE, hub:NAME")
    view: int | None = _option("N", f"view size in pixels (default {VIEW})", "number", entry=True)
    models: Sequence[str] | None = _option(
        "a,b",
        "names of models or sets: bundled (default, the included models), zoo, baselines, published (published models "
        "for the claims; default view size 224)",
        "names",
    )
    transforms: Sequence[str] | None = _option(
        "a,b",
        "names of transformations or sets: bank (default), far-styles (styles on which no probe is trained), or the "
        "prefix before the slash that a group of plug-in names shares",
        "names",
    )
    limit: int | None = _option(
        "N", "maximum number of images, distributed evenly over photographs (default: all)", "number", entry=True
    )
    seed: int | None = _option("N", "random seed (default 0)", "number", entry=True)
    repetitions: int | None = _option(
        "N", "number of random draws per image and transformation (default 1)", "number", entry=True
    )
    calibrate_on: Sequence[str] | None = _option(
        "C,D", "corpora of unedited photographs, used to train a detector and calibrate answers", "names"
    )
    base: Path | None = _option(  # noqa: RUF009
        "RUN", "add models to a copy of this run (hard links); this run is not changed", "folder"
    )
    device: str = _option("DEVICE", "auto (default), cpu, cuda, cuda:1, mps", default="auto")
    precision: str = _option("PRECISION", "auto (default), float32, bfloat16, float16", default="auto")
    jobs: int | None = _option(
        "N", "number of processes that transform images (default: one per core if memory allows)", "number"
    )
    executor: str = _option("EXECUTOR", "where models run: local (default), ray (on a Ray cluster)", default=LOCAL)
    address: str | None = _option(
        "HOST:PORT", "with --executor ray: address of an existing cluster, or auto (default: start a local cluster)"
    )

    def __post_init__(self) -> None:
        for option in fields(self):  # a single string is one name, not a sequence of letters
            if option.metadata["kind"] == "names" and isinstance(value := getattr(self, option.name), str):
                object.__setattr__(self, option.name, (value,))

    def entries(self) -> dict[str, Any]:
        """Return the values that are copied to the recipe unchanged, by name, except those that are None."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata["entry"]}
        return {name: value for name, value in values.items() if value is not None}

    def arguments(self) -> list[str]:
        """Return the ``probing run`` arguments for all options that differ from their defaults."""
        flags: list[str] = []
        for option in fields(self):
            value = getattr(self, option.name)
            if value != option.default:
                flags += [flag(option), ",".join(value) if option.metadata["kind"] == "names" else str(value)]
        return flags


DEFAULTS = Options()


def flag(option: Field) -> str:
    """Return the flag for a field, such as ``--calibrate-on`` for ``calibrate_on``."""
    return "--" + option.name.replace("_", "-")


NOTED = {"device": "device", "precision": "precision", "engine": "executor", "address": "address"}
"""Names in `LAST_OPTIONS` -> names of options that are not part of the recipe."""


def note_options(run: Path, options: Options) -> None:
    """Write the values of the options in `NOTED` to `LAST_OPTIONS`."""
    noted = {name: getattr(options, option) for name, option in NOTED.items()}
    write_atomically(run / LAST_OPTIONS, json.dumps(noted).encode())


def last_options(run: Path) -> Options:
    """Read the options that `note_options` wrote, or return `DEFAULTS` if any of them is missing or invalid."""
    try:
        noted = read_json(run / LAST_OPTIONS)
        options = Options(**{option: noted[name] for name, option in NOTED.items()})
    except (BadRun, KeyError, TypeError):
        return DEFAULTS
    texts = (options.device, options.precision, options.address or "")
    sound = options.executor in EXECUTORS and all(isinstance(text, str) for text in texts)
    if not sound or (options.executor == LOCAL and options.address):
        return DEFAULTS
    return options


def require_executor(executor: str, address: str | None) -> None:
    """Check the executor and the address of its cluster.

    Raises:
        BadConfig: the executor is unknown, or does not support an address.
    """
    if executor not in EXECUTORS:
        raise BadConfig(f"'{executor}' is not a known executor. Available executors: {', '.join(EXECUTORS)}.")
    if address is not None and executor != RAY:
        raise BadConfig(
            "The address of a Ray cluster requires the 'ray' executor.",
            hint="Pass --executor ray with --address.",
        )
