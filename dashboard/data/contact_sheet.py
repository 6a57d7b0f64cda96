"""The contact sheet: one picture under many transformations, at three strengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from dashboard.data.pictures import VisitorPicture
from dashboard.data.previews import versions
from probing_core.images import encode_jpeg
from probing_core.transforms import Transform, prepare_source

VIEW = 128
GAP = 4
STRENGTHS = (0.0, 0.5, 1.0)
"""Fractions of the documented range: weakest, middle, strongest."""

_KEYS: dict[str | type, Callable[[Any], str]] = {
    VisitorPicture: lambda picture: picture.key,
    Transform: lambda transform: transform.name,
}


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def contact_sheet(picture: VisitorPicture, transforms: tuple[Transform, ...]) -> dict[str, bytes]:
    """Return name of a transform -> JPEG with three strengths side by side."""
    source = prepare_source(picture.image, VIEW)
    return {t.name: encode_jpeg(_strip(source, t), quality=92) for t in transforms}


def _strip(source: np.ndarray, transform: Transform) -> np.ndarray:
    weak, middle, strong = (versions(source, VIEW, transform, transform.strength_at(s))[1] for s in STRENGTHS)
    gap = np.full((VIEW, GAP, 3), 128, np.uint8)
    return np.hstack([weak, gap, middle, gap, strong])
