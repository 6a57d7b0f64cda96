"""Classification scores: accuracy, calibration, selectivity and detection thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.measure import Measure, Predictions, fraction, gap
from probing_core.measures.statistics import (
    MIN_CLUSTERS_FOR_BOOTSTRAP,
    ClusterSums,
    mean,
    mean_of_ratios,
    mean_ratio,
    numbered,
    sums_by,
)

MIN_PROBABILITY = 1e-30
"""Lower bound for probabilities in losses and fits. It keeps logarithms finite."""

MIN_SCORED_PROBABILITY = 1e-12
"""Lower bound for probabilities in scores. It limits the effect of a single sample on a mean."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Apply the softmax function along the last axis, in the precision of ``logits``."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


MIN_TEMPERATURE = 0.05
"""Lower bound of fitted temperatures."""

MAX_TEMPERATURE = 20.0
"""Upper bound of fitted temperatures."""


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Fit the temperature for temperature scaling by minimizing the mean negative log-likelihood over [0.05, 20].

    Logits divided by T and log-probabilities divided by T have the same softmax, so probabilities are sufficient.

    Args:
        probabilities: (N, K) predictions for samples that were not used to train the probe.
        truth: (N,) class indices.

    Raises:
        BadArray: there are no samples.
    """
    from scipy.optimize import minimize_scalar

    if len(truth) == 0:
        raise BadArray("Temperature scaling requires at least one held-out sample.")
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_PROBABILITY))
    right = logs[np.arange(len(truth)), truth]

    def loss(log_t: float) -> float:
        scaled = logs / np.exp(log_t)
        top = scaled.max(1)
        return float((np.log(np.exp(scaled - top[:, None]).sum(1)) + top - right / np.exp(log_t)).mean())

    optimum = minimize_scalar(
        loss, bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)), method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(optimum.x))


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Apply temperature scaling to ``probabilities`` (N, K)."""
    return softmax(np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_PROBABILITY)) / temperature)


ECE_BINS = 15


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Compute the mean recall over classes (Brodersen et al. 2010).

    With only one class, the result is the recall of that class. Classes that are missing in a bootstrap sample are
    excluded from the mean.

    Args:
        truth, predicted: (N,) class indices. The mean is over the classes in ``truth``.
        clusters: (N,) cluster IDs.
    """
    classes, row = numbered(truth)
    return ClusterSums(np.hstack(_hits_and_counts(truth, predicted, clusters, row, len(classes))), mean_of_ratios)


def macro_f1(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Compute the macro-averaged F1 score, 2 TP / (2 TP + FP + FN), over the classes in ``truth``."""
    return _from_counts(
        truth, predicted, clusters, lambda hits, actual, claimed: mean_ratio(2 * hits, actual + claimed)
    )


def informedness(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Compute the informedness (Powers 2011): true positive rate minus false positive rate, averaged over classes.

    Informedness is 0 for random guessing and 1 for a perfect classifier.
    """

    def score(hits: np.ndarray, actual: np.ndarray, claimed: np.ndarray) -> np.ndarray:
        negatives = actual.sum(-1, keepdims=True) - actual
        return mean_ratio(hits, actual) - mean_ratio(claimed - hits, negatives)

    return _from_counts(truth, predicted, clusters, score)


def calibration_error(confidence: np.ndarray, correct: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Compute the expected calibration error with `ECE_BINS` bins of equal mass (Nixon et al. 2019).

    ``confidence`` (N,) is the probability of the predicted class, and ``correct`` (N,) is True for correct predictions.
    """
    edges = np.quantile(confidence, np.linspace(0, 1, ECE_BINS + 1)[1:-1])
    row = np.searchsorted(edges, confidence, side="right")
    too_sure = sums_by(clusters, row, ECE_BINS, confidence - correct.astype(np.float64))
    count = sums_by(clusters, row, ECE_BINS, np.ones(len(row)))

    def score(totals: np.ndarray) -> np.ndarray:
        return np.abs(totals[..., :ECE_BINS]).sum(-1) / np.maximum(totals[..., ECE_BINS:].sum(-1), 1e-12)

    return ClusterSums(np.hstack([too_sure, count]), score)


def _from_counts(
    truth: np.ndarray,
    predicted: np.ndarray,
    clusters: np.ndarray,
    score: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> ClusterSums:
    classes, row = numbered(truth)
    k = len(classes)
    position = np.searchsorted(classes, np.clip(predicted, classes[0], classes[-1]))
    is_class = classes[position] == predicted
    parts = (*_hits_and_counts(truth, predicted, clusters, row, k), sums_by(clusters, position, k, is_class))
    return ClusterSums(
        np.hstack(parts), lambda totals: score(totals[..., :k], totals[..., k : 2 * k], totals[..., 2 * k :])
    )


def _hits_and_counts(
    truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray, row: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count correct predictions and samples by cluster and class, (C, K) each.

    ``row`` (N,) is the class column of each sample.
    """
    return sums_by(clusters, row, classes, truth == predicted), sums_by(clusters, row, classes, np.ones(len(truth)))


def _calibration(predictions: Predictions, confidence: np.ndarray | None) -> ClusterSums | None:
    if confidence is None:
        return None
    return calibration_error(confidence, predictions.truth == predictions.predicted, predictions.clusters)


def control_labels(types: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Assign a random class to each type, and return the class (N,) of each sample (Hewitt & Liang 2019).

    A probe can only memorize these control-task labels. Selectivity is the task accuracy minus the control-task
    accuracy.

    Args:
        types: (N,) type of each sample, such as an embedding cluster. Every type must occur in the training split,
            because labels of unseen types cannot be learned.
        classes: number of classes.
    """
    ids, row = np.unique(types, return_inverse=True)
    # The number of types per class differs by at most one.
    return np.random.default_rng(seed).permutation(np.arange(len(ids)) % classes)[row]


# Changing either of the next two constants requires a new code version of the study ``thresholds``.
THRESHOLD_RESAMPLES = 1000
"""Number of bootstrap resamples for the interval of a detection threshold."""

SENSITIVITY = 1.0
"""Sensitivity d' at the detection threshold (Green & Swets 1966)."""

BELOW = "below"
"""Label of a censored threshold below all tested levels."""

ABOVE = "above"
"""Label of a censored threshold above all tested levels."""


@dataclass(frozen=True)
class Threshold:
    """Strength level at which a probe detects a transformation.

    Attributes:
        value: level at which d' = 1; if censored, the nearest tested level.
        low, high: bounds of the 95% bootstrap interval over photographs; NaN for fewer than 20 photographs. The
            interval of a censored threshold is one-sided: the bound outside the tested levels is NaN.
        censored: ``below`` (the threshold is below all tested levels), ``above`` (above all tested levels, or no level
            exists because the transformation was detected in all clean images), or empty.
        false_positive_rate: fraction of clean versions in which the transformation was detected.
    """

    value: float
    low: float
    high: float
    censored: str
    false_positive_rate: float


def detection_threshold(
    levels: np.ndarray, detected: np.ndarray, false_positives: np.ndarray, seed: int = 0
) -> Threshold:
    """Estimate the level at which d' = z(detection rate) - z(false positive rate) is 1.

    The psychometric function F + (1 - F - lapse) Phi((level - a) / b), with the false positive rate F, is fitted to the
    detection rate by maximum likelihood on a grid. On the grid, a extends beyond the levels by half their range on each
    side, b is between 1/50 and twice the range, and lapse is 0, 0.03 or 0.1. The bootstrap resamples photographs with
    all their detections. Intervals are too narrow if there are so few false positives that single images dominate
    (docs/run-format.md).

    Args:
        levels: (S,) in increasing order, in any unit (for example log strength, or position in the range).
        detected: (N, S) whether the transformation was detected in photograph n at level s, or the fraction of the
            images of photograph n in which it was detected.
        false_positives: (N,) fraction of the clean versions of photograph n in which the transformation was detected.

    Raises:
        BadArray: there are no photographs or fewer than three levels, levels do not increase, or shapes do not match.
    """
    levels, detected = np.asarray(levels, np.float64), np.asarray(detected, np.float64)
    false_positives = np.asarray(false_positives, np.float64)
    n, increasing = len(detected), bool((np.diff(levels) > 0).all())
    if n == 0 or len(levels) < 3 or not increasing or detected.shape != (len(false_positives), len(levels)):
        raise BadArray(
            f"A threshold requires at least three increasing levels, detections (images, levels) and false positives "
            f"(images,), but got {len(levels)} levels, detections {detected.shape} and false positives "
            f"{false_positives.shape}."
        )
    value = float(_fit(levels, detected.sum(0, keepdims=True), false_positives.sum(keepdims=True), n)[0])
    low = high = float("nan")
    if n >= MIN_CLUSTERS_FOR_BOOTSTRAP:
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), THRESHOLD_RESAMPLES)
        thresholds = _fit(levels, drawn @ detected, np.round(drawn @ false_positives), n)
        low, high = _bounds(np.clip(thresholds, levels[0], levels[-1]), _censored(value, levels), np.isfinite(value))
    return Threshold(
        value=float(np.clip(value, levels[0], levels[-1])),
        low=low,
        high=high,
        censored=_censored(value, levels),
        false_positive_rate=float(false_positives.mean()),
    )


def _bounds(thresholds: np.ndarray, censored: str, exists: bool) -> tuple[float, float]:
    """Return the bounds of the 95% interval of bootstrapped thresholds, one-sided for a censored threshold."""
    if not exists:
        return float("nan"), float("nan")
    if censored:
        bound = float(np.quantile(thresholds, 0.95 if censored == BELOW else 0.05))
        return (float("nan"), bound) if censored == BELOW else (bound, float("nan"))
    low, high = np.quantile(thresholds, [0.025, 0.975])
    return float(low), float(high)


def _censored(value: float, levels: np.ndarray) -> str:
    if value < levels[0]:
        return BELOW
    return ABOVE if value > levels[-1] else ""


def _fit(levels: np.ndarray, detected: np.ndarray, false_positives: np.ndarray, images: int) -> np.ndarray:
    """Fit thresholds (B,) to counts of detections (B, S) and false positives (B,), each out of ``images``.

    If there are false positives in all images, no level separates transformed images, and the threshold is infinite.
    """
    from scipy.special import ndtr, ndtri

    span = levels[-1] - levels[0]
    a = np.linspace(levels[0] - span / 2, levels[-1] + span / 2, 121)
    b = span * np.geomspace(0.02, 2, 20)
    a, b, lapse = (g.ravel() for g in np.meshgrid(a, b, [0, 0.03, 0.1], indexing="ij"))
    curve = ndtr((levels[:, None] - a) / b)
    thresholds = np.empty(len(detected))
    for count in np.unique(false_positives):
        rows = false_positives == count
        if count >= images:
            thresholds[rows] = np.inf
            continue
        # Adding half a count keeps z finite (Hautus 1995).
        false = (count + 0.5) / (images + 1)
        room = np.maximum(1 - false - lapse, 1e-3)
        rate = np.clip(false + room * curve, 1e-6, 1 - 1e-6)
        likelihood = detected[rows] @ np.log(rate) + (images - detected[rows]) @ np.log1p(-rate)
        best = likelihood.argmax(1)
        target = ndtr(ndtri(false) + SENSITIVITY)
        share = np.clip((target - false) / room[best], 1e-6, 1 - 1e-6)
        thresholds[rows] = a[best] + b[best] * ndtri(share)
    return thresholds


MEASURES = (
    fraction(
        name="balanced-accuracy",
        title="balanced accuracy",
        higher_is_better=True,
        definition="Mean over classes of the fraction of samples that the probe classifies correctly.",
        formula="1/K · Σₖ TPₖ / (TPₖ + FNₖ)",
        source="Brodersen et al. 2010",
    ),
    fraction(
        name="recall",
        title="recall",
        higher_is_better=True,
        definition="Fraction of the samples of a class that the probe classifies correctly. For a group: the mean over "
        "its transformations.",
        formula="TP / (TP + FN)",
        source="definition",
    ),
    fraction(
        name="group-hit-rate",
        title="group recall",
        higher_is_better=True,
        definition="Mean over groups, except clean, of the fraction of samples whose group the probe predicts "
        "correctly.",
        formula="1/G · Σ_g correct_g / samples_g, over all groups except clean",
        source="the group task of the protocol",
    ),
    fraction(
        name="called-identity",
        title="predicted as clean",
        higher_is_better=False,
        definition="Fraction of transformed samples that the probe predicts as clean.",
        formula="samples predicted as clean / transformed samples",
        source="the group task of the protocol",
    ),
    gap(
        name="generalization-gap",
        title="generalization gap",
        higher_is_better=False,
        definition="Group recall of transformations seen in training minus group recall of unseen transformations.",
        formula="group-hit-rate(seen) − group-hit-rate(unseen)",
        source="the group task of the protocol",
    ),
    fraction(
        name="macro-f1",
        title="macro F1",
        higher_is_better=True,
        definition="Mean over classes of the harmonic mean of precision and recall.",
        formula="1/K · Σₖ 2 TPₖ / (2 TPₖ + FPₖ + FNₖ)",
        source="definition",
        score=lambda p: macro_f1(p.truth, p.predicted, p.clusters),
        chance=lambda classes: 1 / classes,
    ),
    gap(
        name="informedness",
        title="informedness",
        higher_is_better=True,
        definition="Mean over classes of the true-positive rate minus the false-positive rate; 0 for random guessing.",
        formula="1/K · Σₖ (TPRₖ − FPRₖ)",
        source="Powers 2011; Udandarao et al., arXiv 2310.08577",
        score=lambda p: informedness(p.truth, p.predicted, p.clusters),
        chance=lambda classes: 0.0,
    ),
    Measure(
        name="nll",
        title="negative log-likelihood",
        unit="nats",
        low=0.0,
        high=None,
        higher_is_better=False,
        definition="Mean negative logarithm of the probability that the probe assigns to the true class.",
        formula="−1/N · Σᵢ ln p(yᵢ | xᵢ)",
        source="definition",
        score=lambda p: mean(-np.log(np.maximum(p.p_truth, MIN_SCORED_PROBABILITY)), p.clusters),
        chance=lambda classes: float(-np.log(1 / classes)),
    ),
    fraction(
        name="calibration-error",
        title="expected calibration error",
        higher_is_better=False,
        definition="Mean gap between confidence and accuracy over 15 bins with equal numbers of samples. No interval "
        "is computed, because noise increases the gap in every bootstrap sample.",
        formula="1/N · Σ_b |Σ_{i in bin b} (p(ŷᵢ | xᵢ) − [ŷᵢ = yᵢ])|",
        source="Nixon et al. 2019",
        has_interval=False,
        score=lambda p: _calibration(p, p.p_predicted),
    ),
    fraction(
        name="calibration-error-tempered",
        title="calibration error after temperature scaling",
        higher_is_better=False,
        definition="Expected calibration error after temperature scaling, with the temperature fitted on different "
        "photographs.",
        formula="expected calibration error with p = softmax(logits / T)",
        source="Guo et al. 2017",
        has_interval=False,
        score=lambda p: _calibration(p, p.p_calibrated),
    ),
    gap(
        name="selectivity",
        title="selectivity",
        higher_is_better=True,
        definition="Accuracy on the task minus accuracy on a control task with a random label for each cluster of the "
        "model's embeddings. Compare the two accuracies of one model rather than different models, because clusters "
        "are easier to learn in some embedding spaces than in others.",
        formula="accuracy(task) − accuracy(control task)",
        source="Hewitt & Liang 2019",
    ),
    Measure(
        name="detection-threshold",
        title="detection threshold",
        unit="unit of the transformation",
        low=None,
        high=None,
        higher_is_better=None,
        definition="The lowest strength at which a probe separates transformed from clean images with d' = 1.",
        formula="the strength s at which z(detection rate at s) − z(false positive rate) = 1",
        source="Wichmann & Hill 2001; Green & Swets 1966",
    ),
)
