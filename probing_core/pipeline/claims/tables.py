"""Writes the tables of claims, contrasts and ablations of a run, for each set of encoders that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.embedders import ROLE_SETS, cast_of, parse
from probing_core.measures.classification import balanced_accuracy
from probing_core.measures.cluster_sums import ClusterSums, mean
from probing_core.pipeline.claims import decide
from probing_core.pipeline.claims.contrasts import contrast_table
from probing_core.pipeline.claims.named import ABLATIONS, CLAIMS, CONTRASTS, DOZENS, FAR, FINE, SIGNIFICANCE
from probing_core.runs import layout, revisions
from probing_core.runs.layout import predictions_path
from probing_core.runs.models import model_entries
from probing_core.runs.recipe import Recipe
from probing_core.runs.sample_table import SampleTable
from probing_core.runs.samples import has_splits, load_transforms
from probing_core.runs.store import Store, digest
from probing_core.runs.tasks import CONTENT, ROTATIONS, codes
from probing_core.transforms import FAR_CONTROL

Cast = Mapping[str, Sequence[str]]
"""Role -> the models of a run that play it."""

GROUPS = tuple(f"group-{r}" for r in ROTATIONS)
OF_TRAININGS = ["seeds_low", "seeds_high", "p_seeds"]


def judge(store: Store, recipe: Recipe) -> None:
    """Writes the tables where the run holds any encoder that has a role.

    Runs without splits have too few photographs for a verdict.
    """
    if not has_splits(store.read_table(layout.IMAGES)):
        return
    models = [entry["name"] for entry in model_entries(store)]
    casts = {of_set: cast for of_set in ROLE_SETS if (cast := cast_in(of_set, models))}
    twins = [m for m in models if any(m in (a.first, a.second) for a in ABLATIONS)]
    present = list(dict.fromkeys((*(m for cast in casts.values() for each in cast.values() for m in each), *twins)))
    needed = [path for m in present for t in (FINE, CONTENT, *GROUPS) if store.has(path := predictions_path(m, t))]
    far = {t.name for t in load_transforms(recipe) if t.far} - {FAR_CONTROL}
    contrasts_named = [[c.claim, c.first, c.second, c.score] for c in (*CONTRASTS, *ABLATIONS)]
    inputs = [[name, store.checksum(name)] for name in needed]
    key = digest([revisions.CLAIMS, CLAIMS, contrasts_named, DOZENS, SIGNIFICANCE, casts, sorted(far), inputs])
    if (
        not casts
        or not needed
        or all(store.has(table, key) for table in (layout.CLAIMS, layout.CONTRASTS, layout.ABLATIONS))
    ):
        return
    results = _read_results(store, present, far)
    judged = [_judge_set(of_set, cast, results) for of_set, cast in casts.items()]
    alone = {score: {m: [sums] for m, sums in of.items()} for score, of in results.scores.items()}
    ablations = contrast_table(alone, ABLATIONS).drop(columns=["claim", *OF_TRAININGS])
    store.write_table(layout.CONTRASTS, pd.concat([contrasts for _, contrasts in judged], ignore_index=True), key)
    store.write_table(layout.ABLATIONS, ablations, key)
    store.write_table(layout.CLAIMS, pd.concat([claims for claims, _ in judged], ignore_index=True), key)


def cast_in(of_set: str, models: Sequence[str]) -> dict[str, list[str]]:
    """Role -> those of ``models`` that play it in the set ``of_set``, each as its checkpoint embeds: by name, or with
    other weights (``@weights=``, ``@seed=``), which are a further training; another layer or pooling is none."""
    plain = {name: parse(name) for name in models}
    cast = {
        role: [m for m, name in plain.items() if name.base in names and set(name.options) <= {"weights", "seed"}]
        for role, names in cast_of(of_set).items()
    }
    return {role: found for role, found in cast.items() if found}


@dataclass(frozen=True)
class Results:
    """What the models of a run were scored with.

    Attributes:
        fine: model -> its test predictions at the fine task.
        scores: score -> model -> its sums.
        content: model -> sums of the content accuracy of untouched pictures, over the photographs of ``fine``.
    """

    fine: Mapping[str, pd.DataFrame]
    scores: Mapping[str, Mapping[str, ClusterSums]]
    content: Mapping[str, ClusterSums]


def _read_results(store: Store, models: Sequence[str], far: set[str]) -> Results:
    samples = SampleTable(store)
    fine = {m: rows for m in models if len(rows := _predictions(store, m, FINE, samples))}
    styles = {m: rows for m in models if len(rows := _styles(store, m, samples, far))}
    content = {m: _predictions(store, m, CONTENT, samples) for m in fine}
    content = {m: clean for m, rows in content.items() if len(clean := rows[rows["transform"] == "identity"])}
    return Results(
        fine,
        {FINE: {m: _balanced(r) for m, r in fine.items()}, FAR: {m: _hits(r) for m, r in styles.items()}},
        {m: _among(_balanced(rows), rows["base_id"], fine[m]["base_id"]) for m, rows in content.items()},
    )


def _judge_set(of_set: str, cast: Cast, results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The claims and the contrasts of one set of encoders."""
    scores = {score: _by_role(cast, of) for score, of in results.scores.items()}
    contrasts = contrast_table(scores)
    by_claim = {claim: contrasts[contrasts["claim"] == claim] for claim in (2, 3, 4)}
    verdicts = [
        decide.of_counts({role: decide.identified(rows) for role, rows in _by_role(cast, results.fine).items()}),
        *(decide.of_contrasts(rows) for rows in by_claim.values()),
        decide.of_ranks(scores[FINE], _by_role(cast, results.content)),
    ]
    encoders = "; ".join(f"{role}: {', '.join(names)}" for role, names in cast.items())
    claims = [
        {
            "claim": claim,
            "verdict": verdict,
            "evidence": evidence,
            "set": of_set,
            "encoders": encoders,
            "missing": ", ".join(decide.missing_roles(by_claim.get(number), cast)),
        }
        for number, (claim, (verdict, evidence)) in enumerate(zip(CLAIMS, verdicts, strict=True), 1)
    ]
    # The columns `first` and `second` hold the names of encoders, as they did before roles had any.
    names = {**cast_of(of_set), **cast}
    first, second = ([", ".join(names.get(role, ())) for role in contrasts[side]] for side in ("first", "second"))
    contrasts = contrasts.assign(set=of_set, first_role=contrasts["first"], second_role=contrasts["second"])
    return pd.DataFrame(claims), contrasts.assign(first=first, second=second)


def _by_role(cast: Cast, values: Mapping) -> dict[str, list]:
    """Role -> the values of the models that play it, of those that have one."""
    found = {role: [values[m] for m in models if m in values] for role, models in cast.items()}
    return {role: each for role, each in found.items() if each}


def _predictions(store: Store, model: str, task: str, samples: SampleTable) -> pd.DataFrame:
    """Texts are categories."""
    name = predictions_path(model, task)
    if not store.has(name):
        return pd.DataFrame(columns=["truth", "predicted", "base_id", "transform"])
    return samples.joined(name, ["sample", "truth", "predicted"], ["base_id", "transform"], once=False)


def _styles(store: Store, model: str, samples: SampleTable, far: set[str]) -> pd.DataFrame:
    """The predictions of the group tasks for samples of the transforms ``far``, which are few."""
    tables = (_predictions(store, model, task, samples) for task in GROUPS)
    return pd.concat([t[t["transform"].isin(far)].astype("str") for t in tables], ignore_index=True)


def _balanced(rows: pd.DataFrame) -> ClusterSums:
    classes = sorted(rows["truth"].unique())
    truth, predicted = (codes(rows[column], classes) for column in ("truth", "predicted"))
    return balanced_accuracy(truth, predicted, decide.photographs(rows))


def _among(sums: ClusterSums, mine: pd.Series, everyone: pd.Series) -> ClusterSums:
    """``sums`` over the photographs ``mine`` as sums over ``everyone``, to which the others add nothing: so that one
    draw of photographs serves two scores."""
    photographs = np.unique(everyone)
    padded = np.zeros((len(photographs), sums.sums.shape[1]))
    padded[np.searchsorted(photographs, np.unique(mine))] = sums.sums
    return ClusterSums(padded, sums.score)


def _hits(rows: pd.DataFrame) -> ClusterSums:
    return mean((rows["truth"] == rows["predicted"]).to_numpy(), decide.photographs(rows))
