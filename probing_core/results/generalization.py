"""Recognition of groups and styles by probes, for transformations seen in training and for unseen ones."""

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
"""Subsets for which the recognition of the group is measured."""

STYLES_SEEN, STYLES_UNSEEN, CLEAN = "styles in training", "unseen styles", "clean images"
"""Subsets for which the fraction predicted as style is measured."""

STYLE = "style"

FOLD_COLUMNS = ("base_id", "transform")


def fold_tasks(run: RunTables) -> list[str]:
    """Return the names of the group tasks, one per fold, in which one member of every group is held out."""
    return [task for task in run.tasks if task.startswith("group-")]


def generalization_rates(run: RunTables) -> pd.DataFrame:
    """Return the recognition rates of each model: means over folds, with 95% intervals over photographs.

    Columns: ``model``, ``subset``, ``value``, ``low``, ``high``. `SEEN` and `UNSEEN` are the balanced accuracy of the
    group, without clean images. `STYLES_SEEN`, `STYLES_UNSEEN` and `CLEAN` are the fractions of such images that are
    predicted as style. Additional seeds and subsets without images are left out.
    """
    rows = []
    for model in with_place(run.models["name"]) if len(run.models) else []:
        folds = [run.predictions(model, task, FOLD_COLUMNS) for task in fold_tasks(run)]
        by_fold = [_fold_sums(fold, run.far) for fold in folds if len(fold)]
        for subset in (SEEN, UNSEEN, STYLES_SEEN, STYLES_UNSEEN, CLEAN):
            if (rate := _mean_over_folds([fold[subset] for fold in by_fold])) is not None:
                rows.append({"model": model, "subset": subset, **rate})
    return pd.DataFrame(rows, columns=["model", "subset", "value", "low", "high"])


def _fold_sums(fold: pd.DataFrame, far: Collection[str]) -> dict[str, AccuracySums]:
    """Return subset -> sums by photograph, for one fold."""
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
    """Return the codes (N,) of a categorical column, and its categories."""
    return column.cat.codes.to_numpy(), column.cat.categories.to_numpy().astype(str)


def _mean_over_folds(folds: list[AccuracySums]) -> dict[str, float] | None:
    """Return the mean over folds with its interval, over the photographs in all folds; None if there are no images."""
    mean_of_folds = mean_over(folds)
    if not mean_of_folds.probes:
        return None
    estimate = interval(mean_of_folds.sums, low=0.0, high=1.0)
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def below_chance(rates: pd.DataFrame, chance: float) -> tuple[int, int]:
    """Return how many encoders predict style for unseen styles less often than chance, and how many there are.

    Each network counts once. If there are no encoders, baselines are counted.

    Args:
        rates: table returned by `generalization_rates`.
        chance: rate of random guessing, a fraction.
    """
    counted = encoders_of(rates[rates["subset"] == STYLES_UNSEEN])
    return int((counted["value"] < chance).sum()), len(counted)
