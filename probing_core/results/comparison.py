"""Models of a run compared on the same photographs: difference, its interval, and how likely chance gives as much."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial, reduce

import numpy as np
import pandas as pd

from probing_core.compute.names import GROUP_SUBSET
from probing_core.compute.tasks import CONTENT, ROTATIONS
from probing_core.errors import BadRun, UnknownName
from probing_core.measures import interval
from probing_core.measures.statistics import ClusterSums, average, difference, holm
from probing_core.results.ranking import (
    RANKING_FACTS,
    AccuracySums,
    accuracy,
    accuracy_of,
    has_place,
    in_order,
    measure_of,
    of_subset,
    paired_p,
    rankable,
    scores_of,
    sums_over,
)
from probing_core.results.run import Run
from probing_core.transforms.base import GROUPS

COLUMNS = (
    "model",
    "seed_of",
    "place",
    "value",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "bases",
)

COMPARED = (
    "model",
    "other",
    "task",
    "subset",
    "measure",
    "value",
    "other_value",
    "difference",
    "low",
    "high",
    "p",
    "photographs",
)
"""Columns of a table of contrasts."""

OTHER_SEEDS = ("model", "seed_of", "value", "published", "difference", "low", "high", "photographs")
"""Columns of the table of `other_seeds`."""

GROUP = "group"
"""The group task over its three rotations: every group is tested on members that its probe has not seen."""


Tested = Callable[[str], pd.DataFrame]
"""Task -> predictions with the columns that `accuracy_of` and `of_subset` read."""

Contrasts = dict[tuple[str, str, str], AccuracySums]
"""(Task, subset, measure) -> the sums of that score."""


def unseen_accuracy(run: Run, model: str) -> AccuracySums:
    """Return the in-group hit rate of a model at members of the bank that its probe has not seen, the mean over the
    rotations.
    """
    bases, probes = unseen_by_rotation(_tested(run, model), run.far)
    return AccuracySums(bases, average(probes) if probes else None)


def unseen_by_rotation(tested: Tested, far: Collection[str]) -> tuple[np.ndarray, list[ClusterSums]]:
    """Return the photographs that every rotation tested on members that its probe has not seen, and for each rotation
    the sums of the hit rate over them."""
    tables = [tested(f"{GROUP}-{rotation}") for rotation in ROTATIONS]
    parts = [accuracy_of(of_subset(table, "unseen", far)) for table in tables if len(table)]
    made = [part for part in parts if part.sums is not None]
    if not made:
        return np.empty(0, str), []
    bases = reduce(np.intersect1d, [part.bases for part in made])
    return bases, [sums_over(part, bases) for part in made]


def place_among(run: Run | Sequence[Run], model: str, task: str = "fine", subset: str = "all") -> pd.DataFrame:
    """Return every model of a run, or of several that differ in their models alone, best first, and how far ``model``
    is from each.

    Models that differ in their seed alone have one place, as in `leaderboard`; ``model`` has its own in any case.

    Columns: ``model``, ``seed_of`` (as in `leaderboard`), ``place`` (1 the best; missing where ``seed_of`` names
    another), ``value``, ``low`` and ``high`` of its score; of the score of ``model`` less its own ``difference`` with
    the 95 % interval ``difference_low`` to ``difference_high`` (bootstrap over the photographs that both were tested
    on) and ``p`` (paired sign flips by photograph, corrected by Holm over the other models that have a place);
    ``bases``, the number of these photographs. NaN in the row of ``model``.

    Raises:
        UnknownName: the run has no score of ``model``.
        BadRun: the runs differ in more than their models.
    """
    runs = [run] if isinstance(run, Run) else list(run)
    if differs := rankable(runs):
        raise BadRun(f"Runs that differ in more than their models are not ranked together: {'; '.join(differs)}.")
    of = {name: one for one in runs for name in one.models["name"]}
    board = pd.concat([scores_of(one, task, subset) for one in runs], ignore_index=True)
    if board.empty or model not in set(board["model"]):
        there = ", ".join(board["model"]) if not board.empty else "none"
        raise UnknownName(f"The run has no score of '{model}' at the task '{task}' ({subset}). It has: {there}.")
    board = in_order(board, alone=(model,))
    placed = has_place(board)
    board["place"] = placed.cumsum().astype("Int64").where(placed)
    mine = accuracy(of[model], model, task, subset)
    theirs = {name: accuracy(of[name], name, task, subset) for name in board["model"] if name != model}
    ranked = [name for name in board.loc[placed, "model"] if name != model]
    p = dict(zip(ranked, holm(paired_p(mine, [theirs[name] for name in ranked])), strict=True))
    rows = []
    for row in board.to_dict("records"):
        about = [row[name] for name in COLUMNS[: COLUMNS.index("difference")]]
        apart = _difference(mine, theirs[row["model"]]) if row["model"] != model else (np.nan, np.nan, np.nan, 0)
        rows.append((*about, *apart[:3], p.get(row["model"], np.nan), apart[3]))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"place": "Int64"})


def other_seeds(runs: Sequence[Run], task: str = "fine", subset: str = "all") -> pd.DataFrame:
    """Return how far models are from the one that they are with another seed, in the order of `leaderboard`.

    Columns: ``model``, ``seed_of``, ``value`` and ``published``, the scores of both; ``difference``, the first less the
    second, with the 95 % interval ``low`` to ``high`` (bootstrap over the ``photographs`` that both were tested on).
    """
    parts = [scores_of(run, task, subset).assign(place=place) for place, run in enumerate(runs)]
    board = pd.concat(parts, ignore_index=True)
    if board.empty:
        return pd.DataFrame(columns=list(OTHER_SEEDS))
    board = in_order(board)
    first = board.drop_duplicates("model").set_index("model")
    rows = []
    for model, of, place, value in board.loc[~has_place(board), ["model", "seed_of", "place", "value"]].itertuples(
        index=False
    ):
        published = first.loc[of]
        mine, other = accuracy(runs[place], model, task, subset), accuracy(runs[published["place"]], of, task, subset)
        rows.append((model, of, value, published["value"], *_difference(mine, other)))
    return pd.DataFrame(rows, columns=list(OTHER_SEEDS))


def recall_beside(run: Run, model: str, other: str, task: str = "fine") -> pd.DataFrame:
    """Return ``group``, the recall of ``model`` in each group of transforms, that of ``other``, and their
    ``difference``, the largest first.
    """
    scores = run.scores
    rows = scores[
        (scores["task"] == task) & (scores["measure"] == "recall") & scores["subset"].str.startswith(GROUP_SUBSET)
    ]
    table = rows.pivot_table(index="subset", columns="model", values="value").reindex(columns=[model, other])
    table = table.rename(columns={model: "recall", other: "recall_other"}).reset_index()
    table = table.assign(
        group=table["subset"].str.removeprefix(GROUP_SUBSET), difference=table["recall"] - table["recall_other"]
    )
    columns = ["group", "recall", "recall_other", "difference"]
    return table.sort_values("difference", ascending=False, ignore_index=True)[columns]


def contrasts_of(run: Run, model: str) -> Contrasts:
    """Return the sums of every contrast that a model has predictions for."""
    scores = contrasts(_tested(run, model), run.far)
    return {name: AccuracySums(bases, average(probes)) for name, bases, probes in scores}


def _tested(run: Run, model: str) -> Tested:
    return partial(run.tested, model, facts=RANKING_FACTS)


def contrasts(
    tested: Tested, far: Collection[str]
) -> Iterator[tuple[tuple[str, str, str], np.ndarray, list[ClusterSums]]]:
    """Yield every score by which two models are compared: (task, subset, measure); (C,) photographs, in order; and for
    each probe, the mean of which is the score, the sums over them."""
    fine, content = tested("fine"), tested(CONTENT)
    if len(fine):
        fine = of_subset(fine, "all")
        yield _one(("fine", "all", measure_of("all")), fine)
        for group in (group for group in GROUPS if (fine["group"] == group).any()):
            # What a group is taken for outside of it counts as wrong, whatever it is.
            yield _one(("fine", GROUP_SUBSET + group, "recall"), fine[fine["group"] == group])
    bases, probes = unseen_by_rotation(tested, far)
    if probes:
        yield (GROUP, "unseen", measure_of("unseen")), bases, probes
    if len(content) and content["seen"].any():
        yield _one((CONTENT, "seen", measure_of("seen")), of_subset(content, "seen"))


def _one(name: tuple[str, str, str], rows: pd.DataFrame) -> tuple[tuple[str, str, str], np.ndarray, list[ClusterSums]]:
    found = accuracy_of(rows)
    assert found.sums is not None
    return name, found.bases, [found.sums]


def compared(model: str, mine: Contrasts, other: str, theirs: Contrasts) -> pd.DataFrame:
    """Return one row a contrast that two models share, of the columns `COMPARED`; see `probing_core.compare`."""
    rows = []
    for contrast, sums in mine.items():
        if contrast not in theirs:
            continue
        one, two = shared(sums, theirs[contrast])
        if not len(one.bases):
            continue
        assert one.sums is not None
        assert two.sums is not None
        apart = _difference(one, two)
        p = paired_p(one, [two])[0]
        rows.append((model, other, *contrast, one.sums.value, two.sums.value, *apart[:3], p, len(one.bases)))
    table = pd.DataFrame(rows, columns=list(COMPARED))
    return table.assign(p=holm(table["p"].to_numpy()))


def shared(first: AccuracySums, second: AccuracySums) -> tuple[AccuracySums, AccuracySums]:
    """Return the sums of two models over the photographs that both were tested on."""
    bases = np.intersect1d(first.bases, second.bases)
    one, two = (AccuracySums(bases, sums_over(found, bases)) for found in (first, second))
    return one, two


def _difference(mine: AccuracySums, other: AccuracySums) -> tuple[float, float, float, int]:
    """Return the difference, both ends of its interval, and the number of photographs that both were tested on."""
    if mine.sums is None or other.sums is None:
        return np.nan, np.nan, np.nan, 0
    bases = np.intersect1d(mine.bases, other.bases)
    found = interval(difference(sums_over(mine, bases), sums_over(other, bases)), low=-1, high=1)
    return found.value, found.low, found.high, len(bases)
