"""What the strength slider shows of a picture."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.components import strength_slider
from dashboard.data import previews
from dashboard.data.pictures import VisitorPicture
from dashboard.data.previews import Preview, Step, versions
from probing_core.images import read_image
from probing_core.transforms import CATALOG, bank, prepare_source
from tests.transforms.pictures import photograph

VIEW = 96


def picture_of(url: str) -> np.ndarray:
    return read_image(base64.b64decode(url.partition(",")[2]))


@pytest.mark.parametrize("name", ["fog", "rotate", "text"])
def test_a_preview_sends_every_step_and_each_clean_picture_once(name):
    picture = VisitorPicture.from_array("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    shown = Preview(picture, VIEW, CATALOG.get(name))
    steps = [shown.step(number) for number in range(len(shown.strengths))]
    sent = shown.message(range(len(steps)))
    assert len(steps) == len(shown.labels) == len(sent["frames"])
    assert len(set(sent["clean"])) == len(sent["clean"]) == len({step.before.tobytes() for step in steps})
    for number, (frame, step) in enumerate(zip(sent["frames"], steps, strict=True)):
        assert frame["step"] == number
        assert np.array_equal(picture_of(sent["clean"][frame["before"]]), step.before)
        assert np.array_equal(picture_of(frame["after"]), step.after)


def test_a_step_is_made_once_and_only_when_it_is_asked_for(monkeypatch):
    made = []
    monkeypatch.setattr(previews, "versions", lambda *asked: made.append(asked[3]) or versions(*asked))
    picture = VisitorPicture.from_array("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    shown = Preview(picture, VIEW, CATALOG.get("fog"))
    assert shown.message([3])["frames"][0]["step"] == 3
    assert shown.step(3) is shown.step(3)
    assert made == [shown.strengths[3]]
    shown.message(range(len(shown.strengths)))
    assert sorted(made) == sorted(shown.strengths)
    again = versions(prepare_source(picture.image, VIEW), VIEW, CATALOG.get("fog"), shown.strengths[3])
    assert np.array_equal(shown.step(3).after, again[1])


def test_a_browser_fetches_all_steps_as_long_as_they_are_in_memory():
    client = TestClient(Starlette(routes=strength_slider.routes()))
    picture = VisitorPicture.from_array("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    shown, other = (Preview(picture, VIEW, CATALOG.get("fog")) for _ in range(2))
    assert shown.address != other.address, "nobody can guess where another's picture is"
    found = client.get(shown.address)
    assert found.headers["cache-control"] == "no-store"
    assert found.json() == shown.message(range(len(shown.strengths)))
    address = shown.address
    del shown
    assert client.get(address).status_code == 404
    assert client.get(other.address).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "step"),
    [(3, 3), ("3", 3), (99, 12), (-1, 0), ("", 5), ("x", 5), (None, 5), ([], 5), (float("inf"), 5), ("9" * 5000, 5)],
)
def test_a_step_that_makes_no_sense_is_the_first_one(wanted, step):
    assert strength_slider._step_of(wanted, 0, 13, first=5) == step
    assert strength_slider._step_of(wanted, 4, 17, first=9) == step + (3 if wanted == -1 else 4)


def test_the_slider_begins_with_no_change_where_there_is_such_a_strength():
    picture = VisitorPicture.from_array("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    for transform in bank()[1:]:
        shown = Preview(picture, VIEW, transform)
        learned = shown.strengths[shown.first_trained :]
        assert (learned[0], learned[-1]) == (pytest.approx(transform.weakest), pytest.approx(transform.strongest))
        assert list(shown.strengths) == sorted(shown.strengths, reverse=transform.falling)
        assert (shown.strengths[0] == transform.neutral) == (transform.neutral is not None)


def test_focus_is_the_region_that_changes_most():
    before = np.full((128, 128, 3), 100, np.uint8)
    after = before.copy()
    after[80:112, 16:48] = 140
    x, y = Step(1.0, before, after).focus(1 / 4)
    assert (x, y) == (pytest.approx(32 / 128, abs=0.01), pytest.approx(96 / 128, abs=0.01))


def test_focus_leaves_the_region_inside_the_image():
    before = np.zeros((128, 128, 3), np.uint8)
    after = before.copy()
    after[:3, 125:] = 255
    x, y = Step(1.0, before, after).focus(1 / 4)
    assert x <= 1 - 1 / 8
    assert y >= 1 / 8


@pytest.mark.parametrize("name", ["gaussian-blur", "jpeg", "posterize"])
def test_position_of_a_strength_is_between_its_neighboring_steps(name):
    picture = VisitorPicture.from_array("mine", np.ascontiguousarray(photograph()[:VIEW, :VIEW]))
    shown = Preview(picture, VIEW, CATALOG.get(name))
    last = len(shown.strengths) - 1
    for step, strength in enumerate(shown.strengths):
        assert shown.position_of(strength) == pytest.approx(step / last)
    middle = (shown.strengths[0] + shown.strengths[1]) / 2
    assert shown.position_of(middle) == pytest.approx(0.5 / last)
