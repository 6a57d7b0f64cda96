"""Images under one transformation at several strengths (for the strength slider), or under all transformations."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import cv2
import numpy as np
import streamlit as st

from dashboard.data.pictures import VisitorPicture, computing, data_url
from dashboard.text import strength_in_words
from probing_core.errors import BadImage
from probing_core.images import encode_jpeg
from probing_core.transforms import Transform, cut_pair, generator, prepare_source, resolve
from probing_core.transforms.distance import describe
from probing_core.transforms.transformation import MIN_SIDE
from probing_core.transforms.view import sub_pixel_warp

STRENGTHS = (0.0, 0.5, 1.0)
"""Positions in the strength range: weakest, middle, strongest."""

VIEW, GAP = 128, 4
"""Side length of an image on the contact sheet, and gap between two images, in pixels."""

THREADS = 2
"""Number of threads that compute a preview. Most of the computation releases the GIL."""

STEPS = 13
"""Number of strengths in the training range, including both ends."""

WEAKER = (0.0, 0.25, 0.5, 0.75)
"""Strengths weaker than in training, as positions between no change (0) and the weakest strength in training (1)."""

SHARED_SPLIT = "test"
"""Split whose fonts, words and icons are used for previews."""

FOLDER = "previews"

in_memory: WeakValueDictionary[str, Preview] = WeakValueDictionary()
"""Last part of the URL -> preview."""


@dataclass(frozen=True, eq=False)
class Step:
    """An image at one strength of a transformation.

    Attributes:
        strength: strength of the transformation.
        before: view without the transformation.
        after: view with the transformation.
    """

    strength: float
    before: np.ndarray
    after: np.ndarray

    @cached_property
    def frame(self) -> dict[str, Any]:
        numbers = _numbers(self.before, self.after)
        return {"before": data_url(self.before), "after": data_url(self.after), "numbers": numbers}

    def focus(self, side: float) -> tuple[float, float]:
        """Return the center (x, y) of the square region with the largest change, as fractions of width and height.

        Args:
            side: side length of the region, as a fraction of the side length of the image.
        """
        height, width = self.before.shape[:2]
        window = (max(1, round(side * width)), max(1, round(side * height)))
        changes = cv2.absdiff(self.before, self.after).sum(axis=2, dtype=np.float32)
        means = cv2.blur(changes, window)
        inside = means[window[1] // 2 : height - window[1] // 2, window[0] // 2 : width - window[0] // 2]
        y, x = np.unravel_index(inside.argmax(), inside.shape)
        return float(x + window[0] // 2) / width, float(y + window[1] // 2) / height


class Preview:
    """An image under one transformation at several strengths, called steps. Steps are computed on demand.

    Attributes:
        transform: the transformation.
        strengths: strengths in the unit of the transformation, weakest first.
        first_trained: index of the weakest strength in training.
    """

    def __init__(self, picture: VisitorPicture, view: int, transform: Transform) -> None:
        self.transform = transform
        trained = dict.fromkeys(transform.strength_at(i / (STEPS - 1)) for i in range(STEPS))
        weaker = [transform.fainter(fraction) for fraction in WEAKER] if transform.neutral is not None else []
        weaker = [strength for strength in dict.fromkeys(weaker) if strength not in trained]
        self.strengths = (*weaker, *trained)
        self.first_trained = len(weaker)
        self._source = prepare_source(picture.image, view)  # the image itself may be large
        self._view = view
        self._steps: dict[int, Step] = {}
        self._name = secrets.token_urlsafe(16)
        in_memory[self._name] = self

    @property
    def address(self) -> str:
        """URL of the preview. It is random, so that the URLs of uploads cannot be guessed."""
        return f"{FOLDER}/{self._name}"

    def position_of(self, strength: float) -> float:
        """Return the position of a strength on the slider, from 0 (weakest) to 1 (strongest)."""
        sign = -1 if self.transform.falling else 1
        steps = np.arange(len(self.strengths))
        step = np.interp(sign * strength, sign * np.array(self.strengths), steps)
        return float(step) / max(1, len(steps) - 1)

    @property
    def labels(self) -> list[str]:
        return [strength_in_words(self.transform.name, s, 3) for s in self.strengths]

    def step(self, index: int) -> Step:
        if index not in self._steps:
            strength = self.strengths[index]
            self._steps[index] = Step(strength, *versions(self._source, self._view, self.transform, strength))
        return self._steps[index]

    def message(self, indices: Sequence[int]) -> dict[str, Any]:
        """Return the data of the steps ``indices`` for the browser. Identical original views are included once."""
        with ThreadPoolExecutor(THREADS) as threads:
            frames = list(threads.map(lambda index: {"step": index, **self.step(index).frame}, indices))
        clean = list(dict.fromkeys(frame["before"] for frame in frames))
        return {"clean": clean, "frames": [frame | {"before": clean.index(frame["before"])} for frame in frames]}


def versions(source: np.ndarray, view: int, transform: Transform, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the view of a source image without and with ``transform``.

    The random numbers are the same for every strength.

    Args:
        source: result of `prepare_source`.
        view: view size in pixels.
    """
    rng = generator(0, "preview", transform.name)
    return cut_pair(source, view, transform.for_split(SHARED_SPLIT), strength, rng)


def edited_picture(image: np.ndarray, largest: int, view: int, transform: Transform, strength: float) -> np.ndarray:
    """Apply a transformation to a full image, with the same random numbers as in a preview.

    Args:
        image: (H, W, 3) ``uint8``. It is downsampled if its shorter side exceeds ``largest`` pixels.
        view: view size of the preview in pixels.
    """
    shortest = min(image.shape[:2])
    if shortest < MIN_SIDE:
        raise BadImage(f"The image is too small to be transformed. At least {MIN_SIDE} pixels per side are required.")
    if shortest > largest:
        size = [max(1, round(side * largest / shortest)) for side in (image.shape[1], image.shape[0])]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    rng = generator(0, "preview", transform.name)
    sub_pixel_warp(view, rng)  # a preview draws its warp first
    return np.ascontiguousarray(transform.for_split(SHARED_SPLIT).apply_unchecked(image, strength, rng))


_KEYS: dict[str | type, Callable[[Any], str]] = {
    VisitorPicture: lambda picture: picture.key,
    Transform: lambda transform: transform.name,
}


def preview(picture: VisitorPicture, view: int, transform: Transform) -> Preview:
    """Return the preview of an image. Previews of uploads are cached per session, and all others are shared."""
    return (_preview_of_upload if picture.is_upload else _shared_preview)(picture, view, transform)


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs=_KEYS)
def _shared_preview(picture: VisitorPicture, view: int, transform: Transform) -> Preview:
    return Preview(picture, view, transform)


@st.cache_resource(scope="session", max_entries=2, show_spinner=False, hash_funcs=_KEYS)
def _preview_of_upload(picture: VisitorPicture, view: int, transform: Transform) -> Preview:
    return Preview(picture, view, transform)


def original(picture: VisitorPicture) -> np.ndarray:
    """Return the original view of an image at the size of the contact sheet."""
    return versions(prepare_source(picture.image, VIEW), VIEW, resolve("identity"), 0.0)[0]


def contact_sheet(picture: VisitorPicture, transforms: tuple[Transform, ...]) -> dict[str, bytes]:
    """Return a JPEG of the image at three strengths, side by side, for each transformation.

    Contact sheets are cached like previews.
    """
    return (_sheet_of_upload if picture.is_upload else shared_sheet)(picture, transforms)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def shared_sheet(picture: VisitorPicture, transforms: tuple[Transform, ...]) -> dict[str, bytes]:
    return _strips(picture, transforms)


@st.cache_resource(scope="session", max_entries=1, show_spinner=False, hash_funcs=_KEYS)
def _sheet_of_upload(picture: VisitorPicture, transforms: tuple[Transform, ...]) -> dict[str, bytes]:
    return _strips(picture, transforms)


def _strips(picture: VisitorPicture, transforms: tuple[Transform, ...]) -> dict[str, bytes]:
    source = prepare_source(picture.image, VIEW)
    with computing:
        return {t.name: encode_jpeg(_strip(source, t), quality=92) for t in transforms}


def _strip(source: np.ndarray, transform: Transform) -> np.ndarray:
    weak, middle, strong = (versions(source, VIEW, transform, transform.strength_at(s))[1] for s in STRENGTHS)
    gap = np.full((VIEW, GAP, 3), 128, np.uint8)
    return np.hstack([weak, gap, middle, gap, strong])


def _numbers(before: np.ndarray, after: np.ndarray) -> dict[str, str]:
    facts = describe(before, after)
    return {
        "SSIM": f"{facts.ssim:.3f}",
        "Mean difference": f"{facts.difference:.1f} of 255",
        "Perceptual distance": f"{facts.distance:.3f}",
        "Counts as visible": "yes" if facts.visible else "no",
    }
