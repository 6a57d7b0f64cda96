"""The tab Weak to strong of Explore."""

from __future__ import annotations

import json
import re

from dashboard.data.previews import FAINTER, STEPS
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import with_place
from probing_core.results import Run
from tests.dashboard.app_reading import address, figures, first_answers, label, unescaped
from tests.dashboard.conftest import REFERENCE

SLIDER = "probing_strength"


def slider_of(app) -> dict:
    return next(json.loads(c.proto.json) for c in app.get("bidi_component") if c.proto.component_name == SLIDER)


def test_every_page_begins_in_the_middle_of_what_probes_learn_from(open_app):
    app = open_app("Explore", part="strength", transform="fog", models="baseline/pixels")
    sent = slider_of(app)
    assert sent["index"] == len(FAINTER) + STEPS // 2
    assert sent["labels"][0].split()[1] == "0"
    assert sent["begins_untouched"]
    assert "strength" not in app.query_params, "nobody has chosen it"
    middle = slider_of(open_app("Transformations", part="one", transform="fog"))
    assert middle["index"] == len(FAINTER) + STEPS // 2
    chosen = open_app("Explore", part="strength", transform="fog", strength="3", models="baseline/pixels")
    assert slider_of(chosen)["index"] == len(FAINTER) + 3
    assert address(chosen, "strength") == "3"


def test_the_models_answer_at_once_for_the_chosen_strength(open_app):
    app = open_app("Explore", part="strength", models="baseline/pixels", transform="fog")
    assert not app.exception
    (table,) = first_answers(app)
    assert re.match(r"\d+% ", table[model_title("baseline/pixels")][0])


def test_it_begins_with_the_models_of_the_maps_above_and_follows_when_others_are_chosen(open_app, made_run):
    models = list(Run.open(made_run).models["name"])
    first, second, third = (name for name in models if name.startswith(("zoo/", "timm:", "baseline/pixels")))
    maps = json.dumps({"a": third, "b": first})
    app = open_app("Explore", part="strength", transform="fog", selection=maps)
    assert label(app, "multiselect", "Models").value == [third, first]
    label(app, "multiselect", "Models").set_value([second]).run()
    assert label(app, "multiselect", "Models").value == [second], "the visitor's own choice stays"
    shared = {name.replace("-", "_"): address(app, name) for name in ("models", "models-of-maps", "selection")}
    assert label(open_app("Explore", part="strength", **shared), "multiselect", "Models").value == [second]
    shared["selection"] = json.dumps({"a": second, "b": third})
    changed = open_app("Explore", part="strength", **shared)
    assert label(changed, "multiselect", "Models").value == [second, third]


def test_it_begins_with_the_class_that_is_chosen_above_and_follows_when_another_is_chosen(open_app, made_run):
    chosen = json.dumps({"what": {"rows": ["sepia"], "columns": ["fog"]}})
    app = open_app("Explore", part="strength", models="baseline/pixels", selection=chosen)
    assert label(app, "selectbox", "Transformation").value == "sepia"
    label(app, "selectbox", "Transformation").set_value("fog").run()
    assert label(app, "selectbox", "Transformation").value == "fog", "the visitor's own choice stays"
    kept = {name.replace("-", "_"): address(app, name) for name in ("models", "transform", "class-of-maps")}
    changed = open_app("Explore", part="strength", selection='{"what": {"rows": ["rain"]}}', **kept)
    assert label(changed, "selectbox", "Transformation").value == "rain"
    for several in (
        '{"what": {"rows": ["rain", "snow"]}}',
        '{"what": {"rows": 7}}',
        '{"what": {"rows": ["identity"]}}',
    ):
        left = open_app("Explore", part="strength", selection=several, **kept)
        assert label(left, "selectbox", "Transformation").value == "fog"


def test_the_sentence_names_who_sees_it_first(open_app):
    rows = Run.open(REFERENCE).table("tables/thresholds.parquet")
    for name, falling in (("fog", False), ("jpeg", True)):
        known = rows[(rows["transform"] == name) & (rows["censored"] == "")].sort_values("threshold")
        known = known[known["model"].isin(with_place(rows["model"].unique()))]
        first, last = known["model"].iloc[[-1, 0] if falling else [0, -1]]
        words = unescaped(open_app("Explore", part="strength", run=REFERENCE, transform=name, models="baseline/pixels"))
        assert f"**{model_title(first)}** sees it first" in words
        assert f"**{model_title(last)}** last" in words
        for model in with_place(rows[(rows["transform"] == name) & (rows["censored"] == "above")]["model"]):
            assert f"**{model_title(model)}**" in words.partition(" last, from ")[2]
        assert ("quality" if falling else "thickness") in words.split("sees it first, from ")[1].split()[0]


def test_a_strength_that_is_a_share_is_in_percent_everywhere(open_app):
    app = open_app("Explore", run=REFERENCE, part="strength", transform="desaturate", models="zoo/clip")
    assert slider_of(app)["name"] == "Strength: blend (%)"
    charts = [figure for figure in figures(app) if "blend (%)" in str(figure["layout"]["xaxis"].get("title"))]
    assert len(charts) == 2
    for chart in charts:
        assert max(chart["data"][0]["x"]) == 100
        assert chart["layout"]["xaxis"]["range"][1] < 110
