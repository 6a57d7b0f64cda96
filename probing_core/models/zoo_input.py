"""Sizes and preprocessing that all encoders of the zoo share."""

from __future__ import annotations

from probing_core.models.base import Preprocessing

SIZE = 128
"""Side of an image in pixels."""

PATCH = 16
"""Side of the square that a token sees, in pixels."""

WIDTH = 192
"""Dimension of tokens and embeddings."""

GRID = SIZE // PATCH
TOKENS = GRID**2

PREPROCESSING = Preprocessing(
    size=(SIZE, SIZE),
    resize="shorter",
    crop=1.0,
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),  # of ImageNet, the usual convention for photographs
    std=(0.229, 0.224, 0.225),
)
