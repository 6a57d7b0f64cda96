"""The contact sheet: one picture under every transformation of the bank, at three strengths."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.data.pictures import Chosen
from dashboard.data.previews import draw
from probing_core.images import encode_jpeg
from probing_core.transforms import Transform, bank

FRACTIONS = (0.0, 0.5, 1.0)
VIEW = 128
GAP = 4
"""Gray pixels between two strengths."""


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Chosen: lambda picture: picture.key})
def contact_sheet(picture: Chosen) -> dict[str, bytes]:
    """Transform -> three strengths side by side, as JPEG."""
    return {t.name: encode_jpeg(_strip(picture, t), quality=92) for t in bank()}


def _strip(picture: Chosen, transform: Transform) -> np.ndarray:
    versions = [draw(picture.image, VIEW, transform, transform.strength_at(f))[1] for f in FRACTIONS]
    gap = np.full((VIEW, GAP, 3), 128, np.uint8)
    return np.hstack([versions[0], gap, versions[1], gap, versions[2]])
