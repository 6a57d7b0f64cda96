"""The page Transformations without a browser."""

from __future__ import annotations

import numpy as np

from dashboard.widgets import upload
from probing_core.images import encode_png
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
    monkeypatch.setattr(upload, "MAX_CACHED_BYTES", image.nbytes - 1)
    app.run().run()
    assert decoded == ["mine.png"] * 2, "what is too large to be cached is decoded at every run"
    app.switch_page(PAGES["Leaderboard"]).run()
    assert app.session_state["_decoded_before"] == {}
    assert "_decoded" not in app.session_state
