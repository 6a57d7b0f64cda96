"""Data of the comparison of two classes: which model distinguishes them best."""

from __future__ import annotations

import pandas as pd

from dashboard.data import cache
from probing_core.results import Run, tell_apart
from probing_core.results.ranking import of_subset

ALL, TWO = "all classes", "two classes"
"""Values of the choice ``compare`` of the page Confusion."""


def board_of(run: Run, task: str, subset: str, first: str, second: str) -> pd.DataFrame:
    """Return the table of `tell_apart` for all models of ``run``."""
    return tell_apart({m: predictions_of(run, m, task, subset) for m in run.models["name"]}, first, second)


def predictions_of(run: Run, model: str, task: str, subset: str) -> pd.DataFrame:
    """Return the predictions of ``model`` for the samples of ``subset``."""
    predictions = cache.predictions(run, model, task)
    return of_subset(predictions, subset, run.far) if len(predictions) else predictions


def most_mistaken(run: Run, task: str) -> tuple[str, str]:
    """Return the two classes that the first model confuses most often, as the first choice of the page."""
    predictions = cache.predictions(run, run.models["name"].iloc[0], task)
    wrong = predictions[~predictions["correct"]] if len(predictions) else predictions
    if wrong.empty:
        classes = run.classes(task)
        return classes[0], classes[-1]
    mistakes = wrong.groupby(["truth", "predicted"], observed=True).size()
    truth, predicted = mistakes.index[int(mistakes.argmax())]
    return str(truth), str(predicted)
