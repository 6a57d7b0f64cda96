"""Comparison of models by task: one chart for each task that embeddings are used for."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.text import in_bold
from dashboard.widgets import messages, tables
from probing_core.charts import ranking_chart
from probing_core.measures.notation import in_percent
from probing_core.results import Run, sentences, tasks
from probing_core.results.ranking import is_baseline

TASKS = {
    "duplicates": ("Finding duplicates", "recall (%)", "recall of edited copies"),
    "content": ("Retrieval by content", "same label (%)", "of neighbors have the same label"),
    "altered": ("Finding images with the same edit", "same edit (%)", "of neighbors have the same edit"),
}
"""Task in the table of uses -> title, title of the axis, and description of the number."""

MOST_MODELS = 9
"""Maximum number of models that a chart shows."""


def show_tasks(run: Run) -> None:
    """Show the best models for each task."""
    if cache.study(run, "uses").empty:
        messages.empty(
            "This run has no results for tasks, which require at least 30 photographs and their embeddings. The "
            "reference run has them."
        )
        return
    is_hollow, max_models = False, 0
    for column, (task, (title, axis, number)) in zip(st.columns(len(TASKS)), TASKS.items(), strict=True):
        with column:
            st.markdown(f"**{title}**")
            rows = cache.computed(run, tasks.task_scores, task)
            if rows.empty:
                messages.empty("Not measured in this run.")
                continue
            st.markdown(best_in_words(rows, number))
            max_models = max(max_models, len(rows))
            drawn = rows.head(MOST_MODELS).assign(seed_of="", chance=float("nan"), note="")
            is_hollow |= bool((drawn["p"].notna() & ~drawn["apart"].astype(bool)).any())
            tables.chart(ranking_chart(drawn, cache.theme(), axis), f"task-{task}", rows, f"{title}, by model.")
    notes = ["Copies are not cropped or mirrored."]
    if max_models > MOST_MODELS:
        notes.append(f"The charts show the best {MOST_MODELS} of {max_models} models; the data contain all.")
    if is_hollow:
        notes.append("Hollow: not significantly different from the best model.")
    st.caption(" ".join(notes))
    if st.button("Duplicates by transformation", type="tertiary", icon=":material/search:"):
        state.choose("part", "duplicates")
        st.switch_page("views/retrieval.py")


def best_in_words(rows: pd.DataFrame, number: str) -> str:
    """Return the best model of a task, and also the best encoder if the best model is a baseline."""
    best = rows.iloc[0]
    text = f"{in_bold(best['model'])}: {in_percent(best['value'], 1)} {number}."
    encoders = rows[~is_baseline(rows["model"])]
    if is_baseline(rows["model"]).iloc[0] and len(encoders):
        first = encoders.iloc[0]
        text += f" Best encoder: {in_bold(first['model'])}, {in_percent(first['value'], 1)}."
    return text


def finds_originals(run: Run) -> str:
    return sentences.originals_finding(run, in_bold)
