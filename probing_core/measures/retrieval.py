"""Retrieval of an original by an altered copy: how many other pictures are at least as near as the original."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from probing_core.errors import BadArray
from probing_core.measures.base import fraction
from probing_core.measures.cluster_sums import ClusterSums, numbered
from probing_core.measures.intervals import MIN_CLUSTERS_FOR_BOOTSTRAP, Interval, bootstrap
from probing_core.measures.nearest import BLOCK_NUMBERS, unit

SAME_COSINE = 2e-6
"""Cosines that differ by no more are equal: rounding in ``float32`` separates no pictures."""

GOAL = 0.95
"""Recall whose loss `recall_limit` looks for."""

MAX_TIMES = 10
"""Times the gallery to which recall is extrapolated at most."""

FEWEST_OTHERS = 4
"""Other pictures in the smallest part of a gallery from which recall is extrapolated to the whole."""

SHAPES = 10.0 ** np.linspace(-2.5, 1.0, 64), 10.0 ** np.linspace(-1.0, 4.5, 64)
"""Parameters a and b of the beta distributions among which the likeliest is chosen."""


def directions(X: np.ndarray) -> np.ndarray:
    """Return embeddings (N, D) at length 1, as ``float32``, whose products are their cosines.

    Those of hashes are compared by the Hamming distance h: as -1 and 1 (`signed`) their cosine is 1 - 2 h / D.
    """
    X = np.asarray(X, np.float32)
    return unit(signed(X) if is_hash(X) else X, np.float32)


def is_hash(X: np.ndarray) -> bool:
    """Return whether embeddings are bits: zeros and ones alone."""
    return bool(((X == 0) | (X == 1)).all())


def signed(X: np.ndarray) -> np.ndarray:
    """Return bits as -1 and 1."""
    return 2 * X - 1


@dataclass(frozen=True, eq=False)
class Ranks:
    """How near the originals of Q altered pictures are.

    Attributes:
        ahead: (Q,) other pictures of the gallery that are as near as the original, or nearer.
        others: (Q,) other pictures in the gallery.
    """

    ahead: np.ndarray
    others: np.ndarray

    def found(self, k: int, gallery: int | None = None) -> np.ndarray:
        """Return the probability (Q,) that the original is among the ``k`` nearest; 0 or 1 in the whole gallery.

        Args:
            gallery: number of pictures, the original among them, when the others are drawn at random without
                replacement from those that there are; all of them if None. The number of drawn ones that are ahead is
                hypergeometric.
        """
        if gallery is None:
            return (self.ahead < k).astype(float)
        from scipy.special import gammaln

        def log_choose(n: np.ndarray, r: np.ndarray) -> np.ndarray:
            inside = (r >= 0) & (r <= n)
            r = np.where(inside, r, 0)
            return np.where(inside, gammaln(n + 1) - gammaln(r + 1) - gammaln(n - r + 1), -np.inf)

        drawn = np.minimum(gallery - 1, self.others)
        ahead, behind = self.ahead[:, None], (self.others - self.ahead)[:, None]
        j = np.arange(k)[None]
        logs = log_choose(ahead, j) + log_choose(behind, drawn[:, None] - j)
        return np.minimum(np.exp(logs - log_choose(self.others, drawn)[:, None]).sum(1), 1)


def ranks(
    queries: np.ndarray,
    originals: np.ndarray,
    gallery: Iterable[np.ndarray],
    query_photographs: np.ndarray,
    gallery_photographs: np.ndarray,
) -> Ranks:
    """Count the pictures of a gallery that are as near to each query as its original, or nearer.

    Other pictures of a query's own photograph are left out: to find them is no error. A block of the gallery is in
    memory at once, and `BLOCK_NUMBERS` cosines.

    Args:
        queries: (Q, D) embeddings at length 1 (`directions`).
        originals: (Q, D) of their originals, at length 1.
        gallery: blocks (n, D) of N embeddings, at length 1.
        query_photographs, gallery_photographs: (Q,) and (N,) numbers of photographs.
    """
    if queries.shape != originals.shape:
        raise BadArray(
            f"Every query needs its original, but queries are {queries.shape} and originals {originals.shape}; "
            "give one row of each."
        )
    own = np.einsum("ij,ij->i", queries, originals) - SAME_COSINE
    ahead = np.zeros(len(queries), np.int64)
    others = len(gallery_photographs) - _counts(query_photographs, gallery_photographs)
    start = 0
    for block in gallery:
        photographs = gallery_photographs[start : start + len(block)]
        start += len(block)
        step = max(1, BLOCK_NUMBERS // max(1, len(block)))
        for first in range(0, len(queries), step):
            part = slice(first, first + step)
            nearer = queries[part] @ block.T >= own[part, None]
            nearer &= query_photographs[part, None] != photographs
            ahead[part] += nearer.sum(1)
    return Ranks(ahead, others)


def _counts(wanted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how often each of ``wanted`` (Q,) is among ``values`` (N,)."""
    distinct, counts = np.unique(values, return_counts=True)
    at = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
    return np.where(distinct[at] == wanted, counts[at], 0)


def extrapolated(
    found: Ranks, photographs: np.ndarray, transforms: np.ndarray, ks: Sequence[int], galleries: Sequence[int]
) -> dict[tuple[int, int], Interval]:
    """Return recall at each of ``ks`` in ``galleries`` larger than the one that was searched.

    The probability p that a further picture is ahead of the original differs between queries: among those of one
    transformation it follows a beta distribution, whose parameters maximize the likelihood of the observed counts,
    which are then beta-binomial. Recall in any gallery is the mean of the binomial distribution function over it, the
    average of the moments of p, as in Zheng, Achanta & Benjamini (2018, "Extrapolating expected accuracies for large
    multi-class problems", JMLR 19).

    How far this distribution is off is measured where the truth is known: recall in the gallery that was searched is
    extrapolated by as many times from a part of it, drawn at random. By what that misses the interval is widened at
    both ends.

    Args:
        photographs: (Q,) of the queries, which the interval draws.
        transforms: (Q,) the transformation of each.

    Returns:
        (k, gallery) -> recall, with a bootstrap interval from 20 photographs up.
    """
    n = int(found.others.min())
    wanted = [(k, gallery) for k in ks for gallery in galleries]
    ids, cluster = numbered(photographs)
    ahead, (_, transform) = np.minimum(found.ahead, n), numbered(transforms)
    fitted = _fitted(ahead, n, cluster, transform, wanted)
    values = _together([one.score(one.sums.sum(0)) for one in fitted])
    enough = len(ids) >= MIN_CLUSTERS_FOR_BOOTSTRAP
    low = high = np.full(len(wanted), np.nan)
    if enough:
        misses = np.array([_miss(ahead, n, cluster, transform, k, gallery) for k, gallery in wanted])
        ends = np.quantile(_together([bootstrap(one) for one in fitted]), [0.025, 0.975], axis=0)
        low, high = np.clip([ends[0] - misses, ends[1] + misses], 0, 1)
    how = "bootstrap" if enough else "none"
    return {
        one: Interval(float(values[i]), float(low[i]), float(high[i]), how, len(ids)) for i, one in enumerate(wanted)
    }


def _fitted(
    ahead: np.ndarray, n: int, cluster: np.ndarray, transform: np.ndarray, wanted: Sequence[tuple[int, int]]
) -> list[ClusterSums]:
    """Return for each transformation how often each count was observed among its queries, by photograph; its score is
    recall for each of ``wanted`` by the likeliest distribution times the number of queries, and after these the number.
    """
    from scipy.special import betaln, gammaln

    a, b = (shape.ravel() for shape in np.meshgrid(*SHAPES, indexing="ij"))

    def recall(k: int, gallery: int) -> np.ndarray:
        drawn = gallery - 1
        j = np.arange(min(k, gallery))[:, None]
        choose = gammaln(drawn + 1) - gammaln(j + 1) - gammaln(drawn - j + 1)
        return np.exp(choose + betaln(a + j, b + drawn - j) - betaln(a, b)).sum(0)

    recalls = np.stack([recall(k, gallery) for k, gallery in wanted], axis=1)

    def of_transform(one: int) -> ClusterSums:
        counts, row = numbered(ahead[transform == one])
        clusters = int(cluster.max()) + 1
        flat = np.bincount(cluster[transform == one] * len(counts) + row, minlength=clusters * len(counts))
        likelihood = betaln(counts[:, None] + a, n - counts[:, None] + b) - betaln(a, b)

        def score(totals: np.ndarray) -> np.ndarray:
            queries = totals.sum(-1, keepdims=True)
            return np.concatenate([recalls[(totals @ likelihood).argmax(-1)] * queries, queries], axis=-1)

        return ClusterSums(flat.reshape(clusters, -1).astype(np.float64), score)

    return [of_transform(one) for one in range(int(transform.max()) + 1)]


def _together(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Return recall over the queries of all transformations, from the scores of `_fitted`."""
    total = np.sum(scores, axis=0)
    return total[..., :-1] / total[..., -1:]


def _miss(ahead: np.ndarray, n: int, cluster: np.ndarray, transform: np.ndarray, k: int, gallery: int) -> float:
    """Return how far recall among all ``n`` others is missed from a part that is smaller by as many times as
    ``gallery`` is larger."""
    some = max(FEWEST_OTHERS, round((n + 1) ** 2 / gallery) - 1)
    if some >= n:
        return 0.0
    drawn = np.random.default_rng(0).hypergeometric(ahead, n - ahead, some)
    fitted = _fitted(drawn, some, cluster, transform, [(k, n + 1)])
    (guessed,) = _together([one.score(one.sums.sum(0)) for one in fitted])
    return abs(float(guessed) - float((ahead < k).mean()))


@dataclass(frozen=True)
class Limit:
    """The level at which recall falls below a goal.

    Attributes:
        value: the level; the faintest or strongest tried one where censored.
        low, high: its 95 % interval, bootstrapped over photographs; NaN with fewer than 20.
        censored: ``below`` (recall is below the goal at the faintest level), ``above`` (at none), or empty.
    """

    value: float
    low: float
    high: float
    censored: str


def recall_limit(levels: np.ndarray, found: np.ndarray, goal: float = GOAL) -> Limit:
    """Return the level at which recall falls below ``goal``.

    Recall is made non-increasing by isotonic regression (Barlow et al. 1972), and is linear between levels.

    Args:
        levels: (S,) increasing from weak to strong.
        found: (P, S) share of each photograph's pictures that are found at each level.

    Raises:
        BadArray: fewer than two levels, levels that do not increase, or photographs that do not pair up.
    """
    levels, found = np.asarray(levels, np.float64), np.asarray(found, np.float64)
    if len(levels) < 2 or found.ndim != 2 or found.shape[1] != len(levels) or (np.diff(levels) <= 0).any():
        raise BadArray(
            f"A limit needs at least two increasing levels and recall (photographs, levels), but got {len(levels)} "
            f"levels and recall {found.shape}; give one column a level."
        )

    def crossing(totals: np.ndarray) -> np.ndarray:
        recall = isotonic(totals / len(found))
        padded = np.concatenate([np.ones((*recall.shape[:-1], 1)), recall], axis=-1)
        below = padded < goal
        first = np.where(below.any(-1), below.argmax(-1), len(levels) + 1)
        at = np.clip(first, 2, len(levels))
        left, right = (np.take_along_axis(padded, (at - i)[..., None], -1)[..., 0] for i in (1, 0))
        share = np.clip((left - goal) / np.maximum(left - right, 1e-12), 0, 1)
        inside = levels[at - 2] + share * (levels[at - 1] - levels[at - 2])
        return np.where(first == 1, -np.inf, np.where(first > len(levels), np.inf, inside))

    sums = ClusterSums(found, crossing)
    value = sums.value
    low = high = float("nan")
    if len(found) >= MIN_CLUSTERS_FOR_BOOTSTRAP:
        drawn = np.clip(bootstrap(sums), levels[0], levels[-1])
        low, high = (float(end) for end in np.quantile(drawn, [0.025, 0.975]))
    at = float(np.clip(value, levels[0], levels[-1]))
    censored = "below" if value == -np.inf else "above" if value == np.inf else ""
    return Limit(at, low, high, censored)


def isotonic(values: np.ndarray) -> np.ndarray:
    """Return the non-increasing sequences nearest to ``values`` (..., S) by least squares: at each place the least,
    over the starts before it, of the greatest mean up to an end after it."""
    size = values.shape[-1]
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    fitted = np.full(values.shape, np.inf)
    for start in range(size):
        means = (sums[..., start + 1 :] - sums[..., start, None]) / np.arange(1, size - start + 1)
        from_here = np.maximum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fitted[..., start:] = np.minimum(fitted[..., start:], from_here)
    return fitted


MEASURES = (
    fraction(
        name="original-found",
        title="original found",
        higher_is_better=True,
        definition="Share of altered pictures whose original is among the k nearest of the untouched pictures.",
        formula="share of queries for which fewer than k others have cos(query, other) ≥ cos(query, original)",
        source="recall at k",
    ),
)
