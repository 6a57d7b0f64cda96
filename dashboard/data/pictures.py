"""Images that visitors upload or select, and conversion of images to data URLs."""

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

SHOWN = 800
"""Maximum length in pixels of the longer side of an image on a page."""

MAX_COMPUTATIONS = 1
"""Maximum number of simultaneous computations of galleries and model predictions for images of visitors. With more, the
pages of all other visitors are slow."""

computing = threading.BoundedSemaphore(MAX_COMPUTATIONS)

_in_memory: weakref.WeakSet[VisitorPicture] = weakref.WeakSet()
_changing = threading.Lock()
"""Lock for `_in_memory`, which must not be iterated over while an image is added."""


def bytes_in_memory() -> int:
    with _changing:
        return sum(picture.image.nbytes for picture in _in_memory)


@dataclass(frozen=True, eq=False)
class VisitorPicture:
    """An image that a visitor uploaded or selected.

    Attributes:
        name: file name of an upload, or title.
        image: (H, W, 3) ``uint8``.
        key: digest of size and pixels.
        notes: notes on how the image was decoded, and on existing degradation.
        is_upload: whether the image is an upload. All data computed from an upload are deleted when the session ends.
    """

    name: str
    image: np.ndarray
    key: str
    notes: tuple[str, ...] = ()
    is_upload: bool = False

    @classmethod
    def from_array(cls, name: str, image: np.ndarray) -> VisitorPicture:
        """Create a `VisitorPicture` from ``image``, (H, W, 3) ``uint8``, and compute its key."""
        digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=8)
        digest.update(image.tobytes())
        return cls(name, image, digest.hexdigest())

    def __post_init__(self) -> None:
        with _changing:
            _in_memory.add(self)

    @cached_property
    def shown(self) -> np.ndarray:
        """Image at display size. Sending photographs at full size would be slow."""
        return reduced(self.image, SHOWN)


def reduced(image: np.ndarray, side: int) -> np.ndarray:
    """Downsample ``image`` so that the longer side has at most ``side`` pixels."""
    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(small)


def data_url(image: np.ndarray, lossless: bool = True) -> str:
    """Encode ``image`` as a data URL, in PNG or JPEG format.

    Images are not served from URLs, because anyone who has an image could guess a URL that is derived from its bytes.
    """
    return address_of(encode_png(image, level=1), "png") if lossless else address_of(encode_jpeg(image, 92), "jpeg")


def address_of(encoded: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


@st.cache_resource(max_entries=8, show_spinner=False)
def scan_thumbnails(out: Path, written: int, rows: tuple[int, ...]) -> list[str]:
    """Return thumbnails for rows in the table of a scan as data URLs. Missing thumbnails are empty strings.

    Args:
        out: folder of the scan.
        written: modification time of the table. As part of the cache key, it invalidates thumbnails of earlier scans.
        rows: row numbers in the table.
    """
    return [address_of(thumbnail, "webp") if thumbnail else "" for thumbnail in thumbnails_of(out, rows)]
