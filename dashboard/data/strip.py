"""One photograph under a few transformations, and what two models answer for each."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dashboard.data import cache
from probing_core.results import Run

STRIP = ("gaussian-blur", "jpeg", "gaussian-noise", "rain", "text", "rotate", "sepia", "fog", "pencil-sketch")
"""Transformations of the strip, of which it shows the first six that the run has."""


RIGHT = ":material/check: right"
"""What a page says of an answer that is what was done, in Markdown."""


def strip_of(run: Run, models: tuple[str, ...]) -> tuple[pd.DataFrame, Mapping[str, Mapping[int, str]]] | None:
    """Return the samples of one photograph, untouched and altered, and by model what it answers for each.

    The models are the best one and, where there are several, the one in the middle of the ranking. The photograph is
    one that the best model names well and the other half of the time, so that the strip shows right and wrong answers.
    """
    two = list(dict.fromkeys([models[0], models[len(models) // 2]]))
    there = [transform for transform in STRIP if transform in set(run.transforms["transform"])][:6]
    tested = [cache.predictions(run, model, "fine") for model in two]
    if not there or any(rows.empty for rows in tested):
        return None
    first = tested[0][tested[0]["truth"].isin(["identity", *there])].drop_duplicates(["base_id", "truth"])
    whole = first.groupby("base_id", observed=True)["truth"].nunique()
    first = first[first["base_id"].isin(whole.index[whole == len(there) + 1])]
    if first.empty:
        return None
    truth = first["truth"].astype(str).to_numpy()
    right = pd.DataFrame({"base": first["base_id"].to_numpy()})
    for i, rows in enumerate(tested):
        answers_of = rows.drop_duplicates("sample").set_index("sample")["predicted"].astype(str)
        right[i] = answers_of.reindex(first["sample"]).to_numpy() == truth
    counts = right.groupby("base").sum()
    half = (counts.iloc[:, -1] - len(there) / 2).abs()
    rows = first[first["base_id"] == (counts[0] - half).idxmax()].copy()
    order = {name: i for i, name in enumerate(["identity", *there])}
    rows = rows.sort_values("truth", key=lambda truths: truths.astype(str).map(order))
    answers = {
        model: dict(zip(found["sample"], found["predicted"].astype(str), strict=True))
        for model, found in ((m, t[t["sample"].isin(rows["sample"])]) for m, t in zip(two, tested, strict=True))
    }
    return rows, answers
