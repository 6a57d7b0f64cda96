"""Every page over the made run, over no run and over a run that has hardly begun; and what its controls do."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.components.tour import STEPS
from dashboard.data import predictions
from dashboard.data.pictures import SHOWN
from dashboard.widgets import upload
from probing_core.errors import ProbingError
from probing_core.images import encode_png
from probing_core.paths import data_dir
from probing_core.prediction.novelty import fit_novelty
from probing_core.prediction.predictor import Predictor
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.results import Run, command_of
from probing_core.runs.layout import DEPLOYMENT, PROGRESS, map_path, novelty_path, probe_path
from probing_core.runs.progress import Report
from probing_core.runs.store import Store, digest
from tests.conftest import scene
from tests.dashboard.conftest import PAGES
from tests.images.test_images import BAD

REFERENCE = data_dir() / "reference"
WITHOUT_A_RUN = ("New run", "Transformations")


def texts(app: Any) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "header", "subheader")
    return "\n".join(str(e.value) for kind in kinds for e in app.get(kind))


def unescaped(app: Any) -> str:
    """`texts` without what keeps names from being read as Markdown."""
    return texts(app).replace("\\", "")


def label(app: Any, kind: str, name: str):
    return next(e for e in app.get(kind) if e.label == name)


def figures(app: AppTest) -> list[dict]:
    """The figures of the page's charts, as the browser gets them."""
    components = [c.proto for c in app.get("bidi_component") if c.proto.component_name == "probing_plot"]
    return [json.loads(c.bytes)["figure"] for c in components]


def address(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


@pytest.mark.parametrize("page", PAGES)
def test_opens(open_app, page):
    app = open_app(page)
    assert not app.exception
    assert not app.error
    assert len(app.title) == 1


@pytest.mark.parametrize("page", PAGES)
def test_says_what_to_do_without_a_run(open_app, page):
    app = open_app(page, run=None)
    assert not app.exception
    assert app.title[0].value
    assert ("make demo" in texts(app)) == (page not in WITHOUT_A_RUN)


@pytest.mark.parametrize("page", PAGES)
def test_tables_that_are_missing_are_explained(open_app, made_run, tmp_path, page):
    """A run with samples and scores, but no predictions, maps, embeddings or probes, of a corpus that is not here."""
    store, whole = Store(tmp_path / "bare"), Store(made_run)
    for name in whole.names():
        if name in ("images.parquet", "samples.parquet", "tables/scores.parquet") or name.endswith("model.toml"):
            store.write_bytes(name, whole.read_bytes(name), "key")
    store.write_toml("run.toml", whole.read_toml("run.toml") | {"corpus": "folder:/no/such/folder"}, "key")
    app = open_app(page, run=store.root)
    assert not app.exception
    assert len(app.title) == 1


CHOICES = {
    "Explore": {"ask": "True", "models": "baseline/pixels"},
    "Map": {"selected": "3.7.11", "arrows": "True"},
    "Confusion": {"compare": "two classes"},
    "Try your images": {"samples": "coffee/00", "neighbors": "True", "models": "baseline/pixels"},
}


@pytest.mark.parametrize("page", PAGES)
def test_a_run_that_ships_no_pictures_opens_and_offers_one_that_has_them(
    open_app, shipped_run, made_run, data_folder, page
):
    shutil.copytree(made_run, data_folder / "runs" / "demo")
    app = open_app(page, run=shipped_run, **CHOICES.get(page, {}))
    assert not app.exception
    assert not app.error
    assert len(app.title) == 1
    if page not in CHOICES:
        return
    what = "pictures" if page in ("Map", "Confusion") else "embeddings"
    assert f"This run ships no {what}" in texts(app)
    label(app, "button", f"Open the run 'demo', which has {what}").click().run()
    assert not app.exception
    assert address(app, "run") == "demo"
    assert f"This run ships no {what}" not in texts(app)


def test_overview_marks_what_cannot_be_told_apart(open_app):
    app = open_app(task="group-0", subset="unseen")
    assert label(app, "selectbox", "Task").value == "group-0"
    table = next(t.value for t in app.dataframe if "against the best" in t.value)
    assert table["against the best"].iloc[0] == "best"
    assert table["chance %"].round(1).eq(9.1).all()
    assert table["model"].str.startswith("baseline/").sum() == 2


def test_the_tour_has_five_steps_and_can_be_closed(open_app):
    app = open_app()
    for step, (page, _, _) in enumerate(STEPS, 1):
        assert f"**{step} of 5 · {page}**" in texts(app)
        assert page in (app.title[0].value, "Overview")  # each step leads to the page that it is about
        if step < len(STEPS):
            app.button(key="tour-next").click().run()
    app.button(key="tour-close").click().run()
    assert "of 5 ·" not in texts(app)
    app.switch_page(PAGES["Overview"]).run()
    app.button(key="tour-again").click().run()
    assert "**1 of 5" in texts(app)


def test_choices_follow_from_page_to_page_and_stand_in_the_address(open_app):
    app = open_app("Confusion")
    label(app, "selectbox", "Model").select("baseline/handcrafted").run()
    assert address(app, "model") == "baseline/handcrafted"
    app.switch_page(PAGES["Generalization"]).run()
    assert label(app, "selectbox", "Model").value == "baseline/handcrafted"


def test_pages_of_one_model_and_pages_of_several_follow_each_other(open_app):
    app = open_app("Confusion")
    label(app, "selectbox", "Model").select("baseline/handcrafted").run()
    app.switch_page(PAGES["Map"]).run()
    assert label(app, "multiselect", "Models").value == ["baseline/handcrafted", "zoo/mae"]
    label(app, "multiselect", "Models").set_value(["baseline/pixels", "zoo/mae"]).run()
    app.switch_page(PAGES["Geometry"]).run()
    assert label(app, "selectbox", "Model").value == "baseline/pixels"
    label(app, "selectbox", "Model").select("baseline/handcrafted").run()
    app.switch_page(PAGES["Map"]).run()
    assert label(app, "multiselect", "Models").value == ["baseline/handcrafted", "baseline/pixels"]


def test_an_address_opens_what_it_says_and_nonsense_in_it_does_no_harm(open_app):
    app = open_app(model="baseline/pixels", task="group-1", run_="made")
    app.switch_page(PAGES["Confusion"]).run()
    assert label(app, "selectbox", "Model").value == "baseline/pixels"
    assert label(app, "selectbox", "Task").value == "group-1"
    for page in ("Map", "Confusion", "Transformations", "Explore"):
        app = open_app(
            page, model="<b>none", models="no,such", task="fine,", color="7", cell=">>", selected="zzz%", strength="x",
            transform="'", subset="-1",
        )  # fmt: skip
        assert not app.exception


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
    (kept,) = app.session_state["_selections"].values()  # of this run
    assert kept.keys() == {"mine"}
    assert address(app, "selection-name") == "mine"


def test_more_models_than_the_map_has_room_for_stay_chosen_on_other_pages(open_app):
    run = Path(__file__).parents[2] / "data" / "reference"
    names = list(Run.open(run).models["name"])[:5]
    app = open_app("Map", run=run, models=",".join(names))
    assert not app.exception
    assert "Shown are the first 4 of the 5 models chosen" in texts(app)
    assert "samples shown in each of 4 maps" in texts(app)
    app.switch_page("views/explore.py").run()
    assert app.multiselect(key="models").value == names


def test_a_map_that_holds_a_part_of_the_run_says_so_and_finds_only_what_it_holds(
    open_app, made_run, tmp_path, monkeypatch
):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    samples, table = Run.open(run).samples, Run.open(run).map("zoo/mae")
    images = list(dict.fromkeys(samples["image_id"]))[::2]
    held = samples.loc[samples["image_id"].isin(images), "sample"]
    Store(run).write_table(map_path("zoo/mae"), table[table["sample"].isin(held)], "made")
    monkeypatch.setattr("dashboard.data.map_points.MOST_POINTS", 100)
    app = open_app("Map", run=run, models="zoo/mae", arrows="True")
    assert not app.exception
    assert f"100 of {len(held)} samples shown: thinned evenly" in texts(app)
    assert f"The maps of this run hold {len(held)} of its {len(samples)} samples" in texts(app)
    assert "show all" not in texts(app)
    assert app.selectbox(key="find-image").options == images

    # All versions of the image have their arrow, though the figure shows few of the clean views.
    app.selectbox(key="find-image").select(images[0]).run()
    figure = figures(app)[0]
    arrows = [a for a in figure["layout"]["annotations"] if a.get("showarrow")]
    assert len(arrows) == ((samples["image_id"] == images[0]) & (samples["group"] != "identity")).sum()


def test_confusion_counts_the_pictures_of_a_cell(open_app, made_run):
    told = Run.open(made_run).predictions("zoo/mae", "fine")
    wanted = ((told["truth"] == "fog") & (told["predicted"] == "rain")).sum()
    app = open_app("Confusion", cell="fog>rain", other="baseline/pixels", cells="none")
    assert f"in **{wanted} of 16** samples" in texts(app)
    assert address(app, "cell") == "fog>rain"
    label(app, "selectbox", "Truth").select("jpeg").run()
    assert address(app, "cell") == "jpeg>rain"
    label(app, "button", "Which model is best at telling jpeg from rain?").click().run()
    assert (address(app, "tell"), address(app, "from")) == ("jpeg", "rain")


def test_a_cell_of_a_difference_shows_what_either_model_puts_there(open_app, made_run):
    run = Run.open(made_run)
    mine, theirs = (run.predictions(m, "fine").set_index("sample") for m in ("zoo/mae", "baseline/pixels"))
    counts = theirs[~theirs["correct"]].groupby(["truth", "predicted"]).size().sort_values(ascending=False)
    said = set(zip(mine["truth"], mine["predicted"], strict=True))
    truth, predicted = next(cell for cell in counts.index if cell not in said)
    app = open_app("Confusion", cell=f"{truth}>{predicted}", model="zoo/mae", other="baseline/pixels")
    assert f"by zoo/mae in **0 of 16** samples, by baseline/pixels in **{counts[truth, predicted]}**" in unescaped(app)
    assert "No sample is in this cell" not in texts(app)


def test_a_model_that_was_told_nothing_yet_takes_no_part_in_a_difference(open_app, made_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(made_run, copy)
    store = Store(copy)
    with store.locked():
        store.remove("models/baseline-pixels/predictions/fine.parquet")
    app = open_app("Confusion", run=copy, other="baseline/pixels")
    assert not app.exception
    assert "has no predictions for the task fine yet" in texts(app)


@pytest.mark.parametrize("strength", ["²", "-1", "x", "99"])
def test_a_strength_that_is_none_is_the_middle_or_the_nearest(open_app, strength):
    assert not open_app("Explore", strength=strength).exception


def test_a_link_to_a_run_that_is_not_here_says_so(open_app):
    app = open_app("Confusion", run_="gone")
    assert "There is no run 'gone' on this computer" in unescaped(app)


def test_a_selection_of_another_run_is_dropped(open_app):
    assert "has been dropped" in texts(open_app("Map", selected="1.2.3", selected_in="00000000"))
    app = open_app("Map", selected="1.2.3")
    assert "has been dropped" not in texts(app)
    assert "3 of" in texts(app)


def test_models_of_a_link_are_not_looked_up_before_somebody_here_wants_them(open_app, monkeypatch):
    asked = []
    monkeypatch.setattr("dashboard.data.cache.dimension", asked.append)
    app = open_app("New run", new_further="hf:some/repo", new_name="mine")
    assert "Further models came by a link" in texts(app)
    assert asked == []
    label(app, "button", "Look up these models").click().run()
    assert "hf:some/repo" in asked


def test_a_start_that_came_to_nothing_is_told_and_can_be_removed(open_app, data_folder):
    lost = data_folder / "runs" / "lost"
    (lost / "log").mkdir(parents=True)
    (lost / PROGRESS).write_text(json.dumps(asdict(Report("", 1, 1, 0.0, "failed", "failed", error="No such folder."))))
    app = open_app("New run")
    assert "stopped: No such folder." in unescaped(app)
    next(b for b in app.button if b.key == "remove-lost").click().run()
    assert not lost.exists()


def test_two_classes_rank_the_models_and_show_what_they_get_wrong(open_app, made_run):
    told = Run.open(made_run).predictions("zoo/mae", "fine")
    app = open_app("Confusion", compare="two classes")
    pair = label(app, "selectbox", "Tell").value, label(app, "selectbox", "from").value
    mistakes = told[~told["correct"]].groupby(["truth", "predicted"]).size()
    assert mistakes[pair] == mistakes.max()
    app = open_app("Confusion", compare="two classes", tell="jpeg", from_="pixelate")
    assert (label(app, "selectbox", "Tell").value, label(app, "selectbox", "from").value) == ("jpeg", "pixelate")
    table = next(t.value for t in app.dataframe if "first_as_second" in t.value)
    assert table["value"].is_monotonic_decreasing
    assert set(table["model"]) == set(Run.open(made_run).models["name"])
    best = table["model"].iloc[0]
    assert f"**{best}** is best at telling jpeg from pixelate" in texts(app)
    for model in (best, "baseline/pixels"):
        label(app, "selectbox", "Model").select(model).run()
        told = Run.open(made_run).predictions(model, "fine")
        both = told[told["truth"].isin(("jpeg", "pixelate"))]
        assert f"{model} gets **{(~both['correct']).sum()} of {len(both)}** wrong" in texts(app)
    label(app, "selectbox", "Tell").select("fog").run()
    assert (
        label(app, "selectbox", "Model").value
        == next(t.value for t in app.dataframe if "first" in t.value).iloc[0]["model"]
    )
    assert "from" in app.query_params


def test_the_overview_leads_to_two_classes(open_app):
    app = open_app()
    app.button(key="ask-two").click().run()
    assert not app.exception
    assert label(app, "button_group", "Compare").value == "two classes"


def test_try_your_images_goes_on_past_bad_files(open_app):
    app = open_app("Try your images")
    picture = np.random.default_rng(0).integers(0, 255, (150, 130, 3), dtype=np.uint8)
    moving = io.BytesIO()
    first, second = (Image.fromarray(frame) for frame in (picture, picture[::-1]))
    first.save(moving, "GIF", save_all=True, append_images=[second])
    right = {"mine.png": encode_png(picture), "wrong-ending.jpg": encode_png(picture), "moving.gif": moving.getvalue()}
    bad = {**BAD, "<script>.png": (b"no picture", "not a picture")}
    files = app.file_uploader(key="try-upload")
    for name, content in {**{name: content for name, (content, _) in bad.items()}, **right}.items():
        files = files.upload(name, content, "image/png")
    files.run()
    assert not app.exception
    said = [error.value.replace("\\", "") for error in app.error]
    assert len(said) == len(bad)
    for sentence, (name, (_, expected)) in zip(said, bad.items(), strict=True):
        assert name in sentence
        assert expected in sentence
        assert "\n" not in sentence
    assert texts(app).count("baseline/pixels: **") == len(right)
    assert "150 pixels" in texts(app)
    assert texts(app).count("looks noisy") == len(right)


def test_try_packaged_photographs_at_any_strength(open_app):
    app = open_app("Try your images", samples="coffee/00,chelsea/01", transform="jpeg", question="group")
    assert not app.exception
    assert texts(app).count("baseline/pixels: **") == 2
    assert "after jpeg" in texts(app)
    label(app, "toggle", "Show them").set_value(True).run()
    assert not app.exception
    stars = [t for figure in figures(app) for t in figure["data"] if t.get("marker", {}).get("symbol") == "star"]
    assert [t["text"] for t in stars] == [["coffee/00", "chelsea/01"]]


def test_a_large_picture_is_shown_whole_and_as_tiles_with_what_is_said_of_each(open_app, made_run):
    large = scene(0, 640)[:600]
    small = np.random.default_rng(1).integers(0, 255, (150, 130, 3), dtype=np.uint8)
    fold = f"show-tiles-{upload.chosen('large.png', large).key}"
    app = open_app("Try your images", question="group", models="baseline/pixels", **{fold: "True"})
    files = app.file_uploader(key="try-upload").upload("large.png", encode_png(large), "image/png")
    files.upload("small.png", encode_png(small), "image/png").run()
    assert not app.exception
    folds = [e for e in app.expander if "tiles" in e.label]
    assert len(folds) == 1, "a small picture is looked at as it is"
    words = " ".join(c.value for c in folds[0].caption)
    assert "before any fit" in words
    table = folds[0].dataframe[0].value
    assert list(table.columns) == ["class", "whole", "tiles, on average", "answer"]
    assert table["answer"].is_monotonic_decreasing
    assert set(table["class"]) <= set(Run.open(made_run).classes("group"))
    (shown,) = folds[0].get("image")
    assert len(shown.proto.imgs) == 1 + 9


def test_a_model_that_cannot_be_asked_stops_no_other(open_app, made_run, tmp_path):
    """The probe of the handcrafted statistics is of another size than their embedding."""
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    classes = Run.open(run).recipe.transforms
    weight, bias, of_three = np.zeros((len(classes), 3)), np.zeros(len(classes)), np.ones(3)
    probe = LinearProbe(classes, weight, bias, of_three, of_three, FitFacts(0.01, False, True, 1, 1.0))
    Store(run).write_bytes(probe_path("baseline/handcrafted", DEPLOYMENT), probe.to_bytes(), "made")
    app = open_app("Try your images", run=run, samples="coffee/00", models="baseline/pixels,baseline/handcrafted")
    assert not app.exception
    assert any("handcrafted could not be asked" in w.value.replace("\\", "") for w in app.warning)
    assert "baseline/pixels: **" in texts(app)


def test_the_control_of_the_far_styles_stands_beside_them(open_app, made_run, tmp_path):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    scores = Run.open(run).scores
    unseen = scores[(scores["subset"] == "unseen") & (scores["measure"] == "group-hit-rate")]
    far, control = unseen.assign(subset="far", value=0.5), unseen.assign(subset="far-control", value=0.25)
    Store(run).write_table("tables/scores.parquet", pd.concat([scores, far, control]), "made")
    app = open_app("Generalization", run=run)
    assert not app.exception
    table = next(t.value for t in app.dataframe if "control" in t.value)
    assert len(table) == len(control)
    assert set(table["far"]) == {50.0}
    assert set(table["control"]) == {25.0}
    assert "which is no style" in texts(app)


def test_transformations_says_what_reaches_each_model(open_app):
    app = open_app("Transformations", run=REFERENCE, survival="True")
    assert not app.exception
    table = next(t.value for t in app.dataframe if "timm:tf_efficientnet_lite0" in t.value).set_index("transform")
    cropped = table["timm:tf_efficientnet_lite0"]
    assert cropped["border"] < 5, "its crop leaves the border out"
    assert cropped["contrast"] == pytest.approx(100, abs=5)
    np.testing.assert_allclose(table["zoo/supervised and 11 more"], 100)
    words = texts(app).replace("\\", "")
    assert "Hardly anything reaches timm:tf_efficientnet_lite0 of: **border**" in words
    assert "State no resize of their own: baseline/pixels, baseline/handcrafted" in words
    assert "This needs a run" in texts(open_app("Transformations", run=None, survival="True"))


def test_the_overview_shows_what_stands_behind_its_scores(open_app):
    run = Run.open(REFERENCE)
    assert len(open_app(run=REFERENCE).dataframe) == 2, "what nobody has opened is not made"
    folds = ("other-probes", "repetitions", "sure", "content")
    app = open_app(run=REFERENCE, **{f"show-{name}": "True" for name in folds})
    assert not app.exception
    assert [e.label for e in app.expander if "fine" in e.label or "trusted" in e.label or "Content" in e.label] == [
        "Other probes at the task fine",
        "Repetitions at the task fine",
        "How far the probabilities of the task fine can be trusted",
        "Content under each transformation",
    ]
    sure = next(t.value for t in app.dataframe if "nll" in t.value).set_index("model")
    scores = run.scores[(run.scores["task"] == "fine") & (run.scores["subset"] == "seen")].set_index("measure")
    mae = scores[scores["model"] == "zoo/mae"]
    assert list(sure.loc["zoo/mae", ["nll", "low", "high"]]) == list(mae.loc["nll", ["value", "low", "high"]])
    assert sure.at["zoo/mae", "calibration-error"] == mae.at["calibration-error", "value"]
    probes = next(t.value for t in app.dataframe if "knn-5" in set(t.value.get("probe", ())))
    assert {"linear", "mlp", "mlp-0"} <= set(probes["probe"])
    content = next(t.value for t in app.dataframe if "oracle" in t.value)
    assert content[["clean", "transformed", "oracle"]].notna().all().all()


def test_geometry_says_what_must_be_known_of_its_numbers(open_app):
    one, together = open_app("Geometry", run=REFERENCE), open_app("Geometry", run=REFERENCE, whose="all")
    assert not one.exception
    assert not together.exception
    for name, app in (("composition", one), ("dimension", together), ("erasure", together)):
        table = Run.open(REFERENCE).table(f"tables/{name}.parquet")
        if name == "composition":  # of one model
            table = table[table["model"] == label(app, "selectbox", "Model").value]
        notes = set(table["note"]) - {""}
        assert notes
        assert all(note[1:] in texts(app) for note in notes)


def test_words_that_a_model_cannot_compare_are_one_sentence_and_stay_in_the_address(
    open_app, made_run, tmp_path, monkeypatch
):
    def similarity(*_, **__):
        assert predictions._TURN.locked()
        raise ProbingError("Its text tower is not here.")

    run, entry = tmp_path / "made", "models/baseline-pixels/model.toml"
    shutil.copytree(made_run, run)
    Store(run).write_toml(entry, Store(run).read_toml(entry) | {"text": True}, "made")
    monkeypatch.setattr(Predictor, "similarity", similarity)
    app = open_app(
        "Try your images",
        run=run,
        samples="coffee/00,chelsea/01",
        models="baseline/pixels",
        words="a cat",
        neighbors="True",
        change_picture="chelsea/01",
        neighbors_picture="chelsea/01",
        neighbors_model="baseline/pixels",
    )
    assert not app.exception
    said = [w.value.replace("\\", "") for w in app.warning]
    assert said == ["baseline/pixels could not be asked: Its text tower is not here."]
    assert app.text_input(key="words").value == "a cat"
    for name in ("change-picture", "neighbors-picture"):
        assert app.selectbox(key=name).value == address(app, name) == "chelsea/01"
    app.text_input(key="words").input("a dog").run()
    assert address(app, "words") == "a dog"
    assert address(app, "neighbors-model") == "baseline/pixels"


def test_a_picture_far_from_what_a_model_knows_is_said_to_be(open_app, made_run, tmp_path):
    """The threshold of the run's familiarity is moved so far down that any picture is beyond it."""
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    rows = np.arange(200)
    X = np.random.default_rng(0).normal(0.5, 0.3, (200, 768)).astype(np.float32)
    known = fit_novelty(X, rows % 4, rows, [(rows, rows)], rows // 10)
    for threshold, said in ((1e-9, True), (1e9, False)):
        content = replace(known, threshold=threshold).to_bytes()
        Store(run).write_bytes(novelty_path("baseline/pixels"), content, "made")
        app = open_app("Try your images", run=run, samples="coffee/00", models="baseline/pixels")
        assert not app.exception
        assert ("baseline/pixels: **far from what this model knows**" in texts(app)) == said


def test_an_upload_is_decoded_once_and_given_up_with_its_page(open_app, monkeypatch):
    decoded = []
    inspect = upload.inspect
    monkeypatch.setattr(upload, "inspect", lambda content, name: decoded.append(name) or inspect(content, name))
    app = open_app("Transformations")
    image = np.full((300, 200, 3), 90, np.uint8)
    app.file_uploader(key="picture-upload").upload("mine.png", encode_png(image), "image/png").run()
    app.run()
    assert decoded == ["mine.png"]
    monkeypatch.setattr(upload, "CACHED_BYTES", image.nbytes - 1)
    app.run().run()
    assert decoded == ["mine.png"] * 2, "what is too large to be kept is decoded at every run"
    app.switch_page(PAGES["Overview"]).run()
    assert app.session_state["_decoded_before"] == {}
    assert "_decoded" not in app.session_state


def test_a_large_picture_is_shown_smaller():
    picture = upload.chosen("mine", np.zeros((3000, 1000, 3), np.uint8))
    assert picture.shown.shape == (SHOWN, 267, 3)
    assert upload.chosen("small", np.zeros((30, 10, 3), np.uint8)).shown.shape == (30, 10, 3)


def test_transformations_decodes_an_upload(open_app):
    app = open_app("Transformations", transform="swirl")
    assert label(app, "selectbox", "Transformation").value == "swirl"
    image = cv2.resize(np.random.default_rng(1).integers(0, 255, (8, 8, 3), dtype=np.uint8), (90, 90))
    app.file_uploader(key="picture-upload").upload("small.png", encode_png(image), "image/png").run()
    assert not app.exception
    assert texts(app).replace("\\", "").count("small: 90 x 90 pixels") == 1


def test_explore_asks_the_models(open_app):
    app = open_app("Explore", ask="True", models="baseline/pixels", transform="fog")
    assert not app.exception
    assert "Probability of the right class" in [s.value for s in app.subheader]


def test_methods_verifies_and_exports(open_app):
    app = open_app("Methods and data")
    label(app, "button", "Verify every file against its checksum").click().run()
    assert len(app.success) == 1
    label(app, "selectbox", "Show a table").select("tables/fits.parquet").run()
    assert not app.exception


def test_methods_of_a_run_that_is_described_and_has_adopted_probes(open_app, shipped_run, tmp_path):
    run = tmp_path / "adopting"
    shutil.copytree(shipped_run, run)
    recipe = replace(Run.open(run).recipe, corpus="photos of a holiday", probes_from="another")
    Store(run).write_toml("run.toml", recipe.to_toml(), "made")
    app = open_app("Methods and data", run=run)
    assert not app.exception
    assert "All probes were trained in another run" in texts(app)
    assert not [s for s in ("leaving one photograph out", "were fitted") if s in texts(app)]
    assert f"for CORPUS give a corpus with the fingerprint {recipe.fingerprint}" in texts(app)
    assert "For RUN give" in texts(app)
    assert "--probes-from RUN" in command_of(recipe)
    assert [block.value for block in app.code] == [command_of(recipe)]
    assert "**selectivity** —" in texts(app)


def test_methods_of_a_run_whose_corpus_has_a_name_leave_nothing_to_fill_in(open_app):
    app = open_app("Methods and data")
    assert not [s for s in ("for CORPUS", "For RUN") if s in texts(app)]


def test_a_form_for_a_run_can_be_sent_as_a_link(open_app, many_scenes):
    app = open_app("New run")
    for key, kind, value in (
        ("new-name", "text_input", "mine"),
        ("new-corpus", "text_input", f"folder:{many_scenes}"),
        ("new-limit", "number_input", 12),
        ("new-further", "text_input", "zoo/mae@layer=2"),
    ):
        getattr(app, kind)(key=key).set_value(value).run()
    app.multiselect(key="new-models").set_value(["baseline/pixels"]).run()
    app.multiselect(key="new-groups").set_value(["blur", "noise"]).run()
    app.select_slider(key="new-view").set_value(96).run()
    assert not app.exception
    sent = {name.replace("-", "_"): address(app, name) for name in app.query_params if name.startswith("new-")}
    opened = open_app("New run", **sent)
    assert not opened.exception
    assert not opened.metric
    assert label(opened, "button", "Start").disabled
    opened.button(key="open-corpus").click().run()
    opened.button(key="open-further").click().run()
    assert not opened.exception
    for key in ("new-name", "new-corpus", "new-limit", "new-further", "new-models", "new-groups", "new-view"):
        assert opened.session_state[key] == app.session_state[key] not in ("", [], 0)
    assert [m.value for m in opened.metric] == [m.value for m in app.metric]


@pytest.mark.parametrize("corpus", ["torchvision:CIFAR10", " torchvision:CIFAR10", "folder:/", "theirs:x"])
def test_a_link_opens_no_corpus(open_app, monkeypatch, corpus):
    asked = []
    monkeypatch.setattr("dashboard.data.cache.corpus_size", lambda name: asked.append(name) or (200, 10, ""))
    app = open_app("New run", new_corpus=corpus, new_limit="-5", new_view="7")
    assert not app.exception
    assert not asked
    assert "came by a link" in texts(app)
    assert (app.number_input(key="new-limit").value, app.select_slider(key="new-view").value) == (0, 128)
    app.text_input(key="new-corpus").set_value("folder:mine").run()
    assert asked == ["folder:mine"], "whoever types the name wants it"
    assert address(app, "new-corpus") == "folder:mine"


def test_what_a_folder_holds_besides_pictures_is_told_before_a_run_begins(open_app, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (140, 140, 3), dtype=np.uint8)
    (mine / "good.png").write_bytes(encode_png(noise))
    for name in ("a.txt", "b<b>.txt", "c.txt", "d.txt"):
        (mine / name).write_text("no picture")
    app = open_app("New run")
    app.text_input(key="new-corpus").set_value(f"folder:{mine}").run()
    assert not app.exception
    assert "4 files are left out" in unescaped(app)
    assert "a.txt: " in unescaped(app)
    assert "<b>" not in texts(app)
    assert "The disk has" not in texts(app)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**20 // 2))
    app.run()
    assert "The disk has 0 MB left" in texts(app)


def test_what_cannot_be_a_path_or_a_name_is_one_sentence(open_app):
    app = open_app("New run")
    for key, value in (
        ("new-corpus", "folder:~nosuch/x"),
        ("new-further", "hf:" + 300 * "x"),
        ("new-further", "file:~nosuch/x"),
    ):
        app.text_input(key=key).set_value(value).run()
        assert not app.exception
        assert len(app.error) == 1
        app.text_input(key=key).set_value("photos" if key == "new-corpus" else "").run()


def test_new_run_says_what_is_wrong_with_other_packages(open_app, monkeypatch):
    monkeypatch.setattr("dashboard.data.cache.catalog_problems", lambda: ("The entry point 'theirs' is broken.",))
    assert [w.value for w in open_app("New run").warning] == ["The entry point 'theirs' is broken."]


def test_new_run_estimates_and_refuses_bad_names(open_app, data_folder):
    app = open_app("New run")
    assert {m.label for m in app.metric} >= {"Images", "Time, roughly", "Disk"}
    for name, said in (("../up", "A name has"), ("", "Give the run a name")):
        app.text_input(key="new-name").input(name).run()
        assert said in texts(app)
        assert label(app, "button", "Start").disabled
    app.text_input(key="new-name").input("mine").run()
    assert not label(app, "button", "Start").disabled
    app.text_input(key="new-corpus").input("folder:/no/such/folder").run()
    assert len(app.error) == 1
    assert label(app, "button", "Start").disabled


@pytest.mark.parametrize(("state", "offered"), [("cancelled", True), ("failed", True), ("done", False)])
def test_a_run_whose_studies_were_cut_off_can_be_resumed(open_app, data_folder, made_run, state, offered):
    run = data_folder / "runs" / "mine"
    shutil.copytree(made_run, run)
    (run / "log").mkdir(exist_ok=True)
    (run / PROGRESS).write_text(json.dumps(asdict(Report("studies", 1, 9, None, "", state=state, error="Full."))))
    app = open_app("New run")
    assert not app.exception
    assert [b.key for b in app.button if b.label == "Resume"] == ["resume-mine"] * offered


def test_overview_tells_what_the_change_of_corpus_costs(open_app, data_folder, made_run, tmp_path):
    source, run = data_folder / "reference", tmp_path / "adopting"
    for path in (source, run):
        shutil.copytree(made_run, path)
    recipe = Run.open(source).recipe
    taken = replace(recipe, probes_from=digest(recipe.without_models()), fingerprint="of another corpus")
    Store(run).write_toml("run.toml", taken.to_toml(), "taken")
    app = open_app("Overview", run=run)
    assert not app.exception
    table = next(e.value for e in app.dataframe if "difference" in e.value)
    assert set(table["model"]) == set(recipe.models)
    assert (table["difference"] == 0).all(), "both runs have the same scores here"
    shutil.rmtree(source)
    assert "not here to be compared with" in texts(open_app("Overview", run=run))


def test_all_models_are_asked_at_once(open_app, made_run, tmp_path):
    run = tmp_path / "more"
    shutil.copytree(made_run, run)
    store = Store(run)
    probe = store.read_bytes(probe_path("baseline/pixels", DEPLOYMENT))
    for model in ("zoo/mae", "baseline/handcrafted"):
        store.write_bytes(probe_path(model, DEPLOYMENT), probe, "made")
    app = open_app("Try your images", run=run, models="baseline/pixels")
    label(app, "button", "Ask all 3 models").click().run()
    assert not app.exception
    assert set(address(app, "models").split(",")) == {"zoo/mae", "baseline/handcrafted", "baseline/pixels"}
    assert not [b for b in app.button if b.key == "ask-all"]
