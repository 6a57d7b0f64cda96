"""Results of the tests of the claims, by the set of encoders that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probing_core.compute.claims.named import NOT_SUPPORTED, SUPPORTED, UNDECIDED

TITLES = {
    "zoo": "Tested on the zoo, whose encoders differ in the objective alone",
    "published": "Tested on published encoders, which differ in network, data and budget as well",
}

WORDS = {SUPPORTED: "Supported here", NOT_SUPPORTED: "Not supported here", UNDECIDED: "Undecided here"}
"""Result in the table of claims -> how people read it."""


@dataclass(frozen=True)
class ClaimsOfSet:
    """The five claims, tested on one set of encoders.

    Attributes:
        title: which set it is.
        encoders: role: encoders, for each role.
        claims: ``claim``, ``result``, ``evidence``, ``missing`` (roles that it is tested without), a row a claim.
    """

    title: str
    encoders: str
    claims: pd.DataFrame


def claims_by_set(claims: pd.DataFrame) -> list[ClaimsOfSet]:
    """Return the table of claims of a run, set by set."""
    return [
        ClaimsOfSet(TITLES.get(str(role_set), str(role_set)), str(rows["encoders"].iloc[0]), rows)
        # Tables that were made before have another name for the result.
        for role_set, rows in claims.rename(columns={"verdict": "result"}).groupby("set", sort=False)
    ]


def result_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Return ``Supported here, tested without CAN.``"""
    without = f", tested without {row['missing']}" if row["missing"] else ""
    return f"{WORDS[row['result']]}{without}."
