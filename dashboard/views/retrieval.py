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
from dashboard.text import hint, in_bold, named, plain
from dashboard.widgets import asking, comparison, messages, pickers, recall_by_edit, tables, upload
from probing_core.charts import (
    NAMED,
    Figure,
    StrengthAxis,
    Theme,
    rank_by_strength_chart,
    recall_by_model_chart,
    recall_by_rate_chart,
)
from probing_core.compute.task_names import ALL
from probing_core.diffs.framing import FRAMING_EDITS
from probing_core.measures import MEASURES
from probing_core.measures.neighbors import UNRELATED
from probing_core.measures.notation import BASELINE, model_title
from probing_core.measures.statistics import networks, seed_of
from probing_core.results import Run, retrieval, sentences
from probing_core.results.retrieval import Near
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
    part, place = pickers.tab(PARTS)
    with place:
        show_part = {"found": _originals, "search": _search, "duplicates": _duplicates}
        show_part[part](run)


@fragment
def _originals(run: Run) -> None:
    rows = cache.computed(run, recall_by_edit.scored, None)
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    gallery = int(cache.computed(run, retrieval.originals)["gallery"].max())
    left, right = st.columns(2)
    edit = recall_by_edit.pick_edit(run, rows, left)
    model = pickers.pick_model(run, list(dict.fromkeys(rows["model"])), where=right)
    of_edit = rows[rows["transform"] == edit]
    messages.finding(sentences.recall_finding(of_edit, f"the original of {_images(edit)}", in_bold))
    st.markdown(f"**Recall of originals**: how often the original ranks first among {gallery:,} clean crops")
    recall_by_edit.show_heat_map(run, rows, edit, "originals-by-edit")
    st.markdown(f"**Recall by model**: {_title(edit)}")
    figure = cache.computed(run, _by_model, edit, model, cache.theme())
    tables.chart(figure, "by-model", of_edit, "Recall of originals by model.", _select_model)
    st.caption("Vertical ticks: additional seeds. Click two models to compare them.")
    comparison.offer(comparison.remembered(model))


def _title(edit: str) -> str:
    return "all edits" if edit == ALL else plain(named(edit))


def _images(edit: str) -> str:
    return "edited images" if edit == ALL else f"images with **{plain(named(edit))}**"


def _by_model(run: Run, edit: str, selected: str, theme: Theme) -> Figure:
    recall = cache.study(run, "retrieval")
    rows = recall[(recall["k"] == 1) & recall["strength"].isna() & (recall["transform"] == edit)]
    bars = tables.as_percent(rows.assign(seed_of=seed_of(list(rows["model"]))))
    return recall_by_model_chart(bars, theme, selected, 100 / int(rows["gallery"].max()))


def _select_model(picked: list[str]) -> None:
    comparison.remember(picked[1])
    state.choose("model", picked[1])


@fragment
def _duplicates(run: Run) -> None:
    rates = cache.computed(run, _rates)
    if not rates:
        messages.empty(tables.why_none(run))
        return
    left, middle, right = st.columns(3)
    with left:
        rate = float(
            state.choice(
                st.select_slider,
                "False-positive rate",
                "unrelated",
                f"{min(rates, key=lambda rate: abs(np.log(rate / UNRELATED))):g}",
                [f"{rate:g}" for rate in rates],
                format_func=lambda text: f"{100 * float(text):g}%",
            )
        )
    rows = cache.computed(run, recall_by_edit.scored, rate)
    edit = recall_by_edit.pick_edit(run, rows, middle)
    of_edit = rows[rows["transform"] == edit].sort_values("value", ascending=False)
    model = pickers.pick_model(run, list(of_edit["model"]), where=right)
    messages.finding(sentences.recall_finding(of_edit, f"copies of {_images(edit)}", in_bold))
    false_matches = COLLECTION * rate
    st.caption(
        f"Searching {COLLECTION:,} images would return about {false_matches:,.0f} false "
        f"match{'' if round(false_matches) == 1 else 'es'} per query. {_about_framing(rows)}"
    )
    recall_by_edit.show_heat_map(run, rows, edit, "duplicates-by-edit")
    st.markdown(f"**Share of edited copies found at each false-positive rate**: {_title(edit)}")
    curves = cache.computed(run, retrieval.recall_by_rate, edit)
    curves = curves[curves["model"].isin(set(rows["model"]))]
    figure = recall_by_rate_chart(
        tables.as_percent(curves), cache.theme(), rate, _with_names(list(of_edit["model"]), model), model
    )
    tables.chart(
        figure, "recall-by-rate", curves, "Share of edited copies found at each false-positive rate, by model."
    )
    st.caption(
        f"Highlighted: {plain(model_title(model))}, the best encoders and the best baselines. Hover over a line to see "
        "its model."
    )
    _thresholds(of_edit, rate, edit)
    comparison.offer(comparison.remembered(model))


def _about_framing(rows: pd.DataFrame) -> str:
    if rows["transform"].isin(FRAMING_EDITS).any():
        return "“All edits” does not include the framing group."
    return "Copies are edited but not cropped."


def _rates(run: Run) -> list[float]:
    return sorted(retrieval.recall_by_rate(run)["rate"].unique())


def _with_names(best_first: Sequence[str], model: str) -> list[str]:
    """Return the models whose lines are labeled: the selected model, the best encoders and the best baselines."""
    encoders = [name for name in best_first if not name.startswith(BASELINE)]
    baselines = [name for name in best_first if name.startswith(BASELINE)]
    return list(dict.fromkeys([model, *encoders[: NAMED // 2], *baselines[: NAMED // 2]]))


def _thresholds(rows: pd.DataFrame, rate: float, edit: str) -> None:
    table = rows[["model", "threshold", "value", "low", "high"]]
    table.insert(0, "title", rows["model"].map(model_title))
    columns: dict[str, Any] = {
        "title": st.column_config.TextColumn("Model"),
        "model": None,
        "threshold": st.column_config.NumberColumn("Threshold (cosine)", format="%.3f"),
    }
    st.markdown(f"**Thresholds at a false-positive rate of {100 * rate:g}%**: {_title(edit)}")
    percent = {
        "value": ("Recall (%)", MEASURES.get("copies-kept").definition),
        "low": ("95% CI low (%)", hint("interval")),
        "high": ("95% CI high (%)", hint("interval")),
    }
    tables.show_table(table, "thresholds-of-duplicates", columns, percent)


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
