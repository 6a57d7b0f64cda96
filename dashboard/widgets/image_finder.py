"""Field to find one image on maps."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import cache
from dashboard.text import plain
from probing_core.results import Run

MAX_LISTED_IMAGES = 2000
"""Number of images in a list to select from at most; more are found by typing."""


def pick(run: Run, models: list[str], where: DeltaGenerator) -> str | None:
    """Show a field, and return the id of an image on the maps of ``models``; None until the visitor selects one."""
    label, key = "Find an image in all maps", "find-image"
    used = run.images.loc[run.images["used"], "image_id"]
    if len(used) > MAX_LISTED_IMAGES:
        image = where.text_input(label, key=key, placeholder="its id")
        known = bool((used == image).any())
        if image and not known:
            st.caption(f"No image of this run has the id '{plain(image)}'.")
        return image if known else None
    column = run.sample_columns("image_id")["image_id"]
    names, codes = column.cat.categories, column.cat.codes.to_numpy()
    there = [np.unique(codes[cache.existing_map(run, model)["sample"]]) for model in models]
    on_maps = set(names[np.unique(np.concatenate(there))])
    ids = [image for image in run.images["image_id"] if image in on_maps]
    return where.selectbox(label, ids, index=None, placeholder="its id", key=key)
