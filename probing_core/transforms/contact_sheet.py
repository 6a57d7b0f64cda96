"""The contact sheet: one picture under every transform of the bank at three strengths, as one image."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw

from probing_core.measures.notation import decimal
from probing_core.transforms import bank
from probing_core.transforms.bank.overlay import font
from probing_core.transforms.base import GROUPS, Image, Transform, generator
from probing_core.transforms.view import cut_view, prepare_source

STRENGTHS = (0.0, 0.5, 1.0)
"""Fractions of the documented range: weakest, middle, strongest."""

GAP, LABEL, MARGIN_LEFT = 6, 20, 84
"""Pixels between tiles, above them, and left of them."""


def contact_sheet(image: Image, seed: int, view: int = 128) -> Image:
    """Draw every transform of the bank on ``image``, a row per group, three strengths each, weakest first.

    The tiles are views of ``view`` pixels as a run cuts them, and the three of a transform share one draw.
    """
    source = prepare_source(image, view)
    rows = [[transform for transform in bank() if transform.group == group] for group in GROUPS]
    block = len(STRENGTHS) * (view + 1) + GAP
    width = MARGIN_LEFT + max(len(row) for row in rows) * block
    sheet = PilImage.new("RGB", (width, len(rows) * (view + LABEL + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, row in enumerate(rows):
        top = GAP + index * (view + LABEL + GAP)
        draw.text((GAP, top + LABEL + view // 2), row[0].group, "black", font("DejaVuSans-Bold", 13), "lm")
        for column, transform in enumerate(row):
            left = MARGIN_LEFT + column * block
            draw.text((left, top + LABEL // 2), _label(transform), "black", font("DejaVuSans", 11), "lm")
            for step, fraction in enumerate(STRENGTHS[:1] if transform.group == "identity" else STRENGTHS):
                rng = generator(seed, "sheet", transform.name)
                tile = cut_view(source, view, transform, transform.strength_at(fraction), rng)
                sheet.paste(PilImage.fromarray(tile), (left + step * (view + 1), top + LABEL))
    return np.asarray(sheet)


def _label(transform: Transform) -> str:
    if transform.group == "identity":
        return transform.name
    strengths = " – ".join(decimal(transform.strength_at(fraction)) for fraction in STRENGTHS)
    return f"{transform.name}: {transform.parameter} {strengths} {transform.unit}"
