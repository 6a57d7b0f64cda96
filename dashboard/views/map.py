"""Map: one to four models in one figure with a common selection, and the pictures in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.hover import pictures_on_hover
from dashboard.components.point_map import Panel, point_map
from dashboard.components.tour import tour
from dashboard.data import cache, selection
from dashboard.data.map_points import (
    COLORING_NAMES,
    COLORINGS,
    is_small,
    palette_of,
    panels,
    points_of,
    styles_of,
)
from dashboard.data.point_cloud import PointCloud, point_cloud, table_of
from dashboard.page import page
from dashboard.text import hint, plain, with_strength
from dashboard.widgets import gallery, image_finder, messages, pickers, stars, tables
from dashboard.widgets.missing_maps import draw_missing
from probing_core.charts import map_chart
from probing_core.results import Run
from probing_core.runs.layout import SAMPLES

MAX_SAMPLES_WITH_ARROWS = 160
"""One image under every transformation, in three repetitions."""

CHART = "map"

CHOSEN = "transformation"
"""Name of the choice that holds the transformation that stands out on the whole page; empty for none."""

SELECTED_IN = "selected-in"
"""Name of the choice that holds the run whose samples the choice ``selected`` counts."""


@page("Map", hint("map"))
def show() -> None:
    run = cache.current_run()
    tour("Map")
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing embed --run DIR` does it.")
        return
    chosen = state.stored_choice(CHOSEN) if state.stored_choice(CHOSEN) in set(run.transforms["transform"]) else ""
    if chosen:
        state.publish(CHOSEN, chosen)
    else:
        state.withdraw(CHOSEN)
    stars.show(run, chosen, lambda name: _choose(name, chosen))
    st.header("Every picture", help=hint("map"))
    wanted, coloring = _controls(run)
    models = [m for m in wanted if run.has_map(m)]
    if missing := [m for m in wanted if m not in models]:
        draw_missing(run, missing)
    if not models:
        return
    selected = _find_image(run, models, _selected_in(run))
    groups = pickers.several("Groups", "groups", list(dict.fromkeys(run.transforms["group"])), "all groups")
    on_maps = np.zeros(run.sample_count, bool)
    for model in models:
        on_maps[cache.existing_map(run, model)["sample"]] = True
    there = np.flatnonzero(on_maps)
    draw = _draw_small if is_small(run, models) else _draw_large
    draw(run, models, coloring, groups, selected)
    _show_counts(run, there, groups, len(models))
    if not run.pictures.why_not:
        pictures_on_hover(CHART, run)
    _selection(run, selected, models)


def _choose(name: str, before: str) -> None:
    """Make a transformation stand out, or none where it is chosen already."""
    state.choose(CHOSEN, "" if name == before else name)


def _draw_small(run: Run, models: list[str], coloring: str, groups: list[str], selected: np.ndarray) -> None:
    placed = points_of(run, models, coloring)
    points = placed[placed["group"].isin(groups)]
    styles, unit = styles_of(run, coloring, points.get("category", ()))
    arrows = _arrows(run, models, selected) if _wants_arrows(selected) else None
    figure = map_chart(panels(points), cache.theme(), styles, unit, selected, arrows, revision=run.digest)
    tables.chart(
        figure,
        CHART,
        lambda: points.drop(columns="hover"),
        _alt(models, coloring),
        on_pick=lambda picked: _select(run, selection.samples_of(picked, run.sample_count)),
        tools=True,
    )


def _draw_large(run: Run, models: list[str], coloring: str, groups: list[str], selected: np.ndarray) -> None:
    clouds = [point_cloud(run, model, tuple(groups)) for model in models]
    arrows = _arrows(run, models, selected) if _wants_arrows(selected) else None
    state.write_address()  # as for a chart
    with st.container(key=f"chart-{CHART}"):
        point_map(
            [Panel(cloud, _arrows_of(cloud, arrows)) for cloud in clouds],
            palette_of(run, coloring, models[0]),
            CHART,
            _alt(models, coloring),
            selected,
            cache.theme().background,
            on_select=lambda samples: _select(run, samples),
        )
        tables.download(lambda: pd.concat([table_of(cloud, coloring) for cloud in clouds]), CHART)


def _alt(models: list[str], coloring: str) -> str:
    return f"Maps of {', '.join(models)}, colored by {coloring}."


def _controls(run: Run) -> tuple[list[str], str]:
    left, right = st.columns(2)
    with left:
        models = pickers.pick_models(run, limit=4, prefer=run.has_map)
    with right:
        coloring = pickers.segments("Color by", "color", COLORINGS, names=COLORING_NAMES)
    return models, coloring


def _show_counts(run: Run, there: np.ndarray, groups: list[str], maps: int) -> None:
    shown = int(run.sample_columns("group")["group"].isin(groups).to_numpy()[there].sum())
    words = f"{shown:,} of {len(there):,} samples shown" + (f" in each of {maps} maps" if maps > 1 else "")
    if len(there) < run.sample_count:
        words += f". The maps of this run hold {len(there):,} of its {run.sample_count:,} samples"
    st.caption(
        f"{words}. Drag to move; the tools above it zoom and draw a lasso or a box; click a point to select it alone."
    )


def _selected_in(run: Run) -> np.ndarray:
    """Return the selected samples.

    A selection that was made in another run is dropped, since its numbers mean other pictures here.
    """
    stored = state.stored_choice("selected")
    if stored and state.stored_choice(SELECTED_IN, _stands_for(run)) != _stands_for(run):
        state.choose("selected", "")
        st.info("The selection was made in another run and has been dropped.", icon=":material/info:")
        return selection.NOTHING
    return selection.decode(stored, run.sample_count)


def _stands_for(run: Run) -> str:
    return run.store.checksum(SAMPLES)[:8]


def _select(run: Run, samples: np.ndarray) -> None:
    state.choose("selected", selection.encode(samples))
    state.choose(SELECTED_IN, _stands_for(run))
    state.choose("map-gallery-page", 1)


def _find_image(run: Run, models: list[str], selected: np.ndarray) -> np.ndarray:
    """Show a field to find an image on all maps, and return the selection, replaced by the image's versions."""
    left, middle, right = st.columns([3, 2, 1], vertical_alignment="bottom")
    image = image_finder.pick(run, models, where=left)
    if image and st.session_state.get("_found") != image:
        selected = run.samples_of([image])
        _select(run, selected)
    st.session_state["_found"] = image
    with middle:
        pickers.toggle(
            "Arrows from clean to transformed",
            "arrows",
            help=f"For selections of up to {MAX_SAMPLES_WITH_ARROWS} samples.",
        )
    if right.button("Clear", disabled=not len(selected), help="Selects nothing.", key="clear-selection"):
        state.choose("selected", "")
        selected = selection.NOTHING
    text = selection.encode(selected)
    if len(text) > selection.MAX_ADDRESS_CHARACTERS:
        st.caption("This selection is too large for the address: save or export it below to have it again.")
    if text and len(text) <= selection.MAX_ADDRESS_CHARACTERS:
        state.publish("selected", text)
        state.publish(SELECTED_IN, _stands_for(run))
    else:
        state.withdraw("selected")
        state.withdraw(SELECTED_IN)
    return selected


def _wants_arrows(selected: np.ndarray) -> bool:
    return state.stored_choice("arrows") == "True" and 0 < len(selected) <= MAX_SAMPLES_WITH_ARROWS


def _arrows(run: Run, models: list[str], selected: np.ndarray) -> pd.DataFrame:
    """Return an arrow from the clean version of each selected sample to it, on every map that holds both."""
    of_images = run.samples_of(run.sample_rows(selected)["image_id"].unique())
    rows = run.sample_rows(of_images)
    is_clean = rows["group"] == "identity"
    clean = rows[is_clean & (rows["draw"] == 0)]
    moved = rows[~is_clean & rows["sample"].isin(selected)]
    pairs = moved.merge(clean, on=["image_id", "repetition"], suffixes=("_to", ""))[["sample", "sample_to"]]
    found = []
    for model in models:
        points = cache.existing_map(run, model)
        near = points[points["sample"].isin(of_images)].set_index("sample")[["x", "y"]]
        found.append(
            pairs.join(near, on="sample", how="inner")
            .join(near.add_prefix("to_"), on="sample_to", how="inner")
            .assign(model=model)[["model", "x", "y", "to_x", "to_y"]]
        )
    return pd.concat(found, ignore_index=True)


def _arrows_of(cloud: PointCloud, arrows: pd.DataFrame | None) -> np.ndarray:
    """Return the arrows on one map, (A, 4), in the coordinates of its square."""
    if arrows is None:
        return np.empty((0, 4), np.float32)
    mine = arrows[arrows["model"] == cloud.model]
    ends = [cloud.scaled(mine[columns].to_numpy(np.float32)) for columns in (["x", "y"], ["to_x", "to_y"])]
    return np.hstack(ends)


def _selection(run: Run, selected: np.ndarray, models: list[str]) -> None:
    st.header("Selection")
    if not len(selected):
        messages.empty("Nothing is selected. Click a point, draw a lasso or a box, or find an image by its id.")
        return
    rows = pd.DataFrame({"sample": selected})
    pictures, composition = st.columns([3, 2])
    with composition:
        st.subheader(f"{len(rows):,} of {run.sample_count:,} samples")
        _composition(run, selected)
        _name_and_export(run, selected)
    with pictures:
        tested = cache.predictions(run, models[0], "fine")
        if not tested.empty:
            answers = tested.loc[tested["sample"].isin(selected), ["sample", "predicted"]].astype({"predicted": "str"})
            rows = rows.merge(answers, on="sample", how="left")
        gallery.show(run, rows, "map-gallery", _caption)


def _caption(row) -> str:
    words = with_strength(row.transform, row.strength)
    predicted = getattr(row, "predicted", None)
    if not isinstance(predicted, str):
        return words
    return f"{words} ✓" if predicted == row.transform else f"{words} → {predicted}"


def _composition(run: Run, selected: np.ndarray) -> None:
    rows = run.sample_columns("group", "transform").take(selected)
    counts = rows.groupby(["group", "transform"], observed=True).size().rename("samples").reset_index()
    counts = counts.astype({"group": "str", "transform": "str"})
    everywhere = run.sample_columns("transform")["transform"].value_counts(normalize=True).to_dict()
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


def _name_and_export(run: Run, selected: np.ndarray) -> None:
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
        named[name] = selection.encode(selected)
    with export:
        file = "".join(c if c.isalnum() else "-" for c in name) or "selection"
        tables.download(lambda: run.sample_rows(selected), "selection-export", "Export as CSV", file)
    if named:
        again = st.selectbox("Saved selections", list(named), index=None, key="selection-again")
        if again and named[again] != selection.encode(selected) and st.button(f"Open '{plain(again)}'"):
            _select(run, selection.decode(named[again], run.sample_count))
            st.rerun()


show()
