"""The detector's evidence: p-values, the posterior of each kind of image, and verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing_core.answers.answer import (
    ANSWERS,
    FOUND,
    Answer,
    Evidence,
    Posterior,
    Unavailable,
    answer_word,
    score_of,
)
from probing_core.answers.answer_sentences import edit_of
from probing_core.answers.crops import Prediction
from probing_core.answers.reference_sets import (
    GRAY,
    LARGE,
    VIEW,
    Edits,
    ReferenceSet,
    ReferenceSets,
    error_holds,
    highest_tile,
    is_enough,
    p_values,
)


def test_p_values_are_ranks_among_clean_photographs():
    clean = np.array([3.0, 1.0, 2.0, 2.0])
    scores = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 9.0])
    by_hand = [(1 + (clean >= score).sum()) / 5 for score in scores]
    np.testing.assert_allclose(p_values(scores, clean), by_hand)
    assert p_values(scores, clean)[-1] == pytest.approx(1 / 5)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_p_values_of_clean_images_of_the_same_source_are_uniform(level):
    rng = np.random.default_rng(0)
    rates = [np.mean(p_values(rng.normal(size=50), rng.normal(size=199)) <= level) for _ in range(400)]
    assert np.mean(rates) == pytest.approx(level, abs=0.01)


def test_is_enough_needs_five_photographs_beyond_the_level():
    assert [is_enough(n, 0.05) for n in (99, 100)] == [False, True]
    assert [is_enough(n, 0.01) for n in (499, 500)] == [False, True]


@pytest.mark.parametrize(("n", "calibrated_on"), [(100, 200), (40, 100)])
def test_error_holds_follows_the_beta_binomial_distribution(n, calibrated_on):
    from scipy.stats import betabinom

    beyond = int(0.05 * (calibrated_on + 1))
    chance = betabinom(n, beyond, calibrated_on + 1 - beyond)
    most = max(k for k in range(n + 1) if chance.sf(k - 1) > 0.05)
    p = np.linspace(0.06, 1, n)
    for flagged, holds in ((most, True), (most + 1, False)):
        p[:flagged] = 0.01
        assert error_holds(p, 0.05, calibrated_on) is holds


def views(
    kind: str,
    role: str,
    scores: np.ndarray,
    transform: str = "identity",
    maker: str = "as it is",
    no_color: bool = False,
) -> pd.DataFrame:
    """Scored views of as many photographs; blur if edited."""
    group = "identity" if transform == "identity" else "blur"
    facts = {"role": role, "size": kind, "maker": maker, "transform": transform, "group": group, "no_color": no_color}
    ids = [f"{role}-{kind}/{i}" for i in range(len(scores))]
    return pd.DataFrame(facts | {"score": scores, "base_id": ids, "corpus": 1})


def table(seed: int = 0, edited: float = 4.0, gray_shift: float = 5.0, large: int = 110) -> pd.DataFrame:
    """A run's scored views of three kinds of images; those without color score ``gray_shift`` higher."""
    rng = np.random.default_rng(seed)
    parts = []
    for kind, shift, maker, no_color, count in (
        ("view", 0.0, "as it is", False, 200),
        ("view", gray_shift, "turned gray", True, 200),
        ("large", -1.0, "as it is", False, large),
    ):
        for role in ("calibrate", "report"):
            parts.append(views(kind, role, rng.normal(shift, 1, count), maker=maker, no_color=no_color))
        parts.append(views(kind, "report", rng.normal(shift + edited, 1, 120), "gaussian-blur", "bank", no_color))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def shared_sets() -> ReferenceSets:
    return ReferenceSets.from_rows(table())


CLASSES = ("identity", "sepia", "gaussian-blur", "motion-blur")
GROUPS = ("identity", "color", "blur", "blur")


def prediction(*probabilities: float, whole: tuple[float, ...] = ()) -> Prediction:
    p = np.array(probabilities)
    each = np.array([whole or p, p])[: 2 if whole else 1]
    return Prediction("m", CLASSES, GROUPS, p, each, np.zeros(3))


BLURRED = prediction(0.005, 0.04, 0.5, 0.455)
CLEAN = prediction(0.97, 0.01, 0.01, 0.01)


def test_reference_sets_calibrate_each_kind_by_its_own_photographs():
    sets = ReferenceSets.from_rows(table())
    assert {kind: len(one.clean) for kind, one in sets.sets.items()} == {VIEW: 200, GRAY: 200, LARGE: 110}
    middle = {VIEW: 2.0, GRAY: 7.0, LARGE: 1.0}  # half way between clean and edited scores
    for kind, score in middle.items():
        assert sets.sets[kind].posterior.probability(np.array([score]))[0] == pytest.approx(0.5, abs=0.3)
    clean_gray = sets.sets[GRAY].posterior.probability(np.random.default_rng(5).normal(5, 1, 400))
    assert np.mean(clean_gray > 0.5) < 0.05, "originals in gray are not called edited"


def test_reference_sets_use_large_photographs_only_if_their_error_holds():
    rows = table()
    clean_large = (rows["size"] == "large") & (rows["role"] == "report") & (rows["transform"] == "identity")
    assert LARGE not in ReferenceSets.from_rows(rows.assign(score=rows["score"] + 2.0 * clean_large)).sets
    assert LARGE not in ReferenceSets.from_rows(rows[~clean_large]).sets
    assert LARGE not in ReferenceSets.from_rows(table(large=90)).sets


@pytest.mark.parametrize("edited", [0.0, -3.0])
def test_reference_sets_of_a_useless_detector_state_no_probability(edited):
    answer = ReferenceSets.from_rows(table(edited=edited)).answer(BLURRED, no_color=False)
    assert (answer.word(), answer.probability()) == ("inconclusive", None)
    assert answer.unavailable == Unavailable.NOT_SEPARATED
    assert answer.evidence.p is not None


def test_answer_follows_from_the_posterior_of_its_kind():
    sets = ReferenceSets.from_rows(table())
    for image, no_color in ((CLEAN, False), (BLURRED, False), (BLURRED, True)):
        answer = sets.answer(image, no_color)
        kind = GRAY if no_color else VIEW
        score = score_of(image, no_color)
        (expected,) = sets.sets[kind].posterior.probability(np.array([score]), 0.2)
        assert answer.probability(0.2) == pytest.approx(expected)
        assert answer.word(0.2) == answer_word(answer.probability(0.2))
        expected = (1 + (sets.sets[kind].clean >= score).sum()) / 201
        assert (answer.evidence.p, answer.evidence.n) == (pytest.approx(expected), 200)
    assert sets.answer(BLURRED, False).word() == "edited"


@given(st.floats(-8, 12), st.floats(0.01, 0.99))
def test_answer_never_contradicts_its_probability(shared_sets, score, prior):
    """With a prior of 1%, a flagged image is not called edited: the word follows from the probability alone."""
    posterior = shared_sets.sets[VIEW].posterior
    answer = Answer(BLURRED, score, posterior)
    assert answer.word(prior) == answer_word(answer.probability(prior))
    if answer.probability(prior) < 0.5:
        assert answer.word(prior) not in FOUND
    lower = Answer(BLURRED, score - 0.5, posterior)
    assert lower.probability(prior) <= answer.probability(prior)


def test_answer_is_inconclusive_with_too_few_photographs():
    rows = table()
    number = rows.groupby(["size", "role", "maker", "transform"]).cumcount()
    few = rows[(rows["transform"] != "identity") | (number < 99)]
    answer = ReferenceSets.from_rows(few).answer(BLURRED, no_color=False)
    assert (answer.word(), answer.probability()) == ("inconclusive", None)
    assert (answer.evidence.p, answer.evidence.n) == (None, 99)
    assert answer.unavailable == Unavailable.TOO_FEW
    none = ReferenceSets.from_rows(None).answer(BLURRED, no_color=False)
    assert (none.word(0.99), none.probability(0.99), none.evidence.n) == ("inconclusive", None, 0)
    assert none.unavailable == Unavailable.TOO_FEW


@pytest.mark.parametrize(("photographs", "reason"), [(29, Unavailable.TOO_FEW), (30, None)])
def test_answer_is_unavailable_with_too_few_edited_photographs(photographs, reason):
    rows = table()
    number = rows.groupby(["size", "role", "maker", "transform"]).cumcount()
    few = rows[(rows["transform"] == "identity") | (number < photographs)]
    answer = ReferenceSets.from_rows(few).answer(BLURRED, no_color=False)
    assert (answer.unavailable, answer.probability() is None) == (reason, reason is not None)


@pytest.mark.parametrize(("error", "reason"), [(0.5, Unavailable.NOT_TRANSFERABLE), (0.05, None), (None, None)])
def test_answer_of_model_is_unavailable_where_its_calibration_does_not_transfer(error, reason):
    answer = Answer.of_model(BLURRED, {"direct": Posterior(1.0, 0.0, sources=3, transfer_error=error)})
    assert (answer.unavailable, answer.probability() is None) == (reason, reason is not None)


@pytest.mark.parametrize(
    ("posteriors", "reason"), [({"direct": Posterior()}, Unavailable.NOT_SEPARATED), ({}, Unavailable.TOO_FEW)]
)
def test_answer_of_model_states_no_probability_without_evidence(posteriors, reason):
    answer = Answer.of_model(BLURRED, posteriors)
    assert (answer.unavailable, answer.probability(0.99), answer.word(0.99)) == (reason, None, "inconclusive")
    assert answer.row("a")["unavailable"] == reason


def test_answer_of_model_uses_tiles_only_where_large_photographs_calibrate():
    large = prediction(0.005, 0.04, 0.5, 0.455, whole=(0.97, 0.01, 0.01, 0.01))
    direct, combined = Posterior(1.0, 0.0), Posterior(2.0, 1.0)
    with_tiles = Answer.of_model(large, {"direct": direct, "combined": combined})
    assert (with_tiles.score, with_tiles.posterior) == (score_of(large), combined)
    whole_only = Answer.of_model(large, {"direct": direct})
    assert (whole_only.score, whole_only.posterior) == (score_of(large, whole_only=True), direct)
    assert (with_tiles.word(), whole_only.word()) == ("probably edited", "no edit detected")


def test_answer_for_a_flat_image_is_that_it_may_be_no_photograph(shared_sets):
    flat = replace(BLURRED, is_flat=True)
    for answer in (
        Answer.of_model(flat, {"direct": Posterior(1.0, 0.0)}),
        shared_sets.answer(flat, no_color=False),
    ):
        assert (answer.word(0.99), answer.probability(0.99)) == ("may not be a photograph", None)
        row = answer.row("a")
        assert (row["answer"], row["edited"], row["unavailable"]) == ("may not be a photograph", None, row["answer"])
        assert row["classes"] == []


@pytest.mark.parametrize(("kind", "tile"), [(LARGE, 2), (VIEW, None)])
def test_highest_tile_is_the_one_with_the_largest_score(kind, tile):
    p = np.tile([0.9, 0.1], (10, 1))
    p[3] = 0.1, 0.9
    large = Prediction("m", ("identity", "gaussian-blur"), ("identity", "blur"), np.array([0.2, 0.8]), p, np.zeros(1))
    evidence = Evidence(0.01, 100, kind, no_color=False, detection_rate=None)
    assert highest_tile(Answer(large, 2.0, Posterior(1.0, 0.0), evidence), 0.5) == tile
    assert highest_tile(Answer(large, -9.0, Posterior(1.0, 0.0), evidence), 0.5) is None, "nothing is suspected"
    flat = replace(large, is_flat=True)
    assert highest_tile(Answer(flat, 2.0, Posterior(1.0, 0.0), evidence), 0.5) is None, "the detector abstains"


def test_answer_without_color_never_predicts_the_color_group():
    sepia = prediction(0.1, 0.85, 0.03, 0.02)
    sets = ReferenceSets.from_rows(table())
    assert edit_of(sets.answer(sepia, no_color=False).classes()).group == "color"
    edit = edit_of(sets.answer(sepia, no_color=True).classes())
    assert (edit.group, edit.transform) == ("blur", "gaussian-blur")
    assert edit.group_probability == pytest.approx(1)


def test_answer_of_a_large_image_uses_tiles_only_where_large_photographs_calibrate():
    large = prediction(0.005, 0.04, 0.5, 0.455, whole=(0.97, 0.01, 0.01, 0.01))
    with_tiles = ReferenceSets.from_rows(table()).answer(large, no_color=False)
    assert (with_tiles.evidence.kind, with_tiles.word()) == (LARGE, "edited")
    rows = table()
    whole_only = ReferenceSets.from_rows(rows[rows["size"] == "view"]).answer(large, no_color=False)
    assert (whole_only.evidence.kind, whole_only.word()) == (VIEW, "no edit detected")


def test_judge_answers_as_for_single_images():
    sets = ReferenceSets.from_rows(table())
    images = [
        (CLEAN, False),
        (BLURRED, False),
        (BLURRED, True),
        (prediction(0.3, 0.1, 0.3, 0.3, whole=(0.9, 0.0, 0.1, 0.0)), False),
        (replace(BLURRED, is_flat=True), False),
    ]
    rows = pd.DataFrame(
        {
            "large": [one.kind == "combined" for one, _ in images],
            "no_color": [no_color for _, no_color in images],
            "is_flat": [one.is_flat for one, _ in images],
            "whole": [score_of(one, no_color, whole_only=True) for one, no_color in images],
            "joined": [score_of(one, no_color) for one, no_color in images],
        }
    )
    judged = sets.judge(rows)
    for (one, no_color), row in zip(images, judged.itertuples(), strict=True):
        answer = sets.answer(one, no_color)
        assert (row.answer, row.n) == (answer.word(), answer.evidence.n)
        assert row.p == pytest.approx(answer.evidence.p)
        assert row.edited == pytest.approx(np.nan if one.is_flat else answer.probability(), nan_ok=True)


@pytest.mark.parametrize("shift", [-2.0, 2.0])
def test_with_clean_moves_p_and_posterior_together(shift):
    """Clean images of a source that scores higher make an edit less probable, and one that scores lower more."""
    sets = ReferenceSets.from_rows(table())
    clean = np.random.default_rng(3).normal(shift, 1, 300)
    moved = sets.with_clean({VIEW: clean})
    score = np.array([2.0])
    p, q = (one.sets[VIEW].p_values(score)[0] for one in (sets, moved))
    before, after = (one.sets[VIEW].posterior.probability(score)[0] for one in (sets, moved))
    assert (q - p) * shift > 0
    assert (after - before) * shift < 0
    assert set(moved.sets) == {VIEW}
    assert sets.with_clean({VIEW: clean[:99]}).sets == {}


@given(level=st.floats(0.001, 0.5), count=st.integers(0, 600))
def test_with_clean_has_enough_images_for_the_level_or_no_set(shared_sets, level, count):
    moved = shared_sets.with_clean({VIEW: np.arange(600.0), LARGE: np.arange(float(count))}, level)
    for kind, size in ((VIEW, 600), (LARGE, count)):
        assert (kind in moved.sets) == is_enough(size, level)
        if kind in moved.sets:
            assert moved.sets[kind].p_values(np.array([1e9]))[0] <= level  # the smallest p-value can be flagged


def edits(rates: dict[str, float], photographs: int = 60) -> pd.DataFrame:
    """Edited views of which the given fraction of each group scores above all clean photographs."""
    return pd.DataFrame(
        [
            {"base_id": f"r{i}", "maker": maker, "group": group, "no_color": False, "score": 1.0 if hit else -2.0}
            for i in range(photographs)
            for group, rate in rates.items()
            for hit in [(i + 0.5) / photographs < rate]
            for maker in ("bank", "alternative")
        ]
    )


CLEAN_SCORES = np.random.default_rng(0).uniform(-1, 0, 200)


def test_detection_rate_weighs_groups_the_same_and_names_those_hardly_detected():
    rates = {"blur": 0.9, "geometry": 0.2, "tone": 0.7}
    rate = Edits(edits(rates)).detection_rate(CLEAN_SCORES)
    assert rate.overall.value == pytest.approx(0.6)
    assert rate.overall.low < 0.6 < rate.overall.high
    assert {group: share.value for group, share in rate.by_group.items()} == pytest.approx(rates)
    assert rate.hardly_detected == ("geometry",)


def test_detection_rate_weighs_bank_and_alternatives_the_same():
    rows = edits({"blur": 1.0})
    rows.loc[rows["maker"] == "alternative", "score"] = -2.0
    more = pd.concat([rows, rows[rows["maker"] == "bank"]])  # twice as many by the bank
    assert Edits(more).detection_rate(CLEAN_SCORES).overall.value == pytest.approx(0.5)


def test_p_values_of_a_set_are_nan_without_a_score():
    one = ReferenceSet(CLEAN_SCORES, None, Edits(edits({})), None)
    assert np.isnan(one.p_values(np.array([np.nan]))).all()
    assert one.p_values(np.array([0.5]))[0] == pytest.approx(1 / 201)


@pytest.mark.parametrize("prior", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("word", ANSWERS)
def test_reference_set_counts_how_often_an_answer_is_wrong(word, prior):
    one = ReferenceSets.from_rows(table(edited=2.0)).sets[VIEW]
    order = ANSWERS.index(word)

    def places(scores):
        return [ANSWERS.index(answer_word(p)) for p in one.posterior.probability(np.asarray(scores), prior)]

    assert one.false_positives(word, prior) == (sum(place <= order for place in places(one.clean)), 200)
    missed = [place >= order for place in places(one.edits.visible["score"])]
    assert one.miss_rate(word, prior) == pytest.approx(np.mean(missed)), "all edits have one group and maker"


CELLS = (("blur", "bank", 30, 0.0), ("blur", "alternative", 5, 1.0), ("noise", "bank", 5, 1.0))


def test_miss_rate_weighs_all_groups_and_makers_equally():
    rows = [(group, maker, hit) for group, maker, n, hit in CELLS for _ in range(n)]
    edits = pd.DataFrame(rows, columns=["group", "maker", "score"]).assign(
        base_id=[f"r{i}" for i in range(len(rows))], no_color=False
    )
    one = ReferenceSet(np.zeros(200), Posterior(0.1, 0.5), Edits(edits), None)
    assert one.miss_rate("no edit detected") == pytest.approx(1 / 3)


def test_answers_without_color_leave_the_color_group_out_and_models_state_no_probability(shared_sets):
    sepia = prediction(0.04, 0.9, 0.03, 0.03)
    answer = Answer.of_model(sepia, {"direct": Posterior(1.0, 0.0)}, no_color=True)
    assert answer.unavailable == Unavailable.NO_COLOR
    assert (answer.probability(), answer.word()) == (None, "inconclusive")
    assert answer.score == score_of(sepia, no_color=True) < score_of(sepia)
    assert answer.classes()[-1] == {"class": "sepia", "group": "color", "probability": 0.0}
    assert answer.row("a")["no_color"]
    detected = shared_sets.answer(sepia, no_color=True)
    assert detected.row("a")["no_color"]
    assert detected.probability() is not None, "the detector is calibrated without color"
    assert not Answer.of_model(sepia, {}).row("a")["no_color"]
