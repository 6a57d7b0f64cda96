"""The answer to "was my picture altered?": the detector's verdict in one line, and a row for each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.data.predictions import Row
from dashboard.text import plain, unbroken
from probing_core.charts import Theme
from probing_core.charts.theme import BASELINE
from probing_core.compute.live import ALTERED, CANNOT_TELL, PRIOR, RATHER_ALTERED, RATHER_UNTOUCHED, UNTOUCHED, word
from probing_core.compute.names import DETECTOR
from probing_core.detector.verdicts import as_altered, group_in_words
from probing_core.images.quality import FLAT, PERHAPS_NO_PHOTOGRAPH
from probing_core.measures.notation import in_percent, model_title, transform_title

PRIORS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Approximately evenly spaced by their odds, one half in the middle."""

ALARMS = (ALTERED, RATHER_ALTERED)


AS_ALTERED = "Untouched as altered"
ABOUT_AS_ALTERED = (
    "Of untouched photographs, how many seem at least as altered to the detector as this picture. Where it is 5 % or "
    "less, the picture is called altered."
)
"""Title of a column on how rare a picture would be among untouched photographs, and its explanation."""


def pick_prior() -> float:
    """Return the share of altered pictures before any is looked at, which the visitor selects."""
    prior = state.choice(
        st.select_slider,
        "Share of such pictures that are altered",
        "prior",
        PRIOR,
        PRIORS,
        format_func=in_percent,
        help="What you expect before looking. Few pictures from a camera are altered: a low share makes every "
        "probability lower.",
    )
    st.caption(
        "The models' answers depend on this share, and so does how sure the detector is of *untouched*. Its alarms do "
        "not: they compare the picture with untouched photographs only."
    )
    return prior


def detectors(rows: Sequence[Row]) -> Row | None:
    return next((row for row in rows if row["model"] == DETECTOR and row["verdict"]["p"] is not None), None)


def show_answer(row: Row, hardly_detected: Sequence[str], flat: float, prior: float = PRIOR) -> None:
    """Show what was done to a picture, how certain that is, and what cannot be detected.

    Args:
        row: of the detector.
        hardly_detected: groups of which the detector finds less than half.
        flat: share of the picture without detail (`probing_core.images.quality.flatness`).
        prior: share of altered pictures among such pictures.
    """
    alarms = row["answer"] in ALARMS and flat <= FLAT
    unsure = row["answer"] == CANNOT_TELL or flat > FLAT
    # Nothing is shown in green: it may be an alteration that the detector misses.
    icon = ":material/edit:" if alarms else ":material/help:" if unsure else ":material/check:"
    (st.warning if alarms else st.info)(unbroken(answer(row, hardly_detected, flat, prior)), icon=icon)


def answer(row: Row, hardly_detected: Sequence[str], flat: float = 0.0, prior: float = PRIOR) -> str:
    verdict = row["verdict"]
    why = f"{as_altered(verdict['p'], verdict['n'])} untouched photographs seem at least as altered as this picture"
    end = " It has hardly any color, so color was not judged." if verdict["no_color"] else ""
    if flat > FLAT:
        return (
            f"**{PERHAPS_NO_PHOTOGRAPH.capitalize()}**: {in_percent(flat)} of it has no detail, as in screenshots and "
            f"drawings. The detector knows photographs alone, so the answer means little: {_answer_in_words(row)}.{end}"
        )
    words = row["answer"].capitalize()
    if row["answer"] in ALARMS:
        share = in_percent(verdict["group_probability"])
        group = plain(group_in_words(verdict["group"], verdict["group_probability"]))
        named = f"{plain(transform_title(verdict['transform']))} ({in_percent(verdict['transform_probability'])})"
        return f"**{words}: {group}** ({share}), most like {named}. {why}.{_true_alarms(verdict, prior)}{end}"
    finds = ""
    if verdict["power"] is not None:
        hardly = f" (of {', '.join(hardly_detected)} less than half)" if hardly_detected else ""
        finds = (
            f" The detector finds {in_percent(verdict['power'])} of altered pictures of this size{hardly}, where "
            f"{in_percent(verdict['level'])} of untouched ones alarm."
        )
    return f"**{words}**. {why}.{finds}{end}"


def _answer_in_words(row: Row) -> str:
    if row["answer"] not in ALARMS:
        return row["answer"]
    verdict = row["verdict"]
    return f"{row['answer']}: {group_in_words(verdict['group'], verdict['group_probability'])}"


def _true_alarms(verdict: Mapping[str, Any], prior: float) -> str:
    if prior >= PRIOR or verdict["power"] is None:
        return ""
    right, wrong = prior * verdict["power"], (1 - prior) * verdict["level"]
    return (
        f" Where {in_percent(prior)} of such pictures are altered, about {in_percent(right / (right + wrong))} of all "
        "alarms are right."
    )


def short_answer(row: Row, flat: float = 0.0) -> str:
    """Return the answer of a row in a few words, for a table of pictures; ``flat`` as in `show_answer`."""
    if flat > FLAT:
        return f"{PERHAPS_NO_PHOTOGRAPH} ({row['answer']})"
    if row["model"] == DETECTOR:
        return _answer_in_words(row)
    return (
        f"{row['answer']}: {transform_title(row['classes'][0]['class'])}" if row["answer"] in ALARMS else row["answer"]
    )


def which_to_believe(
    decided: Row, rows: Sequence[Row], flat: float, flagged: bool, accuracies: Mapping[str, float]
) -> str:
    """Return what the models' answers mean, and which to believe where they contradict the verdict: neither, for what
    is perhaps no photograph. Without rows the text is empty.

    They contradict it where at least half of them do, or one of the most accurate encoders.

    Args:
        decided: row of the detector.
        rows: of the models.
        flat: as in `show_answer`.
        flagged: whether flags of the picture are shown.
        accuracies: model -> its balanced accuracy on pictures of the run; empty if not measured.
    """
    if not rows:
        return ""
    if flat > FLAT:
        return "The models learned from photographs, too: their answers mean as little."
    alarms = decided["answer"] in ALARMS
    against = _contradicting(decided, rows, accuracies)
    right = [accuracies[row["model"]] for row in _telling(rows, accuracies) if row["model"] in accuracies]
    measured = (
        f" They are right in {in_percent(min(right))} to {in_percent(max(right))} of cases; guessing would be right in "
        "50 % (Methods and data)."
        if right
        else ""
    )
    differ = f"**The detector's verdict and {against} differ; go by the verdict.** " if against else ""
    flags = " Flags say how a picture looks, also straight from a camera." if flagged and differ and not alarms else ""
    return (
        f"{differ}The detector was trained to find alterations, "
        f"and alarms at {in_percent(decided['verdict']['level'])} of untouched photographs. The models were trained "
        f"for something else: their answers show what an embedding holds, not whether your picture was altered."
        f"{measured}{flags}"
    )


BEST = 2
"""Most accurate encoders, each of which alone can contradict a verdict."""


def _contradicting(decided: Row, rows: Sequence[Row], accuracies: Mapping[str, float]) -> str:
    """Return which models contradict the verdict, in words; empty where none do, or where the detector cannot tell."""
    if decided["answer"] == CANNOT_TELL:
        return ""
    alarms = decided["answer"] in ALARMS
    rows = _telling(rows, accuracies)
    share = sum(row["answer"] in ALARMS for row in rows) / len(rows)
    if (share < 0.5) if alarms else (share >= 0.5):
        return "most of the models"
    other = (UNTOUCHED, RATHER_UNTOUCHED) if alarms else ALARMS
    best = _most_accurate(rows, accuracies)[:BEST]
    return " and ".join(plain(model_title(row["model"])) for row in best if row["answer"] in other)


def _telling(rows: Sequence[Row], accuracies: Mapping[str, float]) -> list[Row]:
    """Return the rows without those of models that answer the same for altered and untouched pictures, as image hashes
    do; all where no model tells them apart."""
    return [row for row in rows if accuracies.get(row["model"], 1.0) > GUESSING] or list(rows)


GUESSING = 0.5


def _most_accurate(rows: Sequence[Row], accuracies: Mapping[str, float]) -> list[Row]:
    """Return the rows of encoders whose accuracy is known, the most accurate first; a baseline is no encoder."""
    measured = [row for row in rows if row["model"] in accuracies and not row["model"].startswith(BASELINE)]
    return sorted(measured, key=lambda row: -accuracies[row["model"]])


def noticed(rows: Sequence[Row], accuracies: Mapping[str, float] = MappingProxyType({})) -> str:
    """Return how many of the models notice that a picture was altered, the alteration that most of these name, if any,
    and the answer of the most accurate encoder.

    Args:
        rows: of the models.
        accuracies: as in `which_to_believe`.
    """
    asked, rows = rows, _telling(rows, accuracies)
    left_out = len(asked) - len(rows)
    alarming = [transform_title(row["classes"][0]["class"]) for row in rows if row["answer"] in ALARMS]
    untouched = sum(row["answer"] in (UNTOUCHED, RATHER_UNTOUCHED) for row in rows)
    torn = sum(row["answer"] == CANNOT_TELL for row in rows)
    most, count = [*Counter(alarming).most_common(1), ("", 0)][0]
    most = most if count > len(alarming) / 2 else ""
    agree = f", {count} of them {most}" if len(alarming) > 1 and most else f", {most}" if most else ""
    call = "calls" if len(alarming) == 1 else "call"
    counts = (
        f"{len(alarming)} of {len(rows)} models {call} the picture altered{agree}; {untouched} untouched, and {torn} "
        "cannot tell." + (f" Not counted: {left_out} that can never tell." if left_out else "")
    )
    if len(rows) == 1 or not (best := _most_accurate(rows, accuracies)[:1]):
        return counts
    who = plain(model_title(best[0]["model"]))
    return f"{counts} {who}, the most accurate encoder here, answers *{plain(short_answer(best[0]))}*."


ABOUT_ROWS = (
    "Bars: how probable it is that the picture was altered. *If so*: what was done to it, if it was altered. This is "
    "the easier question, since weak alterations look like other photographs."
)


def models_table(answers: Mapping[str, Sequence[Row]], theme: Theme, waiting: Sequence[str] = ()) -> str:
    """Return HTML: a row per model with a bar for the probability that the picture was altered, and the first answer.

    Args:
        answers: name of a picture -> the rows of all models about it, in the same order; one picture, or two that are
            compared, with one bar below the other under their names.
        waiting: models that have not answered yet.
    """
    whens = list(answers) if len(answers) > 1 else [""]
    lines = []
    for rows in zip(*answers.values(), strict=True):
        bars = "".join(_bar(row, when) for when, row in zip(whens, rows, strict=True))
        named = "".join(_first(row, theme) for row in rows)
        lines.append(f'<tr><th scope="row">{escape(_who(rows[0]["model"]))}</th><td>{bars}</td><td>{named}</td></tr>')
    scale = '<span class="scale"><span>0</span><span>50</span><span>100 %</span></span>'
    before = '<span class="when"></span>' if len(whens) > 1 else ""
    table = (
        '<table class="answers"><thead><tr><th scope="col">Model</th>'
        f'<th scope="col"><div class="line">{before}{scale}<span class="words">Altered?</span></div></th>'
        f'<th scope="col">If so</th></tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )
    if not waiting:
        return table
    several = f"{len(waiting)} models are" if len(waiting) > 1 else "One model is"
    return f'{table}<p class="awaited">{several} being asked …</p>'


def _who(model: str) -> str:
    return "Detector" if model == DETECTOR else model_title(model)


def _bar(row: Row, when: str) -> str:
    before = f'<span class="when">{escape(when)}</span>' if when else ""
    share = f'<span class="track"><i style="width:{100 * row["altered"]:.1f}%;background:currentColor"></i></span>'
    words = f'<span class="words sure">{_unbroken(row["altered"], _places(row))} {row["answer"]}</span>'
    return f'<div class="line">{before}{share}{words}</div>'


def _first(row: Row, theme: Theme) -> str:
    first = row["classes"][0]
    mark = f'<i style="background:{theme.group(first["group"])}"></i>'
    named = f"{escape(transform_title(first['class']))} {_unbroken(first['probability'])}"
    return f'<div class="line first">{mark}<span class="named">{named}</span></div>'


def _places(row: Row) -> int:
    """Return how many decimals a probability needs so that the number, too, is on the answer's side of the borders
    between answers: 90 % is still *rather altered*, 90.2 % is *altered*."""
    fitting = (places for places in range(MAX_PLACES) if word(round(row["altered"], places + 2)) == row["answer"])
    return next(fitting, MAX_PLACES)


MAX_PLACES = 2


def _unbroken(share: float, places: int = 0) -> str:
    return in_percent(share, places).replace(" ", "\N{NO-BREAK SPACE}")
