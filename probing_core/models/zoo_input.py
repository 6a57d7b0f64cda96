"""Sizes and preprocessing for all encoders in the zoo."""

from __future__ import annotations

from probing_core.models.preprocessing import Preprocessing

SIZE = 128
"""Input size in pixels."""

PATCH = 16
"""Patch size in pixels."""

WIDTH = 192
"""Token and embedding dimension."""

PATCHES_PER_SIDE = SIZE // PATCH
TOKENS = PATCHES_PER_SIDE**2

PREPROCESSING = Preprocessing(
    size=(SIZE, SIZE),
    resize="shorter",
    crop=1.0,
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),  # ImageNet values, as is common for photographs
    std=(0.229, 0.224, 0.225),
)
