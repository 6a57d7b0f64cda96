"""The page Models without a browser."""

from __future__ import annotations

import shutil

import pytest

from probing_core.measures.notation import model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run, retrieval, sentences, summaries
from probing_core.run.store import Store
from tests.dashboard.app_reading import address, figures, label, texts, unescaped
from tests.dashboard.conftest import REFERENCE


def in_chart(figure: dict) -> set[float]:
    return {round(x, 6) for trace in figure["data"] for x in trace.get("x", []) if isinstance(x, float)}


def test_the_chosen_model_shows_its_groups(open_app, made_run):
    run = Run.open(made_run)
    app = open_app("Models")
    for model in ("zoo/mae", "baseline/handcrafted"):
        label(app, "selectbox", "Model").select(model).run()
        assert not app.exception
        assert address(app, "model") == model
        rows = summaries.by_group(run, (model,))
        names = set(rows["group"].replace("identity", "untouched"))
        shown = next(f for f in figures(app) if names <= set(f["layout"]["yaxis"].get("ticktext", [])))
        assert {round(100 * value, 6) for value in rows["value"]} <= in_chart(shown)


def test_every_model_is_in_the_table_and_the_best_first(open_app):
    app = open_app("Models", run=REFERENCE, show_table="True")
    table = next(t.value for t in app.dataframe if "against" in t.value)
    run = Run.open(REFERENCE)
    assert set(table["model"]) == set(run.models["name"])
    assert table["score"].iloc[0] == table["score"].max()
    assert (table["title"] == table["model"].map(model_title)).all()
    visible = summaries.pick(run.scores, task="fine", subset="visible", measure="balanced-accuracy")
    expected = 100 * visible.set_index("model")["value"].loc[table["model"]]
    assert table["visible"].tolist() == pytest.approx(expected.tolist())
    rows = {y for trace in figures(app)[0]["data"] for y in trace.get("y", [])}
    assert 1 < len(rows) <= 12 < len(with_place(run.models["name"])), "twelve rows at most"


def test_the_strip_shows_what_two_models_answer(open_app):
    app = open_app("Models")
    assert len(app.get("image")) == 7
    captions = [one.value.split("  \n") for one in app.caption if one.value.startswith("**")]
    assert {"**Clean**", "**JPEG**"} <= {done for done, *_ in captions}
    assert {said[0] for _, *answers in captions for said in answers} == {"A", "B"}
    right = [":material/check:" in said for _, *answers in captions for said in answers]
    assert len(right) == 14
    assert 0 < sum(right) < 14, "some are right and some are wrong"


def test_content_is_drawn_beside_what_was_done(open_app):
    app = open_app("Models", run=REFERENCE, part="content")
    assert not app.exception
    points = summaries.substance(Run.open(REFERENCE)).set_index("model")
    names = {model_title(model): model for model in with_place(list(points.index))}
    for series, column in (("what was done", "style"), ("what is shown", "content")):
        shown = next(trace for trace in figures(app)[0]["data"] if trace.get("name") == series)
        values = {names[name]: x for name, x in zip(shown["customdata"], shown["x"], strict=True)}
        assert values == pytest.approx({model: 100 * points.at[model, column] for model in names.values()})


def test_a_card_names_the_best_model_for_a_use_and_says_what_is_not_measured(open_app, studied_run, tmp_path):
    run = shutil.copytree(studied_run, tmp_path / "unlabeled")
    store = Store(run)
    store.write_table("tables/uses.parquet", store.read_table("tables/uses.parquet").query("use != 'content'"), "made")
    app = open_app("Models", run=run, part="uses")
    assert not app.exception
    for use in ("duplicates", "altered"):
        words = sentences.best_for(Run.open(run), use, lambda model: f"**{model_title(model)}**")
        assert words
        assert words in unescaped(app).replace("\N{NO-BREAK SPACE}", " ")
        best = retrieval.ordered(Run.open(run), use).iloc[0]
        assert app.dataframe[0].value.set_index("model").at[best["model"], use] == pytest.approx(100 * best["value"])
    assert texts(app).count("Not measured in this run.") == 1


def test_claims_open_with_the_differences_that_they_rest_on(open_app):
    app = open_app("Models", run=REFERENCE, part="claims")
    badges = [box.label for box in app.expander if "-badge[" in box.label]
    assert len(badges) == 5 * len(Run.open(REFERENCE).table("tables/claims.parquet")["set"].unique())
    name = next(iter(Run.open(REFERENCE).table("tables/claims.parquet")["set"]))
    opened = open_app("Models", run=REFERENCE, part="claims", **{f"show-claim-{name}-2": "True"})
    assert not opened.exception
    assert len(figures(opened)) == len(figures(app)) + 1
