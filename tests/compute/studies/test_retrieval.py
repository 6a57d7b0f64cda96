"""The studies of retrieval, duplicates, content and look on the made run, against slow second implementations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.compute.studies.content_neighbors import content_neighbors_table
from probing_core.compute.studies.copies import copies_table
from probing_core.compute.studies.duplicates import duplicates_table
from probing_core.compute.studies.model_data import ModelData, SeriesData
from probing_core.compute.studies.retrieval import galleries, retrieval_table
from probing_core.compute.studies.retrieval_limits import retrieval_limits_table
from probing_core.compute.studies.retrieval_strength import retrieval_strength_table
from probing_core.compute.studies.robustness import robustness_table
from probing_core.compute.studies.thresholds import level_of
from probing_core.compute.studies.uses import uses_table
from probing_core.compute.studies.variance import variance_table
from probing_core.compute.studies.variance_layers import variance_layers_table
from probing_core.measures.nearest import unit
from probing_core.measures.retrieval import Ranks
from probing_core.measures.variance_parts import variance_parts
from tests.compute.studies.made import SPLITS, series_of


@pytest.fixture(scope="module")
def untouched(data: ModelData) -> tuple[pd.DataFrame, np.ndarray]:
    s = data.samples
    rows = s[(s["transform"] == "identity") & (s["draw"] == 0) & (s["repetition"] == 0)]
    return rows, np.asarray(data.X)[rows.index]


def found_first(gallery: np.ndarray, ids: np.ndarray, X: np.ndarray, wanted: np.ndarray, k: int) -> np.ndarray:
    near = NearestNeighbors(n_neighbors=k, metric="cosine").fit(gallery).kneighbors(X, return_distance=False)
    return (ids[near] == wanted[:, None]).any(1)


def test_recall_is_that_of_scikit_learn(data, untouched):
    rows, X = untouched
    tested = (rows["split"] == "test").to_numpy()
    gallery, ids = X[tested], rows["image_id"].to_numpy()[tested]
    table = retrieval_table(data)
    s = data.samples
    for (name, k), one in table[table["transform"] != "all"].groupby(["transform", "k"]):
        at = s[(s["transform"] == name) & (s["split"] == "test") & (s["draw"] == int(name == "identity"))].index
        hits = found_first(gallery, ids, np.asarray(data.X)[at], s.loc[at, "image_id"].to_numpy(), int(k))
        assert one["value"].item() == pytest.approx(hits.mean())
        assert one["gallery"].item() == SPLITS["test"]
    whole = table[(table["transform"] == "all") & ~table["extrapolated"] & (table["k"] == 1)]
    of_each = table[~table["transform"].isin(["all", "identity"]) & (table["k"] == 1)]
    assert whole["value"].item() == pytest.approx(of_each["value"].mean())


def test_galleries_double_up_to_the_whole_and_are_extrapolated_tenfold_at_most(data):
    assert galleries(25) == [25]
    assert galleries(300) == [25, 50, 100, 200, 300]
    table = retrieval_table(data)
    beyond = table[table["extrapolated"]]
    assert sorted(beyond["gallery"].unique() / SPLITS["test"]) == [2, 5, 10]
    assert beyond["note"].str.startswith("extrapolated from 25 pictures").all()
    assert not table.loc[~table["extrapolated"], "note"].str.contains("extrapolated").any()
    for _, curve in table[table["transform"] == "all"].groupby("k"):
        assert curve.sort_values("gallery")["value"].is_monotonic_decreasing


def test_the_second_untouched_draw_is_the_ceiling(data):
    rows = retrieval_table(data).query("transform == 'identity'")
    assert rows["note"].str.contains("the ceiling").all()


@pytest.fixture
def swept(studied) -> SeriesData:
    return series_of(studied, "retrieval-strength")


def test_recall_at_each_strength_is_that_of_scikit_learn(swept, untouched):
    rows, X = untouched
    tested = (rows["split"] == "test").to_numpy()
    series, E = swept.rows, swept.X
    table = retrieval_strength_table(swept)
    for (name, strength), at in list(series.groupby(["transform", "strength"]).indices.items())[::4]:
        ids = rows["image_id"].to_numpy()[tested]
        hits = found_first(X[tested], ids, E[at], series["image_id"].to_numpy()[at], 1)
        one = table[(table["transform"] == name) & (table["strength"] == strength) & (table["k"] == 1)]
        assert one["value"].item() == pytest.approx(hits.mean())
    limits = retrieval_limits_table(swept)
    assert set(limits["transform"]) == set(table["transform"])
    for limit in limits.to_dict("records"):
        values = table[(table["transform"] == limit["transform"]) & (table["k"] == 1)]
        assert (limit["censored"] == "below") == (values["value"].iloc[0] < 0.95), "none is found as often here"


def test_a_limit_lies_between_the_last_strength_that_is_found_and_the_first_that_is_not(swept, monkeypatch):
    """Up to half of the range every original is the first, and beyond it the sixth."""
    rows, found = swept.rows, swept.retrieved
    lost = rows["position"].to_numpy() > 0.5
    moved = replace(found, ranks=Ranks(np.where(lost, 5, 0), found.ranks.others))
    monkeypatch.setitem(swept.__dict__, "retrieved", moved)
    table = retrieval_limits_table(swept)
    assert (table["censored"] == "").all()
    for limit in table.to_dict("records"):
        transform = swept.main.transforms[limit["transform"]]
        strengths = rows[rows["transform"] == limit["transform"]].groupby("position")["strength"].first()
        at = level_of(transform, limit["value"])
        kept, gone = strengths[strengths.index <= 0.5].iloc[-1], strengths[strengths.index > 0.5].iloc[0]
        ends = sorted((level_of(transform, kept), level_of(transform, gone)))
        assert at == pytest.approx(ends[0] + 0.05 * (ends[1] - ends[0]), abs=1e-3)


@pytest.mark.parametrize("kind", ["raw", "centered"])
def test_thresholds_and_copies_are_those_of_all_pairs(data, untouched, kind):
    rows, X = untouched
    mean = X.mean(0) if kind == "centered" else 0
    near = NearestNeighbors(metric="cosine", n_neighbors=len(X)).fit(X - mean)
    distances, _ = near.kneighbors(X - mean)
    cosines = np.sort(1 - distances[:, 1:].ravel())[::-1][::2]  # each pair is there twice
    thresholds, copies = (table(data).query(f"cosine == '{kind}'") for table in (duplicates_table, copies_table))
    assert thresholds["unrelated"].tolist() == [0.01, 0.001], "0.01 % takes 2,000 photographs"
    assert (thresholds["pairs"] == len(cosines)).all()
    s, E = data.samples, np.asarray(data.X)
    clean = dict(zip(rows["image_id"], unit(X - mean), strict=True))
    for share, value in zip(thresholds["unrelated"], thresholds["value"], strict=True):
        assert value == pytest.approx(cosines[int(share * len(cosines))], abs=1e-5)
        for name in data.classes:
            at = s[(s["transform"] == name) & (s["split"] == "test") & (s["draw"] == int(name == "identity"))].index
            kept = [unit(E[i] - mean) @ clean[s.loc[i, "image_id"]] > value for i in at]
            one = copies[(copies["unrelated"] == share) & (copies["transform"] == name)]
            assert one["value"].item() == pytest.approx(np.mean(kept))


def test_the_index_counts_one_version_a_photograph_and_transformation(data):
    table = robustness_table(data).set_index("by")
    assert table.index.tolist() == ["photograph", "label"]
    s = data.samples
    rows = s[(s["split"] == "test") & (s["draw"] == 0) & (s["repetition"] == 0)]
    X = unit(np.asarray(data.X)[rows.index])
    cosines = X @ X.T
    for by, own in (("photograph", np.arange(len(rows))), ("label", rows["base_id"].to_numpy())):
        content = rows["base_id" if by == "photograph" else "label"].to_numpy()
        looks, so, os = rows["transform"].to_numpy(), 0, 0
        for i in range(len(rows)):
            allowed = np.flatnonzero(own != own[i])
            near = allowed[np.argsort(-cosines[i, allowed])[:10]]
            so += ((content[near] == content[i]) & (looks[near] != looks[i])).sum()
            os += ((content[near] != content[i]) & (looks[near] == looks[i])).sum()
        assert table.loc[by, "value"] == pytest.approx(so / (so + os))
        assert table.loc[by, ["both", "content", "look", "neither"]].sum() == pytest.approx(1)
    photographs, looks = SPLITS["test"], len(data.classes)
    assert table.loc["photograph", "chance"] == pytest.approx((looks - 1) / (looks - 1 + photographs - 1))


def test_content_by_neighbors_has_the_five_settings(data):
    table = content_neighbors_table(data)
    assert len(table) == 5
    assert (table["k"] == 10).all()
    assert (table["gallery"] == SPLITS["train"]).all()
    assert (table["images"] == SPLITS["test"]).all()
    assert (table["value"] > 0.9).all(), "the label is the longest axis"


def test_variance_is_that_of_the_samples_and_of_each_block(data):
    s = data.samples
    rows = s[(s["split"] == "test") & (s["draw"] == 0)].sort_values(["image_id", "transform"])
    X = np.asarray(data.X)[rows.index].reshape(SPLITS["test"], len(data.classes), 1, -1)
    expected = variance_parts(X)
    table = variance_table(data).set_index("part")
    assert table.index.tolist() == ["content", "look", "rest"]
    for part, interval in expected.items():
        assert table.loc[part, "value"] == pytest.approx(interval.value, abs=1e-6)
    assert table["note"].str.startswith("one repetition").all()


def test_blocks_that_know_the_look_alone_have_no_variance_of_content(studied):
    layers = variance_layers_table(series_of(studied, "variance-layers"))
    parts = layers[layers["pooling"] == "mean"].pivot(index="layer", columns="part", values="value")
    assert parts.loc[1, "look"] > 0.3
    assert parts.loc[1, "content"] < 0.05
    assert parts.loc[10, "content"] > 0.2
    assert parts.loc[10, "look"] < 0.05


def test_uses_are_the_tables_photograph_by_photograph(data):
    uses = uses_table(data)
    means = uses.groupby("use")["value"].mean()
    recall = retrieval_table(data).query("transform == 'all' and k == 1 and not extrapolated")
    assert means["original"] == pytest.approx(recall["value"].item())
    copies = copies_table(data).query("cosine == 'raw' and unrelated == 0.001 and transform != 'identity'")
    assert means["duplicates"] == pytest.approx(copies["value"].mean())
    settings = content_neighbors_table(data).set_index("setting")
    assert means["content"] == pytest.approx(settings.loc["random", "value"])
    assert uses.groupby("use")["base_id"].nunique().eq(SPLITS["test"]).all()


def test_repetitions_separate_what_content_and_look_make_together_from_the_rest(data):
    doubled = np.repeat(data.crossed.X, 2, axis=2)
    assert variance_parts(doubled)["rest"].value == pytest.approx(0, abs=1e-6)
