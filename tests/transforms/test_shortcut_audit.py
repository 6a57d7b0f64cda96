"""How views were cut identifies no class; and the audit would notice if one could."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from probing_core.transforms import CATALOG, Image, generator
from tests.transforms.pictures import sources, views
from tests.transforms.shortcut_audit import audit

pytestmark = pytest.mark.slow

EVERY = 1
"""All packaged views: twenty of each of ten photographs."""


def examine(views_of_class: list[Image]) -> object:
    bases = [base for _, base, _ in sources(EVERY)]
    plain = views(CATALOG.get("identity"), 0, EVERY)
    return audit(plain, views_of_class, bases, np.random.default_rng(0), shuffles=100)


@pytest.mark.parametrize("name", ["rotate", "perspective", "swirl"])
def test_geometry_at_its_weakest_looks_like_identity(name: str) -> None:
    transform = CATALOG.get(name)
    result = examine(views(transform, transform.weakest, EVERY))
    assert result.passed, result


def test_identity_looks_like_identity() -> None:
    result = examine(views(CATALOG.get("identity"), 0, EVERY, draw=1))
    assert result.passed, result


def filled(image: Image) -> Image:
    """Rotated without a margin, so that corners are filled."""
    matrix = cv2.getRotationMatrix2D((63.5, 63.5), 8, 1)
    return cv2.warpAffine(image, matrix, (128, 128), flags=cv2.INTER_CUBIC)


def resampled(image: Image) -> Image:
    """One interpolation more than every other class."""
    matrix = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    return cv2.warpAffine(image, matrix, (128, 128), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


@pytest.mark.parametrize("shortcut", [filled, resampled])
def test_a_planted_shortcut_fails_the_audit(shortcut: Callable[[Image], Image]) -> None:
    result = examine([shortcut(view) for view in views(CATALOG.get("identity"), 0, EVERY, draw=1)])
    assert not result.passed, result


def test_too_few_photographs() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    with pytest.raises(ValueError, match="at least 5 photographs"):
        audit([image] * 4, [image] * 4, list("abcd"), generator(0, "x", "y"))
