"""Answers about one picture: its crops, the prediction of a model, and the probability that it was altered.

A picture whose shorter side is at most 1.5 times the view is embedded unchanged (``direct``). A larger one is embedded
as a whole and as tiles (``combined``): reduced to the view, it shows color, tone, style, overlays and composition;
tiles show the blur, noise and compression that reduction erases. `join` makes one answer of the two.

The score of a picture is the largest of the log odds of any alteration against identity. For each model two fitted
numbers, a temperature and an offset, turn the score into a probability. They maximize the likelihood, under the prior
that every second picture is altered, on pictures from which the probe did not learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.errors import BadConfig
from probing_core.measures.classification import MIN_SCORED_PROBABILITY, softmax
from probing_core.probes import array_file
from probing_core.transforms.base import ERASED_BY_REDUCTION, Image
from probing_core.transforms.view import central_square, resize

DIRECT_UP_TO = 1.5
MAX_TILES = 9
"""For pictures of any size. Sixteen were tried and gained nothing."""

FROM_TILES, FROM_BOTH = 0.8, 0.5
"""Weight of the tiles in the answer: for groups that reduction erases, and for the others."""

FLOOR = 1e-6
"""Smallest probability of a crop: a single very certain crop must not outweigh the others."""


@dataclass(frozen=True)
class PictureCrops:
    """What embedders receive of one picture.

    Attributes:
        whole: the central square at the view's size.
        tiles: squares of the view's size at the picture's own scale; none for a picture that is embedded unchanged.
    """

    whole: Image
    tiles: tuple[Image, ...] = ()

    @property
    def kind(self) -> str:
        """``direct`` for the whole alone, ``combined`` for whole and tiles."""
        return "combined" if self.tiles else "direct"

    @property
    def pictures(self) -> list[Image]:
        return [self.whole, *self.tiles]


def join(probabilities: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Return probabilities (K,) of a picture from those of its crops (1 + T, K), the whole first, for classes of
    ``groups`` (K,).

    The logit of a class is a weighted mean of log p of the whole and of the mean of log p over the tiles. Blur, noise
    and compression are taken from the tiles mostly, everything else from both alike.
    """
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), FLOOR))
    if len(logs) == 1:
        return probabilities[0] / probabilities[0].sum()
    weight = np.array([FROM_TILES if group in ERASED_BY_REDUCTION else FROM_BOTH for group in groups])
    return softmax((1 - weight) * logs[0] + weight * logs[1:].mean(0))


def cut(image: Image, view: int) -> PictureCrops:
    """Cut the whole and the tiles of ``image`` for probes of ``view`` pixels."""
    height, width = image.shape[:2]
    whole = resize(central_square(image), view)
    if min(height, width) <= DIRECT_UP_TO * view:
        return PictureCrops(whole)
    rows, columns = _grid(height, width, view)
    tiles = tuple(
        np.array(image[y : y + view, x : x + view], order="C")  # a copy, never the picture's own memory
        for y in _starts(height, view, rows)
        for x in _starts(width, view, columns)
    )
    return PictureCrops(whole, tiles)


def _grid(height: int, width: int, view: int) -> tuple[int, int]:
    """Return rows and columns of tiles that cover the picture as far as `MAX_TILES` allow, in its own aspect ratio."""
    rows, columns = -(-height // view), -(-width // view)
    while rows * columns > MAX_TILES:
        if columns == 1 or (rows > 1 and rows / height >= columns / width):
            rows -= 1
        else:
            columns -= 1
    return rows, columns


def _starts(length: int, view: int, count: int) -> list[int]:
    if count == 1:
        return [(length - view) // 2]
    return [round(i * (length - view) / (count - 1)) for i in range(count)]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one model predicts about one picture.

    Attributes:
        classes, groups: names of the K classes, and the group of each.
        probabilities: (K,), sums to 1.
        crop_probabilities: (1 + T, K) of the whole picture, and of each of its tiles.
        embedding: (D,) of the whole picture at the view's size.
    """

    model: str
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    probabilities: np.ndarray
    crop_probabilities: np.ndarray
    embedding: np.ndarray

    @property
    def kind(self) -> str:
        return "combined" if len(self.crop_probabilities) > 1 else "direct"


def predictions_of(
    model: str,
    classes: tuple[str, ...],
    groups: tuple[str, ...],
    crops: Sequence[PictureCrops],
    probabilities: np.ndarray,
    embeddings: np.ndarray,
) -> list[Prediction]:
    """Return one prediction per picture.

    Args:
        probabilities, embeddings: (P, K) and (P, D) of all crops, picture after picture, the whole before its tiles.
    """
    predictions, start = [], 0
    for picture in crops:
        stop = start + len(picture.pictures)
        # Copies: a view would keep the arrays of all pictures alive.
        each, whole = probabilities[start:stop].astype(np.float64), embeddings[start].copy()
        predictions.append(Prediction(model, classes, groups, join(each, groups), each, whole))
        start = stop
    return predictions


ALTERED, RATHER_ALTERED, CANNOT_TELL = "altered", "rather altered", "cannot tell"
RATHER_UNTOUCHED, UNTOUCHED = "rather untouched", "untouched"
LOWEST_PERCENT = {ALTERED: 91, RATHER_ALTERED: 61, CANNOT_TELL: 40, RATHER_UNTOUCHED: 10, UNTOUCHED: 0}
"""Answer -> the lowest percent that a probability of having been altered, rounded as it is shown, has with it."""

ANSWERS = tuple(LOWEST_PERCENT)

PRIOR = 0.5
"""Share of pictures that are altered, before any is looked at."""

MIN_TEMPERATURE = 0.05

SURE = 2.0
"""Standard errors above 0 that the gain over the prior must have: with less, a model gives the prior."""

MIN_PHOTOGRAPHS = 30
"""Fewest photographs, among those that a run calibrates on, from which a kind of pictures gets its numbers."""


def word(altered: float) -> str:
    """Return the one of `ANSWERS` for a probability of having been altered."""
    percent = round(100 * altered)
    return next(answer for answer, lowest in LOWEST_PERCENT.items() if percent >= lowest)


def require_prior(prior: float) -> None:
    """Raise `BadConfig` where a prior is not between 0 and 1."""
    if not 0 < prior < 1:
        raise BadConfig(f"The prior is the share of altered pictures, between 0 and 1, as 0.5; got {prior}.")


def alteration_score(log_probabilities: np.ndarray, groups: Sequence[str], without_color: bool = False) -> np.ndarray:
    """Return (N,) the largest log odds of any transformation against identity; NaN where no transformation is left.

    The largest, not the sum: thirty small probabilities of a clean image do not add up to an edit.

    Args:
        log_probabilities: (N, K).
        groups: (K,) of the classes; ``identity`` among them.
        without_color: whether the color group is left out, as the detector does for pictures that have none.
    """
    group = np.asarray(groups)
    altered = (group != "identity") & ~(without_color & (group == "color"))
    if not altered.any():  # the run knows color transformations alone, and the image has no color
        return np.full(len(log_probabilities), np.nan)
    untouched = np.logaddexp.reduce(log_probabilities[:, group == "identity"], axis=1)
    return log_probabilities[:, altered].max(1) - untouched


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Return natural logarithms, ``float64``, of ``probabilities``, clipped below at `MIN_SCORED_PROBABILITY`."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), MIN_SCORED_PROBABILITY))


def if_altered(probabilities: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Return ``probabilities`` (..., K) given that the picture was altered: 0 for identity, with sums of 1."""
    share = np.where(np.asarray(groups) == "identity", 0.0, np.asarray(probabilities, np.float64))
    return share / np.maximum(share.sum(-1, keepdims=True), MIN_SCORED_PROBABILITY)


@dataclass(frozen=True)
class Noticing:
    """How a model's score becomes the probability that a picture was altered: (score - offset) / temperature are log
    odds under a prior of one half.

    Attributes:
        temperature: infinite for a model that is no better than the prior.
    """

    temperature: float = np.inf
    offset: float = 0.0

    def altered(self, scores: np.ndarray, prior: float = PRIOR) -> np.ndarray:
        """Return (N,) probabilities of having been altered for ``scores`` (N,), by Bayes' rule."""
        odds = (np.asarray(scores, np.float64) - self.offset) / self.temperature + np.log(prior) - np.log1p(-prior)
        return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))

    def to_bytes(self) -> bytes:
        """Return a safetensors file; equal numbers give equal bytes."""
        numbers = {"temperature": np.array([self.temperature]), "offset": np.array([self.offset])}
        return array_file.to_bytes(numbers, "noticing", {})

    @classmethod
    def from_bytes(cls, data: bytes) -> Noticing:
        """Read what `to_bytes` wrote.

        Raises:
            BadRun: the bytes are damaged or something else.
        """
        with array_file.expected("Noticing (safetensors with temperature and offset)"):
            numbers, _ = array_file.from_bytes(data, "noticing")
            return cls(float(numbers["temperature"][0]), float(numbers["offset"][0]))


def fit_noticing(
    scores: np.ndarray, groups: np.ndarray, makers: np.ndarray, photographs: np.ndarray, prior: float = PRIOR
) -> Noticing:
    """Return the numbers of maximum likelihood under `weights`; a model whose gain over the prior may be chance gets an
    infinite temperature.

    Args:
        scores: (N,) of pictures from which the model's probe did not learn.
        groups: (N,) of what was done to each; ``identity`` where nothing was.
        makers: (N,) what altered it: the bank, or another implementation.
        photographs: (N,) ids; pictures of the same photograph are not independent evidence.
    """
    from scipy.optimize import minimize

    altered = np.asarray(groups) != "identity"
    if altered.all() or not altered.any():
        return Noticing()
    weight = weights(groups, makers, prior)
    scores = np.asarray(scores, np.float64)
    middle, spread = np.average(scores, weights=weight), max(float(scores.std()), 1e-9)
    x, base = (scores - middle) / spread, np.log(prior) - np.log1p(-prior)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        odds = line[0] * x + line[1] + base
        slope = weight * (1 / (1 + np.exp(-np.clip(odds, -500, 500))) - altered)
        value = float((weight * (np.logaddexp(0, odds) - altered * odds)).sum())
        return value, np.array([(slope * x).sum(), slope.sum()])

    bounds = [(0, spread / MIN_TEMPERATURE), (None, None)]
    steep, level = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds).x
    if steep <= 0:
        return Noticing()
    noticing = Noticing(spread / steep, middle - level * spread / steep)
    found = noticing.altered(scores, prior)
    right, before = np.where(altered, found, 1 - found), np.where(altered, prior, 1 - prior)
    gain = pd.Series(weight * (np.log(np.maximum(right, MIN_SCORED_PROBABILITY)) - np.log(before)))
    by_photograph = gain.groupby(np.asarray(photographs)).sum().to_numpy()
    error = by_photograph.std(ddof=1) * np.sqrt(len(by_photograph)) if len(by_photograph) > 1 else np.inf
    return noticing if gain.sum() > SURE * error else Noticing()


def weights(groups: np.ndarray | pd.Series, makers: np.ndarray | str = "", prior: float = PRIOR) -> np.ndarray:
    """Return (N,) weights that sum to 1, of which a share ``prior`` is altered; within that, groups weigh the same, and
    within each the makers."""
    table = pd.DataFrame({"group": np.asarray(groups, str), "maker": makers})
    altered = table["group"] != "identity"
    table.loc[~altered, "maker"] = ""
    in_cell = table.groupby(["group", "maker"])["group"].transform("size").to_numpy()
    cells = table.drop_duplicates().groupby("group")["maker"].size()
    changed = max(1, len(cells.drop("identity", errors="ignore")))
    return np.where(altered, prior / (changed * table["group"].map(cells).to_numpy() * in_cell), (1 - prior) / in_cell)


def noticing_of(rows: pd.DataFrame) -> dict[str, Noticing]:
    """Return kind of picture -> its numbers, as calibrated by a table of scored views (docs/run-format.md).

    Pictures of a run's own corpus are left out, since a probe may have learned from them, and pictures without color.
    A kind needs enough photographs that were scored untouched, and enough that were also altered.
    """
    there = rows[(rows["corpus"] > 0) & ~rows["no_color"]]
    found = {}
    for kind, size, score in (("direct", "view", "whole_score"), ("combined", "large", "score")):
        mine = there[there["size"] == size]
        photographs = mine.groupby(mine["group"] == "identity")["base_id"].nunique()
        if min(photographs.get(untouched, 0) for untouched in (True, False)) >= MIN_PHOTOGRAPHS:
            found[kind] = noticing_by(mine, score)
    return found


def noticing_by(rows: pd.DataFrame, score: str = "score") -> Noticing:
    group, maker, photographs = (rows[name].to_numpy() for name in ("group", "maker", "base_id"))
    return fit_noticing(rows[score].to_numpy(), group, maker, photographs)


def scores_behind(altered: np.ndarray, noticing: Noticing) -> np.ndarray:
    """Return the scores (N,) that ``noticing`` turned into probabilities ``altered`` (N,) under the prior of one
    half; NaN for a model that gives the prior, whose answers do not show its scores."""
    p = np.clip(np.asarray(altered, np.float64), MIN_SCORED_PROBABILITY, 1 - MIN_SCORED_PROBABILITY)
    if not np.isfinite(noticing.temperature):
        return np.full(len(p), np.nan)
    return noticing.offset + noticing.temperature * (np.log(p) - np.log1p(-p))


def noticing_at(numbers: Mapping[str, Noticing], kind: str) -> Noticing:
    """Return the numbers for pictures of a kind; large ones without numbers use those of views."""
    return numbers.get(kind) or numbers.get("direct") or Noticing()
