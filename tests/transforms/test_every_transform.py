"""What holds for every entry of the catalog; a new entry is checked by being listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from probing_core.compute.sampling.series import strengths_of
from probing_core.errors import BadConfig, BadImage
from probing_core.transforms import CATALOG, GROUPS, PROBE_SPLITS, Transform, bank, cut_pair, far_style, generator
from probing_core.transforms.bank import style
from probing_core.transforms.distance import describe
from tests.transforms.pictures import noise, photograph, sources, views

SLOW_NETWORK = "style-arbitrary"
"""Transforms that share one network, which paints a picture of 384 px whatever the size: the first of them stands for
all where pictures of several sizes are painted."""
SMALLEST = 8
"""Smallest side of an image that is transformed, in pixels."""

SIZES = ((32, 32), (33, 47), (32, 700), (700, 32), (128, 128))


def _entries(*, arbitrary: bool = True) -> list:
    return [pytest.param(t, id=t.name) for t in CATALOG.own if arbitrary or not t.name.startswith(SLOW_NETWORK)]


def _apply(transform: Transform, image: np.ndarray, fraction: float = 0.5, draw: int = 0) -> np.ndarray:
    return transform.apply(image, transform.strength_at(fraction), generator(0, "x", transform.name, 0, draw))


@pytest.mark.parametrize("transform", _entries())
def test_keeps_size_and_type_of_any_content_and_leaves_its_input(transform: Transform) -> None:
    sizes: tuple[tuple[int, int], ...] = SIZES
    if transform.name.startswith(SLOW_NETWORK):
        sizes = SIZES[:3] if transform.name == f"{SLOW_NETWORK}-1" else SIZES[1:2]
    for height, width in sizes:
        image = noise(height, width)
        before = image.copy()
        result = _apply(transform, image, fraction=1)
        assert result.shape == image.shape
        assert result.dtype == np.uint8
        assert (image == before).all()
        assert not np.shares_memory(result, image)
    if transform.name.startswith(SLOW_NETWORK):  # here, where it has painted one picture already
        assert not transform.draws
        assert (result == _apply(transform, image, fraction=1, draw=1)).all()
        return
    gray = np.repeat(photograph()[100:164, 200:264, :1], 3, axis=2)
    for picture in (np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8), gray):
        assert all(_apply(transform, picture, fraction).shape == picture.shape for fraction in (0, 1))


@pytest.mark.parametrize("transform", _entries(arbitrary=False))
def test_large_pictures(transform: Transform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger than those of which effects work on a reduced copy."""
    if transform.group == "style" and transform.name != "style-3":
        # Styles of one network differ by weights: one paints as large a picture as it ever sees.
        monkeypatch.setattr(style, "MAX_STYLED_SIDE", 128)
    image = np.repeat(np.repeat(photograph()[:300, :400], 5, axis=0), 5, axis=1)
    assert _apply(transform, image).shape == (1500, 2000, 3)


@pytest.mark.parametrize("transform", _entries(arbitrary=False))
def test_same_bytes_for_the_same_seed(transform: Transform) -> None:
    image = photograph()[:128, 200:328]
    first = _apply(transform, image)
    if transform.draws:
        assert (first == _apply(transform, image)).all()
        # Two draws may agree, where only a sign is drawn; eight do not.
        assert any((first != _apply(transform, image, draw=draw)).any() for draw in range(1, 9))
    else:
        # For any seed, and so for the same one.
        assert (first == _apply(transform, image, draw=1)).all()


@pytest.mark.parametrize("transform", [pytest.param(t, id=t.name) for t in (*bank()[1:], *far_style()[:5])])
def test_distance_grows_with_strength(transform: Transform) -> None:
    # Three strengths, as on the contact sheet: blocks of 4 px line up with the octaves of the distance, so that
    # pixelate dips between neighbors of a finer row.
    fractions = (0, 0.5, 1)
    means = [np.mean([describe(*pair).distance for pair in _pairs(transform, fraction)]) for fraction in fractions]
    assert means[0] > 0.02
    assert all(later > earlier for earlier, later in pairwise(means)), means


@pytest.mark.parametrize("transform", [pytest.param(t, id=t.name) for t in bank()[1:]])
def test_the_faintest_is_nearer_to_identity_than_the_weakest(transform: Transform) -> None:
    strengths = (strengths_of(transform)[0], transform.weakest)
    found = [[describe(*pair) for pair in _at(transform, strength)] for strength in strengths]
    for kind in ("distance", "difference"):
        faintest, weakest = (np.mean([getattr(one, kind) for one in row]) for row in found)
        # Blocks of little more than a pixel double some pixels, so that pixelate is the least faint.
        assert faintest < weakest * (0.7 if transform.name == "pixelate" else 0.5), kind


@pytest.mark.parametrize("transform", [pytest.param(t, id=t.name) for t in bank()[1:]])
def test_the_neutral_strength_changes_next_to_nothing(transform: Transform) -> None:
    assert transform.neutral is not None
    differences = [describe(*pair).difference for pair in _at(transform, transform.neutral)]
    assert np.mean(differences) < (2 if transform.name == "jpeg" else 0.3)  # chroma is halved at any quality


@pytest.mark.parametrize("neutral", [1.0, 0.6, 0.7])
def test_a_neutral_strength_lies_beyond_the_weakest(neutral: float) -> None:
    with pytest.raises(ValueError, match="must be weaker than"):
        replace(bank()[1], neutral=neutral)


def _pairs(transform: Transform, fraction: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return _at(transform, transform.strength_at(fraction))


def _at(transform: Transform, strength: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for name, _, source in sources():
        yield cut_pair(source, 128, transform, strength, generator(0, name, transform.name))


@pytest.mark.parametrize("transform", [pytest.param(t, id=t.name) for t in bank()[1:]])
def test_splits_take_their_own_art(transform: Transform) -> None:
    image = photograph()[:128, 200:328]
    results = [
        transform.for_split(split).apply(image, transform.weakest, generator(0, "x", "y")) for split in PROBE_SPLITS
    ]
    differ = any((results[0] != result).any() for result in results[1:])
    assert differ == (transform.pixels_of_split is not None)


def test_the_bank_is_ten_groups_of_three_and_identity() -> None:
    names = [t.name for t in bank()]
    assert names[0] == "identity"
    assert len(names) == len(set(names)) == 31
    assert [t.group for t in bank()[1:]] == [group for group in GROUPS[1:] for _ in range(3)]
    assert [t.member for t in bank()[1:]] == ["A", "B", "C"] * 10
    assert [t.unseen_in for t in bank()[1:4]] == [1, 2, 0]
    assert bank()[0].unseen_in is None


def test_the_far_tier_is_style_and_no_member() -> None:
    assert all(t.group == "style" and t.far and t.member is None for t in far_style())
    assert not any(t.far for t in bank())
    assert sum(t.name.startswith("style-arbitrary-") for t in far_style()) >= 11  # ten pictures and the control


def test_strengths_follow_their_law() -> None:
    rng = np.random.default_rng(0)
    for transform in CATALOG.own:
        drawn = [transform.draw_strength(rng) for _ in range(50)]
        low, high = sorted((transform.weakest, transform.strongest))
        assert low <= min(drawn)
        assert max(drawn) <= high
        assert (transform.strength_at(0), transform.strength_at(1)) == (transform.weakest, transform.strongest)
        if transform.distribution == "integer":
            assert set(drawn) == set(range(int(low), int(high) + 1)) or transform.name == "jpeg"


def test_views_differ_between_draws() -> None:
    identity = bank()[0]
    assert any((a != b).any() for a, b in zip(views(identity, 0), views(identity, 0, draw=1), strict=True))


@pytest.mark.parametrize("transform", [pytest.param(t, id=t.name) for t in bank()[1:]])
def test_a_strength_out_of_its_range_is_refused(transform: Transform) -> None:
    step = 0.01 * (transform.strongest - transform.weakest)
    for strength in (transform.weakest - step, transform.strongest + step, float("nan"), "strong"):
        with pytest.raises(BadConfig, match=f"The {transform.parameter} of '{transform.name}' must be .*; got"):
            transform.apply(noise(32, 32), strength, generator(0, "x", transform.name))


def test_arrays_that_are_no_pictures_are_refused_and_gray_ones_become_rgb() -> None:
    transform, rng = bank()[1], generator(0, "x", "y")
    with pytest.raises(BadImage, match="float64"):
        transform.apply(noise(32, 32) / 255, transform.weakest, rng)
    gray = noise(32, 32)[..., 0]
    expected = transform.apply(np.dstack([gray] * 3), transform.weakest, rng)
    assert (transform.apply(gray, transform.weakest, rng) == expected).all()


@pytest.mark.parametrize("transform", _entries(arbitrary=False))
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_small_images_are_transformed_or_refused_with_the_smallest_size(transform: Transform) -> None:
    sides = (1, 2, 3, 5, 7, 8, 9)
    longer = {SMALLEST: (SMALLEST, 70), 1: (300,)}  # elongated images
    for height, width in {(a, b) for a in sides for b in (*sides, *longer.get(a, ()))}:
        image = noise(height, width)
        if min(height, width) < SMALLEST:
            with pytest.raises(BadImage, match=f"at least {SMALLEST} pixels.*got {width} x {height}"):
                _apply(transform, image)
            continue
        with np.errstate(all="raise", under="ignore"):
            result = _apply(transform, image, fraction=1)
        assert result.shape == image.shape
        assert result.dtype == np.uint8
