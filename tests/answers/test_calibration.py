"""The probability that an image was edited: fitted, and transferred to other sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from probing_core.answers.answer import Posterior, probability_edited
from probing_core.answers.calibration import (
    MIN_PHOTOGRAPHS,
    fit_between_sources,
    fit_posterior,
    model_posteriors,
    scores_behind,
    weights,
)


def made(n: int = 4000, apart: float = 2.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores of clean pictures, and of two groups by two makers, in uneven numbers."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, n, p=[0.1, 0.5, 0.2, 0.15, 0.05])
    groups = np.array(["identity", "blur", "blur", "tone", "tone"])[kind]
    makers = np.array(["as it is", "bank", "alternative", "bank", "alternative"])[kind]
    scores = rng.normal(3, 2, n) + apart * np.array([0, 1, 0.5, 2, 1])[kind]
    return {"scores": scores, "groups": groups, "makers": makers, "photographs": rng.integers(0, 300, n)}


def test_fit_posterior_equals_logistic_regression_of_scikit_learn():
    data = made()
    edited = data["groups"] != "identity"
    weight = np.where(edited, 0.0, 0.5 / (~edited).sum())
    for group in ("blur", "tone"):
        for maker in ("bank", "alternative"):
            mine = (data["groups"] == group) & (data["makers"] == maker)
            weight[mine] = 0.5 / 4 / mine.sum()
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(
        data["scores"][:, None], edited, sample_weight=weight * len(weight)
    )
    found = fit_posterior(**data)
    np.testing.assert_allclose(
        found.probability(data["scores"]), theirs.predict_proba(data["scores"][:, None])[:, 1], atol=1e-4
    )


def test_fit_posterior_is_calibrated_on_normal_scores():
    """Of scores that are normal in both classes, log odds are linear: the fit is exact but for chance."""
    rng = np.random.default_rng(1)
    edited = rng.random(40_000) < 0.5
    scores = np.where(edited, rng.normal(2, 1, 40_000), rng.normal(0, 1, 40_000))
    groups, makers = np.where(edited, "blur", "identity"), np.where(edited, "bank", "as it is")
    found = fit_posterior(scores, groups, makers, np.arange(40_000)).probability(scores)
    for low in np.arange(0, 1, 0.1):
        mine = (found >= low) & (found < low + 0.1)
        assert edited[mine].mean() == pytest.approx(found[mine].mean(), abs=0.04)


@pytest.mark.parametrize("apart", [0.0, -1.0])
def test_fit_posterior_gives_the_prior_without_evidence(apart):
    found = fit_posterior(**made(600, apart))
    assert found.temperature == np.inf
    assert found.probability(np.array([-50.0, 0, 50]), 0.3) == pytest.approx([0.3] * 3)
    assert np.isnan(probability_edited(np.array([50.0]), found)), "the prior is not stated as if it were measured"


def test_fit_posterior_needs_several_photographs():
    data = made(200) | {"photographs": np.zeros(200)}
    assert fit_posterior(**data) == Posterior()


def test_fit_posterior_is_finite_for_separated_scores():
    data = made(400) | {"scores": np.where(made(400)["groups"] == "identity", 0.0, 1.0)}
    found = fit_posterior(**data)
    assert np.isfinite([found.temperature, found.offset]).all()
    assert found.probability(np.array([0.0, 1.0])) == pytest.approx([0, 1], abs=0.01)


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


def test_weights_are_equal_for_groups_of_edits():
    groups = pd.Series(["identity"] * 3 + ["blur"] * 4 + ["tone"] * 2)
    found = pd.Series(weights(groups)).groupby(groups).sum().to_dict()
    assert found == pytest.approx({"identity": 0.5, "blur": 0.25, "tone": 0.25})


def test_scores_behind_inverts_the_posterior():
    scores, posterior = np.array([-3.0, 0.0, 4.0]), Posterior(1.7, 0.4)
    np.testing.assert_allclose(scores_behind(posterior.probability(scores), posterior), scores, atol=1e-12)
    assert np.isnan(scores_behind(np.full(2, 0.5), Posterior())).all()


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
            p = np.clip(one.probability(rows["score"].to_numpy()), 1e-9, 1 - 1e-9)
            losses.append(-np.log(np.where(truth, p, 1 - p)).mean())
    assert np.mean(losses[::2]) < np.mean(losses[1::2])


def test_fit_between_sources_cannot_tell_the_spread_of_one_source():
    posterior = fit_between_sources(of_sources(2.0, count=1))
    assert (posterior.sources, posterior.spread, posterior.transfer_error) == (1, 0.0, None)
