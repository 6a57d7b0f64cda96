"""Results of the tests of the five claims, the models that they are about, and the contrasts that they are based on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.text import plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import dots_chart
from probing_core.compute.names import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.measures.notation import model_title
from probing_core.measures.statistics import seed_of
from probing_core.results import Run, claims_by_set, result_in_words, summaries
from probing_core.results.claim_sentences import (
    ABOUT_CLAIMS,
    ALONE,
    CLAIMS,
    DIFFERENT,
    NOT_DISTINGUISHED,
    PAPER,
    accuracies_in_words,
    claim_in_words,
    differences,
    encoders_by_role,
    evidence_in_words,
    with_numbers,
)
from probing_core.run import layout

BADGES = {
    SUPPORTED: "green-badge[:material/check:",
    NOT_SUPPORTED: "orange-badge[:material/close:",
    UNDECIDED: "gray-badge[:material/help:",
}
"""Result -> the beginning of its badge, in Streamlit's Markdown."""

RANKED_CLAIM = 5
"""Number of the claim that correlates the accuracies of roles."""


def show_claims(run: Run) -> None:
    st.markdown(ABOUT_CLAIMS.replace(PAPER, f"[{PAPER}](https://arxiv.org/abs/{PAPER.split()[1]})"))
    contrasts, roles = (cache.table(run, path) for path in (layout.CONTRASTS, layout.ROLES))
    claims = with_numbers(cache.table(run, layout.CLAIMS), contrasts)
    if claims.empty:
        for number, claim in enumerate(CLAIMS, 1):
            st.markdown(f"{number}. {claim}")
        messages.empty(
            "This run does not test the claims: that takes many photographs, and encoders that have a role in them, "
            "the zoo's or published ones; the reference run has both."
        )
        return
    sets = claims_by_set(claims)
    for title, tested in sets.items():
        if len(sets) > 1:
            st.markdown(f"**{plain(title)}**")
        role_set = str(tested["set"].iloc[0])
        encoders = encoders_in_words(encoders_by_role(role_set, roles, contrasts))
        st.caption(f"The encoders of each kind: {plain(encoders)}.")
        for row in tested.to_dict("records"):
            _line(row, contrasts, roles[roles["set"] == role_set] if len(roles) else roles)
    tables.download(claims, "claims", "Data as CSV")


def encoders_in_words(encoders: Mapping[str, Sequence[str]]) -> str:
    """Return the encoders of each role by their names for people; repeated trainings are counted."""
    found = []
    for role, models in encoders.items():
        trainings = Counter(of or name for name, of in zip(models, seed_of(models), strict=True))
        titles = (model_title(name) + (f" in {n} trainings" if n > 1 else "") for name, n in trainings.items())
        found.append(f"{role}: {', '.join(titles)}")
    return "; ".join(found)


def _line(row: Mapping[Any, Any], contrasts: pd.DataFrame, roles: pd.DataFrame) -> None:
    number = int(row["claim"])
    words, key = result_in_words(row).removesuffix("."), f"claim-{row['set']}-{number}"
    box = pickers.fold(f"{number}. {plain(claim_in_words(row))} :{BADGES[row['result']]} {words}]", f"show-{key}")
    if box is None:
        return
    mine = summaries.pick(contrasts, set=row["set"], claim=number)
    with box:
        st.caption(plain(evidence_in_words(row)))
        if number == RANKED_CLAIM:
            st.caption(plain(accuracies_in_words(roles)))
        if len(mine):
            _differences(mine, key)


def _differences(contrasts: pd.DataFrame, key: str) -> None:
    rows, over = differences(contrasts)
    series = (DIFFERENT, NOT_DISTINGUISHED, ALONE)
    figure = dots_chart(rows, cache.theme(), "difference in points", marks={"": 0.0}, unit="points", series=series)
    tables.chart(figure, key, contrasts, f"Differences between encoders with their 95 % intervals over {over}.")
    st.caption(
        f"Bars are 95\N{NO-BREAK SPACE}% intervals over {over}. Significant: p < 0.05 with Holm correction over all "
        "contrasts of this set of encoders, which were named before any result was seen. Intervals are not corrected."
    )
