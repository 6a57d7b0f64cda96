"""The models of a run: their ``model.toml``, the comparison of its entries, and embeddings, which may exceed memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from probing_core.compute.lazy_rows import LazyRows
from probing_core.errors import BadConfig, BadRun
from probing_core.run.layout import MODELS, embeddings_folder, is_model_path, units_at
from probing_core.run.recipe import require_type
from probing_core.run.store import Files

PRECOMPUTED = "precomputed"
"""Family of models whose embeddings were read from a file."""

ROUNDING_ENTRIES = ("precision", "float32_modules", "device", "engine", "libraries", "batch_size")
"""Entries in a model's recipe that only affect the rounding of its embeddings."""

ENTRY_TYPES = {
    "name": str,
    "family": str,
    "recipe": dict,
    "request": str,
    "position": int,
    "objective": str,
    "dim": int,
}
"""Name -> type of the entries in ``model.toml`` that pages and stages use."""


def embeds_pictures(entry: Mapping[Any, Any]) -> bool:
    """Return whether the model of ``entry`` (its ``model.toml``, or a row in the table of models) can embed new images.

    Precomputed embeddings only cover the samples of a run.
    """
    return entry["family"] != PRECOMPUTED


def model_entries(store: Files, requests: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the content of ``model.toml`` of every model of the run.

    Args:
        requests: models in the recipe, which determine the order.

    Raises:
        BadRun: a ``model.toml`` cannot be read, or has invalid entries.
    """
    return in_order((_entry(store, path) for path in store.names(MODELS) if is_model_path(path)), requests)


def in_order(entries: Iterable[dict[str, Any]], requests: Sequence[str]) -> list[dict[str, Any]]:
    order = {name: i for i, name in enumerate(requests)}
    return sorted(entries, key=lambda e: (order.get(e["request"], len(order)), e["position"]))


def _entry(store: Files, path: str) -> dict[str, Any]:
    entry = store.read_toml(path)
    try:
        for name, kind in ENTRY_TYPES.items():
            require_type(f"its '{name}'", entry.get(name), kind)
    except BadConfig as error:
        raise BadRun(
            f"'{store.root / path}' was changed, or is from a different version: {error} Restore the original file."
        ) from error
    return entry


def require_joined(entry: Mapping[str, Any], joined: Mapping[str, Any]) -> None:
    """Check that the model of ``entry`` (its ``model.toml``) is the model that was added to the run (``joined``).

    `ROUNDING_ENTRIES` may differ, so a run can continue with an updated library, or a different precision or device.

    Raises:
        BadRun: the model now computes different embeddings.
    """
    before, now = joined["recipe"], entry["recipe"]
    lasting = (before.keys() | now.keys()) - set(ROUNDING_ENTRIES)
    changed = sorted(name for name in lasting if before.get(name) != now.get(name))
    if changed:
        raise BadRun(
            f"'{entry['name']}' has changed since it was added to the run ({', '.join(changed)} differ); "
            f"{HOW_TO_RESTORE}."
        )


HOW_TO_RESTORE = "pass the old weights with @weights=PATH, or start a new run"
"""Advice if a model computes different embeddings."""


def differences(joined: dict[str, Any], current: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of the entries in which two recipes of a model differ: those that affect embeddings, and all
    others.

    Entries that only one recipe has are ignored, because other versions of the project record different entries. The
    batch size is also ignored, because it only affects the rounding.
    """
    common = joined.keys() & current.keys() - {"batch_size"}
    differing = sorted(k for k in common if joined[k] != current[k])
    return [k for k in differing if k not in ROUNDING_ENTRIES], [k for k in differing if k in ROUNDING_ENTRIES]


def read_embeddings(store: Files, model: str, series: str = "") -> np.ndarray:
    """Return the embeddings of ``model``, (N, D) ``float32``, in the order of ``samples.parquet`` or of a series'
    table."""
    return lazy_embeddings(store, model, series)[:]


def lazy_embeddings(store: Files, model: str, series: str = "") -> LazyRows:
    """Return the embeddings that `read_embeddings` returns, (N, D), which are read on access."""
    return LazyRows(tuple(store.map_array(name, "embeddings") for name in _unit_paths(store, model, series)))


def lazy_blocks(store: Files, model: str, series: str) -> dict[str, LazyRows]:
    """Return block name -> embeddings (N, D) from this block of ``model``, in the order of the series.

    If the series only has the output of the model, the only name is ``embeddings``.
    """
    units = _unit_paths(store, model, series)
    return {
        block: LazyRows(tuple(store.map_array(unit, block) for unit in units))
        for block in sorted(store.array_names(units[0]), key=_place_of)
    }


def _place_of(block: str) -> tuple[int, str]:
    number = block.partition(".")[0]
    return int(number) if number.isdigit() else 0, block


def embeddings_files(store: Files, model: str, series: str = "") -> list[str]:
    return sorted(store.names(embeddings_folder(model, series)), key=units_at)


def _unit_paths(store: Files, model: str, series: str) -> list[str]:
    names = embeddings_files(store, model, series)
    if not names:
        raise BadRun(
            f"The run has no embeddings of '{model}'. Complete the run first.", hint="Run `probing run --out DIR`."
        )
    return names


def has_embeddings(store: Files, model: str, series: str = "") -> bool:
    """Return whether the run has embeddings of the model. A shipped run may lack them."""
    return bool(store.names(embeddings_folder(model, series)))
