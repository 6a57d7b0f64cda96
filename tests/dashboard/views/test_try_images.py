"""The page Try your images without a browser."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import streamlit as st
from PIL import Image
from streamlit.runtime.caching.cache_resource_api import clear_session_cache

from dashboard.data import predictions
from dashboard.data.pictures import VisitorPicture
from dashboard.views import try_images
from dashboard.widgets import upload
from lab.devtools.run_edits import put
from probing_core import predict
from probing_core.answers.answer import Answer, Evidence, Posterior, answer_in_words
from probing_core.answers.crops import Prediction, cut
from probing_core.answers.reference_sets import LARGE
from probing_core.cli import main
from probing_core.compute.task_names import DEPLOYMENT, DETECTOR, NOTICING
from probing_core.corpora import open_corpus
from probing_core.images import encode_png
from probing_core.measures.notation import model_title
from probing_core.probes.probe import FitFacts, LinearProbe
from probing_core.results import Run
from probing_core.run.layout import model_path, probe_path
from probing_core.run.live import LoadedModels
from probing_core.run.run_files import RunFiles
from probing_core.transforms import resolve
from tests.conftest import scene
from tests.dashboard.app_reading import address, figures, first_answers, images_listed, texts, unescaped
from tests.dashboard.conftest import PAGES
from tests.images.test_images import BAD

PIXELS = model_title("baseline/pixels")


@pytest.mark.parametrize("half", [0, 1])  # a visit takes twenty files
def test_try_your_images_goes_on_past_bad_files(open_app, half):
    app = open_app("Try your images")
    picture = np.random.default_rng(0).integers(0, 255, (150, 130, 3), dtype=np.uint8)
    moving = io.BytesIO()
    first, second = (Image.fromarray(frame) for frame in (picture, picture[::-1]))
    first.save(moving, "GIF", save_all=True, append_images=[second])
    right = {"mine.png": encode_png(picture), "wrong-ending.jpg": encode_png(picture), "moving.gif": moving.getvalue()}
    bad = dict([*BAD.items(), ("<script>.png", (b"no picture", "not an image"))][half::2])
    files = app.file_uploader(key="try-upload")
    for name, content in {**{name: content for name, (content, _) in bad.items()}, **right}.items():
        files = files.upload(name, content, "image/png")
    files.run()
    assert not app.exception
    shown = [error.value.replace("\\", "") for error in app.error]
    assert len(shown) == len(bad)
    for sentence, (name, (_, expected)) in zip(shown, bad.items(), strict=True):
        assert name in sentence
        assert expected in sentence
        assert "\n" not in sentence
    assert images_listed(app) == list(right)
    assert "150 pixels" in texts(app)
    for name in right:
        shown = open_app("Try your images", card=name)
        for other, content in right.items():
            shown.file_uploader(key="try-upload").upload(other, content, "image/png")
        shown.run()
        assert f"{name}, " in unescaped(shown)
        assert texts(shown).count("looks noisy") == 1


def test_try_packaged_photographs_at_any_strength(open_app):
    chosen = {"samples": "coffee/00,chelsea/01", "show_change": "True", "transform": "jpeg"}
    app = open_app("Try your images", **chosen)
    assert not app.exception
    assert images_listed(app) == ["Coffee, crop 1", "Chelsea, crop 2"]
    card, change = first_answers(app)
    assert list(card) == [PIXELS]
    assert "%" not in card[PIXELS][0], "its random probe is no better than the prior"
    assert len(change[PIXELS]) == 2
    assert "after JPEG" in texts(app)


def test_a_model_that_cannot_be_asked_stops_no_other(open_app, made_run, tmp_path):
    """The probe of the handcrafted statistics is of another size than their embedding."""
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    classes = Run.open(run).recipe.transforms
    weight, bias, of_three = np.zeros((len(classes), 3)), np.zeros(len(classes)), np.ones(3)
    probe = LinearProbe(classes, weight, bias, of_three, of_three, FitFacts(0.01, False, True, 1, 1.0))
    put(RunFiles(run), {probe_path("baseline/handcrafted", DEPLOYMENT): probe.to_bytes()})
    app = open_app("Try your images", run=run, samples="coffee/00", models="baseline/pixels,baseline/handcrafted")
    assert not app.exception
    assert any("Cannot run " in w.value.replace("\\", "") for w in app.warning)
    assert list(first_answers(app)[0]) == [PIXELS]


@pytest.fixture
def wide_run(made_run, tmp_path, monkeypatch):
    """The made run with twelve models that predict, all from the embedding of the first."""
    run, embed, load = tmp_path / "wide", LoadedModels.embed, LoadedModels.load
    first = {"name": "baseline/pixels"}
    monkeypatch.setattr(LoadedModels, "embed", lambda self, entry, pictures: embed(self, entry | first, pictures))
    monkeypatch.setattr(LoadedModels, "load", lambda self, entry: load(self, entry | first))
    shutil.copytree(made_run, run)
    store = RunFiles(run)
    probe, entry = store.read_bytes(probe_path("baseline/pixels", DEPLOYMENT)), model_path("baseline/pixels")
    for position in range(1, 12):
        name = f"baseline/pixels@side={position}"
        put(store, {model_path(name): store.read_toml(entry) | {"name": name, "position": 9 + position}})
        put(store, {probe_path(name, DEPLOYMENT): probe})
    return run


def test_models_that_were_selected_elsewhere_answer_first(open_app, wide_run, monkeypatch):
    asked, ask = [], predictions.ask

    def counting(run, model, crops):
        asked.append((len(crops), model))
        return ask(run, model, crops)

    monkeypatch.setattr(predictions, "ask", counting)
    app = open_app("Try your images", run=wide_run, samples="coffee/00,china/02", models="baseline/pixels@side=4")
    assert not app.exception
    order = list(first_answers(app)[0])
    assert order[0] == model_title("baseline/pixels@side=4")
    assert len(order) == try_images.FIRST_MODELS == 10
    assert (asked[0][0], model_title(asked[0][1])) == (2, order[0]), "without a detector it answers about all pictures"
    assert [(n, model_title(m)) for n, m in asked[1:]] == [(1, model) for model in order], "all answer about the card"


def test_a_control_reweights_all_answers_and_asks_nobody(open_app, made_run, tmp_path, monkeypatch):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    put(RunFiles(run), {probe_path("baseline/pixels", NOTICING): Posterior(8.0, 0.5).to_bytes()})
    app = open_app("Try your images", run=run, samples="coffee/00", models="baseline/pixels")
    before = first_answers(app)[0][PIXELS][0]
    monkeypatch.setattr(LoadedModels, "embed", lambda *_: pytest.fail("a model was asked again"))
    app.select_slider(key="prior").set_value(0.1).run()
    assert not app.exception
    assert address(app, "prior") == "0.1"
    share, odds = (int(re.findall(r"\d+(?=%)", words)[0]) for words in (first_answers(app)[0][PIXELS][0], before))
    odds /= 100
    odds = odds / (1 - odds) / 9
    assert share == pytest.approx(100 * odds / (1 + odds), abs=2)


@pytest.mark.parametrize("side", [200, 420])
@pytest.mark.parametrize("transform", ["fog", "rotate"])
def test_pages_python_and_command_answer_alike_about_the_picture_before_and_after_a_change(
    open_app, made_run, tmp_path, capsys, side, transform
):
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    put(RunFiles(run), {probe_path("baseline/pixels", NOTICING): Posterior(2.0, -1.0).to_bytes()})
    picture = cv2.resize(open_corpus("photos").load("coffee/00"), (side, side), interpolation=cv2.INTER_CUBIC)
    shown = {}
    for strength in ("-4", "6"):  # none, and the middle of the training range
        chosen = {"models": "baseline/pixels", "transform": transform, "strength": strength, "show_change": "True"}
        app = open_app("Try your images", run=run, **chosen)
        app.file_uploader(key="try-upload").upload("mine.png", encode_png(picture), "image/png").run()
        assert not app.exception
        (card,), (before, after) = (table[PIXELS] for table in first_answers(app))
        assert before == card, "what is not changed yet is the image of the card"
        shown[strength] = after
    assert shown["-4"] == before, "at no strength"
    change = resolve(transform)
    strength = change.strength_at(0.5)
    opened = Run.open(run)
    largest = predictions.largest_edited(opened)
    edited = predictions.edited_picture(picture, largest, opened.recipe.view, change, strength)
    for name, image, words in (("card.png", picture, before), ("edited.png", edited, shown["6"])):
        (tmp_path / name).write_bytes(encode_png(image))
        assert main(["predict", str(tmp_path / name), "--run", str(run), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        (same,) = predict(tmp_path / name, run).to_dict("records")
        for one in (row, same):
            assert words == answer_in_words(one["answer"], one["edited"])


def test_an_example_is_answered_until_a_different_image_is_selected(open_app, detecting_run):
    app = open_app("Try your images", run=detecting_run)
    assert not app.exception
    assert "example" not in app.query_params
    assert "example: blur, " in unescaped(app)
    assert "**Edited (" in unescaped(app)
    assert ": blur (" in unescaped(app)
    assert "unedited photographs of similar size" in unescaped(app)
    assert first_answers(app)
    app.button(key="example-JPEG").click().run()
    assert address(app, "example") == "JPEG"
    assert "example: JPEG, " in unescaped(app)
    app.multiselect(key="samples").set_value(["coffee/00"]).run()
    assert images_listed(app) == ["Coffee, crop 1", "example: JPEG"]
    app.button(key="example-JPEG").click().run()
    assert images_listed(app) == []
    assert "Coffee, crop 1, " in unescaped(app)
    app.multiselect(key="samples").set_value([]).run()
    assert "example: blur, " in unescaped(app)
    app = open_app("Try your images", run=detecting_run, example="no such")
    assert "example: blur, " in unescaped(app)


def test_an_image_without_color_is_not_said_to_be_desaturated(open_app, detecting_run, tmp_path, capsys):
    gray = cv2.cvtColor(open_corpus("photos").load("chelsea/15"), cv2.COLOR_RGB2GRAY)
    (tmp_path / "gray.png").write_bytes(encode_png(np.dstack([gray] * 3)))
    app = open_app("Try your images", run=detecting_run)
    app.file_uploader(key="try-upload").upload("gray.png", (tmp_path / "gray.png").read_bytes(), "image/png").run()
    assert not app.exception
    words = unescaped(app)
    assert "cannot be determined whether color was removed" in words
    assert "Apart from that: **" in words
    assert all("not calibrated for images without color" in answers[0] for answers in first_answers(app)[0].values())
    assert main(["predict", str(tmp_path / "gray.png"), "--run", str(detecting_run)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("apart from color: ") == printed.count("gray.png")
    for row in predict(tmp_path / "gray.png", detecting_run).to_dict("records"):
        assert row["no_color"]
        of_color = [one["probability"] for one in row["classes"] if one["group"] == "color"]
        assert of_color
        assert not any(of_color), row["model"]


def test_a_screenshot_has_no_answer(open_app, detecting_run):
    app = open_app("Try your images", run=detecting_run, example="screenshot")
    assert not app.exception
    assert not app.success
    assert "no texture, as in screenshots and drawings" in texts(app)
    assert "The outline marks" not in texts(app)


def _upload_two(open_app) -> tuple[int, list[str]]:
    """How many of two uploads are answered, and the errors that the page shows."""
    app = open_app("Try your images")
    files = app.file_uploader(key="try-upload")
    for seed in (0, 1):
        files = files.upload(f"{seed}.png", encode_png(scene(seed, 96)), "image/png")
    files.run()
    assert not app.exception
    answered = sum(f"{seed}.png, " in unescaped(app) for seed in (0, 1))  # only one image is open
    return len(images_listed(app)) or answered, [error.value.replace("\\", "") for error in app.error]


def test_uploads_stay_for_the_visit_until_they_are_removed(open_app):
    app = open_app("Try your images", models="baseline/pixels")
    files = app.file_uploader(key="try-upload")
    for seed in (0, 1):
        files = files.upload(f"{seed}.png", encode_png(scene(seed, 96)), "image/png")
    files.run()
    assert images_listed(app) == ["0.png", "1.png"]
    assert "Previous uploads" not in texts(app)
    for page in ("Methods", "Try your images"):
        app.switch_page(PAGES[page]).run()
    assert not app.exception
    assert "Previous uploads: 0.png, 1.png" in unescaped(app)
    assert images_listed(app) == ["0.png", "1.png"]
    app.file_uploader(key="try-upload").upload("2.png", encode_png(scene(2, 96)), "image/png").run()
    assert images_listed(app) == ["0.png", "1.png", "2.png"]
    app.button(key="remove-try-upload").click().run()
    assert "2.png, " in unescaped(app), "its card is alone"
    assert images_listed(app) == []


def test_an_upload_is_cut_once_whatever_is_clicked(open_app, monkeypatch):
    """Two pictures have the same pixels in another order of rows, and one is dropped twice."""
    shapes, cut = [], predictions.cut
    monkeypatch.setattr(predictions, "cut", lambda image, view: shapes.append(image.shape) or cut(image, view))
    app = open_app("Try your images", models="baseline/pixels")
    black = np.zeros((300, 200, 3), np.uint8)
    files = app.file_uploader(key="try-upload")
    for name, picture in (("a.png", black), ("again.png", black), ("wide.png", black.transpose(1, 0, 2))):
        files = files.upload(name, encode_png(picture), "image/png")
    files.run()
    app.select_slider(key="prior").set_value(0.01).run()
    assert not app.exception
    assert images_listed(app) == ["a.png", "again.png", "wide.png"]
    assert shapes == [(300, 200, 3), (200, 300, 3)]
    clear_session_cache("test session id")  # as where a visitor leaves
    app.run()
    assert len(shapes) == 4, "no picture stays for other visitors"


def test_uploads_of_a_visit_have_a_sum(open_app, monkeypatch):
    monkeypatch.setattr(upload, "MAX_BYTES_ON_A_PAGE", 1000)
    assert _upload_two(open_app) == (1, ["1.png exceeds the memory limit of this page. Remove other images."])


def test_uploads_of_all_visitors_have_a_sum(open_app, monkeypatch):
    monkeypatch.setattr(upload, "MAX_BYTES_OF_ALL_VISITORS", -1)
    answered, errors = _upload_two(open_app)
    assert answered == 0
    assert errors == [f"Cannot read {i}.png: the server is out of memory. Try again in a minute." for i in (0, 1)]


def test_an_upload_waits_for_its_turn_and_not_for_ever(open_app, monkeypatch):
    monkeypatch.setattr(upload, "DECODE_TIMEOUT_S", 0.01)
    with upload._decoding, upload._decoding:
        answered, errors = _upload_two(open_app)
    assert answered == 0
    assert errors == [f"Cannot read {i}.png because the server is busy. Try again in a minute." for i in (0, 1)]
    assert _upload_two(open_app) == (2, [])


def test_a_verdict_stands_next_to_its_evidence(open_app, detecting_run):
    app = open_app("Try your images", run=detecting_run)
    blurred = cv2.GaussianBlur(open_corpus("photos").load("chelsea/15"), (0, 0), 4)
    app.file_uploader(key="try-upload").upload("mine.png", encode_png(blurred), "image/png").run()
    (strip,) = [figure for figure in figures(app) if "this image" in str(figure["layout"])]
    clean = Run.open(detecting_run).table("verdicts/detector.parquet").query("transform == 'identity'")
    clean = clean[(clean["maker"] == "as it is") & (clean["role"] == "calibrate")]["score"]
    first = strip["data"][0]
    assert sorted(first["x"]) == pytest.approx(sorted(clean), abs=1e-6)
    (line,) = strip["layout"]["shapes"]
    count = (np.array(first["x"]) >= line["x0"]).sum()
    assert f"{count:,} of {len(first['x']):,} clean photographs" in unescaped(app)
    assert "looks blurred" in unescaped(app)


def test_outlined_draws_on_a_copy():
    picture = VisitorPicture.from_array("a", np.zeros((1600, 1600, 3), np.uint8))
    drawn = try_images.outlined(picture, (800, 0), view=400)
    changed = np.argwhere((drawn != picture.shown).any(axis=2))
    assert picture.shown.max() == 0
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    assert (left, right) == (pytest.approx(400, abs=30), pytest.approx(600, abs=30))
    assert (top, bottom) == (0, pytest.approx(200, abs=30))


def test_show_answer_outlines_a_tile_of_the_view_of_the_run(monkeypatch):
    run = SimpleNamespace(recipe=SimpleNamespace(view=64))
    texture = np.random.default_rng(0).integers(0, 100, (200, 200, 3), dtype=np.uint8)
    picture = VisitorPicture.from_array("mine.png", texture)
    crops, p = cut(picture.image, 64), np.tile([0.9, 0.1], (10, 1))
    p[1] = 0.1, 0.9
    prediction = Prediction(DETECTOR, ("identity", "gaussian-blur"), ("identity", "blur"), p[1], p, np.zeros(1))
    evidence = Evidence(0.01, 100, LARGE, no_color=False, detection_rate=None)
    answer = Answer(prediction, 9.0, Posterior(1.0, 0.0), evidence)
    addresses = []
    monkeypatch.setattr(try_images, "_answer_of_detector", lambda run, crops: answer)
    monkeypatch.setattr(predictions, "reference_set", lambda run, kind: None)
    monkeypatch.setattr(st, "image", lambda address, **settings: addresses.append(address))
    try_images._show_answer(run, "mine.png", picture, crops, 0.5)
    (address,) = addresses
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    outline = np.argwhere(drawn.max(2) > 128)
    assert outline.min(0).tolist() == [0, 0]
    assert outline.max(0) == pytest.approx([64, 64], abs=6)


def test_ten_models_answer_and_the_others_on_request(open_app, wide_run):
    app = open_app("Try your images", run=wide_run, samples="coffee/00")
    assert len(first_answers(app)[0]) == 10
    app.toggle(key="all-models").set_value(True).run()
    names = first_answers(app)[0]
    assert sorted(names) == sorted(model_title(model) for model in Run.open(wide_run).live_models)


def test_every_table_of_predictions_is_downloaded_without_formulas(open_app, made_run, monkeypatch):
    offered = {}
    button = st.download_button

    def spied(label, data, **settings):
        offered[label] = data
        return button(label, data, **settings)

    monkeypatch.setattr(st, "download_button", spied)
    app = open_app("Try your images", models="baseline/pixels")
    files = app.file_uploader(key="try-upload")
    files.upload('=HYPERLINK("http://x").png', encode_png(scene(0, 96)), "image/png").run()
    assert not app.exception
    table = pd.read_csv(io.StringIO(offered["Download predictions (CSV)"]()))
    assert table["image"].str.startswith("'=").all()


def test_downloaded_predictions_have_the_answer_of_every_model_for_every_image(open_app, wide_run, monkeypatch):
    offered = {}
    monkeypatch.setattr("dashboard.widgets.tables.download", lambda table, key, label="": offered.update({key: table}))
    open_app("Try your images", run=wide_run, samples="coffee/00,china/02")
    with ThreadPoolExecutor(1) as other:  # downloads are computed outside of the session
        table = other.submit(offered["predictions"]).result()
    assert list(table["image"].unique()) == ["Coffee, crop 1", "China, crop 3"]
    answers = table[["image", "model"]].drop_duplicates()
    assert len(answers) == 2 * len(Run.open(wide_run).live_models) == 24
