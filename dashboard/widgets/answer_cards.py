"""Display of answers: the detector's answer for an image, and tables of models and of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data.predictions import Row
from dashboard.text import plain
from probing_core.answers.answer import (
    ANSWERS,
    FOUND,
    NO_EDIT_DETECTED,
    PRIOR,
    PROBABLY_UNEDITED,
    Answer,
    Unavailable,
    answer_in_words,
)
from probing_core.answers.answer_sentences import ABOUT_P, ABOUT_Q, Edit, edit_cell, edit_of, p_in_words
from probing_core.answers.reference_sets import KIND_PHRASES, LEVEL, ReferenceSet
from probing_core.charts import Theme
from probing_core.compute.task_names import DETECTOR
from probing_core.images import COMPRESSED
from probing_core.measures.notation import counted, in_percent, model_title, transform_title

PRIORS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Selectable priors, approximately evenly spaced in log odds, with 0.5 in the middle."""

THUMBNAIL = 64
"""Side length of a thumbnail in pixels."""

EXPLAINS = {
    COMPRESSED: "codec",
    "looks blurred": "blur",
    "looks noisy": "noise",
    "little contrast": "tone",
    "border of one color": "overlay",
}
"""Text in a flag of an image -> group of edits that may cause the flag."""


UNEDITED = (PROBABLY_UNEDITED, NO_EDIT_DETECTED)


def pick_prior() -> float:
    """Show a slider for the prior, and return the selected prior."""
    return state.choice(
        st.select_slider,
        "Expected fraction of edited images",
        "prior",
        PRIOR,
        PRIORS,
        format_func=in_percent,
        help="Fraction that you expect before examining any image. A lower fraction lowers all probabilities.",
    )


def stored_prior() -> float:
    """Return the prior that was selected with `pick_prior`, whose slider is rendered after the answers."""
    stored = st.session_state.get("prior", state.stored_choice("prior"))
    return next((prior for prior in PRIORS if str(prior) == str(stored)), PRIOR)


def show_answer(answer: Answer, prior: float) -> None:
    """Show the `headline` of an answer with an icon for edited, unedited or inconclusive."""
    word = answer.word(prior)
    if word in FOUND:
        st.warning(headline(answer, prior), icon=":material/edit:")
    else:  # unedited is not shown in green, because the detector may have missed an edit
        decided = word in UNEDITED and not answer.no_color
        st.info(headline(answer, prior), icon=":material/check:" if decided else ":material/help:")


def headline(answer: Answer, prior: float = PRIOR) -> str:
    """Format the answer of the detector with its probability and the detected edit, as Markdown."""
    if answer.unavailable == Unavailable.NO_PHOTOGRAPH:
        return (
            "**This may not be a photograph**: most of the image has no texture, as in screenshots and drawings. No "
            "answer is available, because the detector was trained only on photographs."
        )
    word, probability = answer.word(prior), answer.probability(prior)
    text = answer_in_words(word, probability)
    if answer.no_color:
        scope = "**The image has almost no color, so it cannot be determined whether color was removed.**"
        text = f"{scope} Apart from that: **{plain(text)}**"
    else:
        text = f"**{plain(text[0].upper() + text[1:])}**"
    if probability is None:
        return f"{text}: {answer.unavailable}."
    return f"{text}: {plain(edit_of(answer.classes()).in_words(numbers=True))}" if word in FOUND else text


def error_rate(answer: Answer, reference: ReferenceSet, prior: float = PRIOR) -> str:
    """Return a sentence on how often the answer of the detector is wrong for photographs of the same kind.

    Args:
        answer: answer of the detector, with a probability.
        reference: clean and edited photographs to which the image was compared.
        prior: assumed fraction of edited images.
    """
    word, kind = answer.word(prior), KIND_PHRASES[answer.evidence.kind] if answer.evidence else ""
    if word in UNEDITED:
        share = reference.miss_rate(word, prior)
        return f"Of 100 edited photographs {kind}, {_of_100(share)} get this answer or a more confident one."
    count, total = reference.false_positives(word, prior)
    return (
        f"Of 100 unedited photographs {kind}, {_of_100(count / total)} get this answer or a stronger one "
        f"({count:,} of {total:,})."
    )


def _of_100(share: float) -> str:
    return "fewer than 1" if round(100 * share) < 1 else f"about {round(100 * share)}"


def disagreement(answer: Answer, rows: Sequence[Row], prior: float = PRIOR) -> str:
    """Explain why the detector is shown first if most models contradict it. Otherwise, return an empty text.

    Args:
        answer: answer of the detector.
        rows: answers of the models for the same image. Models without a probability are not counted.
        prior: assumed fraction of edited images.
    """
    opposites = {**dict.fromkeys(FOUND, UNEDITED), **dict.fromkeys(UNEDITED, FOUND)}
    opposite = opposites.get(answer.word(prior), ())
    stated = [row["answer"] for row in rows if row["edited"] is not None]
    count = sum(word in opposite for word in stated)
    if 2 * count <= len(stated):
        return ""
    verb = "disagrees" if count == 1 else "disagree"
    return (
        f"**{count} of {counted(len(stated), 'model')} {verb}** with this answer. The detector is shown first, because "
        "it was trained to detect edits. Combining it with the models detects only one percentage point more edits in "
        "images of 128 pixels, and no more in larger images, so the answers are not combined."
    )


def strip_title(answer: Answer) -> str:
    """Return the title of the evidence chart with the number of clean photographs that score at least as high."""
    evidence = answer.evidence
    if evidence is None or evidence.p is None:
        return "Too few clean photographs for a p-value"
    count = round(evidence.p * (evidence.n + 1)) - 1
    photographs = f"{evidence.n:,} clean photographs {KIND_PHRASES[evidence.kind]}"
    scores = "scores" if count == 1 else "score"
    return f"{count:,} of {photographs} {scores} this high or higher (p = {evidence.p:.3f})"


def remarks(answer: Answer, flags: Sequence[str], reference: ReferenceSet | None, prior: float = PRIOR) -> str:
    """Return sentences about the flags of the image and the limitations of the detector, as Markdown.

    Args:
        answer: answer of the detector.
        flags: flags of the image.
        reference: clean and edited photographs to which the image was compared, or None if there are none.
        prior: assumed fraction of edited images.
    """
    edit = edit_of(answer.classes()) if answer.word(prior) in FOUND else None
    sentences = [_flags(flags, edit)] if flags else []
    rate = None if reference is None else reference.detection_rate
    if edit is None and rate is not None:
        hardly = ", ".join(rate.hardly_detected)
        exceptions = f", but fewer than half of the edits in these groups: {hardly}" if hardly else ""
        sentences.append(
            f"At a false-positive rate of {in_percent(LEVEL)}, the detector flags {in_percent(rate.overall.value)} of "
            f"edited images of this kind{exceptions}."
        )
    return " ".join(sentences)


def _flags(flags: Sequence[str], edit: Edit | None) -> str:
    groups = {group for flag in flags for part, group in EXPLAINS.items() if part in flag}
    agrees = f" This is consistent with {edit.group}." if edit and edit.is_named and edit.group in groups else ""
    return f"**File and pixels:** {plain('; '.join(flags))}.{agrees}"


def show_all_models(count: int, first: int) -> bool:
    """Show a toggle if there are more than ``first`` models, and return whether to show all models."""
    if count <= first:
        return True
    return bool(st.toggle(f"Show all {count} models", key="all-models"))


def models_table(
    answers: Mapping[str, Sequence[Row]],
    theme: Theme,
    accuracies: Mapping[str, float],
    waiting: Sequence[str] = (),
) -> str:
    """Return an HTML table with one row per model: probability of an edit, most probable edit, and balanced accuracy.

    Args:
        answers: name of an image -> rows of all models. If two images are compared, their bars are stacked vertically.
        theme: chart theme.
        accuracies: model -> balanced accuracy over clean and edited images.
        waiting: models whose answers are pending.
    """
    compared = list(answers) if len(answers) > 1 else [""]
    lines = []
    for rows in zip(*answers.values(), strict=True):
        model = rows[0]["model"]
        bars = "".join(_bar(row, when) for when, row in zip(compared, rows, strict=True))
        edits = "".join(_first(row, theme) for row in rows)
        name = "Detector" if model == DETECTOR else escape(model_title(model))
        accuracy = in_percent(accuracies[model]) if model in accuracies else ""
        lines.append(f'<tr><th scope="row">{name}</th><td>{bars}</td><td>{edits}</td><td>{accuracy}</td></tr>')
    has_bars = not lines or any(row["edited"] is not None for rows in answers.values() for row in rows)
    scale = '<span class="scale"><span>0</span><span>50</span><span>100%</span></span>' if has_bars else ""
    before = '<span class="when"></span>' if len(compared) > 1 else ""
    table = (
        '<table class="answers"><thead><tr><th scope="col">Model</th>'
        f'<th scope="col"><div class="line"><span class="words">Edited?</span>{before}{scale}</div></th>'
        '<th scope="col">Most probable edit</th><th scope="col" title="Over clean and edited images (chance: 50%)">'
        f"Balanced accuracy</th></tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
    if not waiting:
        return table
    several = f"{len(waiting)} models" if len(waiting) > 1 else "one model"
    return f'{table}<p class="awaited">Waiting for {several} …</p>'


def _bar(row: Row, when: str) -> str:
    before = f'<span class="when">{escape(when)}</span>' if when else ""
    if row["edited"] is None:
        return f'<div class="line">{before}<span class="words">{escape(row["unavailable"])}</span></div>'
    bar = f"linear-gradient(to right, currentColor {100 * row['edited']:.1f}%, #8883 0)"
    track = f'<span class="track" style="background:{bar}"></span>'
    label = escape(answer_in_words(row["answer"], row["edited"], row["no_color"]))
    return f'<div class="line">{before}{track}<span class="words">{label}</span></div>'


def _first(row: Row, theme: Theme) -> str:
    if not row["classes"]:
        return ""
    first = row["classes"][0]
    mark = f'<i style="background:{theme.group(first["group"])}"></i>'
    named = f"{escape(transform_title(first['class']))}: {in_percent(first['probability'])}"
    return f'<div class="line first">{mark}<span class="named">{named}</span></div>'


class Line(NamedTuple):
    """Formatted row in a table of images. Missing values are empty strings.

    Attributes:
        thumbnail: URL of the thumbnail.
        name: name of the image.
        remark: flags of the image, or the reason why it cannot be read.
        answer: answer with its probability.
        edit: detected edit.
        p: p-value with the number of photographs.
        q: false discovery rate.
    """

    thumbnail: str
    name: str
    remark: str
    answer: str
    edit: str = ""
    p: str = ""
    q: str = ""


def line_of(row: Row, thumbnail: str) -> Line:
    """Format a row of `dashboard.widgets.asking.rows` as a row in a table of images."""
    if row["answer"] not in ANSWERS:  # may not be a photograph
        return Line(thumbnail, row["image"], "", row["answer"])
    evidence = row.get("verdict")
    p = p_in_words(evidence["p"], evidence["n"]) if evidence else ""
    edit = edit_cell(row["answer"], edit_of(row["classes"]))
    answer = answer_in_words(row["answer"], row["edited"], row["no_color"])
    return Line(thumbnail, row["image"], "", answer, edit, p)


def pick_of_lines(lines: Sequence[Line], opened: str, on_pick: Callable[[str], None]) -> None:
    """Show a table of images with clickable rows.

    Args:
        lines: rows of the table.
        opened: name of the image that is open.
        on_pick: function that is called with the name of the image whose row is clicked.
    """

    def picked() -> None:
        selection = st.session_state["images-table"]["selection"]
        rows = [row for row, _ in selection["cells"]] or selection["rows"]
        if rows and rows[0] < len(lines):
            on_pick(lines[rows[0]].name)

    table = pd.DataFrame([line._asdict() for line in lines])
    table.insert(0, "open", ["▸" if line.name == opened else "" for line in lines])
    columns = {
        "open": st.column_config.TextColumn("", width=24),
        "thumbnail": st.column_config.ImageColumn("", width=44),
        "name": st.column_config.TextColumn("Image"),
        "answer": st.column_config.TextColumn("Answer"),
        "edit": st.column_config.TextColumn("Edit"),
        "p": st.column_config.TextColumn("p", help=ABOUT_P),
    }
    with st.container(key="images-of-visitor"):
        st.dataframe(
            table[[*columns]],
            key="images-table",
            on_select=picked,
            selection_mode="single-cell",
            hide_index=True,
            column_config=columns,
            height="content" if len(lines) <= MAX_LINES else 36 * (MAX_LINES + 1),
            row_height=36,
        )


MAX_LINES = 10
"""Maximum number of images in the table without scrolling."""


def images_table(lines: Sequence[Line]) -> str:
    """Return an HTML table of images and their answers. Unlike Streamlit tables, it wraps text on a phone."""
    heads = {"": "", "Image": "", "Answer": "", "Edit": "", "p": ABOUT_P}
    if any(line.q for line in lines):
        heads["q"] = ABOUT_Q
    rows = []
    for line in lines:
        size = f'width="{THUMBNAIL}" height="{THUMBNAIL}"'
        image = f'<img src="{escape(line.thumbnail)}" alt="" {size}>' if line.thumbnail else ""
        name = f'<th scope="row">{escape(line.name)}<small>{escape(line.remark)}</small></th>'
        cells = [line.answer, line.edit, line.p, line.q][: len(heads) - 2]
        columns = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr><td>{image}</td>{name}{columns}</tr>")
    head = "".join(
        f'<th scope="col" title="{escape(about)}">{name}</th>' if about else f'<th scope="col">{name}</th>'
        for name, about in heads.items()
    )
    return f'<table class="examples"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
