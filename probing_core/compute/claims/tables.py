"""The tables of claims, contrasts and ablations, for each set of encoders that a run holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.claims import decide
from probing_core.compute.claims.contrasts import contrast_table
from probing_core.compute.claims.named import ABLATIONS, CLAIMS, FAR, FINE
from probing_core.compute.tasks import CONTENT, ROTATIONS, codes
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import ClusterSums, mean
from probing_core.models import ROLE_SETS, encoders_of, parse

Roles = Mapping[str, Sequence[str]]
"""Role -> the models of a run that have it."""

GROUP_TASKS = tuple(f"group-{r}" for r in ROTATIONS)
OF_TRAININGS = ["seeds_low", "seeds_high", "p_seeds"]


@dataclass(frozen=True)
class ClaimTables:
    """The tables of claims, of the contrasts that decide them, and of the ablations."""

    claims: pd.DataFrame
    contrasts: pd.DataFrame
    ablations: pd.DataFrame


def roles_by_set(models: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Return for each set of encoders of which ``models`` has any its roles and the models that have them."""
    return {role_set: roles for role_set in ROLE_SETS if (roles := models_by_role(role_set, models))}


def models_of_claims(models: Sequence[str]) -> list[str]:
    """Return those of ``models`` that have a role, or take part in an ablation; none where none has a role."""
    sets = roles_by_set(models)
    if not sets:
        return []
    twins = [m for m in models if any(m in (a.first, a.second) for a in ABLATIONS)]
    return list(dict.fromkeys((*(m for roles in sets.values() for each in roles.values() for m in each), *twins)))


@dataclass(frozen=True)
class ModelResults:
    """Scores of one model by which claims are tested; None where it has no predictions of the kind.

    Attributes:
        predictions: of the fine task.
        fine: sums of their balanced accuracy.
        far: sums of the hits of the group tasks among transformations that were never seen.
        content: sums of the content accuracy of untouched pictures, over the photographs of ``fine``.
    """

    predictions: pd.DataFrame | None = None
    fine: ClusterSums | None = None
    far: ClusterSums | None = None
    content: ClusterSums | None = None


def model_results(predictions: Mapping[str, pd.DataFrame], far: set[str]) -> ModelResults:
    """Return the scores of a model by which claims are tested.

    Args:
        predictions: task -> columns ``truth``, ``predicted``, ``base_id`` and ``transform`` of its test predictions, of
            the tasks that it has any of.
        far: transforms of the far-unseen tier that count.
    """
    styles = [
        t[t["transform"].isin(far)].astype("str") for task in GROUP_TASKS if (t := predictions.get(task)) is not None
    ]
    hits = _hits(rows) if styles and len(rows := pd.concat(styles, ignore_index=True)) else None
    fine = predictions.get(FINE)
    if fine is None or not len(fine):
        return ModelResults(far=hits)
    content = predictions.get(CONTENT)
    clean = None if content is None else content[content["transform"] == "identity"]
    among = None if clean is None or not len(clean) else _among(_balanced(clean), clean["base_id"], fine["base_id"])
    return ModelResults(fine, _balanced(fine), hits, among)


def claim_tables(models: Sequence[str], results: Mapping[str, ModelResults]) -> ClaimTables:
    """Test the claims on the models of a run.

    Args:
        models: of a run.
        results: model -> its scores, of those that `models_of_claims` returns.
    """
    tables = [_tables_of_set(role_set, roles, results) for role_set, roles in roles_by_set(models).items()]
    alone = {score: {m: [sums] for m, sums in of.items()} for score, of in _scores(results).items()}
    return ClaimTables(
        claims=pd.concat([claims for claims, _ in tables], ignore_index=True),
        contrasts=pd.concat([contrasts for _, contrasts in tables], ignore_index=True),
        ablations=contrast_table(alone, ABLATIONS).drop(columns=["claim", *OF_TRAININGS]),
    )


def models_by_role(role_set: str, models: Sequence[str]) -> dict[str, list[str]]:
    """Return role -> those of ``models`` that have it in the set ``role_set``, each as its checkpoint embeds: by name,
    or with other weights (``@weights=``, ``@seed=``), which are a further training; another layer or pooling is
    none."""
    plain = {name: parse(name) for name in models}
    roles = {
        role: [m for m, name in plain.items() if name.base in names and set(name.options) <= {"weights", "seed"}]
        for role, names in encoders_of(role_set).items()
    }
    return {role: found for role, found in roles.items() if found}


def _scores(results: Mapping[str, ModelResults]) -> dict[str, dict[str, ClusterSums]]:
    """Return score -> model -> its sums."""
    return {
        FINE: {model: of.fine for model, of in results.items() if of.fine is not None},
        FAR: {model: of.far for model, of in results.items() if of.far is not None},
    }


def _tables_of_set(
    role_set: str, roles: Roles, results: Mapping[str, ModelResults]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the claims and the contrasts of one set of encoders."""
    scores = {score: _values_by_role(roles, of) for score, of in _scores(results).items()}
    contrasts = contrast_table(scores)
    fine = {m: of.predictions for m, of in results.items() if of.predictions is not None}
    content = {m: of.content for m, of in results.items() if of.content is not None}
    by_claim = {claim: contrasts[contrasts["claim"] == claim] for claim in (2, 3, 4)}
    results_of_claims = [
        decide.by_counts({role: decide.identified(rows) for role, rows in _values_by_role(roles, fine).items()}),
        *(decide.by_contrasts(rows) for rows in by_claim.values()),
        decide.by_ranks(scores[FINE], _values_by_role(roles, content)),
    ]
    encoders = "; ".join(f"{role}: {', '.join(names)}" for role, names in roles.items())
    claims = [
        {
            "claim": claim,
            "result": result,
            "evidence": evidence,
            "set": role_set,
            "encoders": encoders,
            "missing": ", ".join(decide.missing_roles(by_claim.get(number), roles)),
        }
        for number, (claim, (result, evidence)) in enumerate(zip(CLAIMS, results_of_claims, strict=True), 1)
    ]
    # Roles are named as well as the encoders that have them.
    names = {**encoders_of(role_set), **roles}
    first, second = ([", ".join(names.get(role, ())) for role in contrasts[side]] for side in ("first", "second"))
    contrasts = contrasts.assign(set=role_set, first_role=contrasts["first"], second_role=contrasts["second"])
    return pd.DataFrame(claims), contrasts.assign(first=first, second=second)


def _values_by_role(roles: Roles, values: Mapping) -> dict[str, list]:
    """Return role -> the values of the models that have it, of those that have one."""
    found = {role: [values[m] for m in models if m in values] for role, models in roles.items()}
    return {role: each for role, each in found.items() if each}


def _balanced(rows: pd.DataFrame) -> ClusterSums:
    classes = sorted(rows["truth"].unique())
    truth, predicted = (codes(rows[column], classes) for column in ("truth", "predicted"))
    return balanced_accuracy(truth, predicted, decide.photographs(rows))


def _among(sums: ClusterSums, mine: pd.Series, everyone: pd.Series) -> ClusterSums:
    """Return ``sums`` over the photographs ``mine`` as sums over ``everyone``, to which the others add nothing: so that
    one draw of photographs serves two scores."""
    photographs = np.unique(everyone)
    padded = np.zeros((len(photographs), sums.sums.shape[1]))
    padded[np.searchsorted(photographs, np.unique(mine))] = sums.sums
    return ClusterSums(padded, sums.score)


def _hits(rows: pd.DataFrame) -> ClusterSums:
    return mean((rows["truth"] == rows["predicted"]).to_numpy(), decide.photographs(rows))
