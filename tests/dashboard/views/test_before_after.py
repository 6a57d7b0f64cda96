"""The page Before and after."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dashboard.data import differences
from probing_core.corpora import open_corpus
from tests.dashboard.app_reading import texts


@pytest.fixture(autouse=True)
def _without_encoders(monkeypatch):
    """Loading the encoders takes seconds; their embeddings have other tests."""
    monkeypatch.setattr(differences, "available", list)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_example_is_explained_at_the_first_visit(open_app):
    app = open_app("Before and after")
    assert not app.exception
    assert app.subheader[0].value.startswith("Resized by 0")
    assert "JPEG" in app.subheader[0].value


def test_an_edit_of_the_bank_is_named(open_app):
    app = open_app("Before and after", source="edit", transform="gamma")
    assert not app.exception
    assert app.subheader[0].value.startswith("Gamma")


def test_two_uploads_are_compared_and_one_alone_asks_for_the_other(open_app):
    image = open_corpus("photos").load("chelsea/03")
    app = open_app("Before and after")
    app.file_uploader[0].set_value(("before.png", png(image), "image/png"))
    app.run()
    assert "Upload the second image" in texts(app)
    app.file_uploader[1].set_value(("after.png", png(np.ascontiguousarray(255 - image[:, ::-1])), "image/png"))
    app.run()
    assert not app.exception
    assert app.subheader[0].value == "Mirrored, then Invert."
