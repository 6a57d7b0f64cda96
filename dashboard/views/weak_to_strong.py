"""Weak to strong: one picture, one transformation, and every model's answer as the strength grows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.components.explorer import SELECTION, chosen_cell, shown_models, take_over
from dashboard.components.strength_slider import strength_slider, strength_title
from dashboard.data import cache, predictions
from dashboard.data.previews import Step
from dashboard.page import fragment
from dashboard.text import hint, in_bold, named, plain, strength_in_words
from dashboard.widgets import answers, asking, messages, pickers, tables, upload
from probing_core.charts import StrengthAxis, strength_chart
from probing_core.compute.live import PictureCrops
from probing_core.measures.statistics import with_place
from probing_core.results import Run, summaries
from probing_core.results.sentences import seen_from
from probing_core.transforms import Transform, resolve

FROM_MAPS = "models-of-maps"
"""Name of the choice that holds the models of the explorer's maps which the selected models began with."""

FROM_CLASS = "class-of-maps"
"""Name of the choice that holds the explorer's class which the selected transformation began with."""


@fragment
def show(run: Run) -> None:
    picture = upload.pick_one()
    left, right = st.columns(2)
    with left:
        on_maps = shown_models(run)
        _follow_maps(on_maps)
        models = pickers.pick_models(run, first=on_maps)
    _follow_class(run)
    transform = resolve(pickers.pick_transform(run, where=right))
    _sentence(run, transform)
    shown, beside = st.columns(2)
    with shown:
        step = strength_slider(picture, run.recipe.view, transform)
    _measured(run, transform, step.strength, models)
    _live(run, step, models, beside)


def _follow_maps(models: list[str]) -> None:
    """Select the ``models`` of the explorer's maps, whenever the visitor has chosen others there."""
    if state.stored_choice(SELECTION) and state.stored_choices(FROM_MAPS, models) != models:
        state.choose("models", models)
        state.publish(FROM_MAPS, models)


def _follow_class(run: Run) -> None:
    """Select the class that is chosen in the explorer, whenever the visitor has chosen another one there."""
    name, _ = chosen_cell(run)
    if name in set(run.transforms["transform"]) - {"identity"}:
        take_over(FROM_CLASS, {"transform": name})


def _sentence(run: Run, transform: Transform) -> None:
    rows = summaries.pick(cache.study(run, "thresholds"), transform=transform.name)
    words = seen_from(
        rows[rows["model"].isin(with_place(rows["model"]))] if len(rows) else rows,
        lambda threshold: strength_in_words(transform.name, threshold),
        transform.falling,
        in_bold,
    )
    question = f"From which strength on do models see **{plain(named(transform.name))}**?"
    messages.finding(f"{question} {words}".rstrip())
    if words:
        st.caption(
            "A model sees it from the strength on at which its probe finds it more probable than untouched in clearly "
            "more of the altered pictures than of the untouched ones (d\N{PRIME} = 1). To be recognized, as in the "
            "curve below, it must be the most probable of all classes, which takes more."
        )


@messages.guarded
def _live(run: Run, step: Step, models: list[str], beside: Any) -> None:
    """Show in the container ``beside`` what the models answer about the picture of the slider."""
    able = [m for m in models if m in predictions.models_of(run)]
    if not able:
        messages.empty("None of the chosen models has a probe to predict with in this run; choose others.")
        return
    messages.left_out(models, able, "the run has no probe of theirs for new pictures")
    with beside:
        prior = answers.pick_prior()
    crops = PictureCrops(step.after)
    theme, bars = cache.theme(), beside.empty()
    found = asking.one_by_one(
        run, able, {"": crops}, prior, lambda rows, waiting: bars.html(answers.models_table({"": rows}, theme, waiting))
    )
    if found:
        beside.caption(answers.ABOUT_ROWS)
    else:
        bars.empty()  # the page shows why


def _measured(run: Run, transform: Transform, strength: float, models: list[str]) -> None:
    about = " ".join(hint(word) for word in ("recall", "shift", "detection threshold"))
    st.subheader("Measured over many pictures", help=about)
    table = cache.study(run, "strength")
    if table.empty:
        messages.empty(tables.why_none(run))
        st.caption("The explorer's curve shows how often its two models recognize the tested pictures of a row.")
        return
    rows = summaries.pick(table, transform=transform.name, model=models)
    if rows.empty:
        messages.empty(f"{named(transform.name)} was not measured for the chosen models; choose others.")
        return
    times = 100 if transform.unit.startswith("share") else 1  # shares are written in percent
    learned = (times * transform.weakest, times * transform.strongest)
    axis = StrengthAxis(strength_title(transform), times * strength, falling=transform.falling, learned=learned)
    left, right = st.columns(2)
    with left:
        seen = replace(axis, thresholds={model: times * at for model, at in _seen_from(run, transform).items()})
        ends = ("hit_low", "hit_high")
        written = rows.assign(strength=times * rows["strength"])
        share = written.assign(**{column: 100 * rows[column] for column in ("hit_rate", *ends)})
        figure = strength_chart(share, "hit_rate", cache.theme(), "recognized (%)", seen, ends)
        tables.chart(figure, "hit-rate", rows, "Hit rate as strength grows.")
    with right:
        ends = ("shift_low", "shift_high")
        figure = strength_chart(written, "shift", cache.theme(), "shift", axis, ends)
        tables.chart(figure, "shift", rows, "Normalized shift as strength grows.")
    st.caption(
        f"The same {int(rows['images'].max())} test images at every strength, with 95\N{NO-BREAK SPACE}% intervals. "
        "Shaded: the strengths that probes learn from; upright ticks: the detection thresholds. Where a curve falls, a "
        "model takes the stronger picture for something else: the matrix above shows for what. Measured with "
        "the leaderboard's probe, which names one of all transformations. The answers about the picture above are from "
        "another probe, which says first whether it was altered."
    )


def _seen_from(run: Run, transform: Transform) -> dict[str, float]:
    rows = summaries.pick(cache.study(run, "thresholds"), transform=transform.name, censored="")
    return {} if rows.empty else dict(zip(rows["model"], rows["threshold"], strict=True))
