"""Which pictures have no color to judge."""

from __future__ import annotations

import cv2
import numpy as np

from probing_core.images.quality import NEAR_GRAY
from probing_core.transforms.base import Image

GRAY_SIDE = 64
"""Pixels at which the spread of the channels is measured: noise of single pixels has averaged out."""


def has_no_color(image: Image) -> bool:
    """Return whether the mean spread of the channels (largest less smallest) lies below `NEAR_GRAY`."""
    small = cv2.resize(image, (GRAY_SIDE, GRAY_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return bool((small.max(2) - small.min(2)).mean() < NEAR_GRAY)


def turned_gray(image: Image) -> Image:
    """Return ``image`` with its luma in all three channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
