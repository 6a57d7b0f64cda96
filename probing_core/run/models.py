"""The models of a run: reading and comparing ``model.toml`` files, and reading embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from probing_core.compute.lazy_rows import LazyRows
from probing_core.errors import BadConfig, BadRun
from probing_core.run.layout import MODELS, embeddings_folder, is_model_path, units_at
from probing_core.run.recipe import require_type
from probing_core.run.run_files import RunFiles

PRECOMPUTED = "precomputed"
"""Family of models whose embeddings were read from a file."""

ROUNDING_ENTRIES = ("precision", "float32_modules", "device", "engine", "libraries", "batch_size")
"""Entries in the recipe of a model that only affect the rounding of embeddings."""

ENTRY_TYPES = {
    "name": str,
    "family": str,
    "recipe": dict,
    "request": str,
    "position": int,
    "objective": str,
    "dim": int,
}
"""Required entries in ``model.toml`` -> their types."""


def embeds_pictures(entry: Mapping[Any, Any]) -> bool:
    """Return whether a model can embed new images. Precomputed embeddings only cover the samples of a run.

    Args:
        entry: content of ``model.toml``, or a row of the model table.
    """
    return entry["family"] != PRECOMPUTED


def model_entries(store: RunFiles, requests: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the content of ``model.toml`` for every model of the run.

    Args:
        requests: names of the models in the recipe, which determine the order of the result.

    Raises:
        BadRun: a ``model.toml`` cannot be read, or has invalid entries.
    """
    return in_order((_entry(store, path) for path in store.names(MODELS) if is_model_path(path)), requests)


def in_order(entries: Iterable[dict[str, Any]], requests: Sequence[str]) -> list[dict[str, Any]]:
    order = {name: i for i, name in enumerate(requests)}
    return sorted(entries, key=lambda e: (order.get(e["request"], len(order)), e["position"]))


def _entry(store: RunFiles, path: str) -> dict[str, Any]:
    entry = store.read_toml(path)
    try:
        for name, kind in ENTRY_TYPES.items():
            require_type(f"'{name}'", entry.get(name), kind)
    except BadConfig as error:
        raise BadRun(
            f"'{store.root / path}' was modified or created by a different version. {error} Restore the original file."
        ) from error
    return entry


def require_joined(entry: Mapping[str, Any], joined: Mapping[str, Any]) -> None:
    """Check that a model is the same as when it was added to the run.

    `ROUNDING_ENTRIES` may differ, so a run can be resumed with updated libraries or on a different device.

    Args:
        entry: current content of ``model.toml``.
        joined: content of ``model.toml`` when the model was added.

    Raises:
        BadRun: the model now computes different embeddings.
    """
    before, now = joined["recipe"], entry["recipe"]
    lasting = (before.keys() | now.keys()) - set(ROUNDING_ENTRIES)
    changed = sorted(name for name in lasting if before.get(name) != now.get(name))
    if changed:
        raise BadRun(
            f"'{entry['name']}' has changed since it was added to the run (changed: {', '.join(changed)}). "
            f"{HOW_TO_RESTORE}."
        )


HOW_TO_RESTORE = "Specify the previous weights with @weights=PATH, or start a new run"
"""Advice in error messages for a model whose embeddings have changed."""


def differences(joined: dict[str, Any], current: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Compare two recipes of a model.

    Entries that occur in only one recipe are ignored, because other versions of the project record different entries.
    The batch size is also ignored, because it only affects rounding.

    Returns:
        The names of differing entries that affect embeddings, and the names of differing `ROUNDING_ENTRIES`.
    """
    common = joined.keys() & current.keys() - {"batch_size"}
    differing = sorted(k for k in common if joined[k] != current[k])
    return [k for k in differing if k not in ROUNDING_ENTRIES], [k for k in differing if k in ROUNDING_ENTRIES]


def read_embeddings(store: RunFiles, model: str, series: str = "") -> np.ndarray:
    """Read the (N, D) ``float32`` embeddings of ``model``, in the order of the sample table."""
    return lazy_embeddings(store, model, series)[:]


def lazy_embeddings(store: RunFiles, model: str, series: str = "") -> LazyRows:
    """Return the (N, D) embeddings of ``model`` as in `read_embeddings`, but only read rows when they are accessed."""
    return LazyRows(tuple(store.map_array(name, "embeddings") for name in _unit_paths(store, model, series)))


def lazy_blocks(store: RunFiles, model: str, series: str) -> dict[str, LazyRows]:
    """Return the (N, D) embeddings from each layer of ``model`` by layer name, in the order of the sample table.

    If only the output of the model was embedded, the only name is ``embeddings``.
    """
    units = _unit_paths(store, model, series)
    return {
        block: LazyRows(tuple(store.map_array(unit, block) for unit in units))
        for block in sorted(store.array_names(units[0]), key=_place_of)
    }


def _place_of(block: str) -> tuple[int, str]:
    number = block.partition(".")[0]
    return int(number) if number.isdigit() else 0, block


def embeddings_files(store: RunFiles, model: str, series: str = "") -> list[str]:
    return sorted(store.names(embeddings_folder(model, series)), key=units_at)


def _unit_paths(store: RunFiles, model: str, series: str) -> list[str]:
    names = embeddings_files(store, model, series)
    if not names:
        raise BadRun(
            f"The run has no embeddings from '{model}'. Complete the run first.", hint="Run `probing run --out DIR`."
        )
    return names


def has_embeddings(store: RunFiles, model: str, series: str = "") -> bool:
    """Return whether the run has embeddings from the model. Shipped runs may omit them."""
    return bool(store.names(embeddings_folder(model, series)))


def without_none(value: Any) -> Any:
    """Convert ``value`` to types that TOML supports: remove None values, and replace tuples with lists."""
    if isinstance(value, dict):
        return {k: without_none(v) for k, v in value.items() if v is not None}
    return [without_none(v) for v in value] if isinstance(value, list | tuple) else value
