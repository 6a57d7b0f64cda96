"""Rank the models of a run by a score, and test each model against the best model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.task_names import DEPLOYMENT, FINE
from probing_core.errors import UnknownName
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.notation import BASELINE, in_percent, in_points, p_value, points_interval
from probing_core.measures.paired_tests import PairedScores, paired_interval, step_down_p
from probing_core.measures.statistics import (
    ClusterSums,
    Interval,
    average,
    is_significant,
    networks,
    seed_of,
)
from probing_core.results.run_tables import RunTables
from probing_core.results.summaries import pick

GENERALIZING = ("unseen", "far")
"""Subsets on which the recall of groups is measured, excluding identity."""

RANKING_FACTS = ("base_id", "transform", "group", "visible")
"""Columns of samples that are required for computing scores for rankings."""

SEED_SIGN = "\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS} "
"""Prefix in tables for the name of an additional seed of the model above."""

ABOUT_SEEDS = f"{SEED_SIGN.strip()} An additional seed of the model above, which is not ranked."

PAGE_FLIPS = 10_000
"""Number of sign flips for tables on pages. It is smaller than for claims, to reduce waiting times."""


def leaderboard(run: RunTables, task: str = "fine", subset: str = "all", baselines: bool = True) -> pd.DataFrame:
    """Rank the models of ``run`` by a score, best first.

    Models that differ only in their seed (``zoo/mae``, ``zoo/mae@seed=1``) share the rank of the first seed. Additional
    seeds are listed directly below it. They are not compared with other models and do not affect the ranking.

    Args:
        task: task of the score by which models are ranked, such as ``fine``.
        subset: subset of the score, such as ``all``.
        baselines: whether to include models that were not trained on images.

    Returns:
        Table with the columns ``model``, ``seed_of`` (the ranked model of an additional seed, or an empty string),
        ``family``, ``objective``, ``dim``, ``value``, ``low``, ``high``, ``interval``, ``images``, ``bases``,
        ``chance`` and ``note``, and the comparison with the best model: ``difference`` (score of the best model minus
        score of the row), ``p`` (see `against_best`, NaN if not tested) and ``apart`` (whether the difference is
        significant).
    """
    board = scores_of(run, task, subset)
    if not (baselines or board.empty):
        board = board[~is_baseline(board["model"])]
    if board.empty:
        return board
    board = in_order(board)
    sums = [accuracy(run, model, task, subset) for model in board.loc[has_place(board), "model"]]
    return beside_best(board.assign(difference=board["value"].iloc[0] - board["value"]), sums)


def beside_best(board: pd.DataFrame, sums: Sequence[AccuracySums]) -> pd.DataFrame:
    """Compare each model in a ranking with the best model.

    Args:
        board: ranking, best first.
        sums: sums of the ranked models, in order.

    Returns:
        The ranking with the columns ``p`` (`against_best`, NaN if not tested) and ``apart`` (whether the difference is
        significant).
    """
    board = board.assign(p=np.nan)
    board.loc[has_place(board), "p"] = [np.nan, *against_best(sums)]
    return board.assign(apart=is_significant(board["p"]))


def standing(row: Any) -> str:
    """Describe how the model in a row of `leaderboard`, except the first row, compares with the best model."""
    if row.seed_of:
        return "additional seed"
    if not np.isfinite(row.p):
        return "not compared"
    if not row.apart:
        return f"not significant ({p_value(row.p)})"
    return f"lower ({p_value(row.p)})"


def standings(every: pd.DataFrame, board: pd.DataFrame) -> list[str]:
    """Describe how each model in ``every`` compares with the best model in ``board``.

    Args:
        every: table with the column ``model``. Models that are not in ``board`` are baselines.
        board: non-empty result of `leaderboard`.
    """
    first = "best" if is_baseline(board["model"]).any() else "best encoder"
    ranked = {row.model: standing(row) for row in board.itertuples()} | {board["model"].iloc[0]: first}
    return [ranked.get(model, "baseline") for model in every["model"]]


def in_order(board: pd.DataFrame, excluded: Collection[str] = ()) -> pd.DataFrame:
    """Sort models by score, best first, with additional seeds directly below their model.

    Args:
        board: table with the columns ``model`` and ``value``.
        excluded: models that are ranked separately regardless of their seed.

    Returns:
        The sorted table with the additional column ``seed_of``.
    """
    board = board.assign(seed_of=seed_of(list(board["model"]), excluded))
    board = board.sort_values("value", ascending=False, kind="stable", ignore_index=True)
    # If the same model is listed twice, additional seeds are listed below the better of the two.
    place = {model: i for i, model in reversed(list(enumerate(board["model"])))}
    of = board["seed_of"].map(place).where(~has_place(board), np.arange(len(board)))
    return board.iloc[np.lexsort((np.arange(len(board)), ~has_place(board), of))].reset_index(drop=True)


def has_place(board: pd.DataFrame) -> pd.Series:
    return board["seed_of"] == ""


def marked(board: pd.DataFrame) -> pd.Series:
    """Return model names for a table. Additional seeds are marked with a prefix."""
    return board["model"].where(has_place(board), SEED_SIGN + board["model"])


def comparisons(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    """Format the comparison of a model with other models as a table of strings.

    The comparison is empty in the row of the model itself, and p is empty for models that were not tested.

    Args:
        rows: one row for each model, with the columns ``model``, ``seed_of``, ``value`` and the columns of
            `differences_of`.
        score: title of the column ``value``.
    """
    intervals = zip(rows["difference_low"], rows["difference_high"], strict=True)
    return pd.DataFrame(
        {
            "model": marked(rows),
            score: [in_percent(value, 1) for value in rows["value"]],
            "difference": ["" if np.isnan(gap) else in_points(gap) for gap in rows["difference"]],
            "95% CI": [points_interval(low, high, missing="") for low, high in intervals],
            "p": ["" if np.isnan(p) else p_value(p).removeprefix("p ").removeprefix("= ") for p in rows["p"]],
        }
    )


def measure_of(subset: str) -> str:
    return "group-hit-rate" if subset in GENERALIZING else "balanced-accuracy"


def is_baseline(models: pd.Series) -> pd.Series:
    """Return a mask of the baselines, which are models that were not trained on images."""
    return models.str.startswith(BASELINE)


def networks_of(models: pd.Series) -> list[str]:
    """Return the encoders in ``models``, or the baselines if there are no encoders. Each network is included once."""
    learned = models[~is_baseline(models)]
    return networks(learned if len(learned) else models)


def encoders_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of encoders, or of baselines if there are no encoders. Each network is included once."""
    return rows[rows["model"].isin(networks_of(rows["model"]))]


def scores_of(run: RunTables, task: str, subset: str) -> pd.DataFrame:
    """Return the scores by which the models of ``run`` are ranked, joined with information on the models."""
    rows = pick(run.scores, task=task, subset=subset, measure=measure_of(subset))
    if "model" not in rows:
        return rows
    facts = run.models[["name", "family", "objective", "dim"]].rename(columns={"name": "model"})
    return rows.merge(facts, on="model", how="left")


def ranking_of_probe(run: RunTables, probe: str) -> pd.DataFrame:
    """Rank the models of ``run`` by the transformation accuracy of a kind of probe, such as ``mlp`` or ``knn-20``.

    The columns are those of `leaderboard`, but models are not compared, since only linear probes store predictions.
    """
    rows = pick(run.probe_scores, probe=probe, task="fine", subset="seen", measure=measure_of("seen"))
    return in_order(rows.assign(p=np.nan, apart=True)) if len(rows) else rows


def rows_of_probes(run: RunTables) -> dict[str, list[str]]:
    """Return which kinds of probes were trained on the same rows: description of the rows -> kinds of probes.

    The description is empty for probes that were trained on all training samples.
    """
    fits = run.fits
    if fits.empty:
        return {}
    fits = fits[(fits["task"] == FINE) & (fits["fold"] != DEPLOYMENT)]
    kind_of_fit = fits["probe"].str.replace(r"^mlp-\d+$", "mlp", regex=True)
    kinds: dict[str, list[str]] = {}
    for kind, notes in fits.groupby(kind_of_fit, sort=False)["note"]:
        description = "; ".join(note for note in notes.unique() if note)
        if description and (notes == "").any():
            description = f"for some models, {description}"
        kinds.setdefault(description, []).append(str(kind))
    return kinds


def accuracy(run: RunTables, model: str, task: str, subset: str) -> AccuracySums:
    """Return the sums of a model for its balanced accuracy. They are computed once, because most pages use them."""
    key = accuracy, model, task, subset
    if key not in run.memo:
        predictions = run.predictions(model, task, RANKING_FACTS)
        rows = predictions if predictions.empty else of_subset(predictions, subset, run.far)
        run.memo[key] = accuracy_of(rows)
    return run.memo[key]


def of_subset(predictions: pd.DataFrame, subset: str, far: Collection[str] = ()) -> pd.DataFrame:
    """Select the predictions in ``subset``, a subset of ``scores.parquet``.

    Args:
        far: names of the unseen styles.

    Raises:
        UnknownName: models are not compared on the subset.
    """
    if subset == "far":
        from probing_core.transforms import FAR_CONTROL

        return predictions[predictions["transform"].isin(set(far) - {FAR_CONTROL})]
    if subset == "unseen":
        return predictions[~predictions["seen"] & ~predictions["transform"].isin(far)]
    if subset == "visible":
        return predictions[predictions["seen"] & (predictions["visible"] | (predictions["transform"] == "identity"))]
    if subset == "without-style":
        return predictions[predictions["seen"] & (predictions["group"] != "style")]
    if subset in ("all", "seen"):
        return predictions[predictions["seen"]]
    raise UnknownName(
        f"Models are not compared on the subset '{subset}'. "
        f"Available subsets: all, seen, visible, without-style, unseen, far."
    )


@dataclass(frozen=True, eq=False)
class AccuracySums:
    """Balanced accuracy of one model as sums by photograph, for comparisons with other models.

    Attributes:
        bases: (C,) sorted IDs of photographs.
        probes: sums for each probe, with one row per photograph. A row contains the number of hits for each class,
            followed by the number of samples for each class. The score is averaged over probes. Without predictions,
            there are no probes.
    """

    bases: np.ndarray
    probes: tuple[ClusterSums, ...] = ()

    @cached_property
    def sums(self) -> ClusterSums:
        return self.probes[0] if len(self.probes) == 1 else average(self.probes)

    @property
    def by_photograph(self) -> np.ndarray:
        """Contribution of each photograph to the score, with shape (C,)."""
        parts = []
        for probe in self.probes:
            hits, counts = np.split(probe.sums, 2, axis=1)
            total = counts.sum(axis=0)
            parts.append((hits[:, total > 0] / total[total > 0]).sum(axis=1) / np.count_nonzero(total))
        return np.mean(parts, axis=0)

    def over(self, bases: np.ndarray) -> AccuracySums:
        """Select the sums for the photographs ``bases``, in this order."""
        rows = np.searchsorted(self.bases, bases)
        return AccuracySums(bases, tuple(replace(probe, sums=probe.sums[rows]) for probe in self.probes))

    def shared_with(self, other: AccuracySums) -> tuple[AccuracySums, AccuracySums]:
        """Return the sums of this model and of ``other`` for the photographs on which both were tested."""
        bases = np.intersect1d(self.bases, other.bases)
        return self.over(bases), other.over(bases)

    def minus(self, other: AccuracySums, flips: int = PAGE_FLIPS) -> Interval:
        """Return the score minus the score of ``other`` with its 95% CI, over photographs on which both were tested.

        The difference is NaN if there are no such photographs. The interval excludes 0 if `paired_p` without correction
        is at most 0.05.

        Args:
            flips: number of sign flips of the test.
        """
        own_sums, other_sums = self.shared_with(other)
        if not len(own_sums.bases):
            return Interval(np.nan, np.nan, np.nan, "none", 0)
        return paired_interval(own_sums.sums, other_sums.sums, flips=flips)


UNTESTED = AccuracySums(np.empty(0, str))


def accuracy_of(rows: pd.DataFrame) -> AccuracySums:
    """Compute the sums for the balanced accuracy of predictions.

    Args:
        rows: table with the columns ``truth``, ``predicted`` and ``base_id``.
    """
    if rows.empty:
        return UNTESTED
    truth = pd.Categorical(rows["truth"]).remove_unused_categories()
    predicted = truth.categories.get_indexer(pd.Index(rows["predicted"]))
    base, bases = pd.factorize(rows["base_id"], sort=True)
    return AccuracySums(np.asarray(bases, str), (balanced_accuracy(truth.codes.astype(np.int64), predicted, base),))


def mean_over(parts: Sequence[AccuracySums]) -> AccuracySums:
    """Average several scores over the photographs that they share. Scores without predictions are ignored."""
    tested = [part for part in parts if part.probes]
    if not tested:
        return UNTESTED
    bases = reduce(np.intersect1d, [part.bases for part in tested])
    return AccuracySums(bases, tuple(probe for part in tested for probe in part.over(bases).probes))


def differences_of(sums: Sequence[AccuracySums], place: int, ranked: pd.Series) -> pd.DataFrame:
    """Compare one model in a ranking with all models.

    Args:
        sums: sums of all models, in the order of the ranking.
        place: position of the model in ``sums``.
        ranked: whether each model is ranked (`has_place`). Only ranked models are tested.

    Returns:
        One row per model, with the columns ``difference`` (score of the model at ``place`` minus score of the row, NaN
        for the model itself), ``difference_low`` and ``difference_high`` (95% CI), ``bases`` (number of photographs on
        which both models were tested) and ``p`` (`paired_p`, NaN for models that were not tested).
    """
    gaps = [sums[place].minus(other) for other in sums]
    table = pd.DataFrame(
        {
            "difference": [gap.value for gap in gaps],
            "difference_low": [gap.low for gap in gaps],
            "difference_high": [gap.high for gap in gaps],
            "bases": [gap.clusters for gap in gaps],
        }
    )
    table.loc[place, ["difference", "difference_low", "difference_high"]] = np.nan
    tested = [int(at) for at in np.flatnonzero(ranked) if at != place]
    return table.assign(p=pd.Series(paired_p(sums, [(place, at) for at in tested]), tested))


def against_best(sums: Sequence[AccuracySums], flips: int = PAGE_FLIPS) -> np.ndarray:
    """Test the differences between the best model, which is the first of M models, and all others.

    P-values are adjusted for comparing all pairs (see `paired_p`), because the best model was selected by its score.

    Returns:
        (M - 1,) two-sided p-values.
    """
    pairs = [(i, j) for i in range(len(sums)) for j in range(i + 1, len(sums))]
    return paired_p(sums, pairs, flips)[: len(sums) - 1]


def paired_p(sums: Sequence[AccuracySums], pairs: Sequence[tuple[int, int]], flips: int = PAGE_FLIPS) -> np.ndarray:
    """Test the differences between P ``pairs`` of models with sign flips by photograph (see `step_down_p`).

    The test uses the photographs on which both models were tested.

    Returns:
        (P,) two-sided p-values, adjusted for testing all pairs. They are NaN for fewer than two photographs.
    """
    p = np.full(len(pairs), np.nan)
    alike: dict[bytes, list[int]] = {}  # positions of pairs with the same photographs
    photographs = np.unique(np.concatenate([UNTESTED.bases, *(model_sums.bases for model_sums in sums)]))
    tested = [np.isin(photographs, model_sums.bases) for model_sums in sums]
    for at, (i, j) in enumerate(pairs):
        common = tested[i] & tested[j]
        if common.sum() > 1:
            alike.setdefault(common.tobytes(), []).append(at)
    parts = []
    for positions in alike.values():
        chosen = np.array([pairs[at] for at in positions])
        models, columns = np.unique(chosen, return_inverse=True)
        common = tested[chosen[0, 0]] & tested[chosen[0, 1]]
        scores = np.stack([sums[i].over(photographs[common]).by_photograph for i in models], axis=1)
        parts.append(PairedScores(np.flatnonzero(common), scores, columns.reshape(chosen.shape)))
    if parts:
        p[np.concatenate(list(alike.values()))] = step_down_p(parts, flips=flips)
    return p
