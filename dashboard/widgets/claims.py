"""The verdicts on the five claims, the models that they are about, and the contrasts that they rest on."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.text import hint, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.compute.claims import CLAIMS
from probing_core.results import Run, verdict_in_words, verdicts_by_set
from probing_core.runs import layout


def show_claims(run: Run) -> None:
    """Show the five claims, judged or not."""
    st.header("The five claims")
    st.markdown(
        "They are those of the abstract of *Substance or Style: What Does Your Image Embedding Know?* "
        "([arXiv 2307.05610](https://arxiv.org/abs/2307.05610)); the protocol here is a reconstruction."
    )
    verdicts = cache.table(run, layout.CLAIMS)
    if verdicts.empty:
        for number, claim in enumerate(CLAIMS, 1):
            st.markdown(f"{number}. {claim}")
        messages.empty(
            "This run does not test the claims: that takes many photographs, and encoders that have a role in them, "
            "the zoo's or published ones; the reference run has both."
        )
        return
    for judged in verdicts_by_set(verdicts):
        st.markdown(f"**{plain(judged.title)}.** {plain(judged.encoders)}.")
        for number, row in enumerate(judged.claims.to_dict("records"), 1):
            st.markdown(
                f"{number}. {plain(row['claim'])} **{plain(verdict_in_words(row))}** {plain(str(row['evidence']))}"
            )
    st.caption("One encoder of a kind cannot speak for its objective: a verdict is about these encoders.")
    tables.download(verdicts, "claims", "Data as CSV")
    contrasts = cache.table(run, layout.CONTRASTS)
    if len(contrasts) and (
        box := pickers.fold("The contrasts that they rest on, named before looking", "show-contrasts")
    ):
        with box:
            sets = {"set": "set"} if "set" in contrasts and contrasts["set"].nunique() > 1 else {}
            names = {"claim": "claim", "first": "encoder", "second": "less"}
            _contrast_table(contrasts, "contrasts", sets | names)
    _ablations(run)


def _ablations(run: Run) -> None:
    table = cache.table(run, layout.ABLATIONS)
    table = table[table["p"].notna()] if len(table) else table
    if table.empty:
        return
    st.subheader("What the ablations show")
    st.markdown(
        "The encoders on the left learned from captions that name the style, or from views that change color and "
        "sharpness; their twins on the right did not, and are else alike."
    )
    _contrast_table(table, "ablations", {"first": "encoder", "second": "its twin"})


def _contrast_table(table: pd.DataFrame, key: str, names: dict[str, str]) -> None:
    """Show differences in points with their intervals, after the columns ``names`` that name the two sides."""
    points = {
        "effect": ("difference", "In points."),
        "low": ("from", hint("interval")),
        "high": ("to", hint("interval")),
    }
    if "seeds_low" in table and table["seeds_low"].notna().any():
        over = "Over trainings with seeds of their own: 95 % t interval."
        points |= {"seeds_low": ("seeds from", over), "seeds_high": ("seeds to", over)}
    about_p = "Paired sign flips by photograph, Holm-corrected over the list."
    columns = names | {"p_holm": st.column_config.NumberColumn("p", format="%.2g", help=about_p)}
    tables.show_table(table[[*names, "score", *points, "p_holm"]], key, columns, percent=points, signed=points)
