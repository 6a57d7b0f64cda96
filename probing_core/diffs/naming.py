"""Names of the edits of one or several pairs, and the check of further pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from probing_core.diffs.candidates import Candidate
from probing_core.diffs.search import (
    Chain,
    Explanation,
    Findings,
    Workspace,
    explain,
    random_fits,
    refined,
    try_strengths,
)

CUT = 0.2
"""Maximum share of the error that may remain if a codec is named, alone or with another edit."""

STRICT_CUT = 0.1
"""Maximum share for other edits. Unlike a codec, a change of brightness, for example, resembles many other edits."""

CODECS = frozenset(("jpeg", "webp", "avif"))


def is_explained(explanation: Explanation) -> bool:
    """Return whether the edits leave little enough unexplained to be named (see docs/how-to/before-after.md)."""
    return explanation.share <= (CUT if CODECS.intersection(explanation.names) else STRICT_CUT)


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
        return Explanation((whole.chains[index],), (whole.shares[index],), whole.random[index : index + 1])


def name_edits(pairs: Sequence[Workspace], entries: Sequence[Candidate], pool: Executor) -> Named:
    """Find the edits that explain the differences of all ``pairs``."""
    findings: Findings = explain(pairs, entries, pool)
    # Many edits imitate rounding, but the errors of a codec are characteristic.
    is_codec = is_explained(findings.best) and not CODECS.isdisjoint(findings.best.names)
    if not is_codec and all(map(is_rounding, pairs)):
        return Named(_nothing(len(pairs)), ())
    return Named(findings.best, tuple((other.names[0], other.share) for other in findings.others[:3]))


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
        if best is None or found.share < best.share:
            best = found
        if is_explained(best):
            break
    assert best is not None  # `named` has at least one chain
    if not is_explained(best) and best.chains[0]:
        best = min((best, _with_random(pair, _with_other_strengths(pair, best.chains[0]), named)), key=_share)
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


def better_filter(spaces: Callable[[str], Sequence[Workspace]], filters: Sequence[str], named: Named) -> str:
    """Return the resize filter with which the edits of ``named`` leave the smallest error.

    A filter that is chosen before the edits are known may be wrong, because edits change the detail.

    Args:
        spaces: function that returns the pairs, resized with a filter.
        filters: filters to try.
    """
    whole = named.explanation

    def share(filter: str) -> float:
        return refined(spaces(filter), Explanation(whole.chains, whole.shares)).share

    return min(filters, key=share)
