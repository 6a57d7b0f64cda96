"""The answer to "was my picture altered?": the detector's verdict in one line, and a row for each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import streamlit as st

from dashboard import state
from dashboard.data.predictions import Row
from dashboard.text import plain, unbroken
from probing_core.api.scan import ABOUT_Q, done_in_words, share_as_altered
from probing_core.charts import Theme
from probing_core.charts.theme import BASELINE
from probing_core.compute.live import ALTERED, CANNOT_TELL, PRIOR, RATHER_ALTERED, RATHER_UNTOUCHED, UNTOUCHED
from probing_core.compute.names import DETECTOR
from probing_core.detector.verdicts import as_altered, group_in_words
from probing_core.images.quality import FLAT, PERHAPS_NO_PHOTOGRAPH
from probing_core.measures.notation import in_percent, model_title, transform_title

PRIORS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Approximately evenly spaced by their odds, one half in the middle."""

ALARMS = (ALTERED, RATHER_ALTERED)

THUMBNAIL = 64
"""Side of a thumbnail in pixels."""

AS_ALTERED = "Untouched ones like it"
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


def which_to_believe(decided: Row, rows: Sequence[Row], flat: float, accuracies: Mapping[str, float]) -> str:
    """Return what the models' answers mean beside the verdict, and that the verdict counts where they differ; neither
    for what is perhaps no photograph.

    Args:
        decided: row of the detector.
        rows: of the models.
        flat: as in `show_answer`.
        accuracies: model -> its balanced accuracy on pictures of the run; empty if not measured.
    """
    if flat > FLAT:
        return "The models learned from photographs, too: their answers mean as little."
    right = [accuracies[row["model"]] for row in _trained(rows) if row["model"] in accuracies]
    measured = (
        f" They are right in {in_percent(min(right))} to {in_percent(max(right))} of cases; guessing would be right in "
        "50 % (Methods and data)."
        if right
        else ""
    )
    differ = "" if decided["answer"] == CANNOT_TELL else "**Where verdict and models differ, go by the verdict.** "
    return (
        f"{differ}The detector was trained to find alterations, and alarms at "
        f"{in_percent(decided['verdict']['level'])} of untouched photographs. The models were trained for something "
        f"else: their answers show what an embedding holds.{measured}"
    )


def noticed(rows: Sequence[Row]) -> str:
    """Return how many of the trained models notice that a picture was altered, and the alteration that most of these
    name, if any."""
    told = _trained(rows) or rows
    named = [transform_title(row["classes"][0]["class"]) for row in told if row["answer"] in ALARMS]
    untouched = sum(row["answer"] in (UNTOUCHED, RATHER_UNTOUCHED) for row in told)
    most, count = [*Counter(named).most_common(1), ("", 0)][0]
    agree = f", {count} of them {most}" if 1 < len(named) < 2 * count else f", {most}" if len(named) == 1 else ""
    return (
        f"{len(named)} of {len(told)} {'trained models' if _trained(rows) else 'baselines'} "
        f"{'calls' if len(named) == 1 else 'call'} the picture altered{agree}; {untouched} untouched, and "
        f"{len(told) - len(named) - untouched} cannot tell."
    )


def _trained(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row["model"].startswith(BASELINE)]


ABOUT_ROWS = (
    "Bars: how probable it is that the picture was altered. *If so*: what was done to it, if it was altered. This is "
    "the easier question, since weak alterations look like other photographs."
)


def models_table(answers: Mapping[str, Sequence[Row]], theme: Theme, waiting: Sequence[str] = ()) -> str:
    """Return HTML: a row per model with a bar for the probability that the picture was altered, and the first answer.
    Baselines are folded below the trained models.

    Args:
        answers: name of a picture -> the rows of all models about it, in the same order; one picture, or two that are
            compared, with one bar below the other under their names.
        waiting: models that have not answered yet.
    """
    whens = list(answers) if len(answers) > 1 else [""]
    trained: list[str] = []
    baselines: list[str] = []
    for rows in zip(*answers.values(), strict=True):
        model = rows[0]["model"]
        bars = "".join(_bar(row, when) for when, row in zip(whens, rows, strict=True))
        named = "".join(_first(row, theme) for row in rows)
        line = f'<tr><th scope="row">{escape(_who(model))}</th><td>{bars}</td><td>{named}</td></tr>'
        (baselines if model.startswith(BASELINE) else trained).append(line)
    scale = '<span class="scale"><span>0</span><span>50</span><span>100 %</span></span>'
    before = '<span class="when"></span>' if len(whens) > 1 else ""
    head = (
        '<thead><tr><th scope="col">Model</th>'
        f'<th scope="col"><div class="line">{before}{scale}<span class="words">Altered?</span></div></th>'
        '<th scope="col">If so</th></tr></thead>'
    )
    table = f'<table class="answers">{head}<tbody>{"".join(trained or baselines)}</tbody></table>'
    if trained and baselines:
        several = f"{len(baselines)} baselines, which learned" if len(baselines) > 1 else "One baseline, which learned"
        table += (
            f"<details><summary>{several} nothing from pictures</summary>"
            f'<table class="answers">{head}<tbody>{"".join(baselines)}</tbody></table></details>'
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
    words = f'<span class="words sure">{unbroken(in_percent(row["altered"]))} {row["answer"]}</span>'
    return f'<div class="line">{before}{share}{words}</div>'


def _first(row: Row, theme: Theme) -> str:
    first = row["classes"][0]
    mark = f'<i style="background:{theme.group(first["group"])}"></i>'
    named = f"{escape(transform_title(first['class']))} {unbroken(in_percent(first['probability']))}"
    return f'<div class="line first">{mark}<span class="named">{named}</span></div>'


class Line(NamedTuple):
    """A line of `pictures_table`, whose texts are for people.

    Attributes:
        thumbnail: its address; empty if there is none.
        remark: flags of the picture, or why it cannot be read.
        done: what was done, if anything was found.
        like_it: how many untouched photographs seem as altered.
        q: the false discovery rate; empty if none is promised.
    """

    thumbnail: str
    name: str
    remark: str = ""
    verdict: str = "…"
    done: str = ""
    like_it: str = ""
    q: str = ""


def line_of(row: Row, thumbnail: str, flat: float) -> Line:
    """Return the line of a live answer; ``flat`` as in `show_answer`."""
    words = f"{PERHAPS_NO_PHOTOGRAPH} ({row['answer']})" if flat > FLAT else row["answer"]
    line = Line(thumbnail, row["image"], verdict=words)
    if row["model"] != DETECTOR:
        return line._replace(done=transform_title(row["classes"][0]["class"]) if row["answer"] in ALARMS else "")
    verdict = row["verdict"]
    done = done_in_words(verdict["transform"], verdict["group"], verdict["group_probability"])
    return line._replace(done=done, like_it=share_as_altered(verdict["p"], verdict["n"]) if verdict["p"] else "")


def pictures_table(lines: Sequence[Line]) -> str:
    """Return HTML: a table of pictures and their verdicts, which wraps on a phone as Streamlit's table does not."""
    heads = ["", "Picture", "Verdict", "What was done"]
    about = {AS_ALTERED: ABOUT_AS_ALTERED} | ({"False discoveries": ABOUT_Q} if any(line.q for line in lines) else {})
    rows = []
    for line in lines:
        size = f'width="{THUMBNAIL}" height="{THUMBNAIL}"'
        picture = f'<img src="{escape(line.thumbnail)}" alt="" {size}>' if line.thumbnail else ""
        name = f'<th scope="row">{escape(line.name)}<small>{escape(line.remark)}</small></th>'
        cells = [line.verdict, line.done, line.like_it, line.q][: 2 + len(about)]
        told = "".join(f"<td>{escape(unbroken(cell))}</td>" for cell in cells)
        rows.append(f"<tr><td>{picture}</td>{name}{told}</tr>")
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    head += "".join(f'<th scope="col" title="{escape(words)}">{name}</th>' for name, words in about.items())
    return f'<table class="examples"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
