"""The probability that an image was edited: fitted, transferred to other sources, written and read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from probing_core.answers.posterior import (
    MAX_TRANSFER_ERROR,
    MIN_PHOTOGRAPHS,
    Posterior,
    answers_for,
    fit_between_sources,
    fit_posterior,
    model_posteriors,
    scores_behind,
    weights,
)
from probing_core.answers.scores import edit_score, given_edited, log_of
from probing_core.answers.words import ANSWERS, answer_word, require_prior
from probing_core.errors import BadConfig, BadRun

CLASS_GROUPS = ("identity", "color", "blur", "blur")


def made(n: int = 4000, apart: float = 2.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of clean pictures, and of two groups by two makers, in uneven numbers."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, n, p=[0.1, 0.5, 0.2, 0.15, 0.05])
    groups = np.array(["identity", "blur", "blur", "tone", "tone"])[kind]
    makers = np.array(["as it is", "bank", "alternative", "bank", "alternative"])[kind]
    scores = rng.normal(3, 2, n) + apart * np.array([0, 1, 0.5, 2, 1])[kind]
    return {"scores": scores, "groups": groups, "makers": makers, "photographs": rng.integers(0, 300, n)}


@pytest.mark.parametrize("prior", [0.5, 0.2])
def test_fit_posterior_equals_logistic_regression_of_scikit_learn(prior):
    data = made()
    edited = data["groups"] != "identity"
    weight = np.where(edited, 0.0, (1 - prior) / (~edited).sum())
    for group in ("blur", "tone"):
        for maker in ("bank", "alternative"):
            mine = (data["groups"] == group) & (data["makers"] == maker)
            weight[mine] = prior / 4 / mine.sum()
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(
        data["scores"][:, None], edited, sample_weight=weight * len(weight)
    )
    found = fit_posterior(**data, prior=prior)
    np.testing.assert_allclose(
        found.edited(data["scores"], prior), theirs.predict_proba(data["scores"][:, None])[:, 1], atol=1e-4
    )


def test_fit_posterior_is_calibrated_on_normal_scores():
    """Of scores that are normal in both classes, log odds are linear: the fit is exact but for chance."""
    rng = np.random.default_rng(1)
    edited = rng.random(40_000) < 0.5
    scores = np.where(edited, rng.normal(2, 1, 40_000), rng.normal(0, 1, 40_000))
    groups, makers = np.where(edited, "blur", "identity"), np.where(edited, "bank", "as it is")
    found = fit_posterior(scores, groups, makers, np.arange(40_000)).edited(scores)
    for low in np.arange(0, 1, 0.1):
        mine = (found >= low) & (found < low + 0.1)
        assert edited[mine].mean() == pytest.approx(found[mine].mean(), abs=0.04)


@given(
    score=st.floats(-20, 20),
    prior=st.floats(0.01, 0.99),
    other=st.floats(0.01, 0.99),
    temperature=st.floats(0.2, 10),
    offset=st.floats(-5, 5),
)
def test_posterior_follows_bayes_rule_under_a_different_prior(score, prior, other, temperature, offset):
    posterior = Posterior(temperature, offset)
    p, q = (float(posterior.edited(np.array([score]), one)[0]) for one in (prior, other))
    edited, clean = p / prior * other, (1 - p) / (1 - prior) * (1 - other)
    assert q == pytest.approx(edited / (edited + clean), abs=1e-6)


@pytest.mark.parametrize("apart", [0.0, -1.0])
def test_fit_posterior_gives_the_prior_without_evidence(apart):
    found = fit_posterior(**made(600, apart))
    assert found.temperature == np.inf
    assert found.edited(np.array([-50.0, 0, 50]), 0.3) == pytest.approx([0.3] * 3)
    assert answers_for(np.array([50.0]), found) == ([0.5], ["inconclusive"])


def test_fit_posterior_needs_several_photographs():
    data = made(200) | {"photographs": np.zeros(200)}
    assert fit_posterior(**data) == Posterior()


def test_fit_posterior_is_finite_for_separated_scores():
    data = made(400) | {"scores": np.where(made(400)["groups"] == "identity", 0.0, 1.0)}
    found = fit_posterior(**data)
    assert np.isfinite([found.temperature, found.offset]).all()
    assert found.edited(np.array([0.0, 1.0])) == pytest.approx([0, 1], abs=0.01)


@given(st.floats(0, 1))
def test_answer_word_is_one_of_five_and_grows_with_the_probability(p):
    order = {answer: place for place, answer in enumerate(reversed(ANSWERS))}
    assert order[answer_word(p)] >= order[answer_word(p * 0.9)]
    assert answer_word(None) == answer_word(float("nan")) == "inconclusive"


@pytest.mark.parametrize("prior", [0, 1, -0.5, 7])
def test_require_prior_refuses_what_is_not_between_0_and_1(prior):
    with pytest.raises(BadConfig, match="between 0 and 1"):
        require_prior(prior)


def test_given_edited_leaves_identity_out_and_sums_to_one():
    p = np.array([[0.5, 0.1, 0.3, 0.1], [1.0, 0, 0, 0]])
    np.testing.assert_allclose(given_edited(p, CLASS_GROUPS), [[0, 0.2, 0.6, 0.2], [0, 0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("posterior", [Posterior(1.25, -0.5), Posterior()])
def test_posterior_is_read_as_it_was_written(posterior):
    assert Posterior.from_bytes(posterior.to_bytes()) == posterior
    with pytest.raises(BadRun):
        Posterior.from_bytes(posterior.to_bytes()[:20])


def views(data: dict[str, np.ndarray], corpus: int, size: str = "view") -> pd.DataFrame:
    columns = {"score": data["scores"], "whole_score": data["scores"], "group": data["groups"]}
    columns |= {"maker": data["makers"], "base_id": data["photographs"].astype(str)}
    return pd.DataFrame(columns).assign(corpus=corpus, size=size, no_color=False)


def test_model_posteriors_leave_out_the_run_s_own_photographs():
    data, own = made(), made(seed=5) | {"scores": made()["scores"][::-1]}
    found = model_posteriors(pd.concat([views(data, 1), views(own, 0)]))
    fitted = fit_posterior(**data)
    assert set(found) == {"direct"}
    assert (found["direct"].temperature, found["direct"].offset) == (fitted.temperature, fitted.offset)
    both = model_posteriors(pd.concat([views(data, 1), views(made(apart=4.0), 2, "large")]))
    assert set(both) == {"direct", "combined"}
    assert both["direct"] == found["direct"] != both["combined"]
    few = made() | {"photographs": np.arange(4000) % (MIN_PHOTOGRAPHS - 1)}
    assert model_posteriors(views(few, 1)) == {}
    assert model_posteriors(views(data, 1).query("group == 'identity'")) == {}


def test_edit_score_is_the_largest_log_odds_against_identity():
    p = np.array([[0.5, 0.1, 0.3, 0.1], [0.1, 0.8, 0.05, 0.05]])
    np.testing.assert_allclose(edit_score(np.log(p), CLASS_GROUPS), np.log([0.3 / 0.5, 0.8 / 0.1]))
    np.testing.assert_allclose(edit_score(np.log(p), CLASS_GROUPS, without_color=True), np.log([0.6, 0.5]))
    assert np.isfinite(edit_score(log_of(np.array([[1.0, 0, 0, 0]])), CLASS_GROUPS)).all()


def test_edit_score_is_nan_where_no_class_is_left():
    p = np.array([[0.5, 0.5]])
    assert np.isnan(edit_score(np.log(p), ("identity", "color"), without_color=True)).all()


def test_weights_are_those_of_groups_and_makers():
    groups = np.array(["identity"] * 3 + ["blur"] * 4 + ["tone"] * 2)
    makers = np.array(["x"] * 3 + ["bank"] * 3 + ["alternative"] + ["bank"] * 2)
    table = pd.DataFrame({"group": groups, "maker": makers, "w": weights(groups, makers, 0.4)})
    assert table.groupby("group")["w"].sum().to_dict() == pytest.approx({"identity": 0.6, "blur": 0.2, "tone": 0.2})
    assert table.groupby(["group", "maker"])["w"].sum()["blur"].tolist() == pytest.approx([0.1, 0.1])


def test_scores_behind_inverts_the_posterior():
    scores, posterior = np.array([-3.0, 0.0, 4.0]), Posterior(1.7, 0.4)
    np.testing.assert_allclose(scores_behind(posterior.edited(scores), posterior), scores, atol=1e-12)
    assert np.isnan(scores_behind(np.full(2, 0.5), Posterior())).all()


@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_posterior_with_a_random_offset_is_the_mean_over_offsets(prior):
    posterior, scores = Posterior(1.5, 0.5, spread=2.0), np.linspace(-12, 14, 40)
    offsets = np.random.default_rng(0).normal(0.5, 2.0, 200_000)
    odds = (scores[:, None] - offsets) / 1.5 + np.log(prior / (1 - prior))
    np.testing.assert_allclose(posterior.edited(scores, prior), (1 / (1 + np.exp(-odds))).mean(1), atol=3e-3)
    assert (np.diff(posterior.edited(scores, prior)) > 0).all()


def of_sources(spread: float, count: int = 12, seed: int = 0) -> pd.DataFrame:
    """Scored views of photographs of ``count`` sources, whose scores are shifted by a normal offset."""
    rng = np.random.default_rng(seed)
    parts = []
    for source in range(count):
        shift = rng.normal(0, spread)
        n = 60
        clean = pd.DataFrame({"group": "identity", "maker": "as it is", "score": rng.normal(shift, 1, n)})
        edited = pd.DataFrame({"group": "blur", "maker": "bank", "score": rng.normal(shift + 4, 1, n)})
        ids = [f"source-{source}/{i}" for i in range(n)]
        parts += [clean.assign(base_id=ids), edited.assign(base_id=ids)]
    return pd.concat(parts, ignore_index=True).assign(corpus=1, size="view", no_color=False)


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_fit_between_sources_estimates_the_spread_of_the_offset(spread):
    estimates = [fit_between_sources(of_sources(spread, seed=seed)).spread for seed in range(8)]
    assert np.mean(estimates) == pytest.approx(spread, rel=0.25, abs=0.1)


def test_fit_between_sources_loses_less_on_new_sources_than_without_a_random_offset():
    """A few sources calibrate; the log loss is on many that do not."""
    rows = of_sources(3.0, count=60, seed=99)
    truth = (rows["group"] == "blur").to_numpy()
    losses = []
    for seed in range(12):
        posterior = fit_between_sources(of_sources(3.0, count=3, seed=seed))
        for one in (posterior, replace(posterior, spread=0.0)):
            p = np.clip(one.edited(rows["score"].to_numpy()), 1e-9, 1 - 1e-9)
            losses.append(-np.log(np.where(truth, p, 1 - p)).mean())
    assert np.mean(losses[::2]) < np.mean(losses[1::2])


def test_fit_between_sources_cannot_tell_the_spread_of_one_source():
    posterior = fit_between_sources(of_sources(2.0, count=1))
    assert (posterior.sources, posterior.spread, posterior.transfer_error) == (1, 0.0, None)


def test_answers_for_states_no_probability_that_does_not_transfer():
    posterior = Posterior(1.0, 0.0, 1.0, 5, transfer_error=MAX_TRANSFER_ERROR + 0.01)
    assert answers_for(np.array([9.0]), posterior) == ([None], ["inconclusive"])
    assert answers_for(np.array([9.0]), None) == ([None], ["inconclusive"])
    assert not posterior.decides
    edited, words = answers_for(np.array([9.0]), replace(posterior, transfer_error=0.05))
    assert edited[0] > 0.9
    assert words == ["edited"]
