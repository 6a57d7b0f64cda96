"""What the strength slider shows of a picture."""

from __future__ import annotations

import asyncio
import base64
import json

import numpy as np
import pytest
from starlette.requests import Request

from dashboard.components import strength_slider
from dashboard.data import previews
from dashboard.data.previews import EACH, Preview, _some, draw
from dashboard.widgets import upload
from probing_core.images import read_image
from probing_core.transforms import CATALOG
from probing_core.transforms.distance import color_difference
from tests.transforms.pictures import photograph

VIEW = 96


def picture_of(url: str) -> np.ndarray:
    return read_image(base64.b64decode(url.partition(",")[2]))


@pytest.mark.parametrize("name", ["fog", "rotate", "text"])
def test_a_preview_tells_every_step_and_each_clean_picture_once(name):
    picture = upload.chosen("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    shown = Preview(picture, VIEW, CATALOG.get(name))
    steps = shown.steps()
    told = shown.told(range(len(steps)))
    assert len(steps) == len(shown.texts) == len(told["frames"])
    assert len(set(told["clean"])) == len(told["clean"]) == len({step.before.tobytes() for step in steps})
    for number, (frame, step) in enumerate(zip(told["frames"], steps, strict=True)):
        assert frame["step"] == number
        assert np.array_equal(picture_of(told["clean"][frame["before"]]), step.before)
        assert np.array_equal(picture_of(frame["after"]), step.after)


def test_a_step_is_made_once_and_only_when_it_is_asked_for(monkeypatch):
    made = []
    cut = previews._cut
    monkeypatch.setattr(previews, "_cut", lambda *asked: made.append(asked[3]) or cut(*asked))
    picture = upload.chosen("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    shown = Preview(picture, VIEW, CATALOG.get("fog"))
    assert shown.told([3])["frames"][0]["step"] == 3
    assert shown.step(3) is shown.step(3)
    assert made == [shown.strengths[3]]
    shown.steps()
    assert sorted(made) == sorted(shown.strengths)
    again = draw(picture.image, VIEW, CATALOG.get("fog"), shown.strengths[3])
    assert np.array_equal(shown.step(3).after, again[1])


def fetched(address: str):
    (route,) = strength_slider.routes()
    folder, _, name = address.partition("/")
    assert route.path == f"/{folder}/{{name}}"
    return asyncio.run(route.endpoint(Request({"type": "http", "path_params": {"name": name}})))


def test_a_browser_fetches_all_steps_as_long_as_they_are_in_memory():
    picture = upload.chosen("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    shown, other = (Preview(picture, VIEW, CATALOG.get("fog")) for _ in range(2))
    assert shown.address != other.address, "nobody can guess where another's picture is"
    answer = fetched(shown.address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert json.loads(answer.body) == shown.told(range(len(shown.strengths)))
    address = shown.address
    del shown
    assert fetched(address).status_code == 404
    assert fetched(other.address).status_code == 200


@pytest.mark.parametrize("shape", [(128, 128), (97, 64)])
def test_some_pixels_stand_for_all(shape):
    image = np.ascontiguousarray(photograph()[: shape[0], : shape[1]])
    changed = 255 - image
    assert _some(image).shape == (shape[0] // EACH, shape[1] // EACH, 3)
    assert np.array_equal(_some(changed), 255 - _some(image))
    told = color_difference(_some(image), _some(changed))
    assert told == pytest.approx(color_difference(image, changed), rel=0.02)
