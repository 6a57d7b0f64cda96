"""Format the five claims, the results of their tests, and the evidence as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.claim_tests import DOZENS, MIN_RANKED
from probing_core.compute.task_names import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.measures.notation import minus
from probing_core.measures.statistics import is_significant

PAPER = "arXiv 2307.05610"

CLAIM_TEXTS = (
    "All six embeddings identify dozens of transformations.",
    "Masked models (MAE, CAN) are best at identifying the exact transformation.",
    "Image-text models (CLIP, ALIGN) generalize best to styles that no probe has seen.",
    "The five foundation objectives encode more non-semantic information than supervised training.",
    "Encoding more about appearance does not come at the expense of content.",
)
"""Paraphrased claims of the abstract, in the order of their numbers in the table of claims (starting at 1)."""

ABOUT_CLAIMS = (
    "The abstract of “Substance or Style: What Does Your Image Embedding Know?” (arXiv 2307.05610) makes five claims. "
    "Each claim is tested by comparing encoders. The comparisons were specified before any results were known. A claim "
    "is not supported if at least one comparison is significant in the opposite direction. The protocol is a "
    "reconstruction, and the results hold only for these encoders."
)

TITLES = {
    "zoo": "Zoo encoders, which differ only in their objective",
    "published": "Published encoders, which also differ in architecture, data and compute",
}

WORDS = {SUPPORTED: "Supported here", NOT_SUPPORTED: "Not supported here", UNDECIDED: "Undecided here"}
"""Result in the table of claims -> displayed text."""


def claims_by_set(claims: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Map the title of each set of encoders to its rows in the table of claims."""
    return {TITLES.get(str(name), str(name)): rows for name, rows in claims.groupby("set", sort=False)}


def encoders_by_role(roles: pd.DataFrame) -> dict[str, list[str]]:
    """Map each role, which is a kind of encoder such as ``MAE``, to the names of its encoders.

    Args:
        roles: rows of the table of roles, for one set of encoders.
    """
    return {role: encoders.split(", ") for role, encoders in zip(roles["role"], roles["encoders"], strict=True)}


def claim_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Return the text of the claim in a row of the table of claims."""
    return CLAIM_TEXTS[int(row["claim"]) - 1]


def result_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Format the result in a row of the table of claims, such as ``Supported here, tested without CAN.``"""
    without = f", tested without {row['missing']}" if row["missing"] else ""
    return f"{WORDS[row['result']]}{without}."


def evidence_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Format the evidence for a claim as a sentence, or return an empty string if the row has no numbers.

    Args:
        row: row of the table of claims.
    """
    numbers = {name: row[name] for name in row.keys() if pd.notna(row[name])}  # noqa: SIM118 -- of a Series too
    if "transformations" in numbers:
        return _counts_in_words(int(numbers["identified"]), int(numbers["transformations"]))
    if "tested" in numbers:
        return _contrasts_in_words(*(int(numbers[name]) for name in ("contrasts", "tested", "above", "below")))
    if "roles" in numbers:
        return _ranks_in_words(int(numbers["roles"]), numbers.get("rho"), numbers.get("p"))
    return ""


def _counts_in_words(identified: int, transformations: int) -> str:
    if transformations < DOZENS:
        return f"The claim requires at least two dozen transformations, but the run has only {transformations}."
    return (
        f"Every kind of encoder beats chance on at least {identified} of {transformations} transformations (the 95% CI "
        "of their recall is entirely above chance). The claim requires at least two dozen."
    )


def _contrasts_in_words(contrasts: int, tested: int, above: int, below: int) -> str:
    if not tested:
        return f"None of the {contrasts} contrasts could be computed, because encoders or styles are missing."
    absent = f" ({contrasts - tested} more could not be computed)" if tested < contrasts else ""
    if not above + below:
        return f"None of the {tested} contrasts{absent} is significant after Holm correction."
    return (
        f"After Holm correction, {_number(above)} of the {tested} contrasts{absent} {_are(above)} significantly "
        f"positive and {_number(below)} {_are(below)} significantly negative."
    )


def _number(count: int) -> str:
    return {0: "none", 1: "one"}.get(count, str(count))


def _are(count: int) -> str:
    return "is" if count <= 1 else "are"


def _ranks_in_words(roles: int, rho: float | None, p: float | None) -> str:
    if rho is None:
        return (
            f"Transformation and content accuracy are both available for {roles} kinds of encoder. The rank "
            f"correlation requires at least {MIN_RANKED}, with accuracies that differ."
        )
    return (
        f"The rank correlation between transformation accuracy and content accuracy is {minus(f'{rho:.2f}')} over "
        f"{roles} kinds of encoder (one-sided exact permutation p = {p:.2f})."
    )


DIFFERENT = "significant"
NOT_DISTINGUISHED = "not significant"
ALONE = "not significant, CI excludes 0"
"""Results of testing a difference, with Holm correction over all planned contrasts of a set of encoders."""


def differences(contrasts: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the differences on which the result for a claim is based, and the units over which intervals are computed.

    Args:
        contrasts: rows of the table of contrasts, for one claim and one set of encoders.

    Returns:
        A table with one row per contrast, and the units. The columns are ``name``, ``value``, ``low`` and ``high`` (in
        percentage points), and ``series``, the result after Holm correction (`DIFFERENT`, `NOT_DISTINGUISHED` or
        `ALONE`). The units are text such as "2 seeds of each kind, pooled variance" if all contrasts have intervals
        over seeds, and "photographs" otherwise.
    """
    seeds = "seeds_low" in contrasts and bool(contrasts["seeds_low"].notna().all())
    low, high = ("seeds_low", "seeds_high") if seeds else ("low", "high")
    names = contrasts["first_role"] + " \N{MINUS SIGN} " + contrasts["second_role"]
    rows = pd.DataFrame({"name": names + (", " + contrasts["score"] if contrasts["score"].nunique() > 1 else "")})
    rows = rows.assign(**{to: contrasts[c] * 100 for to, c in (("value", "effect"), ("low", low), ("high", high))})
    excludes_zero = (rows["low"] > 0) | (rows["high"] < 0)
    rows["series"] = np.select(
        [is_significant(contrasts["p_holm"]), excludes_zero], [DIFFERENT, ALONE], NOT_DISTINGUISHED
    )
    return rows, f"{_number_of_seeds(contrasts)} seeds of each kind, pooled variance" if seeds else "photographs"


def _number_of_seeds(contrasts: pd.DataFrame) -> str:
    counts = pd.concat([contrasts["first"], contrasts["second"]]).str.count(",") + 1
    fewest, most = int(counts.min()), int(counts.max())
    return f"{fewest}" if fewest == most else f"{fewest} to {most}"
