"""A picture under one transform along its range: what the strength slider and the pages of transforms draw."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import streamlit as st

from dashboard.data.pictures import Chosen
from probing_core.images import encode_png
from probing_core.transforms import Transform, cut_pair, generator, prepare_source
from probing_core.transforms.distance import color_difference, describe, psnr

LANES = 2
"""Threads that draw a preview: most of its work is done outside of Python."""

EACH = 2
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
    """A picture under one transform at every step of its range, each made when it is asked for.

    Attributes:
        transform: what is done to it.
        strengths: in the transform's unit, weakest first.
    """

    def __init__(self, picture: Chosen, view: int, transform: Transform) -> None:
        self.transform = transform
        self.strengths = tuple(dict.fromkeys(transform.strength_at(i / (STEPS - 1)) for i in range(STEPS)))
        self._source, self._view = prepare_source(picture.image, view), view  # not the picture, which may have 200 MB
        self._made: dict[int, Step] = {}
        self._told: dict[int, dict[str, Any]] = {}
        self._name = secrets.token_urlsafe(16)
        _previews[self._name] = self

    @property
    def address(self) -> str:
        """Where a browser finds all of it. Nobody can guess it: the picture may be an upload."""
        return f"{FOLDER}/{self._name}"

    @property
    def texts(self) -> list[str]:
        return [f"{self.transform.parameter} {s:.3g} {self.transform.unit}" for s in self.strengths]

    def step(self, index: int) -> Step:
        if index not in self._made:
            strength = self.strengths[index]
            self._made[index] = Step(strength, *_cut(self._source, self._view, self.transform, strength))
        return self._made[index]

    def steps(self) -> list[Step]:
        """All of them."""
        with ThreadPoolExecutor(LANES) as lanes:
            return list(lanes.map(self.step, range(len(self.strengths))))

    def told(self, indices: Sequence[int]) -> dict[str, Any]:
        """What the browser is told of some steps: each clean picture once, since most strengths share it."""
        with ThreadPoolExecutor(LANES) as lanes:
            steps = list(lanes.map(self.step, indices))
            said = list(lanes.map(self._say, indices))
        clean = {step.before.tobytes(): step.before for step in steps}
        number = {pixels: i for i, pixels in enumerate(clean)}
        frames = [
            {"step": index, "before": number[step.before.tobytes()], **told}
            for index, step, told in zip(indices, steps, said, strict=True)
        ]
        return {"clean": [_url(image) for image in clean.values()], "frames": frames}

    def _say(self, index: int) -> dict[str, Any]:
        """The changed picture of a step as URL, and what is said of the change."""
        if index not in self._told:
            step = self.step(index)
            self._told[index] = {"after": _url(step.after), "numbers": _numbers(step.before, step.after)}
        return self._told[index]


def draw(
    image: np.ndarray, view: int, transform: Transform, strength: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The view of ``image`` without and with ``transform``; the same ``seed`` draws alike at every strength."""
    return _cut(prepare_source(image, view), view, transform, strength, seed)


def _cut(
    source: np.ndarray, view: int, transform: Transform, strength: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(seed, "preview", transform.name)
    return cut_pair(source, view, transform.for_split(SHARED_SPLIT), strength, rng)


@st.cache_resource(max_entries=24, show_spinner=False)
def preview(_picture: Chosen, key: str, view: int, _transform: Transform, name: str) -> Preview:
    """The preview of ``_transform`` on ``_picture``; ``key`` and ``name`` stand for the two in the cache."""
    return Preview(_picture, view, _transform)


def _some(image: np.ndarray) -> np.ndarray:
    """(h, w, 3): of each square of `EACH` pixels one, drawn at random, in the same places of every picture."""
    height, width = (side // EACH for side in image.shape[:2])
    down, across = np.random.default_rng(0).integers(0, EACH, (2, height, width))
    return image[EACH * np.arange(height)[:, None] + down, EACH * np.arange(width) + across]


def _numbers(before: np.ndarray, after: np.ndarray) -> dict[str, str]:
    facts = describe(before, after)
    ratio = psnr(before, after)
    return {
        "SSIM": f"{facts.ssim:.3f}",
        "PSNR": "identical" if np.isinf(ratio) else f"{ratio:.1f} dB",
        "Color difference": f"{color_difference(_some(before), _some(after)):.1f} ΔE00",
        "Mean difference": f"{facts.difference:.1f} of 255",
        "Perceptual distance": f"{facts.distance:.3f}",
        "Counts as visible": "yes" if facts.visible else "no",
    }


def _url(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(image, level=1)).decode()
