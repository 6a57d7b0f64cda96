"""What a run says about retrieval, from tables that are made by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from lab.devtools.run_edits import omit, put, with_all_columns
from probing_core.compute.lazy_rows import LazyRows
from probing_core.results import Run, retrieval, sentences
from probing_core.run.layout import table_path
from probing_core.run.run_files import RunFiles
from tests.conftest import copy_of_made_run
from tests.made_studies import add_studies


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_studies(copy_of_made_run(tmp_path_factory.mktemp("runs") / "made"))


@pytest.fixture
def store(made: Path, tmp_path: Path) -> RunFiles:
    return RunFiles(shutil.copytree(made, tmp_path / "made"))


def with_table(store: RunFiles, name: str, table: pd.DataFrame) -> Run:
    put(store, {table_path(name): with_all_columns(table_path(name), table)})
    return Run.open(store.root)


def used(values: dict[str, np.ndarray], use: str = "duplicates") -> pd.DataFrame:
    parts = [
        pd.DataFrame({"model": m, "use": use, "base_id": [f"{i:02d}" for i in range(len(v))], "value": v})
        for m, v in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_models_are_ordered_by_what_a_use_needs_and_compared_by_photograph(store):
    rng = np.random.default_rng(0)
    base = rng.uniform(0, 0.6, 40)
    values = {"low": base, "best": base + 0.2 + rng.normal(0, 0.02, 40), "near": base + 0.199}
    board = retrieval.ordered(with_table(store, "uses", used(values)), "duplicates")
    assert board["model"].tolist()[-1] == "low"
    assert board["apart"].tolist() == [False, False, True]
    assert ttest_rel(values["best"], values["low"]).pvalue < 0.001, "which are different, photograph by photograph"
    for row in board.to_dict("records"):
        assert row["value"] == pytest.approx(values[row["model"]].mean())
    assert board["low"].iloc[0] < board["value"].iloc[0] < board["high"].iloc[0]


def test_a_model_with_another_seed_stands_below_its_own_and_is_compared_with_none(store):
    noise = np.random.default_rng(0).normal(0, 0.02, 40)
    values = {"zoo/a": 0.5 + noise, "zoo/b": 0.4 + noise[::-1], "zoo/c": np.full(40, 0.1)}
    alone = retrieval.ordered(with_table(store, "uses", used(values)), "duplicates").set_index("model")
    seeds = {"zoo/b@seed=1": np.full(40, 0.9), "zoo/a@seed=1": 0.5 + noise}
    run = with_table(store, "uses", used(values | seeds))
    board = retrieval.ordered(run, "duplicates").set_index("model")
    assert list(board.index) == ["zoo/a", "zoo/a@seed=1", "zoo/b", "zoo/b@seed=1", "zoo/c"]
    assert board.loc[list(seeds), "seed_of"].tolist() == ["zoo/b", "zoo/a"]
    assert board.loc[list(seeds), "p"].isna().all()
    assert not board.loc[list(seeds), "apart"].any()
    for column in ("value", "low", "high", "p", "apart"):
        assert board.loc[list(alone.index), column].equals(alone[column])


def test_recall_by_edit_has_one_row_per_model_and_edit_at_the_rate(store):
    copies = pd.DataFrame(
        [
            (model, cosine, rate, name, 0.5, 0.4, 0.6, 300, 0.8)
            for model in ("zoo/mae", "zoo/mae@seed=1")
            for cosine in ("raw", "centered")
            for rate in (0.01, 0.001)
            for name in ("identity", "jpeg", "all")
        ],
        columns=["model", "cosine", "unrelated", "transform", "value", "low", "high", "bases", "threshold"],
    )
    run = with_table(store, "duplicates", copies)
    rows = retrieval.recall_by_edit(run, 0.001)
    assert rows["model"].unique().tolist() == ["zoo/mae"]
    assert rows["transform"].tolist() == ["jpeg", "all"]
    assert retrieval.recall_by_edit(run, 0.5).empty
    assert set(retrieval.recall_by_rate(run, "jpeg")["rate"]) == {0.01, 0.001}


def test_recall_by_rate_is_of_all_edited_copies(store):
    columns = ["model", "cosine", "unrelated", "transform", "value", "low", "high", "threshold"]
    rows = [
        *(("one", "raw", rate, name, value, value - 0.1, value + 0.1, 0.8) for rate, name, value in [
            (0.01, "jpeg", 0.9), (0.01, "identity", 1.0), (0.01, "all", 0.7),
            (0.001, "jpeg", 0.7), (0.001, "identity", 1.0), (0.001, "all", 0.45),
        ]),
        ("one", "centered", 0.001, "all", 0.1, 0.0, 0.2, 0.8),
    ]  # fmt: skip
    recalls = retrieval.recall_by_rate(with_table(store, "duplicates", pd.DataFrame(rows, columns=columns)))
    assert recalls["rate"].tolist() == [0.001, 0.01]
    np.testing.assert_allclose(recalls["value"], [0.45, 0.7])
    np.testing.assert_allclose(recalls[["low", "high"]], [[0.35, 0.55], [0.6, 0.8]])


def test_the_sentence_says_who_finds_originals_and_who_of_those_that_learned(store):
    base = np.random.default_rng(0).uniform(0, 0.5, 40)
    values = {"zoo/mae": base + 0.1, "zoo/clip": base}
    words = sentences.originals_finding(with_table(store, "uses", used(values, "original")), lambda name: f"<{name}>")
    assert words.startswith("<zoo/mae> retrieves ")
    assert f" {100 * (base + 0.1).mean():.0f}% " in words
    run = with_table(store, "uses", used(values | {"baseline/phash": base + 0.4}, "original"))
    words = sentences.originals_finding(run)
    assert words.startswith("The best encoder, zoo/mae, ")
    assert f" {100 * (base + 0.1).mean():.0f}% " in words
    assert f"baseline/phash retrieves {100 * (base + 0.4).mean():.0f}%" in words
    alike = with_table(store, "uses", used({"one": base, "two": base}, "original"))
    assert "(not significantly different from two)" in sentences.originals_finding(alike)


def test_a_run_without_the_tables_has_no_sentence(made, tmp_path):
    bare = shutil.copytree(made, tmp_path / "bare")
    omit(RunFiles(bare), "tables/uses.parquet", "tables/retrieval.parquet", "tables/duplicates.parquet")
    run = Run.open(bare)
    assert sentences.originals_finding(run) == ""
    assert retrieval.originals(run).empty
    assert retrieval.recall_by_edit(run, 0.001).empty
    assert retrieval.recall_by_edit(run).empty


def test_a_search_gives_the_order_of_all_cosines_and_the_place_of_the_original():
    rng = np.random.default_rng(0)
    gallery, query = rng.normal(size=(50, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    cosines = gallery @ query / np.linalg.norm(gallery, axis=1) / np.linalg.norm(query)
    near = retrieval.search(LazyRows((gallery[:20], gallery[20:])), query, 5, 7)
    assert near.rows.tolist() == np.argsort(-cosines)[:5].tolist()
    np.testing.assert_allclose(near.cosines, np.sort(cosines)[::-1][:5], rtol=1e-5)
    assert near.place == (cosines > cosines[7]).sum() + 1
    assert near.size == 50
    assert near.original == 7
    assert near.cosine == pytest.approx(cosines[7], rel=1e-5)
    added = retrieval.search(LazyRows((gallery,)), query, 5, 2 * query)
    assert (added.place, added.size, added.rows[0], added.original) == (1, 51, 50, 50)


def test_originals_are_ordered_by_model_and_by_what_spoils_them_least(made):
    run = Run.open(made)
    rows = retrieval.originals(run)
    assert "all" not in set(rows["transform"])
    assert rows["transform"].iloc[0] == "identity"
    best = rows[rows["transform"] != "identity"].groupby("model")["value"].mean()
    assert list(dict.fromkeys(rows["model"])) == best.sort_values(ascending=False).index.tolist()


@pytest.mark.parametrize(("far", "tied"), [([0.5, 0.5, 0.2], True), ([0.5, 0.4, 0.2], False)])
def test_pictures_that_are_equally_near_are_noticed(far, tied):
    gallery = np.array([[c, np.sqrt(1 - c**2)] for c in [1.0, *far]], np.float32)
    near = retrieval.search(LazyRows((gallery,)), np.array([1.0, 0.0], np.float32), 4, 0)
    assert near.place == 1
    assert near.are_tied == tied


def test_recall_finding_states_the_best_encoder_and_a_better_baseline():
    rows = pd.DataFrame(
        [
            ("zoo/mae", 0.80, 0.75, 0.85),
            ("zoo/can", 0.79, 0.74, 0.84),
            ("zoo/clip", 0.40, 0.35, 0.45),
            ("baseline/phash", 0.99, 0.97, 1.0),
        ],
        columns=["model", "value", "low", "high"],
    ).assign(transform="jpeg")
    words = sentences.recall_finding(rows, "copies")
    assert words.startswith("The best encoder, zoo/mae, retrieves copies in 80.0% of cases (95% CI 75.0")
    assert "1 other encoder not significantly below" in words
    assert "baseline baseline/phash: 99.0%" in words
    assert "baseline" not in sentences.recall_finding(rows.iloc[:3], "copies")
