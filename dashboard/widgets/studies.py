"""What pages say of the tables of studies: why there are none, and what their measures mean."""

from __future__ import annotations

from typing import Any

import streamlit as st

from probing_core.measures import MEASURES
from probing_core.results import Run
from probing_core.runs.samples import FEW_PHOTOGRAPHS, evaluation_mode


def why_none(run: Run, trains: bool = True) -> str:
    """Why the run has no such table, and what to do.

    Args:
        trains: whether the study learns from images of the run, which one with another's probes does not.
    """
    if evaluation_mode(run.images) != "split":
        return (
            f"This is measured from {FEW_PHOTOGRAPHS} photographs on, and this run has "
            f"{run.images.loc[run.images['used'], 'base_id'].nunique()}; the reference run has it."
        )
    if trains and run.recipe.probes_from:
        return "This run took its probes from another and learned nothing itself; the other run has this."
    return "This run does not have it yet: the same `probing run` command again makes what is missing."


def measure_columns(names: list[str]) -> dict[str, Any]:
    """Column settings of a table that has one column a measure, titled and explained by the catalog."""
    return {
        name: st.column_config.NumberColumn(measure.title, format="%.2f", help=measure.definition)
        for name in names
        for measure in [MEASURES.get(name)]
    }
