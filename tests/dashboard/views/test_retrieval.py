"""The page Retrieval without a browser."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.text import plain
from probing_core.results import Run, retrieval
from probing_core.runs.store import Store
from tests.dashboard.app_reading import figures, label, texts
from tests.dashboard.conftest import REFERENCE
from tests.made_studies import add_studies


@pytest.fixture(scope="module")
def studied(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_studies(shutil.copytree(made_run, tmp_path_factory.mktemp("studied") / "studied"))


def test_it_begins_with_a_sentence_from_the_run(open_app, studied):
    app = open_app("Retrieval", run=studied)
    assert not app.exception
    assert not app.error
    words = retrieval.finding(Run.open(studied), lambda name: f"**{plain(name)}**")
    assert words
    assert any(one.value == words for one in app.markdown)


def test_each_use_orders_all_models_and_there_is_no_total(open_app, studied):
    run = Run.open(studied)
    app = open_app("Retrieval", run=studied)
    assert not any("standing" in t.value for t in app.dataframe), "a picture comes first"
    rows = retrieval.by_use(run)
    drawn = {trace["name"]: trace for trace in figures(app)[0]["data"] if trace.get("name")}
    for use, about in retrieval.USES.items():
        board = retrieval.ordered(run, use)
        assert f"**{about.title}**" in texts(app)
        words = retrieval.best_for(run, use, lambda name: f"**{plain(name)}**")
        assert words in texts(app).replace("\N{NO-BREAK SPACE}", " ")
        assert dict(zip(drawn[about.title]["customdata"], drawn[about.title]["x"], strict=True)) == pytest.approx(
            dict(zip(board["model"], 100 * board["value"], strict=True))
        )
        shown = open_app("Retrieval", run=studied, show_uses="True", use=use)
        (table,) = [t.value for t in shown.dataframe if "standing" in t.value]
        assert table["model"].tolist() == board["model"].tolist()
        assert table["standing"].iloc[0] == "best"
    assert set(rows["use"]) == set(retrieval.USES)


def test_the_threshold_table_follows_cosine_and_share(open_app, studied):
    run = Run.open(studied)
    for cosine, share in (("raw", "0.01"), ("centered", "0.001")):
        app = open_app("Retrieval", run=studied, cosine=cosine, unrelated=share)
        shown = next(t.value for t in app.dataframe if "survives" in t.value)
        expected = retrieval.survivors(run, cosine, float(share))
        assert shown["model"].tolist() == expected["model"].tolist()
        np.testing.assert_allclose(shown["value"], expected["value"])
        np.testing.assert_allclose(shown["kept"], 100 * expected["kept"])


def test_limits_are_those_of_the_chosen_transformation(open_app, studied):
    app = open_app("Retrieval", run=studied, alteration="jpeg")
    shown = next(t.value for t in app.dataframe if "beyond" in t.value)
    limits = Run.open(studied).table("tables/retrieval-limits.parquet").query("transform == 'jpeg'")
    assert sorted(shown["value"]) == sorted(limits["value"])


def test_a_run_whose_corpus_has_no_labels_says_so(open_app, studied, tmp_path):
    run = shutil.copytree(studied, tmp_path / "unlabeled")
    store = Store(run)
    store.write_table("tables/uses.parquet", store.read_table("tables/uses.parquet").query("use != 'content'"), "made")
    store.remove("tables/content-neighbors.parquet")
    app = open_app("Retrieval", run=run, show_uses="True", use="content")
    assert not app.exception
    assert texts(app).count("This takes labels that several photographs share") == 2
    assert "Not measured in this run." in texts(app)


def test_the_reference_run_lacks_the_tables_and_says_what_to_do(open_app):
    """Until the next one ships with them."""
    app = open_app("Retrieval", run=REFERENCE)
    assert not app.exception
    if Store(REFERENCE).has("tables/retrieval.parquet"):
        assert "finds the original of an altered picture" in texts(app)
    else:
        assert "This run ships no embeddings, from which this is measured" in texts(app)
    assert "This run ships no embeddings of the chosen models" in texts(app)


@pytest.fixture
def embedded(studied: Path, tmp_path: Path) -> Path:
    return shutil.copytree(studied, tmp_path / "embedded")


def test_an_altered_photograph_is_searched_among_the_untouched_ones(open_app, embedded):
    """The made run has invented embeddings: wherever the original lies, its place is said, and pictures are shown."""
    app = open_app("Retrieval", run=embedded, models="baseline/pixels", ask="True", transform="jpeg")
    assert not app.exception
    assert not app.error
    assert "The original is" in texts(app)
    run = Run.open(embedded)
    assert f"of {len(retrieval.untouched(run)):,}." in texts(app)
    photograph = label(app, "selectbox", "Photograph of the run")
    assert set(photograph.options) <= set(run.images["image_id"])


def test_tables_of_no_rows_are_explained(open_app, studied, tmp_path):
    run = shutil.copytree(studied, tmp_path / "empty")
    store = Store(run)
    for name in ("content-neighbors", "variance-layers", "retrieval-limits"):
        path = f"tables/{name}.parquet"
        store.write_table(path, pd.DataFrame(columns=store.read_table(path).columns), "made")
    app = open_app("Retrieval", run=run)
    assert not app.exception
    assert not app.error
