"""The line that answers what was done to a picture."""

from __future__ import annotations

import pytest

from dashboard.widgets.verdicts import (
    agreement,
    answer,
    answer_for,
    as_altered,
    first_answer,
    has_answer,
    models_table,
    short_answer,
)
from probing_core.charts import Theme
from probing_core.images.quality import FLAT


def rows(**answers: str) -> list[dict]:
    """A row a model, with its answer."""
    about = dict.fromkeys(("group", "transform", "group_probability", "transform_probability"))
    about |= {"p": 519 / 1235, "n": 1234, "no_color": False, "power": 0.8}
    altered = {"group": "blur", "transform": "gaussian-blur", "group_probability": 0.9, "transform_probability": 0.61}
    return [
        {
            "model": model,
            "task": "fine",
            "known": True,
            "verdict": about | (altered | {"p": 1 / 1235} if word == "altered" else {}) | {"answer": word},
            "classes": [{"class": "sepia", "group": "color", "probability": 0.95}],
        }
        for model, word in answers.items()
    ]


def line(word: str, hardly: tuple[str, ...] = (), **changes: object) -> str:
    return answer(rows(detector=word)[0]["verdict"] | changes, hardly)


def test_an_untouched_picture_reads_as_untouched_and_names_what_cannot_be_seen():
    text = line("untouched", ("geometry", "weather"))
    assert text.startswith("**Untouched, as far as the detector can see**: 518 of 1,234 untouched photographs seem")
    finds = "It finds 80 % of altered pictures of this size{}, where 5 % of untouched ones alarm."
    assert finds.format(" (of geometry, weather less than half)") in text
    assert finds.format("") in line("untouched")
    assert "It finds" not in line("untouched", power=None)


def test_an_altered_picture_reads_as_what_was_done():
    text = line("altered")
    assert text.startswith("**Altered: blur** (90 %), most likely gaussian\\-blur (61 %).")
    assert "None of 1,234 untouched photographs seems as altered as this picture" in text


def test_an_alarm_near_its_limit_and_a_class_that_is_hardly_likely_are_said_with_a_perhaps():
    assert line("altered", p=0.03).startswith("**Perhaps altered: blur** (90 %), most likely")
    assert line("altered", transform_probability=0.3).startswith(
        "**Altered: blur** (90 %), perhaps gaussian\\-blur (30 %)."
    )
    row = rows(detector="altered")[0]["verdict"]
    assert short_answer(row, 0.0) == "altered: blur"
    assert short_answer(row | {"p": 0.01}, 0.0) == "perhaps altered: blur"


def test_pictures_without_color_strange_ones_and_blind_detectors():
    assert "no color" in line("untouched", no_color=True)
    assert line("strange").startswith("**Strange**")
    assert "80 %" in line("cannot detect")


@pytest.mark.parametrize(("verdict", "expected"), [("untouched", True), ("altered", True), ("not calibrated", False)])
def test_only_calibrated_verdicts_answer(verdict, expected):
    assert has_answer(rows(detector=verdict)) is expected
    assert not has_answer(rows(other=verdict))


def test_the_photographs_that_seem_as_altered_are_counted():
    """Against p = (1 + k) / (n + 1) for every k."""
    for n in (20, 202, 1439):
        for k in (0, 1, 2, n // 2, n - 1, n):
            words = as_altered({"p": (1 + k) / (n + 1), "n": n})
            assert words.startswith(f"none of {n:,}" if k == 0 else f"{k:,} of {n:,}")


def test_a_picture_without_detail_is_called_no_photograph_and_not_untouched():
    text = answer(rows(detector="untouched")[0]["verdict"], (), flat=FLAT + 0.1)
    assert text.startswith("**Perhaps no photograph**: 60 % of it has no detail")
    assert "ntouched" not in text
    assert "the answer means little" in answer(rows(detector="altered")[0]["verdict"], (), flat=FLAT + 0.1)
    assert answer(rows(detector="untouched")[0]["verdict"], (), flat=FLAT).startswith("**Untouched,")


def test_a_model_that_does_not_alarm_is_not_quoted():
    """Its probe is sure of sepia, and many untouched photographs seem as altered to it."""
    calm, sure, raw, blind = rows(a="untouched", b="altered", c="not calibrated", d="cannot detect")
    assert (first_answer(calm).probability, first_answer(calm).words) == (None, "no alarm")
    assert (first_answer(sure).probability, first_answer(sure).words) == (0.61, "gaussian-blur 61 %")
    assert first_answer(sure | {"task": "group"}).words == "blur 90 %"
    assert first_answer(raw).words == "sepia 95 %"
    assert first_answer(raw | {"known": False}).words == "far from all that it knows"
    assert first_answer(calm | {"known": False}).words == "no alarm, though far from all that it knows"
    assert first_answer(calm | {"known": False}).is_quiet, "it is counted among those that do not alarm"
    assert first_answer(blind).probability is None


def folded(html: str) -> tuple[str, str, str]:
    """What stands before the fold of models that do not alarm, its line, and what it holds."""
    before, fold = html.split('<details class="no-alarm"><summary>')
    line, rest = fold.split("</summary>")
    return before, line, rest.split("</details>")[0]


def test_rows_have_bars_in_one_scale_and_names_are_data():
    table = rows(**{"<b>a": "altered", "b": "untouched"})
    html = models_table({"x.png": table}, Theme(), waiting=["c"])
    assert "2 models are being asked" in models_table({"x.png": []}, Theme(), waiting=["a", "b"])
    assert "&lt;b&gt;a" in html
    assert "<b>" not in html
    assert html.count("width:61.0%") == html.count('class="track"') == 1, "one bar, and none for who says nothing"
    assert html.count(">80 %<") == 2
    assert "One more model is being asked" in html
    both = models_table({"before": table[1:], "after": table[:1]}, Theme())
    assert both.index("before") < both.index("no alarm") < both.index("after") < both.index("gaussian-blur")
    assert "details" not in both, "a model that alarms after a change is no quiet one"


def test_models_that_do_not_alarm_are_one_line_that_opens():
    table = rows(a="altered", b="untouched", c="untouched", d="strange")
    table[1]["verdict"]["power"] = 0.14
    before, line, inside = folded(models_table({"x.png": table}, Theme()))
    assert line == "2 models do not alarm; each finds 14 to 80 % of altered pictures of this size"
    assert [f">{name}</th>" in before for name in "abcd"] == [True, False, False, True]
    assert [f">{name}</th>" in inside for name in "abcd"] == [False, True, True, False]
    before, line, _ = folded(models_table({"x.png": table[1:3]}, Theme()))
    assert (before, line.split(";")[0]) == ("", "None of the 2 models alarms")
    table[1]["verdict"]["power"] = None
    assert folded(models_table({"x.png": table[1:2]}, Theme()))[1] == "The model does not alarm"
    blind = rows(e="cannot detect")
    assert folded(models_table({"x.png": blind}, Theme()))[1] == "1 model cannot tell"
    assert (
        folded(models_table({"x.png": [*table[:2], *blind]}, Theme()))[1]
        == "One model does not alarm; 1 more cannot tell"
    )


def test_a_sentence_says_how_many_models_alarm():
    assert agreement(rows(a="not calibrated", b="cannot detect")) == ""
    assert agreement(rows(a="untouched", b="untouched")) == "", "the table says it"
    quiet, loud = (rows(detector=answer)[0]["verdict"] for answer in ("untouched", "altered"))
    assert agreement(rows(a="untouched", b="untouched"), quiet) == ""
    assert agreement(rows(a="untouched", b="cannot detect"), loud).startswith(
        "Not the one model that can tell alarms; the detector, "
    )
    assert agreement(rows(a="untouched", b="untouched"), loud).startswith(
        "None of the 2 models that can tell alarms; the detector, "
    )
    strange = agreement(rows(a="untouched", b="strange"))
    assert strange.startswith("Of 2 models that can tell, 1 alarms, as it is like nothing that they learned; by chance")
    one = agreement(rows(a="altered", b="untouched"))
    assert one.startswith("Of 2 models that can tell, 1 alarms, for blur; by chance 5 % of untouched")
    beside = agreement(rows(a="altered", b="strange", c="untouched"))
    assert beside.startswith(
        "Of 3 models that can tell, 2 alarm, 1 of them for blur, 1 of them as it is like nothing that they learned; by"
    )
    assert agreement(rows(a="altered", b="altered")).startswith("Of 2 models that can tell, 2 alarm, all of them for")


def test_of_one_class_the_probability_is_told_and_what_is_named_instead():
    row = rows(a="untouched")[0] | {
        "classes": [
            {"class": "sepia", "group": "color", "probability": 0.6},
            {"class": "fog", "group": "weather", "probability": 0.3},
        ]
    }
    assert answer_for("sepia")(row).words == "60 %"
    fog = answer_for("fog")(row)
    assert fog.rather == ("color", 0.6)
    assert answer_for("sepia")(row).rather is None
    html = models_table({"x": [row]}, Theme(), found=answer_for("fog"))
    assert html.index("width:60.0%") < html.index("width:30.0%"), "the asked one lies over the other"
    assert (fog.words, fog.probability, fog.group) == ("30 %, rather sepia (60 %)", 0.3, "weather")
    assert answer_for("none")(row).probability is None
