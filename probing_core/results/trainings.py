"""Checkpoints of one training among the models of a run, read as a series over its steps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from probing_core.charts import Theme, training_chart
from probing_core.compute.names import GROUP_SUBSET
from probing_core.errors import BadRun, UnknownName
from probing_core.results.retrieval import ALL
from probing_core.results.run import Run
from probing_core.run import layout

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_OPTION = re.compile(r"@(?=\w+=)")
_NUMBER = re.compile(r"\d+")
_WEIGHTS = "weights="

COLUMNS = ("step", "model", "name", "value", "low", "high", "photographs", "chance")


def trainings(models: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    """Return the trainings of which ``models`` has several checkpoints: name -> (step, model), first step first.

    Checkpoints of a training are models whose names differ only in the numbers of the file behind ``@weights=``, or of
    its folder where the file has none: ``step-000480.pt``, ``epoch=3-step=100.ckpt``, ``checkpoint-500/model.pt``. The
    last number is the step, and ``*`` stands for it in the name of the training.
    """
    found: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for model in models:
        head, *options = _OPTION.split(model)
        weights = next((option for option in options if option.startswith(_WEIGHTS)), "")
        parts = weights.removeprefix(_WEIGHTS).split("/")
        place = next((i for i in range(len(parts) - 1, max(-1, len(parts) - 3), -1) if _NUMBER.search(parts[i])), None)
        if place is None:
            continue
        step = int(_NUMBER.findall(parts[place])[-1])
        parts[place] = _NUMBER.sub("*", parts[place])
        others = (option for option in options if option != weights)
        found[head, "/".join(parts), *others].setdefault(step, model)
    series = {}
    for (head, path, *rest), steps in found.items():
        if len(steps) > 1:
            series["@".join([head, *rest, f"{_WEIGHTS}{path}"])] = sorted(steps.items())
    return series


def training_scores(run: Run, training: str) -> pd.DataFrame:
    """Return what each checkpoint of a training of ``run`` holds.

    Args:
        training: one of `trainings`.

    Returns:
        ``step``, ``model``, ``name`` (``fine``, ``content``, ``group:...``, ``retrieval``), ``value`` with its 95 %
        interval ``low`` to ``high`` over ``photographs``, ``chance``: the scores of the run's linear probes, and the
        share of altered photographs whose original is the nearest of all untouched ones, where that was measured.

    Raises:
        UnknownName: the run has no such training.
    """
    there = trainings(run.models["name"])
    if training not in there:
        none = "none, for which a model is needed with several files, such as zoo/mae@weights=ckpts/step-*.pt"
        raise UnknownName(f"The run has no training '{training}'; it has: {', '.join(there) or none}.")
    return scores_by_step(run, there[training])


def scores_by_step(run: Run, models: Sequence[tuple[int, str]]) -> pd.DataFrame:
    """Return the rows of `training_scores` of models that stand for steps, given as (step, model)."""
    scores = run.scores
    if scores.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    steps = pd.DataFrame(models, columns=["step", "model"])
    of_group = scores["subset"].str.startswith(GROUP_SUBSET)
    measure = of_group.map({True: "recall", False: "balanced-accuracy"})
    fine = (scores["task"] == "fine") & (of_group | (scores["subset"] == "all"))
    content = (scores["task"] == "content") & (scores["subset"] == "seen")
    rows = scores[(fine | content) & (scores["measure"] == measure)]
    rows = rows.assign(name=rows["subset"].where(rows["subset"].str.startswith(GROUP_SUBSET), rows["task"]))
    rows = pd.concat([rows, _found_first(run)], ignore_index=True).merge(steps, on="model")
    rows = rows.rename(columns={"bases": "photographs"}).sort_values("step", kind="stable")
    return rows[list(COLUMNS)].reset_index(drop=True)


def _found_first(run: Run) -> pd.DataFrame:
    """Return the recall at 1 of every model, of all transformations together in the whole gallery."""
    rows = run.table(layout.table_path("retrieval"))
    if rows.empty:
        return rows
    rows = rows[(rows["transform"] == ALL) & (rows["k"] == 1) & ~rows["extrapolated"]]
    return rows[rows["gallery"] == rows["gallery"].max()].assign(name="retrieval")


def plot_training(run: Run, training: str | None = None, dark: bool = False) -> Figure:
    """Draw what the checkpoints of a training hold over its steps.

    Args:
        training: one of `trainings`; the only one of the run, if not given.

    Raises:
        BadRun: it is not given, and the run has none or several; or the checkpoints have no scores yet.
        UnknownName: the run has no such training.
    """
    from plotly.graph_objects import Figure

    there = trainings(run.models["name"])
    if training is None and len(there) != 1:
        raise BadRun(
            f"'{run.path}' has {len(there)} trainings of which it holds several checkpoints, and one is drawn"
            f"{'; name one of: ' + ', '.join(there) if there else ''}."
        )
    rows = training_scores(run, next(iter(there)) if training is None else training)
    if rows.empty:
        raise BadRun(f"The checkpoints have no scores yet; `probing run --out {run.path}` makes them.")
    return Figure(training_chart(rows, Theme(dark)))
