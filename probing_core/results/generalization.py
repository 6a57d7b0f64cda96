"""Accuracy of group predictions and rates of style predictions, for seen and unseen transformations."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd

from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import ClusterSums, interval, mean, with_place
from probing_core.results.ranking import UNTESTED, AccuracySums, encoders_of, mean_over
from probing_core.results.run_tables import RunTables
from probing_core.transforms import FAR_CONTROL

SEEN, UNSEEN = "seen in training", "unseen"
"""Subsets on which the accuracy of group predictions is measured."""

STYLES_SEEN, STYLES_UNSEEN, CLEAN = "styles in training", "unseen styles", "clean images"
"""Subsets on which the fraction of style predictions is measured."""

STYLE = "style"

FOLD_COLUMNS = ("base_id", "transform")


def fold_tasks(run: RunTables) -> list[str]:
    """Return the names of the group tasks, one per fold. Some transformations are held out in each fold."""
    return [task for task in run.tasks if task.startswith("group-")]


def generalization_rates(run: RunTables) -> pd.DataFrame:
    """Compute the rates of group and style predictions of each model, averaged over folds.

    `SEEN` and `UNSEEN` are balanced accuracies over groups, excluding clean images. `STYLES_SEEN`, `STYLES_UNSEEN` and
    `CLEAN` are the fractions of images that are classified as style. Additional seeds and subsets without images are
    omitted.

    Returns:
        Table with the columns ``model``, ``subset``, ``value``, ``low`` and ``high`` (95% CI over photographs).
    """
    models = with_place(run.models["name"]) if len(run.models) else []
    rows = [
        {"model": model, "subset": subset, **rate} for model in models for subset, rate in rates_of(run, model).items()
    ]
    return pd.DataFrame(rows, columns=["model", "subset", "value", "low", "high"])


def rates_of(run: RunTables, model: str) -> dict[str, dict[str, float]]:
    """Return subset -> ``value``, ``low`` and ``high`` of one model for `generalization_rates`, computed once."""
    key = rates_of, model
    if key not in run.memo:
        folds = [run.predictions(model, task, FOLD_COLUMNS) for task in fold_tasks(run)]
        by_fold = [_fold_sums(fold, run.far) for fold in folds if len(fold)]
        subsets = (SEEN, UNSEEN, STYLES_SEEN, STYLES_UNSEEN, CLEAN)
        rates = {subset: _mean_over_folds([fold[subset] for fold in by_fold]) for subset in subsets}
        run.memo[key] = {subset: rate for subset, rate in rates.items() if rate is not None}
    return run.memo[key]


def _fold_sums(fold: pd.DataFrame, far: Collection[str]) -> dict[str, AccuracySums]:
    """Return the sums by photograph for each subset of one fold."""
    base, names = _codes(fold["base_id"])
    truth, classes = _codes(fold["truth"])
    predicted, _ = _codes(fold["predicted"])  # `predicted` has the same categories as `truth`
    transform, transforms = _codes(fold["transform"])
    is_seen, is_clean, is_control, is_far = (
        fold["seen"].to_numpy(bool),
        *(np.isin(transforms, chosen)[transform] for chosen in (["identity"], [FAR_CONTROL], list(far))),
    )
    style = np.flatnonzero(classes == STYLE)
    is_style, as_style = np.isin(truth, style), np.isin(predicted, style).astype(float)

    def over(rows: np.ndarray, score: Callable[[np.ndarray], ClusterSums]) -> AccuracySums:
        return AccuracySums(names[np.unique(base[rows])], (score(rows),)) if rows.any() else UNTESTED

    def accuracy(rows: np.ndarray) -> ClusterSums:
        return balanced_accuracy(truth[rows], predicted[rows], base[rows])

    def style_rate(rows: np.ndarray) -> ClusterSums:
        return mean(as_style[rows], base[rows])

    return {
        SEEN: over(is_seen & ~is_clean, accuracy),
        UNSEEN: over(~is_seen & ~is_far, accuracy),
        STYLES_SEEN: over(is_seen & is_style, style_rate),
        STYLES_UNSEEN: over(is_far & ~is_control, style_rate),
        CLEAN: over(is_clean, style_rate),
    }


def _codes(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes (N,) and the categories of a categorical column."""
    return column.cat.codes.to_numpy(), column.cat.categories.to_numpy().astype(str)


def _mean_over_folds(folds: list[AccuracySums]) -> dict[str, float] | None:
    """Average a rate over folds, using the photographs that are in all folds.

    Returns:
        ``value``, ``low`` and ``high``, or None if there are no images.
    """
    mean_of_folds = mean_over(folds)
    if not mean_of_folds.probes:
        return None
    estimate = interval(mean_of_folds.sums, low=0.0, high=1.0)
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def above_chance(rates: pd.DataFrame, chance: float) -> tuple[int, int]:
    """Count the encoders that predict style for unseen styles significantly more often than chance.

    Each network counts once. If there are no encoders, baselines are counted.

    Args:
        rates: table returned by `generalization_rates`.
        chance: rate of style predictions by random guessing, as a fraction.

    Returns:
        The number of encoders whose confidence interval is above chance, and the total number of encoders.
    """
    counted = encoders_of(rates[rates["subset"] == STYLES_UNSEEN])
    return int((counted["low"] > chance).sum()), len(counted)
