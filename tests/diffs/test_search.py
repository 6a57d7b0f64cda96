from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from probing_core.diffs.candidates import SLOW_EDITS, Candidate, candidates
from probing_core.diffs.comparison import compare_images
from probing_core.diffs.naming import STRICT_CUT, Named, check, is_explained, name_edits
from probing_core.diffs.search import Explanation, Step
from probing_core.transforms import bank, resolve
from tests.diffs.photographs import photographs, quick_candidates


def named(edit, count: int = 1, entries: tuple[Candidate, ...] | None = None) -> Named:
    """Name the edits of the function ``edit``."""
    pairs = [compare_images(image, edit(image)).workspace for image in photographs()[1 : 1 + count]]
    with ThreadPoolExecutor(2) as pool:
        return name_edits(pairs, entries or quick_candidates(), pool)


NAMES = {"text": "overlay", "icons": "overlay"}
NOT_REPLAYED = ("rotate", "perspective", "swirl", "fog", "rain", "snow")


@pytest.mark.parametrize("name", [t.name for t in bank()[1:] if t.name not in NOT_REPLAYED and t.group != "style"])
def test_a_transformation_of_the_bank_is_named(name):
    transform = resolve(name)
    strength = transform.strength_at(0.4)
    entries = candidates() if name in SLOW_EDITS else quick_candidates()
    found = named(lambda image: transform.apply(image, strength, np.random.default_rng(3)), entries=entries)
    assert found.is_explained
    assert found.explanation.names == (NAMES.get(name, name),)
    if found.explanation.chains[0]:
        step = found.explanation.chains[0][0]
        assert abs(step.strength) == pytest.approx(strength, rel=0.03)


def test_strengths_are_found_outside_the_range_of_the_bank():
    gamma = resolve("gamma")
    found = named(lambda image: gamma.apply_unchecked(image, 0.77, np.random.default_rng(0)))
    assert found.explanation.names == ("gamma",)
    assert found.explanation.chains[0][0].strength == pytest.approx(0.77, abs=0.02)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("brighten", 1.3), ("jpeg", 60)),
        (("jpeg", 25), ("brighten", 1.3)),
        (("desaturate", 0.7), ("gaussian-blur", 1.0)),
        (("gaussian-blur", 1.0), ("jpeg", 50)),
        (("gamma", 1.5), ("gaussian-noise", 0.05)),
    ],
)
def test_two_edits_are_named(first, second):
    def edit(image: np.ndarray) -> np.ndarray:
        for name, strength in (first, second):
            image = resolve(name).apply_unchecked(image, strength, np.random.default_rng(1))
        return image

    found = named(edit, count=2)
    assert set(found.explanation.names) == {first[0], second[0]}
    assert found.is_explained


def test_an_edit_that_is_no_candidate_is_not_explained():
    def vignette(image: np.ndarray) -> np.ndarray:
        y, x = np.ogrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
        return (image * (1 - 0.6 * np.clip(x**2 + y**2, 0, 1))[..., None]).astype(np.uint8)

    assert not named(vignette, count=2).is_explained


def smooth_curve(image: np.ndarray) -> np.ndarray:
    values = np.arange(256) / 255
    return cv2.LUT(image, np.rint(255 * (3 * values**2 - 2 * values**3)).astype(np.uint8))


def solarized(image: np.ndarray) -> np.ndarray:
    return np.where(image < 128, image, 255 - image)


@pytest.mark.parametrize("edit", [smooth_curve, solarized])
def test_curves_that_edits_imitate_are_not_explained(edit):
    # Contrast and gamma together resemble any smooth curve, and solarization changes a part of the image only.
    assert not named(edit, count=2).is_explained


def test_faint_differences_after_an_edit_are_not_called_noise():
    def sharpened(image: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(0)
        sharp = cv2.addWeighted(image, 1.8, cv2.GaussianBlur(image, (0, 0), 1.0), -0.8, 0)
        return np.clip(sharp + rng.normal(0, 1.2, image.shape), 0, 255).astype(np.uint8)

    assert named(sharpened).explanation.names == ("sharpen",)


def test_an_edit_is_named_only_if_it_explains_most_pairs():
    chain = (Step(next(entry for entry in candidates() if entry.name == "gaussian-blur"), 1.0),)
    few = Explanation((chain,) * 5, (0.01, 0.01, 0.01, 0.5, 0.6))
    assert few.share < STRICT_CUT
    assert not is_explained(few)
    assert is_explained(Explanation((chain,) * 5, (0.01, 0.01, 0.01, 0.01, 0.6)))


def test_the_edit_of_most_pairs_is_checked_in_others():
    jpeg = resolve("jpeg")
    found = named(lambda image: jpeg.apply_unchecked(image, 30, np.random.default_rng(0)))
    image = photographs()[4]
    like = compare_images(image, jpeg.apply_unchecked(image, 55, np.random.default_rng(0))).workspace
    unlike = compare_images(image, 255 - image).workspace
    assert check(like, found.explanation).share < 0.01
    assert check(like, found.explanation).chains[0][0].strength == 55
    assert check(unlike, found.explanation).share > 0.5


def test_edits_of_a_large_image_are_found_in_a_part():
    image = cv2.resize(photographs()[2], (900, 600), interpolation=cv2.INTER_CUBIC)
    for name, strength in (("jpeg", 70), ("contrast", 0.6), ("gaussian-blur", 0.4)):
        after = resolve(name).apply_unchecked(image, strength, np.random.default_rng(0))
        compared = compare_images(image, after)
        assert compared.workspace.whole is not None
        with ThreadPoolExecutor(2) as pool:
            found = name_edits([compared.workspace], quick_candidates(), pool).explanation
        assert found.names == (name,)
        assert found.chains[0][0].strength == pytest.approx(strength, rel=0.05)
