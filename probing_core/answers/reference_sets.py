"""The detector's evidence: an image among clean photographs of its kind.

There are three kinds: images of about the view's size, large ones (whole and tiles together), and those without color.
Each has its own clean photographs, which give p-values, and its own posterior. P-values are conformal (Vovk et al.
2005; for outliers Bates et al. 2021): valid where the image, if clean, comes from the same source as the photographs.
Each photograph counts once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from probing_core.answers.answer import (
    Answer,
    Evidence,
    Posterior,
    Unavailable,
    answer_word,
    probability_edited,
    score_of,
)
from probing_core.answers.calibration import MIN_PHOTOGRAPHS, fit_posterior
from probing_core.answers.crops import COMBINED, Prediction
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import Interval, interval

LEVEL = 0.05
"""False-positive rate at which detection rates are measured: an image is flagged where p is at most the level."""

MIN_BEYOND = 5
"""Minimum expected number of false positives for a p-value: with fewer, the actual level differs too much from the
intended one. That is 100 clean photographs for 5%, 500 for 1%."""

MIN_CHECKED = 2
"""Minimum expected number of false positives for checking the level on large photographs (40 photographs at 5%). With
fewer, an error of four times the level would often go unnoticed."""

AS_IT_IS, TURNED_GRAY = "as it is", "turned gray"
"""How a clean photograph was scored: unchanged, or with its color removed."""

VIEW, LARGE, GRAY = "view", "large", "gray"
KIND_PHRASES = {VIEW: "of about this size", LARGE: "as large as this one", GRAY: "turned gray"}
"""Kind of image -> description of the clean photographs that it is compared with."""

HALF = 0.5
"""Groups of which a smaller fraction is detected are named where no edit is detected."""


def p_values(scores: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the p-values (N,) of ``scores`` (N,): (1 + number of ``clean`` (n,) that are as high) / (n + 1)."""
    ordered = np.sort(np.asarray(clean, np.float64))
    as_high = len(ordered) - np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
    return (1 + as_high) / (len(ordered) + 1)


def is_enough(count: int, level: float = LEVEL) -> bool:
    return count * level >= MIN_BEYOND - 1e-9


def error_holds(p: np.ndarray, level: float, calibrated_on: int) -> bool:
    """Return whether the number of p-values (n,) up to ``level`` is plausible (95%) for clean images of the same source
    as the ``calibrated_on`` photographs.

    Their number then has a beta-binomial distribution, since the photographs are a sample, too.
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
    """Fraction of edited images that are flagged, on photographs that neither trained the detector nor gave p-values.

    The detector's posterior is fitted on them, which does not affect the fraction: images are flagged by their p-value.

    Attributes:
        overall: groups weigh the same, and within each the bank and the alternatives.
        by_group: the fraction of each group.
    """

    overall: Interval
    by_group: Mapping[str, Interval]

    @property
    def hardly_detected(self) -> tuple[str, ...]:
        """Groups of which less than half is detected."""
        return tuple(group for group, share in self.by_group.items() if share.value < HALF)


@dataclass(frozen=True, eq=False)
class Edits:
    """Scored views of edited photographs of one kind: ``score``, ``base_id``, ``group`` and ``maker``."""

    rows: pd.DataFrame

    def detection_rate(self, clean: np.ndarray) -> DetectionRate | None:
        """Return the fraction of the edits that is flagged among ``clean`` photographs; None if there are none."""
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
        """Fit the posterior by ``clean`` scores (n,) of ``photographs`` (n,); None where there are too few of either,
        or scores do not separate clean from edited images."""
        rows = self.visible
        if not is_enough(len(clean)) or not self.has_enough:
            return None
        scores = np.concatenate([clean, rows["score"].to_numpy()])
        # Edited views weigh the same whatever their group: of images without color, some groups have very few views,
        # which groups of equal weight would let decide.
        groups = np.repeat(["identity", "edit"], [len(clean), len(rows)])
        ids = np.concatenate([photographs, rows["base_id"].to_numpy()])
        posterior = fit_posterior(scores, groups, np.full(len(scores), ""), ids)
        return posterior if posterior.decides else None

    @property
    def has_enough(self) -> bool:
        """Whether enough edited photographs calibrate the posterior."""
        return self.visible["base_id"].nunique() >= MIN_PHOTOGRAPHS

    @property
    def visible(self) -> pd.DataFrame:
        """The edits that can be seen: of images without color, all but edits of the color."""
        return self.rows[~(self.rows["no_color"] & (self.rows["group"] == "color"))]


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Clean photographs that images of one kind are compared with.

    Attributes:
        clean: (n,) their scores.
        posterior: None for the reason in `unavailable`.
        edits: by which the posterior was fitted, together with clean photographs.
        detection_rate: at `LEVEL`; None if it was not measured.
    """

    clean: np.ndarray
    posterior: Posterior | None
    edits: Edits
    detection_rate: DetectionRate | None

    @property
    def unavailable(self) -> Unavailable | None:
        """Why there is no posterior; None if there is one."""
        if self.posterior is not None:
            return None
        enough = is_enough(len(self.clean)) and self.edits.has_enough
        return Unavailable.NOT_SEPARATED if enough else Unavailable.TOO_FEW

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """Return (N,) p-values; NaN where too few photographs calibrate."""
        if not is_enough(len(self.clean)):
            return np.full(len(scores), np.nan)
        return np.where(np.isnan(scores), np.nan, p_values(scores, self.clean))

    def with_clean(self, clean: np.ndarray) -> ReferenceSet:
        """Return this set with other clean photographs, by which p-values and the posterior move together."""
        photographs = np.array([f"clean-{i}" for i in range(len(clean))])
        return replace(self, clean=clean, posterior=self.edits.posterior(clean, photographs), detection_rate=None)


NO_SET = ReferenceSet(np.empty(0), None, Edits(pd.DataFrame()), None)
"""Without photographs, for a kind of image that a run cannot compare."""


@dataclass(frozen=True, eq=False)
class ReferenceSets:
    """The reference set of each kind of image; a kind that the run cannot compare has none."""

    sets: Mapping[str, ReferenceSet]

    @classmethod
    def from_rows(cls, rows: pd.DataFrame | None) -> ReferenceSets:
        """Build the sets from a run's table of scored views (docs/run-format.md).

        The large kind gets a set only if p-values from its photographs of role ``calibrate`` hold on those of role
        ``report`` (`error_holds`). Without this set, large images are scored by their central square alone.
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
        """Return the kind of an image; a large one is compared as a whole until large photographs calibrate."""
        if no_color:
            return GRAY
        return LARGE if large and LARGE in self.sets else VIEW

    def answer(self, prediction: Prediction, no_color: bool) -> Answer:
        """Return the detector's answer for an image, compared with photographs of its kind."""
        kind = self.kind_of(prediction.kind == COMBINED, no_color)
        score, reference_set = score_of(prediction, no_color, whole_only=kind != LARGE), self.sets.get(kind, NO_SET)
        p = float(reference_set.p_values(np.array([score]))[0])
        rate = None if reference_set.detection_rate is None else reference_set.detection_rate.overall.value
        verdict = Evidence(None if math.isnan(p) else p, len(reference_set.clean), kind, no_color, rate)
        return Answer(prediction, score, reference_set.posterior, verdict, reference_set.unavailable)

    def judge(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return ``p``, ``n``, ``edited`` and ``answer`` of many images.

        Args:
            rows: ``large``, ``no_color``, and the edit scores ``whole`` and ``joined``.
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
        judged["answer"] = judged["edited"].map(answer_word)
        return judged

    def with_clean(self, clean: Mapping[str, np.ndarray]) -> ReferenceSets:
        """Return the sets with scores of other clean images, by kind; kinds with too few of them are left out."""
        return ReferenceSets({
            kind: self.sets[kind].with_clean(scores)
            for kind, scores in clean.items()
            if kind in self.sets and is_enough(len(scores))
        })  # fmt: skip


def _set_of(rows: pd.DataFrame, clean: pd.DataFrame, size: str, no_color: bool = False) -> ReferenceSet:
    """Return the set of ``clean`` scored views. Views of role ``calibrate`` give p-values; all views, with the edits of
    ``rows`` of the same kind, give the posterior."""
    is_kind = (rows["size"] == size) & (rows["no_color"] == no_color) & (rows["transform"] != "identity")
    edits = Edits(rows[is_kind & (rows["role"] == "report")].dropna(subset="score"))
    clean = clean.dropna(subset="score")
    calibrating = clean.loc[clean["role"] == "calibrate", "score"].to_numpy()
    posterior = edits.posterior(clean["score"].to_numpy(), clean["base_id"].to_numpy())
    if not is_enough(len(calibrating)):
        posterior = None
    # Few edits leave an image without color, and in very different numbers by group: no rate follows from them.
    rate = None if no_color else edits.detection_rate(calibrating)
    return ReferenceSet(calibrating, posterior, edits, rate)
