"""The pictures of a point: where the browser finds them."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.components import hover
from probing_core.images import read_image
from probing_core.results import PicturesMissing, Run
from tests.dashboard.serving import answer


@pytest.fixture
def run(made_run, monkeypatch):
    shown = Run.open(made_run)
    monkeypatch.setattr(hover, "_component", lambda **asked: None)
    hover.pictures_on_hover("map", shown)
    return shown


def fetched(run: Run | None, sample: int, which: str):
    (route,) = hover.routes()
    asked = {"run": run.digest if run else "0" * 16, "sample": sample, "which": which}
    return answer(route, asked)


@pytest.mark.parametrize("sample", [0, 100])
def test_the_browser_fetches_what_the_run_shows(run, sample):
    for which, picture in zip(hover.WHICH, run.picture(sample), strict=True):
        found = fetched(run, sample, which)
        assert found.media_type == "image/jpeg"
        shown = read_image(found.body).astype(float)
        assert np.abs(shown - picture).mean() < 5


def test_what_is_not_there_is_not_found(run):
    assert fetched(run, len(run.samples), "after").status_code == 404
    assert fetched(run, 0, "beside").status_code == 404
    assert fetched(None, 0, "after").status_code == 404


def test_a_run_whose_pictures_have_gone_has_none(run, monkeypatch):
    def gone(*_: object, **__: object) -> None:
        raise PicturesMissing("The corpus is not on this computer.")

    monkeypatch.setattr(hover.cache, "picture", gone)
    assert fetched(run, 0, "after").status_code == 404
