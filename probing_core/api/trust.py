"""How far the answers of models can be trusted: who would notice an alteration, and whether 70 % means 70 %.

Two tables of answers are judged: those of a run about the photographs that it tested, by probes that had not seen them,
and those about photographs and alterations of others, which ship (``python -m lab.evidence.answers``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from probing_core.compute.live import PRIOR, Noticing, noticing_at, scores_behind, weights
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import ClusterSums, Interval, interval
from probing_core.paths import data_dir, reference_run
from probing_core.results.run import Run
from probing_core.run.live import read_fitted_noticing, read_noticing
from probing_core.transforms import resolve

ELSEWHERE = "answers.parquet"
"""Answers of the reference run's models about photographs and alterations of others, in the shipped data."""

BINS = 10


class Noticed(NamedTuple):
    """Quality of the answers of one model, where untouched pictures have half of the weight.

    Attributes:
        kept: share of untouched pictures that are called untouched: altered with a probability of at most one half.
        found: share of altered pictures that are not; groups weigh the same.
        accuracy: balanced accuracy, the mean of the two, with its interval over photographs.
        named: share of the found altered pictures whose group is right.
        error: mean distance between the stated probability and the true share.
    """

    kept: float
    found: float
    accuracy: Interval
    named: float
    error: float


def held_out(run: Run, models: Sequence[str]) -> pd.DataFrame:
    """Return the answers about tested samples of ``run``, by probes that had not seen their photographs: ``model``,
    ``photograph``, ``operation``, ``group``, ``altered`` (by the numbers of live answers), ``named`` (the group of the
    first answer if it was). Models without such answers are left out."""
    parts = []
    for model in models:
        rows = run.predictions(model, "fine", ("base_id", "group", "transform"))
        if "altered" not in rows:
            continue
        rows = rows[rows["altered"].notna()]  # the others are not part of the task
        named = rows["named"].astype(str)
        groups = {name: resolve(name).group for name in named.unique()}
        columns = {"photograph": rows["base_id"], "operation": rows["transform"], "group": rows["group"]}
        answers = {"model": model, "altered": as_asked(run, model, rows["altered"]), "named": named.map(groups)}
        parts.append(pd.DataFrame({name: column.astype(str) for name, column in columns.items()} | answers))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def as_asked(run: Run, model: str, altered: pd.Series) -> np.ndarray:
    """Return the column ``altered`` (N,) of a table of predictions as live answers would state it: photographs of
    ``--calibrate-on`` may have changed it since. NaN stays."""
    fitted = read_fitted_noticing(run.store, model) or Noticing()
    p = altered.to_numpy(np.float64)
    if not np.isfinite(fitted.temperature):
        return p
    return noticing_at(read_noticing(run.store, model), "direct").altered(scores_behind(p, fitted))


def elsewhere(run: Run) -> pd.DataFrame:
    """Return the answers about photographs and alterations of others, as `held_out`, with ``source``; no rows unless
    ``run`` is the one that gave them."""
    path = data_dir() / ELSEWHERE
    asked = run.path.resolve() == reference_run().resolve()
    return pd.read_parquet(path) if asked and path.exists() else pd.DataFrame()


def accuracy(rows: pd.DataFrame) -> ClusterSums:
    """Return the balanced accuracy, altered or not, of the answers of one model."""
    is_altered, found = _altered_and_found(rows)
    return balanced_accuracy(is_altered.astype(np.int64), found.astype(np.int64), rows["photograph"].to_numpy())


def _altered_and_found(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return (rows["group"] != "identity").to_numpy(), (rows["altered"] > 0.5).to_numpy()


def noticed(rows: pd.DataFrame) -> Noticed:
    is_altered, found = _altered_and_found(rows)
    weight = weights(rows["group"])
    right = (rows["named"] == rows["group"])[is_altered & found]
    bins = reliability(rows)
    return Noticed(
        kept=float(weight[~is_altered & ~found].sum() / (1 - PRIOR)),
        found=float(weight[is_altered & found].sum() / PRIOR),
        accuracy=interval(accuracy(rows), low=0, high=1),
        named=float(right.mean()) if len(right) else np.nan,
        error=float((bins["weight"] * (bins["share"] - bins["called"]).abs()).sum()),
    )


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a bin of the answers of one model: ``bin``, ``called`` (mean probability), ``share`` (that is
    altered) and ``weight``, under the prior."""
    called, weight = rows["altered"].to_numpy(), weights(rows["group"])
    table = pd.DataFrame({
        "bin": np.minimum((called * BINS).astype(int), BINS - 1),
        "weight": weight,
        "called": weight * called,
        "share": weight * (rows["group"] != "identity").to_numpy(),
    })  # fmt: skip
    sums = table.groupby("bin").sum()
    return sums.assign(called=sums["called"] / sums["weight"], share=sums["share"] / sums["weight"]).reset_index()
