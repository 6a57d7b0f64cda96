"""Embeddings of a run, read where they are asked for: there may be more of them than memory holds."""

from __future__ import annotations

import numpy as np

from probing_core.compute.lazy_rows import LazyRows
from probing_core.errors import BadRun
from probing_core.run.layout import embeddings_folder, units_at
from probing_core.run.store import Files


def read_embeddings(store: Files, model: str, rows: np.ndarray | None = None, series: str = "") -> np.ndarray:
    """Read embeddings of ``model``, (N, D) ``float32`` in the order of ``samples.parquet``, or of a series' table.

    Args:
        rows: which of them; all, if not given. No others are read.
        series: name of the series; the main samples, if not given.
    """
    lazy = lazy_embeddings(store, model, series)
    return lazy[slice(None) if rows is None else rows]


def lazy_embeddings(store: Files, model: str, series: str = "") -> LazyRows:
    """Return the same embeddings, read where they are asked for."""
    return LazyRows(tuple(store.map_array(name, "embeddings") for name in _unit_paths(store, model, series)))


def lazy_blocks(store: Files, model: str, series: str) -> dict[str, LazyRows]:
    """Return name (`LoadedEmbedder.blocks`) -> embeddings (N, D) of that block of ``model``, first to last, in the
    order of the series' table; ``embeddings`` alone where the series has only what the model returns."""
    units = _unit_paths(store, model, series)
    return {
        block: LazyRows(tuple(store.map_array(unit, block) for unit in units))
        for block in sorted(store.array_names(units[0]), key=_place_of)
    }


def _place_of(block: str) -> tuple[int, str]:
    number = block.partition(".")[0]
    return int(number) if number.isdigit() else 0, block


def embeddings_files(store: Files, model: str, series: str = "") -> list[str]:
    """Return files that hold the embeddings of ``model``, in the order of its units."""
    return sorted(store.names(embeddings_folder(model, series)), key=units_at)


def _unit_paths(store: Files, model: str, series: str) -> list[str]:
    names = embeddings_files(store, model, series)
    if not names:
        raise BadRun(f"The run has no embeddings of '{model}'; `probing run --out DIR` makes them.")
    return names


def has_embeddings(store: Files, model: str, series: str = "") -> bool:
    """Return whether `read_embeddings` finds any; a run that was shipped may have none."""
    return bool(store.names(embeddings_folder(model, series)))
