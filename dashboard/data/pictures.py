"""Images that a visitor uploads or selects from the packaged photographs, and images as data URLs."""

from __future__ import annotations

import base64
import hashlib
import threading
import weakref
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from probing_core.api.scan_results import thumbnails_of
from probing_core.images import encode_jpeg, encode_png
from probing_core.images.quality import flatness

SHOWN = 800
"""Longer side in pixels of an image on a page."""

_in_memory: weakref.WeakSet[VisitorPicture] = weakref.WeakSet()
_changing = threading.Lock()
"""Lock for `_in_memory`, which must not be read while it grows."""


def bytes_in_memory() -> int:
    with _changing:
        return sum(picture.image.nbytes for picture in _in_memory)


@dataclass(frozen=True, eq=False)
class VisitorPicture:
    """An image that a visitor uploaded or selected.

    Attributes:
        image: (H, W, 3) ``uint8``.
        key: digest of size and pixels.
        notes: notes on how the image was decoded, and on existing degradation.
        is_upload: whether the image is an upload: everything computed from it is deleted when the visit ends.
    """

    name: str
    image: np.ndarray
    key: str
    notes: tuple[str, ...] = ()
    is_upload: bool = False

    @classmethod
    def from_array(cls, name: str, image: np.ndarray) -> VisitorPicture:
        """Return a `VisitorPicture` of ``image``, (H, W, 3) ``uint8``, with its key."""
        digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=8)
        digest.update(image.tobytes())
        return cls(name, image, digest.hexdigest())

    def __post_init__(self) -> None:
        with _changing:
            _in_memory.add(self)

    @cached_property
    def shown(self) -> np.ndarray:
        """Return the image at display size, because a full-size photograph would take long to send."""
        return reduced(self.image, SHOWN)

    @cached_property
    def flatness(self) -> float:
        """Return the fraction of squares without detail."""
        return flatness(self.image)


def reduced(image: np.ndarray, side: int) -> np.ndarray:
    """Return ``image`` with a longer side of at most ``side`` pixels."""
    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(small)


def data_url(image: np.ndarray, lossless: bool = True) -> str:
    """Return ``image`` as a data URL.

    An address on the server that is derived from the bytes could be found by anyone who has the same image.
    """
    return address_of(encode_png(image, level=1), "png") if lossless else address_of(encode_jpeg(image, 92), "jpeg")


def address_of(encoded: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


@st.cache_resource(max_entries=8, show_spinner=False)
def scan_thumbnails(out: Path, written: int, rows: tuple[int, ...]) -> list[str]:
    """Return the thumbnails of some rows of a scan's table as data URLs; empty for rows without a thumbnail.

    Args:
        written: time at which the table was written; the folder may have been scanned again since then.
    """
    return [address_of(thumbnail, "webp") if thumbnail else "" for thumbnail in thumbnails_of(out, rows)]
