"""Names of the edits of one or several pairs, and the check of further pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from probing_core.diffs.candidates import SLOW, Candidate
from probing_core.diffs.search import (
    BLOCK,
    FLOOR,
    NEARLY_ALL,
    PROBED,
    Chain,
    Explanation,
    Findings,
    Workspace,
    explain,
    is_imitation,
    random_fits,
    refined,
    try_strengths,
)

CUT = 0.2
"""Maximum share of the error that may remain if a codec is named, alone or with another edit."""

STRICT_CUT = 0.07
"""Maximum share for other edits. Unlike a codec, a change of brightness, for example, resembles many other edits."""

MIDDLE_SIDE = 128
"""Side in pixels of the part in which resize filters are tried together with codecs."""

CODECS = frozenset(("jpeg", "webp", "avif"))

AGREEING = 0.75
"""Minimum fraction of the pairs in which the edits must leave at most twice the maximum share."""


def is_explained(explanation: Explanation) -> bool:
    """Return whether the edits leave little enough unexplained to be named (see docs/how-to/before-after.md)."""
    cut = CUT if CODECS.intersection(explanation.names) else STRICT_CUT
    if is_imitation(explanation.names, explanation.errors):
        return False
    agreeing = np.mean([share <= 2 * cut for share in explanation.shares])
    return bool(explanation.share <= cut and agreeing >= AGREEING)


def _with_errors(pairs: Sequence[Workspace], explanation: Explanation) -> Explanation:
    """Add the remaining errors, except for those that rounding of a resize filter may cause."""
    shares = zip(pairs, explanation.shares, strict=True)
    return replace(explanation, errors=tuple(pair.remaining(share) - pair.tolerance for pair, share in shares))


@dataclass(frozen=True)
class Named:
    """Edits that were found in several pairs.

    Attributes:
        explanation: the best explanation.
        nearest: other single edits and the share that each leaves, best first.
    """

    explanation: Explanation
    nearest: tuple[tuple[str, float], ...]

    @property
    def is_explained(self) -> bool:
        """Whether the edits leave little enough unexplained to be named."""
        return is_explained(self.explanation)

    def of_pair(self, index: int) -> Explanation:
        """Return the explanation of one of the pairs."""
        whole = self.explanation
        one = slice(index, index + 1)
        return Explanation(whole.chains[one], whole.shares[one], whole.random[one], whole.errors[one])


def name_edits(pairs: Sequence[Workspace], entries: Sequence[Candidate], pool: Executor) -> Named:
    """Find the edits that explain the differences of all ``pairs``."""
    findings: Findings = explain(pairs, entries, pool)
    best = _with_errors(pairs, findings.best)
    # Many edits imitate rounding, but the errors of a codec are characteristic.
    is_codec = is_explained(best) and not CODECS.isdisjoint(best.names)
    if not is_codec and all(map(is_rounding, pairs)):
        return Named(_nothing(len(pairs)), ())
    return Named(best, tuple((other.names[0], other.share) for other in findings.others[:3]))


def is_rounding(pair: Workspace) -> bool:
    """Return whether the difference is so small that rounding of a resize filter explains it."""
    return pair.baseline <= pair.tolerance


def _nothing(pairs: int) -> Explanation:
    return Explanation(((),) * pairs, (0.0,) * pairs)


def check(pair: Workspace, named: Explanation) -> Explanation:
    """Apply the edits of ``named`` to another pair, with strengths that are refined for it."""
    if not named.names and is_rounding(pair):
        return _nothing(1)
    best: Explanation | None = None
    for chain in dict.fromkeys(named.chains):
        found = _with_random(pair, refined([pair], Explanation((chain,), (pair.share_of(chain),))), named)
        found = _with_errors([pair], found)
        if best is None or found.share < best.share:
            best = found
        if is_explained(best) and (best.share <= NEARLY_ALL or CODECS.isdisjoint(best.names)):
            break
    assert best is not None  # `named` has at least one chain
    if not is_explained(best) and best.chains[0]:
        other = _with_random(pair, _with_other_strengths(pair, best.chains[0]), named)
        best = min((best, _with_errors([pair], other)), key=_share)
    return best


def _share(explanation: Explanation) -> float:
    return explanation.share


def _with_other_strengths(pair: Workspace, chain: Chain) -> Explanation:
    """Try all strengths of each edit."""
    for place, step in enumerate(chain):
        tried = try_strengths([pair], [chain[:place]], step.candidate, [chain[place + 1 :]])
        chain = tried.chains[0]
    return refined([pair], Explanation((chain,), (pair.share_of(chain),)))


def _with_random(pair: Workspace, explanation: Explanation, named: Explanation) -> Explanation:
    fit = named.random[0] if named.random else None
    if fit is None:
        return explanation
    found = random_fits(pair, explanation.chains[0]).get(fit.name)
    if found is None:
        return explanation
    return Explanation(explanation.chains, (explanation.shares[0] * found.share,), (found,))


def filter_errors(
    spaces: Callable[[str], Sequence[Workspace]], filters: Sequence[str], named: Named
) -> dict[str, float]:
    """Return the error that the edits of ``named`` leave with each resize filter, in all pairs together.

    The filter of a single pair, selected before the edits are known, may be wrong: edits change the detail.

    Args:
        spaces: function that returns the pairs, resized with a filter.
        filters: filters to try.
    """
    whole = named.explanation

    def error(filter: str) -> float:
        pairs = spaces(filter)
        return mean_error(pairs, refined(pairs, Explanation(whole.chains, whole.shares)))

    return {filter: error(filter) for filter in filters}


def filter_before_codec(
    spaces: Callable[[str], Sequence[Workspace]], filters: Sequence[str], entries: Sequence[Candidate], pool: Executor
) -> str:
    """Return the resize filter with which a codec leaves the smallest error.

    The quality of a codec is only found with the right filter, so filters and qualities are searched together.
    """
    codecs = [entry for entry in entries if entry.name in CODECS and entry.tier != SLOW]

    def error(job: tuple[str, Candidate]) -> float:
        pairs = [_middle(pair) for pair in spaces(job[0])[:PROBED]]
        return mean_error(pairs, refined(pairs, try_strengths(pairs, (), job[1], ())))

    jobs = list(product(filters, codecs))
    return jobs[int(np.argmin(list(pool.map(error, jobs))))][0]


def _middle(pair: Workspace) -> Workspace:
    """Return the middle of a pair, in which codecs are faster. It begins at a multiple of the size of their blocks."""
    top, left = (max(0, side - MIDDLE_SIDE) // 2 // BLOCK * BLOCK for side in pair.before.shape[:2])
    rows, columns = slice(top, top + MIDDLE_SIDE), slice(left, left + MIDDLE_SIDE)
    before, after = (np.ascontiguousarray(image[rows, columns]) for image in (pair.before, pair.after))
    valid = None if pair.valid is None else np.ascontiguousarray(pair.valid[rows, columns])
    return replace(pair, before=before, after=after, valid=valid)


def mean_error(pairs: Sequence[Workspace], explanation: Explanation) -> float:
    """Return the geometric mean over pairs of the squared difference that remains.

    Unlike shares, errors can be compared between resize filters: shares refer to the error of the resized original.
    """
    shares = explanation.shares if explanation.names else [pair.share(pair.before) for pair in pairs]
    references = [pair.reference or 0.0 for pair in pairs]
    logs = [np.log(max(share, 1e-9) * (one + FLOOR)) for share, one in zip(shares, references, strict=True)]
    return float(np.exp(np.mean(logs)))
