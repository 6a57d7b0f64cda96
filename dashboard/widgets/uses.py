"""The "Which model for which task" tab, with one chart per retrieval task."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.text import in_bold
from dashboard.widgets import messages, tables
from dashboard.widgets.recall_by_edit import UNFOLDED
from probing_core.charts import ranking_chart
from probing_core.measures.notation import in_percent
from probing_core.results import Run, tasks
from probing_core.results.ranking import is_baseline

TASKS = {
    "duplicates": ("Finding duplicates", "recall (%)", "recall of edited copies"),
    "content": ("Retrieving similar content", "k-NN accuracy (%)", "k-NN content accuracy"),
    "altered": ("Finding images with the same edit", "same edit (%)", "of nearest neighbors with the same edit"),
}
"""Task in ``tables/uses.parquet`` -> title, axis title, and description of the score."""

MOST_MODELS = 9
"""Maximum number of models in a chart."""


def show_tasks(run: Run) -> None:
    """Show a chart of the best models for each task."""
    if cache.study(run, "uses").empty:
        messages.empty(
            "This run has no results by task, which require at least 30 photographs and their embeddings. The "
            "reference run contains these results."
        )
        return
    is_hollow, max_models = False, 0
    for column, (task, (title, axis, number)) in zip(st.columns(len(TASKS)), TASKS.items(), strict=True):
        with column:
            st.markdown(f"**{title}**")
            rows = cache.computed(run, tasks.task_scores, task)
            if rows.empty:
                messages.empty("This run has no results for this task.")
                continue
            st.markdown(best_in_words(rows, number))
            max_models = max(max_models, len(rows))
            drawn = rows.head(MOST_MODELS).assign(seed_of="", chance=float("nan"), note="")
            is_hollow |= bool((drawn["p"].notna() & ~drawn["apart"].astype(bool)).any())
            tables.chart(ranking_chart(drawn, cache.theme(), axis), f"task-{task}", rows, f"{title}, by model.")
    notes = ["Duplicates are edited copies that are not cropped or mirrored."]
    if max_models > MOST_MODELS:
        notes.append(f"The charts show the best {MOST_MODELS} of {max_models} models; downloads contain all models.")
    if is_hollow:
        notes.append("Hollow markers: not significantly different from the best model.")
    st.caption(" ".join(notes))
    if st.button("Show duplicates by transformation", type="tertiary", icon=":material/search:"):
        state.choose("part", "duplicates")
        state.choose(UNFOLDED, list(run.transforms["group"].drop_duplicates()))
        st.switch_page("views/retrieval.py")


def best_in_words(rows: pd.DataFrame, number: str) -> str:
    """Return a sentence about the best model for a task, and the best encoder if the best model is a baseline.

    Args:
        rows: scores of the models, best first.
        number: description of the score.
    """
    best = rows.iloc[0]
    text = f"Best model: {in_bold(best['model'])}, {in_percent(best['value'], 1)} {number}."
    encoders = rows[~is_baseline(rows["model"])]
    if is_baseline(rows["model"]).iloc[0] and len(encoders):
        first = encoders.iloc[0]
        text += f" Best encoder: {in_bold(first['model'])}, {in_percent(first['value'], 1)}."
    return text
