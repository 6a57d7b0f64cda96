"""How the columns of a run's tables are titled and explained, wherever a page does not say otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from dashboard.text import hint

_number, _text = st.column_config.NumberColumn, st.column_config.TextColumn

COLUMNS: dict[str, Any] = {
    "low": _number("from", help="Lower end of the 95 % interval.", format="%.3g"),
    "high": _number("to", help="Upper end of the 95 % interval.", format="%.3g"),
    "interval": _text("interval by", help=hint("interval")),
    "bases": _number("photographs", help="Photographs that the measured images were cut from."),
    "images": _number(help="Images that were measured."),
    "samples": _number(help="Transformed images that were measured."),
    "chance": _number(help=hint("chance"), format="%.3g"),
    "base_id": _text("photograph"),
    "image_id": _text("image"),
    "p_truth": _number("p of truth", help="Probability that the probe gave to the true class.", format="%.2f"),
    "p_predicted": _number("p of answer", help="Probability that the probe gave to its answer.", format="%.2f"),
    "predicted": _text("answer", help="The class that the probe holds for the most probable."),
    "predicted_other": _text("the other's answer", help="What the model says that is subtracted."),
    "p_predicted_other": _number("its p", help="Probability that it gave to its answer.", format="%.2f"),
    "strength": _number(help=hint("strength"), format="%.3g"),
    "fold": _text(help="The photograph that was left out, where one is at a time."),
    "penalty": _number(help=hint("penalty"), format="%.2g"),
    "at_edge": st.column_config.CheckboxColumn("at the edge", help="The penalty is the first or last of its grid."),
    "converged": st.column_config.CheckboxColumn(help="The fit ended by itself, not by its limit of steps."),
    "iterations": _number("steps", help="Steps of the optimizer."),
    "validation_loss": _number(
        "validation loss", help="Mean of -log of the probability of the right class, on validation photographs.",
        format="%.3f",
    ),
    "dim": _number("dimensions", help="Numbers in an embedding."),
    "input_size": _number("input (pixels)", help="Side of the square that the model receives."),
    "text": st.column_config.CheckboxColumn("reads words", help="The model embeds words too."),
    "why_not": _text("why"),
}  # fmt: skip


def columns_of(names: Iterable[str]) -> dict[str, Any]:
    """Streamlit's column settings of those ``names`` that are known."""
    return {name: COLUMNS[name] for name in names if name in COLUMNS}
