from __future__ import annotations

import numpy as np
import pytest

from dashboard.data import own_picture, predictions
from dashboard.data.pictures import VisitorPicture
from lab.devtools.made_run import LIVE
from probing_core.answers.crops import Crops
from probing_core.compute.task_names import BY_EMBEDDING
from probing_core.results import Run
from probing_core.results.explorer.data import default_models, explorer_data
from tests.dashboard.app_reading import label

(MODEL,) = LIVE


@pytest.fixture(scope="module")
def run(made_run):
    return Run.open(made_run)


@pytest.fixture(scope="module")
def data(run):
    return explorer_data(run, default_models(run))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(own_picture, "PHOTOGRAPHS", 2)


def test_the_gallery_has_photographs_under_every_class(run, data):
    rows = run.sample_rows(own_picture.gallery_samples(data))
    assert rows["base_id"].nunique() == 2
    counts = rows.groupby("base_id")["transform"].agg(["size", "nunique"])
    assert (counts == len(data.classes)).all(axis=None)


def test_a_picture_of_the_run_comes_to_its_own_place(run, data, monkeypatch):
    """By its nearest one alone, embedded here: the embeddings of the made run are invented."""
    monkeypatch.setattr(own_picture, "NEAREST", 1)
    monkeypatch.setattr(Run, "has_embeddings", lambda *_: False)
    monkeypatch.setattr(Run, "lazy_embeddings", lambda *_: None)
    # Crops are kept by visit, and here is none.
    monkeypatch.setattr(predictions, "crops_of", lambda run, picture: Crops(picture.image))
    assert not own_picture.why_no_place(run, data, MODEL)
    assert "cannot embed" in own_picture.why_no_place(run, data, "zoo/mae")
    sample = int(own_picture.gallery_samples(data)[40])
    picture = VisitorPicture.from_array("mine", run.picture(sample)[1])
    (model,) = (one for one in data.models if one.name == MODEL)
    at = int(np.flatnonzero(data.sample == sample)[0])
    np.testing.assert_allclose(own_picture.place_of(run, data, MODEL, picture), model.places[BY_EMBEDDING][at])


def test_a_picture_is_pinned_and_taken_away(open_app):
    app = open_app("Explore", selection=f'{{"a":"{MODEL}","b":"zoo/mae"}}')
    assert not [button for button in app.button if button.key == "unpin"]
    picture = VisitorPicture.from_array("mine.png", np.full((128, 128, 3), 90, np.uint8))
    app.session_state[own_picture.PICTURE] = picture
    app.run()
    assert not app.exception
    shown = " ".join(one.value for one in app.markdown)
    assert "The star shows the estimated position of" in shown
    assert "is not on the map" in shown
    assert "this model cannot embed new images" in shown
    label(app, "button", "Remove").click().run()
    assert not [button for button in app.button if button.key == "unpin"]
