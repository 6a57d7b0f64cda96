"""One photograph under a few transformations, and what two models answer for each."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dashboard.data import cache
from probing_core.results import Run

STRIP = ("gaussian-blur", "jpeg", "gaussian-noise", "rain", "text", "rotate", "sepia", "fog", "pencil-sketch")
"""Transformations of the strip, of which it shows the first six that the run has."""


RIGHT = ":material/check: right"
"""Mark of a right answer, in Markdown."""


def strip_of(run: Run, models: tuple[str, ...]) -> tuple[pd.DataFrame, Mapping[str, Mapping[int, str]]] | None:
    """Return the samples of one photograph, untouched and altered, and by model what it answers for each.

    The models are the best one and, where there are several, the one in the middle of the ranking. The photograph is
    one that the best model names well and the other half of the time, so that the strip shows right and wrong answers.
    """
    two = list(dict.fromkeys([models[0], models[len(models) // 2]]))
    there = ["identity", *[transform for transform in STRIP if transform in set(run.transforms["transform"])][:6]]
    tested = {model: cache.predictions(run, model, "fine") for model in two}
    if len(there) == 1 or any(rows.empty for rows in tested.values()):
        return None
    best = tested[two[0]]
    rows = best[best["truth"].isin(there)].drop_duplicates(["base_id", "truth"])
    rows = rows[rows.groupby("base_id", observed=True)["truth"].transform("nunique") == len(there)]
    if rows.empty:
        return None
    truth, base = (rows[column].astype(str).to_numpy() for column in ("truth", "base_id"))
    by_sample = {model: table.drop_duplicates("sample").set_index("sample") for model, table in tested.items()}
    answers = {model: table["predicted"].astype(str).reindex(rows["sample"]) for model, table in by_sample.items()}
    right = pd.DataFrame({model: given.to_numpy() == truth for model, given in answers.items()}).groupby(base).sum()
    half = (right[two[-1]] - (len(there) - 1) / 2).abs()
    shown = rows[base == (right[two[0]] - half).idxmax()]
    shown = shown.sort_values("truth", key=lambda truths: truths.astype(str).map(there.index))
    return shown, {model: given[shown["sample"]].to_dict() for model, given in answers.items()}
