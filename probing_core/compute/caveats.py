"""Notes: what a reader must know of a number, in words that stand beside it; empty where there is nothing."""

from __future__ import annotations

from collections.abc import Iterable

from probing_core.measures.statistics import MIN_CLUSTERS_FOR_T
from probing_core.probes.base import FitFacts


def joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def too_few(bases: int, fewest: int = MIN_CLUSTERS_FOR_T) -> str:
    return f"{bases} photographs are too few for an interval" if bases < fewest else ""


def note_of_fits(facts: Iterable[FitFacts]) -> str:
    """Say whether the fits that a number rests on converged, and chose a penalty within their grid."""
    facts = list(facts)
    return note_of_fit_columns([fact.converged for fact in facts], [fact.at_edge for fact in facts])


def note_of_fit_columns(converged: Iterable[bool], at_edge: Iterable[bool]) -> str:
    """Return `note_of_fits` from two columns of ``fits.parquet``."""
    converged, at_edge = list(converged), list(at_edge)
    unfinished, edge = len(converged) - sum(converged), sum(at_edge)
    return joined(
        f"{unfinished} of {len(converged)} probes did not converge" if unfinished else "",
        f"the penalty of {edge} of {len(at_edge)} probes lies at the edge of its grid" if edge else "",
    )
