from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from probing_core.compute.live.fusion import FusionRule, fit_rule, starting_rule
from probing_core.compute.live.tiles import MAX_TILES, cut
from probing_core.errors import BadRun

GROUPS = ("identity", "color", "noise")


def picture(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 256, y % 256, (x + y) % 256], axis=-1).astype(np.uint8)


def test_a_picture_of_the_views_size_is_looked_at_untouched():
    image = picture(128, 128)
    look = cut(image, 128)
    assert look.kind == "direct"
    assert look.tiles == ()
    assert np.array_equal(look.whole, image)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (5000, 128), (128, 5000), (1500, 1500), (300, 5000)])
def test_what_is_cut_keeps_no_picture_alive(height, width):
    image = picture(height, width)
    assert not any(np.shares_memory(part, image) for part in cut(image, 128).pictures)


@pytest.mark.parametrize(("side", "kind"), [(40, "direct"), (192, "direct"), (193, "combined"), (1000, "combined")])
def test_the_shorter_side_decides(side, kind):
    assert cut(picture(side, side + 300), 128).kind == kind


@given(height=st.integers(32, 1200), width=st.integers(32, 1200))
@example(height=971, width=97)  # one column of tiles, too long for all of them
@example(height=97, width=971)
@settings(max_examples=40, deadline=None)
def test_looks_have_the_views_size_and_tiles_their_own_scale(height, width):
    image = picture(height, width)
    look = cut(image, 64)
    assert look.whole.shape == (64, 64, 3)
    assert len(look.tiles) <= MAX_TILES
    assert (len(look.tiles) > 0) == (min(height, width) > 96)
    for tile in look.tiles:
        assert tile.shape == (64, 64, 3)
        # Neighbors differ by one step: nothing was scaled.
        assert ((tile[:, 1:, 0].astype(int) - tile[:, :-1, 0]) % 256 == 1).all()


def test_tiles_reach_every_corner():
    image = picture(500, 700)
    tiles = cut(image, 128).tiles
    corners = {(int(t[0, 0, 0]), int(t[0, 0, 1])) for t in tiles}
    assert (0, 0) in corners
    assert ((700 - 128) % 256, (500 - 128) % 256) in corners


def test_the_starting_rule_believes_tiles_about_noise_and_both_about_color():
    rule = starting_rule(GROUPS)
    whole = np.array([0.2, 0.7, 0.1])
    tiles = np.array([[0.2, 0.1, 0.7]] * 4)
    assert rule.whole[1] == rule.tiles[1]
    assert rule.tiles[2] > rule.whole[2]
    combined = rule.fuse(whole, tiles)
    assert combined.sum() == pytest.approx(1)
    assert combined[0] < combined[1:].min()


def test_the_rule_learns_which_look_tells_the_truth():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 600)

    def probabilities(informative):
        logits = rng.normal(size=(600, 3))
        logits[np.arange(600), truth] += np.where(informative, 4.0, 0.0)
        p = np.exp(logits)
        return p / p.sum(1, keepdims=True)

    whole, tiles = probabilities(truth == 1), probabilities(truth == 2)
    start, fitted = starting_rule(GROUPS), fit_rule(whole, tiles, truth, GROUPS)
    assert fitted.fitted_on == 600

    def accuracy(rule):
        return np.mean([rule.fuse(w, t[None]).argmax() == y for w, t, y in zip(whole, tiles, truth, strict=True)])

    assert accuracy(fitted) >= accuracy(start)
    assert fitted.whole[1] > fitted.tiles[1]
    assert fitted.tiles[2] > fitted.whole[2]


def test_few_pictures_move_the_rule_little():
    whole = np.array([[0.1, 0.8, 0.1]])
    fitted = fit_rule(whole, whole, np.array([2]), GROUPS)
    start = starting_rule(GROUPS)
    assert np.isfinite(fitted.whole).all()
    assert np.abs(fitted.bias - start.bias).max() < 30


def test_a_rule_survives_its_file():
    rule = fit_rule(np.full((5, 3), 1 / 3), np.full((5, 3), 1 / 3), np.array([0, 1, 2, 0, 1]), GROUPS)
    again = FusionRule.from_bytes(rule.to_bytes())
    assert np.array_equal(again.whole, rule.whole)
    assert np.array_equal(again.tiles, rule.tiles)
    assert again.fitted_on == 5
    for damaged in (rule.to_bytes()[:40], b"", starting_rule(GROUPS).to_bytes().replace(b"fusion", b"fusiom")):
        with pytest.raises(BadRun, match="A rule of fusion .* was expected"):
            FusionRule.from_bytes(damaged)
