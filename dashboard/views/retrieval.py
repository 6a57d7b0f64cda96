"""The "Retrieval" page: recall of originals, recall of edited copies, and a search with one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image, ImageOps

from dashboard import state
from dashboard.components.strength_slider import strength_slider, strength_title
from dashboard.data import cache, neighbors
from dashboard.data.pictures import VisitorPicture, data_url
from dashboard.data.previews import preview
from dashboard.page import fragment, page
from dashboard.text import in_bold, named, plain
from dashboard.widgets import asking, messages, pickers, tables, upload, uses
from probing_core.charts import (
    NAMED,
    Figure,
    StrengthAxis,
    Theme,
    rank_by_strength_chart,
    recall_by_model_chart,
    recall_by_rate_chart,
    recall_by_transformation_chart,
)
from probing_core.compute.task_names import ALL
from probing_core.measures import MEASURES
from probing_core.measures.neighbors import UNRELATED
from probing_core.measures.notation import BASELINE, in_percent, interval_in_percent, model_title
from probing_core.measures.statistics import networks, seed_of, with_place
from probing_core.results import Run, retrieval
from probing_core.results.retrieval import MAX_LOST, MIN_SURVIVING, Near
from probing_core.transforms import Transform, resolve

NEIGHBORS = 5
NEIGHBOR_WIDTH = 64
"""Width in pixels of the image of a neighbor, so that all neighbors fit into one row, even on a phone."""

COLUMNS = 2

MAX_MODELS = 4
"""Maximum number of models in a search. Each model embeds the gallery if the run does not contain embeddings."""

MAX_CROPS = 500
"""Maximum number of crops in the menu of a search."""

FRAME = 8
"""Width of the frame around the original in pixels."""

ENDS = 325
"""Width in pixels of a column that lists transformations."""

LINE_CHARACTERS, LINE_PX = 44, 20
"""Characters per line in a column that lists transformations, and line height in pixels."""

MOST_LINES = 6
"""Maximum number of text lines per row in the table of thresholds."""

COLLECTION = 10_000
"""Number of images in the example collection that illustrates the false-positive rate."""

PARTS = {
    "found": "Originals",
    "duplicates": "Duplicates",
    "search": "Search",
}


@page("Retrieval")
def show() -> None:
    run = messages.run_with_models()
    above = st.container()
    part, place = pickers.tab(PARTS)
    sentence = cache.computed(run, uses.finds_originals)
    if sentence and part != "duplicates":  # the "Duplicates" tab shows a different sentence
        with above:
            messages.finding(sentence)
    with place:
        show_part = {"found": _originals, "search": _search, "duplicates": _duplicates}
        show_part[part](run)


@fragment
def _originals(run: Run) -> None:
    rows = cache.computed(run, retrieval.originals)
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    at_once, gallery = cache.computed(run, _ranked_first), int(rows["gallery"].max())
    left, right = st.columns(2)
    with right:  # before the first chart, which writes the URL
        model = pickers.pick_model(run, with_place(rows["model"]))
    with left:
        st.markdown(f"**Recall by model**: how often the original ranks first among {gallery:,} clean crops")
        figure = cache.computed(run, _by_model, model, cache.theme())
        tables.chart(figure, "by-model", at_once, "Recall of originals by model.", _select_model)
        if any(seed_of(list(at_once["model"]))):
            st.caption("Vertical ticks: additional seeds. Click a model to show its recall by transformation.")
    with right:
        model_rows = _of_model(rows, model)
        st.markdown(f"**Recall by transformation**: {plain(model_title(model))}")
        figure = cache.computed(run, _by_transformation, model, cache.theme())
        tables.chart(
            figure, "by-transform", model_rows, f"Recall of originals with {model_title(model)}, by transformation."
        )
        st.caption(f"{named('identity')} is a second clean sample of the same crop and serves as an upper bound.")


def _ranked_first(run: Run) -> pd.DataFrame:
    """Return how often the original ranks first, over all transformations and strengths, with one row per model."""
    recall = cache.study(run, "retrieval")
    return recall[(recall["k"] == 1) & recall["strength"].isna() & (recall["transform"] == ALL)]


def _of_model(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    return rows[rows["model"] == model].sort_values("value", ascending=False)


def _by_model(run: Run, selected: str, theme: Theme) -> Figure:
    rows, gallery = cache.computed(run, _ranked_first), cache.computed(run, retrieval.originals)["gallery"].max()
    bars = tables.as_percent(rows.assign(seed_of=seed_of(list(rows["model"]))))
    return recall_by_model_chart(bars, theme, selected, 100 / int(gallery))


def _by_transformation(run: Run, model: str, theme: Theme) -> Figure:
    rows = _of_model(cache.computed(run, retrieval.originals), model)
    groups = {named(t): g for t, g in zip(run.transforms["transform"], run.transforms["group"], strict=True)}
    titled = tables.as_percent(rows.assign(title=rows["transform"].map(named)))
    return recall_by_transformation_chart(titled, theme, groups)


def _select_model(picked: list[str]) -> None:
    state.choose("model", picked[1])


@fragment
def _duplicates(run: Run) -> None:
    curves = cache.computed(run, retrieval.recall_by_rate)
    if curves.empty:
        messages.empty(tables.why_none(run))
        return
    curves = curves[curves["model"].isin(with_place(dict.fromkeys(curves["model"])))]
    rates = sorted(curves["rate"].unique())
    first = min(rates, key=lambda rate: abs(np.log(rate / UNRELATED)))
    left, right = st.columns(2)
    with left:
        rate = float(
            state.choice(
                st.select_slider,
                "False-positive rate",
                "unrelated",
                f"{first:g}",
                [f"{rate:g}" for rate in rates],
                format_func=lambda text: f"{100 * float(text):g}%",
            )
        )
    at_rate = curves[np.isclose(curves["rate"], rate)].sort_values("value", ascending=False)
    with right:
        model = pickers.pick_model(run, list(at_rate["model"]))
    _describe(at_rate[at_rate["model"] == model].iloc[0])
    st.markdown("**Recall of edited copies by false-positive rate** at varying similarity thresholds")
    figure = recall_by_rate_chart(
        tables.as_percent(curves), cache.theme(), rate, _with_names(list(at_rate["model"]), model), model
    )
    tables.chart(figure, "recall-by-rate", curves, "Recall of edited copies by false-positive rate for each model.")
    st.caption(
        f"Highlighted: {plain(model_title(model))}, the best encoders and the best baselines. Hover over a line to see "
        "its model. Copies are edited but not cropped."
    )
    _thresholds(run, rate)


def _describe(row: pd.Series) -> None:
    """Show the recall of the selected model at the selected false-positive rate."""
    ci = f" ({interval_in_percent(row['low'], row['high'])})" if np.isfinite(row["low"]) else ""
    false_matches = COLLECTION * row["rate"]
    st.markdown(
        f"{in_bold(row['model'])} retrieves **{in_percent(row['value'], 1)}** of edited copies{ci}. In a collection of "
        f"{COLLECTION:,} images, each query would match about {false_matches:,.0f} unrelated "
        f"image{'' if round(false_matches) == 1 else 's'}."
    )


def _with_names(best_first: Sequence[str], model: str) -> list[str]:
    """Return the models whose lines are labeled: the selected model, the best encoders and the best baselines."""
    encoders = [name for name in best_first if not name.startswith(BASELINE)]
    baselines = [name for name in best_first if name.startswith(BASELINE)]
    return list(dict.fromkeys([model, *encoders[: NAMED // 2], *baselines[: NAMED // 2]]))


def _thresholds(run: Run, rate: float) -> None:
    rows = cache.computed(run, retrieval.survivors, rate)
    rows = rows[rows["model"].isin(with_place(rows["model"]))]
    table = rows[["model", "threshold", "kept", "survives", "lost"]]
    table.insert(0, "title", rows["model"].map(model_title))
    columns: dict[str, Any] = {
        "title": st.column_config.TextColumn("Model"),
        "model": None,
        "threshold": st.column_config.NumberColumn("Threshold (cosine)", format="%.3f"),
    }
    ends = {
        "survives": f"Transformations with recall > {in_percent(MIN_SURVIVING)}",
        "lost": f"Transformations with recall < {in_percent(MAX_LOST)}",
    }
    for column, title in ends.items():
        about = "Transformations whose 95% CI is entirely in this range. Double-click a cell to see the full list."
        columns[column] = st.column_config.TextColumn(title, width=ENDS, help=about)
    st.markdown(f"**Thresholds at a false-positive rate of {100 * rate:g}%**")
    tables.show_table(
        table,
        "thresholds-of-duplicates",
        columns,
        percent={"kept": ("Recall (%)", MEASURES.get("copies-kept").definition)},
        written={"survives": _counted, "lost": _counted},
        row_height=_row_height([*table["survives"], *table["lost"]]),
    )


def _row_height(lists: Sequence[str]) -> int:
    """Return the row height in pixels for the longest of ``lists`` of transformations, up to `MOST_LINES` lines."""
    lines = 1 + max(len(_counted(transforms)) for transforms in lists) // LINE_CHARACTERS
    return 16 + LINE_PX * min(lines, MOST_LINES)


def _counted(transforms: str) -> str:
    """Format a list of transformations with their number: ``2: JPEG, Posterize``."""
    names = transforms.split(", ") if transforms else []
    return f"{len(names)}{': ' * bool(names)}{', '.join(map(named, names))}"


@fragment
def _search(run: Run) -> None:
    able = neighbors.searchable(run, list(run.models["name"]))
    if not able:
        messages.empty(
            "This run has no embeddings that can be searched. Runs computed on this computer contain embeddings "
            '(see the "Evaluate your model" page).'
        )
        return
    if run.pictures.why_not:
        messages.no_pictures(run.pictures.why_not)
        return
    left, right = st.columns(2)
    with left:
        selected = pickers.pick_models(run, [m for m in cache.computed(run, _best_first) if m in able], MAX_MODELS)
        models = [m for m in selected if m in able]
        messages.left_out(selected, models, "they cannot embed new images in this run")
    transform = resolve(pickers.pick_transform(run, where=right, default=_most_different(run, models)))
    if not models:
        messages.empty(f"Select a model that can embed new images, such as {model_title(able[0])}.")
        return
    samples = neighbors.gallery(run)
    query, results = st.container(), st.container()
    with results:  # below the query, so that the spinner does not move it
        models = list(asking.each(models, lambda model: asking.embed_gallery(run, model, samples)))
    with query:
        picture, original = _pick_picture(run, models, transform)
        step = strength_slider(picture, run.recipe.view, transform)
    _rank_by_strength(run, models, picture, original, transform, step.strength)

    def search(model: str) -> Near:
        return neighbors.search_gallery(run, step.before, step.after, model, original, NEIGHBORS)

    nearest = asking.each(models, search)
    columns = st.columns(COLUMNS)
    for number, model in enumerate(nearest):
        with columns[number % COLUMNS]:
            _neighbors(run, model, nearest[model], step.before, original)
    st.caption(f"Gallery: {len(samples):,} clean test crops. Captions show the label and the cosine similarity.")


def _rank_by_strength(
    run: Run, models: Sequence[str], picture: VisitorPicture, original: str, transform: Transform, strength: float
) -> None:
    """Show a chart of the rank of the original at each strength of the slider."""
    previewed = preview(picture, run.recipe.view, transform)
    steps = [previewed.step(index) for index in range(len(previewed.strengths))]
    edited = [step.after for step in steps]
    ranks_by_model = asking.each(models, lambda model: neighbors.ranks(run, steps[0].before, edited, model, original))
    factor = 100.0 if transform.unit.startswith("fraction") else 1.0
    ranks = pd.DataFrame(
        [
            (model, s, rank)
            for model, of in ranks_by_model.items()
            for s, rank in zip(previewed.strengths, of, strict=True)
        ],
        columns=["model", "strength", "rank"],
    )
    if ranks.empty:
        return
    learned = (factor * transform.weakest, factor * transform.strongest)
    axis = StrengthAxis(
        strength_title(transform), factor * previewed.strengths[0], factor * previewed.strengths[-1], learned
    )
    st.markdown("**Rank of the original by strength**. At rank 1, no other image is more similar.")
    scaled = ranks.assign(strength=factor * ranks["strength"])
    size = len(neighbors.gallery(run)) + (not original)
    figure = rank_by_strength_chart(scaled, cache.theme(), axis, size, factor * strength)
    tables.chart(figure, "rank-by-strength", ranks, "Rank of the original by strength for each model.")


def _best_first(run: Run) -> list[str]:
    """Return the models sorted by recall of originals: one model per network, followed by variants and baselines."""
    ranked = [*dict.fromkeys(retrieval.originals(run).get("model", ())), *run.models["name"]]
    learned = [model for model in ranked if not model.startswith(BASELINE)]
    return list(dict.fromkeys([*networks(learned), *learned, *ranked]))


def _most_different(run: Run, models: Sequence[str]) -> str:
    """Return the transformation for which the recall of the first two models differs most, or an empty string."""
    rows = cache.computed(run, retrieval.originals)
    if len(models) < 2 or rows.empty:
        return ""
    recall = rows.pivot_table(index="transform", columns="model", values="value").drop(
        index="identity", errors="ignore"
    )
    if not set(models[:2]) <= set(recall):
        return ""
    return str((recall[models[0]] - recall[models[1]]).abs().idxmax())


def _pick_picture(run: Run, models: Sequence[str], transform: Transform) -> tuple[VisitorPicture, str]:
    """Show a menu of photographs and an upload field, and return the selected image and its ID.

    The ID of an upload is empty. If there are several models, the default is a photograph for which the first two
    models differ (see `neighbors.telling_example`).
    """
    rows = run.sample_rows(neighbors.gallery(run)[:MAX_CROPS])
    labels = rows["label"].astype(str)
    columns = zip(rows["image_id"], labels, labels.groupby(labels).cumcount() + 1, strict=True)
    names = {str(image_id): f"{label} {n}" if label else str(image_id) for image_id, label, n in columns}
    ids = list(names)
    if len(models) > 1 and state.stored_choice("photograph") not in names:
        some = tuple(ids[:: max(1, len(ids) // neighbors.EXAMPLES)])
        first = cache.computed(run, neighbors.telling_example, tuple(models[:2]), transform.name, some)
        ids = [first, *(image_id for image_id in ids if image_id != first)]
    return upload.pick_of(
        "Photograph from the run",
        "photograph",
        ids,
        names.__getitem__,
        lambda image_id: VisitorPicture.from_array(image_id, run.pictures.source(image_id)),
    )


def _neighbors(run: Run, model: str, near: Near, before: np.ndarray, original: str) -> None:
    samples = neighbors.gallery(run)
    st.markdown(f"{in_bold(model)}: {near.in_words}")
    images, captions = [], []
    tiles = list(zip(near.rows, near.cosines, strict=True))
    if near.original not in near.rows:
        tiles.append((near.original, near.cosine))
    for row, cosine in tiles:
        if row == len(samples):  # the upload without the transformation
            image, caption, is_original = before, "", True
        else:
            facts = run.sample_rows(samples[[row]]).iloc[0]
            is_original, caption = facts["image_id"] == original, plain(facts["label"] or facts["image_id"])
            image = run.picture(int(samples[row]))[1]
        if is_original:  # framed
            image = np.asarray(ImageOps.expand(Image.fromarray(image), FRAME, cache.theme().accent))
        images.append(data_url(image))
        place = f", rank {near.place:,}:" if is_original and near.original not in near.rows else ""
        captions.append(f"{f'original{place}' if is_original else caption} {cosine:.3f}")
    st.image(images, caption=captions, width=NEIGHBOR_WIDTH, alt=captions)
    if near.are_tied:
        st.caption("Images with equal similarity are in arbitrary order. Ties are common for perceptual hashes.")


show()
