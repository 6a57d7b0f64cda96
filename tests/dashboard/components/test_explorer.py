"""The addresses at which the browser finds the points and pictures of the explorer."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.components import explorer
from probing_core.results import Run
from probing_core.results.explorer.data import packed
from tests.dashboard.app_reading import address


@pytest.fixture(scope="module")
def shown(made_run) -> explorer.Explorer:
    return explorer.explorer_of(Run.open(made_run))


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=explorer.routes()))


def test_points_are_those_of_the_run(shown, client):
    for part, expected in packed(shown.data)[1].items():
        found = client.get(f"/{shown.address}/{part}")
        assert found.content == expected
        assert "private" in found.headers["cache-control"]


def test_pictures_are_those_of_the_run(shown, client, made_run):
    run = Run.open(made_run)
    sample = int(shown.data.sample[3])
    found = np.array(Image.open(io.BytesIO(client.get(f"/{shown.address}/sample/{sample}").content)).convert("RGB"))
    assert np.abs(found.astype(int) - run.picture(sample)[1]).mean() < 6
    whole = Image.open(io.BytesIO(client.get(f"/{shown.address}/photograph/0").content))
    assert whole.size == run.pictures.photograph(shown.data.images[0]).shape[1::-1]


@pytest.mark.parametrize(
    "path", ["sample/99999999", "photograph/99999", "model/99", "sample/-1", "../points", "sample/x"]
)
def test_what_is_not_there_is_404(shown, client, path):
    assert client.get(f"/{shown.address}/{path}").status_code == 404
    assert client.get(f"/{explorer.FOLDER}/guessed/points").status_code == 404


def test_a_run_without_pictures_serves_its_points_alone(shipped_run, client):
    shown = explorer.explorer_of(Run.open(shipped_run))
    assert client.get(f"/{shown.address}/points").status_code == 200
    assert client.get(f"/{shown.address}/sample/{shown.data.sample[0]}").status_code == 404


def test_at_first_the_chosen_class_is_that_of_the_errors_which_the_other_model_names_most(open_app, made_run):
    run = Run.open(made_run)
    first, second = (run.predictions(model.name, "fine") for model in explorer.explorer_of(run).data.models[:2])
    answers = first.merge(second, on="sample", suffixes=("", "_b"))
    better = answers[(answers["predicted"] != answers["truth"]) & (answers["predicted_b"] == answers["truth"])]
    cells = better.groupby(["truth", "predicted"], observed=True).size()
    found, answer = explorer.chosen_cell(run)
    assert (found, answer) in set(cells.index[cells == cells.max()])
    app = open_app("Explore", part="strength", models="baseline/pixels")
    assert next(box for box in app.selectbox if box.label == "Transformation").value == found


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": "no/such", "what": {"rows": ["fog"]}}'])
def test_a_selection_in_the_address_stays_there_and_does_no_harm(open_app, text):
    app = open_app("Explore", selection=text)
    assert not app.exception
    if text:
        assert address(app, "selection") == text
