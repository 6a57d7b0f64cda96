"""The answer to "was my picture altered?" in one line, and beside it the answer of every model, a row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from dashboard.data.predictions import Answer
from dashboard.text import hint, plain
from probing_core.charts import Theme
from probing_core.compute.names import DETECTOR
from probing_core.detector.calibration import LEVEL
from probing_core.detector.verdicts import ALTERED, CANNOT_DETECT, STRANGE, UNTOUCHED, Verdict
from probing_core.images.quality import FLAT
from probing_core.measures.notation import in_percent

LIKELY = 0.5
"""Probability from which a transformation is called the most likely one."""


def has_answer(rows: Sequence[Answer]) -> bool:
    """Return whether the detector's verdict on one picture is among its ``rows``."""
    return any(row["model"] == DETECTOR and Verdict(**row["verdict"]).is_calibrated for row in rows)


def show_answer(verdict: Mapping[str, Any], hardly_detected: Sequence[str], flat: float) -> None:
    """Show what was done to a picture, how certain that is, and what cannot be detected.

    Args:
        verdict: fields of the detector's verdict.
        hardly_detected: groups of which the detector finds less than half.
        flat: share of the picture without detail (`probing_core.images.quality.flatness`).
    """
    box, icon = {
        UNTOUCHED: (st.info, ":material/check:"),  # not in green: it may be an alteration that the detector misses
        ALTERED: (st.warning, ":material/edit:"),
    }.get(verdict["answer"], (st.info, ":material/help:"))
    if verdict["answer"] == UNTOUCHED and flat > FLAT:
        icon = ":material/help:"
    box(answer(verdict, hardly_detected, flat), icon=icon)


def answer(verdict: Mapping[str, Any], hardly_detected: Sequence[str], flat: float = 0.0) -> str:
    """Return one line of Markdown for the arguments of `show_answer`."""
    gray = " It has no color, so color was not judged." if verdict["no_color"] else ""
    even = f"{in_percent(flat)} of it has no detail, as in screenshots and drawings"
    drawn = f" {even[0].upper()}{even[1:]}; of such a picture the answer means little." if flat > FLAT else ""
    if verdict["answer"] == UNTOUCHED:
        if flat > FLAT:
            return (
                f"**Perhaps no photograph**: {even}. The detector knows photographs alone, so that it finds no "
                f"alteration here says little.{gray}"
            )
        finds = _finds(verdict, hardly_detected)
        return f"**Untouched, as far as the detector can see**: {as_altered(verdict)}.{finds}{gray}"
    if verdict["answer"] == ALTERED:
        share = in_percent(verdict["group_probability"])
        how = "most likely" if verdict["transform_probability"] >= LIKELY else "perhaps"
        named = f"{plain(verdict['transform'])} ({in_percent(verdict['transform_probability'])})"
        return (
            f"**{Verdict(**verdict).words.capitalize()}: {plain(verdict['group'])}** ({share}), {how} {named}. "
            f"{_sentence(as_altered(verdict))}.{drawn}{gray}"
        )
    if verdict["answer"] == STRANGE:
        return (
            f"**Strange**: unlike every photograph and every alteration that was learned. "
            f"{_sentence(as_altered(verdict))}.{drawn}{gray}"
        )
    found = in_percent(verdict["power"])
    return f"**No answer**: the detector of this run finds next to nothing ({found} of altered pictures)."


def _finds(verdict: Mapping[str, Any], hardly_detected: Sequence[str]) -> str:
    """Return what the detector finds of pictures that are altered; empty where that was not measured."""
    if verdict["power"] is None:
        return ""
    hardly = f" (of {', '.join(hardly_detected)} less than half)" if hardly_detected else ""
    return (
        f" It finds {in_percent(verdict['power'])} of altered pictures of this size{hardly}, where {in_percent(LEVEL)} "
        "of untouched ones alarm."
    )


def as_altered(verdict: Mapping[str, Any]) -> str:
    """Return how many untouched photographs seem as altered as the picture: ``none of 202 untouched photographs ...``.

    p is (1 + their number) / (n + 1).
    """
    n = verdict["n"]
    as_high = round(verdict["p"] * (n + 1)) - 1
    if as_high == 0:
        return f"none of {n:,} untouched photographs seems as altered as this picture"
    return (
        f"{as_high:,} of {n:,} untouched photographs {'seems' if as_high == 1 else 'seem'} as altered as this picture"
    )


def short_answer(verdict: Mapping[str, Any], flat: float) -> str:
    """Return the answer of `answer` in a word or two, for a table of pictures."""
    words = Verdict(**verdict).words
    if verdict["answer"] == ALTERED:
        return f"{words}: {verdict['group']}"
    return "perhaps no photograph" if verdict["answer"] == UNTOUCHED and flat > FLAT else words


SCALE = '<span class="scale"><span>0</span><span>50</span><span>100 %</span></span>'


@dataclass(frozen=True)
class FirstAnswer:
    """The row of one model in the table of answers.

    Attributes:
        name: class or group that the model names.
        group: its group, for the color.
        probability: of ``name``; None where the model is not sure enough to be quoted.
        words: what stands beside the bar.
        is_first: whether ``name`` is what the model finds most probable.
        is_quiet: whether the model raises no alarm or cannot tell, so that nothing is to be seen in its row.
        rather: group and probability of what the model names instead of ``name``.
    """

    name: str
    group: str
    probability: float | None
    words: str
    is_first: bool = True
    is_quiet: bool = False
    rather: tuple[str, float] | None = None


def first_answer(row: Answer) -> FirstAnswer:
    """Return the first answer in ``row`` of one model, which never contradicts its verdict.

    A model that alarms names what it finds most probable of all alterations; one that does not is not quoted with a
    probability, however sure its probe may be.
    """
    verdict, best = row["verdict"], row["classes"][0]
    if verdict["answer"] == ALTERED:
        what = "group" if row["task"] == "group" else "transform"
        name, probability = verdict[what], verdict[f"{what}_probability"]
        return FirstAnswer(name, verdict["group"], probability, f"{name} {in_percent(probability)}")
    far = "far from all that it knows"
    if verdict["answer"] == STRANGE:
        return FirstAnswer(best["class"], best["group"], None, f"alarms: {far}")
    if verdict["answer"] == UNTOUCHED:
        words = "no alarm" if row["known"] else f"no alarm, though {far}"
        return FirstAnswer("identity", "identity", None, words, is_quiet=True)
    if verdict["answer"] == CANNOT_DETECT:
        words = "finds next to nothing, so no answer"
        return FirstAnswer(best["class"], best["group"], None, words, is_quiet=True)
    if not row["known"]:
        return FirstAnswer(best["class"], best["group"], None, far)
    probability = best["probability"]
    return FirstAnswer(best["class"], best["group"], probability, f"{best['class']} {in_percent(probability)}")


def answer_for(name: str) -> Callable[[Answer], FirstAnswer]:
    """Return a function from a row to the probability of the class ``name``, with what the model names instead."""

    def found(row: Answer) -> FirstAnswer:
        mine = next((one for one in row["classes"] if one["class"] == name), None)
        best = row["classes"][0]
        if mine is None:
            return FirstAnswer(name, best["group"], None, f"does not know {name}")
        words, is_first = in_percent(mine["probability"]), best["class"] == name
        if is_first:
            return FirstAnswer(name, mine["group"], mine["probability"], words)
        other = in_percent(best["probability"])
        words += f", {best['class']} hardly more" if other == words else f", rather {best['class']} ({other})"
        rather = best["group"], best["probability"]
        return FirstAnswer(name, mine["group"], mine["probability"], words, is_first=False, rather=rather)

    return found


def models_table(
    answers: Mapping[str, Sequence[Answer]],
    theme: Theme,
    waiting: Sequence[str] = (),
    found: Callable[[Answer], FirstAnswer] = first_answer,
    title: str = "First answer",
) -> str:
    """Return HTML: a table of answers, a row a model, bars in one scale from 0 to 100 %, and one line, which opens, for
    all models that raise no alarm.

    Args:
        answers: name of a picture -> the rows of all models about it, in the same order; one picture, or two that are
            compared, whose bars stand one below the other under their names.
        waiting: models that have not answered yet.
        found: what stands in a row.
        title: of the answers.
    """
    whens = list(answers) if len(answers) > 1 else [""]
    telling, quiet, silent = [], [], []
    for rows in zip(*answers.values(), strict=True):
        lines = [found(row) for row in rows]
        power = rows[0]["verdict"]["power"]
        drawn = "".join(_line(each, when, theme) for when, each in zip(whens, lines, strict=True))
        html = _row(rows[0]["model"], drawn, "" if power is None else in_percent(power))
        if all(line.is_quiet for line in lines):
            quiet.append(html)
            silent.append(rows[0]["verdict"])
        else:
            telling.append(html)
    parts = [_table(telling, whens, SCALE, title)] if telling else []
    if quiet:
        inner = _table(quiet, whens, '<span class="scale"></span>', title)
        summary = escape(_silence(silent, bool(telling)))
        parts.append(f'<details class="no-alarm"><summary>{summary}</summary>{inner}</details>')
    if waiting:
        more = " more" if parts else ""
        several = f"{len(waiting)}{more} models are" if len(waiting) > 1 else f"One{more} model is"
        parts.append(f'<p class="awaited">{several} being asked …</p>')
    return "".join(parts)


def _silence(verdicts: Sequence[Mapping[str, Any]], others_tell: bool) -> str:
    """Return how many models raise no alarm, and what such silence is worth: the shares that they find.

    Args:
        verdicts: of the models that raise none.
        others_tell: whether further models do, or say something else.
    """
    telling = [one for one in verdicts if Verdict(**one).can_tell]
    powers = [one["power"] for one in telling if one["power"] is not None]
    able, blind = len(telling), len(verdicts) - len(telling)
    parts = []
    if able:
        many = f"{able} models do not alarm" if able > 1 else "One model does not alarm"
        if not others_tell:
            many = f"None of the {able} models alarms" if able > 1 else "The model does not alarm"
        parts.append(many)
    if powers:
        low, high = in_percent(min(powers)), in_percent(max(powers))
        shares = high if low == high else f"{low.removesuffix(' %')} to {high}"
        parts.append(f"{'each finds' if able > 1 else 'it finds'} {shares} of altered pictures of this size")
    if blind:
        parts.append(f"{blind}{' more' if able else ''} {'cannot' if blind > 1 or able else 'model cannot'} tell")
    return "; ".join(parts)


def _table(rows: Sequence[str], whens: Sequence[str], scale: str, title: str) -> str:
    finds = escape(
        f"Share of altered pictures of this size that alarm, where {in_percent(LEVEL)} of untouched ones do."
    )
    return (
        '<table class="answers"><thead><tr><th scope="col">Model</th>'
        f'<th scope="col"><div class="line">{_when("") if len(whens) > 1 else ""}{scale}'
        f'<span class="words">{escape(title)}</span></div></th>'
        f'<th scope="col" title="{finds}">Finds</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _row(model: str, lines: str, power: str) -> str:
    return f'<tr><th scope="row">{escape(model)}</th><td>{lines}</td><td>{power}</td></tr>'


def _line(found: FirstAnswer, when: str, theme: Theme) -> str:
    track = '<span class="scale"></span>'  # an empty bar would look as if it were 0
    if found.probability is not None:
        rather = "" if found.rather is None else _bar(*found.rather, theme, "rather")
        track = f'<span class="track">{rather}{_bar(found.group, found.probability, theme)}</span>'
    before = _when(when) if when else ""
    weight = "words sure" if found.probability is not None and found.is_first else "words"
    words = escape(found.words).replace(" %", "\N{NO-BREAK SPACE}%")
    return f'<div class="line">{before}{track}<span class="{weight}">{words}</span></div>'


def _bar(group: str, probability: float, theme: Theme, kind: str = "asked") -> str:
    return f'<i class="{kind}" style="width:{100 * probability:.1f}%;background:{theme.group(group)}"></i>'


def _when(words: str) -> str:
    return f'<span class="when">{escape(words)}</span>'


def agreement(rows: Sequence[Answer], decided: Mapping[str, Any] | None = None) -> str:
    """Return how many models alarm, and what most of these name; empty where no model can tell, and where none alarms,
    which the table says, unless the detector does.

    Args:
        rows: of the models about one picture, without the detector's.
        decided: the verdict of the detector, where there is one.
    """
    able = [verdict for row in rows if (verdict := Verdict(**row["verdict"])).can_tell]
    alarming = [verdict for verdict in able if verdict.alarms]
    if not alarming:
        if not able or decided is None or not Verdict(**decided).alarms:
            return ""
        none = f"None of the {len(able)} models" if len(able) > 1 else "Not the one model"
        return (
            f"{none} that can tell alarms; the detector, which learned to tell altered from untouched pictures, does."
        )
    groups = [verdict.group for verdict in alarming if verdict.answer == ALTERED]
    parts = []
    if groups:
        most = max(dict.fromkeys(groups), key=groups.count)
        parts.append(f"{_of_them(groups.count(most), len(alarming))}for {most}")
    if strange := len(alarming) - len(groups):
        parts.append(f"{_of_them(strange, len(alarming))}as it is like nothing that they learned")
    alarms = f"{len(alarming)} {'alarms' if len(alarming) == 1 else 'alarm'}"
    chance = f"by chance {in_percent(LEVEL)} of untouched photographs alarm each model"
    return f"Of {len(able)} models that can tell, {', '.join((alarms, *parts))}; {chance}."


def _of_them(count: int, of: int) -> str:
    return "" if of == 1 else "all of them " if count == of else f"{count} of them "


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


ABOUT_ROWS = (
    f"A bar is the probability of the first answer, in the color of its group. {hint('alarm')} Finds is the share of "
    "altered pictures of this size that alarm; it is another for large pictures, which are judged by tiles, too."
)
