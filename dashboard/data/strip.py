"""One photograph under several transformations, with the predictions of two models."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dashboard.data import cache
from probing_core.results import Run

STRIP = ("gaussian-blur", "jpeg", "gaussian-noise", "rain", "text", "rotate", "sepia", "fog", "pencil-sketch")
"""Candidate transformations for the strip. The first `MOST` that are in the run are shown."""

MOST = 6

CORRECT = ":material/check: correct"
"""Markdown label of a correct prediction."""


def strip_of(run: Run, models: tuple[str, ...]) -> tuple[pd.DataFrame, Mapping[str, Mapping[int, str]]] | None:
    """Select clean and transformed samples of one photograph, and return them with the predictions of two models.

    The models are the best model and, if there are several, the model in the middle of the ranking. The photograph is
    selected such that the best model is mostly correct and the other model is correct about half of the time.

    Args:
        models: names of the models, best first.

    Returns:
        Rows of the samples as returned by `dashboard.data.cache.described`, and model -> sample -> predicted class,
        or None if there are no suitable samples.
    """
    pair = list(dict.fromkeys([models[0], models[len(models) // 2]]))
    classes = ["identity", *[transform for transform in STRIP if transform in set(run.transforms["transform"])][:MOST]]
    predictions = {model: cache.predictions(run, model, "fine") for model in pair}
    if len(classes) == 1 or any(rows.empty for rows in predictions.values()):
        return None
    best = predictions[pair[0]]
    rows = best[best["truth"].isin(classes)].drop_duplicates(["base_id", "truth"])
    rows = rows[rows.groupby("base_id", observed=True)["truth"].transform("nunique") == len(classes)]
    if rows.empty:
        return None
    truth, photograph = (rows[column].astype(str).to_numpy() for column in ("truth", "base_id"))
    by_sample = {model: table.drop_duplicates("sample").set_index("sample") for model, table in predictions.items()}
    predicted = {model: table["predicted"].astype(str).reindex(rows["sample"]) for model, table in by_sample.items()}
    is_correct = pd.DataFrame({model: names.to_numpy() == truth for model, names in predicted.items()})
    correct = is_correct.groupby(photograph).sum()
    from_half = (correct[pair[-1]] - (len(classes) - 1) / 2).abs()
    samples = rows[photograph == (correct[pair[0]] - from_half).idxmax()]
    samples = samples.sort_values("truth", key=lambda names: names.astype(str).map(classes.index))
    by_model = {model: names[samples["sample"]].to_dict() for model, names in predicted.items()}
    return cache.described(run, samples), by_model
