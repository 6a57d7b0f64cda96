"""Results of the tests of the five claims, the models that they are about, and the contrasts that they are based on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.text import plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import dots_chart
from probing_core.compute.claims import CLAIMS, SIGNIFICANCE
from probing_core.compute.names import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.measures.notation import model_title
from probing_core.measures.seeds import seed_of
from probing_core.results import Run, claims_by_set, result_in_words, summaries
from probing_core.results.sentences import evidence_in_words
from probing_core.run import layout

BADGES = {
    SUPPORTED: "green-badge[:material/check:",
    NOT_SUPPORTED: "orange-badge[:material/close:",
    UNDECIDED: "gray-badge[:material/help:",
}
"""Result -> the beginning of its badge, in Streamlit's Markdown."""

DIFFERENT, NOT_DISTINGUISHED, ALONE = "different", "not distinguished", "different only if it were tested alone"
"""Series of contrasts in a chart: Holm's correction runs over all contrasts that were named before the test."""


def show_claims(run: Run) -> None:
    st.markdown(
        "The abstract of *Substance or Style: What Does Your Image Embedding Know?* "
        "([arXiv 2307.05610](https://arxiv.org/abs/2307.05610)) makes five claims. Each is tested here by comparisons "
        "of encoders that were named before any result was seen. Not supported: a part of the claim is significantly "
        "the other way round. Undecided: the data do not decide. The protocol is a reconstruction, and a result is "
        "about these encoders: one or two of a kind cannot speak for their objective."
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
    sets = claims_by_set(claims)
    for tested in sets:
        if len(sets) > 1:
            st.markdown(f"**{plain(tested.title)}**")
        st.caption(f"A kind of model is here the mean of its encoders ({plain(encoders_in_words(tested.encoders))}).")
        for number, row in enumerate(tested.claims.to_dict("records"), 1):
            _line(number, row, contrasts)
    tables.download(claims, "claims", "Data as CSV")


def encoders_in_words(encoders: str) -> str:
    """Return the encoders of each role in the table of claims by their names for people; repeated trainings are
    counted."""
    found = []
    for part in encoders.split("; "):
        role, _, names = part.partition(": ")
        models = names.split(", ")
        trainings = Counter(of or name for name, of in zip(models, seed_of(models), strict=True))
        titles = (model_title(name) + (f" in {n} trainings" if n > 1 else "") for name, n in trainings.items())
        found.append(f"{role}: {', '.join(titles)}")
    return "; ".join(found)


def _line(number: int, row: Mapping[Any, Any], contrasts: pd.DataFrame) -> None:
    words, key = result_in_words(row).removesuffix("."), f"claim-{row['set']}-{number}"
    box = pickers.fold(f"{number}. {plain(row['claim'])} :{BADGES[row['result']]} {words}]", f"show-{key}")
    if box is None:
        return
    mine = summaries.pick(contrasts, set=row["set"])
    mine = mine[mine["claim"] == number] if len(mine) else mine
    with box:
        st.caption(plain(evidence_in_words(row["evidence"])))
        if len(mine):
            _differences(mine, key)


def _differences(contrasts: pd.DataFrame, key: str) -> None:
    # As the test decides: over trainings, where there are several of a role.
    seeds = "seeds_low" in contrasts and bool(contrasts["seeds_low"].notna().all())
    low, high, over = ("seeds_low", "seeds_high", "trainings") if seeds else ("low", "high", "photographs")
    name = contrasts["first_role"] + " \N{MINUS SIGN} " + contrasts["second_role"]
    if contrasts["score"].nunique() > 1:
        name += ", " + contrasts["score"]
    values = {"value": contrasts["effect"], "low": contrasts[low], "high": contrasts[high]}
    rows = tables.as_percent(pd.DataFrame({"name": name, **values}))
    apart = (rows["low"] > 0) | (rows["high"] < 0)
    rows["series"] = np.select(
        [contrasts["p_holm"] < SIGNIFICANCE, apart], [DIFFERENT, ALONE], default=NOT_DISTINGUISHED
    )
    series = (DIFFERENT, NOT_DISTINGUISHED, ALONE)
    figure = dots_chart(rows, cache.theme(), "difference in points", marks=[0.0], unit="points", series=series)
    tables.chart(figure, key, contrasts, f"Differences between encoders with their 95 % intervals over {over}.")
    st.caption(
        f"Bars are 95\N{NO-BREAK SPACE}% intervals over {over}. Different: p < 0.05 with Holm's correction over all "
        "contrasts of the claims, which were named before any result was seen. Intervals are not corrected, so that "
        "one may leave out 0 although, among so many contrasts, that can be chance."
    )
