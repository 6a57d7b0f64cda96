"""The line that answers what was done to a picture."""

from __future__ import annotations

import pytest

from dashboard.widgets.verdicts import answer, differing, has_answer


def rows(**answers: str) -> list[dict]:
    """A row a model, with its answer."""
    about = dict.fromkeys(("group", "transform", "group_probability", "transform_probability"))
    about |= {"p": 0.42, "n": 1234, "no_color": False, "power": 0.8}
    altered = {"group": "blur", "transform": "gaussian-blur", "group_probability": 0.9, "transform_probability": 0.61}
    return [
        {"model": model, "verdict": about | (altered | {"p": 0.001} if word == "altered" else {}) | {"answer": word}}
        for model, word in answers.items()
    ]


def line(word: str, hardly: tuple[str, ...] = (), **changes: object) -> str:
    return answer(rows(detector=word)[0]["verdict"] | changes, hardly)


def test_an_untouched_picture_reads_as_untouched_and_names_what_cannot_be_seen():
    text = line("untouched", ("geometry", "weather"))
    assert text.startswith("**Untouched**")
    assert "42.0 % of 1,234 untouched photographs" in text
    assert "Of geometry, weather it finds less than half." in text
    assert "less than half" not in line("untouched")


def test_an_altered_picture_reads_as_what_was_done():
    text = line("altered")
    assert text.startswith("**Altered: blur** (90 %), most likely gaussian\\-blur (61 %).")
    assert "0.1 % of 1,234" in text


def test_pictures_without_color_strange_ones_and_blind_detectors():
    assert "no color" in line("untouched", no_color=True)
    assert line("strange").startswith("**Strange**")
    assert "80 %" in line("cannot detect")


@pytest.mark.parametrize(("verdict", "expected"), [("untouched", True), ("altered", True), ("not calibrated", False)])
def test_only_calibrated_verdicts_answer(verdict, expected):
    assert has_answer(rows(detector=verdict)) is expected
    assert not has_answer(rows(other=verdict))


def test_models_that_differ_are_named_and_others_are_not():
    table = rows(detector="untouched", a="untouched", b="altered", c="not calibrated")
    assert differing(table) == "Other answers: b altered \\(blur\\)."
    assert differing(rows(detector="altered", a="altered")) == ""


def test_models_that_find_next_to_nothing_are_named_apart():
    weak = "Find next to nothing, so no answer: a, c."
    assert differing(rows(detector="untouched", a="cannot detect", c="cannot detect")) == weak
    table = rows(detector="untouched", a="cannot detect", b="altered", c="cannot detect")
    assert differing(table) == f"Other answers: b altered \\(blur\\). {weak}"
