"""Fit calibrations that convert edit scores to probabilities that images were edited.

The log odds under a prior of 0.5 are (score - offset) / temperature. Temperature and offset are fitted by maximum
likelihood. There are two kinds of calibration:

- Models (`model_posteriors`) are calibrated on scored views of the ``--calibrate-on`` photographs, on which no probe
  was trained. Scores differ between sources of images, such as cameras or websites, and new images come from new
  sources. The offset is therefore modeled as random. Its standard deviation, the spread, is estimated by comparing each
  source with all others. If there are too few photographs, the calibration from training is used, which has no spread.
- The detector (`probing_core.answers.reference_sets.Edits.posterior`) is calibrated separately for each kind of image,
  on clean photographs with the role ``calibrate`` or ``report`` and on edited photographs with the role ``report``.
  This calibration has no spread.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from probing_core.answers.answer import Posterior, sigmoid
from probing_core.answers.crops import COMBINED, DIRECT
from probing_core.measures.classification import MIN_SCORED_PROBABILITY

MIN_TEMPERATURE = 0.05

MIN_STANDARD_ERRORS = 2.0
"""Minimum gain in log likelihood over the prior, in standard errors. If the gain is smaller, the prior is used."""

MIN_PHOTOGRAPHS = 30
"""Minimum numbers of clean and edited photographs for calibrating a model.

The detector requires the same number of edited photographs, but more clean photographs (`is_enough` in
answers/reference_sets.py).
"""

MIN_OF_SOURCE = 15
"""Minimum number of clean photographs for estimating the offset of a source."""

BINS = 10


def fit_posterior(scores: np.ndarray, groups: np.ndarray, makers: np.ndarray, photographs: np.ndarray) -> Posterior:
    """Fit temperature and offset by weighted maximum likelihood (see `weights`).

    The temperature is infinite if the gain over the prior is not significant.

    Args:
        scores: (N,) edit scores of images on which the probe was not trained.
        groups: (N,) transformation group of each image, or ``identity`` for clean images.
        makers: (N,) implementation of each transformation (the bank, or an alternative).
        photographs: (N,) photograph IDs. Images of the same photograph are not independent.
    """
    return _Scored.of(scores, groups, makers, photographs).fit()


def weights(groups: pd.Series) -> np.ndarray:
    """Compute weights (N,) that sum to 1, with half of the weight on edited images.

    The weight of edited images is divided equally among groups.
    """
    zeros = np.zeros(len(groups))
    return _Scored.of(zeros, groups.to_numpy(), zeros, zeros).weights()


@dataclass(frozen=True, eq=False)
class _Scored:
    """Scored images on which posteriors are fitted.

    Attributes:
        scores: (N,) edit scores.
        is_edited: (N,) whether each image was edited.
        groups, makers, photographs, sources: (N,) integer codes, which are faster to compare than strings.
    """

    scores: np.ndarray
    is_edited: np.ndarray
    groups: np.ndarray
    makers: np.ndarray
    photographs: np.ndarray
    sources: np.ndarray

    @classmethod
    def of(
        cls,
        scores: np.ndarray,
        groups: np.ndarray,
        makers: np.ndarray,
        photographs: np.ndarray,
        sources: np.ndarray | None = None,
    ) -> _Scored:
        is_edited = np.asarray(groups) != "identity"
        sources = np.zeros(len(is_edited)) if sources is None else sources
        codes = (pd.factorize(np.asarray(column), sort=True)[0] for column in (groups, makers, photographs, sources))
        return cls(np.asarray(scores, np.float64), is_edited, *codes)

    def only(self, chosen: np.ndarray) -> _Scored:
        return _Scored(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def weights(self) -> np.ndarray:
        """Compute weights (N,) that sum to 1, with half of the weight on edited images.

        The weight of edited images is divided equally among groups, and within a group among implementations.
        """
        makers = np.where(self.is_edited, self.makers, 0)
        cells, cell = np.unique(self.groups * (makers.max(initial=0) + 1) + makers, return_inverse=True)
        in_cell = np.bincount(cell)[cell]
        groups_of_cells = cells // (makers.max(initial=0) + 1)
        makers_of_group = np.bincount(groups_of_cells, minlength=self.groups.max(initial=0) + 1)[self.groups]
        count = max(1, len(np.unique(self.groups[self.is_edited])))
        return np.where(self.is_edited, 0.5 / (count * makers_of_group * in_cell), 0.5 / in_cell)

    def fit(self) -> Posterior:
        """Fit temperature and offset, as in `fit_posterior`."""
        from scipy.optimize import minimize

        is_edited, scores = self.is_edited, self.scores
        if is_edited.all() or not is_edited.any():
            return Posterior()
        weight = self.weights()
        middle, scale = np.average(scores, weights=weight), max(float(scores.std()), 1e-9)
        x = (scores - middle) / scale

        def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
            odds = line[0] * x + line[1]
            slope = weight * (sigmoid(odds) - is_edited)
            value = float((weight * (np.logaddexp(0, odds) - is_edited * odds)).sum())
            return value, np.array([(slope * x).sum(), slope.sum()])

        bounds = [(0, scale / MIN_TEMPERATURE), (None, None)]
        steep, level = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds).x
        if steep <= 0:
            return Posterior()
        posterior = Posterior(float(scale / steep), float(middle - level * scale / steep))
        p = posterior.probability(scores)
        likelihood = np.where(is_edited, p, 1 - p)
        gain = weight * (np.log(np.maximum(likelihood, MIN_SCORED_PROBABILITY)) - np.log(0.5))
        by_photograph = np.bincount(self.photographs, gain)[np.unique(self.photographs)]
        error = by_photograph.std(ddof=1) * np.sqrt(len(by_photograph)) if len(by_photograph) > 1 else np.inf
        return posterior if gain.sum() > MIN_STANDARD_ERRORS * error else Posterior()

    def spread(self) -> tuple[float, int]:
        """Estimate the variation of the offset between sources.

        Returns:
            The standard deviation of the difference in mean clean score between one source and all others, after
            subtracting the sampling variance, and the number of sources.
        """
        clean = self.only(~self.is_edited)
        counts = np.bincount(clean.sources)
        sufficient = np.flatnonzero(counts >= MIN_OF_SOURCE)
        if len(sufficient) < 2:
            return 0.0, max(1, len(sufficient))
        total, size = np.bincount(clean.sources, clean.scores)[sufficient], counts[sufficient]
        variance = np.array([clean.scores[clean.sources == source].var(ddof=1) for source in sufficient])
        mean_of_others = (total.sum() - total) / (size.sum() - size)
        excess = (total / size - mean_of_others) ** 2 - variance / size
        return float(np.sqrt(max(0.0, excess.mean()))), len(sufficient)

    def transfer_error(self) -> float | None:
        """Estimate the calibration error on new sources by leave-one-source-out cross-validation.

        Returns None if no source can be held out.
        """
        masks, probabilities = [], []
        for source in np.unique(self.sources):
            source_rows, other_rows = self.only(self.sources == source), self.only(self.sources != source)
            if (
                source_rows.count(clean=True) >= MIN_OF_SOURCE
                and source_rows.count(clean=False)
                and other_rows.has_enough
            ):
                masks.append(self.sources == source)
                posterior = replace(other_rows.fit(), spread=other_rows.spread()[0])
                probabilities.append(posterior.probability(source_rows.scores))
        if not masks:
            return None
        scored = self.only(np.concatenate([np.flatnonzero(mask) for mask in masks]))
        return calibration_error(np.concatenate(probabilities), scored.is_edited, scored.weights())

    def count(self, clean: bool) -> int:
        return len(np.unique(self.photographs[self.is_edited != clean]))

    @property
    def has_enough(self) -> bool:
        return min(self.count(clean=True), self.count(clean=False)) >= MIN_PHOTOGRAPHS


def model_posteriors(rows: pd.DataFrame) -> dict[str, Posterior]:
    """Fit a calibration for each kind of image (``direct`` and ``combined``).

    Views from the corpus of the run are excluded, because probes may have been trained on them. Views without color are
    also excluded. Kinds with fewer than `MIN_PHOTOGRAPHS` clean or edited photographs are omitted.

    Args:
        rows: table of scored views of the model (docs/run-format.md).
    """
    calibration = rows[(rows["corpus"] > 0) & ~rows["no_color"]]
    posteriors = {}
    for kind, size, score in ((DIRECT, "view", "whole_score"), (COMBINED, "large", "score")):
        posterior = fit_between_sources(calibration[calibration["size"] == size], score)
        if posterior is not None:
            posteriors[kind] = posterior
    return posteriors


def fit_between_sources(rows: pd.DataFrame, score: str = "score") -> Posterior | None:
    """Fit a posterior for images from new sources.

    The source of a photograph is the part of ``base_id`` before the first slash or, without a slash, the corpus.

    Args:
        rows: scored views of one size.
        score: column with the scores.

    Returns:
        The posterior, or None if there are too few photographs.
    """
    ids = zip(rows["base_id"], rows["corpus"], strict=True)
    sources = np.array([base.partition("/")[0] if "/" in base else str(corpus) for base, corpus in ids])
    scores, groups, makers, photographs = (rows[name].to_numpy() for name in (score, "group", "maker", "base_id"))
    scored = _Scored.of(scores, groups, makers, photographs, sources)
    if not scored.has_enough:
        return None
    posterior, (spread, count) = scored.fit(), scored.spread()
    if count < 2 or not np.isfinite(posterior.temperature):
        return replace(posterior, sources=count)
    return replace(posterior, spread=spread, sources=count, transfer_error=scored.transfer_error())


def reliability_bins(stated: np.ndarray, is_edited: np.ndarray, weight: np.ndarray) -> pd.DataFrame:
    """Compute the data of a reliability diagram with bins of ten percentage points.

    Args:
        stated: (N,) predicted probabilities that images were edited.
        is_edited: (N,) whether each image was edited.
        weight: (N,) weights of the images.

    Returns:
        Table with the columns ``bin``, ``stated`` (mean predicted probability), ``fraction`` (fraction of edited
        images) and ``weight``.
    """
    table = pd.DataFrame({
        "bin": np.minimum((np.asarray(stated) * BINS).astype(int), BINS - 1),
        "weight": weight,
        "stated": weight * stated,
        "fraction": weight * is_edited,
    })  # fmt: skip
    sums = table.groupby("bin").sum()
    return sums.assign(stated=sums["stated"] / sums["weight"], fraction=sums["fraction"] / sums["weight"]).reset_index()


def calibration_error(stated: np.ndarray, is_edited: np.ndarray, weight: np.ndarray) -> float:
    """Compute the expected calibration error.

    The error is the weighted mean over bins of the absolute difference between the mean predicted probability and the
    fraction of edited images.
    """
    bins = reliability_bins(stated, is_edited, weight)
    return float((bins["weight"] * (bins["fraction"] - bins["stated"]).abs()).sum())


def scores_behind(probabilities: np.ndarray, posterior: Posterior) -> np.ndarray:
    """Return the scores (N,) that correspond to ``probabilities`` (N,) under a prior of 0.5.

    The spread is ignored. Scores are NaN if the temperature is infinite, because every probability is then the prior.
    """
    p = np.clip(np.asarray(probabilities, np.float64), MIN_SCORED_PROBABILITY, 1 - MIN_SCORED_PROBABILITY)
    if not np.isfinite(posterior.temperature):
        return np.full(len(p), np.nan)
    return posterior.offset + posterior.temperature * (np.log(p) - np.log1p(-p))
