"""The page Map without a browser."""

from __future__ import annotations

import base64
import shutil

import numpy as np
import pytest

from probing_core.results import Run
from probing_core.runs.layout import map_path, star_path
from probing_core.runs.store import Store
from tests.dashboard.app_reading import address, figures, label, point_maps, texts
from tests.dashboard.conftest import REFERENCE


@pytest.mark.parametrize("coloring", ["transform", "group", "label", "correct", "strength"])
def test_map_shows_how_many_points_and_the_selection(open_app, coloring):
    app = open_app("Map", color=coloring, selected="3.7.11", arrows="True", models="zoo/mae,baseline/pixels")
    assert not app.exception
    assert "512 of 512 samples shown in each of 2 maps" in texts(app)
    assert "3 of 512 samples" in [s.value for s in app.subheader]
    assert address(app, "selected") == "3.7.11"
    app.button(key="clear-selection").click().run()
    assert "Nothing is selected" in texts(app)
    assert "selected" not in app.query_params


def test_map_finds_an_image_and_keeps_a_named_selection(open_app, made_run):
    app = open_app("Map")
    image = Run.open(made_run).samples["image_id"].iloc[0]
    app.selectbox(key="find-image").select(image).run()
    assert "32 of 512 samples" in [s.value for s in app.subheader]
    app.text_input(key="selection-name").input("mine").run()
    label(app, "button", "Save it").click().run()
    app.button(key="clear-selection").click().run()
    app.selectbox(key="find-image").select(None).run()
    (saved,) = app.session_state["_selections"].values()  # of this run
    assert saved.keys() == {"mine"}
    assert address(app, "selection-name") == "mine"


def test_more_models_than_the_map_has_room_for_stay_chosen_on_other_pages(open_app):
    names = list(Run.open(REFERENCE).models["name"])[:5]
    app = open_app("Map", run=REFERENCE, models=",".join(names))
    assert not app.exception
    assert "Shown are the first 4 of the 5 models chosen" in texts(app)
    assert "samples shown in each of 4 maps" in texts(app)
    app.switch_page("views/explore.py").run()
    assert app.multiselect(key="models").value == names


def test_a_map_that_holds_some_of_the_run_shows_it_and_finds_only_what_it_holds(
    open_app, made_run, tmp_path, monkeypatch
):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    samples, table = Run.open(run).samples, Run.open(run).map("zoo/mae")
    images = list(dict.fromkeys(samples["image_id"]))[::2]
    held = samples.loc[samples["image_id"].isin(images), "sample"]
    Store(run).write_table(map_path("zoo/mae"), table[table["sample"].isin(held)], "made")
    monkeypatch.setattr("dashboard.data.map_points.MAX_POINTS_ON_ONE_MAP", 100)
    app = open_app("Map", run=run, models="zoo/mae", arrows="True")
    assert not app.exception
    assert f"{len(held)} of {len(held)} samples shown" in texts(app)
    assert f"The maps of this run hold {len(held)} of its {len(samples)} samples" in texts(app)
    (shown,) = point_maps(app)
    assert [panel["count"] for panel in shown["panels"]] == [len(held)]
    assert app.selectbox(key="find-image").options == images

    # All versions of the image have their arrow, on a large map and on a small one.
    app.selectbox(key="find-image").select(images[0]).run()
    (panel,) = point_maps(app)[0]["panels"]
    monkeypatch.setattr("dashboard.data.map_points.MAX_POINTS_ON_ONE_MAP", 12_000)
    app.run()
    figure = figures(app)[-1]
    arrows = [a for a in figure["layout"]["annotations"] if a.get("showarrow")]
    changed = ((samples["image_id"] == images[0]) & (samples["group"] != "identity")).sum()
    assert len(arrows) == len(panel["arrows"]) == changed


@pytest.mark.parametrize("coloring", ["transform", "group", "label", "correct", "strength"])
def test_large_maps_hold_all_points_of_the_groups_in_every_coloring(open_app, made_run, monkeypatch, coloring):
    monkeypatch.setattr("dashboard.data.map_points.MAX_POINTS_ON_SEVERAL_MAPS", 100)
    app = open_app("Map", color=coloring, selected="3.7.11", groups="blur,noise", models="zoo/mae,baseline/pixels")
    assert not app.exception
    samples = Run.open(made_run).samples
    there = samples[samples["group"].isin(["blur", "noise"])]
    assert f"{len(there)} of 512 samples shown in each of 2 maps" in texts(app)
    (shown,) = point_maps(app)
    assert [panel["title"] for panel in shown["panels"]] == ["zoo/mae", "baseline/pixels"]
    for panel in shown["panels"]:
        counted = {name: n for name, n in zip(shown["names"], panel["counts"], strict=False) if n}
        assert sum(panel["counts"]) == panel["count"] == len(there)
        if coloring in ("transform", "group"):
            assert counted == there[coloring].value_counts().to_dict()
        bits = np.unpackbits(np.frombuffer(base64.b64decode(panel["selected"]), np.uint8), bitorder="little")
        assert bits.sum() == there["sample"].isin([3, 7, 11]).sum()
    small = figures(open_app("Map", color=coloring, groups="blur", models="zoo/mae"))[-1]
    if coloring != "strength":  # the same colors, whoever draws
        colors = {trace["name"]: trace["marker"]["color"] for trace in small["data"]}
        assert colors == {n: c for n, c in zip(shown["names"], shown["colors"], strict=True) if n in colors}
    else:
        assert len(shown["colors"]) == 255
        assert not shown["names"]


def test_a_selection_too_large_for_the_address_stays_for_the_visit(open_app, monkeypatch):
    monkeypatch.setattr("dashboard.data.selection.MAX_ADDRESS_CHARACTERS", 10)
    app = open_app("Map", selected="3.7.11.13.17")
    assert "too large for the address" in texts(app)
    assert "selected" not in app.query_params
    assert "5 of 512 samples" in [s.value for s in app.subheader]


def test_among_very_many_images_one_is_found_by_typing_its_id(open_app, made_run, monkeypatch):
    monkeypatch.setattr("dashboard.widgets.image_finder.MAX_LISTED_IMAGES", 3)
    app = open_app("Map")
    image = Run.open(made_run).samples["image_id"].iloc[0]
    app.text_input(key="find-image").input("no-such-image").run()
    assert "No image of this run has the id" in texts(app)
    app.text_input(key="find-image").input(image).run()
    assert "32 of 512 samples" in [s.value for s in app.subheader]


def test_a_selection_of_another_run_is_dropped(open_app):
    assert "has been dropped" in texts(open_app("Map", selected="1.2.3", selected_in="00000000"))
    app = open_app("Map", selected="1.2.3")
    assert "has been dropped" not in texts(app)
    assert "3 of" in texts(app)


def star_of(app) -> dict | None:
    return next((figure for figure in figures(app) if "spread" in figure["layout"]["annotations"][0]["text"]), None)


def test_the_page_opens_with_the_stars_of_all_models(open_app, made_run):
    app = open_app("Map")
    assert not app.exception
    run, star = Run.open(made_run), star_of(app)
    titles = [a["text"].partition(" · ")[0] for a in star["layout"]["annotations"]]
    assert titles == run.models["name"].tolist()
    assert "moves an embedding furthest" in texts(app)
    carried = {c for trace in star["data"] for c in trace.get("customdata", ()) if c is not None}
    shown = run.sample_rows(np.array(sorted(carried)))
    assert set(shown["transform"]) == set(run.classes("fine")) - {"identity"}


def test_a_transformation_in_the_address_stands_out_and_an_unknown_one_is_ignored(open_app):
    faded = [trace.get("opacity") for trace in star_of(open_app("Map", transformation="fog"))["data"]]
    assert None in faded
    assert any(faded)
    assert not any(t.get("opacity") for t in star_of(open_app("Map", transformation="no-such"))["data"])


def test_a_run_without_embeddings_says_in_one_sentence_that_it_has_no_star(open_app):
    app = open_app("Map", run=REFERENCE)
    assert star_of(app) is None
    assert "ships neither the mean offsets of its transformations" in texts(app)
    assert not app.exception


def test_a_run_whose_offsets_are_not_computed_says_how_to(open_app, made_run, tmp_path):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    store = Store(run)
    store.remove(*(star_path(name) for name in Run.open(run).models["name"]))
    store.fold()
    assert "`probing evaluate --run DIR` computes them" in texts(open_app("Map", run=run))
