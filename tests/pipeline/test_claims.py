from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.measures.cluster_sums import mean
from probing_core.pipeline import claims
from probing_core.pipeline.claims import ALIGN, CAN, CLIP, CONTRASTS, FAILS, HOLDS, MAE, OPEN, SIMCLR, SIX, SUPERVISED

MODELS = sorted({m for c in claims.ABLATIONS for m in (c.first, c.second)})


def accuracy(share, seed, photographs=150):
    right = np.random.default_rng(seed).random(photographs) < share
    return mean(right, np.arange(photographs))


def scores_of(shares):
    return {m: accuracy(shares.get(m, 0.5), seed) for seed, m in enumerate(SIX)}


def of_claim(table, claim):
    return claims._verdict(table[table["claim"] == claim])


def test_every_contrast_is_between_encoders_of_the_six():
    assert {c.first for c in CONTRASTS} | {c.second for c in CONTRASTS} == set(SIX)
    assert all(c.first != c.second for c in CONTRASTS)
    assert len({(c.claim, c.first, c.second) for c in CONTRASTS}) == len(CONTRASTS) == 21


def test_a_lead_of_all_holds_a_lag_of_one_fails_and_a_tie_stays_open():
    lead = claims.contrast_table({"fine": scores_of({MAE: 0.9, CAN: 0.9}), "far style": scores_of({})})
    assert of_claim(lead, 2)[0] == HOLDS
    assert of_claim(lead, 3)[0] == OPEN
    lag = claims.contrast_table({"fine": scores_of({MAE: 0.9, CAN: 0.2}), "far style": scores_of({})})
    assert of_claim(lag, 2)[0] == FAILS
    style = claims.contrast_table({"fine": scores_of({}), "far style": scores_of({CLIP: 0.9, ALIGN: 0.95})})
    assert of_claim(style, 3)[0] == HOLDS
    all_over = claims.contrast_table({"fine": scores_of({SUPERVISED: 0.2}), "far style": scores_of({})})
    assert of_claim(all_over, 4)[0] == HOLDS


def test_effects_are_differences_and_holm_is_over_all_that_could_be_computed():
    fine = scores_of({MAE: 0.8})
    table = claims.contrast_table({"fine": fine, "far style": {}})
    row = table[(table["first"] == MAE) & (table["second"] == SIMCLR)].iloc[0]
    assert row["effect"] == pytest.approx(fine[MAE].value - fine[SIMCLR].value)
    assert row["low"] < row["effect"] < row["high"]
    known = table["p"].dropna()
    assert len(known) == 13
    assert (table["p_holm"].dropna() >= known).all()
    assert table["p_holm"].min() == pytest.approx(min(1, 13 * known.min()))
    assert of_claim(table, 3)[0] == OPEN


def test_a_transform_is_identified_when_its_whole_interval_lies_above_chance():
    rng = np.random.default_rng(0)
    parts = []
    for name, share in (("identity", 1.0), ("blur", 0.9), ("noise", 0.5), ("rotate", 0.25)):
        right = rng.random(200) < share
        predicted = np.where(right, name, "identity" if name != "identity" else "blur")
        parts.append(pd.DataFrame({"truth": name, "predicted": predicted, "base_id": np.arange(200)}))
    by_recall, by_informedness, perhaps = claims.identified(pd.concat(parts))
    assert by_recall == 2  # identity is none; a quarter is chance
    assert by_informedness == 3, "what is called rotate is always rotated, though three quarters are missed"
    assert perhaps == 3
    few = pd.concat(part[part["base_id"] < 5] for part in parts)
    assert claims.identified(few) == (0, 0, 3), "without intervals nothing is identified, and nothing is ruled out"


def test_a_verdict_that_hangs_on_the_criterion_says_so():
    verdict, said = claims._identified(dict.fromkeys(SIX, (20, 26, 23)))
    assert verdict == FAILS
    assert "after looking, it would hold" in said
    assert claims._identified(dict.fromkeys(SIX, (20, 26, 24)))[0] == OPEN, "too little is known to deny it"
    verdict, said = claims._identified(dict.fromkeys(SIX, (25, 23, 30)))
    assert verdict == HOLDS
    assert "it would not be shown either" in said


def test_ablations_are_corrected_apart_from_the_claims():
    scores = {s: {m: accuracy(0.5, i) for i, m in enumerate(MODELS)} for s in ("fine", "far style")}
    scores["far style"]["zoo/clip"] = accuracy(0.9, 9)
    table = claims.contrast_table(scores, claims.ABLATIONS).set_index(["first", "score"])
    assert len(table) == 6
    assert table.loc[("zoo/clip", "far style"), "effect"] > 0.3
    assert table["p_holm"].min() == pytest.approx(min(1, 6 * table["p"].min()))


def test_a_score_of_some_photographs_is_drawn_with_those_of_all():
    everyone, mine = pd.Series(["a", "b", "c", "d", "b"]), pd.Series(["b", "d", "d"])
    sums = mean(np.array([True, False, True]), mine.to_numpy())
    padded = claims._among(sums, mine, everyone)
    assert padded.value == sums.value
    assert padded.sums[[1, 3]].tolist() == sums.sums.tolist()
    assert not padded.sums[[0, 2]].any()


def test_content_and_style_that_rise_together_do_not_trade_off():
    style = {m: accuracy(0.2 + 0.12 * i, i, 600) for i, m in enumerate(SIX)}
    opposite = {m: accuracy(0.9 - 0.12 * i, i, 600) for i, m in enumerate(SIX)}
    assert claims._trade_off(style, style)[0] == HOLDS
    assert claims._trade_off(style, opposite)[0] == FAILS
    verdict, said = claims._trade_off(style, {MAE: style[MAE]})
    assert verdict == OPEN
    assert "lacks zoo/supervised" in said
    assert claims._trade_off(style, {}) == (OPEN, "The run has no content accuracy, which takes probes of its own and "
                                                  "labels to learn.")  # fmt: skip
