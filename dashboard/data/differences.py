"""Edits between two images, and their effect on embeddings, for the page "Before and after"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import streamlit as st
from PIL import Image as Pillow

from dashboard import rights
from dashboard.data import cache
from dashboard.data.pictures import SHOWN, VisitorPicture, computing, data_url, reduced
from probing_core.api.diff import ENLARGED, diff
from probing_core.api.diff_results import Difference
from probing_core.diffs.comparison import Kind
from probing_core.diffs.registration import register
from probing_core.images import Image, encode_jpeg, read_image
from probing_core.models import CATALOG, load_embedder
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.hub import no_downloads
from probing_core.transforms import generator, resolve

MODELS = ("timm:tf_efficientnet_lite0", "zoo/simclr", "zoo/mae")
"""Encoders whose embeddings are compared. They are included, so that nothing is downloaded."""

EXAMPLE = ("coffee/14", 60)
"""Packaged image of the example, and the JPEG quality with which it is saved after it was reduced to half its size."""

_KEYS: dict[str | type[Any], Callable[[Any], Any]] = {VisitorPicture: lambda picture: picture.key}


@dataclass(frozen=True, eq=False)
class Views:
    """Images to show: the registered original, the edited image, and their enlarged difference, as data URLs."""

    before: str
    after: str
    difference: str
    ratio: float


def example() -> tuple[VisitorPicture, VisitorPicture]:
    """Return the pair that is shown at the first visit: a photograph, and a small JPEG of it."""
    image_id, quality = EXAMPLE
    before = cache.packaged_image(image_id)
    half = Pillow.fromarray(before).resize((before.shape[1] // 2, before.shape[0] // 2), Pillow.Resampling.LANCZOS)
    after = read_image(encode_jpeg(np.asarray(half), quality), "example")
    return VisitorPicture.from_array("example", before), VisitorPicture.from_array("example, edited", after)


def edited(picture: VisitorPicture, name: str, strength: float) -> VisitorPicture:
    """Apply a transformation of the bank to an image."""
    rng = generator(0, "picture", name)
    after = resolve(name).apply(picture.image, strength, rng)
    return VisitorPicture.from_array(f"{picture.name}, edited", after)


def difference_of(before: VisitorPicture, after: VisitorPicture) -> Difference:
    """Name the edits between two images, and compare their hashes. Results for uploads are kept for the session."""
    is_upload = before.is_upload or after.is_upload
    return (_of_upload if is_upload else _shared)(before, after, ())


def effects_of(before: VisitorPicture, after: VisitorPicture, models: Sequence[str]) -> Difference:
    """Compare the embeddings of the given models, too."""
    is_upload = before.is_upload or after.is_upload
    return (_of_upload if is_upload else _shared)(before, after, tuple(models))


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=_KEYS)
def _shared(before: VisitorPicture, after: VisitorPicture, models: tuple[str, ...]) -> Difference:
    return _difference(before, after, models)


@st.cache_resource(scope="session", max_entries=4, show_spinner=False, hash_funcs=_KEYS)
def _of_upload(before: VisitorPicture, after: VisitorPicture, models: tuple[str, ...]) -> Difference:
    return _difference(before, after, models)


def _difference(before: VisitorPicture, after: VisitorPicture, models: tuple[str, ...]) -> Difference:
    loaded = [_encoder(name) for name in models]
    with computing, nullcontext() if rights.allowed() else no_downloads():
        return diff(before.image, after.image, models=loaded)


@st.cache_resource(show_spinner=False, max_entries=len(MODELS))
def _encoder(name: str) -> LoadedEmbedder:
    return load_embedder(name)


def available() -> list[str]:
    """Return the encoders that need no download."""
    return [name for name in MODELS if name in CATALOG and CATALOG.get(name).check().available]


def views(before: VisitorPicture, after: VisitorPicture, result: Difference) -> Views:
    """Return the images to show. The original is shown in the geometry of the edited image."""
    pair = result.pairs[0]
    registered = before.image
    if pair.kind is Kind.CHANGED:
        registered = register(before.image, after.image).apply(before.image)[0]
    change = cv2.convertScaleAbs(cv2.absdiff(after.image, registered), alpha=ENLARGED)
    height, width = after.image.shape[:2]
    return Views(_url(registered), _url(after.image), _url(change), width / height)


def _url(image: Image) -> str:
    return data_url(reduced(np.ascontiguousarray(image), SHOWN), lossless=max(image.shape[:2]) <= SHOWN // 2)
