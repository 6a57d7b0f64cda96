"""Compute the tables ``strength.parquet`` and ``thresholds.parquet``: recall and detection by strength.

In the strength experiment, images are transformed at several strengths. `sweep_of` predicts their transformations with
the ``fine`` probe. A transformation is detected in an image if its logit exceeds the logit of identity.
`strength_table` computes the recall at each strength, which is the fraction of images whose most probable class is
correct. `threshold_table` fits a psychometric function to the detection rate of each transformation
(`probing_core.measures.classification.detection_threshold`). The threshold is the strength at which d' = z(detection
rate) - z(false-positive rate) is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.score_rows import joined, measured, note_of_fits, too_few, undefined_shift
from probing_core.compute.sampling.probe_tasks import codes
from probing_core.compute.sampling.series import position_of
from probing_core.compute.studies.study_data import SeriesData
from probing_core.measures.classification import Threshold, detection_threshold
from probing_core.measures.embedding_space import shift
from probing_core.measures.statistics import MIN_CLUSTERS_FOR_BOOTSTRAP, mean
from probing_core.probes.probe import LinearProbe
from probing_core.transforms.transformation import Transform


@dataclass(frozen=True, eq=False)
class Sweep:
    """Predictions of one model in the strength experiment.

    Attributes:
        rows: rows of ``series/strength.parquet`` with the additional columns ``right`` (whether the probe predicted the
            transformation), ``detected`` (whether the transformation was more probable than identity) and ``shift``
            (embedding shift).
        false_positives: table with image IDs as rows and transformations as columns. Values are fractions of the clean
            versions of an image for which the transformation was more probable than identity.
        note: note about the fit of the probe, or an empty string.
    """

    rows: pd.DataFrame
    false_positives: pd.DataFrame
    note: str = ""


def sweep_of(
    rows: pd.DataFrame, X: np.ndarray, clean_rows: pd.DataFrame, clean: np.ndarray, probe: LinearProbe
) -> Sweep:
    """Predict the transformations in the strength experiment, and measure embedding shifts.

    Args:
        rows: n sample rows of the strength experiment.
        X: (n, D) embeddings of ``rows``.
        clean_rows: m sample rows with the clean versions of the same images.
        clean: (m, D) embeddings of ``clean_rows``.
        probe: ``fine`` probe.
    """
    identity = probe.classes.index("identity")
    truth = codes(rows["transform"], probe.classes)
    logits = probe.logits(X)
    true_logits = logits[np.arange(len(logits)), truth]
    first = np.flatnonzero((clean_rows["draw"] == 0) & (clean_rows["repetition"] == 0))
    place = pd.Series(first, index=clean_rows["image_id"].to_numpy()[first])
    moved = np.empty(len(rows))
    for _, at in rows.groupby(["transform", "strength"], sort=False).indices.items():
        moved[at] = shift(clean[place[rows["image_id"].iloc[at]].to_numpy()], X[at])
    clean_logits = probe.logits(clean)
    detected = clean_logits > clean_logits[:, [identity]]
    false_positives = pd.DataFrame(detected, columns=list(probe.classes))
    return Sweep(
        rows.assign(right=logits.argmax(1) == truth, detected=true_logits > logits[:, identity], shift=moved),
        false_positives.groupby(clean_rows["image_id"].to_numpy()).mean(),
        note_of_fits((probe.facts,)),
    )


@dataclass(frozen=True, eq=False)
class ProbedSeries(SeriesData):
    """The strength experiment for one model, with the ``fine`` probe of the run."""

    probe: LinearProbe

    @cached_property
    def sweep(self) -> Sweep:
        """Predictions of the probe, from which both tables are computed."""
        samples = self.main.samples
        in_series = samples["image_id"].isin(self.rows["image_id"].unique())
        clean = np.flatnonzero((samples["transform"] == "identity") & in_series)
        return sweep_of(self.rows, self.X, samples.iloc[clean], self.main.X[clean], self.probe)


def strength_table(model: str, sweep: Sweep) -> pd.DataFrame:
    table = []
    for (transform, strength), rows in sweep.rows.groupby(["transform", "strength"], sort=False):
        bases = rows["base_id"].to_numpy()
        recall = measured("recall", mean(rows["right"].to_numpy(float), bases))
        moved = measured("shift", mean(rows["shift"].to_numpy(), bases))
        table.append(
            {
                "model": model,
                "transform": transform,
                "strength": strength,
                "images": len(rows),
                "bases": recall["bases"],
                "hit_rate": recall["value"],
                "hit_low": recall["low"],
                "hit_high": recall["high"],
                "shift": moved["value"],
                "shift_low": moved["low"],
                "shift_high": moved["high"],
                "interval": recall["interval"],
                "note": joined(too_few(recall["bases"]), undefined_shift(moved["value"]), sweep.note),
            }
        )
    return pd.DataFrame(table)


# Changing one of these two constants requires a new code version of the study ``thresholds``.
MIN_LEVELS = 3
"""Minimum number of strengths for estimating a threshold."""

MIN_RATE = 0.05
"""False-positive rate below which intervals depend on too few images (see `detection_threshold`)."""


def threshold_table(model: str, sweep: Sweep, transforms: Sequence[Transform]) -> pd.DataFrame:
    """Estimate the detection threshold of each transformation with at least `MIN_LEVELS` strengths.

    The psychometric function is fitted on the scale of `level_of`, and images of the same photograph are averaged.

    Returns:
        One row per transformation. The threshold is in the unit of the transformation.
    """
    table, by_name = [], {transform.name: transform for transform in transforms}
    for name, rows in sweep.rows.groupby("transform", sort=False):
        transform = by_name[str(name)]
        strengths = rows.groupby("position")["strength"].first()
        if len(strengths) < MIN_LEVELS:
            continue
        levels = np.array([level_of(transform, strength) for strength in strengths])
        detected = rows.pivot_table(index="base_id", columns="position", values="detected", aggfunc="mean")
        base = rows.drop_duplicates("image_id").set_index("image_id")["base_id"]
        false_positives = sweep.false_positives[name].reindex(base.index).groupby(base).mean()
        false_positives = false_positives.reindex(detected.index)
        threshold = detection_threshold(levels, detected.to_numpy(float), false_positives.to_numpy())
        value, low, high = (strength_of(transform, at) for at in (threshold.value, threshold.low, threshold.high))
        if strengths.iloc[np.argmin(levels)] > strengths.iloc[np.argmax(levels)]:  # a lower strength has a higher level
            low, high = high, low
        table.append(
            {
                "model": model,
                "transform": name,
                "threshold": value,
                "low": low,
                "high": high,
                "censored": threshold.censored,
                "false_alarms": threshold.false_positive_rate,
                "images": len(base),
                "bases": len(detected),
                "note": joined(
                    _note_of_censoring(threshold),
                    too_few(len(detected), MIN_CLUSTERS_FOR_BOOTSTRAP),
                    "few false positives: the interval is too narrow"
                    if threshold.false_positive_rate < MIN_RATE
                    else "",
                    sweep.note,
                ),
            }
        )
    return pd.DataFrame(table)


def _note_of_censoring(threshold: Threshold) -> str:
    if threshold.false_positive_rate == 1:
        return "no threshold: the transformation is detected in all clean images"
    if not threshold.censored:
        return ""
    return f"censored: the threshold is {threshold.censored} all tested strengths, and the interval is one-sided"


def level_of(transform: Transform, strength: float) -> float:
    """Convert a strength to the scale on which psychometric functions are fitted.

    The scale is the base-2 logarithm of the distance from `Transform.neutral`, relative to the distance of the weakest
    documented strength. Without a neutral strength, it is the position in the documented range (`position_of`).
    """
    if transform.neutral is None:
        return position_of(transform, strength)
    return float(np.log2((strength - transform.neutral) / (transform.weakest - transform.neutral)))


def strength_of(transform: Transform, level: float) -> float:
    """Convert a level (`level_of`) to a strength. Integer strengths are not rounded."""
    if transform.neutral is not None:
        return float(transform.neutral + (transform.weakest - transform.neutral) * 2**level)
    if transform.distribution == "log":
        return transform.strength_at(level)
    return float(transform.weakest + (transform.strongest - transform.weakest) * level)
