"""The "Transformations" page: a gallery, and details of the selected transformation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.strength_slider import Mark, strength_slider
from dashboard.data import cache
from dashboard.data.pictures import VisitorPicture, address_of, data_url
from dashboard.data.previews import VIEW, contact_sheet, original
from dashboard.page import fragment, page
from dashboard.text import hint, in_bold, named, plain, strength_in_words, strengths_in_words, unit_title
from dashboard.widgets import comparison, messages, pickers, tables, upload
from dashboard.widgets.links import TRANSFORM
from probing_core.charts import StrengthAxis, accuracy_by_strength_chart, predictions_chart, thresholds_chart
from probing_core.errors import BadRun, UnknownName
from probing_core.measures.classification import ABOVE, BELOW
from probing_core.measures.notation import decimal, group_title, in_percent, interval_text, model_title, model_titles
from probing_core.results import Run
from probing_core.results.by_strength import (
    OTHERS,
    accuracy_by_strength,
    median_recall,
    median_thresholds,
    most_sensitive_first,
    predicted_classes,
)
from probing_core.transforms import GROUPS, Transform, bank, resolve

IN_A_ROW = 3

ORIGINAL_PX = 88
"""Width in pixels of the original image above the gallery."""

CONFUSED = 7
"""Maximum number of incorrect classes with separate bars in the chart of predictions."""

DRAWN = {"linear": "uniformly", "log": "log-uniformly", "integer": "uniformly from the integers"}
"""Distribution of the strengths in training -> adverb that describes how strengths are drawn."""

GALLERY = "All transformations"

AT_LEAST, AT_MOST = "\N{GREATER-THAN OR EQUAL TO}", "\N{LESS-THAN OR EQUAL TO}"

RESOLUTION = 1 / 30
"""Precision of displayed strengths, as a fraction of the training range."""


@page("Transformations")
def show() -> None:
    entries = {transform.name: transform for transform in _entries()}
    changes = {name: transform for name, transform in entries.items() if transform.group != "identity"}
    left, middle, right = st.columns([2, 2, 4])
    opened = _pick(changes, left)
    with right:
        picture = upload.pick_one()
    if not opened:
        middle.image(data_url(original(picture)), "original", width=ORIGINAL_PX, alt="the original")
        _gallery(picture, changes)
        return
    run = _run()
    models = list(run.models["name"]) if run else []
    model = pickers.pick_model(run, where=middle, default=_best(run)) if run and models else ""
    other = _pick_other(models, model, middle) if len(models) > 1 else ""
    _show_transformation(run, picture, changes[opened], model, other)


def _pick_other(models: Sequence[str], model: str, where: Any) -> str:
    """Show a menu of the other models, and return the model to compare, or an empty string."""
    titles = {"": "None"} | model_titles([name for name in models if name != model])
    return str(pickers.select("Compare with", "other", list(titles), "", titles, where=where))


def _run() -> Run | None:
    try:
        return cache.current_run()
    except BadRun:
        return None


def _entries() -> tuple[Transform, ...]:
    """Return the bank, or the transformations of the run if some of them are not in the bank, such as plug-ins."""
    run = _run()
    if run is None:
        return bank()
    names = [name for name in run.transforms["transform"] if name not in run.far]
    if set(names) <= {t.name for t in bank()}:
        return bank()
    available = []
    for name in names:
        with suppress(UnknownName):  # the plug-in that defines it is not loaded
            available.append(resolve(name))
    return tuple(available)


def _best(run: Run) -> str:
    board = cache.board(run)
    return str(board["model"].iloc[0]) if len(board) else ""


def _pick(transforms: dict[str, Transform], where: st.delta_generator.DeltaGenerator) -> str:
    """Show the menu of transformations, and return the selected name, or an empty string for the gallery."""
    titles = {"": GALLERY} | {name: f"{t.group} · {named(name)}" for name, t in transforms.items()}
    opened: str = state.choice(
        where.selectbox, "Transformation", TRANSFORM, "", list(titles), own_default=True, format_func=titles.__getitem__
    )
    if not opened:
        state.forget(TRANSFORM)
    return opened


def _gallery(picture: VisitorPicture, transforms: dict[str, Transform]) -> None:
    run = _run()
    recall = cache.computed(run, _recall) if run else pd.Series(dtype=float)
    recall = recall[recall.index.isin(list(transforms))]
    falling = {name for name, transform in transforms.items() if transform.falling}
    thresholds = median_thresholds(cache.study(run, "thresholds"), falling) if run else pd.Series(dtype=float)
    messages.finding(_gallery_finding(len(transforms), recall))
    with st.spinner("Applying transformations"):
        strips = contact_sheet(picture, tuple(transforms.values()))
    st.caption(
        "Each card shows the weakest, middle and strongest strength in training. Recall and threshold are medians over "
        "encoders. Click a transformation to see its details."
    )
    with st.container(key="sheet"):
        for group in GROUPS:
            members = [t for t in transforms.values() if t.group == group]
            if not members:
                continue
            st.markdown(f"**{group_title(group).capitalize()}**")
            columns = st.columns(IN_A_ROW)
            for number, transform in enumerate(members):
                with columns[number % IN_A_ROW]:
                    strip = strips[transform.name]
                    source = address_of(strip, "jpeg") if picture.is_upload else strip
                    _card(transform, source, recall.get(transform.name), thresholds)


def _recall(run: Run) -> pd.Series:
    return median_recall(run.scores)


def _gallery_finding(number: int, recall: pd.Series) -> str:
    if recall.empty:
        return f"{number} transformations, each applied at random strengths."
    hardest = str(recall.idxmin())
    return (
        f"**{plain(named(hardest))}** is the hardest of {number} transformations to classify: the median recall "
        f"over encoders is {in_percent(recall[hardest])}."
    )


def _card(transform: Transform, strip: str | bytes, recall: float | None, thresholds: pd.Series) -> None:
    strengths = strengths_in_words(transform.name, transform.weakest, transform.strongest, 3)
    accuracy = "" if recall is None else f", median recall {in_percent(recall)}"
    detected = ""
    if transform.name in thresholds:
        median = float(thresholds[transform.name])
        if math.isnan(median):
            detected = ", missed by at least half of the encoders"
        else:
            detected = f", median detection threshold {Scale(transform).number(median)}"
    title = f"**{plain(named(transform.name))}**: {strengths}{detected}{accuracy}"
    with st.container(key=f"card-{transform.name}"):  # clicking anywhere on the card clicks its button
        with st.container(key=f"strip-{transform.name}"):  # reserves the height before the image arrives
            st.image(strip, width="stretch", alt=f"{named(transform.name)} at three strengths")
        is_opened = st.button(title, key=f"open-{transform.name}", type="tertiary")
    if is_opened:
        state.choose(TRANSFORM, transform.name)
        st.rerun()


def _show_transformation(
    run: Run | None, picture: VisitorPicture, transform: Transform, model: str, other: str
) -> None:
    thresholds = pd.DataFrame()
    if run:
        thresholds = most_sensitive_first(cache.study(run, "thresholds"), transform.name, transform.falling)
    model_thresholds = thresholds[thresholds["model"] == model] if len(thresholds) else thresholds
    if len(model_thresholds):
        messages.finding(_threshold_sentence(transform, model_thresholds.iloc[0]))
    elif thresholds.empty and run:
        messages.empty(tables.why_none(run))
    _about(transform)
    left, right = st.columns([5, 6])
    with left, st.container(key="compare"):
        _compare(run, picture, transform, _mark(transform, model_thresholds))
    if run is None:
        return
    scale = Scale(transform)
    curve = accuracy_by_strength(cache.study(run, "strength"), transform.name)
    if len(thresholds):
        with right:
            _thresholds(thresholds, scale, scale.axis(curve), model)
    if other and len(thresholds) and len(curve):
        if sentence := disagreement(thresholds, curve, model, other):
            st.markdown(sentence)
        comparison.offer([model, other])
    left, right = st.columns(2)
    if len(curve):
        with left:
            _accuracy(run, curve, scale, [model, other])
    with right:
        for name, key in ((model, "predicted-classes"), (other, "predicted-classes-other")):
            if name:
                _predictions(run, transform, name, key)
    if len(curve) and len(thresholds):
        _table(thresholds, curve, scale)


def _about(transform: Transform) -> None:
    """Show the definition, strength range and source of the transformation."""
    learned = strengths_in_words(transform.name, transform.weakest, transform.strongest, 3)
    unit = transform.unit.removeprefix("fraction").strip()
    of = f" ({unit})" if transform.unit.startswith(("fraction ", "px ")) else ""
    source = f" Source: {plain(transform.source)}." if transform.source else ""
    st.markdown(
        f"{plain(transform.definition)} Range in training: {plain(learned)}{plain(of)}, sampled "
        f"{DRAWN[transform.distribution]}.{source}"
    )


@fragment
def _compare(run: Run | None, picture: VisitorPicture, transform: Transform, mark: Mark | None) -> None:
    strength_slider(picture, run.recipe.view if run else VIEW, transform, mark)


def _mark(transform: Transform, model_thresholds: pd.DataFrame) -> Mark | None:
    if model_thresholds.empty or model_thresholds["censored"].iloc[0]:
        return None
    strength, model = float(model_thresholds["threshold"].iloc[0]), str(model_thresholds["model"].iloc[0])
    text = f"Triangle: detection threshold of {model_title(model)} ({Scale(transform).words(strength)})."
    return Mark(strength, text)


@dataclass(frozen=True)
class Scale:
    """Display format for the strengths of one transformation. Fractions are displayed in percent."""

    transform: Transform

    @property
    def is_percent(self) -> bool:
        return self.transform.unit.startswith("fraction")

    @property
    def factor(self) -> float:
        """Factor by which strengths are multiplied for display."""
        return 100.0 if self.is_percent else 1.0

    def places(self, strength: float) -> int:
        """Return the number of decimal places for at least two significant digits and a precision of `RESOLUTION`."""
        span = abs(self.transform.strongest - self.transform.weakest)
        steps = [self.factor * step for step in (RESOLUTION * span, abs(strength) / 10) if step > 0]
        return max(0, *(math.ceil(-math.log10(step)) for step in steps))

    @property
    def title(self) -> str:
        """Parameter with its unit: ``sigma (px)``."""
        if self.is_percent:
            return f"{self.transform.parameter} (%)"
        if self.transform.unit == "times":
            return self.transform.parameter
        return f"{self.transform.parameter} ({unit_title(self.transform.unit)})"

    def axis(self, curve: pd.DataFrame) -> StrengthAxis:
        """Return an axis for the tested strengths in ``curve``, or for the training range if ``curve`` is empty."""
        ends = [self.transform.weakest, self.transform.strongest]
        trained = (self.factor * ends[0], self.factor * ends[1])
        tested = curve["strength"] if len(curve) else pd.Series(ends)
        low, high = self.factor * float(tested.min()), self.factor * float(tested.max())
        weakest, strongest = (high, low) if self.transform.falling else (low, high)
        return StrengthAxis(self.title, weakest, strongest, trained)

    def words(self, strength: float) -> str:
        """Format a strength with its parameter and unit: ``sigma 0.70 px``."""
        return strength_in_words(self.transform.name, strength, places=self.places(strength))

    def number(self, strength: float) -> str:
        """Format a strength with its unit: ``0.70 px``."""
        return self.words(strength).removeprefix(f"{self.transform.parameter} ")

    def threshold(self, row: pd.Series) -> str:
        if row["censored"] == ABOVE:
            return "not detected"
        if row["censored"] == BELOW:
            return f"{AT_LEAST if self.transform.falling else AT_MOST} {self.number(row['threshold'])}"
        return self.number(row["threshold"])

    def interval(self, low: float, high: float) -> str:
        """Format an interval, such as ``0.61–0.84``. The result is empty if a limit is NaN."""
        places = 0 if math.isnan(low + high) else max(self.places(low), self.places(high))
        return interval_text(low, high, lambda end: f"{self.factor * end:,.{places}f}", "")


def _threshold_sentence(transform: Transform, row: pd.Series) -> str:
    model, name = in_bold(str(row["model"])), f"**{plain(named(transform.name))}**"
    scale = Scale(transform)
    strength = scale.words(row["threshold"])
    if row["censored"] == ABOVE:
        return f"{model} does not detect {name} at any tested strength, up to {strength}."
    if row["censored"] == BELOW:
        return f"{model} detects {name} at every tested strength, down to **{strength}**."
    interval = scale.interval(row["low"], row["high"])
    ci = f" (95% CI {interval})" if interval else ""
    direction = "below" if transform.falling else "above"
    return f"{model} detects {name} at **{strength}** and {direction}{ci}."


def _thresholds(thresholds: pd.DataFrame, scale: Scale, axis: StrengthAxis, model: str) -> None:
    st.markdown(f"**Detection threshold by model**: {scale.title}")
    st.caption("Lowest strength at which a probe separates transformed from clean images (d\N{PRIME} = 1).")
    rows = thresholds.assign(text=thresholds.apply(scale.threshold, axis=1))
    scaled = rows.assign(**{column: scale.factor * rows[column] for column in ("threshold", "low", "high")})
    figure = thresholds_chart(scaled, cache.theme(), axis, model)
    tables.chart(figure, "thresholds", thresholds, "Detection threshold of each model.", _select_model)


def _select_model(picked: list[str]) -> None:
    comparison.remember(picked[1])
    state.choose("model", picked[1])


def disagreement(thresholds: pd.DataFrame, curve: pd.DataFrame, model: str, other: str) -> str:
    """Return a sentence if the model with the lower threshold has the lower accuracy, otherwise an empty string.

    Args:
        thresholds: thresholds of one transformation, lowest first.
        curve: result of `accuracy_by_strength`.
        model, other: the compared models.
    """
    means = curve.groupby("model")["value"].mean()
    lower = [name for name in thresholds["model"] if name in (model, other)]
    if len(lower) < 2 or not {model, other} <= set(means.index) or means[lower[0]] >= means[lower[1]]:
        return ""
    return (
        f"{in_bold(lower[0])} detects weaker strengths, but {in_bold(lower[1])} has the higher accuracy: a threshold "
        "measures whether transformed images differ from clean images, while accuracy also requires that the "
        "transformation is not confused with others."
    )


def _accuracy(run: Run, curve: pd.DataFrame, scale: Scale, models: Sequence[str]) -> None:
    images = int(curve["images"].max())
    shown = [plain(model_title(name)) for name in models if name in set(curve["model"])]
    of = f" of {' and '.join(shown)}" if shown else ""
    st.markdown(f"**Accuracy by strength**{of} on {images} test crops (gray: other models)", help=hint("recall"))
    percent = {column: 100 * curve[column] for column in ("value", "low", "high")}
    scaled = curve.assign(strength=scale.factor * curve["strength"], **percent)
    figure = accuracy_by_strength_chart(
        scaled, cache.theme(), scale.axis(curve), models, 100 / len(run.classes("fine"))
    )
    tables.chart(figure, "accuracy-by-strength", curve, "Accuracy of each model by strength.")


def _predictions(run: Run, transform: Transform, model: str, key: str) -> None:
    predictions = cache.predictions(run, model, "fine")
    rows = predicted_classes(predictions, transform.name, CONFUSED) if len(predictions) else predictions
    if rows.empty or not rows["samples"].sum():
        messages.empty(f"This run has no predictions of {model_title(model)} for {named(transform.name)}.")
        return
    st.markdown(
        f"**Predictions of {plain(model_title(model))}** for {rows['samples'].sum():,} samples of "
        f"{plain(named(transform.name))}"
    )
    groups = run.transforms.set_index("transform")["group"].to_dict()
    titles = [
        f"other classes ({count})" if name == OTHERS else named(name)
        for name, count in zip(rows["predicted"], rows["classes"], strict=True)
    ]
    drawn = pd.DataFrame({"title": titles, "value": 100 * rows["fraction"]})
    colors = [groups.get(name, "") for name in rows["predicted"]]
    figure = predictions_chart(drawn, cache.theme(), colors, titles[0])
    tables.chart(figure, key, rows, f"Distribution of the classes that {model_title(model)} predicts.")


def _table(thresholds: pd.DataFrame, curve: pd.DataFrame, scale: Scale) -> None:
    st.markdown("**All models**: detection threshold, and accuracy at each tested strength")
    wide = curve.pivot(index="model", columns="strength", values="value")
    strengths = sorted(map(float, wide.columns), reverse=scale.transform.falling)
    rows = pd.DataFrame({
        "model": thresholds["model"],
        "threshold": (scale.factor * thresholds["threshold"]).where(thresholds["censored"] != ABOVE),
        "interval": [
            "" if row["censored"] == ABOVE else scale.interval(row["low"], row["high"])
            for _, row in thresholds.iterrows()
        ],
    })  # fmt: skip
    accuracy = {f"at {scale.number(strength)}": 100 * rows["model"].map(wide[strength]) for strength in strengths}
    formats: dict[str, Callable[[Any], str]] = {"model": model_title, "threshold": decimal}
    columns = {
        "model": st.column_config.TextColumn("Model", pinned=True),
        "threshold": st.column_config.NumberColumn(f"Threshold: {scale.title}"),
        "interval": st.column_config.TextColumn("95% CI"),
        **{name: st.column_config.NumberColumn(name, format="%.0f%%") for name in accuracy},
    }
    tables.show_table(rows.assign(**accuracy), "models-by-strength", columns, written=formats, missing="not detected")


show()
