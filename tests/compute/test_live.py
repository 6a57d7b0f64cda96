"""Crops of a picture, and the probability that it was altered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from probing_core.compute.live import (
    MAX_TILES,
    MIN_PHOTOGRAPHS,
    Noticing,
    alteration_score,
    cut,
    fit_noticing,
    if_altered,
    join,
    log_of,
    noticing_of,
    require_prior,
    word,
)
from probing_core.errors import BadConfig, BadRun

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


def test_tiles_are_believed_about_noise_and_both_about_color():
    whole, tiles = np.array([0.2, 0.7, 0.1]), np.array([[0.2, 0.1, 0.7], [0.3, 0.1, 0.6]])
    joined = join(np.stack([whole, *tiles]), GROUPS)
    logs = np.log(tiles).mean(0)
    expected = np.exp([0.5, 0.5, 0.2] * np.log(whole) + [0.5, 0.5, 0.8] * logs)
    np.testing.assert_allclose(joined, expected / expected.sum())


def test_a_whole_alone_and_tiles_that_say_the_same_answer_as_it_does():
    whole = np.array([0.2, 0.7, 0.1])
    np.testing.assert_allclose(join(whole[None], GROUPS), whole)
    np.testing.assert_allclose(join(np.stack([whole] * 4), GROUPS), whole)
    assert np.isfinite(join(np.array([[1.0, 0, 0], [0, 0, 1.0]]), GROUPS)).all()


NOTICED = ("identity", "color", "blur", "blur")


def made(n: int = 4000, apart: float = 2.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of untouched pictures, and of two groups by two makers, in uneven numbers."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, n, p=[0.1, 0.5, 0.2, 0.15, 0.05])
    groups = np.array(["identity", "blur", "blur", "tone", "tone"])[kind]
    makers = np.array(["as it is", "bank", "alternative", "bank", "alternative"])[kind]
    scores = rng.normal(3, 2, n) + apart * np.array([0, 1, 0.5, 2, 1])[kind]
    return {"scores": scores, "groups": groups, "makers": makers, "photographs": rng.integers(0, 300, n)}


@pytest.mark.parametrize("prior", [0.5, 0.2])
def test_the_two_numbers_are_those_of_scikit_learn_under_the_prior(prior):
    data = made()
    altered = data["groups"] != "identity"
    weight = np.where(altered, 0.0, (1 - prior) / (~altered).sum())
    for group in ("blur", "tone"):
        for maker in ("bank", "alternative"):
            mine = (data["groups"] == group) & (data["makers"] == maker)
            weight[mine] = prior / 4 / mine.sum()
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(
        data["scores"][:, None], altered, sample_weight=weight * len(weight)
    )
    found = fit_noticing(**data, prior=prior)
    np.testing.assert_allclose(
        found.altered(data["scores"], prior), theirs.predict_proba(data["scores"][:, None])[:, 1], atol=1e-4
    )


def test_what_is_called_seventy_percent_is_right_in_seventy():
    """Of scores that are normal in both classes, log odds are linear: the fit is exact but for chance."""
    rng = np.random.default_rng(1)
    altered = rng.random(40_000) < 0.5
    scores = np.where(altered, rng.normal(2, 1, 40_000), rng.normal(0, 1, 40_000))
    groups, makers = np.where(altered, "blur", "identity"), np.where(altered, "bank", "as it is")
    found = fit_noticing(scores, groups, makers, np.arange(40_000)).altered(scores)
    for low in np.arange(0, 1, 0.1):
        mine = (found >= low) & (found < low + 0.1)
        assert altered[mine].mean() == pytest.approx(found[mine].mean(), abs=0.04)


@given(
    score=st.floats(-20, 20),
    prior=st.floats(0.01, 0.99),
    other=st.floats(0.01, 0.99),
    temperature=st.floats(0.2, 10),
    offset=st.floats(-5, 5),
)
def test_another_prior_reweights_as_bayes_rule_says(score, prior, other, temperature, offset):
    noticing = Noticing(temperature, offset)
    p, q = (float(noticing.altered(np.array([score]), one)[0]) for one in (prior, other))
    altered, untouched = p / prior * other, (1 - p) / (1 - prior) * (1 - other)
    assert q == pytest.approx(altered / (altered + untouched), abs=1e-6)


@pytest.mark.parametrize("apart", [0.0, -1.0])
def test_a_model_that_is_no_better_than_its_prior_gives_the_prior(apart):
    found = fit_noticing(**made(600, apart))
    assert found.temperature == np.inf
    assert found.altered(np.array([-50.0, 0, 50]), 0.3) == pytest.approx([0.3] * 3)
    assert word(float(found.altered(np.array([50.0]))[0])) == "cannot tell"


def test_one_photograph_is_no_evidence():
    data = made(200) | {"photographs": np.zeros(200)}
    assert fit_noticing(**data) == Noticing()


def test_scores_that_separate_are_sure_and_finite():
    data = made(400) | {"scores": np.where(made(400)["groups"] == "identity", 0.0, 1.0)}
    found = fit_noticing(**data)
    assert np.isfinite([found.temperature, found.offset]).all()
    assert found.altered(np.array([0.0, 1.0])) == pytest.approx([0, 1], abs=0.01)


def test_five_words():
    words = {0.95: "altered", 0.9: "rather altered", 0.6: "cannot tell", 0.4: "cannot tell", 0.1: "rather untouched"}
    assert {p: word(p) for p in words} == words
    assert word(0.09) == "untouched"


@pytest.mark.parametrize("prior", [0, 1, -0.5, 7])
def test_a_prior_is_a_share(prior):
    with pytest.raises(BadConfig, match="between 0 and 1"):
        require_prior(prior)


def test_what_was_done_if_it_was_altered_leaves_identity_out_and_sums_to_one():
    p = np.array([[0.5, 0.1, 0.3, 0.1], [1.0, 0, 0, 0]])
    np.testing.assert_allclose(if_altered(p, NOTICED), [[0, 0.2, 0.6, 0.2], [0, 0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("noticing", [Noticing(1.25, -0.5), Noticing()])
def test_its_file_gives_it_back_and_damage_is_refused(noticing):
    assert Noticing.from_bytes(noticing.to_bytes()) == noticing
    with pytest.raises(BadRun):
        Noticing.from_bytes(noticing.to_bytes()[:20])


def views(data: dict[str, np.ndarray], corpus: int, size: str = "view") -> pd.DataFrame:
    columns = {"score": data["scores"], "whole_score": data["scores"], "group": data["groups"]}
    columns |= {"maker": data["makers"], "base_id": data["photographs"].astype(str)}
    return pd.DataFrame(columns).assign(corpus=corpus, size=size, no_color=False)


def test_scored_views_calibrate_by_photographs_that_no_probe_of_the_run_learned_from():
    data, own = made(), made(seed=5) | {"scores": made()["scores"][::-1]}
    found = noticing_of(pd.concat([views(data, 1), views(own, 0)]))
    assert found == {"direct": fit_noticing(**data)}
    both = noticing_of(pd.concat([views(data, 1), views(made(apart=4.0), 2, "large")]))
    assert set(both) == {"direct", "combined"}
    assert both["direct"] == found["direct"] != both["combined"]
    few = made() | {"photographs": np.arange(4000) % (MIN_PHOTOGRAPHS - 1)}
    assert noticing_of(views(few, 1)) == {}
    assert noticing_of(views(data, 1).query("group == 'identity'")) == {}


def test_the_score_is_the_largest_log_odds_against_identity():
    p = np.array([[0.5, 0.1, 0.3, 0.1], [0.1, 0.8, 0.05, 0.05]])
    np.testing.assert_allclose(alteration_score(np.log(p), NOTICED), np.log([0.3 / 0.5, 0.8 / 0.1]))
    np.testing.assert_allclose(alteration_score(np.log(p), NOTICED, without_color=True), np.log([0.6, 0.5]))
    assert np.isfinite(alteration_score(log_of(np.array([[1.0, 0, 0, 0]])), NOTICED)).all()
