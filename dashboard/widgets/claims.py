"""The "Claims" tab: results of the five claims, the tested encoders, and the contrasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import cache
from dashboard.text import plain
from dashboard.widgets import messages, pickers, tables
from probing_core.charts import PERCENT, dots_chart
from probing_core.compute.evaluation.claim_tests import DOZENS
from probing_core.compute.task_names import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.measures.notation import counted, in_percent, model_title
from probing_core.measures.statistics import SIGNIFICANT, seed_of
from probing_core.results import Run, claims_by_set, result_in_words, summaries
from probing_core.results.claim_sentences import (
    ABOUT_CLAIMS,
    ALONE,
    CLAIM_TEXTS,
    DIFFERENT,
    NOT_DISTINGUISHED,
    PAPER,
    claim_in_words,
    differences,
    encoders_by_role,
    evidence_in_words,
)
from probing_core.results.generalization import above_chance, generalization_rates
from probing_core.run import layout

BADGES = {
    SUPPORTED: "green-badge[:material/check:",
    NOT_SUPPORTED: "orange-badge[:material/close:",
    UNDECIDED: "gray-badge[:material/help:",
}
"""Result of a claim -> start of its badge in Streamlit's Markdown."""

COUNTED_CLAIM = 1
"""Number of the claim that counts identified transformations."""

STYLES_CLAIM = 3
"""Number of the claim about unseen styles."""

RANKED_CLAIM = 5
"""Number of the claim about the correlation between transformation accuracy and content accuracy."""


def show_claims(run: Run) -> None:
    st.markdown(ABOUT_CLAIMS.replace(PAPER, f"[{PAPER}](https://arxiv.org/abs/{PAPER.split()[1]})"))
    claims, contrasts, roles = (cache.table(run, path) for path in (layout.CLAIMS, layout.CONTRASTS, layout.ROLES))
    if claims.empty:
        for number, claim in enumerate(CLAIM_TEXTS, 1):
            st.markdown(f"{number}. {claim}")
        messages.empty(
            "The claims are not tested in this run. The tests require many photographs and either the zoo encoders or "
            "the published encoders. The reference run contains the results."
        )
        return
    sets = claims_by_set(claims)
    for title, tested in sets.items():
        if len(sets) > 1:
            st.markdown(f"**{plain(title)}**")
        role_set = str(tested["set"].iloc[0])
        set_roles = summaries.pick(roles, set=role_set)
        st.caption(f"Tested encoders: {plain(encoders_in_words(encoders_by_role(set_roles)))}.")
        for row in tested.to_dict("records"):
            _line(run, row, contrasts, set_roles)
    tables.download(claims, "claims")


def encoders_in_words(encoders: Mapping[str, Sequence[str]]) -> str:
    """Format the display names of the encoders of each kind, with their numbers of seeds."""
    roles = []
    for role, models in encoders.items():
        seeds = Counter(of or name for name, of in zip(models, seed_of(models), strict=True))
        titles = (model_title(name) + (f" ({n} seeds)" if n > 1 else "") for name, n in seeds.items())
        roles.append(f"{role}: {', '.join(titles)}")
    return "; ".join(roles)


def _line(run: Run, row: Mapping[Any, Any], contrasts: pd.DataFrame, roles: pd.DataFrame) -> None:
    number = int(row["claim"])
    text, key = result_in_words(row).removesuffix("."), f"claim-{row['set']}-{number}"
    box = pickers.fold(f"{number}. {plain(claim_in_words(row))} :{BADGES[row['result']]} {text}]", f"show-{key}")
    if box is None:
        return
    of_claim = summaries.pick(contrasts, set=row["set"], claim=number)
    with box:
        st.markdown(plain(evidence_in_words(row)))
        if number == STYLES_CLAIM and (text := _unseen_styles(run)):
            st.markdown(text)
        if len(of_claim):
            _differences(of_claim, key)
        elif number == COUNTED_CLAIM:
            _identified(roles, int(row["transformations"]), key)
        elif number == RANKED_CLAIM:
            _accuracies(roles, key)


def _unseen_styles(run: Run) -> str:
    """Return a sentence about encoders above chance on unseen styles. It is empty if the run has no unseen styles."""
    chance = 1 / len(run.classes("group"))
    above, count = above_chance(cache.computed(run, generalization_rates), chance)
    if not count:
        return ""
    verb = "is" if above == 1 else "are"
    encoders = f"{above or 'none'} of {counted(count, 'encoder')} {verb} better than chance"
    return f"On unseen styles, {encoders} ({in_percent(chance, 1)})."


def _differences(contrasts: pd.DataFrame, key: str) -> None:
    rows, over = differences(contrasts)
    figure = dots_chart(
        rows,
        cache.theme(),
        f"difference (percentage points)<br>95% CI over {over}",
        marks={"": 0.0},
        unit="percentage points",
        series=(DIFFERENT, NOT_DISTINGUISHED, ALONE),
    )
    tables.chart(figure, key, contrasts, f"Differences between kinds of encoder with 95% CI over {over}.")
    st.caption(
        f"Significant: {SIGNIFICANT} after Holm correction over the contrasts of this set. Intervals are uncorrected."
    )


def _identified(roles: pd.DataFrame, transformations: int, key: str) -> None:
    rows = pd.DataFrame({"name": roles["role"], "series": "identified", "value": roles["identified"]})
    figure = dots_chart(
        rows.dropna(),
        cache.theme(),
        f"identified transformations (of {transformations})",
        marks={"claim:": float(DOZENS)},
        unit="transformations",
        ends=(0.0, transformations + 1.0),
    )
    tables.chart(figure, key, roles, "Number of transformations that each kind of encoder identifies.")


def _accuracies(roles: pd.DataFrame, key: str) -> None:
    rows = pd.concat(
        [
            pd.DataFrame({"name": roles["role"], "series": series, "value": 100 * roles[column]})
            for column, series in (("fine", "transformation"), ("content", "content"))
        ]
    ).dropna()
    figure = dots_chart(rows, cache.theme(), "accuracy (%)", ends=PERCENT, series=("transformation", "content"))
    tables.chart(figure, key, roles, "Transformation accuracy and content accuracy of each kind of encoder.")
