"""The five claims of the abstract of arXiv 2307.05610, tested: contrasts between roles that were named in advance, with
Holm's correction over all of them.

An encoder of the zoo, or a published one, has a role: supervised, SimCLR, MAE, CAN, CLIP or ALIGN. The claims are
tested within either set, never across: published encoders also differ in network, data and budget. Several trainings of
a role are tested together. Missing roles are stated, and the rest tested. The results are about these encoders: one
encoder of an objective is no evidence about the objective.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from probing_core.compute.names import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from probing_core.compute.tasks import CONTENT, ROTATIONS, codes
from probing_core.measures import interval
from probing_core.measures.classification import balanced_accuracy, informedness
from probing_core.measures.statistics import (
    MIN_SEEDS,
    ClusterSums,
    bootstrap,
    difference,
    holm,
    mean,
    numbered,
    pooled_deviation,
    seeds_difference,
    seeds_interval,
    sign_flips,
)
from probing_core.models import ROLE_SETS, encoders_of, parse
from probing_core.models.base import ROLES

CLAIMS = (
    "All six embeddings identify dozens of transformations.",
    "Masked models (MAE, CAN) are best at telling the exact transformation.",
    "Image-text models (CLIP, ALIGN) generalize best to styles that no probe has seen.",
    "The five foundation objectives hold more non-semantic information than supervised training.",
    "Knowing more about appearance does not cost knowing less about content.",
)
"""What the abstract claims, in this project's words; part of the key of the tables."""

SUPERVISED, SIMCLR, MAE, CAN, CLIP, ALIGN = "supervised", "SimCLR", "MAE", "CAN", "CLIP", "ALIGN"

FINE, FAR = "fine", "far style"

DOZENS = 24
SIGNIFICANCE = 0.05

MIN_RANKED = 4
"""Encoders below which a correlation of their ranks means nothing."""


@dataclass(frozen=True)
class Contrast:
    """A difference that was named before any result was seen: score of ``first`` minus that of ``second``.

    ``claim`` is the number of the claim that it decides, between two roles; 0 for an ablation, between two encoders.
    """

    claim: int
    first: str
    second: str
    score: str


CONTRASTS = (
    *(Contrast(2, a, b, FINE) for a, b in product((MAE, CAN), (SUPERVISED, SIMCLR, CLIP, ALIGN))),
    *(Contrast(3, a, b, FAR) for a, b in product((CLIP, ALIGN), (SUPERVISED, SIMCLR, MAE, CAN))),
    *(Contrast(4, a, SUPERVISED, FINE) for a in (SIMCLR, MAE, CAN, CLIP, ALIGN)),
)
"""Between roles, in either set of encoders."""

ABLATIONS = tuple(
    Contrast(0, a, b, score)
    for a, b in (
        ("zoo/clip", "zoo/clip-plain"),
        ("zoo/align", "zoo/align-plain"),
        ("zoo/simclr", "zoo/simclr-matched"),
    )
    for score in (FINE, FAR)
)
"""The effect of style words in captions, and of views that change color and sharpness. They decide no claim, and are
corrected as a separate list."""


NUMBERS = ("effect", "low", "high", "p", "seeds_low", "seeds_high", "p_seeds")

Trainings = Sequence[ClusterSums]
"""Sums of one score, one per training, all over the same samples."""

Scores = Mapping[str, Mapping[str, Trainings]]
"""Score -> role, or encoder of an ablation -> its trainings."""


def contrast_table(scores: Scores, contrasts: Sequence[Contrast] = CONTRASTS) -> pd.DataFrame:
    """Return one row a contrast: ``claim``, ``first``, ``second``, ``score``, ``effect``, ``low``, ``high``, ``p``
    (paired sign flips by base photograph), ``seeds_low``, ``seeds_high``, ``p_seeds`` (over the variance between
    trainings, pooled within the roles of a score), ``p_holm`` (over all rows that could be computed), ``bases``.

    Where trainings have a p-value, the larger of the two is corrected: a difference must show over photographs and over
    trainings. docs/results.md states the test, which was written down before a second training was looked at.
    """
    table = pd.DataFrame([_row(contrast, scores) for contrast in contrasts])
    return table.assign(p_holm=holm(np.fmax(table["p"].to_numpy(), table["p_seeds"].to_numpy())))


def _row(contrast: Contrast, scores: Scores) -> dict[str, object]:
    of, named = scores[contrast.score], (contrast.first, contrast.second)
    if not all(map(of.get, named)):
        return asdict(contrast) | dict.fromkeys(NUMBERS, np.nan) | {"bases": 0}
    one, other = (pooled(of[name]) for name in named)
    found = interval(difference(one, other), low=-1, high=1)
    values = {name: [sums.value for sums in trainings] for name, trainings in of.items()}
    spread = pooled_deviation(list(values.values()))
    seeds = seeds_difference(values[contrast.first], values[contrast.second], *spread)
    numbers = (found.value, found.low, found.high, float(sign_flips(one, [other])[0]), *seeds)
    return asdict(contrast) | dict(zip(NUMBERS, numbers, strict=True)) | {"bases": found.clusters}


def pooled(trainings: Trainings) -> ClusterSums:
    """Return the mean score of several trainings tested on the same samples, as sums of one.

    Scores are hits over counts with equal counts, so that the mean of the sums has the mean score.
    """
    return ClusterSums(np.mean([sums.sums for sums in trainings], axis=0), trainings[0].score)


@dataclass(frozen=True)
class Identified:
    """How many transforms a role identifies.

    Attributes:
        above_chance: those whose whole interval of recall is above chance: the criterion named in advance, which
            decides.
        not_below: those whose interval of recall is not wholly at chance or below.
        informed: those whose whole interval of informedness is above 0: a probe that hardly ever names a class may fail
            the first criterion and still separate the class from others.
        classes: number of transforms without identity.
        seeds: (low, high) of ``above_chance`` over trainings; NaN for fewer than three.
    """

    above_chance: int
    not_below: int
    informed: int
    classes: int
    seeds: tuple[float, float] = (float("nan"), float("nan"))

    @property
    def shown(self) -> bool:
        """Whether it identifies two dozen, over photographs and over trainings."""
        return self.above_chance >= DOZENS and not self.seeds[0] < DOZENS

    @property
    def excluded(self) -> bool:
        """Whether it identifies fewer, over photographs and over trainings."""
        return self.not_below < DOZENS and not self.seeds[1] >= DOZENS


def identified(trainings: Sequence[pd.DataFrame]) -> Identified:
    """Count by the test predictions (``truth``, ``predicted``, ``base_id``) of one role, a table per training, all
    of the same samples; recalls are means over the trainings."""
    classes = sorted(trainings[0]["truth"].unique())
    bases = [numbered(rows["base_id"].to_numpy())[1] for rows in trainings]  # numbers sort faster
    above_chance = not_below = informed = 0
    for transform in (name for name in classes if name != "identity"):
        parts = [_recall_and_informedness(rows, base, transform) for rows, base in zip(trainings, bases, strict=True)]
        recall = interval(pooled([r for r, _ in parts]), low=0, high=1)
        above_chance += recall.low > 1 / len(classes)
        not_below += not recall.high <= 1 / len(classes)  # a transform without an interval may not be below
        informed += interval(pooled([i for _, i in parts]), low=-1, high=1).low > 0
    many = len(trainings) >= MIN_SEEDS
    seeds = seeds_interval([identified([rows]).above_chance for rows in trainings] if many else [])
    return Identified(above_chance, not_below, informed, len(classes) - ("identity" in classes), seeds)


def _recall_and_informedness(rows: pd.DataFrame, base: np.ndarray, transform: str) -> tuple[ClusterSums, ClusterSums]:
    is_it, called = ((rows[c] == transform).to_numpy() for c in ("truth", "predicted"))
    # With two classes, this one and the rest, the mean informedness is that of either.
    return mean(called[is_it], base[is_it]), informedness(is_it.astype(np.int64), called.astype(np.int64), base)


def by_counts(counts: Mapping[str, Identified]) -> tuple[str, str]:
    """Test claim 1 over the roles that are present."""
    if not counts:
        return UNDECIDED, "The run has no predictions of the transformation by any of them."
    classes = min(n.classes for n in counts.values())
    if classes < DOZENS:
        return UNDECIDED, f"The run has {classes} transformations, and two dozens are asked."
    recall, informed, not_below = (
        ", ".join(f"{role} {getattr(found, count)}" for role, found in counts.items())
        for count in ("above_chance", "informed", "not_below")
    )
    result = UNDECIDED
    if all(n.shown for n in counts.values()):
        result = SUPPORTED
    elif any(n.excluded for n in counts.values()):
        result = NOT_SUPPORTED
    other = "it would hold" if all(n.informed >= DOZENS for n in counts.values()) else "it would not be shown either"
    several = "; ".join(
        f"{role} {n.seeds[0]:.1f} to {n.seeds[1]:.1f}" for role, n in counts.items() if np.isfinite(n.seeds[0])
    )
    return result, (
        f"Transformations (of {classes}) whose recall lies above chance with its whole 95 % interval, two dozens "
        f"asked: {recall}; those for which it is not wholly at chance or below: {not_below}."
        f"{f' Their number over trainings, 95 % t intervals: {several}.' if several else ''} "
        f"By a criterion chosen after looking, {other} (recall above the rate at which other pictures are called so, "
        f"with its whole interval): {informed}."
    )


def by_contrasts(contrasts: pd.DataFrame) -> tuple[str, str]:
    """Test claims 2 to 4: supported where every contrast that could be computed is above 0 after Holm's correction; not
    supported where any is below."""
    known = contrasts[contrasts["p"].notna()]
    if known.empty:
        styles = " or has no far styles" if set(contrasts["score"]) == {FAR} else ""
        return UNDECIDED, f"None of {len(contrasts)} contrasts could be computed: the run lacks encoders{styles}."
    sure = known["p_holm"] < SIGNIFICANCE
    above, below = int((sure & (known["effect"] > 0)).sum()), int((sure & (known["effect"] < 0)).sum())
    result = SUPPORTED if above == len(known) else NOT_SUPPORTED if below else UNDECIDED
    absent = f" (of {len(contrasts)} named)" if len(known) < len(contrasts) else ""
    far = " Far styles are counted in all three rotations together, by the share of them that is called style."
    differences = "; ".join(map(_difference, known.to_dict("records")))
    return result, (
        f"{above} of {len(known)} contrasts{absent} lie above 0 and {below} below, after Holm's correction."
        f"{far if set(known['score']) == {FAR} else ''} Differences in points with 95 % intervals: {differences}."
    )


def _difference(row: Mapping) -> str:
    seeds = f", over trainings {100 * row['seeds_low']:.1f} to {100 * row['seeds_high']:.1f}"
    return (
        f"{row['first']} - {row['second']} {100 * row['effect']:+.1f} ({100 * row['low']:.1f} to "
        f"{100 * row['high']:.1f}{seeds if np.isfinite(row['seeds_low']) else ''})"
    )


def by_ranks(style: Mapping[str, Trainings], content: Mapping[str, Trainings]) -> tuple[str, str]:
    """Test claim 5: the rank correlation of both accuracies over roles that have both, bootstrapped over photographs.

    With three or more trainings of each role, the same number of each, the correlation is also taken over the first
    trainings of all, over the second and so on, and must show over these as well.
    """
    if not content:
        return UNDECIDED, "The run has no content accuracy, which takes probes of its own and labels to learn."
    roles = [role for role in ROLES if role in style and role in content]
    if len(roles) < MIN_RANKED:
        return UNDECIDED, (
            f"A correlation of ranks takes {MIN_RANKED} encoders with both accuracies; the run has "
            f"{', '.join(roles) or 'none'}."
        )
    means = [[pooled(scores[role]) for role in roles] for scores in (style, content)]
    drawn = np.stack([[bootstrap(sums) for sums in scores] for scores in means])  # (2, roles, B)
    low, high = np.quantile(_rank_correlation(drawn), [0.025, 0.975])
    values = np.array([[sums.value for sums in scores] for scores in means])
    trained = [[[sums.value for sums in scores[role]] for role in roles] for scores in (style, content)]
    alike = len({len(trainings) for each in trained for trainings in each}) == 1
    over_seeds = seeds_interval(_rank_correlation(np.array(trained)).tolist() if alike else [])
    result = UNDECIDED
    if low >= 0 and not over_seeds[0] < 0:
        result = SUPPORTED
    elif high < 0 and not over_seeds[1] >= 0:
        result = NOT_SUPPORTED
    seeds = f"; over trainings {over_seeds[0]:.2f} to {over_seeds[1]:.2f}" if np.isfinite(over_seeds[0]) else ""
    accuracies = ", ".join(f"{role} {100 * a:.0f} / {100 * b:.0f}" for role, a, b in zip(roles, *values, strict=True))
    return result, (
        f"Rank correlation of transformation and content accuracy over {len(roles)} encoders: "
        f"{_rank_correlation(values[..., None])[0]:.2f} ({low:.2f} to {high:.2f}, photographs drawn again{seeds}). "
        f"Percent, transformation / content: {accuracies}."
    )


def _rank_correlation(scores: np.ndarray) -> np.ndarray:
    """Return Spearman's (B,) of the two rows of (2, roles, B) ``scores``; NaN where all roles of a row are alike."""
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=1).prod(axis=0))
    return (ranks[0] * ranks[1]).sum(0) / np.where(spread > 0, spread, np.nan)


def missing_roles(contrasts: pd.DataFrame | None, present: Collection[str]) -> list[str]:
    """Return the roles that no encoder of the run has, of those in a claim's ``contrasts`` or of all six."""
    asked = set(ROLES) if contrasts is None else {*contrasts["first"], *contrasts["second"]}
    return [role for role in ROLES if role in asked and role not in present]


Roles = Mapping[str, Sequence[str]]

GROUP_TASKS = tuple(f"group-{r}" for r in ROTATIONS)
OF_TRAININGS = ["seeds_low", "seeds_high", "p_seeds"]


def roles_by_set(models: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Return set of encoders -> role -> the ``models`` that have it; sets without a model are left out."""
    return {role_set: roles for role_set in ROLE_SETS if (roles := models_by_role(role_set, models))}


def models_of_claims(models: Sequence[str]) -> list[str]:
    """Return those of ``models`` that have a role, or take part in an ablation; none where none has a role."""
    sets = roles_by_set(models)
    if not sets:
        return []
    twins = [m for m in models if any(m in (a.first, a.second) for a in ABLATIONS)]
    return list(dict.fromkeys((*(m for roles in sets.values() for each in roles.values() for m in each), *twins)))


def described(models: Sequence[str]) -> list:
    """Return what the tests of claims on these models depend on, other than predictions, in JSON types."""
    named = [[c.claim, c.first, c.second, c.score] for c in (*CONTRASTS, *ABLATIONS)]
    return [list(CLAIMS), named, DOZENS, SIGNIFICANCE, roles_by_set(models)]


Results = Mapping[str, Any]
"""Inputs of the tests for one model, as far as it has predictions: `FINE` and `FAR`, sums of these scores;
`CONTENT`, sums of the content accuracy of untouched pictures, over the photographs of `FINE`; `PREDICTED`,
predictions of the fine task."""

PREDICTED = "predictions"


def model_results(predictions: Mapping[str, pd.DataFrame], far: set[str]) -> Results:
    """Return the scores of a model by which claims are tested.

    Args:
        predictions: task -> columns ``truth``, ``predicted``, ``base_id`` and ``transform`` of its test predictions.
        far: transforms of the far-unseen tier that count.
    """
    none = pd.DataFrame(columns=["transform"])
    results: dict[str, Any] = {}
    groups = [table for task in GROUP_TASKS if (table := predictions.get(task)) is not None]
    styles = [table[table["transform"].isin(far)].astype("str") for table in groups]
    if styles and len(rows := pd.concat(styles, ignore_index=True)):
        results[FAR] = mean((rows["truth"] == rows["predicted"]).to_numpy(), rows["base_id"].to_numpy())
    if len(fine := predictions.get(FINE, none)):
        results |= {PREDICTED: fine, FINE: _balanced(fine)}
        content = predictions.get(CONTENT, none)
        if len(clean := content[content["transform"] == "identity"]):
            results[CONTENT] = _among(_balanced(clean), clean["base_id"], fine["base_id"])
    return results


def claim_tables(models: Sequence[str], results: Mapping[str, Results]) -> tuple[pd.DataFrame, ...]:
    """Test the claims on the models of a run, by the results of those that `models_of_claims` returns.

    Returns:
        The tables of claims, contrasts and ablations.
    """
    tables = [_tables_of_set(role_set, roles, results) for role_set, roles in roles_by_set(models).items()]
    alone = {score: _by_role({model: [model] for model in results}, results, score) for score in (FINE, FAR)}
    claims, contrasts = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return claims, contrasts, contrast_table(alone, ABLATIONS).drop(columns=["claim", *OF_TRAININGS])


def models_by_role(role_set: str, models: Sequence[str]) -> dict[str, list[str]]:
    """Return role -> those of ``models`` that have it in the set ``role_set``, each as its checkpoint embeds: by
    name, or with other weights (``@weights=``, ``@seed=``), which are another training, but not with another layer
    or pooling."""
    plain = {name: parse(name) for name in models}
    roles = {
        role: [m for m, name in plain.items() if name.base in names and set(name.options) <= {"weights", "seed"}]
        for role, names in encoders_of(role_set).items()
    }
    return {role: found for role, found in roles.items() if found}


def _by_role(roles: Roles, results: Mapping[str, Results], name: str) -> dict[str, list]:
    found = {role: [results[m][name] for m in models if name in results.get(m, {})] for role, models in roles.items()}
    return {role: each for role, each in found.items() if each}


def _tables_of_set(role_set: str, roles: Roles, results: Mapping[str, Results]) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = {score: _by_role(roles, results, score) for score in (FINE, FAR)}
    contrasts = contrast_table(scores)
    by_claim = {claim: contrasts[contrasts["claim"] == claim] for claim in (2, 3, 4)}
    results_of_claims = [
        by_counts({role: identified(tables) for role, tables in _by_role(roles, results, PREDICTED).items()}),
        *(by_contrasts(rows) for rows in by_claim.values()),
        by_ranks(scores[FINE], _by_role(roles, results, CONTENT)),
    ]
    encoders = "; ".join(f"{role}: {', '.join(names)}" for role, names in roles.items())
    claims = [
        {
            "claim": claim,
            "result": result,
            "evidence": evidence,
            "set": role_set,
            "encoders": encoders,
            "missing": ", ".join(missing_roles(by_claim.get(number), roles)),
        }
        for number, (claim, (result, evidence)) in enumerate(zip(CLAIMS, results_of_claims, strict=True), 1)
    ]
    # Roles are given with the encoders that have them.
    names = {**encoders_of(role_set), **roles}
    first, second = ([", ".join(names.get(role, ())) for role in contrasts[side]] for side in ("first", "second"))
    contrasts = contrasts.assign(set=role_set, first_role=contrasts["first"], second_role=contrasts["second"])
    return pd.DataFrame(claims), contrasts.assign(first=first, second=second)


def _balanced(rows: pd.DataFrame) -> ClusterSums:
    classes = sorted(rows["truth"].unique())
    truth, predicted = (codes(rows[column], classes) for column in ("truth", "predicted"))
    return balanced_accuracy(truth, predicted, rows["base_id"].to_numpy())


def _among(sums: ClusterSums, mine: pd.Series, everyone: pd.Series) -> ClusterSums:
    """Return ``sums`` over the photographs ``mine`` as sums over ``everyone``, the others being 0, so that one draw of
    photographs serves two scores."""
    photographs = np.unique(everyone)
    padded = np.zeros((len(photographs), sums.sums.shape[1]))
    padded[np.searchsorted(photographs, np.unique(mine))] = sums.sums
    return ClusterSums(padded, sums.score)
