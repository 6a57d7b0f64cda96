"""Image hashes as features: 64 bits that say whether two pictures are copies of each other.

Both are made for finding copies that were resized, recompressed or retouched: what they keep of a change is what a
finder of duplicates sees of it. Pictures are reduced as `Pillow` and the package ``ImageHash`` do, so that the bits are
those of that package.
"""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage
from scipy.fft import dctn

from probing_core.transforms.base import Image

SIDE = 8
"""Rows of a hash, and bits in each."""

BITS = SIDE * SIDE

REDUCED = 32
"""Side in pixels of the picture whose frequencies are taken."""


def difference_hash(image: Image) -> np.ndarray:
    """Return whether each pixel of a picture reduced to 9 x 8 is darker than the one to its right (dHash).

    Args:
        image: (H, W, 3) ``uint8``.

    Returns:
        (64,) ``bool``, row by row.

    References:
        Krawetz 2013, "Kind of Like That", The Hacker Factor Blog.
    """
    gray = _reduced_gray(image, SIDE + 1, SIDE)
    return (gray[:, 1:] > gray[:, :-1]).ravel()


def perceptual_hash(image: Image) -> np.ndarray:
    """Return whether each of the 8 x 8 lowest frequencies of a picture of 32 x 32 exceeds their median (pHash).

    The frequencies are those of the cosine transform of type 2; the constant one takes part in the median.

    Args:
        image: (H, W, 3) ``uint8``.

    Returns:
        (64,) ``bool``, vertical frequencies from row to row.

    References:
        Krawetz 2011, "Looks Like It", The Hacker Factor Blog.
    """
    low = dctn(_reduced_gray(image, REDUCED, REDUCED))[:SIDE, :SIDE]
    return (low > np.median(low)).ravel()


def _reduced_gray(image: Image, width: int, height: int) -> np.ndarray:
    gray = PilImage.fromarray(image).convert("L")
    return np.asarray(gray.resize((width, height), PilImage.Resampling.LANCZOS))
