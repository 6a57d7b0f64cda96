"""The answer to "was my picture altered?" in one line, and the models that disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.data.predictions import Row
from dashboard.text import plain
from probing_core.compute.names import DETECTOR
from probing_core.detector.verdicts import CANNOT_DETECT
from probing_core.measures.notation import in_percent

DECIDED = ("untouched", "altered", "strange", CANNOT_DETECT)
"""Verdicts that answer the question; ``not calibrated`` does not."""


def has_answer(rows: Sequence[Row]) -> bool:
    """Return whether the detector's verdict on one picture is among its ``rows``."""
    return any(row["model"] == DETECTOR and row["verdict"]["answer"] in DECIDED for row in rows)


def show_answer(rows: Sequence[Row], hardly_detected: Sequence[str]) -> None:
    """Show what was done to a picture, how certain that is, and what cannot be detected; then where models differ.

    Args:
        rows: rows of `Predictor.predict` for one picture.
        hardly_detected: groups of which the detector finds less than half.
    """
    verdict = next(row["verdict"] for row in rows if row["model"] == DETECTOR)
    box, icon = {
        "untouched": (st.success, ":material/check_circle:"),
        "altered": (st.warning, ":material/edit:"),
    }.get(verdict["answer"], (st.info, ":material/help:"))
    box(answer(verdict, hardly_detected), icon=icon)
    if others := differing(rows):
        st.caption(others)


def answer(verdict: Mapping[str, Any], hardly_detected: Sequence[str]) -> str:
    """Return one line of Markdown for the fields of the detector's ``verdict``."""
    rate = f"{in_percent(verdict['p'], 1)} of {verdict['n']:,} untouched photographs seem as altered as this picture"
    gray = " It has no color, so color was not judged." if verdict["no_color"] else ""
    if verdict["answer"] == "untouched":
        unseen = f" Of {', '.join(hardly_detected)} it finds less than half." if hardly_detected else ""
        return f"**Untouched**, as far as the detector can see: {rate}.{unseen}{gray}"
    if verdict["answer"] == "altered":
        share = in_percent(verdict["group_probability"])
        return (
            f"**Altered: {plain(verdict['group'])}** ({share}), most likely {plain(verdict['transform'])} "
            f"({in_percent(verdict['transform_probability'])}). Only {rate}.{gray}"
        )
    if verdict["answer"] == "strange":
        return (
            f"**Strange**: unlike untouched photographs ({rate}), and unlike every alteration that was learned.{gray}"
        )
    found = in_percent(verdict["power"])
    return f"**No answer**: the detector of this run finds next to nothing ({found} of altered pictures)."


def differing(rows: Sequence[Row]) -> str:
    """Return the calibrated verdicts that differ from the detector's, and the models that give none, in words."""
    verdicts = {row["model"]: row["verdict"] for row in rows}
    mine = _word(verdicts.pop(DETECTOR))
    weak = [model for model, verdict in verdicts.items() if verdict["answer"] == CANNOT_DETECT]
    others = {m: _word(verdict) for m, verdict in verdicts.items() if verdict["answer"] in DECIDED and m not in weak}
    words = [f"{plain(model)} {plain(word)}" for model, word in others.items() if word != mine]
    sentences = [f"Other answers: {'; '.join(words)}."] if words else []
    if weak:
        sentences.append(f"Find next to nothing, so no answer: {plain(', '.join(weak))}.")
    return " ".join(sentences)


def _word(verdict: Mapping[str, Any]) -> str:
    return f"altered ({verdict['group']})" if verdict["answer"] == "altered" else str(verdict["answer"])
