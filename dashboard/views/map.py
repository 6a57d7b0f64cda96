"""Map: one to four models in one figure with a common selection, and the pictures in it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.hover import pictures_on_hover
from dashboard.components.tour import tour
from dashboard.data import cache, selection
from dashboard.data.map_points import COLORING_NAMES, COLORINGS, panels, points_of, styles_of, thin
from dashboard.page import page
from dashboard.text import hint, with_strength
from dashboard.widgets import gallery, messages, pickers, tables
from dashboard.widgets.missing_maps import draw_missing
from probing_core.charts import map_chart
from probing_core.results import Run
from probing_core.runs.samples import sample_key

MOST_ARROWS = 160
"""One image under every transformation, in three repetitions."""

CHART = "map"

OF = "selected-in"
"""The choice that holds which samples the numbers of ``selected`` count."""


@page("Map", hint("map"))
def show() -> None:
    run = cache.current_run()
    tour("Map")
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing embed --run DIR` does it.")
        return
    wanted, coloring = _controls(run)
    models = [m for m in wanted if run.has_map(m)]
    if missing := [m for m in wanted if m not in models]:
        draw_missing(run, missing)
    if not models:
        return
    placed = points_of(run, models, coloring)
    selected = _find_image(run, placed, _selected_in(run))
    groups = pickers.several("Groups", "groups", list(dict.fromkeys(run.transforms["group"])), "all groups")
    in_groups = placed[placed["group"].isin(groups)]
    points = thin(in_groups, selected, len(models))
    arrows = _arrows(placed, selected) if _wants_arrows(selected) else None
    styles, unit = styles_of(run, coloring, points)
    figure = map_chart(panels(points), cache.theme(), styles, unit, selected, arrows, revision=run.digest)
    tables.chart(
        figure,
        CHART,
        lambda: points.drop(columns="hover"),
        f"Maps of {', '.join(models)}, colored by {coloring}.",
        on_pick=lambda picked: _select(run, selection.samples_of(picked, len(run.samples))),
        tools=True,
    )
    _show_counts(run, placed, in_groups, points, models)
    if not run.pictures.why_not:
        pictures_on_hover(CHART, run)
    _selection(run, selected, models)


def _controls(run: Run) -> tuple[list[str], str]:
    left, right = st.columns(2)
    with left:
        models = pickers.pick_models(run, limit=4, prefer=run.has_map)
    with right:
        coloring = pickers.segments("Color by", "color", COLORINGS, names=COLORING_NAMES)
    return models, coloring


def _show_counts(
    run: Run, placed: pd.DataFrame, in_groups: pd.DataFrame, points: pd.DataFrame, models: list[str]
) -> None:
    shown, wanted, there = (table["sample"].nunique() for table in (points, in_groups, placed))
    total = len(run.samples)
    words = f"{shown:,} of {there:,} samples shown" + (f" in each of {len(models)} maps" if len(models) > 1 else "")
    if shown < wanted:
        words += f": thinned evenly from {wanted:,} so that the page stays quick"
        words += "; fewer models or groups show all" if there == total else ""
    if there < total:
        words += f". The maps of this run hold {there:,} of its {total:,} samples"
    st.caption(
        f"{words}. Drag to move; the tools above it zoom and draw a lasso or a box; click a point to select it alone."
    )


def _selected_in(run: Run) -> list[int]:
    """What is selected; numbers of another run's samples are other pictures here, and are dropped."""
    stored = state.chosen("selected")
    if stored and state.chosen(OF, _stands_for(run)) != _stands_for(run):
        state.choose("selected", "")
        st.info("The selection was made in another run and has been dropped.", icon=":material/info:")
        return []
    return selection.decode(stored, len(run.samples))


def _stands_for(run: Run) -> str:
    return sample_key(run.recipe)[:8]


def _select(run: Run, samples: list[int]) -> None:
    state.choose("selected", selection.encode(samples))
    state.choose(OF, _stands_for(run))
    state.choose("map-gallery-page", 1)


def _find_image(run: Run, placed: pd.DataFrame, selected: list[int]) -> list[int]:
    """An image to find in all maps, of those that are there, replaces the selection by its versions."""
    left, middle, right = st.columns([3, 2, 1], vertical_alignment="bottom")
    known = run.images["image_id"]
    ids = known[known.isin(placed["image_id"].unique())].tolist()
    image = left.selectbox("Find an image in all maps", ids, index=None, placeholder="its id", key="find-image")
    if image and st.session_state.get("_found") != image:
        selected = run.samples.loc[run.samples["image_id"] == image, "sample"].tolist()
        _select(run, selected)
    st.session_state["_found"] = image
    with middle:
        pickers.toggle(
            "Arrows from clean to transformed", "arrows", help=f"For selections of up to {MOST_ARROWS} samples."
        )
    if right.button("Clear", disabled=not selected, help="Selects nothing.", key="clear-selection"):
        state.choose("selected", "")
        selected = []
    if selected:
        state.publish("selected", selection.encode(selected))
        state.publish(OF, _stands_for(run))
    else:
        state.withdraw("selected")
        state.withdraw(OF)
    return selected


def _wants_arrows(selected: list[int]) -> bool:
    return state.chosen("arrows") == "True" and 0 < len(selected) <= MOST_ARROWS


def _arrows(placed: pd.DataFrame, selected: list[int]) -> pd.DataFrame:
    clean = placed[(placed["group"] == "identity") & (placed["draw"] == 0)]
    moved = placed[placed["sample"].isin(selected) & (placed["group"] != "identity")]
    pairs = moved.merge(clean, on=["model", "image_id", "repetition"], suffixes=("_to", ""))
    return pairs.rename(columns={"x_to": "to_x", "y_to": "to_y"})[["model", "x", "y", "to_x", "to_y"]]


def _selection(run: Run, selected: list[int], models: list[str]) -> None:
    st.header("Selection")
    if not selected:
        messages.empty("Nothing is selected. Click a point, draw a lasso or a box, or find an image by its id.")
        return
    rows = run.samples.iloc[selected]
    pictures, composition = st.columns([3, 2])
    with composition:
        st.subheader(f"{len(rows):,} of {len(run.samples):,} samples")
        _composition(run, rows)
        _name_and_export(run, rows)
    with pictures:
        predictions = cache.predictions(run, models[0], "fine")
        if not predictions.empty:
            rows = rows.merge(predictions[["sample", "predicted"]], on="sample", how="left")
        gallery.show(run, rows, "map-gallery", _caption)


def _caption(row) -> str:
    words = with_strength(row.transform, row.strength)
    predicted = getattr(row, "predicted", None)
    if not isinstance(predicted, str):
        return words
    return f"{words} ✓" if predicted == row.transform else f"{words} → {predicted}"


def _composition(run: Run, rows: pd.DataFrame) -> None:
    counts = rows.groupby(["group", "transform"]).size().rename("samples").reset_index()
    everywhere = run.samples["transform"].value_counts(normalize=True)
    counts["share %"] = counts["samples"] / len(rows) * 100
    counts["times expected"] = counts["samples"] / len(rows) / counts["transform"].map(everywhere)
    number = st.column_config.NumberColumn(format="%.1f")
    tables.show_table(
        counts.sort_values("samples", ascending=False),
        "composition",
        height=min(260, 36 * (len(counts) + 1)),
        column_config={
            "share %": number,
            "times expected": st.column_config.NumberColumn(
                format="%.1f", help="The share in the selection over the share in the whole run."
            ),
        },
    )


def _name_and_export(run: Run, rows: pd.DataFrame) -> None:
    stored: dict[str, dict[str, str]] = st.session_state.setdefault("_selections", {})
    named = stored.setdefault(_stands_for(run), {})
    name = state.choice(
        st.text_input,
        "Name of this selection",
        "selection-name",
        "",
        placeholder="for example: lost in fog",
        max_chars=80,
    )
    save, export = st.columns(2)
    if save.button("Save it", disabled=not name, help="For this visit; the address holds it for longer."):
        named[name] = selection.encode(rows["sample"].tolist())
    with export:
        file = "".join(c if c.isalnum() else "-" for c in name) or "selection"
        tables.download(rows, "selection-export", "Export as CSV", file)
    if named:
        again = st.selectbox("Saved selections", list(named), index=None, key="selection-again")
        if again and named[again] != selection.encode(rows["sample"].tolist()) and st.button(f"Open '{again}'"):
            _select(run, selection.decode(named[again], len(run.samples)))
            st.rerun()


show()
