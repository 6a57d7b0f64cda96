"""The page Transformations without a browser."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dashboard.data.pictures import SHOWN, VisitorPicture
from dashboard.widgets import upload
from probing_core.images import encode_png
from probing_core.measures.notation import model_title
from probing_core.transforms import bank
from tests.dashboard.app_reading import label, texts
from tests.dashboard.conftest import PAGES, REFERENCE


def test_what_reaches_each_model_of_a_transformation(open_app):
    assert "This needs a run" in texts(open_app("Transformations", run=None, show_survival="True"))
    left = {}
    for name in ("border", "contrast"):
        app = open_app("Transformations", run=REFERENCE, show_survival="True", transform=name)
        assert not app.exception
        table = next(t.value for t in app.dataframe if "left" in t.value)
        left[name] = dict(zip(table["model"], table["left"], strict=True))
    cropped, whole = model_title("timm:tf_efficientnet_lite0"), model_title("zoo/supervised")
    assert left["border"][cropped] < 5, "its crop leaves the border out"
    assert left["contrast"][cropped] == pytest.approx(100, abs=5)
    assert left["border"][whole] == left["contrast"][whole] == pytest.approx(100)
    assert f"state no resize: {model_title('baseline/pixels')}" in texts(app).replace("\\", "")


def test_an_upload_is_decoded_once_and_dropped_with_its_page(open_app, monkeypatch):
    decoded = []
    inspect = upload.inspect
    monkeypatch.setattr(upload, "inspect", lambda content, name: decoded.append(name) or inspect(content, name))
    app = open_app("Transformations")
    image = np.full((300, 200, 3), 90, np.uint8)
    app.file_uploader(key="picture-upload").upload("mine.png", encode_png(image), "image/png").run()
    app.run()
    assert decoded == ["mine.png"]
    monkeypatch.setattr(upload, "MAX_CACHED_BYTES", image.nbytes - 1)
    app.run().run()
    assert decoded == ["mine.png"] * 2, "what is too large to be cached is decoded at every run"
    app.switch_page(PAGES["Leaderboard"]).run()
    assert app.session_state["_decoded_before"] == {}
    assert "_decoded" not in app.session_state


def test_a_large_picture_is_shown_smaller():
    picture = VisitorPicture.from_array("mine", np.zeros((3000, 1000, 3), np.uint8))
    assert picture.shown.shape == (SHOWN, 267, 3)
    assert VisitorPicture.from_array("small", np.zeros((30, 10, 3), np.uint8)).shown.shape == (30, 10, 3)


def test_transformations_decodes_an_upload(open_app):
    app = open_app("Transformations", transform="swirl")
    assert label(app, "selectbox", "Transformation").value == "swirl"
    image = cv2.resize(np.random.default_rng(1).integers(0, 255, (8, 8, 3), dtype=np.uint8), (90, 90))
    app.file_uploader(key="picture-upload").upload("small.png", encode_png(image), "image/png").run()
    assert not app.exception
    assert texts(app).replace("\\", "").count("small: 90 x 90 pixels") == 1


def test_a_fourth_member_of_a_group_is_shown(open_app, monkeypatch):
    from dashboard.data import contact_sheet

    fourth = replace(bank()[1], name="tint", member=None, alternative=None)
    more = (*bank()[:4], fourth, *bank()[4:])
    monkeypatch.setattr("probing_core.transforms.bank", lambda: more)  # whence the page's script imports it
    contact_sheet.contact_sheet.clear()
    app = open_app("Transformations")
    assert not app.exception
    assert app.button(key="open-tint")
    contact_sheet.contact_sheet.clear()
