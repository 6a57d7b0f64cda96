"""The tests of the claims, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test, spearmanr

from probing_core.compute.evaluation.claim_tests import (
    ABLATION_CONTRASTS,
    ALIGN,
    CAN,
    CLAIM_CONTRASTS,
    CLIP,
    MAE,
    SIMCLR,
    SUPERVISED,
    Identified,
    by_contrasts,
    by_counts,
    by_ranks,
    contrast_table,
    identified,
    pooled,
    rank_correlation,
)
from probing_core.compute.evaluation.claims import (
    GROUP_TASKS,
    claim_tables,
    missing_roles,
    model_results,
    models_by_role,
)
from probing_core.compute.sampling.probe_tasks import CONTENT
from probing_core.compute.task_names import FINE, NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.measures.paired_tests import holm
from probing_core.measures.statistics import mean
from probing_core.models import encoders_of
from probing_core.models.embedder import ROLES
from probing_core.models.providers.checkpoints import PUBLISHED
from probing_core.paths import reference_run
from probing_core.run import evaluate, layout
from probing_core.run.directory import RunDirectory
from probing_core.run.recipe import load_transforms, read_recipe
from probing_core.run.run_files import RunFiles, SampleTable
from probing_core.run.work import Work
from probing_core.transforms import FAR_CONTROL

MODELS = sorted({m for c in ABLATION_CONTRASTS for m in (c.first, c.second)})


def accuracy(share, seed, photographs=150):
    right = np.random.default_rng(seed).random(photographs) < share
    return mean(right, np.arange(photographs))


def scores_of(shares, roles=ROLES):
    return {role: [accuracy(shares.get(role, 0.5), seed)] for seed, role in enumerate(roles)}


def of_claim(table, claim):
    return by_contrasts(table[table["claim"] == claim])


def test_every_contrast_is_between_encoders_of_the_six():
    assert {c.first for c in CLAIM_CONTRASTS} | {c.second for c in CLAIM_CONTRASTS} == set(ROLES)
    assert all(c.first != c.second for c in CLAIM_CONTRASTS)
    assert len({(c.claim, c.first, c.second) for c in CLAIM_CONTRASTS}) == len(CLAIM_CONTRASTS) == 21


def test_a_lead_of_all_holds_a_lag_of_one_fails_and_a_tie_stays_open():
    lead = contrast_table({"fine": scores_of({MAE: 0.9, CAN: 0.9}), "far style": scores_of({})})
    assert of_claim(lead, 2)["result"] == SUPPORTED
    assert of_claim(lead, 3)["result"] == UNDECIDED
    lag = contrast_table({"fine": scores_of({MAE: 0.9, CAN: 0.2}), "far style": scores_of({})})
    assert of_claim(lag, 2)["result"] == NOT_SUPPORTED
    style = contrast_table({"fine": scores_of({}), "far style": scores_of({CLIP: 0.9, ALIGN: 0.95})})
    assert of_claim(style, 3)["result"] == SUPPORTED
    all_over = contrast_table({"fine": scores_of({SUPERVISED: 0.2}), "far style": scores_of({})})
    assert of_claim(all_over, 4)["result"] == SUPPORTED


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
    untested = {"result": UNDECIDED, "contrasts": 8, "tested": 0, "above": 0, "below": 0}
    assert of_claim(table, 3) == untested


def test_what_is_missing_leaves_the_rest_to_be_tested():
    """As with published encoders, none of which is a CAN."""
    there = [role for role in ROLES if role != CAN]
    table = contrast_table({"fine": scores_of({MAE: 0.9}, there), "far style": {}})
    assert of_claim(table, 2) == {"result": SUPPORTED, "contrasts": 8, "tested": 4, "above": 4, "below": 0}
    assert missing_roles(table[table["claim"] == 2], there) == [CAN]
    assert missing_roles(None, there) == [CAN]
    unsupervised = [role for role in ROLES if role != SUPERVISED]
    table = contrast_table({"fine": scores_of({}, unsupervised), "far style": {}})
    assert of_claim(table, 4) == {"result": UNDECIDED, "contrasts": 5, "tested": 0, "above": 0, "below": 0}


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


@pytest.mark.parametrize(
    ("above_chance", "not_below", "seeds", "expected"),
    [
        (20, 23, (np.nan, np.nan), NOT_SUPPORTED),
        (20, 24, (np.nan, np.nan), UNDECIDED),  # too little is known to deny it
        (25, 30, (np.nan, np.nan), SUPPORTED),
        (25, 30, (24.5, 27.0), SUPPORTED),
        (25, 30, (21.0, 29.0), UNDECIDED),
        (20, 23, (15.0, 25.0), UNDECIDED),
        (20, 23, (18.0, 22.0), NOT_SUPPORTED),
    ],
)
def test_by_counts_asks_for_two_dozen_over_photographs_and_trainings(above_chance, not_below, seeds, expected):
    one = Identified(above_chance, not_below, 30, 30, seeds)
    better = Identified(29, 30, 30, 30)
    found = by_counts({**dict.fromkeys(ROLES, better), MAE: one})
    assert found == {"result": expected, "transformations": 30, "identified": above_chance}


def test_by_counts_is_undecided_with_few_transformations_or_no_predictions():
    few = by_counts(dict.fromkeys(ROLES, Identified(4, 4, 4, 4)))
    assert few == {"result": UNDECIDED, "transformations": 4, "identified": 4}
    assert by_counts({}) == {"result": UNDECIDED}


def test_ablations_are_corrected_apart_from_the_claims():
    scores = {s: {m: [accuracy(0.5, i)] for i, m in enumerate(MODELS)} for s in ("fine", "far style")}
    scores["far style"]["zoo/clip"] = [accuracy(0.9, 9)]
    table = contrast_table(scores, ABLATION_CONTRASTS).set_index(["first", "score"])
    assert len(table) == 6
    assert table.loc[("zoo/clip", "far style"), "effect"] > 0.3
    assert table["p_holm"].min() == pytest.approx(min(1, 6 * table["p"].min()))


def in_order(roles, accuracies):
    return {role: [mean(np.full(40, value), np.arange(40))] for role, value in zip(roles, accuracies, strict=True)}


@pytest.mark.parametrize("seed", range(6))
def test_rank_correlation_equals_scipy(seed):
    one, other = np.random.default_rng(seed).integers(0, 5, (2, 6))  # with ties
    rho, p = rank_correlation(one, other)
    assert rho == pytest.approx(spearmanr(one, other).statistic)
    theirs = permutation_test(
        (one,),
        lambda x: spearmanr(x, other).statistic,
        permutation_type="pairings",
        alternative="greater" if rho > 0 else "less",
        n_resamples=np.inf,
    )
    assert p == pytest.approx(theirs.pvalue)


def test_by_ranks_decides_by_the_permutation_p_value():
    style = in_order(ROLES, (0.60, 0.65, 0.64, 0.59, 0.63, 0.62))
    # Many photographs make each accuracy certain, yet six encoders with a weak correlation decide nothing.
    weak = by_ranks(style, in_order(ROLES, (0.47, 0.41, 0.38, 0.34, 0.48, 0.46)))
    assert 0 < weak["rho"] < 0.5
    assert weak["result"] == UNDECIDED
    assert by_ranks(style, style) == {"result": SUPPORTED, "roles": 6, "rho": 1, "p": pytest.approx(1 / 720)}
    opposite = {role: in_order([role], [1 - each[0].value])[role] for role, each in style.items()}
    assert by_ranks(style, opposite) == {
        "result": NOT_SUPPORTED,
        "roles": 6,
        "rho": pytest.approx(-1),
        "p": pytest.approx(1 / 720),
    }


def test_by_ranks_is_undecided_without_ranks_to_correlate():
    style = in_order(ROLES, (0.60, 0.65, 0.64, 0.59, 0.63, 0.62))
    four = {role: style[role] for role in ROLES[:4]}
    assert by_ranks(style, four)["result"] == SUPPORTED, "one of 24 permutations"
    for content, roles in ((dict.fromkeys(ROLES, style[MAE]), 6), ({MAE: style[MAE]}, 1), ({}, 0)):
        found = by_ranks(style, content)
        assert (found["result"], found["roles"]) == (UNDECIDED, roles)
        assert np.isnan([found["rho"], found["p"]]).all()


TABLES = ("claims", "roles", "contrasts", "ablations")


def shipped_predictions_of(names: Mapping[str, str]) -> Callable[[str, str], pd.DataFrame]:
    """Predictions of the reference run; ``names`` tells of which of its models one of another name has them."""
    shipped = RunFiles(reference_run())
    samples = SampleTable(shipped)

    def predictions(model: str, task: str) -> pd.DataFrame:
        path = layout.predictions_path(names[model], task)
        return samples.read_predictions(path, ["sample", "truth", "predicted"], ["base_id", "transform"])

    return predictions


@pytest.fixture(scope="module")
def tested() -> tuple[pd.DataFrame, ...]:
    """The reference run's own models but second trainings, and once more under the names of published encoders."""
    zoo, published = encoders_of("zoo"), encoders_of("published")
    names = {name: name for name in (*(n for each in zoo.values() for n in each), "zoo/clip", "zoo/align")}
    names |= {published[role][0]: zoo[role][0] for role in published} | {"zoo/simclr-matched": "zoo/simclr-matched"}
    far = {t.name for t in load_transforms(read_recipe(RunFiles(reference_run()))) if t.far}
    predictions, tasks = shipped_predictions_of(names), (FINE, *GROUP_TASKS, CONTENT)
    results = {m: model_results({t: predictions(m, t) for t in tasks}, far - {FAR_CONTROL}) for m in names}
    return claim_tables(list(names), results)


def tables(tested: tuple[pd.DataFrame, ...], role_set: str) -> dict[str, pd.DataFrame]:
    found = dict(zip(TABLES, tested, strict=True))
    return {n: t[t["set"] == role_set].reset_index(drop=True) if "set" in t else t for n, t in found.items()}


@pytest.mark.slow
def test_the_shipped_results_are_those_of_the_shipped_predictions():
    store = RunFiles(reference_run())
    again: dict[str, pd.DataFrame] = {}

    class Computed(RunDirectory):
        """Run directory in which every step is computed and no file is written."""

        def needs(self, step, inputs, readable=True):
            return True

        def save(self, step, inputs, content):
            again.update(content)

    evaluate.test_claims(Work(Computed(store.root), read_recipe(store)))
    assert set(again) == {layout.table_path(name) for name in TABLES}
    for path, table in again.items():
        pd.testing.assert_frame_equal(table, store.read_table(path))
    encoders = again[layout.ROLES].set_index("role")["encoders"]
    assert encoders["CLIP"] == "zoo/clip-plain, zoo/clip-plain@seed=1"
    assert set(again[layout.CLAIMS]["missing"]) == {""}


@pytest.mark.slow
def test_published_encoders_are_tested_apart_and_without_what_is_missing(tested):
    zoo, published = tables(tested, "zoo"), tables(tested, "published")
    assert list(published["claims"]["claim"]) == [1, 2, 3, 4, 5]
    assert list(published["claims"]["missing"]) == ["CAN"] * 5
    contrasts = published["contrasts"]
    involved = (contrasts[["first_role", "second_role"]] == "CAN").any(axis=1)
    numbers = ["effect", "low", "high", "p"]
    assert contrasts.loc[involved, numbers].isna().all(axis=None)
    assert contrasts.loc[~involved, numbers].equals(zoo["contrasts"].loc[~involved, numbers])
    assert not contrasts[["first", "second"]].apply(lambda c: c.str.startswith("zoo/")).any(axis=None)
    assert list(published["roles"]["role"]) == [role for role in ROLES if role != CAN]
    assert published["claims"]["result"][0] == zoo["claims"]["result"][0] == SUPPORTED
    # Holm's correction is over the contrasts of one set: fewer contrasts, a weaker correction.
    known = contrasts.loc[~involved]
    np.testing.assert_allclose(known["p_holm"], holm(np.fmax(known["p"], known["p_seeds"])))


def test_claim_tables_hold_what_decides_each_claim(tested):
    claims, roles, contrasts, _ = tested
    zoo = claims[claims["set"] == "zoo"].set_index("claim")
    of_roles = roles[roles["set"] == "zoo"]
    assert zoo.loc[1, "identified"] == of_roles["identified"].min()
    for claim in (2, 3, 4):
        mine = contrasts[(contrasts["set"] == "zoo") & (contrasts["claim"] == claim)]
        sure = mine[mine["p_holm"] < 0.05]
        assert zoo.loc[claim, ["above", "below"]].tolist() == [(sure["effect"] > 0).sum(), (sure["effect"] < 0).sum()]
    assert zoo.loc[5, "rho"] == pytest.approx(spearmanr(of_roles["fine"], of_roles["content"]).statistic)


def test_each_role_is_named_once_beforehand():
    assert list(encoders_of("zoo")) == list(ROLES)
    assert list(encoders_of("published")) == [role for role in ROLES if role != "CAN"]
    assert all(len(names) == 1 for role_set in ("zoo", "published") for names in encoders_of(role_set).values())
    assert {spec.role for spec in PUBLISHED} <= {*ROLES, ""}


def test_a_further_training_plays_the_role_and_another_layer_does_not():
    names = ["zoo/mae", "zoo/mae@weights=/b.safetensors", "zoo/mae@layer=2", "zoo/mae@pool=mean", "zoo/clip", "my/mae"]
    published = ["timm:vit_base_patch16_224.mae@weights=/a.pth", "timm:vit_large_patch16_224.mae"]
    assert models_by_role("zoo", names + published) == {"MAE": names[:2]}
    assert models_by_role("published", names + published) == {"MAE": published[:1]}
