"""Scores of invented predictions, compared with scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, log_loss

from probing_core.compute.evaluation.score_rows import fewer_scores, oracle_scores, score_rows, scores_of

CLASSES = ("identity", "fog", "rain", "jpeg")
GROUPS = {"identity": "identity", "fog": "weather", "rain": "weather", "jpeg": "codec"}


@pytest.fixture(scope="module")
def tested() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(f"p{i}", r, c) for i in range(24) for r in range(2) for c in CLASSES]
    table = pd.DataFrame(rows, columns=["base_id", "repetition", "transform"])
    table["truth"], table["group"] = table["transform"], table["transform"].map(GROUPS)
    table["predicted"] = np.where(rng.random(len(table)) < 0.6, table["truth"], rng.choice(CLASSES, len(table)))
    table["p_predicted"] = rng.uniform(0.5, 0.9, len(table))
    table["p_truth"] = np.where(table["truth"] == table["predicted"], table["p_predicted"], 0.05)
    table["p_calibrated"] = table["p_predicted"] - 0.1
    table["visible"] = (table["transform"] != "identity") & (rng.random(len(table)) < 0.8)
    return table.assign(seen=True, label=np.where(table["base_id"].str[1:].astype(int) % 2, "odd", "even"))


def values(scores) -> dict[tuple[str, str], float]:
    return {(subset, measure): sums.value for subset, measure, _, sums, _ in scores}


def test_the_fine_task_agrees_with_scikit_learn(tested):
    found = values(scores_of("fine", tested, CLASSES, set()))
    truth, predicted = tested["truth"], tested["predicted"]
    assert found["all", "balanced-accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    counts = confusion_matrix(truth, predicted, labels=list(CLASSES))
    false = (counts.sum(0) - np.diag(counts)) / (len(truth) - counts.sum(1))
    informed = np.mean(np.diag(counts) / counts.sum(1) - false)
    assert found["seen", "informedness"] == pytest.approx(informed)
    assert found["seen", "macro-f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    both = np.stack([tested["p_truth"], 1 - tested["p_truth"]], 1)
    assert found["seen", "nll"] == pytest.approx(log_loss(np.zeros(len(tested)), both, labels=[0, 1]))
    members = [found["transform:fog", "recall"], found["transform:rain", "recall"]]
    assert found["group:weather", "recall"] == pytest.approx(np.mean(members))


@pytest.mark.parametrize("task", ["fine", "group-0"])
def test_categories_are_scored_as_their_texts(tested, task):
    # The order of the scores and all bits must be equal.
    rows = tested[tested["transform"] != "rain"]  # a category without rows
    texts = ["base_id", "transform", "truth", "group", "predicted"]
    known = {name: pd.CategoricalDtype(sorted(tested[name].unique())) for name in texts}
    for a, b in zip(
        scores_of(task, rows, CLASSES, {"jpeg"}), scores_of(task, rows.astype(known), CLASSES, {"jpeg"}), strict=True
    ):
        assert a[:2] == b[:2]
        np.testing.assert_equal(a[4], b[4])  # the chance, which some have not
        np.testing.assert_array_equal(a[2], b[2])
        np.testing.assert_array_equal(a[3].sums, b[3].sums)


def test_visible_keeps_every_identity(tested):
    rows = tested[tested["visible"] | (tested["transform"] == "identity")]
    found = values(scores_of("fine", tested, CLASSES, set()))["visible", "balanced-accuracy"]
    assert found == pytest.approx(balanced_accuracy_score(rows["truth"], rows["predicted"]))


def test_without_style_is_scored_if_there_are_style_classes(tested):
    rows = tested.assign(group=tested["group"].replace("codec", "style"))
    found = values(scores_of("fine", rows, CLASSES, set()))
    plain = values(scores_of("fine", tested, CLASSES, set()))
    others = rows[rows["transform"] != "jpeg"]
    recalls = [(each["predicted"] == name).mean() for name, each in others.groupby("transform")]
    assert (others["predicted"] == "jpeg").any()  # the probe chooses among all classes, and these are wrong
    assert found.pop(("without-style", "balanced-accuracy")) == pytest.approx(np.mean(recalls))
    rename = {("group:codec", "recall"): ("group:style", "recall")}
    assert found == {rename.get(key, key): value for key, value in plain.items()}
    assert ("without-style", "balanced-accuracy") not in values(scores_of("group-0", rows, CLASSES, set()))


def test_style_transfer_model_has_no_scores_on_styles(tested):
    rows = tested.assign(group=tested["group"].replace("codec", "style"), image_id=tested["base_id"], probe="mlp-0")
    fits = pd.DataFrame({"fold": ["all"], "probe": ["linear"], "converged": [True], "at_edge": [False]})
    classes, groups = {"fine": CLASSES, "group-0": tuple(sorted(set(rows["group"])))}, rows.assign(truth=rows["group"])

    def scored(name, table, *unscored):
        found = pd.DataFrame(score_rows("mine", name, table, fits, classes, set(), unscored))
        return found.set_index(["probe", "subset", "measure"]).sort_index()

    for name, table in (("fine", rows), ("fine-mlp-knn", rows), ("group-0", groups)):
        whole, less = scored(name, table), scored(name, table, "style")
        over_styles = ["all", "seen", "visible", "transform:jpeg", "group:style"]
        kept = whole[~whole.index.get_level_values("subset").isin(over_styles)]
        pd.testing.assert_frame_equal(less, kept[~kept.index.get_level_values("subset").str.startswith("repetition:")])
        pd.testing.assert_frame_equal(scored(name, table, "no such group"), whole)
    assert ("linear", "without-style", "balanced-accuracy") in scored("fine", rows, "style").index


def test_each_repetition_is_scored_where_there_are_several(tested):
    found = values(scores_of("fine", tested, CLASSES, set()))
    for repetition, rows in tested.groupby("repetition"):
        expected = balanced_accuracy_score(rows["truth"], rows["predicted"])
        assert found[f"repetition:{repetition}", "balanced-accuracy"] == pytest.approx(expected)
    once = values(scores_of("fine", tested[tested["repetition"] == 0], CLASSES, set()))
    assert not [subset for subset, _ in once if subset.startswith("repetition")]


def test_the_tempered_calibration_error_takes_the_tempered_probabilities(tested):
    found = values(scores_of("fine", tested, CLASSES, set()))
    alike = values(scores_of("fine", tested.assign(p_predicted=tested["p_calibrated"]), CLASSES, set()))
    assert found["seen", "calibration-error-tempered"] == pytest.approx(alike["seen", "calibration-error"])
    assert found["seen", "calibration-error-tempered"] != pytest.approx(found["seen", "calibration-error"])
    without = values(scores_of("fine", tested.drop(columns="p_calibrated"), CLASSES, set()))
    assert ("seen", "calibration-error-tempered") not in without


def test_content_is_scored_on_clean_images_and_each_transformation(tested):
    rng = np.random.default_rng(1)
    content = tested.assign(truth=tested["label"], predicted=rng.choice(["odd", "even"], len(tested)))
    content["seen"] = content["transform"] == "identity"
    found = values(scores_of("content", content, ("even", "odd"), set()))
    clean = content[content["seen"]]
    expected = balanced_accuracy_score(clean["truth"], clean["predicted"])
    assert found["seen", "balanced-accuracy"] == pytest.approx(expected)
    oracle = values(oracle_scores(content[~content["seen"]], ("even", "odd")))
    for name in CLASSES[1:]:
        rows = content[content["transform"] == name]
        expected = balanced_accuracy_score(rows["truth"], rows["predicted"])
        assert found[f"transform:{name}", "balanced-accuracy"] == pytest.approx(expected)
        assert oracle[f"oracle:{name}", "balanced-accuracy"] == pytest.approx(expected)
    assert ("all", "balanced-accuracy") not in found


def test_other_probes_have_fewer_scores_and_the_same_values(tested):
    all_, fewer = values(scores_of("fine", tested, CLASSES, set())), values(fewer_scores(tested, CLASSES))
    assert fewer.items() <= all_.items()
    assert ("all", "balanced-accuracy") in fewer
    assert not [subset for subset, _ in fewer if subset.startswith("transform")]


def test_scores_state_their_rows(tested):
    for subset, _, rows, sums, _ in scores_of("fine", tested, CLASSES, set()):
        mine = tested.iloc[np.flatnonzero(rows) if np.asarray(rows).dtype == bool else rows]
        assert len(sums.sums) == mine["base_id"].nunique()
        if subset.startswith("transform:"):
            assert set(mine["transform"]) == {subset.partition(":")[2]}


def test_generalization_gap_uses_only_groups_with_an_unseen_member():
    # This probe always predicts codec and never weather, for seen and unseen transformations: there is no gap.
    rows = [(f"p{i}", t, g, g if g == "codec" else "codec", t != "rain")
            for i in range(10) for t, g in (("fog", "weather"), ("rain", "weather"), ("jpeg", "codec"))]  # fmt: skip
    tested = pd.DataFrame(rows, columns=["base_id", "transform", "truth", "predicted", "seen"])
    tested = tested.assign(group=tested["truth"], p_truth=0.5, p_predicted=0.5, visible=True, repetition=0)
    found = values(scores_of("group-0", tested, ("weather", "codec"), set()))
    assert found["seen", "group-hit-rate"] == 0.5
    assert found["unseen", "group-hit-rate"] == 0
    assert found["all", "generalization-gap"] == 0
