"""The page Transformations without a browser."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.widgets import upload
from probing_core.images import encode_png
from probing_core.measures.notation import model_title
from tests.dashboard.app_reading import texts
from tests.dashboard.conftest import PAGES, REFERENCE


def test_what_reaches_each_model_of_a_transformation(open_app):
    assert "This needs a run" in texts(open_app("Transformations", part="one", run=None, show_survival="True"))
    left, whole = {}, {}
    for name in ("border", "contrast"):
        app = open_app("Transformations", part="one", run=REFERENCE, show_survival="True", transform=name)
        assert not app.exception
        tables = [t.value for t in app.dataframe if "left" in t.value]
        left[name] = {
            model: left for table in tables for model, left in zip(table["model"], table["left"], strict=True)
        }
        whole[name] = next(m.value for m in app.markdown if "All of it reaches" in m.value).replace("\\", "")
    cropped, as_it_is = model_title("timm:tf_efficientnet_lite0"), model_title("zoo/supervised")
    assert left["border"][cropped] < 5, "its crop leaves the border out"
    assert left["contrast"].get(cropped, 100) == pytest.approx(100, abs=5)
    assert as_it_is in whole["border"]
    assert as_it_is in whole["contrast"]
    assert as_it_is not in left["border"]
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
