"""The page Transformations without a browser."""

from __future__ import annotations

import numpy as np

from dashboard.widgets import upload
from probing_core.images import encode_png
from tests.dashboard.app_reading import address, label
from tests.dashboard.conftest import PAGES


def test_an_upload_is_decoded_once_and_dropped_with_its_page(open_app, monkeypatch):
    decoded = []
    inspect = upload.inspect
    monkeypatch.setattr(upload, "inspect", lambda content, name: decoded.append(name) or inspect(content, name))
    app = open_app("Transformations")
    image = np.full((300, 200, 3), 90, np.uint8)
    app.file_uploader(key="picture-upload").upload("mine.png", encode_png(image), "image/png").run()
    app.run()
    assert decoded == ["mine.png"]
    app.switch_page(PAGES["Models"]).run()
    assert "_decoded" not in app.session_state
    monkeypatch.setattr(upload, "MAX_CACHED_BYTES", image.nbytes - 1)
    app.switch_page(PAGES["Transformations"]).run()
    app.file_uploader(key="picture-upload").upload("mine.png", encode_png(image), "image/png").run()
    app.run()
    assert decoded == ["mine.png"] * 3, "what is too large to be cached is decoded at every run"


def test_a_name_under_a_strip_opens_it_at_any_strength(open_app):
    app = open_app("Transformations")
    app.button(key="open-sepia").click().run()
    assert not app.exception
    assert address(app, "part") == "one"
    assert label(app, "selectbox", "Transformation").value == "sepia"
