"""The page Map without a browser."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dashboard.components.point_map import MAX_PICTURED
from dashboard.data.density import contours
from dashboard.data.point_cloud import point_cloud
from dashboard.widgets.neighborhoods import on_maps

from probing_core.charts import Theme
from probing_core.measures.notation import in_percent
from probing_core.results import Run
from probing_core.run.layout import RECIPE, map_path
from probing_core.run.store import Store
from tests.dashboard.app_reading import address, label, point_maps, texts, unescaped
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


def test_a_map_that_holds_some_of_the_run_shows_it_and_finds_only_what_it_holds(open_app, made_run, tmp_path):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    samples, table = Run.open(run).samples, Run.open(run).map("zoo/mae", "done")
    images = list(dict.fromkeys(samples["image_id"]))[::2]
    held = samples.loc[samples["image_id"].isin(images), "sample"]
    Store(run).write_table(map_path("zoo/mae", "done"), table[table["sample"].isin(held)], "made")
    app = open_app("Map", run=run, models="zoo/mae", arrows="True", reading="done")
    assert not app.exception
    assert f"{len(held)} of {len(held)} samples shown" in texts(app)
    assert f"The maps of this run hold {len(held)} of its {len(samples)} samples" in texts(app)
    (shown,) = point_maps(app)
    assert [panel["count"] for panel in shown["panels"]] == [len(held)]
    assert len(app.selectbox(key="find-image").options) == len(images)

    # All versions of the image have their arrow, in the color of their group.
    app.selectbox(key="find-image").select(images[0]).run()
    (panel,) = point_maps(app)[0]["panels"]
    changed = samples[(samples["image_id"] == images[0]) & (samples["group"] != "identity")]
    assert len(panel["arrows"]) == len(changed)
    colors = [Theme(dark=False).group(group) for group in changed["group"]]
    assert sorted(panel["arrowColors"]) == sorted(colors)


def emphasized(run: Run, panel: dict) -> np.ndarray:
    """The samples that stand out on a map, in order."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(panel["selected"]), np.uint8), bitorder="little")
    reading = point_cloud(run, panel["title"], "done")
    return np.sort(reading.samples[np.flatnonzero(bits[: len(reading)])])


@pytest.mark.parametrize("coloring", ["transform", "group", "label", "correct", "strength"])
def test_maps_hold_all_points_in_every_coloring(open_app, made_run, coloring):
    app = open_app("Map", color=coloring, selected="3.7.11", groups="blur,noise", models="zoo/mae,baseline/pixels")
    assert not app.exception
    run = Run.open(made_run)
    there = run.samples[run.samples["group"].isin(["blur", "noise"])] if coloring == "group" else run.samples
    assert f"{len(there)} of 512 samples shown in each of 2 maps" in texts(app)
    (shown,) = point_maps(app)
    assert [panel["title"] for panel in shown["panels"]] == ["zoo/mae", "baseline/pixels"]
    hidden = {shown["names"][code] for code in shown["hidden"]}
    assert hidden == (set(run.classes("group")) - {"blur", "noise"} if coloring == "group" else set())
    for panel in shown["panels"]:
        counted = {name: n for name, n in zip(shown["names"], panel["counts"], strict=False) if n}
        assert sum(panel["counts"]) == panel["count"] == 512
        if coloring in ("transform", "group"):
            assert counted == run.samples[coloring].value_counts().to_dict()
        assert emphasized(run, panel).tolist() == [3, 7, 11]
        assert bool(panel["places"]) == (coloring != "strength")
    if coloring == "strength":
        assert len(shown["colors"]) == 255
        assert not shown["names"]


def test_a_chosen_transformation_stands_out_with_arrows_from_clean_in_its_groups_color(open_app, made_run):
    app = open_app("Map", transformation="fog", models="zoo/mae")
    run = Run.open(made_run)
    (panel,) = point_maps(app)[0]["panels"]
    under = run.samples.loc[run.samples["transform"] == "fog"]
    assert emphasized(run, panel).tolist() == under["sample"].tolist()
    assert panel["arrowColors"] == [Theme(dark=False).group("weather")] * len(under)
    cloud = point_cloud(run, "zoo/mae", "done")
    place = pd.DataFrame(cloud.points, cloud.samples)
    identity = run.samples[(run.samples["transform"] == "identity") & (run.samples["draw"] == 0)]
    clean = identity.set_index("image_id")["sample"].loc[under["image_id"]]
    expected = np.hstack([place.loc[clean], place.loc[under["sample"]]])
    assert np.allclose(sorted(panel["arrows"]), sorted(expected.tolist()), atol=1e-4)
    lead = "arrows from the untouched version of each picture to its version under fog, in the color of the group"
    assert lead in texts(app)
    # What is selected comes before it.
    app = open_app("Map", transformation="fog", models="zoo/mae", selected="3.7")
    assert "arrows from the untouched version" not in texts(app)
    (shown,) = point_maps(app)
    (panel,) = shown["panels"]
    assert emphasized(run, panel).tolist() == [3, 7]
    assert panel["arrows"] == []
    assert shown["standing"] == ""


def test_what_stands_out_has_a_name_and_where_it_is_many_points_contours(open_app, made_run):
    run = Run.open(made_run)
    identity = np.flatnonzero(run.samples["group"] == "identity")
    app = open_app("Map", models="zoo/mae", reading="done", selected=".".join(map(str, identity[:40])))
    (shown,) = point_maps(app)
    cloud = point_cloud(run, "zoo/mae", "done")
    expected = contours(cloud.points[cloud.marked(identity[:40])])
    sent = [np.vstack(lines) for lines in shown["panels"][0]["contours"]]
    assert len(sent) == len(expected) == 2
    for one, other in zip(sent, expected, strict=True):
        np.testing.assert_allclose(one, np.vstack(other), atol=1e-3)
    assert "The solid line encloses half of what is selected" in texts(app)

    app = open_app("Map", models="zoo/mae", transformation="fog")
    (shown,) = point_maps(app)
    assert shown["standing"] == "fog"
    assert len(shown["panels"][0]["nameAt"]) == 2
    assert shown["panels"][0]["contours"] == [[], []], "of few points there are none"
    assert "solid line" not in texts(app)


def test_small_maps_are_shown_when_they_are_asked_for_and_colors_have_names(open_app):
    app = open_app("Map", models="zoo/mae")
    assert not point_maps(app)[0]["small"]
    app.toggle(key="small-maps").set_value(True).run()
    assert point_maps(app)[0]["small"]
    assert address(app, "small-maps") == "True"
    assert label(app, "toggle", "A small map for each group").value
    app = open_app("Map", models="zoo/mae", color="strength", small_maps="True")
    assert "small-maps" not in {toggle.key for toggle in app.toggle}
    assert not app.exception


def test_points_have_pictures_where_the_corpus_is_here(open_app, made_run, tmp_path):
    app = open_app("Map", models="zoo/mae")
    assert point_maps(app)[0]["mostPictured"] == MAX_PICTURED
    assert "their pictures stand beside them" in texts(app)
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    recipe = run / RECIPE
    recipe.write_text(recipe.read_text().replace(Run.open(made_run).recipe.fingerprint, "0" * 16))
    app = open_app("Map", run=run, models="zoo/mae")
    assert point_maps(app)[0]["mostPictured"] == 0
    assert "their pictures stand beside them" not in texts(app)


def without(shipped: Path, place: Path, *paths: str) -> Path:
    """A copy of a run without embeddings, and without files of it."""
    run = place / "made"
    shutil.copytree(shipped, run)
    store = Store(run)
    store.remove(*paths)
    store.fold()
    return run


def test_the_readings_are_maps_of_their_own_and_a_run_has_those_that_it_has(open_app, shipped_run, tmp_path):
    addresses = []
    for reading in ("done", "everything"):
        (shown,) = point_maps(open_app("Map", models="zoo/mae", reading=reading))
        addresses.append(shown["panels"][0]["address"])
    assert len(set(addresses)) == 2
    models = Run.open(shipped_run).models["name"]
    others = [map_path(model, "done") for model in models]
    app = open_app("Map", run=without(shipped_run, tmp_path, *others))
    assert not [w for w in app.get("button_group") if w.label.startswith("Near each other")]
    assert len(point_maps(app)) == 1


def test_what_neighbors_have_in_common_stands_below_the_map(open_app, made_run):
    run = Run.open(made_run)
    words = unescaped(open_app("Map", models="baseline/pixels"))
    found = on_maps(run, "baseline/pixels", "done")
    share, photograph = (in_percent(found[name]) for name in ("transform", "base_id"))
    assert (
        f"Of the 10 nearest on the map of baseline/pixels, {share} have the same transformation and {photograph} are "
        "of the same photograph; of the 10 nearest in its embedding, " in words
    )
    samples = run.samples
    placed = run.map("baseline/pixels", "done")[["x", "y"]].to_numpy(np.float64)
    distances = np.linalg.norm(placed[:, None] - placed, axis=2)
    np.fill_diagonal(distances, np.inf)
    queries = np.random.default_rng(0).choice(512, 500, replace=False)
    near = np.argsort(distances[queries], axis=1)[:, :10]
    for name in ("transform", "base_id"):
        labels = samples[name].to_numpy()
        assert found[name] == pytest.approx((labels[near] == labels[queries][:, None]).mean(), abs=1e-3)


def test_a_selection_too_large_for_the_address_stays_for_the_visit(open_app, monkeypatch):
    monkeypatch.setattr("dashboard.data.selection.MAX_ADDRESS_CHARACTERS", 10)
    app = open_app("Map", selected="3.7.11.13.17")
    assert "too large for the address" in texts(app)
    assert "selected" not in app.query_params
    assert "5 of 512 samples" in [s.value for s in app.subheader]


def test_among_very_many_images_one_is_found_by_typing_what_is_in_it_or_its_id(open_app, made_run, monkeypatch):
    monkeypatch.setattr("dashboard.widgets.image_finder.MAX_LISTED_IMAGES", 3)
    app, samples = open_app("Map"), Run.open(made_run).samples
    app.text_input(key="find-image-text").input("no-such-image").run()
    assert "No picture of this run is called" in texts(app)
    image, label = samples["image_id"].iloc[0], samples["label"].iloc[0]
    app.text_input(key="find-image-text").input(label).run()
    listed = app.selectbox(key="find-image").options
    assert listed
    assert all(label in name for name in listed)
    app.text_input(key="find-image-text").input(image).run()
    assert "32 of 512 samples" in [s.value for s in app.subheader]


def test_a_picture_is_found_by_its_thumbnail(open_app, made_run):
    app = open_app("Map", show_thumbnails="True")
    run = Run.open(made_run)
    image = run.samples["image_id"].iloc[40]
    app.button(key=f"find-image-{image}").click().run()
    assert not app.exception
    assert "32 of 512 samples" in [s.value for s in app.subheader]
    assert address(app, "selected")
    named = app.selectbox(key="find-image")
    assert named.value == image
    label = run.images.set_index("image_id").loc[image, "label"]
    assert all(not name.startswith(image) for name in named.options)
    assert any(name.startswith(label) for name in named.options)


def test_a_selection_of_another_run_is_dropped(open_app):
    assert "has been dropped" in texts(open_app("Map", selected="1.2.3", selected_in="00000000"))
    app = open_app("Map", selected="1.2.3")
    assert "has been dropped" not in texts(app)
    assert "3 of" in texts(app)
