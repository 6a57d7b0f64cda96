"""The answer to "was my picture altered?" in one line, and where the models differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.text import plain
from probing_core.measures.notation import in_percent
from probing_core.prediction.verdicts import CANNOT_DETECT
from probing_core.runs.layout import DETECTOR

DECIDED = ("untouched", "altered", "strange", CANNOT_DETECT)
"""Verdicts that answer the question; ``not calibrated`` does not."""


def has_answer(rows: pd.DataFrame) -> bool:
    """Whether the detector's verdict on one picture is among its ``rows``."""
    detector = rows[rows["model"] == DETECTOR]
    return len(detector) > 0 and detector["verdict"].iloc[0] in DECIDED


def show_answer(rows: pd.DataFrame, hardly_detected: Sequence[str]) -> None:
    """What was done to a picture, how sure that is, and what cannot be seen; then where the models differ.

    Args:
        rows: of one picture, of `Predictor.predict`.
        hardly_detected: groups of which the detector finds less than half.
    """
    row = rows[rows["model"] == DETECTOR].iloc[0]
    box, icon = {
        "untouched": (st.success, ":material/check_circle:"),
        "altered": (st.warning, ":material/edit:"),
    }.get(row["verdict"], (st.info, ":material/help:"))
    box(answer(row, hardly_detected), icon=icon)
    if others := differing(rows):
        st.caption(others)


def answer(row: Any, hardly_detected: Sequence[str]) -> str:
    """One line of Markdown; ``row`` of the detector."""
    rate = f"{in_percent(row['p'], 1)} of {row['n']:,} untouched photographs seem as altered as this picture"
    gray = " It has no color, so color was not judged." if row["no_color"] else ""
    if row["verdict"] == "untouched":
        unseen = f" Of {', '.join(hardly_detected)} it finds less than half." if hardly_detected else ""
        return f"**Untouched**, as far as the detector can see: {rate}.{unseen}{gray}"
    if row["verdict"] == "altered":
        share = in_percent(row["verdict_group_probability"])
        return (
            f"**Altered: {plain(row['verdict_group'])}** ({share}), most likely {plain(row['verdict_class'])} "
            f"({in_percent(row['verdict_class_probability'])}). Only {rate}.{gray}"
        )
    if row["verdict"] == "strange":
        return (
            f"**Strange**: unlike untouched photographs ({rate}), and unlike every alteration that was learned.{gray}"
        )
    found = in_percent(row["power"])
    return f"**No answer**: the detector of this run finds next to nothing ({found} of altered pictures)."


def differing(rows: pd.DataFrame) -> str:
    """Calibrated verdicts that differ from the detector's, and models that give none; empty where there are neither."""
    first = rows.drop_duplicates("model").set_index("model")
    mine = _word(first.loc[DETECTOR])
    others = first.drop(DETECTOR)
    weak = others["verdict"] == CANNOT_DETECT
    answers = others[others["verdict"].isin(DECIDED) & ~weak]
    words = [f"{plain(str(model))} {plain(_word(row))}" for model, row in answers.iterrows() if _word(row) != mine]
    sentences = [f"Other answers: {'; '.join(words)}."] if words else []
    if weak.any():
        sentences.append(f"Find next to nothing, so no answer: {plain(', '.join(others.index[weak]))}.")
    return " ".join(sentences)


def _word(row: Any) -> str:
    return f"altered ({row['verdict_group']})" if row["verdict"] == "altered" else str(row["verdict"])
