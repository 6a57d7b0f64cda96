"""Claims of a run that was evaluated when the table of claims held sentences and there was no table of roles.

The shipped reference run is the only such run. Once it has been recomputed, delete this module, its test and the calls
of its functions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.claim_tests import MIN_RANKED, by_contrasts, rank_correlation
from probing_core.compute.names import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.results.summaries import recalls

FORMER_RESULTS = {"holds here": SUPPORTED, "does not hold here": NOT_SUPPORTED, "cannot be told": UNDECIDED}
"""Results in a table of claims that holds sentences instead of numbers."""


def with_numbers(claims: pd.DataFrame, contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return the table of claims with the columns of `compute.evaluation.claims.claim_tables`.

    A run that was evaluated when the table held sentences gets the numbers of claims 2 to 4 from its table of
    contrasts; the numbers of the other two are missing.
    """
    if claims.empty or "tested" in claims:
        return claims
    rows = []
    for role_set, tested in claims.groupby("set", sort=False):
        for number, row in enumerate(tested.itertuples(), 1):
            of_claim = contrasts[(contrasts["set"] == role_set) & (contrasts["claim"] == number)]
            numbers = by_contrasts(of_claim) if len(of_claim) else {"result": FORMER_RESULTS[str(row.result)]}
            rows.append({"set": role_set, "claim": number, "missing": row.missing, **numbers})
    return pd.DataFrame(rows)


def encoders_of_contrasts(role_set: str, contrasts: pd.DataFrame) -> dict[str, list[str]]:
    """Return role -> the encoders of a set that were tested, which the table of contrasts names, too."""
    tested = contrasts[(contrasts["set"] == role_set) & (contrasts["bases"] > 0)]
    pairs = [pair for side in ("first", "second") for pair in zip(tested[f"{side}_role"], tested[side], strict=True)]
    return {role: encoders.split(", ") for role, encoders in pairs}


def roles_of_scores(contrasts: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return a table of roles for a run that has none, from its scores.

    Args:
        contrasts: the table of contrasts, which names the encoders.
        scores: the table of scores.

    Returns:
        ``set``, ``role``, ``encoders``, ``transformations``, ``identified`` (where the whole 95% CI of the recall is
        above chance for every training) and the mean accuracies ``fine`` and ``content`` over trainings.
    """
    if contrasts.empty or scores.empty:
        return pd.DataFrame()
    linear = scores[scores["probe"] == "linear"]
    accuracies = linear[(linear["subset"] == "seen") & (linear["measure"] == "balanced-accuracy")]
    of_classes = recalls(linear, "transform")
    of_transforms = of_classes[of_classes["transform"] != "identity"]
    rows = []
    for role_set in contrasts["set"].unique():
        for role, encoders in encoders_of_contrasts(str(role_set), contrasts).items():
            role_recalls = of_transforms[of_transforms["model"].isin(encoders)]
            above = (role_recalls["low"] > role_recalls["chance"]).groupby(role_recalls["transform"]).all()
            mean_accuracies = accuracies[accuracies["model"].isin(encoders)].groupby("task")["value"].mean()
            accuracy = {"fine": mean_accuracies.get("fine", np.nan), "content": mean_accuracies.get("content", np.nan)}
            counts = {"transformations": len(above), "identified": int(above.sum()) if len(above) else np.nan}
            rows.append({"set": role_set, "role": role, "encoders": ", ".join(encoders), **counts, **accuracy})
    return pd.DataFrame(rows)


def with_numbers_of_roles(claims: pd.DataFrame, roles: pd.DataFrame) -> pd.DataFrame:
    """Return the table of claims with the missing numbers of claims 1 and 5 from a table of `roles_of_scores`."""
    if claims.empty or roles.empty:
        return claims
    rows = []
    for row in claims.to_dict("records"):
        set_roles = roles[roles["set"] == row["set"]]
        counted, ranked = set_roles.dropna(subset="identified"), set_roles.dropna(subset=["fine", "content"])
        if row["claim"] == 1 and len(counted):
            row |= {"transformations": int(counted["transformations"].min()), "identified": counted["identified"].min()}
        elif row["claim"] == 5:
            row["roles"] = len(ranked)
            if len(ranked) >= MIN_RANKED:
                row["rho"], row["p"] = rank_correlation(list(ranked["fine"]), list(ranked["content"]))
        rows.append(row)
    return pd.DataFrame(rows)
