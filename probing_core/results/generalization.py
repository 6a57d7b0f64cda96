"""How often probes recognize the groups of transformations and styles that they were, and were not, trained on."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pandas as pd

from probing_core.measures.statistics import interval, mean, with_place
from probing_core.results.ranking import AccuracySums, accuracy_of, is_baseline, of_subset
from probing_core.results.run_tables import RunTables

SEEN, UNSEEN = "seen in training", "unseen"
"""Transformations of which the group is recognized."""

STYLES_SEEN, STYLES_UNSEEN, CLEAN = "styles in training", "unseen styles", "clean images"
"""Images that are predicted as style."""

STYLE = "style"

FACTS = ("base_id", "transform", "group", "visible")


def fold_tasks(run: RunTables) -> list[str]:
    """Return the group tasks of the folds, in each of which one member of every group is held out."""
    return [task for task in run.tasks if task.startswith("group-")]


def generalization_rates(run: RunTables) -> pd.DataFrame:
    """Return the rates of each model, means over the folds with 95% intervals by photograph.

    Columns: ``model``, ``subset``, ``value``, ``low``, ``high``. `SEEN` and `UNSEEN` are the balanced accuracy of the
    group, without clean images. `STYLES_SEEN`, `STYLES_UNSEEN` and `CLEAN` are the fraction of these images that is
    predicted as style. Additional seeds are left out, and subsets that the run has no images of.
    """
    rows = []
    for model in with_place(run.models["name"]) if len(run.models) else []:
        folds = [run.predictions(model, task, FACTS) for task in fold_tasks(run)]
        folds = [fold for fold in folds if len(fold)]
        parts = {
            SEEN: [accuracy_of(_transformed(of_subset(fold, "seen"))) for fold in folds],
            UNSEEN: [accuracy_of(of_subset(fold, "unseen", run.far)) for fold in folds],
            STYLES_SEEN: [_predicted_as_style(_styles(fold[fold["seen"]])) for fold in folds],
            STYLES_UNSEEN: [_predicted_as_style(of_subset(fold, "far", run.far)) for fold in folds],
            CLEAN: [_predicted_as_style(fold[fold["transform"] == "identity"]) for fold in folds],
        }
        for subset, sums in parts.items():
            if (found := _mean_over_folds(sums)) is not None:
                rows.append({"model": model, "subset": subset, **found})
    return pd.DataFrame(rows, columns=["model", "subset", "value", "low", "high"])


def _transformed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["transform"] != "identity"]


def _styles(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["group"] == STYLE]


def _predicted_as_style(rows: pd.DataFrame) -> AccuracySums:
    """Return the sums by photograph of the fraction of ``rows`` that is predicted as style."""
    if rows.empty:
        return AccuracySums(np.empty(0, str))
    base, bases = pd.factorize(rows["base_id"], sort=True)
    return AccuracySums(np.asarray(bases, str), (mean((rows["predicted"] == STYLE).to_numpy(float), base),))


def _mean_over_folds(folds: list[AccuracySums]) -> dict[str, float] | None:
    """Return the mean over the folds with its interval, over the photographs of all of them; None without images."""
    folds = [fold for fold in folds if fold.probes]
    if not folds:
        return None
    bases = reduce(np.intersect1d, [fold.bases for fold in folds])
    both = AccuracySums(bases, tuple(probe for fold in folds for probe in fold.over(bases).probes))
    found = interval(both.sums, low=0.0, high=1.0)
    return {"value": found.value, "low": found.low, "high": found.high}


def below_chance(rates: pd.DataFrame, chance: float) -> tuple[int, int]:
    """Return how many encoders predict style for unseen styles less often than chance, and how many there are.

    Without encoders, baselines are counted.

    Args:
        rates: of `generalization_rates`.
    """
    rows = rates[rates["subset"] == STYLES_UNSEEN]
    learned = rows[~is_baseline(rows["model"])]
    counted = learned if len(learned) else rows
    return int((counted["value"] < chance).sum()), len(counted)
