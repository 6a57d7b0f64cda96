"""The five claims of the abstract of arXiv 2307.05610, tested on the zoo: contrasts named in advance, with Holm's
correction over all of them.

The verdicts are about these encoders: one encoder of an objective is no evidence about the objective. What is asked of
image-text models is judged on the encoders whose captions never name a style.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from probing_core.measures import interval
from probing_core.measures.classification import balanced_accuracy, informedness
from probing_core.measures.cluster_sums import ClusterSums, difference, mean
from probing_core.measures.intervals import bootstrap
from probing_core.measures.paired_tests import holm, sign_flip
from probing_core.runs import layout, revisions
from probing_core.runs.layout import predictions_path
from probing_core.runs.models import model_entries
from probing_core.runs.recipe import Recipe
from probing_core.runs.samples import evaluation_mode, load_transforms
from probing_core.runs.store import Store, digest
from probing_core.runs.tasks import ROTATIONS
from probing_core.transforms import FAR_CONTROL

CLAIMS = (
    "All six embeddings identify dozens of transformations.",
    "Masked models (MAE, CAN) are best at telling the exact transformation.",
    "Image-text models (CLIP, ALIGN) generalize best to styles that no probe has seen.",
    "The five foundation objectives hold more non-semantic information than supervised training.",
    "Knowing more about appearance does not cost knowing less about content.",
)
"""What the abstract claims, in this project's words; they are in the key of the tables."""

SUPERVISED, SIMCLR, MAE, CAN = "zoo/supervised", "zoo/simclr", "zoo/mae", "zoo/can"
CLIP, ALIGN = "zoo/clip-plain", "zoo/align-plain"
SIX = (SUPERVISED, SIMCLR, MAE, CAN, CLIP, ALIGN)

DOZENS = 24
SIGNIFICANCE = 0.05

HOLDS, FAILS, OPEN = "holds here", "does not hold here", "cannot be told"


@dataclass(frozen=True)
class Contrast:
    """A difference that was named before any result was seen: score of ``first`` less that of ``second``.

    ``claim`` is the number of the claim that it decides; 0 for an ablation.
    """

    claim: int
    first: str
    second: str
    score: str


CONTRASTS = (
    *(Contrast(2, a, b, "fine") for a, b in product((MAE, CAN), (SUPERVISED, SIMCLR, CLIP, ALIGN))),
    *(Contrast(3, a, b, "far style") for a, b in product((CLIP, ALIGN), (SUPERVISED, SIMCLR, MAE, CAN))),
    *(Contrast(4, a, SUPERVISED, "fine") for a in (SIMCLR, MAE, CAN, CLIP, ALIGN)),
)

ABLATIONS = tuple(
    Contrast(0, a, b, score)
    for a, b in (("zoo/clip", CLIP), ("zoo/align", ALIGN), (SIMCLR, "zoo/simclr-matched"))
    for score in ("fine", "far style")
)
"""What the words of style in captions, and views that change color and sharpness, are worth. They decide no claim, and
are corrected as a list of their own."""


def judge(store: Store, recipe: Recipe) -> None:
    """Writes the tables of claims, contrasts and ablations where the run holds any encoder of the zoo.

    Runs that leave one photograph out at a time have too few photographs for a verdict.
    """
    if evaluation_mode(store.read_table(layout.IMAGES)) != "split":
        return
    wanted = {m for c in (*CONTRASTS, *ABLATIONS) for m in (c.first, c.second)}
    present = [e["name"] for e in model_entries(store) if e["name"] in wanted]
    needed = [predictions_path(m, t) for m in present for t in ("fine", "content", *(f"group-{r}" for r in ROTATIONS))]
    needed = [name for name in needed if store.has(name)]
    far = {t.name for t in load_transforms(recipe) if t.far} - {FAR_CONTROL}
    contrasts_named = [[c.claim, c.first, c.second, c.score] for c in (*CONTRASTS, *ABLATIONS)]
    inputs = [[name, store.checksum(name)] for name in needed]
    key = digest([revisions.CLAIMS, CLAIMS, contrasts_named, DOZENS, SIGNIFICANCE, sorted(far), inputs])
    if not needed or all(store.has(table, key) for table in (layout.CLAIMS, layout.CONTRASTS, layout.ABLATIONS)):
        return
    samples = store.read_table(layout.SAMPLES, ["sample", "base_id", "transform"])
    fine = {m: _predictions(store, m, ("fine",), samples) for m in present}
    groups = {m: _predictions(store, m, [f"group-{r}" for r in ROTATIONS], samples) for m in present}
    groups = {m: rows[rows["transform"].isin(far)] for m, rows in groups.items()}
    scores: dict[str, dict[str, ClusterSums]] = {
        "fine": {m: _balanced(rows) for m, rows in fine.items() if len(rows)},
        "far style": {m: _hits(rows) for m, rows in groups.items() if len(rows)},
    }
    contrasts, ablations = contrast_table(scores), contrast_table(scores, ABLATIONS)
    content = {m: _predictions(store, m, ("content",), samples) for m in present if m in SIX}
    content = {m: rows[rows["transform"] == "identity"] for m, rows in content.items() if len(rows)}
    verdicts = [
        _identified({m: identified(rows) for m, rows in fine.items() if len(rows) and m in SIX}),
        *(_verdict(contrasts[contrasts["claim"] == claim]) for claim in (2, 3, 4)),
        _trade_off(
            scores["fine"],
            {m: _among(_balanced(rows), rows["base_id"], fine[m]["base_id"]) for m, rows in content.items()},
        ),
    ]
    table = pd.DataFrame(
        [
            {"claim": claim, "verdict": verdict, "evidence": evidence}
            for claim, (verdict, evidence) in zip(CLAIMS, verdicts, strict=True)
        ]
    )
    store.write_table(layout.CONTRASTS, contrasts, key)
    store.write_table(layout.ABLATIONS, ablations.drop(columns="claim"), key)
    store.write_table(layout.CLAIMS, table, key)


def contrast_table(
    scores: Mapping[str, Mapping[str, ClusterSums]], contrasts: Sequence[Contrast] = CONTRASTS
) -> pd.DataFrame:
    """One row a contrast: ``claim``, ``first``, ``second``, ``score``, ``effect``, ``low``, ``high``, ``p`` (paired
    sign flips by base photograph), ``p_holm`` (over all rows that could be computed), ``bases``.

    Args:
        scores: score -> model -> its sums over the same photographs.
    """
    rows = []
    for contrast in contrasts:
        first, second = (scores.get(contrast.score, {}).get(m) for m in (contrast.first, contrast.second))
        row = {"claim": contrast.claim, "first": contrast.first, "second": contrast.second, "score": contrast.score}
        if first is None or second is None:
            rows.append(row | dict.fromkeys(("effect", "low", "high", "p"), np.nan) | {"bases": 0})
            continue
        found = interval(difference(first, second), low=-1, high=1)
        p = sign_flip(first, second)
        rows.append(
            row | {"effect": found.value, "low": found.low, "high": found.high, "p": p, "bases": found.clusters}
        )
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"].to_list()))


def identified(rows: pd.DataFrame) -> tuple[int, int, int]:
    """How many transforms a model identifies, by two criteria; and how many it may identify by the first, for all that
    is known: those whose recall does not lie at chance or below with its whole interval.

    The first was named in advance and decides: recall lies above chance, 1/K, with its whole interval. A probe that
    hardly ever names a class may fail it and still separate the class from others; so the second asks whether the
    recall lies above the rate at which other classes are called so (informedness of that class), with its whole
    interval.
    """
    classes = rows["truth"].nunique()
    by_recall = by_informedness = perhaps = 0
    base = rows["base_id"].to_numpy()
    for name in sorted(set(rows["truth"]) - {"identity"}):
        is_it, called = ((rows[c] == name).to_numpy() for c in ("truth", "predicted"))
        recall = interval(mean(called[is_it], base[is_it]), low=0, high=1)
        by_recall += recall.low > 1 / classes
        perhaps += not recall.high <= 1 / classes  # where there is no interval, perhaps
        # With two classes, this one and the rest, the mean informedness is that of either.
        informed = informedness(is_it.astype(np.int64), called.astype(np.int64), base)
        by_informedness += interval(informed, low=-1, high=1).low > 0
    return by_recall, by_informedness, perhaps


def _identified(counts: dict[str, tuple[int, int, int]]) -> tuple[str, str]:
    recall, informed, perhaps = (", ".join(f"{_short(m)} {n[i]}" for m, n in counts.items()) for i in (0, 1, 2))
    if missing := _missing(counts):
        return OPEN, f"{missing} Transformations identified so far: {recall or 'none'}."
    fewest_sure, fewest_informed, fewest_perhaps = (min(n[i] for n in counts.values()) for i in (0, 1, 2))
    verdict = HOLDS if fewest_sure >= DOZENS else FAILS if fewest_perhaps < DOZENS else OPEN
    other = "it would hold" if fewest_informed >= DOZENS else "it would not be shown either"
    return verdict, (
        f"Transformations (of 30) whose recall lies above chance with its whole 95 % interval, two dozens asked: "
        f"{recall}; those for which it is not wholly at chance or below: {perhaps}. By a criterion chosen after "
        f"looking, {other} (recall above the rate at which other pictures are called so, with its whole interval): "
        f"{informed}."
    )


def _verdict(contrasts: pd.DataFrame) -> tuple[str, str]:
    """Holds where every contrast is above 0 after Holm's correction; fails where any is below."""
    known = contrasts[contrasts["p"].notna()]
    differences = "; ".join(
        f"{_short(row['first'])} - {_short(row['second'])} {100 * row['effect']:+.1f} "
        f"({100 * row['low']:.1f} to {100 * row['high']:.1f})"
        for row in known.to_dict("records")
    )
    if len(known) < len(contrasts):
        absent = f"{len(contrasts) - len(known)} of {len(contrasts)} contrasts need models or styles not in the run."
        return OPEN, absent + (f" In points, with 95 % intervals: {differences}." if differences else "")
    sure = contrasts["p_holm"] < SIGNIFICANCE
    above, below = int((sure & (contrasts["effect"] > 0)).sum()), int((sure & (contrasts["effect"] < 0)).sum())
    verdict = HOLDS if above == len(contrasts) else FAILS if below else OPEN
    far = " Far styles are counted in all three rotations together, by the share of them that is called style."
    return verdict, (
        f"{above} of {len(contrasts)} contrasts lie above 0 and {below} below, after Holm's correction."
        f"{far if set(contrasts['score']) == {'far style'} else ''} Differences in points with 95 % intervals: "
        f"{differences}."
    )


def _trade_off(style: dict[str, ClusterSums], content: dict[str, ClusterSums]) -> tuple[str, str]:
    """The rank correlation of the two accuracies over the six; photographs are drawn again, encoders are not."""
    if not content:
        return OPEN, "The run has no content accuracy, which takes probes of its own and labels to learn."
    if missing := _missing(style.keys() & content.keys()):
        return OPEN, missing
    from scipy.stats import rankdata

    drawn = np.stack([[bootstrap(scores[m]) for m in SIX] for scores in (style, content)])  # (2, 6, B)
    values = [np.array([scores[m].value for m in SIX]) for scores in (style, content)]
    ranks = rankdata(drawn, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    correlations = (ranks[0] * ranks[1]).sum(0) / np.sqrt((ranks[0] ** 2).sum(0) * (ranks[1] ** 2).sum(0))
    low, high = np.quantile(correlations, [0.025, 0.975])
    value = float(pd.Series(values[0]).corr(pd.Series(values[1]), method="spearman"))
    verdict = HOLDS if low >= 0 else FAILS if high < 0 else OPEN
    accuracies = ", ".join(f"{_short(m)} {100 * a:.0f} / {100 * b:.0f}" for m, a, b in zip(SIX, *values, strict=True))
    return verdict, (
        f"Rank correlation of transformation and content accuracy over the six: {value:.2f} ({low:.2f} to {high:.2f}, "
        f"photographs drawn again). Percent, transformation / content: {accuracies}."
    )


def _predictions(store: Store, model: str, tasks: Sequence[str], samples: pd.DataFrame) -> pd.DataFrame:
    names = [predictions_path(model, t) for t in tasks]
    tables = [store.read_table(n, ["sample", "truth", "predicted", "seen"]) for n in names if store.has(n)]
    if not tables:
        return pd.DataFrame(columns=["truth", "predicted", "base_id", "transform"])
    return pd.concat(tables, ignore_index=True).merge(samples, on="sample")


def _balanced(rows: pd.DataFrame) -> ClusterSums:
    classes = sorted(rows["truth"].unique())
    codes = [pd.Categorical(rows[c], classes).codes.astype(np.int64) for c in ("truth", "predicted")]
    return balanced_accuracy(codes[0], codes[1], rows["base_id"].to_numpy())


def _among(sums: ClusterSums, mine: pd.Series, everyone: pd.Series) -> ClusterSums:
    """``sums`` over the photographs ``mine`` as sums over ``everyone``, to which the others add nothing: so that one
    draw of photographs serves two scores."""
    photographs = np.unique(everyone)
    padded = np.zeros((len(photographs), sums.sums.shape[1]))
    padded[np.searchsorted(photographs, np.unique(mine))] = sums.sums
    return ClusterSums(padded, sums.score)


def _hits(rows: pd.DataFrame) -> ClusterSums:
    return mean((rows["truth"] == rows["predicted"]).to_numpy(), rows["base_id"].to_numpy())


def _missing(models: Collection[str]) -> str:
    absent = [m for m in SIX if m not in models]
    return f"The run lacks {', '.join(absent)}." if absent else ""


def _short(model: str) -> str:
    return model.removeprefix("zoo/")
