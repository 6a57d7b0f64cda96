"""Scores of a classifier's predictions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probing_core.measures.base import Measure, Predictions, fraction
from probing_core.measures.cluster_sums import ClusterSums, mean, mean_ratio, numbered, sums_by
from probing_core.measures.probabilities import MIN_SCORED_PROBABILITY

ECE_BINS = 15


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Return the mean over classes of the share of a class's samples that are classified correctly (Brodersen et al.
    2010).

    With one class it is that class's recall. Classes that a draw of clusters lacks are left out of its mean.

    Args:
        truth, predicted: (N,) class indices; only classes of ``truth`` count.
        clusters: (N,) cluster ids.
    """
    classes, row = numbered(truth)
    k = len(classes)
    sums = np.hstack(_hits_and_counts(truth, predicted, clusters, row, k))
    return ClusterSums(sums, lambda totals: mean_ratio(totals[..., :k], totals[..., k:]))


def macro_f1(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Return the mean over the classes of ``truth`` of 2 TP / (2 TP + FP + FN)."""
    return _from_counts(
        truth, predicted, clusters, lambda hits, actual, claimed: mean_ratio(2 * hits, actual + claimed)
    )


def informedness(truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Return the mean over the classes of ``truth`` of true-positive rate less false-positive rate (Powers 2011).

    0 for guessing, whatever the guess; 1 for a perfect classifier.
    """

    def score(hits: np.ndarray, actual: np.ndarray, claimed: np.ndarray) -> np.ndarray:
        others = actual.sum(-1, keepdims=True) - actual
        return mean_ratio(hits, actual) - mean_ratio(claimed - hits, others)

    return _from_counts(truth, predicted, clusters, score)


def calibration_error(confidence: np.ndarray, correct: np.ndarray, clusters: np.ndarray) -> ClusterSums:
    """Return the expected calibration error over `ECE_BINS` bins of equal mass (Nixon et al. 2019).

    Args:
        confidence: (N,) probability of the predicted class.
        correct: (N,) whether it was right.
    """
    edges = np.quantile(confidence, np.linspace(0, 1, ECE_BINS + 1)[1:-1])
    row = np.searchsorted(edges, confidence, side="right")
    gap = sums_by(clusters, row, ECE_BINS, confidence - correct.astype(np.float64))
    count = sums_by(clusters, row, ECE_BINS, np.ones(len(row)))

    def score(totals: np.ndarray) -> np.ndarray:
        return np.abs(totals[..., :ECE_BINS]).sum(-1) / np.maximum(totals[..., ECE_BINS:].sum(-1), 1e-12)

    return ClusterSums(np.hstack([gap, count]), score)


def _from_counts(
    truth: np.ndarray,
    predicted: np.ndarray,
    clusters: np.ndarray,
    score: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> ClusterSums:
    """Return a score computed from how often each class of ``truth`` was predicted correctly, was there, and was
    predicted."""
    classes, row = numbered(truth)
    k = len(classes)
    position = np.searchsorted(classes, np.clip(predicted, classes[0], classes[-1]))
    known = classes[position] == predicted
    parts = (*_hits_and_counts(truth, predicted, clusters, row, k), sums_by(clusters, position, k, known))
    return ClusterSums(
        np.hstack(parts), lambda totals: score(totals[..., :k], totals[..., k : 2 * k], totals[..., 2 * k :])
    )


def _hits_and_counts(
    truth: np.ndarray, predicted: np.ndarray, clusters: np.ndarray, row: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (C, K) each: how often a class, at ``row`` (N,) of K, was predicted correctly, and how often it was
    there."""
    return sums_by(clusters, row, classes, truth == predicted), sums_by(clusters, row, classes, np.ones(len(truth)))


def _calibration(predictions: Predictions, confidence: np.ndarray | None) -> ClusterSums | None:
    if confidence is None:
        return None
    return calibration_error(confidence, predictions.truth == predictions.predicted, predictions.clusters)


MEASURES = (
    fraction(
        name="balanced-accuracy",
        title="balanced accuracy",
        higher_is_better=True,
        definition="Mean over classes of the share of a class's images that the probe classifies correctly.",
        formula="1/K · Σₖ TPₖ / (TPₖ + FNₖ)",
        source="Brodersen et al. 2010",
    ),
    fraction(
        name="recall",
        title="recall",
        higher_is_better=True,
        definition="Share of a class's images that the probe classifies correctly; for a group its members' mean.",
        formula="TP / (TP + FN)",
        source="definition",
    ),
    fraction(
        name="group-hit-rate",
        title="in-group hit rate",
        higher_is_better=True,
        definition="Mean over groups, identity left out, of the share of images whose group the probe gets right.",
        formula="1/G · Σ_g hits_g / images_g, over the groups but identity",
        source="the group task of the protocol",
    ),
    fraction(
        name="called-identity",
        title="called untouched",
        higher_is_better=False,
        definition="Share of transformed images that the probe calls identity, that is untouched.",
        formula="images called identity / transformed images",
        source="the group task of the protocol",
    ),
    Measure(
        name="generalization-gap",
        title="gap between seen and unseen",
        unit="fraction",
        low=-1.0,
        high=1.0,
        higher_is_better=False,
        definition="In-group hit rate of transformations seen in training, less that of unseen ones.",
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
    Measure(
        name="informedness",
        title="informedness",
        unit="fraction",
        low=-1.0,
        high=1.0,
        higher_is_better=True,
        definition="Mean over classes of the true-positive rate less the false-positive rate; 0 for any guessing.",
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
        definition="Mean of -log of the probability that the probe gave to the right class.",
        formula="−1/N · Σᵢ ln p(yᵢ | xᵢ)",
        source="definition",
        score=lambda p: mean(-np.log(np.maximum(p.p_truth, MIN_SCORED_PROBABILITY)), p.clusters),
        chance=lambda classes: float(-np.log(1 / classes)),
    ),
    fraction(
        name="calibration-error",
        title="expected calibration error",
        higher_is_better=False,
        definition="Mean gap between how sure the probe was and how often it was right, over 15 bins of equal mass; "
        "without an interval, since noise makes it larger in every redrawn sample.",
        formula="1/N · Σ_b |Σ_{i in bin b} (p(ŷᵢ | xᵢ) − [ŷᵢ = yᵢ])|",
        source="Nixon et al. 2019",
        has_interval=False,
        score=lambda p: _calibration(p, p.p_predicted),
    ),
    fraction(
        name="calibration-error-tempered",
        title="calibration error, tempered",
        higher_is_better=False,
        definition="The same after dividing the logits by a temperature that was fitted on other photographs.",
        formula="the same with p = softmax(logits / T)",
        source="Guo et al. 2017",
        has_interval=False,
        score=lambda p: _calibration(p, p.p_calibrated),
    ),
)
