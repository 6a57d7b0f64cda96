"""Compare images with clean photographs of the same kind to compute the evidence of the detector.

There are three kinds of images: images of about the view size, large images (central square and tiles combined), and
images without color. Each kind has separate clean photographs for computing p-values, and a separate posterior.
P-values are conformal (Vovk et al. 2005; for outliers, Bates et al. 2021). They are valid if the image comes from the
same source as the clean photographs. Each photograph is counted once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from probing_core.answers.answer import (
    ANSWERS,
    FOUND,
    INCONCLUSIVE,
    PRIOR,
    Answer,
    Evidence,
    Posterior,
    answer_word,
    edit_score,
    log_of,
    probability_edited,
    score_of,
)
from probing_core.answers.calibration import MIN_PHOTOGRAPHS, fit_posterior
from probing_core.answers.crops import COMBINED, Prediction
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import Interval, interval

LEVEL = 0.05
"""False-positive rate at which detection rates are measured. An image is flagged if its p-value is at most this level.
"""

MIN_BEYOND = 5
"""Minimum expected number of false positives for computing p-values (100 clean photographs at 5%, 500 at 1%).

With fewer photographs, the actual false-positive rate differs too much from the nominal rate.
"""

MIN_CHECKED = 2
"""Minimum expected number of false positives for testing the false-positive rate (40 large photographs at 5%).

With fewer photographs, a false-positive rate of four times the level would often go undetected.
"""

AS_IT_IS, TURNED_GRAY = "as it is", "turned gray"
"""Versions of clean photographs that are scored: unchanged, or converted to grayscale."""

VIEW, LARGE, GRAY = "view", "large", "gray"
KIND_PHRASES = {VIEW: "of similar size", LARGE: "of similar size", GRAY: "converted to grayscale"}
"""Kind of image -> description of the clean photographs with which images of this kind are compared."""

HALF = 0.5
"""Detection rate below which groups are listed if no edit is detected."""


def p_values(scores: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Compute the p-values (N,) of ``scores`` (N,).

    A p-value is (1 + number of ``clean`` scores that are at least as high) / (n + 1), where n is the number of
    ``clean`` scores.
    """
    ordered = np.sort(np.asarray(clean, np.float64))
    as_high = len(ordered) - np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
    return (1 + as_high) / (len(ordered) + 1)


def is_enough(count: int, level: float = LEVEL) -> bool:
    return count * level >= MIN_BEYOND - 1e-9


def error_holds(p: np.ndarray, level: float, calibrated_on: int) -> bool:
    """Test whether the false-positive rate on clean images is at most ``level``, at a significance level of 5%.

    If the images come from the same source as the calibration photographs, the number of p-values of at most ``level``
    has a beta-binomial distribution.

    Args:
        p: (n,) p-values of clean images.
        level: nominal false-positive rate.
        calibrated_on: number of calibration photographs.

    Returns:
        False if there are significantly more false positives than expected.
    """
    from scipy.special import betaln, gammaln

    n, flagged = len(p), int((p <= level).sum())
    beyond = math.floor(level * (calibrated_on + 1) + 1e-9)  # number of ranks that are flagged
    within = calibrated_on + 1 - beyond
    if not beyond:
        return flagged == 0
    k = np.arange(flagged, n + 1)
    choices = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    as_many = np.exp(choices + betaln(k + beyond, n - k + within) - betaln(beyond, within)).sum()
    return bool(as_many > 0.05)


@dataclass(frozen=True)
class DetectionRate:
    """Fraction of edited images that are flagged, on photographs that are not used for training or p-values.

    The posterior of the detector is fitted on these photographs. This does not affect the detection rate, because
    images are flagged based on their p-values.

    Attributes:
        overall: detection rate with equal weight for all pairs of group and implementation.
        by_group: group -> detection rate.
    """

    overall: Interval
    by_group: Mapping[str, Interval]

    @property
    def hardly_detected(self) -> tuple[str, ...]:
        """Groups with a detection rate below one half."""
        return tuple(group for group, share in self.by_group.items() if share.value < HALF)


@dataclass(frozen=True, eq=False)
class Edits:
    """Scored views of edited photographs of one kind.

    Attributes:
        rows: table with the columns ``score``, ``base_id``, ``group``, ``maker`` and ``no_color``.
    """

    rows: pd.DataFrame

    def detection_rate(self, clean: np.ndarray) -> DetectionRate | None:
        """Compute the fraction of edits that are flagged.

        Args:
            clean: (n,) scores of the clean photographs for p-values.

        Returns:
            The detection rate, or None if there are no edits or no clean photographs.
        """
        rows = self.rows
        if rows.empty or not len(clean):
            return None
        flagged = p_values(rows["score"].to_numpy(), clean) <= LEVEL
        photographs, groups = rows["base_id"].to_numpy(), rows["group"].to_numpy()
        cell = (rows["group"] + "|" + rows["maker"]).astype("category").cat.codes.to_numpy(np.int64)

        def share(selected: np.ndarray) -> Interval:
            predicted = np.where(flagged[selected], cell[selected], -1)
            return interval(balanced_accuracy(cell[selected], predicted, photographs[selected]), low=0, high=1)

        by_group = {group: share(groups == group) for group in dict.fromkeys(groups)}
        return DetectionRate(share(np.ones(len(rows), bool)), by_group)

    def posterior(self, clean: np.ndarray, photographs: np.ndarray) -> Posterior | None:
        """Fit the posterior on clean and edited photographs.

        Args:
            clean: (n,) scores of clean photographs.
            photographs: (n,) IDs of these photographs.

        Returns:
            The posterior, or None if there are too few clean or edited photographs.
        """
        rows = self.visible
        if not is_enough(len(clean)) or not self.has_enough:
            return None
        scores = np.concatenate([clean, rows["score"].to_numpy()])
        # All edited views have the same weight regardless of their group. Some groups have very few views without
        # color, and these views would dominate if all groups had the same weight.
        groups = np.repeat(["identity", "edit"], [len(clean), len(rows)])
        ids = np.concatenate([photographs, rows["base_id"].to_numpy()])
        return fit_posterior(scores, groups, np.full(len(scores), ""), ids)

    @property
    def has_enough(self) -> bool:
        """Whether there are enough edited photographs to fit the posterior."""
        return self.visible["base_id"].nunique() >= MIN_PHOTOGRAPHS

    @property
    def visible(self) -> pd.DataFrame:
        """Rows of all visible edits, that is, of all edits except color edits of images without color."""
        return self.rows[~(self.rows["no_color"] & (self.rows["group"] == "color"))]


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Clean photographs with which images of one kind are compared.

    Attributes:
        clean: (n,) scores of the clean photographs for p-values.
        posterior: calibration of scores, or None if there are too few photographs.
        edits: edited photographs for fitting the posterior and measuring the detection rate.
        detection_rate: detection rate at `LEVEL`, or None if it was not measured.
        level: false-positive rate for which there must be enough clean photographs to compute p-values.
    """

    clean: np.ndarray
    posterior: Posterior | None
    edits: Edits
    detection_rate: DetectionRate | None
    level: float = LEVEL

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Compute the p-values (N,) of ``scores`` (N,), or NaN if there are too few clean photographs."""
        if not is_enough(len(self.clean), self.level):
            return np.full(len(scores), np.nan)
        return np.where(np.isnan(scores), np.nan, p_values(scores, self.clean))

    def false_positives(self, word: str, prior: float = PRIOR) -> tuple[int, int]:
        """Count the clean photographs whose verbal answer is ``word`` or indicates an edit more strongly.

        Returns:
            Their number, and the number of all clean photographs.
        """
        return int((self._ranks(self.clean, prior) <= ANSWERS.index(word)).sum()), len(self.clean)

    def miss_rate(self, word: str, prior: float = PRIOR) -> float:
        """Return the fraction of edited photographs whose verbal answer is ``word`` or indicates an edit less strongly.

        As in the detection rate, all pairs of group and implementation have equal weight.
        """
        rows = self.edits.visible
        missed = self._ranks(rows["score"].to_numpy(), prior) >= ANSWERS.index(word)
        return float(pd.Series(missed).groupby([rows["group"].to_numpy(), rows["maker"].to_numpy()]).mean().mean())

    def _ranks(self, scores: np.ndarray, prior: float) -> np.ndarray:
        """Return the index in `ANSWERS` of the verbal answer for each score."""
        words = [answer_word(p) for p in probability_edited(scores, self.posterior, prior)]
        return np.array([ANSWERS.index(word) for word in words], np.int64)

    def with_clean(self, clean: np.ndarray, level: float = LEVEL) -> ReferenceSet:
        """Return a copy of this set that uses other clean photographs for p-values and the posterior.

        Args:
            clean: (n,) scores of the other clean photographs.
            level: false-positive rate for which p-values are computed.
        """
        photographs = np.array([f"clean-{i}" for i in range(len(clean))])
        posterior = self.edits.posterior(clean, photographs)
        return replace(self, clean=clean, posterior=posterior, detection_rate=None, level=level)


NO_SET = ReferenceSet(np.empty(0), None, Edits(pd.DataFrame()), None)
"""Empty reference set, for kinds of images without clean photographs."""


@dataclass(frozen=True, eq=False)
class ReferenceSets:
    """The reference sets of a run.

    Attributes:
        sets: kind of image -> reference set.
    """

    sets: Mapping[str, ReferenceSet]

    @classmethod
    def from_rows(cls, rows: pd.DataFrame | None) -> ReferenceSets:
        """Build the reference sets from the table of scored views of a run (docs/run-format.md).

        Large images have a reference set only if p-values that are computed from large photographs with the role
        ``calibrate`` are valid for large photographs with the role ``report`` (`error_holds`). Without this set, only
        the central square of large images is scored.

        Args:
            rows: scored views, or None if the run has none.
        """
        if rows is None:
            return cls({})
        clean = rows[rows["transform"] == "identity"]
        at_view = clean[clean["size"] == VIEW]
        color = ~clean["no_color"]
        large = clean[(clean["size"] == LARGE) & color]
        sets = {
            VIEW: _set_of(rows, at_view[(at_view["maker"] == AS_IT_IS) & ~at_view["no_color"]], VIEW),
            GRAY: _set_of(rows, at_view[at_view["maker"] == TURNED_GRAY], VIEW, no_color=True),
        }
        calibrating, reported = (large.loc[large["role"] == r, "score"].to_numpy() for r in ("calibrate", "report"))
        enough = is_enough(len(calibrating)) and len(reported) * LEVEL >= MIN_CHECKED - 1e-9
        if enough and error_holds(p_values(reported, calibrating), LEVEL, len(calibrating)):
            sets[LARGE] = _set_of(rows, large, LARGE)
        return cls(sets)

    def kind_of(self, large: bool, no_color: bool) -> str:
        """Return the kind of an image. Large images have the kind ``view`` if they have no reference set."""
        if no_color:
            return GRAY
        return LARGE if large and LARGE in self.sets else VIEW

    def answer(self, prediction: Prediction, no_color: bool) -> Answer:
        """Compute the answer of the detector for an image."""
        kind = self.kind_of(prediction.kind == COMBINED, no_color)
        score, reference_set = score_of(prediction, no_color, whole_only=kind != LARGE), self.sets.get(kind, NO_SET)
        p = float(reference_set.p_values(np.array([score]))[0])
        rate = None if reference_set.detection_rate is None else reference_set.detection_rate.overall.value
        evidence = Evidence(None if math.isnan(p) else p, len(reference_set.clean), kind, no_color, rate)
        return Answer(prediction, score, reference_set.posterior, evidence, no_color)

    def judge(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Compute answers for many images.

        Args:
            rows: table with the columns ``large``, ``no_color``, ``is_flat`` (as in `Crops`), ``whole`` (edit score of
                the central square) and ``joined`` (edit score of the central square and the tiles).

        Returns:
            Table with one row per image and the columns ``p`` (p-value), ``n`` (number of clean photographs),
            ``edited`` (probability that the image was edited) and ``answer``.
        """
        flags = zip(rows["large"], rows["no_color"], strict=True)
        kinds = np.array([self.kind_of(bool(large), bool(no_color)) for large, no_color in flags], dtype=object)
        scores = np.where(kinds == LARGE, rows["joined"], rows["whole"]).astype(np.float64)
        judged = pd.DataFrame({"p": np.nan, "n": 0, "edited": np.nan}, index=rows.index)
        for kind in dict.fromkeys(kinds):
            of_kind, reference_set = kinds == kind, self.sets.get(kind, NO_SET)
            judged.loc[of_kind, "p"] = reference_set.p_values(scores[of_kind])
            judged.loc[of_kind, "n"] = len(reference_set.clean)
            judged.loc[of_kind, "edited"] = probability_edited(scores[of_kind], reference_set.posterior)
        judged["edited"] = judged["edited"].mask(rows["is_flat"])
        return judged.assign(answer=[*map(answer_word, judged["edited"], rows["is_flat"])])

    def with_clean(self, clean: Mapping[str, np.ndarray], level: float = LEVEL) -> ReferenceSets:
        """Return reference sets that use other clean images. Kinds with too few clean images are omitted.

        Args:
            clean: kind of image -> scores (n,) of the other clean images.
            level: false-positive rate for which there must be enough clean images.
        """
        return ReferenceSets({
            kind: self.sets[kind].with_clean(scores, level)
            for kind, scores in clean.items()
            if kind in self.sets and is_enough(len(scores), level)
        })  # fmt: skip


def highest_tile(answer: Answer, prior: float) -> int | None:
    """Return the index of the tile with the highest edit score.

    Returns None if the image is neither classified as edited nor inconclusive, or if the answer does not use tiles.
    """
    evidence, prediction = answer.evidence, answer.prediction
    if evidence is None or evidence.kind != LARGE or answer.word(prior) not in (*FOUND, INCONCLUSIVE):
        return None
    tiles = log_of(prediction.crop_probabilities[1:])
    return int(edit_score(tiles, prediction.groups, evidence.no_color).argmax())


def _set_of(rows: pd.DataFrame, clean: pd.DataFrame, size: str, no_color: bool = False) -> ReferenceSet:
    """Build the reference set for one kind of image.

    P-values are computed from the ``clean`` views with the role ``calibrate``. The posterior is fitted on all ``clean``
    views and on the edited views of this kind in ``rows`` that have the role ``report``.
    """
    is_kind = (rows["size"] == size) & (rows["no_color"] == no_color) & (rows["transform"] != "identity")
    edits = Edits(rows[is_kind & (rows["role"] == "report")].dropna(subset="score"))
    clean = clean.dropna(subset="score")
    calibrating = clean.loc[clean["role"] == "calibrate", "score"].to_numpy()
    posterior = edits.posterior(clean["score"].to_numpy(), clean["base_id"].to_numpy())
    if not is_enough(len(calibrating)):
        posterior = None
    # There are few edits of images without color, and their number differs between groups, so no rate is computed.
    rate = None if no_color else edits.detection_rate(calibrating)
    return ReferenceSet(calibrating, posterior, edits, rate)
