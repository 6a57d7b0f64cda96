"""The detector's line, and the row of each model: no word contradicts its number."""

from __future__ import annotations

import math
import re
from html import unescape

import pytest
from probing_core.compute.live import ANSWERS, PRIOR, word

from dashboard.data.predictions import Measured
from dashboard.widgets.answers import (
    Line,
    answer,
    is_verdict,
    line_of,
    models_table,
    noticed,
    pictures_table,
    which_to_believe,
)
from probing_core.charts import Theme
from probing_core.images import COMPRESSED
from probing_core.images.quality import FLAT
from probing_core.measures.notation import in_percent

VERDICT = {
    "alarms": False,
    "group": None,
    "transform": None,
    "group_probability": None,
    "transform_probability": None,
    "p": 519 / 1235,
    "n": 1234,
    "level": 0.05,
    "no_color": False,
    "power": 0.8,
    "odds": -1.0,
}
ALARM = {"group": "blur", "transform": "gaussian-blur", "group_probability": 0.9, "transform_probability": 0.61}


def row(model: str, altered: float, named: str = "sepia", share: float = 0.7) -> dict:
    classes = [{"class": named, "group": "color", "probability": share}, {"class": "fog", "group": "weather"}]
    return {"model": model, "altered": altered, "answer": word(altered), "classes": classes}


def detector(altered: float, **changes: object) -> dict:
    alarm = ALARM | {"alarms": True, "p": 1 / 1235} if altered > 0.6 else {}
    return row("detector", altered) | {"verdict": VERDICT | alarm | changes}


@pytest.mark.parametrize("altered", [0.95, 0.7, 0.45, 0.3, 0.05])
def test_the_line_begins_with_the_answer_and_names_a_group_where_it_alarms(altered):
    text = answer(detector(altered), ("geometry",))
    assert text.startswith(f"**{word(altered).capitalize()}")
    assert ("blur" in text) == (altered > 0.6)
    assert ("geometry" in text) == (altered < 0.6), "what cannot be seen is said where nothing is found"


def test_a_detector_that_cannot_decide_gives_no_verdict():
    assert is_verdict(detector(0.3))
    assert not is_verdict(row("a", 0.3))
    assert not is_verdict(detector(0.5, p=None))


@pytest.mark.parametrize("n", [20, 202, 1439])
def test_the_photographs_that_seem_as_altered_are_counted(n):
    """Against p = (1 + k) / (n + 1) for every k."""
    for k in (0, 1, 2, n // 2, n - 1, n):
        assert f" {k:,} of {n:,} ({in_percent(k / n, 1)})" in answer(detector(0.3, p=(1 + k) / (n + 1), n=n), ())


def test_a_picture_without_detail_is_perhaps_no_photograph():
    for altered in (0.05, 0.95):
        text = answer(detector(altered), (), flat=FLAT + 0.1)
        assert text.startswith("**Perhaps no photograph")
        assert "blur" not in text
        assert line_of(detector(altered) | {"image": "x"}, "", FLAT + 0.1)[3:] == ("perhaps no photograph", "", "", "")
    assert answer(detector(0.05), (), flat=FLAT).startswith("**Untouched")


def test_every_model_has_a_row_with_its_number_its_word_and_what_was_done():
    rows = [row(f"<{share}>", share) for share in (0.05, 0.5, 0.97)]
    html = models_table({"x.png": rows}, Theme())
    assert [unescape(name) for name in re.findall(r'<th scope="row">(.*?)</th>', html)] == [
        one["model"] for one in rows
    ]
    words = [unescape(text).replace("\N{NO-BREAK SPACE}", " ") for text in re.findall(r'words sure">(.*?)<', html)]
    assert words == ["5% untouched", "50% cannot tell", "97% altered"]
    assert re.findall(r"width:([\d.]+)%", html) == ["5.0", "50.0", "97.0"]
    assert html.count("Sepia") == 3
    both = models_table({"before": rows[:1], "after": rows[2:]}, Theme(), ["another"])
    assert both.index("before") < both.index("untouched") < both.index("after") < both.index("97")
    assert "is being asked" in both


def test_baselines_are_folded_below_the_trained_models():
    html = models_table({"x.png": [row("baseline/x", 0.5), row("a", 0.5), row("baseline/y", 0.5)]}, Theme())
    shown, folded = html.split("<details>")
    assert re.findall(r'<th scope="row">(.*?)</th>', shown) == ["a"]
    assert "2 baselines, which" in folded
    assert len(re.findall(r'<th scope="row">', folded)) == 2
    assert "<details>" not in models_table({"x.png": [row("baseline/x", 0.5)]}, Theme())
    trained_again = [row(f"baseline/random-vit{seed}", 0.5) for seed in ("", "@seed=1", "@seed=2")]
    html = models_table({"x.png": [row("a", 0.5), row("baseline/x", 0.5), *trained_again]}, Theme())
    assert "2 baselines and 2 further trainings of one of them, which learned nothing" in html


def test_a_line_of_a_picture_names_what_was_done_where_it_alarms():
    def told(one: dict) -> tuple[str, ...]:
        return line_of(one | {"image": "x.png"}, "data:,", 0.0)[3:6]

    assert told(detector(0.95)) == ("altered", "Blur, most like Gaussian blur", "0 of 1,234 (0.0%)")
    assert told(detector(0.05))[:2] == ("untouched", "")
    assert told(row("a", 0.7)) == ("rather altered", "Most like Sepia", "")
    assert told(row("a", 0.7, share=0.3)) == ("rather altered", "Not clear", "")
    assert {word(p) for p in (0.95, 0.7, 0.5, 0.3, 0.05)} == set(ANSWERS)


def test_a_table_of_pictures_shows_names_and_flags_as_text_and_false_discoveries_if_there_are_any():
    line = Line('"><script>', "<b>.png", "<i>flag", "untouched")
    html = pictures_table([line, Line("", "none.jpg", "", "altered")])
    assert not re.search("<(b|i|script)>", html)
    assert html.count("<img") == 1
    assert "False discoveries" not in html
    assert "False discoveries" in pictures_table([line, line._replace(q="3.0%")])


@pytest.mark.parametrize(
    ("group", "transform", "card", "table"),
    [
        (0.31, 0.17, "; what was done is not clear", "Not clear"),
        (0.59, 0.4, ": perhaps blur (59%)", "Perhaps blur"),
        (0.59, 0.54, ": perhaps blur (59%), most like Gaussian blur (54%)", "Perhaps blur, most like Gaussian blur"),
        (0.98, 0.67, ": blur (98%), most like Gaussian blur (67%)", "Blur, most like Gaussian blur"),
        (0.98, 0.95, ": blur (98%), Gaussian blur (95%)", "Blur, Gaussian blur"),
    ],
)
def test_what_was_done_is_said_as_certain_as_it_is_on_the_card_and_in_the_table(group, transform, card, table):
    found = detector(0.95, group_probability=group, transform_probability=transform) | {"image": "x"}
    assert answer(found, ()).replace("\\", "").startswith(f"**Altered{card}**. ")
    assert line_of(found, "", 0.0).done == table


def test_where_the_file_says_that_it_was_compressed_so_does_the_sentence():
    flag = f"JPEG of about quality 10: {COMPRESSED}"
    codec = detector(0.95, group="codec", transform="jpeg", group_probability=0.59)
    assert "The file itself says JPEG of about quality 10. " in answer(codec, (), flags=[flag])
    assert "itself" not in answer(codec, ()) + answer(detector(0.95), (), flags=[flag])
    assert "blurs it" in answer(detector(0.95), (), flags=["looks blurred"])
    assert "blurs it" not in answer(detector(0.95), ())
    assert "itself" not in answer(codec | {"verdict": codec["verdict"] | {"group_probability": 0.3}}, (), flags=[flag])


def test_where_few_pictures_are_altered_a_weak_alarm_is_most_likely_false():
    """Against counting: of 10,000 pictures 100 are altered, and an altered one is 9 or 999 times as likely to look like
    this as an untouched one."""
    weak, strong = (detector(0.95, odds=math.log(times)) | {"image": "x"} for times in (9, 999))
    for one, times in ((weak, 9), (strong, 999)):
        share = in_percent(100 * times / (100 * times + 9900))
        text = answer(one, (), prior=0.01)
        assert f"Where 1% of such pictures are altered, the probability that this one was altered is {share}" in text
        assert text.startswith("**Unusual for an untouched picture" if one is weak else "**Altered: blur")
        assert ("false alarm" in line_of(one, "", 0.0, 0.01).remark) == (one is weak)
        assert answer(one, ()).startswith("**Altered: blur")
        assert not line_of(one, "", 0.0).remark
    unclear = detector(0.95, odds=0.0, group_probability=0.3)
    assert "If it was" in answer(weak, (), prior=0.01)
    assert "If it was" not in answer(unclear, (), prior=0.01)
    assert "Where 1%" not in answer(detector(0.05), (), prior=0.01)


RIGHT = {"a": 0.6, "b": 0.7, "baseline/x": 0.81}


def test_where_verdict_and_models_differ_the_verdict_counts_unless_it_cannot_tell():
    rows = [row("a", 0.9), row("b", 0.2), row("baseline/x", 0.2)]
    measured = Measured("pictures of others", RIGHT, {})
    for altered, said in ((0.95, True), (0.2, True), (0.45, False)):
        text = which_to_believe(detector(altered), rows, 0.0, PRIOR, measured)
        assert ("go by the verdict" in text) == said
        assert "Measured on pictures of others: where half" in text
        assert "the models are right in 60% to 70%" in text
    assert "guessing" not in which_to_believe(detector(0.95), rows, 0.0, PRIOR)
    assert "verdict" not in which_to_believe(detector(0.95), rows, FLAT + 0.1, PRIOR, measured)
    assert "go by" not in which_to_believe(detector(0.95), rows[:1], 0.0, PRIOR), "all agree"
    assert "go by" not in which_to_believe(detector(0.95, odds=0.0), rows[1:], 0.0, 0.01), "a false alarm, most likely"
    assert "2 of these models are right" in which_to_believe(
        detector(0.2), [*rows, row("c", 0.5)], 0.0, PRIOR, measured
    )
    measured = measured._replace(found={"blur": {"a": 0.1, "b": 0.32, "baseline/x": 0.9}})
    text = which_to_believe(detector(0.95), rows, 0.0, PRIOR, measured)
    assert "altered by blur, the models call 10% to 32% altered" in text
    for other in (detector(0.2), detector(0.95, group_probability=0.3), detector(0.95, group="geometry")):
        assert "60% to 70%" in which_to_believe(other, rows, 0.0, PRIOR, measured)


SEPIA, FOG = row("a", 0.9), row("b", 0.9, named="fog")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([SEPIA, FOG, SEPIA], "3 trained models, 3 say altered (2 of them Sepia)"),
        ([SEPIA, FOG], "2 trained models, 2 say altered"),
        ([SEPIA, SEPIA, FOG, row("c", 0.9, "rain"), row("c", 0.9, "snow")], "5 trained models, 5 say altered"),
        ([SEPIA, row("b", 0.9, share=0.3)], "2 trained models, 2 say altered"),
        (
            [SEPIA, row("b", 0.2), row("c", 0.5), row("baseline/x", 0.9)],
            "3 trained models, 1 says altered (Sepia), 1 says untouched, 1 cannot tell",
        ),
        ([row("baseline/x", 0.9), row("baseline/y", 0.2)], "2 baselines, 1 says altered (Sepia), 1 says untouched"),
    ],
)
def test_what_most_models_name_is_said_and_no_minority_and_baselines_count_only_alone(rows, words):
    assert noticed(rows) == f"Of {words}."
