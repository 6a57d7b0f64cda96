"""Map: every picture on the maps of one to four models, with a common selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.hover import pictures_on_hover
from dashboard.components.point_map import MAX_PICTURED, Panel, Standing, point_map
from dashboard.components.tour import tour
from dashboard.data import cache, selection
from dashboard.data.density import MIN_CONTOURED
from dashboard.data.map_points import COLORING_NAMES, COLORINGS, palette_of
from dashboard.data.point_cloud import PointCloud, point_cloud, table_of
from dashboard.page import fragment, page
from dashboard.text import hint, plain, with_strength
from dashboard.widgets import gallery, image_finder, messages, neighborhoods, pickers, tables
from dashboard.widgets.missing_maps import draw_missing
from probing_core.compute.names import DONE, EVERYTHING, READINGS
from probing_core.results import Run
from probing_core.run.layout import SAMPLES

MAX_SAMPLES_WITH_ARROWS = 160
"""One image under every transformation, in three repetitions; of more, a draw has arrows."""

MAX_ARROWS_OF_CHOSEN = 60
"""Arrows to pictures under the chosen transformation, at most; of more, a draw has arrows."""

READING_NAMES = {DONE: "what was done", EVERYTHING: "everything"}
READING_HELP = (
    "What was done: the mean of all versions of a picture is taken off each of them, so that what they show is gone. "
    "Everything: the embeddings as they are."
)

CHART = "map"

CHOSEN = "transformation"
"""Name of the choice that holds the transformation that stands out on the whole page; empty for none."""

SMALL = "small-maps"
"""Name of the choice whether small maps stand below each map."""

EACH = {"group": "group", "transform": "transformation", "label": "content", "correct": "answer"}
"""Coloring -> subject of each of the small maps."""

SMALL_HELP = "Its points over all others, which are gray. A click on one shows it alone on the map above."

SELECTED_IN = "selected-in"
"""Name of the choice that holds the run whose samples the choice ``selected`` counts."""


@page("Map", hint("map"))
def show() -> None:
    run = cache.current_run()
    tour("Map")
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` does it.")
        return
    names = list(run.transforms["transform"])
    chosen = st.session_state.get(CHOSEN, state.stored_choice(CHOSEN))
    chosen = chosen if chosen in names else ""
    wanted, reading, coloring = _controls(run, names)
    models = [m for m in wanted if run.has_map(m, reading)]
    if missing := [m for m in wanted if m not in models]:
        draw_missing(run, missing, reading)
    if not models:
        return
    selected = _find_image(run, models, reading, _selected_in(run))
    _draw(run, models, reading, coloring, chosen, selected)
    if not run.pictures.why_not:
        pictures_on_hover(CHART, run)
    fragment(neighborhoods.show)(run, models, reading)
    _selection(run, selected, models)


def _controls(run: Run, names: list[str]) -> tuple[list[str], str, str]:
    left, right = st.columns(2)
    with left:
        models = pickers.pick_models(run, limit=4, prefer=lambda m: any(run.has_map(m, each) for each in READINGS))
        there = [r for r in READINGS if any(run.has_map(m, r) or run.has_embeddings(m) for m in run.models["name"])]
        if len(there) > 1:
            reading = pickers.segments(
                "Near each other is what is alike in", "reading", there, READING_NAMES, READING_HELP
            )
        else:
            reading = there[0] if there else EVERYTHING
        able = [m for m in run.models["name"] if run.has_map(m, reading) or run.has_embeddings(m)]
        messages.left_out(run.models["name"], able, "the run ships neither this map of theirs nor their embeddings")
    with right:
        coloring = pickers.segments("Color by", "color", COLORINGS, names=COLORING_NAMES)
        if coloring != "strength":
            pickers.toggle(f"A small map for each {EACH[coloring]}", SMALL, help=SMALL_HELP)
        chosen = pickers.select("Transformation that stands out", CHOSEN, ["", *names], "", {"": "none"})
    if not chosen:
        state.withdraw(CHOSEN)
    return models, reading, coloring


def _draw(run: Run, models: list[str], reading: str, coloring: str, chosen: str, selected: np.ndarray) -> None:
    """Show the maps; what is selected stands out on them, or the chosen transformation where nothing is."""
    clouds = [point_cloud(run, model, reading) for model in models]
    standing = _standing(run, chosen, selected)
    pointed = _some(standing.samples, MAX_SAMPLES_WITH_ARROWS if len(selected) else MAX_ARROWS_OF_CHOSEN)
    if len(selected) and state.stored_choice("arrows") != "True":
        pointed = selection.NOTHING
    arrows = _arrows(run, clouds, pointed) if len(pointed) else pd.DataFrame()
    groups = list(dict.fromkeys(run.transforms["group"]))
    shown = state.stored_choices("groups", groups) or groups
    state.check("groups", "the groups", groups, shown)
    by_group = coloring == "group"
    if by_group and len(shown) < len(groups):
        state.publish("groups", shown)
    else:
        state.withdraw("groups")

    def filter_by(hidden: list[str]) -> None:
        if by_group:
            state.choose("groups", [group for group in groups if group not in hidden] if hidden else "")

    pictures = not run.pictures.why_not
    state.write_address()  # as for a chart
    with st.container(key=f"chart-{CHART}"):
        point_map(
            [_panel(cloud, arrows) for cloud in clouds],
            palette_of(run, coloring, models[0]),
            CHART,
            f"Maps of {', '.join(models)} by {READING_NAMES[reading]}, colored by {coloring}.",
            standing,
            cache.theme().background,
            on_select=lambda samples: _select(run, samples),
            hidden=[group for group in groups if group not in shown] if by_group else (),
            on_filter=filter_by,
            pictures=pictures,
            small=state.stored_choice(SMALL) == "True",
        )
        _explain(run, clouds, shown if by_group else groups, standing, pictures, not arrows.empty)
        tables.download(lambda: pd.concat([table_of(cloud, coloring) for cloud in clouds]), CHART)


def _standing(run: Run, transform: str, selected: np.ndarray) -> Standing:
    """Return what stands out: what is selected or, where nothing is, the transformation, unless its name is empty."""
    if len(selected) or not transform:
        return Standing(selected)
    return Standing(np.flatnonzero((run.sample_columns("transform")["transform"] == transform).to_numpy()), transform)


def _some(samples: np.ndarray, most: int) -> np.ndarray:
    """Return ``most`` of the samples at most, drawn at random."""
    if len(samples) <= most:
        return samples
    return np.sort(np.random.default_rng(0).choice(samples, most, replace=False))


def _explain(
    run: Run, clouds: list[PointCloud], groups: list[str], standing: Standing, pictures: bool, arrows: bool
) -> None:
    """Show how many samples are on the maps, what can be done on them, and what lies over their points."""
    there = clouds[0].samples
    shown = int(run.sample_columns("group")["group"].isin(groups).to_numpy()[there].sum())
    words = f"{shown:,} of {len(there):,} samples shown" + (
        f" in each of {len(clouds)} maps" if len(clouds) > 1 else ""
    )
    if len(there) < run.sample_count:
        words += f". The maps of this run hold {len(there):,} of its {run.sample_count:,} samples"
    words += (
        ". Drag to move, zoom by the tools or by Ctrl and the wheel, draw a lasso or a box to select; a click selects "
        "one point, and a click on a name of the legend hides or shows its points"
    )
    if pictures:
        words += f". Where at most {MAX_PICTURED} points are in view, their pictures stand beside them"
    if len(standing.samples) >= MIN_CONTOURED:
        words += (
            f". The solid line encloses half of {standing.name or 'what is selected'}, where it is densest, and the "
            "dashed line 90 %"
        )
    if arrows:
        words += _about_arrows(standing)
    st.caption(f"{words}.")


def _about_arrows(standing: Standing) -> str:
    """Return a sentence, without its last mark, that tells what the arrows are."""
    most = MAX_ARROWS_OF_CHOSEN if standing.name else MAX_SAMPLES_WITH_ARROWS
    some = f"each of {most} pictures (a draw)" if len(standing.samples) > most else "each picture"
    to = f"its version under {standing.name}" if standing.name else "its selected version"
    return f". The straight lines are arrows from the untouched version of {some} to {to}, in the color of the group"


def _selected_in(run: Run) -> np.ndarray:
    """Return the selected samples.

    A selection that was made in another run is dropped, since its numbers mean other pictures here.
    """
    stored = state.stored_choice("selected")
    if stored and state.stored_choice(SELECTED_IN, _stands_for(run)) != _stands_for(run):
        state.choose("selected", "")
        st.info("The selection was made in another run and has been dropped.", icon=":material/info:")
        return selection.NOTHING
    found = selection.decode(stored, run.sample_count)
    state.check("selected", "the selection", [stored] if len(found) else [], "")
    return found


def _stands_for(run: Run) -> str:
    return run.store.checksum(SAMPLES)[:8]


def _select(run: Run, samples: np.ndarray) -> None:
    state.choose("selected", selection.encode(samples))
    state.choose(SELECTED_IN, _stands_for(run))
    state.choose("map-gallery-page", 1)


def _find_image(run: Run, models: list[str], reading: str, selected: np.ndarray) -> np.ndarray:
    """Show a field to find an image on all maps, and return the selection, replaced by the image's versions."""
    left, middle, right = st.columns([3, 2, 1], vertical_alignment="bottom")
    image = image_finder.pick(run, models, reading, where=left)
    if image and st.session_state.get("_found") != image:
        selected = run.samples_of([image])
        _select(run, selected)
    st.session_state["_found"] = image
    with middle:
        arrows = pickers.toggle(
            "Arrows from untouched to transformed",
            "arrows",
            help=f"From the untouched version of each selected one; of more than {MAX_SAMPLES_WITH_ARROWS}, a draw. A "
            "transformation that stands out has arrows to some of its pictures while nothing is selected.",
        )
        if arrows and not len(selected):
            st.caption("Of single pictures, arrows come with a selection: click a point, or draw a lasso.")
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


def _arrows(run: Run, clouds: list[PointCloud], samples: np.ndarray) -> pd.DataFrame:
    """Return an arrow from the clean version of each sample to it, on every map that holds both."""
    of_images = run.samples_of(run.sample_rows(samples)["image_id"].unique())
    rows = run.sample_rows(of_images)
    is_clean = rows["group"] == "identity"
    clean = rows.loc[is_clean & (rows["draw"] == 0), ["image_id", "repetition", "sample"]]
    moved = rows.loc[~is_clean & rows["sample"].isin(samples), ["image_id", "repetition", "sample", "group"]]
    pairs = moved.merge(clean, on=["image_id", "repetition"], suffixes=("_to", ""))
    found = []
    for cloud in clouds:
        near = np.flatnonzero(cloud.marked(of_images))
        points = pd.DataFrame(cloud.points[near], cloud.samples[near], ["x", "y"])
        ends = pairs.join(points, on="sample", how="inner").join(points.add_prefix("to_"), on="sample_to", how="inner")
        found.append(ends.assign(model=cloud.model)[["model", "group", "x", "y", "to_x", "to_y"]])
    return pd.concat(found, ignore_index=True)


def _panel(cloud: PointCloud, arrows: pd.DataFrame) -> Panel:
    if arrows.empty:
        return Panel(cloud, np.empty((0, 4), np.float32))
    mine, theme = arrows[arrows["model"] == cloud.model], cache.theme()
    ends = mine[["x", "y", "to_x", "to_y"]].to_numpy(np.float32)
    return Panel(cloud, ends, [theme.group(str(group)) for group in mine["group"]])


def _selection(run: Run, selected: np.ndarray, models: list[str]) -> None:
    st.header("Selection")
    if not len(selected):
        messages.empty("Nothing is selected. Click a point, draw a lasso or a box, or find a picture by its name.")
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
