"""Models of a run compared on the same photographs: difference, its interval, and how likely chance gives as much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.compute.names import GROUP_SUBSET
from probing_core.compute.tasks import CONTENT, ROTATIONS
from probing_core.errors import BadConfig, BadRun, UnknownName
from probing_core.measures import interval
from probing_core.measures.cluster_sums import ClusterSums, average, difference
from probing_core.measures.paired_tests import holm
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
from probing_core.results.run import Run, open_run
from probing_core.run.layout import RECIPE
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
"""Columns of the table that `compare` returns."""

OTHER_SEEDS = ("model", "seed_of", "value", "published", "difference", "low", "high", "photographs")
"""Columns of the table of `other_seeds`."""

GROUP = "group"
"""The group task over its three rotations: every group is tested on members that its probe has not seen."""


def compare(a: str | Path | Run, b: str | Path | Run, run: str | Path | Run | None = None) -> pd.DataFrame:
    """Return how far two models of a run are apart, or the models of two runs.

    Two runs are recognized: both are directories of runs, or opened. Then every model that both have is compared with
    itself; if they share none and each has one, these two are.

    Args:
        a: name of a model, or a run.
        b: name of another model, or another run.
        run: of the models; the reference run if not given.

    Returns:
        One row a pair of models and contrast. Columns: ``model``, ``other``; the contrast, ``task``, ``subset`` and
        ``measure``: ``fine`` over ``all`` classes, the recall of each ``group:...``, ``group`` over ``unseen`` members
        (the mean of the rotations), and ``content``; ``value`` and ``other_value``, both over the photographs that
        both were tested on; their ``difference``, the first less the other, with the 95 % interval ``low`` to ``high``
        (bootstrap over photographs); ``p`` (two-sided, paired sign flips by photograph, corrected by Holm over the
        contrasts of the pair); ``photographs``. A contrast that one of them lacks is left out.

    Raises:
        UnknownName: the run has no such model.
        BadConfig: one is a run and the other a model, or both are runs and ``run`` is given.
        BadRun: two runs that have other photographs or transformations, or share no model.
    """
    runs = [_is_run(one) for one in (a, b)]
    if any(runs) and (not all(runs) or run is not None):
        raise BadConfig(f"Two models of a run are compared, or two runs; got '{a}' and '{b}'.")
    if all(runs):
        return compare_runs(open_run(a), open_run(b))
    return compare_models(open_run(run), str(a), str(b))


def compare_models(run: Run, model: str, other: str) -> pd.DataFrame:
    """Return the table of `compare` for two models of a run.

    Raises:
        UnknownName: the run has no such model.
    """
    for name in (model, other):
        if name not in set(run.models["name"]):
            raise UnknownName(f"The run has no model '{name}' to compare. It has: {', '.join(run.models['name'])}.")
    return _compared(run, model, run, other)


def compare_runs(first: Run, second: Run) -> pd.DataFrame:
    """Return the table of `compare` for two runs, whose recipes may differ in all but photographs and transformations.

    Raises:
        BadRun: they differ in these, or share no model.
    """
    for what in ("fingerprint", "transforms", "view"):
        mine, theirs = getattr(first.recipe, what), getattr(second.recipe, what)
        if mine != theirs:
            told = "photographs" if what == "fingerprint" else what
            raise BadRun(
                f"Runs are compared over the same photographs, transformations and views, and '{first.path}' and "
                f"'{second.path}' have other {told}."
            )
    names = [set(run.models["name"]) for run in (first, second)]
    shared = [name for name in first.models["name"] if name in names[1]]
    if not shared and all(len(own) == 1 for own in names):
        return _compared(first, first.models["name"].iloc[0], second, second.models["name"].iloc[0])
    if not shared:
        raise BadRun(
            f"'{first.path}' and '{second.path}' share no model: they have {', '.join(sorted(names[0]))} and "
            f"{', '.join(sorted(names[1]))}."
        )
    return pd.concat([_compared(first, name, second, name) for name in shared], ignore_index=True)


def unseen_accuracy(run: Run, model: str) -> AccuracySums:
    """Return the in-group hit rate of a model at members of the bank that its probe has not seen, the mean over the
    rotations.
    """
    bases, probes = unseen_by_rotation(run, model)
    return AccuracySums(bases, average(probes) if probes else None)


def unseen_by_rotation(run: Run, model: str) -> tuple[np.ndarray, list[ClusterSums]]:
    """Return the photographs that every rotation tested on members that its probe has not seen, and for each rotation
    the sums of the hit rate over them."""
    parts = [accuracy(run, model, f"{GROUP}-{rotation}", "unseen") for rotation in ROTATIONS]
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


def _is_run(one: str | Path | Run) -> bool:
    return isinstance(one, Run | Path) or (Path(one) / RECIPE).is_file()


def _compared(first: Run, model: str, second: Run, other: str) -> pd.DataFrame:
    mine, theirs = dict(contrasts(first, model)), dict(contrasts(second, other))
    rows = []
    for contrast, sums in mine.items():
        if contrast not in theirs:
            continue
        bases = np.intersect1d(sums.bases, theirs[contrast].bases)
        if not len(bases):
            continue
        one, two = (AccuracySums(bases, sums_over(found, bases)) for found in (sums, theirs[contrast]))
        assert one.sums is not None
        assert two.sums is not None
        apart = _difference(one, two)
        p = paired_p(one, [two])[0]
        rows.append((model, other, *contrast, one.sums.value, two.sums.value, *apart[:3], p, len(bases)))
    table = pd.DataFrame(rows, columns=list(COMPARED))
    return table.assign(p=holm(table["p"].to_numpy()))


def contrasts(run: Run, model: str) -> Iterator[tuple[tuple[str, str, str], AccuracySums]]:
    """Yield (task, subset, measure) and the sums of every contrast that a model has predictions for."""
    fine = run.tested(model, "fine", RANKING_FACTS)
    if len(fine):
        fine = of_subset(fine, "all")
        yield ("fine", "all", measure_of("all")), accuracy_of(fine)
        for group in (group for group in GROUPS if (fine["group"] == group).any()):
            rows = fine[fine["group"] == group]
            # What a group is taken for outside of it counts as wrong, whatever it is.
            yield ("fine", GROUP_SUBSET + group, "recall"), accuracy_of(rows)
    for name, subset, found in (
        (GROUP, "unseen", unseen_accuracy(run, model)),
        (CONTENT, "seen", accuracy(run, model, CONTENT, "seen")),
    ):
        if found.sums is not None:
            yield (name, subset, measure_of(subset)), found


def _difference(mine: AccuracySums, other: AccuracySums) -> tuple[float, float, float, int]:
    """Return the difference, both ends of its interval, and the number of photographs that both were tested on."""
    if mine.sums is None or other.sums is None:
        return np.nan, np.nan, np.nan, 0
    bases = np.intersect1d(mine.bases, other.bases)
    found = interval(difference(sums_over(mine, bases), sums_over(other, bases)), low=-1, high=1)
    return found.value, found.low, found.high, len(bases)
