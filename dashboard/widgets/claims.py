"""Results of the tests of the five claims, the models that they are about, and the contrasts that they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.text import hint, plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import dots_chart
from probing_core.compute.claims import CLAIMS, NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.compute.claims.named import SIGNIFICANCE
from probing_core.results import Run, claims_by_set, result_in_words
from probing_core.run import layout


class Badge(NamedTuple):
    """Color and icon of a result."""

    color: Literal["green", "orange", "gray"]
    icon: str


BADGES = {
    SUPPORTED: Badge("green", ":material/check:"),
    NOT_SUPPORTED: Badge("orange", ":material/close:"),
    UNDECIDED: Badge("gray", ":material/help:"),
}


DIFFERENT, NOT_DISTINGUISHED = "different (p < 0.05 by Holm)", "not distinguished"
"""Series of contrasts in a chart: Holm's correction runs over all contrasts that were named before the test."""


def show_claims(run: Run) -> None:
    """Show the five claims, tested or not."""
    st.header("The five claims", help=hint("claim"))
    st.markdown(
        "They are those of the abstract of *Substance or Style: What Does Your Image Embedding Know?* "
        "([arXiv 2307.05610](https://arxiv.org/abs/2307.05610)); the protocol here is a reconstruction."
    )
    claims = cache.table(run, layout.CLAIMS)
    if claims.empty:
        for number, claim in enumerate(CLAIMS, 1):
            st.markdown(f"{number}. {claim}")
        messages.empty(
            "This run does not test the claims: that takes many photographs, and encoders that have a role in them, "
            "the zoo's or published ones; the reference run has both."
        )
        return
    contrasts = cache.table(run, layout.CONTRASTS)
    for tested in claims_by_set(claims):
        st.markdown(f"**{plain(tested.title)}.** {plain(tested.encoders)}.")
        for number, row in enumerate(tested.claims.to_dict("records"), 1):
            _card(number, row, contrasts)
    st.caption(
        "Filled marks differ by Holm's correction, which runs over all contrasts of the claims: an interval is of one "
        "difference alone, and may lie beside 0 where the mark is hollow. One or two encoders of a kind cannot speak "
        "for their objective: a result is about these encoders."
    )
    tables.download(claims, "claims", "Data as CSV")
    if len(contrasts) and (
        box := pickers.fold("The contrasts that they rest on, named before looking", "show-contrasts")
    ):
        with box:
            sets = {"set": "set"} if "set" in contrasts and contrasts["set"].nunique() > 1 else {}
            names = {"claim": "claim", "first": "encoder", "second": "less the encoder"}
            _contrast_table(contrasts, "contrasts", sets | names)
    _ablations(run)


def _card(number: int, row: Mapping[Any, Any], contrasts: pd.DataFrame) -> None:
    """Show a claim, the result of its test, and the differences that it rests on with their intervals."""
    with st.container(border=True):
        words, picture = st.columns([3, 4], vertical_alignment="center")
        words.markdown(f"**{number}. {plain(row['claim'])}**")
        badge = BADGES[row["result"]]
        words.badge(result_in_words(row).removesuffix("."), icon=badge.icon, color=badge.color)
        mine = contrasts[contrasts["claim"] == number] if len(contrasts) else contrasts
        if len(mine) and "set" in mine:
            mine = mine[mine["set"] == row["set"]]
        with picture:
            if mine.empty:
                st.caption(plain(str(row["evidence"])))
                return
            _differences(mine, f"claim-{row['set']}-{number}")
        words.caption(plain(str(row["evidence"]).split("Differences in points")[0]))


def _differences(contrasts: pd.DataFrame, key: str) -> None:
    several = contrasts["score"].nunique() > 1
    names = contrasts["first_role"] + " \N{MINUS SIGN} " + contrasts["second_role"]
    rows = pd.DataFrame({"name": names + (", " + contrasts["score"] if several else "")})
    # As the test decides: over trainings, where there are several of a role.
    seeds = "seeds_low" in contrasts and bool(contrasts["seeds_low"].notna().all())
    low, high = ("seeds_low", "seeds_high") if seeds else ("low", "high")
    rows = rows.assign(**{to: contrasts[c] * 100 for to, c in (("value", "effect"), ("low", low), ("high", high))})
    rows["series"] = np.where(contrasts["p_holm"] < SIGNIFICANCE, DIFFERENT, NOT_DISTINGUISHED)
    over = "trainings" if seeds else "photographs"
    title = f"difference in points, 95 % interval over {over}"
    figure = dots_chart(rows, cache.theme(), title, marks=[0.0], unit="points", series=(DIFFERENT, NOT_DISTINGUISHED))
    tables.chart(figure, key, contrasts, f"Differences between encoders with their 95 % intervals over {over}.")


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
