"""The studies of retrieval, duplicates, content and look on the made run, against slow second implementations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from probing_core.compute.studies.duplicates import duplicates_table
from probing_core.compute.studies.model_data import ModelData, SeriesData
from probing_core.compute.studies.retrieval import retrieval_table
from probing_core.compute.studies.uses import uses_table
from probing_core.compute.studies.variance import variance_table
from probing_core.measures.embedding_space import variance_parts
from probing_core.measures.neighbors import unit
from tests.compute.studies.made import SPLITS, series_of


@pytest.fixture(scope="module")
def untouched(data: ModelData) -> tuple[pd.DataFrame, np.ndarray]:
    s = data.samples
    rows = s[(s["transform"] == "identity") & (s["draw"] == 0) & (s["repetition"] == 0)]
    return rows, np.asarray(data.X)[rows.index]


def found_first(gallery: np.ndarray, ids: np.ndarray, X: np.ndarray, wanted: np.ndarray, k: int) -> np.ndarray:
    near = NearestNeighbors(n_neighbors=k, metric="cosine").fit(gallery).kneighbors(X, return_distance=False)
    return (ids[near] == wanted[:, None]).any(1)


@pytest.fixture
def swept(studied) -> SeriesData:
    return series_of(studied, "retrieval")


def test_recall_is_that_of_scikit_learn(data, swept, untouched):
    rows, X = untouched
    tested = (rows["split"] == "test").to_numpy()
    gallery, ids = X[tested], rows["image_id"].to_numpy()[tested]
    table = retrieval_table(swept)
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


def test_the_second_untouched_draw_is_the_ceiling(swept):
    rows = retrieval_table(swept).query("transform == 'identity'")
    assert rows["note"].str.contains("the ceiling").all()


def test_recall_at_each_strength_is_that_of_scikit_learn(swept, untouched):
    rows, X = untouched
    tested = (rows["split"] == "test").to_numpy()
    series, E = swept.rows, swept.X
    table = retrieval_table(swept)
    for (name, strength), at in list(series.groupby(["transform", "strength"]).indices.items())[::4]:
        ids = rows["image_id"].to_numpy()[tested]
        hits = found_first(X[tested], ids, E[at], series["image_id"].to_numpy()[at], 1)
        one = table[(table["transform"] == name) & (table["strength"] == strength) & (table["k"] == 1)]
        assert one["value"].item() == pytest.approx(hits.mean())


@pytest.mark.parametrize("kind", ["raw", "centered"])
def test_thresholds_and_copies_are_those_of_all_pairs(data, untouched, kind):
    rows, X = untouched
    mean = X.mean(0) if kind == "centered" else 0
    near = NearestNeighbors(metric="cosine", n_neighbors=len(X)).fit(X - mean)
    distances, _ = near.kneighbors(X - mean)
    cosines = np.sort(1 - distances[:, 1:].ravel())[::-1][::2]  # each pair is there twice
    copies = duplicates_table(data).query(f"cosine == '{kind}'")
    thresholds = copies.drop_duplicates("unrelated")
    assert thresholds["unrelated"].tolist() == [0.01, 0.001], "0.01 % takes 2,000 photographs"
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


def test_uses_are_the_tables_photograph_by_photograph(data, swept):
    uses = uses_table(data)
    means = uses.groupby("use")["value"].mean()
    recall = retrieval_table(swept).query("transform == 'all' and k == 1")
    assert means["original"] == pytest.approx(recall["value"].item())
    copies = duplicates_table(data).query("cosine == 'raw' and unrelated == 0.001 and transform != 'identity'")
    assert means["duplicates"] == pytest.approx(copies["value"].mean())
    assert means["content"] > 0.9, "the label is the longest axis"
    assert uses.groupby("use")["base_id"].nunique().eq(SPLITS["test"]).all()


def test_repetitions_separate_what_content_and_look_make_together_from_the_rest(data):
    doubled = np.repeat(data.crossed.X, 2, axis=2)
    assert variance_parts(doubled)["rest"].value == pytest.approx(0, abs=1e-6)
