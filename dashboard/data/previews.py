"""A picture under one transform along its range: what the strength slider and the pages of transforms draw."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import streamlit as st

from dashboard.data.pictures import Chosen, data_url
from probing_core.measures.notation import decimal
from probing_core.transforms import Transform, cut_pair, generator, prepare_source
from probing_core.transforms.distance import color_difference, describe, psnr

THREADS = 2
"""That draw a preview: most of its work is done outside of Python."""

EVERY = 2
"""Pixels across and down, of which one has its color compared: all of them take longer than the rest of a preview."""

STEPS = 13
"""Strengths along the documented range, both ends included."""

SHARED_SPLIT = "test"
"""Overlays on single pictures draw the art of this split."""

FOLDER = "previews"

_previews: WeakValueDictionary[str, Preview] = WeakValueDictionary()
"""Those in memory, by the last part of their address."""


@dataclass(frozen=True, eq=False)
class Step:
    """A picture at one strength of a transform.

    Attributes:
        strength: in the transform's unit.
        before, after: the view without and with it.
    """

    strength: float
    before: np.ndarray
    after: np.ndarray


class Preview:
    """A picture under one transform at every step of its range, each made when it is first needed.

    Attributes:
        transform: what is done to it.
        strengths: in the transform's unit, weakest first.
    """

    def __init__(self, picture: Chosen, view: int, transform: Transform) -> None:
        self.transform = transform
        self.strengths = tuple(dict.fromkeys(transform.strength_at(i / (STEPS - 1)) for i in range(STEPS)))
        self._source, self._view = prepare_source(picture.image, view), view  # not the picture, which may have 200 MB
        self._steps: dict[int, Step] = {}
        self._frames: dict[int, dict[str, Any]] = {}
        self._name = secrets.token_urlsafe(16)
        _previews[self._name] = self

    @property
    def address(self) -> str:
        """Where a browser finds all of it. Nobody can guess it: the picture may be an upload."""
        return f"{FOLDER}/{self._name}"

    @property
    def labels(self) -> list[str]:
        """The strength of each step, in words."""
        return [f"{self.transform.parameter} {decimal(s)} {self.transform.unit}" for s in self.strengths]

    def step(self, index: int) -> Step:
        if index not in self._steps:
            strength = self.strengths[index]
            self._steps[index] = Step(strength, *versions(self._source, self._view, self.transform, strength))
        return self._steps[index]

    def steps(self) -> list[Step]:
        """All of them."""
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(self.step, range(len(self.strengths))))

    def message(self, indices: Sequence[int]) -> dict[str, Any]:
        """Some steps for the browser: each clean picture once, since most strengths share it."""
        with ThreadPoolExecutor(THREADS) as threads:
            steps = list(threads.map(self.step, indices))
            frames = list(threads.map(self._frame, indices))
        clean = {step.before.tobytes(): step.before for step in steps}
        number = {pixels: i for i, pixels in enumerate(clean)}
        befores = [number[step.before.tobytes()] for step in steps]
        return {
            "clean": [data_url(image) for image in clean.values()],
            "frames": [
                {"step": index, "before": before, **frame}
                for index, before, frame in zip(indices, befores, frames, strict=True)
            ],
        }

    def _frame(self, index: int) -> dict[str, Any]:
        """The changed picture of a step as URL, and how far it is from the clean one."""
        if index not in self._frames:
            step = self.step(index)
            self._frames[index] = {"after": data_url(step.after), "numbers": _numbers(step.before, step.after)}
        return self._frames[index]


def find_preview(name: str) -> Preview | None:
    """The preview whose address ends in ``name``, while it is in memory."""
    return _previews.get(name)


def versions(source: np.ndarray, view: int, transform: Transform, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """The view of a source without and with ``transform``, which draws alike at every strength.

    Args:
        source: of `prepare_source`.
    """
    rng = generator(0, "preview", transform.name)
    return cut_pair(source, view, transform.for_split(SHARED_SPLIT), strength, rng)


@st.cache_resource(
    max_entries=24,
    show_spinner=False,
    hash_funcs={Chosen: lambda picture: picture.key, Transform: lambda transform: transform.name},
)
def preview(picture: Chosen, view: int, transform: Transform) -> Preview:
    """The preview of ``transform`` on ``picture``."""
    return Preview(picture, view, transform)


def _sampled(image: np.ndarray) -> np.ndarray:
    """(h, w, 3): one pixel of each square of `EVERY`, drawn at random, in the same places of every picture."""
    height, width = (side // EVERY for side in image.shape[:2])
    down, across = np.random.default_rng(0).integers(0, EVERY, (2, height, width))
    return image[EVERY * np.arange(height)[:, None] + down, EVERY * np.arange(width) + across]


def _numbers(before: np.ndarray, after: np.ndarray) -> dict[str, str]:
    facts = describe(before, after)
    ratio = psnr(before, after)
    return {
        "SSIM": f"{facts.ssim:.3f}",
        "PSNR": "identical" if np.isinf(ratio) else f"{ratio:.1f} dB",
        "Color difference": f"{color_difference(_sampled(before), _sampled(after)):.1f} ΔE00",
        "Mean difference": f"{facts.difference:.1f} of 255",
        "Perceptual distance": f"{facts.distance:.3f}",
        "Counts as visible": "yes" if facts.visible else "no",
    }
