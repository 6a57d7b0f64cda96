"""The page Try your images without a browser."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dashboard.data import predictions
from dashboard.data.pictures import VisitorPicture
from dashboard.widgets import upload
from probing_core.compute.live.novelty import fit_novelty
from probing_core.compute.names import DEPLOYMENT
from probing_core.errors import ProbingError
from probing_core.images import encode_png
from probing_core.prediction.predictor import Predictor
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.results import Run
from probing_core.runs.layout import novelty_path, probe_path
from probing_core.runs.store import Store
from tests.conftest import scene
from tests.dashboard.app_reading import address, figures, label, texts, unescaped
from tests.images.test_images import BAD


@pytest.mark.parametrize("half", [0, 1])  # a visit takes twenty files
def test_try_your_images_goes_on_past_bad_files(open_app, half):
    app = open_app("Try your images")
    picture = np.random.default_rng(0).integers(0, 255, (150, 130, 3), dtype=np.uint8)
    moving = io.BytesIO()
    first, second = (Image.fromarray(frame) for frame in (picture, picture[::-1]))
    first.save(moving, "GIF", save_all=True, append_images=[second])
    right = {"mine.png": encode_png(picture), "wrong-ending.jpg": encode_png(picture), "moving.gif": moving.getvalue()}
    bad = dict([*BAD.items(), ("<script>.png", (b"no picture", "not a picture"))][half::2])
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


def test_a_large_picture_is_shown_whole_and_as_tiles_with_the_prediction_of_each(open_app, made_run):
    large = scene(0, 640)[:600]
    small = np.random.default_rng(1).integers(0, 255, (150, 130, 3), dtype=np.uint8)
    fold = f"show-tiles-{VisitorPicture.from_array('large.png', large).key}"
    app = open_app("Try your images", question="group", models="baseline/pixels", **{fold: "True"})
    files = app.file_uploader(key="try-upload").upload("large.png", encode_png(large), "image/png")
    files.upload("small.png", encode_png(small), "image/png").run()
    assert not app.exception
    folds = [e for e in app.expander if "tiles" in e.label]
    assert len(folds) == 1, "a small picture is evaluated as it is"
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
    app = open_app("Explore", run=run, ask="True", models="baseline/pixels,baseline/handcrafted", transform="fog")
    assert not app.exception
    assert any("handcrafted could not be asked" in w.value.replace("\\", "") for w in app.warning)
    assert "Probability of the right class" in [s.value for s in app.subheader]


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
    warned = [w.value.replace("\\", "") for w in app.warning]
    assert warned == ["baseline/pixels could not be asked: Its text tower is not here."]
    assert app.text_input(key="words").value == "a cat"
    for name in ("change-picture", "neighbors-picture"):
        assert app.selectbox(key=name).value == address(app, name) == "chelsea/01"
    app.text_input(key="words").input("a dog").run()
    assert address(app, "words") == "a dog"
    assert address(app, "neighbors-model") == "baseline/pixels"


def test_a_picture_far_from_what_a_model_knows_is_marked(open_app, made_run, tmp_path):
    """The threshold of the run's familiarity is moved so far down that any picture is beyond it."""
    run = tmp_path / "made"
    shutil.copytree(made_run, run)
    rows = np.arange(200)
    X = np.random.default_rng(0).normal(0.5, 0.3, (200, 768)).astype(np.float32)
    known = fit_novelty(X, rows % 4, rows, [(rows, rows)], rows // 10)
    for threshold, far in ((1e-9, True), (1e9, False)):
        content = replace(known, threshold=threshold).to_bytes()
        Store(run).write_bytes(novelty_path("baseline/pixels"), content, "made")
        app = open_app("Try your images", run=run, samples="coffee/00", models="baseline/pixels")
        assert not app.exception
        assert ("baseline/pixels: **far from what this model knows**" in texts(app)) == far


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


def _upload_two(open_app) -> tuple[int, list[str]]:
    """How many of two uploads are answered, and the errors that the page shows."""
    app = open_app("Try your images")
    files = app.file_uploader(key="try-upload")
    for seed in (0, 1):
        files = files.upload(f"{seed}.png", encode_png(scene(seed, 96)), "image/png")
    files.run()
    assert not app.exception
    return texts(app).count("baseline/pixels: **"), [error.value.replace("\\", "") for error in app.error]


def test_uploads_of_one_name_have_numbers(open_app):
    app = open_app("Try your images", models="baseline/pixels")
    files = app.file_uploader(key="try-upload")
    for seed, name in enumerate(("a.png", "a.png (2)", "a.png")):
        files = files.upload(name, encode_png(scene(seed, 96)), "image/png")
    files.run()
    assert not app.exception
    assert all(unescaped(app).count(f"{name}, 96 ×") == 1 for name in ("a.png", "a.png (2)", "a.png (3)"))


def test_uploads_of_a_visit_have_a_sum(open_app, monkeypatch):
    monkeypatch.setattr(upload, "MAX_BYTES_ON_A_PAGE", 1000)
    assert _upload_two(open_app) == (1, ["1.png is left out, since the others fill the memory; remove some."])


def test_uploads_of_all_visitors_have_a_sum(open_app, monkeypatch):
    monkeypatch.setattr(upload, "MAX_BYTES_OF_ALL_VISITORS", -1)
    answered, errors = _upload_two(open_app)
    assert answered == 0
    assert errors == [f"{i}.png finds the memory full of other pictures; try again in a minute." for i in (0, 1)]


def test_an_upload_waits_for_its_turn_and_not_for_ever(open_app, monkeypatch):
    monkeypatch.setattr(upload, "DECODE_TIMEOUT_S", 0.01)
    with upload._decoding, upload._decoding:
        answered, errors = _upload_two(open_app)
    assert answered == 0
    assert errors == [f"{i}.png waits for the pictures of other visitors; try again in a minute." for i in (0, 1)]
    assert _upload_two(open_app) == (2, [])
