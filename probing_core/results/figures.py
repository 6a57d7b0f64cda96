"""Figures of a run that show themselves, as `Run` offers them: the charts of the pages as Plotly's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from probing_core import charts
from probing_core.charts.theme import Theme
from probing_core.errors import BadRun, UnknownName
from probing_core.measures.notation import in_percent
from probing_core.results.confusion import confusion_matrix
from probing_core.results.ranking import leaderboard
from probing_core.results.summaries import by_group

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from probing_core.results.run import Run

MAX_POINTS = 20_000
"""Samples on a map; of more, as many are drawn by lot."""


def confusion_figure(run: Run, model: str, task: str, theme: Theme) -> Figure:
    """Return what a model takes for what, in percent of each class."""
    _require_task(run, task)
    tested = run.tested(model, task, ())
    if tested.empty:
        _refuse(run, model, f"predictions of the task '{task}'")
    matrix = confusion_matrix(tested[tested["seen"]], run.classes(task)) * 100
    members = run.transforms
    group_of = dict(zip(members["transform"], members["group"], strict=True)) if task == "fine" else None
    return _shown(charts.confusion_chart(matrix, theme, group_of), theme, model)


def leaderboard_figure(run: Run, task: str, subset: str, theme: Theme) -> Figure:
    """Return the models by score, with intervals."""
    _require_task(run, task)
    board = leaderboard([run], task, subset)
    if board.empty:
        raise BadRun(f"The run '{run.path}' has no scores of the task '{task}' on '{subset}'.")
    return _shown(charts.leaderboard_chart(board, theme), theme, f"{task}, {subset}")


def profile_figure(run: Run, models: Sequence[str], theme: Theme) -> Figure:
    """Return the recall of each group, a row a model."""
    names = list(models) or list(run.models["name"])
    for model in names:
        if run.scores.empty or model not in set(run.scores["model"]):
            _refuse(run, model, "scores")
    return _shown(charts.profile_chart(by_group(run, names), theme), theme, "recall by group of transformations (%)")


def map_figure(run: Run, model: str, theme: Theme) -> Figure:
    """Return the map of a model, colored by group."""
    points = run.map(model)
    if points is None:
        _refuse(run, model, "map")
        raise AssertionError
    shown = ""
    if len(points) > MAX_POINTS:
        shown = f", {MAX_POINTS:,} of {len(points):,} samples ({in_percent(MAX_POINTS / len(points))})"
        points = points.sample(MAX_POINTS, random_state=0).sort_index()
    facts = run.sample_columns("transform", "group", "image_id").take(points["sample"].to_numpy())
    points = pd.DataFrame(
        {
            **{name: points[name].to_numpy() for name in ("sample", "x", "y")},
            "category": facts["group"].astype(str).to_numpy(),
            "hover": [
                charts.escape(f"{name} of {image}")
                for name, image in zip(facts["transform"], facts["image_id"], strict=True)
            ],
        }
    )
    styles = charts.group_styles(dict.fromkeys(run.transforms["group"]), theme)
    return _shown(charts.map_chart({model: points}, theme, styles), theme, f"{model}{shown}")


def _shown(chart: charts.Figure, theme: Theme, title: str) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure(chart)
    top = figure.layout.margin.t or 0
    # A page has a background and a heading of its own.
    figure.update_layout(
        paper_bgcolor=theme.background,
        plot_bgcolor=theme.background,
        title={"text": charts.escape(title), "font": {"size": 14}, "x": 0.01, "y": 0.99, "yanchor": "top"},
        margin={"t": top + 28},
        height=(figure.layout.height or 0) + 28 or None,
    )
    return figure


def _require_task(run: Run, task: str) -> None:
    """Refuse a task that a run's models were not scored on.

    Raises:
        UnknownName: there are others.
    """
    if run.tasks and task not in run.tasks:
        raise UnknownName(f"The run has no task '{task}'. It has: {', '.join(run.tasks)}.")


def _refuse(run: Run, model: str, what: str) -> None:
    """Refuse to draw what a run does not have.

    Raises:
        UnknownName: it has no such model.
        BadRun: the model has not got that far.
    """
    if model not in set(run.models["name"]):
        raise UnknownName(f"The run has no model '{model}'. It has: {', '.join(run.models['name'])}.")
    raise BadRun(
        f"The run '{run.path}' has no {what} of '{model}'; `probing run --out {run.path}` makes what is missing."
    )
