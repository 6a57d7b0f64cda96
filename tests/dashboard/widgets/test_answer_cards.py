"""The answer with its evidence, the row of each model, and tables of images: no word contradicts its number."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from dashboard.widgets.answer_cards import (
    Line,
    disagreement,
    error_rate,
    headline,
    images_table,
    line_of,
    models_table,
    remarks,
    strip_title,
)
from probing_core.answers.answer import FOUND, Answer, Evidence, Posterior, Unavailable, answer_word
from probing_core.answers.crops import Prediction
from probing_core.answers.reference_sets import Edits, ReferenceSet
from probing_core.charts import Theme
from probing_core.compute.task_names import DETECTOR

CLASSES, GROUPS = ("identity", "jpeg", "fog"), ("identity", "codec", "weather")


def answer_with(score: float = 3.0, jpeg: float = 0.9, **evidence) -> Answer:
    p = np.array([0.2, 0.8 * jpeg, 0.8 * (1 - jpeg)])
    prediction = Prediction(DETECTOR, CLASSES, GROUPS, p, p[None], np.zeros(1))
    given = Evidence(0.01, 199, "view", no_color=False, detection_rate=0.8)
    return Answer(prediction, score, Posterior(1.0, 0.0), replace(given, **evidence))


@pytest.mark.parametrize("prior", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("score", [-6.0, -1.0, 0.0, 1.0, 6.0])
def test_headline_begins_with_the_word_of_the_probability(score, prior):
    """D7: with a prior of 1%, an image with a small p is not called edited."""
    answer = answer_with(score)
    words = headline(answer, prior=prior)
    assert words.lower().startswith(f"**{answer_word(answer.probability(prior))} ")
    assert ("codec" in words) == (answer.word(prior) in FOUND)


def test_headline_states_no_certainty():
    assert ">99%" in headline(answer_with(20.0))
    assert "<1%" in headline(answer_with(-20.0))


@pytest.mark.parametrize(
    ("jpeg", "edit"), [(0.95, "codec (95%), JPEG (95%)"), (0.55, "perhaps codec (55%), most likely")]
)
def test_headline_names_the_edit_as_certain_as_it_is(jpeg, edit):
    assert edit in headline(answer_with(jpeg=jpeg)).replace("\\", "")


def test_headline_of_a_screenshot_gives_no_answer():
    answer = answer_with()
    words = headline(replace(answer, prediction=replace(answer.prediction, is_flat=True)))
    assert words.startswith("**This may not be a photograph**")
    assert "edited" not in words.lower()


def test_headline_without_a_calibration_is_inconclusive():
    answer = replace(answer_with(p=None, n=3), posterior=None)
    assert headline(answer, prior=0.99).startswith("**Inconclusive**")
    assert "p = " not in strip_title(answer)
    separated = headline(replace(answer, posterior=Posterior()))
    assert separated.startswith("**Inconclusive**")
    assert "too few" not in separated
    assert "too few" in headline(answer)


def test_strip_title_counts_the_photographs_behind_p():
    assert strip_title(answer_with(p=(1 + 5) / 200)).startswith("5 of 199 clean photographs of similar size score ")
    assert " 1 of 199" not in strip_title(answer_with(p=(1 + 1) / 200))
    assert "similar size scores " in strip_title(answer_with(p=(1 + 1) / 200))
    assert "converted to grayscale" in strip_title(answer_with(kind="gray", no_color=True))


def test_remarks_join_flags_to_the_edit_that_they_explain():
    flags = ["JPEG quality of about 8: compression is already visible"]
    assert "consistent with codec" in remarks(answer_with(), flags, None)
    assert "agrees" not in remarks(answer_with(), ["looks blurred"], None)
    assert "looks blurred" in remarks(answer_with(), ["looks blurred"], None)
    assert "agrees" not in remarks(answer_with(-5.0), flags, None), "no edit was found"


def test_remarks_without_an_edit_state_what_the_detector_misses():
    import pandas as pd

    rows = [
        {"base_id": f"r{i}", "maker": "bank", "group": group, "no_color": False, "score": 1.0 if hit else -2.0}
        for i in range(40)
        for group, hit in (("blur", True), ("geometry", i < 8))
    ]
    edits = Edits(pd.DataFrame(rows))
    reference = ReferenceSet(np.linspace(-1, 0, 199), None, edits, edits.detection_rate(np.linspace(-1, 0, 199)))
    words = remarks(answer_with(-5.0), [], reference)
    assert "60%" in words
    assert "fewer than half of the edits in these groups: geometry" in words
    assert "60%" not in remarks(answer_with(), [], reference)


@pytest.mark.parametrize("score", [-6.0, 6.0])
def test_headline_without_color_says_first_that_removed_color_is_unknown(score):
    answer = replace(answer_with(score, no_color=True, kind="gray"), no_color=True)
    first, _, then = headline(answer).replace("\\", "").partition(" Apart from that: ")
    assert "cannot be determined whether color was removed" in first
    assert then.startswith(f"**{answer.word()} (")
    assert ("codec" in then) == (answer.word() in FOUND)
    unknown = headline(replace(answer, posterior=None))
    assert "cannot be determined" in unknown
    assert "too few" in unknown


def test_error_rate_counts_wrong_answers_of_the_kind_that_was_given():
    import pandas as pd

    clean, edited = np.array([-5.0] * 180 + [9.0] * 20), [9.0] * 60 + [-5.0] * 20
    rows = [
        {"base_id": f"r{i}", "maker": "bank", "group": "blur", "no_color": False, "score": s}
        for i, s in enumerate(edited)
    ]
    reference = ReferenceSet(clean, Posterior(1.0, 0.0), Edits(pd.DataFrame(rows)), None)
    assert "unedited photographs of similar size, about 10 " in error_rate(answer_with(6.0), reference)
    assert "20 of 200" in error_rate(answer_with(6.0), reference)
    assert "Of 100 edited photographs of similar size, about 25 " in error_rate(answer_with(-6.0), reference)
    spotless = replace(reference, clean=np.full(200, -5.0))
    assert "fewer than 1 " in error_rate(answer_with(6.0), spotless)


@pytest.mark.parametrize(
    ("score", "models", "expected"),
    [
        (6.0, [0.05, 0.2, 0.95, None], "2 of 3 models"),
        (6.0, [0.05, 0.95], ""),
        (6.0, [0.5, 0.5, 0.5], ""),
        (-6.0, [0.95, 0.7, 0.5], "2 of 3 models"),
        (0.0, [0.95, 0.95], ""),
        (6.0, [], ""),
    ],
)
def test_disagreement_is_explained_if_most_models_contradict_the_detector(score, models, expected):
    rows = [row(f"m{i}", p) for i, p in enumerate(models)]
    text = disagreement(answer_with(score), rows)
    assert expected in text
    assert bool(expected) == bool(text)


def row(model: str, edited: float | None, unavailable: Unavailable | None = None) -> dict:
    classes = [{"class": "jpeg", "group": "codec", "probability": 0.7}]
    about = {"image": "a.png", "model": model, "unavailable": unavailable, "no_color": False}
    return about | {"edited": edited, "answer": answer_word(edited), "classes": classes}


def flat_row(model: str) -> dict:
    reason = Unavailable.NO_PHOTOGRAPH
    return row(model, None, reason) | {"answer": str(reason), "classes": []}


def cells(table: str) -> list[list[str]]:
    return [
        [unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall("<t[hd][^>]*>(.*?)</t[hd]>", line)]
        for line in re.findall("<tr>(.*?)</tr>", table)
    ]


def test_models_table_shows_each_model_with_its_accuracy_in_the_order_given():
    rows = [row("zoo/mae", 0.93), row("baseline/pixels", 0.5), row("zoo/clip", None, Unavailable.NOT_TRANSFERABLE)]
    head, *lines = cells(models_table({"a.png": rows}, Theme(), {"zoo/mae": 0.723}, waiting=["x"]))
    assert [line[0] for line in lines] == ["MAE (zoo)", "Pixels", "CLIP (zoo)"]
    assert lines[0][1:] == ["edited (93%)", "JPEG: 70%", "72%"]
    assert lines[1][1] == "inconclusive (probability of an edit: 50%)"
    assert "%" not in lines[2][1], "no probability is stated that does not transfer"
    assert lines[2][2] == "JPEG: 70%"
    assert len(head) == 4


def test_models_table_of_an_image_without_texture_shows_no_probability():
    head, *lines = cells(models_table({"a.png": [flat_row("zoo/mae")]}, Theme(), {}))
    assert lines == [["MAE (zoo)", "may not be a photograph", "", ""]]
    assert "100%" not in head[1], "there is no bar to read on the scale"
    assert "100%" in cells(models_table({"a.png": []}, Theme(), {}))[0][1]


def test_models_table_states_why_there_is_no_probability():
    table = models_table({"a.png": [row(DETECTOR, None, reason) for reason in Unavailable]}, Theme(), {})
    texts = [line[1] for line in cells(table)[1:]]
    assert len(set(texts)) == len(Unavailable)
    assert ["too few" in text for text in texts] == [reason == Unavailable.TOO_FEW for reason in Unavailable]
    assert ["transfer" in text for text in texts] == [reason == Unavailable.NOT_TRANSFERABLE for reason in Unavailable]


def test_models_table_escapes_names():
    table = models_table({"<b>": [row("zoo/<i>", 0.5)], "<u>": [row("zoo/<i>", 0.5)]}, Theme(), {})
    assert not re.search("<(b|i|u)>", table)


def test_line_of_states_the_answer_of_the_row():
    live = row(DETECTOR, 0.93) | {"verdict": {"p": 0.01, "n": 199}}
    words = "edited (93%)"
    assert line_of(live, "") == Line("", "a.png", "", words, "Codec, most likely JPEG", "0.010 (1 of 199)")
    assert line_of(live | flat_row(DETECTOR), "")[3:] == ("may not be a photograph", "", "", "")
    assert line_of(row("zoo/mae", 0.2), "")[3:] == ("probably unedited (probability of an edit: 20%)", "", "", "")


def test_images_table_escapes_and_shows_q_where_there_is_one():
    line = Line("", "<i>.png", "<b>", "edited (93%)", "Codec", "0.010 (1 of 199)")
    table = images_table([line])
    assert not re.search("<(b|i)>", table)
    assert ">q</th>" not in table
    assert ">q</th>" in images_table([line._replace(q="3.0%"), line])
