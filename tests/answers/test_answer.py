"""From class probabilities to the answer: edit score, probability, word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing_core.answers.answer import (
    ANSWERS,
    MAX_TRANSFER_ERROR,
    Posterior,
    Unavailable,
    answer_in_words,
    answer_word,
    edit_score,
    given_edited,
    log_of,
    probability_edited,
    require_prior,
)
from probing_core.errors import BadConfig, BadRun

CLASS_GROUPS = ("identity", "color", "blur", "blur")


@given(
    score=st.floats(-20, 20),
    prior=st.floats(0.01, 0.99),
    other=st.floats(0.01, 0.99),
    temperature=st.floats(0.2, 10),
    offset=st.floats(-5, 5),
)
def test_posterior_follows_bayes_rule_under_a_different_prior(score, prior, other, temperature, offset):
    posterior = Posterior(temperature, offset)
    p, q = (float(posterior.probability(np.array([score]), one)[0]) for one in (prior, other))
    edited, clean = p / prior * other, (1 - p) / (1 - prior) * (1 - other)
    assert q == pytest.approx(edited / (edited + clean), abs=1e-6)


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


def test_edit_score_is_the_largest_log_odds_against_identity():
    p = np.array([[0.5, 0.1, 0.3, 0.1], [0.1, 0.8, 0.05, 0.05]])
    np.testing.assert_allclose(edit_score(np.log(p), CLASS_GROUPS), np.log([0.3 / 0.5, 0.8 / 0.1]))
    np.testing.assert_allclose(edit_score(np.log(p), CLASS_GROUPS, without_color=True), np.log([0.6, 0.5]))
    assert np.isfinite(edit_score(log_of(np.array([[1.0, 0, 0, 0]])), CLASS_GROUPS)).all()


def test_edit_score_is_nan_where_no_class_is_left():
    p = np.array([[0.5, 0.5]])
    assert np.isnan(edit_score(np.log(p), ("identity", "color"), without_color=True)).all()


@pytest.mark.parametrize("prior", [0.5, 0.1])
def test_posterior_with_a_random_offset_is_the_mean_over_offsets(prior):
    posterior, scores = Posterior(1.5, 0.5, spread=2.0), np.linspace(-12, 14, 40)
    offsets = np.random.default_rng(0).normal(0.5, 2.0, 200_000)
    odds = (scores[:, None] - offsets) / 1.5 + np.log(prior / (1 - prior))
    np.testing.assert_allclose(posterior.probability(scores, prior), (1 / (1 + np.exp(-odds))).mean(1), atol=3e-3)
    assert (np.diff(posterior.probability(scores, prior)) > 0).all()


def test_probability_edited_is_not_stated_where_it_does_not_transfer():
    posterior = Posterior(1.0, 0.0, 1.0, 5, transfer_error=MAX_TRANSFER_ERROR + 0.01)
    assert np.isnan(probability_edited(np.array([9.0]), posterior))
    assert np.isnan(probability_edited(np.array([9.0]), None))
    assert posterior.unavailable == Unavailable.NOT_TRANSFERABLE
    assert probability_edited(np.array([9.0]), replace(posterior, transfer_error=0.05)) > 0.9


@pytest.mark.parametrize("word", ANSWERS)
@pytest.mark.parametrize("probability", [None, 0.37])
def test_answer_in_words_names_what_can_be_judged_without_color(word, probability):
    plain = answer_in_words(word, probability)
    assert plain.startswith(word)
    assert ("37%" in plain) == (probability is not None)
    assert answer_in_words(word, probability, no_color=True) == f"apart from color: {plain}"
    assert answer_in_words("may not be a photograph", no_color=True) == "may not be a photograph"
