"""Share of a transformation that reaches each model after the model's own resize and crop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.data.previews import versions
from probing_core.models.base import Preprocessing
from probing_core.models.preprocessing import surviving_share
from probing_core.results import Run
from probing_core.transforms import bank, prepare_source

PICTURES = 6
"""Number of packaged photographs that are transformed at the middle of each range."""


def survival(run: Run) -> tuple[pd.DataFrame, dict[str, list[str]], list[str]]:
    """Return the percentage of each transformation's change that is left after resizing.

    There is one row per transformation and one column per way of resizing.

    Returns:
        The table; the models of each column; and those that receive the picture unchanged or state no resize.
    """
    ways: dict[Preprocessing, list[str]] = {}
    plain = []
    for name, recipe in zip(run.models["name"], run.models["recipe"], strict=True):
        way = _way((recipe or {}).get("preprocessing"))
        if way is not None and way.resize != "none":
            ways.setdefault(way, []).append(name)
        else:
            plain.append(name)
    titled = {m[0] if len(m) == 1 else f"{m[0]} and {len(m) - 1} more": way for way, m in ways.items()}
    columns = {title: _shares(way, run.recipe.view) for title, way in titled.items()}
    table = pd.DataFrame(columns).rename_axis("transform").reset_index()
    return table, {title: ways[way] for title, way in titled.items()}, plain


@st.cache_resource(max_entries=64, show_spinner=False)
def _shares(way: Preprocessing, view: int) -> dict[str, float]:
    return {name: 100 * surviving_share(*pictures, way) for name, pictures in _pictures(view).items()}


def _way(settings: Any) -> Preprocessing | None:
    """Return ``settings`` of a recipe as preprocessing; None where an embedder of another package records others."""
    if not isinstance(settings, dict) or "resize" not in settings:
        return None
    lists: dict[str, Any] = {key: tuple(value) for key, value in settings.items() if isinstance(value, list)}
    try:
        return Preprocessing(**settings | lists)
    except TypeError:
        return None


@st.cache_resource(max_entries=4, show_spinner=False)
def _pictures(view: int) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
    rows = cache.corpus(cache.PACKAGED).rows
    chosen = rows.drop_duplicates("base_id")["image_id"].head(PICTURES)
    sources = [prepare_source(cache.corpus_image(cache.PACKAGED, image_id), view) for image_id in chosen]
    changed = [t for t in bank() if t.group != "identity"]
    pairs = {t.name: [versions(source, view, t, t.strength_at(0.5)) for source in sources] for t in changed}
    return {name: ([a for a, _ in drawn], [b for _, b in drawn]) for name, drawn in pairs.items()}
