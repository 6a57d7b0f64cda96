"""Evidence of the detector: an image compared with clean photographs of its kind.

There are three kinds: images of about the view's size, large images (full image and tiles together) and images without
color. Each kind has its own clean photographs, from which p-values are computed, and its own posterior. P-values are
conformal (Vovk et al. 2005; for outliers Bates et al. 2021): they are valid if the image, when clean, comes from the
same source as the photographs. Each photograph counts once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from probing_core.answers.answer import (
    FOUND,
    INCONCLUSIVE,
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
"""False-positive rate at which detection rates are measured: an image is flagged if p is at most this level."""

MIN_BEYOND = 5
"""Minimum expected number of false positives for a p-value: with fewer, the actual level differs too much from the
intended one. That is 100 clean photographs for 5%, 500 for 1%."""

MIN_CHECKED = 2
"""Minimum expected number of false positives for checking the level on large photographs (40 photographs at 5%). With
fewer, an error of four times the level would often go unnoticed."""

AS_IT_IS, TURNED_GRAY = "as it is", "turned gray"
"""Versions of a clean photograph that were scored: unchanged, or with its color removed."""

VIEW, LARGE, GRAY = "view", "large", "gray"
KIND_PHRASES = {VIEW: "of about this size", LARGE: "as large as this one", GRAY: "turned gray"}
"""Kind of image -> description of the clean photographs that images of this kind are compared with."""

HALF = 0.5
"""Groups with a detection rate below this are listed when no edit is detected."""


def p_values(scores: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the p-values (N,) of ``scores`` (N,): (1 + number of ``clean`` scores (n,) at least as high) / (n + 1)."""
    ordered = np.sort(np.asarray(clean, np.float64))
    as_high = len(ordered) - np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
    return (1 + as_high) / (len(ordered) + 1)


def is_enough(count: int, level: float = LEVEL) -> bool:
    return count * level >= MIN_BEYOND - 1e-9


def error_holds(p: np.ndarray, level: float, calibrated_on: int) -> bool:
    """Return whether the number of p-values (n,) of at most ``level`` is plausible (95%) for clean images.

    If the images come from the same source as the ``calibrated_on`` photographs, this number has a beta-binomial
    distribution, since the photographs are a sample, too.
    """
    from scipy.special import betaln, gammaln

    n, flagged = len(p), int((p <= level).sum())
    beyond = math.floor(level * (calibrated_on + 1) + 1e-9)  # ranks of the photographs that are flagged
    within = calibrated_on + 1 - beyond
    if not beyond:
        return flagged == 0
    k = np.arange(flagged, n + 1)
    choices = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    as_many = np.exp(choices + betaln(k + beyond, n - k + within) - betaln(beyond, within)).sum()
    return bool(as_many > 0.05)


@dataclass(frozen=True)
class DetectionRate:
    """Fraction of edited images that are flagged, on photographs used neither for training nor for p-values.

    The detector's posterior is fitted on these photographs. This does not affect the fraction, because images are
    flagged by their p-value.

    Attributes:
        overall: fraction with equal weight for all groups, and within a group for the bank and the alternatives.
        by_group: group -> fraction.
    """

    overall: Interval
    by_group: Mapping[str, Interval]

    @property
    def hardly_detected(self) -> tuple[str, ...]:
        """Groups with a detection rate below one half."""
        return tuple(group for group, share in self.by_group.items() if share.value < HALF)


@dataclass(frozen=True, eq=False)
class Edits:
    """Scored views of edited photographs of one kind: ``score``, ``base_id``, ``group`` and ``maker``."""

    rows: pd.DataFrame

    def detection_rate(self, clean: np.ndarray) -> DetectionRate | None:
        """Return the fraction of edits flagged by comparison with ``clean`` scores (n,); None if either is empty."""
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
        """Fit the posterior on ``clean`` scores (n,) of ``photographs`` (n,) and on the scores of edits.

        It is None if there are too few clean or edited photographs.
        """
        rows = self.visible
        if not is_enough(len(clean)) or not self.has_enough:
            return None
        scores = np.concatenate([clean, rows["score"].to_numpy()])
        # All edited views have equal weight, whatever their group: some groups have very few views without color, which
        # would dominate if all groups had equal weight.
        groups = np.repeat(["identity", "edit"], [len(clean), len(rows)])
        ids = np.concatenate([photographs, rows["base_id"].to_numpy()])
        return fit_posterior(scores, groups, np.full(len(scores), ""), ids)

    @property
    def has_enough(self) -> bool:
        """Whether there are enough edited photographs to calibrate the posterior."""
        return self.visible["base_id"].nunique() >= MIN_PHOTOGRAPHS

    @property
    def visible(self) -> pd.DataFrame:
        """Rows of the edits that can be seen: all except edits of the color of images without color."""
        return self.rows[~(self.rows["no_color"] & (self.rows["group"] == "color"))]


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Clean photographs that images of one kind are compared with.

    Attributes:
        clean: (n,) scores of the photographs for p-values: those with the role ``calibrate``, or those of ``--clean``.
        posterior: conversion of scores into probabilities; None if there are too few photographs.
        edits: edited photographs on which the posterior was fitted, together with clean photographs of both roles.
        detection_rate: detection rate at `LEVEL`; None if it was not measured.
    """

    clean: np.ndarray
    posterior: Posterior | None
    edits: Edits
    detection_rate: DetectionRate | None

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return the p-values (N,) of ``scores`` (N,); NaN if there are too few clean photographs."""
        if not is_enough(len(self.clean)):
            return np.full(len(scores), np.nan)
        return np.where(np.isnan(scores), np.nan, p_values(scores, self.clean))

    def with_clean(self, clean: np.ndarray) -> ReferenceSet:
        """Return this set with other clean photographs, for p-values and for the posterior.

        Args:
            clean: (n,) scores of the photographs.
        """
        photographs = np.array([f"clean-{i}" for i in range(len(clean))])
        return replace(self, clean=clean, posterior=self.edits.posterior(clean, photographs), detection_rate=None)


NO_SET = ReferenceSet(np.empty(0), None, Edits(pd.DataFrame()), None)
"""Empty reference set, for a kind of image that a run cannot compare."""


@dataclass(frozen=True, eq=False)
class ReferenceSets:
    """Reference set of each kind of image; kinds that the run cannot compare have none."""

    sets: Mapping[str, ReferenceSet]

    @classmethod
    def from_rows(cls, rows: pd.DataFrame | None) -> ReferenceSets:
        """Build the sets from a run's table of scored views (docs/run-format.md).

        Large images get a set only if p-values computed from large photographs with the role ``calibrate`` hold for
        large photographs with the role ``report`` (`error_holds`). Without this set, large images are scored by their
        central square alone.
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
        """Return the kind of an image; large images are of kind ``view`` if there is no reference set of large ones."""
        if no_color:
            return GRAY
        return LARGE if large and LARGE in self.sets else VIEW

    def answer(self, prediction: Prediction, no_color: bool) -> Answer:
        """Return the detector's answer for an image, which is compared with photographs of its kind."""
        kind = self.kind_of(prediction.kind == COMBINED, no_color)
        score, reference_set = score_of(prediction, no_color, whole_only=kind != LARGE), self.sets.get(kind, NO_SET)
        p = float(reference_set.p_values(np.array([score]))[0])
        rate = None if reference_set.detection_rate is None else reference_set.detection_rate.overall.value
        evidence = Evidence(None if math.isnan(p) else p, len(reference_set.clean), kind, no_color, rate)
        return Answer(prediction, score, reference_set.posterior, evidence)

    def judge(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return ``p``, ``n``, ``edited`` and ``answer`` for many images, one row per row of ``rows``.

        Args:
            rows: ``large``, ``no_color``, ``is_flat`` (as in `Crops`), and the edit scores ``whole`` (full image) and
                ``joined`` (with its tiles).
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

    def with_clean(self, clean: Mapping[str, np.ndarray]) -> ReferenceSets:
        """Return the sets with other clean images; kinds with too few clean images are left out.

        Args:
            clean: kind -> scores (n,) of clean images.
        """
        return ReferenceSets({
            kind: self.sets[kind].with_clean(scores)
            for kind, scores in clean.items()
            if kind in self.sets and is_enough(len(scores))
        })  # fmt: skip


def highest_tile(answer: Answer, prior: float) -> int | None:
    """Return the index of the tile with the highest edit score; None if no edit is suspected, or the detector's answer
    does not use tiles."""
    evidence, prediction = answer.evidence, answer.prediction
    if evidence is None or evidence.kind != LARGE or answer.word(prior) not in (*FOUND, INCONCLUSIVE):
        return None
    tiles = log_of(prediction.crop_probabilities[1:])
    return int(edit_score(tiles, prediction.groups, evidence.no_color).argmax())


def _set_of(rows: pd.DataFrame, clean: pd.DataFrame, size: str, no_color: bool = False) -> ReferenceSet:
    """Return the reference set of the scored views ``clean``.

    P-values are computed from those with the role ``calibrate``. The posterior is fitted on those with either role and
    on the edits of the same kind with the role ``report`` in ``rows``.
    """
    is_kind = (rows["size"] == size) & (rows["no_color"] == no_color) & (rows["transform"] != "identity")
    edits = Edits(rows[is_kind & (rows["role"] == "report")].dropna(subset="score"))
    clean = clean.dropna(subset="score")
    calibrating = clean.loc[clean["role"] == "calibrate", "score"].to_numpy()
    posterior = edits.posterior(clean["score"].to_numpy(), clean["base_id"].to_numpy())
    if not is_enough(len(calibrating)):
        posterior = None
    # Only few edits result in images without color, and their number differs between groups, so no rate is computed.
    rate = None if no_color else edits.detection_rate(calibrating)
    return ReferenceSet(calibrating, posterior, edits, rate)
