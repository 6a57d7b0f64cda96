"""The verdicts on the claims, by the set of encoders that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

TITLES = {
    "zoo": "Judged on the zoo, whose encoders differ in the objective alone",
    "published": "Judged on published encoders, which differ in network, data and budget as well",
}


@dataclass(frozen=True)
class Verdicts:
    """Of one set of encoders.

    Attributes:
        title: whose verdicts they are.
        encoders: role: encoders, for each role.
        claims: ``claim``, ``verdict``, ``evidence``, ``missing`` (roles that it is judged without), a row a claim.
    """

    title: str
    encoders: str
    claims: pd.DataFrame


def verdicts_by_set(claims: pd.DataFrame) -> list[Verdicts]:
    """Return the table of claims of a run, set by set."""
    return [
        Verdicts(TITLES.get(str(of_set), str(of_set)), str(rows["encoders"].iloc[0]), rows)
        for of_set, rows in claims.groupby("set", sort=False)
    ]


def verdict_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Return ``Holds here, judged without CAN.``"""
    without = f", judged without {row['missing']}" if row["missing"] else ""
    return f"{str(row['verdict']).capitalize()}{without}."
