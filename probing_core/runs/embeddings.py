"""What a run holds of embeddings, as the stages after embedding read it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from probing_core.errors import BadRun
from probing_core.runs.layout import LAYERS, slug
from probing_core.runs.lazy_rows import LazyRows
from probing_core.runs.store import Store


def read_embeddings(store: Store, model: str, rows: np.ndarray | None = None, series: str = "") -> np.ndarray:
    """Embeddings of ``model``, (N, D) ``float32`` in the order of ``samples.parquet``, or of a series' table.

    Args:
        rows: which of them; all, if not given. No others are read.
        series: name of the series; the main samples, if not given.
    """
    lazy = lazy_embeddings(store, model, series)
    return lazy[slice(None) if rows is None else rows]


def lazy_embeddings(store: Store, model: str, series: str = "") -> LazyRows:
    """The same embeddings, read where they are asked for."""
    return LazyRows(tuple(store.map_array(name, "embeddings") for name in _unit_names(store, model, series)))


def read_blocks(store: Store, model: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name (`LoadedEmbedder.blocks`) and embeddings (N, D) of one block of ``model`` after another, first to last, in
    the order of the layers' table. One of them is in memory."""
    units = _unit_names(store, model, LAYERS)
    for block in sorted(store.array_names(units[0]), key=lambda name: (int(name.split(".")[0]), name)):
        yield block, np.concatenate([store.read_array(unit, block) for unit in units])


def _unit_names(store: Store, model: str, series: str) -> list[str]:
    folder = f"models/{slug(model)}/{f'series/{series}' if series else 'embeddings'}/"
    names = [n for n in store.names(folder) if n.endswith(".safetensors")]
    if not names:
        raise BadRun(f"The run has no embeddings of '{model}'; `probing embed --run DIR` makes them.")
    return names


def has_embeddings(store: Store, model: str, series: str = "") -> bool:
    """Whether `read_embeddings` finds any; a run that was shipped may have none."""
    return bool(store.names(f"models/{slug(model)}/{f'series/{series}' if series else 'embeddings'}/"))
