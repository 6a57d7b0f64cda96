"""Which models lead, and which of them cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from probing_core.errors import BadRun
from probing_core.results.run import Run

GENERALIZING = ("unseen", "far")
"""Subsets that have no identity, so that their measure is the in-group hit rate."""

SIGNIFICANCE = 0.05


def rankable(runs: Sequence[Run]) -> list[str]:
    """What, apart from the models, differs between the recipes of ``runs``; empty if they may share a table."""
    first, *others = runs
    return list(dict.fromkeys(d for other in others for d in first.recipe.differences(other.recipe)))


def leaderboard(runs: Sequence[Run], task: str = "fine", subset: str = "all") -> pd.DataFrame:
    """Every model of ``runs`` by its score, best first.

    Columns: ``run``, ``model``, ``family``, ``objective``, ``dim``, ``value``, ``low``, ``high``, ``interval``,
    ``images``, ``bases``, ``chance``, ``note``; and against the best model ``difference``, ``p`` (Holm-corrected
    over the table, two-sided, paired by base photograph; NaN where it cannot be computed) and ``apart`` (bool).

    Raises:
        BadRun: the runs differ in more than their models; the message names what differs.
    """
    if differs := rankable(runs):
        raise BadRun(
            f"These runs differ in more than their models, so they are not ranked together: {'; '.join(differs)}."
        )
    board = pd.concat([_scores(run, task, subset) for run in runs], ignore_index=True)
    if board.empty:
        return board
    board = board.sort_values("value", ascending=False, kind="stable", ignore_index=True)
    by_name = {run.name: run for run in runs}
    entries = board[["run", "model"]].to_dict("records")
    units = [_accuracy(by_name[e["run"]], e["model"], task, subset) for e in entries]
    differences = [units[0].sub(other).dropna().to_numpy() for other in units]
    board["difference"] = [float(d.mean()) if len(d) else np.nan for d in differences]
    p = np.array([sign_flip(d) for d in differences[1:]])
    board["p"] = [np.nan, *holm(p)]
    board["apart"] = board["p"] < SIGNIFICANCE
    return board


def measure_of(subset: str) -> str:
    """The measure by which models are ranked on a subset."""
    return "group-hit-rate" if subset in GENERALIZING else "balanced-accuracy"


def _scores(run: Run, task: str, subset: str) -> pd.DataFrame:
    scores = run.scores
    if scores.empty:
        return scores
    rows = scores[(scores["task"] == task) & (scores["subset"] == subset) & (scores["measure"] == measure_of(subset))]
    facts = run.models[["name", "family", "objective", "dim"]].rename(columns={"name": "model"})
    return rows.merge(facts, on="model", how="left").assign(run=run.name)


def _accuracy(run: Run, model: str, task: str, subset: str) -> pd.Series:
    predictions = run.predictions(model, task)
    if predictions.empty:
        return pd.Series(dtype=float)
    return accuracy_by_base(of_subset(predictions, subset, run.far))


def of_subset(predictions: pd.DataFrame, subset: str, far: Collection[str] = ()) -> pd.DataFrame:
    """The rows of a subset of ``scores.parquet``; ``far`` are the transforms of the far-unseen tier."""
    if subset == "far":
        from probing_core.transforms import FAR_CONTROL

        return predictions[predictions["transform"].isin(set(far) - {FAR_CONTROL})]
    if subset == "unseen":
        return predictions[~predictions["seen"] & ~predictions["transform"].isin(far)]
    if subset == "visible":
        return predictions[predictions["seen"] & (predictions["visible"] | (predictions["transform"] == "identity"))]
    return predictions[predictions["seen"]]


def accuracy_by_base(rows: pd.DataFrame) -> pd.Series:
    """Balanced accuracy within each base photograph: the mean over true classes of the share that is right."""
    return rows.groupby(["base_id", "truth"])["correct"].mean().groupby("base_id").mean()


def sign_flip(differences: np.ndarray, flips: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of paired differences (n,) under random signs; NaN below two of them."""
    n = len(differences)
    if n < 2:
        return np.nan
    observed = abs(differences.mean())
    if 2**n <= flips:  # all sign patterns, exactly
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(np.abs(signs @ differences / n) >= observed - 1e-12))
    signs = np.random.default_rng(seed).choice([-1, 1], size=(flips, n))
    return float((1 + np.sum(np.abs(signs @ differences / n) >= observed - 1e-12)) / (flips + 1))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p-values; NaN stays NaN and does not count."""
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    running = 0.0
    for rank, i in enumerate(known[np.argsort(p[known])]):
        running = max(running, min(1.0, (len(known) - rank) * p[i]))
        adjusted[i] = running
    return adjusted
