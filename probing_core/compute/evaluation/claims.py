"""Test the five claims in the abstract of arXiv 2307.05610.

Encoders from the zoo and published encoders have a role: supervised, SimCLR, MAE, CAN, CLIP or ALIGN. The claims are
tested separately for these two sets, because published encoders also differ in architecture, data and compute. The Holm
correction covers the contrasts of one set, so the family-wise error rate is controlled for each set, not for both sets
together. Several training runs of a role are tested together. If roles are missing, they are listed, and the remaining
roles are tested. The results apply only to these encoders. A single encoder does not provide evidence about its
training objective.

`probing_core.results.claim_sentences` describes the results in sentences.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.evaluation.claim_tests import (
    ABLATION_CONTRASTS,
    CLAIM_CONTRASTS,
    DOZENS,
    UNSEEN_STYLE,
    Identified,
    Trainings,
    by_contrasts,
    by_counts,
    by_ranks,
    contrast_table,
    identified,
    pooled,
)
from probing_core.compute.sampling.probe_tasks import CONTENT, ROTATIONS, codes
from probing_core.compute.task_names import FINE
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.statistics import SIGNIFICANCE, ClusterSums, mean
from probing_core.models import ROLE_SETS, encoders_of, parse
from probing_core.models.embedder import ROLES


def missing_roles(contrasts: pd.DataFrame | None, present: Collection[str]) -> list[str]:
    """Return the roles that are required for a claim but not in ``present``.

    Args:
        contrasts: contrasts of the claim. If it is None, the claim requires all six roles.
        present: roles of the encoders in the run.
    """
    required = set(ROLES) if contrasts is None else {*contrasts["first"], *contrasts["second"]}
    return [role for role in ROLES if role in required and role not in present]


Roles = Mapping[str, Sequence[str]]

GROUP_TASKS = tuple(f"group-{r}" for r in ROTATIONS)
OF_TRAININGS = ["seeds_low", "seeds_high", "p_seeds"]


def roles_by_set(models: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Group ``models`` by set of encoders and by role. Sets without models are omitted."""
    return {role_set: roles for role_set in ROLE_SETS if (roles := models_by_role(role_set, models))}


def models_of_claims(models: Sequence[str]) -> list[str]:
    """Return the ``models`` that have a role or are part of an ablation, or an empty list if no model has a role."""
    sets = roles_by_set(models)
    if not sets:
        return []
    twins = [m for m in models if any(m in (a.first, a.second) for a in ABLATION_CONTRASTS)]
    return list(dict.fromkeys((*(m for roles in sets.values() for members in roles.values() for m in members), *twins)))


def described(models: Sequence[str]) -> list:
    """Return the inputs of the claim tests other than predictions, as a JSON-serializable list for cache keys."""
    named = [[c.claim, c.first, c.second, c.score] for c in (*CLAIM_CONTRASTS, *ABLATION_CONTRASTS)]
    return [named, DOZENS, SIGNIFICANCE, roles_by_set(models)]


Results = Mapping[str, Any]
"""Inputs of the claim tests for one model. Inputs that are not available are omitted.

`FINE`, `UNSEEN_STYLE` and `CONTENT` (content accuracy on clean images) contain sums of scores. `PREDICTED` contains the
predictions for the fine task.
"""

PREDICTED = "predictions"


def model_results(predictions: Mapping[str, pd.DataFrame], far: set[str]) -> Results:
    """Compute the inputs of the claim tests for one model.

    Args:
        predictions: task -> test predictions with the columns ``truth``, ``predicted``, ``base_id`` and ``transform``.
        far: names of the unseen styles to include.
    """
    none = pd.DataFrame(columns=["transform"])
    results: dict[str, Any] = {}
    groups = [table for task in GROUP_TASKS if (table := predictions.get(task)) is not None]
    styles = [table[table["transform"].isin(far)].astype("str") for table in groups]
    if styles and len(rows := pd.concat(styles, ignore_index=True)):
        results[UNSEEN_STYLE] = mean((rows["truth"] == rows["predicted"]).to_numpy(), rows["base_id"].to_numpy())
    if len(fine := predictions.get(FINE, none)):
        results |= {PREDICTED: fine, FINE: _balanced(fine)}
        content = predictions.get(CONTENT, none)
        if len(clean := content[content["transform"] == "identity"]):
            results[CONTENT] = _balanced(clean)
    return results


CLAIM_COLUMNS = (
    "set", "claim", "result", "missing", "transformations", "identified", "contrasts", "tested", "above", "below",
    "roles", "rho", "p",
)  # fmt: skip

COUNTS = ["transformations", "identified", "contrasts", "tested", "above", "below", "roles"]
"""Columns of the table of claims that contain counts. A count is missing if it does not apply to the claim."""


def claim_tables(models: Sequence[str], results: Mapping[str, Results]) -> tuple[pd.DataFrame, ...]:
    """Test the claims on the models of a run.

    Args:
        models: names of the models in the run.
        results: name of a model -> its results, for all `models_of_claims`.

    Returns:
        The tables of claims, roles, contrasts and ablations.
    """
    tables = [_tables_of_set(role_set, roles, results) for role_set, roles in roles_by_set(models).items()]
    by_model = {
        score: _by_role({model: [model] for model in results}, results, score) for score in (FINE, UNSEEN_STYLE)
    }
    claims, roles, contrasts = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    claims = claims.reindex(columns=list(CLAIM_COLUMNS)).astype(dict.fromkeys(COUNTS, "Int64"))
    ablations = contrast_table(by_model, ABLATION_CONTRASTS).drop(columns=["claim", *OF_TRAININGS])
    return claims, roles, contrasts, ablations


def models_by_role(role_set: str, models: Sequence[str]) -> dict[str, list[str]]:
    """Group ``models`` by their role in the set ``role_set``.

    Models with different weights (``@weights=``, ``@seed=``) are additional training runs of a role. Models with any
    other option, such as a layer or a pooling, have no role.
    """
    plain = {name: parse(name) for name in models}
    roles = {
        role: [m for m, name in plain.items() if name.base in names and set(name.options) <= {"weights", "seed"}]
        for role, names in encoders_of(role_set).items()
    }
    return {role: names for role, names in roles.items() if names}


def _by_role(roles: Roles, results: Mapping[str, Results], name: str) -> dict[str, list]:
    values = {role: [results[m][name] for m in models if name in results.get(m, {})] for role, models in roles.items()}
    return {role: scores for role, scores in values.items() if scores}


def _tables_of_set(role_set: str, roles: Roles, results: Mapping[str, Results]) -> tuple[pd.DataFrame, ...]:
    scores = {score: _by_role(roles, results, score) for score in (FINE, UNSEEN_STYLE, CONTENT)}
    contrasts = contrast_table(scores)
    by_claim = {claim: contrasts[contrasts["claim"] == claim] for claim in (2, 3, 4)}
    counts = {role: identified(tables) for role, tables in _by_role(roles, results, PREDICTED).items()}
    tested = {
        1: by_counts(counts),
        **{claim: by_contrasts(rows) for claim, rows in by_claim.items()},
        5: by_ranks(scores[FINE], scores[CONTENT]),
    }
    claims = [
        {"set": role_set, "claim": claim, "missing": ", ".join(missing_roles(by_claim.get(claim), roles)), **result}
        for claim, result in tested.items()
    ]
    # List the encoders of each role.
    names = {**encoders_of(role_set), **roles}
    first, second = ([", ".join(names.get(role, ())) for role in contrasts[side]] for side in ("first", "second"))
    contrasts = contrasts.assign(set=role_set, first_role=contrasts["first"], second_role=contrasts["second"])
    of_roles = role_table(role_set, roles, counts, scores[FINE], scores[CONTENT])
    return pd.DataFrame(claims), of_roles, contrasts.assign(first=first, second=second)


def role_table(
    role_set: str,
    roles: Roles,
    counts: Mapping[str, Identified],
    style: Mapping[str, Trainings],
    content: Mapping[str, Trainings],
) -> pd.DataFrame:
    """Create a table with one row per role.

    The columns are ``set``, ``role``, ``encoders`` (comma-separated), ``identified``, ``not_below`` and ``informed``
    (numbers of transformations, see `Identified`), ``identified_low`` and ``identified_high`` (confidence interval over
    training runs), and the accuracies ``fine`` and ``content``. Values are NaN if there are no predictions.
    """

    def accuracy(scores: Mapping[str, Trainings], role: str) -> float:
        return pooled(scores[role]).value if role in scores else float("nan")

    rows = []
    for role, encoders in roles.items():
        count = counts.get(role)
        rows.append(
            {
                "set": role_set,
                "role": role,
                "encoders": ", ".join(encoders),
                "identified": count.above_chance if count else np.nan,
                "not_below": count.not_below if count else np.nan,
                "informed": count.informed if count else np.nan,
                "identified_low": count.seeds[0] if count else np.nan,
                "identified_high": count.seeds[1] if count else np.nan,
                "fine": accuracy(style, role),
                "content": accuracy(content, role),
            }
        )
    return pd.DataFrame(rows)


def _balanced(rows: pd.DataFrame) -> ClusterSums:
    classes = sorted(rows["truth"].unique())
    truth, predicted = (codes(rows[column], classes) for column in ("truth", "predicted"))
    return balanced_accuracy(truth, predicted, rows["base_id"].to_numpy())
