"""Pictures that a visitor chose: uploads and packaged photographs alike."""

from __future__ import annotations

import base64
import hashlib
import threading
import weakref
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from probing_core.images import encode_jpeg, encode_png

SHOWN = 800
"""Pixels of the longer side of a picture on a page."""

_in_memory: weakref.WeakSet[Chosen] = weakref.WeakSet()
_changing = threading.Lock()
"""While it grows it must not be read."""


def bytes_in_memory() -> int:
    """Of the decoded pictures of all visitors."""
    with _changing:
        return sum(picture.image.nbytes for picture in _in_memory)


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

    def __post_init__(self) -> None:
        with _changing:
            _in_memory.add(self)

    @cached_property
    def shown(self) -> np.ndarray:
        """The picture as a page shows it: a photograph of a camera takes a quarter of a second to send."""
        small = Image.fromarray(self.image)
        small.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return np.asarray(small)


def data_url(image: np.ndarray, lossless: bool = True) -> str:
    """``image`` itself as an address: one of the server's, made of its bytes, could be found by who has the same."""
    kind, data = ("png", encode_png(image, level=1)) if lossless else ("jpeg", encode_jpeg(image, quality=92))
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def chosen(name: str, image: np.ndarray) -> Chosen:
    return Chosen(name, image, hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest())
