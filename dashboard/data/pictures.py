"""Pictures that a visitor chose: uploads and packaged photographs alike."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

SHOWN = 800
"""Pixels of the longer side of a picture on a page."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """A picture that somebody chose.

    Attributes:
        name: what the page calls it.
        image: (H, W, 3) ``uint8``.
        key: digest of its pixels.
        notes: what was changed in reading it, and what already degrades it.
    """

    name: str
    image: np.ndarray
    key: str
    notes: tuple[str, ...] = ()

    @cached_property
    def shown(self) -> np.ndarray:
        """The picture as a page shows it: a photograph of a camera takes a quarter of a second to send."""
        small = Image.fromarray(self.image)
        small.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return np.asarray(small)


def chosen(name: str, image: np.ndarray, notes: tuple[str, ...] = ()) -> Chosen:
    return Chosen(name, image, hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest(), notes)
