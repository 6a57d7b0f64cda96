"""Search for the edits that explain the difference between originals and edited images.

A candidate is applied to the original again, with several strengths. Its *share* is the error that remains, divided by
the error of the original itself (mean squared differences from the edited image). The candidate with the smallest mean
log share over all pairs explains the difference best. A second edit is added if it removes at least half of the
remaining error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import cv2
import numpy as np

from probing_core.diffs.candidates import CODEC, FAST, SLOW, Candidate, motion_candidates
from probing_core.diffs.random_edits import RandomFit, fit_random
from probing_core.images import Image
from probing_core.transforms.pixel_ops import blend
from probing_core.transforms.transformation import MIN_SIDE

FLOOR = 0.001
"""Mean squared difference that is added to errors. It keeps logarithms finite, and rounding causes more."""

NEARLY_ALL = 0.02
"""Share at or below which codecs are not searched."""

NOTHING_LEFT = 1.0
"""Mean squared difference at or below which a second edit is not searched."""

MOST = 0.05
"""Share at or below which slow candidates, such as neural styles, are not searched."""

TOO_LITTLE = 0.8
"""Share above which a second edit is not searched, because the first one explains nearly nothing."""

SECOND_EDIT = 0.5
"""Maximum part of the error after the first edit that may remain after a second one."""

SECOND_FAINT = 0.25
"""The same if the first edit explains most of the difference. What it leaves may be due to a different implementation,
of which a second edit can imitate a part."""

FAINT = 0.1
"""Share at or below which the first edit explains most of the difference."""

PROBED = 2
"""Number of pairs in which every candidate is tried. Only the best are tried in the other pairs."""

KEPT = 12
"""Number of candidates that are tried in the other pairs."""

REFINED = 5
"""Number of candidates whose strength is refined."""

SLOW_VALUES = 6
"""Number of strengths with which a slow edit is refined if its strength is an integer."""

UNLIKELY = 10.0
"""Share that is assumed for slow edits that do not explain the difference between small versions of large images."""

NEAR_INTEGERS = 5
"""Minimum distance to which a strength is refined if it is an integer."""

MANY_VALUES = 16
"""Number of integers from which a strength is first refined in larger steps. Qualities have fewer neighbors."""

TONES = frozenset(("brighten", "contrast", "gamma", "offset", "invert", "equalize", "autocontrast", "video-range"))
"""Edits that map values to values. They can be computed exactly, and several of them imitate any smooth curve."""

MAX_TONE_ERROR = 1.5
"""Maximum mean squared difference that may remain after these edits."""

BLOCK = 16
"""Size in pixels of the blocks of codecs. Parts begin at a multiple of it, so that blocks are the same as in the whole
image."""

LONGEST = 6.0
"""Ratio of the side of a part to the longest length that is searched in it."""


@dataclass(frozen=True)
class Step:
    """A candidate with its strength."""

    candidate: Candidate
    strength: float


Chain: TypeAlias = tuple[Step, ...]
"""Edits in the order in which they are applied."""


@dataclass(frozen=True, eq=False)
class Workspace:
    """A part of a pair of registered images, in which candidates are tried.

    Attributes:
        before, after: the part of each image, of the same size.
        margin: number of pixels along the edges of the part that are not compared, because they would depend on pixels
            outside the part.
        side: shorter side of the full image.
        whole: the full image before, and the position (top, left) of the part in it; None if the part is everything.
        valid: ``uint8`` mask of the pixels to compare; None if all are compared.
        tolerance: mean squared difference that rounding of a resize filter may cause.
        reference: mean squared difference to which shares refer; by default, that of ``before``.
        small: small versions of the full images; None if the part is everything.
    """

    before: Image
    after: Image
    side: float
    margin: int = 0
    whole: tuple[Image, tuple[int, int]] | None = None
    valid: np.ndarray | None = None
    tolerance: float = 0.0
    reference: float | None = None
    small: Workspace | None = None
    baseline: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "baseline", self.error(self.before))
        if self.reference is None:
            object.__setattr__(self, "reference", self.baseline)

    def error(self, image: Image) -> float:
        """Compute the mean squared difference between ``image`` and ``after``."""
        inner, after = self.inner(image), self.inner(self.after)
        if self.valid is None:
            return cv2.norm(inner, after, cv2.NORM_L2SQR) / inner.size
        mask = self.inner(self.valid)
        return cv2.norm(inner, after, cv2.NORM_L2SQR, mask) / max(1, 3 * cv2.countNonZero(mask))

    def inner(self, image: np.ndarray) -> np.ndarray:
        edge = self.margin
        return image[edge : image.shape[0] - edge, edge : image.shape[1] - edge] if edge else image

    def remaining(self, share: float) -> float:
        """Return the mean squared difference to which a share corresponds."""
        assert self.reference is not None  # set on creation
        return max(0.0, share * (self.reference + FLOOR) - FLOOR)

    def share(self, image: Image) -> float:
        assert self.reference is not None  # set on creation
        return (self.error(image) + FLOOR) / (self.reference + FLOOR)

    def applied(self, chain: Chain) -> Image:
        """Apply ``chain`` to the part, or to the whole image if one of the edits requires it."""
        if self.whole is not None and any(step.candidate.whole for step in chain):
            image, (top, left) = self.whole
            height, width = self.before.shape[:2]
            return _applied(image, chain, self.side)[top : top + height, left : left + width]
        return _applied(self.before, chain, self.side)

    def share_of(self, chain: Chain) -> float:
        return self.share(self.applied(chain))


def _applied(image: Image, chain: Chain, side: float) -> Image:
    for step in chain:
        image = step.candidate.apply(image, step.strength, side)
    return image


@dataclass(frozen=True)
class Explanation:
    """Edits that explain the difference of one or several pairs.

    Attributes:
        chains: edits with their strengths, one chain per pair.
        shares: share of the error that remains in each pair.
        random: for each pair, the random edit that explains what remains; None if there is none.
        errors: mean squared difference that remains in each pair; empty before it is needed.
    """

    chains: tuple[Chain, ...]
    shares: tuple[float, ...]
    random: tuple[RandomFit | None, ...] = ()
    errors: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """Geometric mean of the shares."""
        return math.exp(float(np.mean(np.log(np.maximum(self.shares, 1e-9)))))

    @property
    def names(self) -> tuple[str, ...]:
        edits = [step.candidate.name for step in self.chains[0]] if self.chains else []
        return (*edits, *(fit.name for fit in self.random[:1] if fit))

    @property
    def details(self) -> tuple[str, ...]:
        return tuple(step.candidate.detail for step in self.chains[0])


@dataclass(frozen=True)
class Findings:
    """Result of `explain`.

    Attributes:
        best: the best explanation.
        others: explanations by one different edit each, best first.
    """

    best: Explanation
    others: tuple[Explanation, ...]


def explain(pairs: Sequence[Workspace], entries: Sequence[Candidate], pool: Executor) -> Findings:
    """Find the edits that explain the differences of all ``pairs``.

    Args:
        pairs: one or more pairs to which the same was done, possibly with different strengths.
        entries: candidates to try.
        pool: threads that try candidates in parallel.
    """
    entries = [entry for entry in entries if all(entry.possible(pair.after) for pair in pairs)]
    if min(side for pair in pairs for side in pair.after.shape[:2]) < MIN_SIDE:
        entries = [entry for entry in entries if entry.tier != SLOW]  # networks require larger images
    nothing = Explanation(((),) * len(pairs), tuple(pair.share(pair.before) for pair in pairs))
    singles = _single_edits(pairs, nothing, entries, pool)
    best = singles[0]
    remaining = best.share * float(np.mean([pair.reference or 0.0 for pair in pairs]))
    if best.share <= TOO_LITTLE and remaining > NOTHING_LEFT:
        best = _with_second(pairs, best, entries, pool)
    best = min(with_random(pairs, (nothing, best, *singles[:2])), key=_complexity)
    distinct: dict[str, Explanation] = {}
    for single in singles:
        distinct.setdefault(single.names[0], single)
    return Findings(best, tuple(other for name, other in distinct.items() if (name,) != best.names[:1]))


def _complexity(explanation: Explanation) -> float:
    """Return the share, doubled for each edit, so that each edit must halve the error."""
    return explanation.share / SECOND_EDIT ** len(explanation.names)


def _best_tried(
    pairs: Sequence[Workspace],
    entries: Sequence[Candidate],
    attempt: Callable[[Sequence[Workspace], Candidate], Explanation],
    pool: Executor,
) -> list[Explanation]:
    """Try candidates in a few pairs, and the best of them in all pairs.

    Candidates without a strength that fits the size of the first image are left out.
    """
    if len(pairs) <= PROBED:
        return [tried for tried in pool.map(lambda entry: attempt(pairs, entry), entries) if tried.names]
    probed = list(pool.map(lambda entry: attempt(pairs[:PROBED], entry), entries))
    order = sorted(range(len(entries)), key=lambda i: probed[i].share)
    kept = list(dict.fromkeys([*order[:KEPT], *_best_of_each(probed)]))
    return [tried for tried in pool.map(lambda i: attempt(pairs, entries[i]), kept) if tried.names]


def is_imitation(names: Sequence[str], errors: Sequence[float]) -> bool:
    """Return whether edits only approximate a change of tones, given the squared difference that remains."""
    return bool(names) and TONES.issuperset(names) and float(np.median(errors)) > MAX_TONE_ERROR


def _is_settled(pairs: Sequence[Workspace], best: Explanation, settled: float) -> bool:
    """Return whether the remaining tiers need not be searched."""
    errors = [pair.remaining(share) - pair.tolerance for pair, share in zip(pairs, best.shares, strict=True)]
    return best.share <= settled and not is_imitation(best.names, errors)


def _best_of_each(probed: Sequence[Explanation]) -> Iterable[int]:
    """Yield the best candidate for each pair, because pairs may have been edited differently."""
    for pair in range(len(probed[0].shares) if probed else 0):
        yield min(range(len(probed)), key=lambda i: probed[i].shares[pair])


def _single_edits(
    pairs: Sequence[Workspace], nothing: Explanation, entries: Sequence[Candidate], pool: Executor
) -> list[Explanation]:
    tried: list[Explanation] = []
    for tier, settled in ((FAST, np.inf), (CODEC, NEARLY_ALL), (SLOW, MOST)):
        if tier != FAST and tried and _is_settled(pairs, tried[0], settled):
            break
        if tier == SLOW:
            likely = min(with_random(pairs, (nothing, *tried[:2])), key=_complexity)
            if likely.random and likely.share <= MOST:
                break
        of_tier = [entry for entry in entries if entry.tier == tier]
        tried += _best_tried(pairs, of_tier, lambda some, entry: try_strengths(some, (), entry, ()), pool)
        tried.sort(key=lambda explanation: explanation.share)
        tried[:REFINED] = pool.map(lambda explanation: refined(pairs, explanation), tried[:REFINED])
        tried.sort(key=lambda explanation: explanation.share)
    if tried[0].names[0] == "motion-blur":
        angle = float(tried[0].details[0][3:-1])
        finer = motion_candidates(angle + step for step in (-15, -10, -5, 5, 10, 15))
        tried += pool.map(lambda entry: refined(pairs, try_strengths(pairs, (), entry, ())), finer)
        tried.sort(key=lambda explanation: explanation.share)
    return tried


def _with_second(
    pairs: Sequence[Workspace], first: Explanation, entries: Sequence[Candidate], pool: Executor
) -> Explanation:
    """Add a second edit, after or before the first one, if it removes at least half of the remaining error."""
    seconds = [entry for entry in entries if entry.tier != SLOW and entry.name != first.names[0]]
    tried = _best_tried(
        pairs, seconds, lambda some, e: try_strengths(some, first.chains[: len(some)], e, (), True), pool
    )
    tried.sort(key=lambda explanation: explanation.share)
    promising = {id(e.chains[0][-1].candidate): e.chains[0][-1].candidate for e in tried[:REFINED]}.values()
    swapped = list(pool.map(lambda entry: try_strengths(pairs, (), entry, first.chains), promising))
    both = [*tried[:REFINED], *swapped]
    best = min(pool.map(lambda e: refined(pairs, e), both), key=lambda e: e.share, default=first)
    part = SECOND_EDIT if first.share > FAINT else SECOND_FAINT
    return best if best.share <= part * first.share else first


def try_strengths(
    pairs: Sequence[Workspace],
    first: Sequence[Chain],
    entry: Candidate,
    last: Sequence[Chain],
    thin: bool = False,
) -> Explanation:
    """Try the strengths of ``entry`` after the chains ``first`` or before the chains ``last``, in each pair."""
    chains, shares = [], []
    for i, pair in enumerate(pairs):
        before, after = (first[i] if first else ()), (last[i] if last else ())
        if entry.tier == SLOW and entry.whole and pair.whole is not None and not _is_promising(pair, entry):
            chains.append((*before, Step(entry, entry.bounds[0]), *after))
            shares.append(UNLIKELY)
            continue
        start = replace(pair, before=pair.applied(before)) if before and pair.whole is None else None
        chain, share = before + after, 1.0
        for strength in _strengths(pair, entry, before, thin):
            step = (Step(entry, strength),)
            tried = start.share(start.applied(step)) if start is not None else pair.share_of(before + step + after)
            if tried < share or chain == before + after:
                chain, share = before + step + after, tried
        chains.append(chain)
        shares.append(share)
    return Explanation(tuple(chains), tuple(shares))


def _is_promising(pair: Workspace, entry: Candidate) -> bool:
    """Return whether a slow edit explains a part of the difference between small versions of the full images."""
    return pair.small is None or try_strengths([pair.small], (), entry, ()).share <= TOO_LITTLE


def _strengths(pair: Workspace, entry: Candidate, before: Chain, thin: bool) -> Iterable[float]:
    if entry.blend:
        return (_blend_amount(pair, entry, before),)
    strengths = entry.strengths(pair.side, min(pair.before.shape[:2]) / LONGEST)
    # The error of a codec has a sharp minimum at the right quality, so none is left out.
    return strengths[::2] if thin and len(strengths) > 8 and not entry.integer else strengths


def _blend_amount(pair: Workspace, entry: Candidate, before: Chain) -> float:
    """Return the amount of a blend with the least squared error, ignoring clipping."""
    base = pair.inner(pair.applied(before)).astype(np.float32)
    effect = pair.inner(pair.applied((*before, Step(entry, 1.0)))).astype(np.float32) - base
    wanted = pair.inner(pair.after).astype(np.float32) - base
    low, high = entry.bounds
    amount = float((effect * wanted).sum()) / max(1.0, float((effect * effect).sum()))
    return min(high, max(low, amount))


ROUNDS = 2
"""Number of times that the strengths of two edits are refined in turn."""


def refined(pairs: Sequence[Workspace], explanation: Explanation) -> Explanation:
    """Refine the strength of every edit in each pair."""
    results = [_refined_chain(pair, chain) for pair, chain in zip(pairs, explanation.chains, strict=True)]
    return Explanation(tuple(chain for chain, _ in results), tuple(share for _, share in results))


def _refined_chain(pair: Workspace, chain: Chain) -> tuple[Chain, float]:
    share = pair.share_of(chain)
    for round in range(ROUNDS if len(chain) > 1 else 1):
        for place in range(len(chain)):
            chain, share = _refined_step(pair, chain, place, share, narrow=round > 0)
    return chain, share


def _refined_step(pair: Workspace, chain: Chain, place: int, share: float, narrow: bool) -> tuple[Chain, float]:
    step = chain[place]
    entry = step.candidate

    def at(strength: float) -> Chain:
        return (*chain[:place], Step(entry, strength), *chain[place + 1 :])

    low, high = _neighbors(entry, step.strength, pair)
    if narrow and not entry.integer:
        low, high = (max(low, step.strength - (high - low) / 8), min(high, step.strength + (high - low) / 8))
    if low == high:
        return chain, share
    if entry.integer:
        # The error of a codec has a sharp minimum at the right quality, so every quality is tried.
        values = [float(v) for v in range(math.ceil(low), math.floor(high) + 1) if v != step.strength]
        if entry.tier == SLOW:
            values = values[:: max(1, len(values) // SLOW_VALUES)]
        if narrow:
            values = [v for v in values if abs(v - step.strength) <= 2]
        best = _best_integer(lambda value: pair.share_of(at(value)), values, (share, step.strength))
    else:
        share_at = _blended_share(pair, chain, place) if entry.blend and entry.whole else None
        function = share_at or (lambda strength: pair.share_of(at(strength)))
        best = _golden(function, low, high, 6 if narrow else 9)
    return (at(best[1]), best[0]) if best[0] < share else (chain, share)


def _best_integer(
    function: Callable[[float], float], values: list[float], start: tuple[float, float]
) -> tuple[float, float]:
    """Return the smallest value of ``function`` and its position, from a coarse search first if there are many."""
    stride = 1 + len(values) // MANY_VALUES
    best = min([(function(value), value) for value in values[::stride]], default=start)
    if stride == 1:
        return best
    near = [value for value in values if 0 < abs(value - best[1]) < stride]
    return min([best, *((function(value), value) for value in near)])


def _blended_share(pair: Workspace, chain: Chain, place: int) -> Callable[[float], float] | None:
    """Return the share as a function of the amount of the last edit, which is a slow blend, or None for others."""
    if place < len(chain) - 1:
        return None
    image = pair.applied(chain[:place])
    effect = pair.applied((*chain[:place], Step(chain[place].candidate, 1.0)))
    return lambda amount: pair.share(blend(image, effect, amount))


def _neighbors(entry: Candidate, strength: float, pair: Workspace) -> tuple[float, float]:
    """Return the strengths between which a strength is refined: the neighbors among the searched strengths."""
    low, high = entry.range(pair.side)
    if entry.blend:
        return max(low, strength - 0.15), min(high, strength * 1.2 + 0.1)
    strengths = sorted(entry.strengths(pair.side, min(pair.before.shape[:2]) / LONGEST))
    lower = [value for value in strengths if value < strength - 1e-9]
    higher = [value for value in strengths if value > strength + 1e-9]
    nearest = lower[-1] if lower else low, higher[0] if higher else high
    if entry.integer:  # of another pair, to which a slightly different strength may have been applied
        nearest = min(nearest[0], strength - NEAR_INTEGERS), max(nearest[1], strength + NEAR_INTEGERS)
    return max(low, nearest[0]), min(high, nearest[1])


GOLDEN = (math.sqrt(5) - 1) / 2


def _golden(function: Callable[[float], float], low: float, high: float, evaluations: int) -> tuple[float, float]:
    """Return the minimum of ``function`` between two bounds and its position, by golden-section search."""
    a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    tried = [(function(a), a), (function(b), b)]
    left, right = tried
    for _ in range(evaluations - 2):
        if left[0] <= right[0]:
            high, right = right[1], left
            left = (function(x := high - GOLDEN * (high - low)), x)
            tried.append(left)
        else:
            low, left = left[1], right
            right = (function(x := low + GOLDEN * (high - low)), x)
            tried.append(right)
    return min(tried)


def with_random(pairs: Sequence[Workspace], explanations: Iterable[Explanation]) -> list[Explanation]:
    """Return ``explanations``, each also with the random edit that explains most of what remains in all pairs."""
    results = []
    for explanation in explanations:
        results.append(explanation)
        remaining = explanation.share * float(np.mean([pair.reference or 0.0 for pair in pairs]))
        if explanation.chains[0] and remaining <= NOTHING_LEFT:  # rounding resembles noise
            continue
        fits = [random_fits(pair, chain) for pair, chain in zip(pairs, explanation.chains, strict=True)]
        for name in sorted(set.intersection(*(set(found) for found in fits))):
            named = tuple(found[name] for found in fits)
            shares = tuple(s * fit.share for s, fit in zip(explanation.shares, named, strict=True))
            results.append(Explanation(explanation.chains, shares, named))
    return results


def random_fits(pair: Workspace, chain: Chain) -> dict[str, RandomFit]:
    """Fit random edits to what remains after ``chain``."""
    applied, after = pair.applied(chain), pair.after
    if pair.valid is not None:
        applied = np.where(pair.valid[..., None] > 0, applied, after)
    return fit_random(pair.inner(applied), pair.inner(after))
