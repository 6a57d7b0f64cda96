"""The five claims in words: what they say, what their tests found, and the numbers behind that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.claim_tests import DOZENS, MIN_RANKED, SIGNIFICANCE, by_contrasts, rank_correlation
from probing_core.compute.names import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.measures.notation import in_percent, minus

PAPER = "arXiv 2307.05610"

CLAIMS = (
    "All six embeddings identify dozens of transformations.",
    "Masked models (MAE, CAN) are best at identifying the exact transformation.",
    "Image-text models (CLIP, ALIGN) generalize best to styles that no probe has seen.",
    "The five foundation objectives encode more non-semantic information than supervised training.",
    "Encoding more about appearance does not come at the expense of content.",
)
"""What the abstract claims, in this project's words; the table of claims has their numbers, from 1."""

ABOUT_CLAIMS = (
    "The abstract of “Substance or Style: What Does Your Image Embedding Know?” (arXiv 2307.05610) makes five claims. "
    "Each is tested here by comparisons of encoders that were specified before any result was seen. Not supported: at "
    "least one comparison is significant in the opposite direction. The protocol is a reconstruction, and the results "
    "hold only for these encoders."
)

TITLES = {
    "zoo": "Tested on the zoo, whose encoders differ only in the objective",
    "published": "Tested on published encoders, which differ in network, data and budget as well",
}

WORDS = {SUPPORTED: "Supported here", NOT_SUPPORTED: "Not supported here", UNDECIDED: "Undecided here"}
"""Result in the table of claims -> its text."""

FORMER_RESULTS = {"holds here": SUPPORTED, "does not hold here": NOT_SUPPORTED, "cannot be told": UNDECIDED}
"""Results in a table of claims that holds sentences instead of numbers."""


def with_numbers(claims: pd.DataFrame, contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return the table of claims with the columns of `compute.evaluation.claims.claim_tables`.

    A run that was evaluated when the table held sentences gets the numbers of claims 2 to 4 from its table of
    contrasts; those of the other two are missing.
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
    recalls = linear[(linear["task"] == "fine") & (linear["measure"] == "recall")]
    recalls = recalls[recalls["subset"].str.startswith("transform:") & (recalls["subset"] != "transform:identity")]
    rows = []
    for role_set in contrasts["set"].unique():
        for role, encoders in encoders_by_role(str(role_set), pd.DataFrame(), contrasts).items():
            own = recalls[recalls["model"].isin(encoders)]
            above = (own["low"] > own["chance"]).groupby(own["subset"]).all()
            means = accuracies[accuracies["model"].isin(encoders)].groupby("task")["value"].mean()
            accuracy = {"fine": means.get("fine", np.nan), "content": means.get("content", np.nan)}
            counts = {"transformations": len(above), "identified": int(above.sum()) if len(above) else np.nan}
            rows.append({"set": role_set, "role": role, "encoders": ", ".join(encoders), **counts, **accuracy})
    return pd.DataFrame(rows)


def with_numbers_of_roles(claims: pd.DataFrame, roles: pd.DataFrame) -> pd.DataFrame:
    """Return the table of claims with the missing numbers of claims 1 and 5 from a table of `roles_of_scores`."""
    if claims.empty or roles.empty:
        return claims
    rows = []
    for row in claims.to_dict("records"):
        own = roles[roles["set"] == row["set"]]
        counted, known = own.dropna(subset="identified"), own.dropna(subset=["fine", "content"])
        if row["claim"] == 1 and len(counted):
            row |= {"transformations": int(counted["transformations"].min()), "identified": counted["identified"].min()}
        elif row["claim"] == 5:
            row["roles"] = len(known)
            if len(known) >= MIN_RANKED:
                row["rho"], row["p"] = rank_correlation(list(known["fine"]), list(known["content"]))
        rows.append(row)
    return pd.DataFrame(rows)


def claims_by_set(claims: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the table of claims (see `with_numbers`) by set of encoders, under the title of each."""
    return {TITLES.get(str(name), str(name)): rows for name, rows in claims.groupby("set", sort=False)}


def encoders_by_role(role_set: str, roles: pd.DataFrame, contrasts: pd.DataFrame) -> dict[str, list[str]]:
    """Return role -> the encoders of a set that were tested.

    Args:
        role_set: ``zoo`` or ``published``.
        roles: the table of roles; empty for a run that has none, whose table of contrasts names the same encoders.
        contrasts: the table of contrasts.
    """
    if len(roles):
        own = roles[roles["set"] == role_set]
        pairs = list(zip(own["role"], own["encoders"], strict=True))
    else:
        own = contrasts[(contrasts["set"] == role_set) & (contrasts["bases"] > 0)]
        pairs = [pair for side in ("first", "second") for pair in zip(own[f"{side}_role"], own[side], strict=True)]
    return {role: encoders.split(", ") for role, encoders in pairs}


def claim_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Return the claim of a row of the table of claims."""
    return CLAIMS[int(row["claim"]) - 1]


def result_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Return ``Supported here, tested without CAN.``"""
    without = f", tested without {row['missing']}" if row["missing"] else ""
    return f"{WORDS[row['result']]}{without}."


def evidence_in_words(row: pd.Series | Mapping[Any, Any]) -> str:
    """Return what the test of a claim found; empty where the table has no number of it.

    Args:
        row: of the table of claims, see `with_numbers`.
    """
    found = {name: row[name] for name in row.keys() if pd.notna(row[name])}  # noqa: SIM118 -- of a Series too
    if "transformations" in found:
        return _counts_in_words(int(found["identified"]), int(found["transformations"]))
    if "tested" in found:
        return _contrasts_in_words(*(int(found[name]) for name in ("contrasts", "tested", "above", "below")))
    if "roles" in found:
        return _ranks_in_words(int(found["roles"]), found.get("rho"), found.get("p"))
    return ""


def _counts_in_words(identified: int, transformations: int) -> str:
    if transformations < DOZENS:
        return f"The run has {transformations} transformations, and the claim is about two dozen or more."
    return (
        f"Each kind of encoder identifies at least {identified} of {transformations} transformations: the whole 95% CI "
        "of their recall is above chance. The claim asks for two dozen."
    )


def _contrasts_in_words(contrasts: int, tested: int, above: int, below: int) -> str:
    if not tested:
        return f"None of the {contrasts} contrasts could be computed: the run has no such encoders or styles."
    absent = f" ({contrasts - tested} more could not be computed)" if tested < contrasts else ""
    if not above + below:
        return f"None of the {tested} contrasts{absent} is significant after Holm correction."
    return (
        f"Of {tested} contrasts{absent}, {above} {_are(above)} significantly above 0 and {below} {_are(below)} "
        "significantly below 0 after Holm correction."
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _ranks_in_words(roles: int, rho: float | None, p: float | None) -> str:
    if rho is None:
        return (
            f"{roles} kinds of encoder have both accuracies; a rank correlation needs at least {MIN_RANKED}, and "
            "accuracies that differ."
        )
    return (
        f"The rank correlation between transformation accuracy and content accuracy is {minus(f'{rho:.2f}')} over "
        f"{roles} kinds of encoder (one-sided exact permutation p = {p:.2f})."
    )


def accuracies_in_words(roles: pd.DataFrame) -> str:
    """Return the accuracies that claim 5 correlates; empty where a run has no table of roles.

    Args:
        roles: rows of the table of roles, of one set of encoders.
    """
    if roles.empty:
        return ""
    known = roles[roles["fine"].notna() & roles["content"].notna()]
    accuracies = zip(known["role"], known["fine"], known["content"], strict=True)
    each = [f"{role} {in_percent(fine)} / {in_percent(content)}" for role, fine, content in accuracies]
    return f"Accuracy of transformation / content: {', '.join(each)}." if each else ""


DIFFERENT = "significant"
NOT_DISTINGUISHED = "not significant"
ALONE = "significant only without correction"
"""Results of the test of a difference. Holm's correction is over all contrasts of a set of encoders, which were named
before the test."""


def differences(contrasts: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the differences that decide a claim, and over what their intervals are.

    Args:
        contrasts: rows of the table of contrasts, of one claim and one set of encoders.

    Returns:
        One row per contrast, ``name``, ``value``, ``low``, ``high`` in points, and ``series``: after Holm's correction
        `DIFFERENT`, `NOT_DISTINGUISHED`, or `ALONE`; and "seeds" where there are several of each kind, as the test
        decides, else "photographs".
    """
    seeds = "seeds_low" in contrasts and bool(contrasts["seeds_low"].notna().all())
    low, high = ("seeds_low", "seeds_high") if seeds else ("low", "high")
    names = contrasts["first_role"] + " \N{MINUS SIGN} " + contrasts["second_role"]
    rows = pd.DataFrame({"name": names + (", " + contrasts["score"] if contrasts["score"].nunique() > 1 else "")})
    rows = rows.assign(**{to: contrasts[c] * 100 for to, c in (("value", "effect"), ("low", low), ("high", high))})
    apart = (rows["low"] > 0) | (rows["high"] < 0)
    rows["series"] = np.select([contrasts["p_holm"] < SIGNIFICANCE, apart], [DIFFERENT, ALONE], NOT_DISTINGUISHED)
    return rows, "seeds" if seeds else "photographs"
