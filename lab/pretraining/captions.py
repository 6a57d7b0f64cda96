"""Captions made of labels and styles, for the objectives that learn from pictures and text."""

from __future__ import annotations

import pandas as pd

STYLES = {
    "photo": "a photo of",
    "art_painting": "a painting of",
    "cartoon": "a cartoon of",
    "sketch": "a pencil sketch of",
}
PLAIN = "a picture of"
"""Names no style; also for a style without words of its own."""


def captions(rows: pd.DataFrame, *, name_style: bool) -> list[str]:
    """Return one caption a row, from ``label`` and ``style``: "a pencil sketch of a horse"."""
    styles = rows["style"] if "style" in rows else ["photo"] * len(rows)
    return [
        f"{STYLES.get(style, PLAIN) if name_style else PLAIN} {noun(label)}"
        for label, style in zip(rows["label"], styles, strict=True)
    ]


def noun(label: str) -> str:
    """Return a label with its article: ``an elephant`` for ``elephant``, ``a car side`` for ``car_side``."""
    words = label.replace("_", " ").replace("-", " ").lower()
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"
