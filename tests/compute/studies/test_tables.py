"""The numbers of the tables of the studies, on made embeddings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors

from probing_core.compute.sampling.series import position_of
from probing_core.compute.studies.strength import (
    Sweep,
    level_of,
    strength_of,
    strength_table,
    sweep_of,
    threshold_table,
)
from probing_core.compute.studies.study_data import SeriesData, StudiedModel
from probing_core.compute.studies.tables import (
    clusters,
    duplicates_table,
    geometry_table,
    layers_table,
    retrieval_table,
    uses_table,
    variance_table,
)
from probing_core.compute.task_names import FRAMING, VARIANCE
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.measures.embedding_space import shift, variance_parts
from probing_core.measures.neighbors import unit
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.transforms import resolve
from tests.compute.studies.made import SPLITS


def test_geometry_table_has_the_values_of_shift(data):
    table = geometry_table(data).set_index("transform")["value"]
    test = data.of_split("test")
    assert table["rotate"] == pytest.approx(shift(test.of("identity").X, test.of("rotate").X).mean())


def test_of_selects_the_same_images_in_the_same_order(data):
    test = data.of_split("test")
    clean, moved = test.of("identity"), test.of("rotate")
    assert clean.rows["image_id"].tolist() == moved.rows["image_id"].tolist()
    again = test.of("identity", draw=1)
    assert again.rows["image_id"].tolist() == clean.rows["image_id"].tolist()
    assert not np.array_equal(again.X, clean.X)


def test_geometry_table_identity_shifts_less_than_transformations(data):
    table = geometry_table(data)
    shift = table.set_index("transform")["value"]
    assert (shift.drop("identity") > shift["identity"] + 0.05).all()


def test_selectivity_table_subtracts_control_from_task(tables):
    table = tables["selectivity"]
    np.testing.assert_allclose(table["value"], table["accuracy"] - table["control"])
    assert (table["accuracy"] > 0.8).all()
    assert (table["types"] >= 6).all()


def test_clusters_are_the_same_in_every_matrix():
    rng = np.random.default_rng(0)
    centers = 10 * rng.normal(size=(5, 4))
    which = [rng.permutation(np.repeat(np.arange(5), 20)) for _ in range(2)]
    found = clusters([centers[w] + rng.normal(0, 0.1, (100, 4)) for w in which], 5, 0)
    names = {(t, f) for w, part in zip(which, found, strict=True) for t, f in zip(w, part, strict=True)}
    assert len(names) == len({f for _, f in names})  # a cluster is of one center, in both parts


def test_layers_table_finds_the_layers_that_encode_appearance_and_content(tables, data):
    table = tables["layers"]
    mine = table[(table["model"] == data.model) & table["task"].isin(["fine", "content"])]
    assert mine["layer"].tolist() == [1] * 4 + [2] * 4 + [10] * 4  # by number, and not by name
    value = mine.set_index(["layer", "pooling", "task"])["value"]
    assert value[1, "mean", "fine"] > 0.8
    assert value[1, "mean", "content"] < 0.6  # a guess of three, over 25 images
    assert value[2, "mean", "fine"] > 0.8
    assert value[2, "mean", "content"] > 0.9
    assert value[10, "mean", "content"] > 0.9
    assert value[10, "mean", "fine"] < 0.4
    assert value[2, "cls", "fine"] < 0.4
    assert mine.groupby("task")["chance"].first().round(4).to_dict() == {"content": 0.3333, "fine": 0.1667}


def test_layers_table_chooses_the_layer_with_the_lowest_validation_loss(tables):
    table = tables["layers"]
    for _, rows in table[~table["task"].str.startswith(VARIANCE)].groupby(["model", "task"]):
        assert rows.loc[rows["chosen"], "validation_loss"].tolist() == [rows["validation_loss"].min()]


def test_layers_table_states_the_paired_difference_to_the_last_layer(tables):
    table = tables["layers"]
    scored = table[~table["task"].str.startswith(VARIANCE)]
    for _, rows in scored.groupby(["model", "pooling", "task"]):
        last = rows.sort_values("layer").iloc[-1]
        np.testing.assert_allclose(rows["difference"], rows["value"] - last["value"], atol=1e-12)
        others = rows[rows["layer"] != last["layer"]]
        assert (others["difference_low"] <= others["difference"]).all()
        assert (others["difference"] <= others["difference_high"]).all()
    width = scored["difference_high"] - scored["difference_low"]
    apart = scored["difference"].abs() > 0.3
    assert apart.any()
    assert (width[apart] > 0).all()
    assert table.loc[table["task"].str.startswith(VARIANCE), "difference"].isna().all()


def test_layers_table_excludes_images_for_content_from_the_fine_task(tables):
    table = tables["layers"]
    table = table[~table["task"].str.startswith(VARIANCE)]
    assert table.groupby("task")["images"].unique().map(list).to_dict() == {"content": [25], "fine": [20]}
    fine, content = (table[table["task"] == task]["note"].iloc[0] for task in ("fine", "content"))
    assert fine.startswith("trained on 40 images")
    assert content.startswith("trained on 60 images")


def test_layers_table_without_labels_has_no_content_task(series, monkeypatch):
    monkeypatch.setattr("probing_core.compute.studies.tables.content_labels", lambda images: ())
    table = layers_table(series["layers"])
    assert {task for task in table["task"] if not task.startswith(VARIANCE)} == {"fine"}
    assert np.isfinite(table["value"]).all()


def test_layers_table_variance_agrees_with_what_a_layer_encodes(tables, data):
    table = tables["layers"]
    mine = table[(table["model"] == data.model) & (table["pooling"] == "mean") & table["task"].str.startswith(VARIANCE)]
    parts = mine.pivot(index="layer", columns="task", values="value")
    assert parts.loc[1, f"{VARIANCE}look"] > 0.3
    assert parts.loc[1, f"{VARIANCE}content"] < 0.05
    assert parts.loc[10, f"{VARIANCE}content"] > 0.2
    assert parts.loc[10, f"{VARIANCE}look"] < 0.05
    assert not mine["chosen"].any()


FACTS = FitFacts(0.1, False, True, 1, 0.0)
IMAGES = 150
LEVELS = (-2.0, -1.0, -0.5, 0.0, 0.5)
"""A quarter of the way to the weakest strength, half of it, ..., and half as much again."""


def swept(transform: str, right: np.ndarray, false_positives: np.ndarray) -> Sweep:
    """Return a sweep in which image n is classified correctly at level s if ``right`` (N, S) is true."""
    ids = [f"{i:03d}" for i in range(len(right))]
    of = resolve(transform)
    strengths = [strength_of(of, level) for level in LEVELS]
    rows = pd.DataFrame(
        [
            (image, image, transform, strength, position_of(of, strength), hit, hit, strength / 10)
            for image, hits in zip(ids, right, strict=True)
            for strength, hit in zip(strengths, hits, strict=True)
        ],
        columns=["image_id", "base_id", "transform", "strength", "position", "right", "detected", "shift"],
    )
    return Sweep(rows, pd.DataFrame({transform: false_positives}, index=ids))


@pytest.mark.slow
@pytest.mark.parametrize("transform", ["gaussian-blur", "contrast"])  # contrast is weakest at its largest number
def test_threshold_table_finds_a_known_threshold_in_the_unit_of_the_transformation(transform):
    rng = np.random.default_rng(0)
    false, center = 0.1, -0.6
    rate = false + (1 - false) * norm.cdf((np.array(LEVELS) - center) / 0.4)
    found = swept(transform, rng.random((IMAGES, 5)) < rate, (rng.random(IMAGES) < false).astype(float))
    bank = {transform: resolve(transform)}
    row = threshold_table("m", found, list(bank.values())).iloc[0]
    target = (norm.cdf(norm.ppf(false) + 1) - false) / (1 - false)
    truth = strength_of(bank[transform], center + 0.4 * norm.ppf(target))
    assert row["low"] <= row["threshold"] <= row["high"]
    assert row["low"] <= truth <= row["high"]
    assert abs(row["threshold"] - truth) < 0.15 * abs(bank[transform].weakest - bank[transform].neutral)
    assert abs(row["threshold"] - bank[transform].neutral) < abs(bank[transform].weakest - bank[transform].neutral)
    assert row["censored"] == ""
    assert row["false_alarms"] == pytest.approx(false, abs=0.05)


@pytest.mark.slow
def test_threshold_table_censors_a_transformation_that_is_always_detected():
    found = swept("gaussian-blur", np.ones((IMAGES, 5), bool), np.zeros(IMAGES))
    row = threshold_table("m", found, [resolve("gaussian-blur")]).iloc[0]
    assert (row["threshold"], row["censored"]) == (pytest.approx(strength_of(resolve("gaussian-blur"), -2)), "below")
    assert "below all tested strengths" in row["note"]
    assert np.isnan(row["low"])
    assert row["high"] >= row["threshold"]


@pytest.mark.parametrize("transform", ["gaussian-blur", "contrast"])
def test_threshold_table_has_no_threshold_if_every_clean_image_is_a_false_positive(transform):
    row = threshold_table("m", swept(transform, np.ones((IMAGES, 5), bool), np.ones(IMAGES)), [resolve(transform)])
    assert row["censored"].tolist() == ["above"]
    assert row[["low", "high"]].isna().all(axis=None)
    assert "no threshold" in row["note"].iloc[0]


@pytest.mark.slow
def test_level_of_is_a_logarithm_or_without_neutral_strength_a_position():
    assert strength_of(resolve("posterize"), -1) == 6
    assert level_of(resolve("brighten"), 1.1) == pytest.approx(-2)
    for transform in (resolve("jpeg"), replace(resolve("jpeg"), neutral=None)):
        assert strength_of(transform, level_of(transform, 17.0)) == pytest.approx(17)
    ranged = replace(resolve("gaussian-blur"), distribution="log", strongest=6.0, neutral=None)
    assert strength_of(ranged, 0.5) == pytest.approx(3.0)
    assert level_of(ranged, 3.0) == pytest.approx(0.5)


@pytest.mark.slow
def test_strength_table_averages_over_images_with_intervals():
    right = np.arange(IMAGES)[:, None] < np.array([0, 30, 75, 120, 150])
    table = strength_table("m", swept("gaussian-blur", right, np.zeros(IMAGES)))
    strengths = [strength_of(resolve("gaussian-blur"), level) for level in LEVELS]
    assert table["strength"].tolist() == strengths
    assert table["hit_rate"].tolist() == pytest.approx([0, 0.2, 0.5, 0.8, 1])
    assert table["shift"].tolist() == pytest.approx(np.array(strengths) / 10)
    middle = table.iloc[2]
    half = 1.96 * np.sqrt(0.25 / IMAGES)  # of a binomial rate
    assert middle["hit_low"] == pytest.approx(0.5 - half, abs=0.02)
    assert middle["hit_high"] == pytest.approx(0.5 + half, abs=0.02)
    assert (table["images"] == IMAGES).all()


def test_strength_table_notes_that_a_shift_is_undefined():
    sweep = swept("gaussian-blur", np.ones((IMAGES, 5)), np.zeros(IMAGES))
    table = strength_table("m", replace(sweep, rows=sweep.rows.assign(shift=np.nan)))
    assert table["shift"].isna().all()
    assert table["note"].str.contains("shift undefined").all()
    assert not strength_table("m", sweep)["note"].any()


@pytest.mark.slow
def test_sweep_of_compares_logits_with_identity():
    """Logits are the coordinates: identity, blur, noise."""
    probe = LinearProbe(
        ("identity", "blur", "noise"), np.eye(3, dtype=np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32),
        np.ones(3, np.float32), FACTS,
    )  # fmt: skip
    rows = pd.DataFrame(
        {"image_id": ["a", "b"] * 2, "transform": ["blur"] * 4, "strength": [1, 1, 2, 2], "position": [0, 0, 1, 1]}
    )
    X = np.array([[3, 1, 0], [1, 2, 3], [0, 2, 1], [0, 1, 0]], np.float32)
    # Image b has its draws in the wrong order, and a second repetition.
    clean_rows = pd.DataFrame(
        {"image_id": ["a", "a", "b", "b", "b"], "draw": [0, 1, 1, 0, 0], "repetition": [0, 0, 0, 0, 1]},
        index=[4, 5, 10, 11, 12],
    )
    clean = np.array([[2, 0, 1], [1, 2, 0], [3, 0, 0], [0, 1, 2], [5, 0, 0]], np.float32)
    found = sweep_of(rows, X, clean_rows, clean, probe)
    assert found.rows["right"].tolist() == [False, False, True, True]
    assert found.rows["detected"].tolist() == [False, True, True, True]
    assert found.false_positives.loc["a", "blur"] == 0.5
    assert found.false_positives.loc["b", ["blur", "noise"]].tolist() == pytest.approx([1 / 3, 1 / 3])
    first = clean[[0, 3]]
    expected = np.concatenate([shift(first, X[:2]), shift(first, X[2:])])
    np.testing.assert_allclose(found.rows["shift"], expected)


@pytest.mark.slow
def test_strength_table_recall_and_shift_increase_with_strength(tables):
    table = tables["strength"]
    ends = table.groupby(["model", "transform"])["hit_rate"].agg(["first", "last"])
    assert (ends["last"] > 0.9).all()
    assert (ends["first"] < 0.6).all()
    moved = table.groupby(["model", "transform"])["shift"].agg(["first", "last"])
    assert (moved["last"] > moved["first"] + 0.05).all()
    thresholds = tables["thresholds"]
    assert set(thresholds["transform"]) == {"contrast", "gaussian-blur", "gaussian-noise", "posterize", "rotate"}


@pytest.fixture(scope="module")
def untouched(data: StudiedModel) -> tuple[pd.DataFrame, np.ndarray]:
    s = data.samples
    rows = s[(s["transform"] == "identity") & (s["draw"] == 0) & (s["repetition"] == 0)]
    return rows, np.asarray(data.X)[rows.index]


def found_first(gallery: np.ndarray, ids: np.ndarray, X: np.ndarray, wanted: np.ndarray, k: int) -> np.ndarray:
    near = NearestNeighbors(n_neighbors=k, metric="cosine").fit(gallery).kneighbors(X, return_distance=False)
    return (ids[near] == wanted[:, None]).any(1)


@pytest.fixture
def searched(series) -> SeriesData:
    return series["strength"]


def test_retrieval_table_agrees_with_scikit_learn(data, searched, untouched):
    rows, X = untouched
    tested = (rows["split"] == "test").to_numpy()
    gallery, ids = X[tested], rows["image_id"].to_numpy()[tested]
    table = retrieval_table(searched)
    table = table[table["strength"].isna()]
    s = data.samples
    for (name, k), one in table[table["transform"] != "all"].groupby(["transform", "k"]):
        at = s[(s["transform"] == name) & (s["split"] == "test") & (s["draw"] == int(name == "identity"))].index
        hits = found_first(gallery, ids, np.asarray(data.X)[at], s.loc[at, "image_id"].to_numpy(), int(k))
        assert one["value"].item() == pytest.approx(hits.mean())
        assert one["gallery"].item() == SPLITS["test"]
    whole = table[(table["transform"] == "all") & (table["k"] == 1)]
    of_each = table[~table["transform"].isin(["all", "identity"]) & (table["k"] == 1)]
    assert whole["value"].item() == pytest.approx(of_each["value"].mean())


def test_retrieval_table_notes_that_identity_is_an_upper_bound(searched):
    rows = retrieval_table(searched).query("transform == 'identity'")
    assert rows["note"].str.contains("upper bound").all()


def test_retrieval_table_by_strength_agrees_with_scikit_learn(searched, untouched):
    rows, X = untouched
    tested = (rows["split"] == "test").to_numpy()
    series, E = searched.rows, searched.X
    table = retrieval_table(searched)
    for (name, strength), at in list(series.groupby(["transform", "strength"]).indices.items())[::4]:
        ids = rows["image_id"].to_numpy()[tested]
        hits = found_first(X[tested], ids, E[at], series["image_id"].to_numpy()[at], 1)
        one = table[(table["transform"] == name) & (table["strength"] == strength) & (table["k"] == 1)]
        assert one["value"].item() == pytest.approx(hits.mean())


@pytest.mark.parametrize("kind", ["raw", "centered"])
def test_duplicates_table_agrees_with_all_pairs(data, series, untouched, kind):
    rows, X = untouched
    mean = X.mean(0) if kind == "centered" else 0
    near = NearestNeighbors(metric="cosine", n_neighbors=len(X)).fit(X - mean)
    distances, _ = near.kneighbors(X - mean)
    cosines = np.sort(1 - distances[:, 1:].ravel())[::-1][::2]  # each pair is there twice
    copies = duplicates_table(series[FRAMING]).query(f"cosine == '{kind}'")
    thresholds = copies.drop_duplicates("unrelated")
    rates = thresholds["unrelated"].tolist()
    assert rates == [0.05, 0.02, 0.01, 0.005, 0.002, 0.001], "lower rates take more photographs"
    assert (thresholds["pairs"] == len(cosines)).all()
    s, E = data.samples, np.asarray(data.X)
    clean = dict(zip(rows["image_id"], unit(X - mean), strict=True))
    for share, value in zip(thresholds["unrelated"], thresholds["threshold"], strict=True):
        assert value == pytest.approx(cosines[int(share * len(cosines))], abs=1e-5)
        for name in data.classes:
            at = s[(s["transform"] == name) & (s["split"] == "test") & (s["draw"] == int(name == "identity"))].index
            kept = [unit(E[i] - mean) @ clean[s.loc[i, "image_id"]] > value for i in at]
            one = copies[(copies["unrelated"] == share) & (copies["transform"] == name)]
            assert one["value"].item() == pytest.approx(np.mean(kept))
        framed = series[FRAMING]
        of_copies = [
            unit(x - mean) @ clean[image_id] for x, image_id in zip(framed.X, framed.rows["image_id"], strict=True)
        ]
        mine = copies[copies["unrelated"] == share].set_index("transform")["value"]
        for name, at in framed.rows.groupby("transform").indices.items():
            assert mine[name] == pytest.approx(np.mean(np.array(of_copies)[at] > value))
        assert share < 0.05 or mine["half-size"] > mine["mirror"] == 0
        assert mine["all"] == pytest.approx(mine.drop(["all", "identity", *FRAMING_EDITS]).mean())


def test_duplicates_table_without_framing_samples_has_the_same_other_rows(data, series):
    table, alone = (duplicates_table(of) for of in (series[FRAMING], SeriesData.without_samples(data)))
    assert set(alone["transform"]) == {*data.classes, "all"}
    pd.testing.assert_frame_equal(table[~table["transform"].isin(FRAMING_EDITS)].reset_index(drop=True), alone)


def test_variance_table_agrees_with_variance_parts(data):
    s = data.samples
    rows = s[(s["split"] == "test") & (s["draw"] == 0)].sort_values(["image_id", "transform"])
    X = np.asarray(data.X)[rows.index].reshape(SPLITS["test"], len(data.classes), 1, -1)
    expected = variance_parts(X)
    table = variance_table(data).set_index("part")
    assert table.index.tolist() == ["content", "look", "rest"]
    for part, interval in expected.items():
        assert table.loc[part, "value"] == pytest.approx(interval.value, abs=1e-6)
    assert table["note"].str.startswith("one repetition").all()


def test_uses_table_averages_to_the_values_of_other_tables(data, searched):
    uses = uses_table(data)
    means = uses.groupby("use")["value"].mean()
    recall = retrieval_table(searched).query("transform == 'all' and k == 1")
    assert means["original"] == pytest.approx(recall["value"].item())
    copies = duplicates_table(SeriesData.without_samples(data)).query(
        "cosine == 'raw' and unrelated == 0.001 and transform == 'all'"
    )
    assert means["duplicates"] == pytest.approx(copies["value"].item())
    assert means["content"] > 0.9, "the label is the longest axis"
    assert uses.groupby("use")["base_id"].nunique().eq(SPLITS["test"]).all()


def test_variance_parts_of_equal_repetitions_have_no_rest(data):
    doubled = np.repeat(data.crossed.X, 2, axis=2)
    assert variance_parts(doubled)["rest"].value == pytest.approx(0, abs=1e-6)
