"""Weak to strong: one picture, one transformation, and every model's answer as the strength grows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.explorer import SELECTION, shown_models
from dashboard.components.strength_slider import strength_slider, strength_title, strength_unit
from dashboard.data import cache, predictions
from dashboard.data.pictures import VisitorPicture
from dashboard.data.previews import Step
from dashboard.page import fragment
from dashboard.text import hint, in_bold, named, plain, strength_in_words
from dashboard.widgets import answers, asking, messages, pickers, tables, upload
from probing_core.charts import StrengthAxis, strength_chart
from probing_core.compute.live import PictureCrops
from probing_core.measures.notation import model_title
from probing_core.measures.seeds import with_place
from probing_core.results import Run, summaries
from probing_core.results.sentences import seen_from
from probing_core.transforms import Transform, resolve

FROM_MAPS = "models-of-maps"
"""Name of the choice that holds the models of the explorer's maps which the selected models began with."""


@fragment
def show(run: Run) -> None:
    picture = upload.pick_one()
    left, right = st.columns(2)
    with left:
        on_maps = shown_models(run)
        _follow_maps(on_maps)
        models = pickers.pick_models(run, first=on_maps)
    transform = resolve(pickers.pick_transform(run, where=right))
    _sentence(run, transform)
    shown, beside = st.columns(2)
    with shown:
        step = strength_slider(picture, run.recipe.view, transform)
    _measured(run, transform, step.strength, models)
    with st.expander("Detection thresholds"):
        _thresholds(run, transform, models)
    _live(run, picture, transform, step, models, beside)


def _follow_maps(models: list[str]) -> None:
    """Select the ``models`` of the explorer's maps, whenever the visitor has chosen others there."""
    if state.stored_choice(SELECTION) and state.stored_choices(FROM_MAPS, models) != models:
        state.choose("models", models)
        state.publish(FROM_MAPS, models)


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
def _live(run: Run, picture: VisitorPicture, transform: Transform, step: Step, models: list[str], beside: Any) -> None:
    able = [m for m in models if m in predictions.models_of(run)]
    if not able:
        messages.empty("None of the chosen models has a probe to predict with in this run; choose others.")
        return
    messages.left_out(models, able, "the run has no probe of theirs for new pictures")
    with beside:
        prior = answers.pick_prior()
    _answers(run, picture, transform, step, able, prior, beside)


def _answers(
    run: Run, picture: VisitorPicture, transform: Transform, step: Step, models: list[str], prior: float, beside: Any
) -> None:
    untouched = step.strength == transform.neutral
    crops = predictions.crops_of(run, picture) if untouched else PictureCrops(step.after)
    theme, rows, bars = cache.theme(), list[predictions.Row](), beside.empty()
    for number, model in enumerate(models):
        for _ in predictions.loading(run, model):
            bars.html(answers.models_table({"after": rows}, theme, models[number:]))
        rows += asking.rows(run, [model], {"after": crops}, "fine", prior)
        bars.html(answers.models_table({"after": rows}, theme, models[number + 1 :]))
    if rows:
        beside.caption(answers.ABOUT_ROWS)
    else:
        bars.empty()  # the run has models, and none of them answered


def _measured(run: Run, transform: Transform, strength: float, models: list[str]) -> None:
    st.subheader("Measured over many pictures", help=f"{hint('recall')} {hint('shift')}")
    rows = summaries.pick(cache.study(run, "strength"), transform=transform.name, model=models)
    if rows.empty:
        _by_drawn_strength(run, transform, strength, models)
        return
    times = _written_times(transform)
    axis = replace(_axis(transform, strength), learned=(times * transform.weakest, times * transform.strongest))
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
        "Shaded: the strengths that probes learn from; upright ticks: the detection thresholds below. Measured with "
        "the leaderboard's probe, which names one of all transformations. The answers about the picture above are from "
        "another probe, which says first whether it was altered."
    )


def _axis(transform: Transform, strength: float) -> StrengthAxis:
    return StrengthAxis(strength_title(transform), _written_times(transform) * strength, falling=transform.falling)


def _written_times(transform: Transform) -> int:
    """Return by what a strength is multiplied where it is written: shares are in percent."""
    return 100 if transform.unit.startswith("share") else 1


def _seen_from(run: Run, transform: Transform) -> dict[str, float]:
    rows = summaries.pick(cache.study(run, "thresholds"), transform=transform.name, censored="")
    return {} if rows.empty else dict(zip(rows["model"], rows["threshold"], strict=True))


def _by_drawn_strength(run: Run, transform: Transform, strength: float, models: list[str]) -> None:
    curves = [cache.computed(run, _curve_of_fifths, model, transform.name) for model in models]
    curve = pd.concat(curves, ignore_index=True)
    if curve.empty:
        messages.empty("The chosen models have no predictions of this transformation in this run; choose others.")
        return
    percent = curve.assign(right=100 * curve["right"], strength=_written_times(transform) * curve["strength"])
    figure = strength_chart(percent, "right", cache.theme(), "recognized (%)", _axis(transform, strength))
    tables.chart(figure, "by-strength", curve, f"Share of {transform.name} samples recognized, by drawn strength.")
    st.caption(
        f"The run's tested samples in fifths of their drawn strength, {int(curve['samples'].min())} to "
        f"{int(curve['samples'].max())} samples a point; no interval, since a fifth has few photographs. "
        f"A measured series of strengths would take its place. {tables.why_none(run)}"
    )


def _curve_of_fifths(run: Run, model: str, transform: str) -> pd.DataFrame:
    """Return ``strength``, ``right``, ``samples`` and ``model`` of each fifth of the samples of ``transform``.

    No prediction of another sample is read.
    """
    rows = run.predictions(model, "fine", ("strength",), {"truth": [transform]})
    if rows.empty:
        return rows
    fifth = pd.qcut(rows["strength"].rank(method="first"), min(5, len(rows)), labels=False)
    return (
        rows.groupby(fifth)
        .agg(strength=("strength", "mean"), right=("correct", "mean"), samples=("correct", "size"))
        .assign(model=model)
    )


def _thresholds(run: Run, transform: Transform, models: list[str]) -> None:
    table = tables.study(run, "thresholds")
    if table.empty:
        return
    rows = summaries.pick(table, transform=transform.name, model=models)
    if rows.empty:
        messages.empty(
            f"{named(transform.name)} has too few strengths for a threshold, or the chosen models have none."
        )
        return
    stronger = transform.strongest >= transform.weakest
    order = ["model", "threshold", "low", "high", "unit", "censored", "false_alarms", "images", "note"]
    number, times = st.column_config.NumberColumn, _written_times(transform)
    in_units = {end: times * rows[end] for end in ("threshold", "low", "high")}
    in_units["unit"] = strength_unit(transform)
    tables.show_table(
        rows.assign(**in_units).sort_values("threshold", ascending=stronger)[order],
        "thresholds",
        written={"model": model_title},
        column_config={
            "threshold": number(format="%.3g", help=hint("detection threshold")),
            "censored": st.column_config.TextColumn(
                "beyond the range",
                help="below: seen even at the faintest strength that was tried; above: not even at the strongest. The "
                "threshold is then that strength."
            ),
        },
        percent={
            "false_alarms": (
                "false alarms (%)",
                "Share of the untouched pictures in which the probe finds the transformation too.",
            )
        },
    )
    st.caption(
        "Most sensitive first. A picture counts as detected where the probe finds the transformation more probable "
        "than untouched. From the threshold on, detections stand out from false alarms by d\N{PRIME} = 1; a low "
        "threshold means little where false alarms are many."
    )
