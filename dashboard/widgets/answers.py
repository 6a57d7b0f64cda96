"""The answer to "was my picture altered?": the detector's verdict in one line, and a row for each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import streamlit as st

from dashboard import state
from dashboard.data.predictions import Measured, Row
from dashboard.text import plain, unbroken
from probing_core.api.scan import ABOUT_P, ABOUT_Q, AS_ALTERED
from probing_core.charts import Theme
from probing_core.compute.live import ALTERED, CANNOT_TELL, PRIOR, RATHER_ALTERED, RATHER_UNTOUCHED, UNTOUCHED
from probing_core.compute.names import DETECTOR
from probing_core.detector.verdicts import (
    NOT_CLEAR,
    as_altered,
    by_odds,
    done_in_words,
    is_named,
    said_of,
    transform_in_words,
)
from probing_core.images import COMPRESSED
from probing_core.images.quality import FLAT, PERHAPS_NO_PHOTOGRAPH
from probing_core.measures.notation import BASELINE, in_percent, model_title, transform_title
from probing_core.measures.statistics import networks

PRIORS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Approximately evenly spaced by their odds, one half in the middle."""

ALARMS = (ALTERED, RATHER_ALTERED)

THUMBNAIL = 64
"""Side of a thumbnail in pixels."""


def pick_prior() -> float:
    """Return the selected share of altered pictures among such pictures."""
    return state.choice(
        st.select_slider,
        "Share of such pictures that are altered",
        "prior",
        PRIOR,
        PRIORS,
        format_func=in_percent,
        help="What you expect before looking. Few pictures from a camera are altered: a low share makes every "
        "probability lower.",
    )


def is_verdict(row: Row) -> bool:
    """Return whether the row is the detector's, and it could decide."""
    return row["model"] == DETECTOR and row["verdict"]["p"] is not None


def show_answer(row: Row, hardly_detected: Sequence[str], flat: float, prior: float, flags: Sequence[str]) -> None:
    """Show `answer`, marked as an alarm, as open, or as neither."""
    unsure = row["answer"] == CANNOT_TELL or flat > FLAT or _is_probably_false(row, prior)
    alarms = row["answer"] in ALARMS and not unsure
    # Nothing is shown in green: it may be an alteration that the detector misses.
    icon = ":material/edit:" if alarms else ":material/help:" if unsure else ":material/check:"
    (st.warning if alarms else st.info)(unbroken(answer(row, hardly_detected, flat, prior, flags)), icon=icon)


def answer(
    row: Row, hardly_detected: Sequence[str], flat: float = 0.0, prior: float = PRIOR, flags: Sequence[str] = ()
) -> str:
    """Return what was done to a picture, how certain that is, and what cannot be detected.

    Args:
        row: of the detector.
        hardly_detected: groups of which the detector finds less than half.
        flat: share of the picture without detail (`probing_core.images.quality.flatness`).
        prior: share of altered pictures among such pictures.
        flags: of the picture, to which the sentence refers.
    """
    verdict = row["verdict"]
    why = f"{as_altered(verdict['p'], verdict['n'])} untouched photographs seem at least as altered as this picture"
    end = " It has hardly any color, so color was not judged." if verdict["no_color"] else ""
    if flat > FLAT:
        return (
            f"**{PERHAPS_NO_PHOTOGRAPH.capitalize()}**: {in_percent(flat)} of it has no detail, as in screenshots and "
            "drawings. The detector knows photographs alone, so it gives no verdict here."
        )
    words = row["answer"].capitalize()
    if row["answer"] in ALARMS:
        probabilities = verdict["group_probability"], verdict["transform_probability"]
        done = done_in_words(verdict["group"], verdict["transform"], *probabilities, numbers=True)
        what = f"; what was done is {done}" if done == NOT_CLEAR else f": {plain(done)}"
        flag = next((flag for flag in flags if COMPRESSED in flag), "")
        if flag and verdict["group"] == "codec" and is_named(probabilities[0]):
            why = f"The file itself says {flag.partition(':')[0]}. {why}"
        if any("blurred" in flag for flag in flags):
            end = f" Enlarging a picture blurs it, too.{end}"
        if prior >= PRIOR:
            return f"**{words}{what}**. {why}.{end}"
        altered = by_odds(verdict["odds"], prior)
        rare = (
            f"Where {in_percent(prior)} of such pictures are altered, the probability that this one was altered is "
            f"{in_percent(altered)}."
        )
        if _is_probably_false(row, prior):
            what = "" if done == NOT_CLEAR else f" If it was: {plain(done)}."
            return f"**Unusual for an untouched picture, but most likely a false alarm**. {rare}{what} {why}.{end}"
        return f"**{words}{what}**. {why}. {rare}{end}"
    finds = ""
    if verdict["power"] is not None:
        hardly = f" (of {', '.join(hardly_detected)} less than half)" if hardly_detected else ""
        finds = (
            f" The detector finds {in_percent(verdict['power'])} of altered pictures of this size{hardly}, where "
            f"{in_percent(verdict['level'])} of untouched ones alarm."
        )
    return f"**{words}**. {why}.{finds}{end}"


def _is_probably_false(row: Row, prior: float) -> bool:
    """Return whether a detector's alarm is more probably false than right, since few pictures are altered."""
    return row["answer"] in ALARMS and prior < PRIOR and by_odds(row["verdict"]["odds"], prior) < 0.5


def which_to_believe(
    decided: Row, rows: Sequence[Row], flat: float, prior: float, measured: Measured | None = None
) -> str:
    """Return what the models' answers mean beside the verdict, and that the verdict counts where they differ; neither
    for what is perhaps no photograph.

    Args:
        decided: row of the detector.
        rows: of the models.
        flat, prior: as in `answer`.
        measured: how right the models are, if that is known.
    """
    verdict, trained = decided["verdict"], [row["model"] for row in _trained(rows)]
    if flat > FLAT:
        return "The models learned from photographs, too: their answers mean as little."
    alarms = decided["answer"] in ALARMS and not _is_probably_false(decided, prior)
    differ = ""
    if decided["answer"] == CANNOT_TELL:
        differ = "**The verdict is open, and the models do not decide it**. "
    elif any((row["answer"] in ALARMS) != alarms for row in _trained(rows)):
        differ = "**Where a model disagrees, go by the verdict**. "
    words = (
        f"{differ}The detector was trained to find alterations. The models were trained for something else: their "
        "answers show what an embedding holds."
    )
    if measured is None:
        return words
    is_known = decided["answer"] in ALARMS and is_named(verdict["group_probability"])
    by_model = measured.found.get(verdict["group"], {}) if is_known else {}
    shares = [by_model[model] for model in trained if model in by_model]
    right = shares or [measured.accuracies[model] for model in trained if model in measured.accuracies]
    if not right:
        return words
    who = "the models" if len(right) == len(trained) else f"{len(right)} of these models"
    between = f"{in_percent(min(right))} to {in_percent(max(right))}"
    how = (
        f"of pictures altered by {verdict['group']}, {who} call {between} altered."
        if shares
        else f"where half of the pictures are altered, {who} are right in {between} of cases, and guessing in 50 %."
    )
    return f"{words} Measured on {measured.about}: {how}"


def noticed(rows: Sequence[Row]) -> str:
    """Return how many of the trained models notice that a picture was altered, and the alteration that most of these
    name as more probable than not, if any."""
    counted = _trained(rows) or rows
    altered = [row["classes"][0] for row in counted if row["answer"] in ALARMS]
    named = [transform_title(first["class"]) for first in altered if is_named(first["probability"])]
    untouched = sum(row["answer"] in (UNTOUCHED, RATHER_UNTOUCHED) for row in counted)
    most, count = [*Counter(named).most_common(1), ("", 0)][0]
    several = f" ({count} of them {most})" if 2 * count > len(altered) > 1 else ""
    agree = f" ({most})" if len(altered) == count == 1 else several
    said = {f"altered{agree}": len(altered), "untouched": untouched}
    words = [f"{number} say{'s' * (number == 1)} {what}" for what, number in said.items() if number]
    if open_ := len(counted) - len(altered) - untouched:
        words.append(f"{open_} cannot tell")
    return f"Of {len(counted)} {'trained models' if _trained(rows) else 'baselines'}, {', '.join(words)}."


def _trained(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row["model"].startswith(BASELINE)]


ABOUT_ROWS = (
    "Bars: how probable it is that the picture was altered. *If altered*: what was then most probably done to it, and "
    "how probable that is."
)


def models_table(answers: Mapping[str, Sequence[Row]], theme: Theme, waiting: Sequence[str] = ()) -> str:
    """Return HTML: a row per model with a bar for the probability that the picture was altered, and the first answer.
    Baselines are folded below the trained models.

    Args:
        answers: the rows of all models about one picture, or about two that are compared, by their names, with one bar
            below the other.
        waiting: models that have not answered yet.
    """
    compared = list(answers) if len(answers) > 1 else [""]
    trained: list[str] = []
    baselines: dict[str, str] = {}
    for rows in zip(*answers.values(), strict=True):
        model = rows[0]["model"]
        bars = "".join(_bar(row, when) for when, row in zip(compared, rows, strict=True))
        named = "".join(_first(row, theme) for row in rows)
        who = "Detector" if model == DETECTOR else escape(model_title(model))
        line = f'<tr><th scope="row">{who}</th><td>{bars}</td><td>{named}</td></tr>'
        if model.startswith(BASELINE):
            baselines[model] = line
        else:
            trained.append(line)
    scale = '<span class="scale"><span>0</span><span>50</span><span>100 %</span></span>'
    before = '<span class="when"></span>' if len(compared) > 1 else ""
    head = (
        '<thead><tr><th scope="col">Model</th>'
        f'<th scope="col"><div class="line">{before}{scale}<span class="words">Altered?</span></div></th>'
        '<th scope="col">If altered</th></tr></thead>'
    )
    table = f'<table class="answers">{head}<tbody>{"".join(trained or baselines.values())}</tbody></table>'
    if trained and baselines:
        alone = len(networks(baselines))
        several = f"{alone} baselines" if alone > 1 else "One baseline"
        if again := len(baselines) - alone:
            several += f" and {again} further training{'s' if again > 1 else ''} of one of them"
        table += (
            f"<details><summary>{several}, which learned nothing from pictures</summary>"
            f'<table class="answers">{head}<tbody>{"".join(baselines.values())}</tbody></table></details>'
        )
    if not waiting:
        return table
    several = f"{len(waiting)} models are" if len(waiting) > 1 else "One model is"
    return f'{table}<p class="awaited">{several} being asked …</p>'


def _bar(row: Row, when: str) -> str:
    before = f'<span class="when">{escape(when)}</span>' if when else ""
    share = f'<span class="track"><i style="width:{100 * row["altered"]:.1f}%;background:currentColor"></i></span>'
    words = f'<span class="words sure">{unbroken(in_percent(row["altered"]))} {row["answer"]}</span>'
    return f'<div class="line">{before}{share}{words}</div>'


def _first(row: Row, theme: Theme) -> str:
    first = row["classes"][0]
    mark = f'<i style="background:{theme.group(first["group"])}"></i>'
    named = f"{escape(transform_title(first['class']))}: {unbroken(in_percent(first['probability']))}"
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
    remark: str
    verdict: str
    done: str = ""
    like_it: str = ""
    q: str = ""


def line_of(row: Row, thumbnail: str, flat: float, prior: float = PRIOR) -> Line:
    """Return the line of a live answer; ``flat`` and ``prior`` as in `answer`."""
    if row["model"] != DETECTOR:
        first = row["classes"][0]
        done = transform_in_words(first["class"], first["probability"]) or NOT_CLEAR if row["answer"] in ALARMS else ""
        return Line(thumbnail, row["image"], "", row["answer"], done[:1].upper() + done[1:])
    verdict = row["verdict"]
    named = verdict["group"], verdict["transform"]
    probabilities = verdict["group_probability"], verdict["transform_probability"]
    said = said_of(row["answer"], *named, *probabilities, verdict["p"], verdict["n"], flat > FLAT)
    doubt = (
        "most likely a false alarm, since few are altered" if flat <= FLAT and _is_probably_false(row, prior) else ""
    )
    return Line(thumbnail, row["image"], doubt, *said)


def pictures_table(lines: Sequence[Line]) -> str:
    """Return HTML: a table of pictures and their verdicts, which wraps on a phone as Streamlit's table does not."""
    heads = ["", "Picture", "Verdict", "What was done"]
    about = {AS_ALTERED: ABOUT_P} | ({"False discoveries": ABOUT_Q} if any(line.q for line in lines) else {})
    rows = []
    for line in lines:
        size = f'width="{THUMBNAIL}" height="{THUMBNAIL}"'
        picture = f'<img src="{escape(line.thumbnail)}" alt="" {size}>' if line.thumbnail else ""
        name = f'<th scope="row">{escape(line.name)}<small>{escape(line.remark)}</small></th>'
        cells = [line.verdict, line.done, line.like_it, line.q][: 2 + len(about)]
        columns = "".join(f"<td>{escape(unbroken(cell))}</td>" for cell in cells)
        rows.append(f"<tr><td>{picture}</td>{name}{columns}</tr>")
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    head += "".join(f'<th scope="col" title="{escape(words)}">{name}</th>' for name, words in about.items())
    return f'<table class="examples"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
