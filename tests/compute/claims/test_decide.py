"""Contrasts and results, from scores that were made here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.compute.claims import ABLATIONS, CONTRASTS, NOT_SUPPORTED, SUPPORTED, UNDECIDED, decide
from probing_core.compute.claims.contrasts import contrast_table, pooled
from probing_core.compute.claims.decide import Identified, identified
from probing_core.compute.claims.named import ALIGN, CAN, CLIP, MAE, SIMCLR, SUPERVISED
from probing_core.compute.claims.tables import _among
from probing_core.measures.statistics import mean
from probing_core.models.base import ROLES

MODELS = sorted({m for c in ABLATIONS for m in (c.first, c.second)})


def accuracy(share, seed, photographs=150):
    right = np.random.default_rng(seed).random(photographs) < share
    return mean(right, np.arange(photographs))


def scores_of(shares, roles=ROLES):
    return {role: [accuracy(shares.get(role, 0.5), seed)] for seed, role in enumerate(roles)}


def of_claim(table, claim):
    return decide.by_contrasts(table[table["claim"] == claim])


def test_every_contrast_is_between_encoders_of_the_six():
    assert {c.first for c in CONTRASTS} | {c.second for c in CONTRASTS} == set(ROLES)
    assert all(c.first != c.second for c in CONTRASTS)
    assert len({(c.claim, c.first, c.second) for c in CONTRASTS}) == len(CONTRASTS) == 21


def test_a_lead_of_all_holds_a_lag_of_one_fails_and_a_tie_stays_open():
    lead = contrast_table({"fine": scores_of({MAE: 0.9, CAN: 0.9}), "far style": scores_of({})})
    assert of_claim(lead, 2)[0] == SUPPORTED
    assert of_claim(lead, 3)[0] == UNDECIDED
    lag = contrast_table({"fine": scores_of({MAE: 0.9, CAN: 0.2}), "far style": scores_of({})})
    assert of_claim(lag, 2)[0] == NOT_SUPPORTED
    style = contrast_table({"fine": scores_of({}), "far style": scores_of({CLIP: 0.9, ALIGN: 0.95})})
    assert of_claim(style, 3)[0] == SUPPORTED
    all_over = contrast_table({"fine": scores_of({SUPERVISED: 0.2}), "far style": scores_of({})})
    assert of_claim(all_over, 4)[0] == SUPPORTED


def test_effects_are_differences_and_holm_is_over_all_that_could_be_computed():
    fine = scores_of({MAE: 0.8})
    table = contrast_table({"fine": fine, "far style": {}})
    row = table[(table["first"] == MAE) & (table["second"] == SIMCLR)].iloc[0]
    assert row["effect"] == pytest.approx(fine[MAE][0].value - fine[SIMCLR][0].value)
    assert row["low"] < row["effect"] < row["high"]
    known = table["p"].dropna()
    assert len(known) == 13
    assert (table["p_holm"].dropna() >= known).all()
    assert table["p_holm"].min() == pytest.approx(min(1, 13 * known.min()))
    result, evidence = of_claim(table, 3)
    assert result == UNDECIDED
    assert "no far styles" in evidence


def test_what_is_missing_leaves_the_rest_to_be_tested():
    """As with published encoders, none of which is a CAN."""
    there = [role for role in ROLES if role != CAN]
    table = contrast_table({"fine": scores_of({MAE: 0.9}, there), "far style": {}})
    result, evidence = of_claim(table, 2)
    assert result == SUPPORTED
    assert evidence.startswith("4 of 4 contrasts (of 8 named) lie above 0")
    assert "CAN" not in evidence
    assert decide.missing_roles(table[table["claim"] == 2], there) == [CAN]
    assert decide.missing_roles(None, there) == [CAN]
    unsupervised = [role for role in ROLES if role != SUPERVISED]
    table = contrast_table({"fine": scores_of({}, unsupervised), "far style": {}})
    assert of_claim(table, 4) == (UNDECIDED, "None of 5 contrasts could be computed: the run lacks encoders.")


def test_a_difference_must_show_over_trainings_as_well():
    """Their spread counts from four degrees of freedom on, pooled over the roles; below, photographs alone do."""

    def table(shares):
        fine = scores_of({}) | {MAE: [accuracy(s, 50 + i, 400) for i, s in enumerate(shares)]}
        rest = {SIMCLR: [accuracy(0.5, 60 + i, 400) for i in range(3)]}
        found = contrast_table({"fine": {MAE: fine[MAE]} | rest, "far style": {}})
        return found[(found["first"] == MAE) & (found["second"] == SIMCLR)].iloc[0]

    alike, apart, two = table((0.70, 0.71, 0.72)), table((0.98, 0.6, 0.5)), table((0.98, 0.6))
    assert alike["seeds_low"] > 0
    assert alike["p_holm"] == max(alike["p"], alike["p_seeds"]) < 0.05
    assert apart["low"] > 0
    assert apart["seeds_low"] < 0 < apart["seeds_high"]
    assert apart["p"] < 0.05 < apart["p_seeds"] == apart["p_holm"]
    assert np.isnan(two[["seeds_low", "seeds_high", "p_seeds"]].to_list()).all()
    assert two["p_holm"] == two["p"]


def test_several_trainings_have_the_mean_of_their_scores_in_every_draw():
    trainings = [accuracy(share, seed) for seed, share in enumerate((0.3, 0.5, 0.9))]
    together = pooled(trainings)
    drawn = np.random.default_rng(0).integers(0, 3, (5, 150)).astype(float)
    for weights in drawn:
        apart = np.mean([t.score(weights @ t.sums) for t in trainings])
        assert together.score(weights @ together.sums) == pytest.approx(apart)


def predictions_of(shares, seed=0):
    rng = np.random.default_rng(seed)
    parts = []
    for name, share in shares:
        right = rng.random(200) < share
        predicted = np.where(right, name, "identity" if name != "identity" else "blur")
        parts.append(pd.DataFrame({"truth": name, "predicted": predicted, "base_id": np.arange(200)}))
    return pd.concat(parts)


def test_a_transform_is_identified_when_its_whole_interval_lies_above_chance():
    rows = predictions_of((("identity", 1.0), ("blur", 0.9), ("noise", 0.5), ("rotate", 0.25)))
    found = identified([rows])
    assert found.above_chance == 2  # identity is none; a quarter is chance
    assert found.informed == 3, "what is called rotate is always rotated, though three quarters are missed"
    assert found.not_below == 3
    assert found.classes == 3
    few = identified([rows[rows["base_id"] < 5]])
    assert (few.above_chance, few.informed, few.not_below) == (0, 0, 3), (
        "without intervals nothing is identified, and nothing is ruled out"
    )


def test_trainings_are_counted_together_and_their_spread_is_given():
    shares = [(("identity", 1.0), ("blur", 0.9), ("noise", each)) for each in (0.9, 0.2, 0.2)]
    rows = [predictions_of(each, seed) for seed, each in enumerate(shares)]
    found = identified(rows)
    assert found.above_chance == 2, "noise is recalled in .43 of the mean, and a third is chance"
    assert [identified([each]).above_chance for each in rows] == [2, 1, 1]
    assert found.seeds[0] < 4 / 3 < found.seeds[1]
    assert np.isnan(identified(rows[:2]).seeds).all()


def counts(sure, informed, perhaps, seeds=(float("nan"), float("nan")), classes=30):
    return dict.fromkeys(ROLES, Identified(sure, perhaps, informed, classes, seeds))


def test_a_result_that_hangs_on_the_criterion_says_so():
    result, said = decide.by_counts(counts(20, 26, 23))
    assert result == NOT_SUPPORTED
    assert "after looking, it would hold" in said
    assert decide.by_counts(counts(20, 26, 24))[0] == UNDECIDED, "too little is known to deny it"
    result, said = decide.by_counts(counts(25, 23, 30))
    assert result == SUPPORTED
    assert "it would not be shown either" in said


def test_two_dozens_are_to_be_identified_by_all_trainings_that_there_may_be():
    assert decide.by_counts(counts(25, 25, 30, seeds=(24.5, 27.0)))[0] == SUPPORTED
    assert decide.by_counts(counts(25, 25, 30, seeds=(21.0, 29.0)))[0] == UNDECIDED
    assert decide.by_counts(counts(20, 25, 23, seeds=(15.0, 25.0)))[0] == UNDECIDED
    assert decide.by_counts(counts(20, 25, 23, seeds=(18.0, 22.0)))[0] == NOT_SUPPORTED
    result, said = decide.by_counts(counts(4, 4, 4, classes=4))
    assert (result, said) == (UNDECIDED, "The run has 4 transformations, and two dozens are asked.")
    assert decide.by_counts({})[0] == UNDECIDED


def test_ablations_are_corrected_apart_from_the_claims():
    scores = {s: {m: [accuracy(0.5, i)] for i, m in enumerate(MODELS)} for s in ("fine", "far style")}
    scores["far style"]["zoo/clip"] = [accuracy(0.9, 9)]
    table = contrast_table(scores, ABLATIONS).set_index(["first", "score"])
    assert len(table) == 6
    assert table.loc[("zoo/clip", "far style"), "effect"] > 0.3
    assert table["p_holm"].min() == pytest.approx(min(1, 6 * table["p"].min()))


def test_a_score_of_some_photographs_is_drawn_with_those_of_all():
    everyone, mine = pd.Series(["a", "b", "c", "d", "b"]), pd.Series(["b", "d", "d"])
    sums = mean(np.array([True, False, True]), mine.to_numpy())
    padded = _among(sums, mine, everyone)
    assert padded.value == sums.value
    assert padded.sums[[1, 3]].tolist() == sums.sums.tolist()
    assert not padded.sums[[0, 2]].any()


def test_content_and_style_that_rise_together_do_not_trade_off():
    style = {m: [accuracy(0.2 + 0.12 * i, i, 600)] for i, m in enumerate(ROLES)}
    opposite = {m: [accuracy(0.9 - 0.12 * i, i, 600)] for i, m in enumerate(ROLES)}
    assert decide.by_ranks(style, style)[0] == SUPPORTED
    assert decide.by_ranks(style, opposite)[0] == NOT_SUPPORTED
    assert decide.by_ranks(style, dict.fromkeys(ROLES, style[MAE]))[0] == UNDECIDED  # no ranks, so nothing to correlate
    result, said = decide.by_ranks(style, {MAE: style[MAE]})
    assert result == UNDECIDED
    assert "takes 4 encoders with both accuracies; the run has MAE." in said
    five = {m: each for m, each in style.items() if m != CAN}
    result, said = decide.by_ranks(style, five)
    assert result == SUPPORTED
    assert "over 5 encoders: 1.00" in said
    missing = "The run has no content accuracy, which takes probes of its own and labels to learn."
    assert decide.by_ranks(style, {}) == (UNDECIDED, missing)


def test_ranks_must_agree_over_trainings_as_well():
    style = {m: [accuracy(0.2 + 0.12 * i, i, 600)] * 3 for i, m in enumerate(ROLES)}
    one, other = (
        {m: each[:1] for m, each in turned.items()}
        for turned in (style, dict(zip(ROLES, list(style.values())[::-1], strict=True)))
    )
    mixed = {m: [*one[m], *one[m], *other[m]] for m in ROLES}
    assert decide.by_ranks(style, style)[0] == SUPPORTED
    result, said = decide.by_ranks(style, mixed)
    assert result == UNDECIDED
    assert "over trainings" in said
    uneven = mixed | {MAE: mixed[MAE][:2]}
    assert "over trainings" not in decide.by_ranks(style, uneven)[1]
