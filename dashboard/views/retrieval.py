"""Retrieval: what an embedding is worth for finding pictures, tried on one picture and measured over a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from dashboard import state
from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache, neighbors
from dashboard.data.pictures import VisitorPicture, data_url
from dashboard.page import fragment, page
from dashboard.text import in_bold, named, plain
from dashboard.widgets import asking, messages, pickers, tables, upload, uses
from probing_core.charts import PERCENT, dots_chart
from probing_core.measures import MEASURES
from probing_core.measures.neighbors import UNRELATED
from probing_core.measures.notation import BASELINE, in_percent, model_title
from probing_core.measures.statistics import networks, seed_of, with_place
from probing_core.results import Run, retrieval
from probing_core.results.retrieval import LOST, SURVIVES, Near
from probing_core.transforms import resolve

NEIGHBORS = 5
NEIGHBOR_WIDTH = 64
"""Pixels of a neighbor: all of them are in one row, on a phone, too."""

COLUMNS = 2

MAX_MODELS = 4
"""Most models at once, each of which embeds the gallery here where the run holds no embeddings."""

MAX_PHOTOGRAPHS = 500

FRAME = 8
"""Pixels of the frame around the original."""


PARTS = {
    "found": "Originals",
    "search": "Search",
    "duplicates": "Duplicates",
}


@page("Retrieval", "What an embedding is worth for finding the original of an altered picture, and duplicates.")
def show() -> None:
    run = messages.run_with_models()
    if sentence := cache.computed(run, uses.finds_originals):
        messages.finding(sentence)
    part, place = pickers.tab(PARTS)
    with place:
        {"found": _originals, "search": _search, "duplicates": _duplicates}[part](run)


@fragment
def _search(run: Run) -> None:
    able = neighbors.searchable(run, list(run.models["name"]))
    if not able:
        messages.empty(
            "This run ships no embeddings to find neighbors in, and none can be made here; a run computed here (New "
            "run, or `probing run`) has them."
        )
        return
    if run.pictures.why_not:
        messages.no_pictures(run.pictures.why_not)
        return
    picture, original = _pick_picture(run)
    left, right = st.columns(2)
    with left:
        chosen = pickers.pick_models(run, cache.computed(run, _best_first), MAX_MODELS)
        models = [m for m in chosen if m in able]
        messages.left_out(chosen, models, "the run has no probe of theirs for new pictures, or no gallery to search")
    transform = resolve(pickers.pick_transform(run, where=right))
    step = strength_slider(picture, run.recipe.view, transform)

    def search(model: str) -> Near:
        asking.embed_gallery(run, model, neighbors.gallery(run))
        return neighbors.search_gallery(run, step.before, step.after, model, original, NEIGHBORS)

    near = asking.each(models, search)
    columns = st.columns(COLUMNS)
    for number, model in enumerate(near):
        with columns[number % COLUMNS]:
            _neighbors(run, model, near[model], step.before, original)
    st.caption(
        f"Searched are the {len(neighbors.gallery(run)):,} untouched images that the run tested; "
        "a model whose embeddings of them the run does not hold embeds them here when it is first asked. Under a "
        "picture: what it shows, and the cosine of its embedding to that of the altered picture."
    )


def _best_first(run: Run) -> list[str]:
    """Return the models by how often they find originals: one of each network that learned from pictures, the others of
    these, baselines."""
    ranked = [*dict.fromkeys(retrieval.originals(run).get("model", ())), *run.models["name"]]
    learned = [model for model in ranked if not model.startswith(BASELINE)]
    return list(dict.fromkeys([*networks(learned), *learned, *ranked]))


def _pick_picture(run: Run) -> tuple[VisitorPicture, str]:
    rows = run.sample_rows(neighbors.gallery(run)[:MAX_PHOTOGRAPHS])
    labels = rows["label"].astype(str)
    columns = zip(rows["image_id"], labels, labels.groupby(labels).cumcount() + 1, strict=True)
    names = {str(image_id): f"{label} {n}" if label else str(image_id) for image_id, label, n in columns}
    return upload.pick_of(
        "Photograph of the run",
        "photograph",
        list(names),
        names.__getitem__,
        lambda image_id: VisitorPicture.from_array(image_id, run.pictures.source(image_id)),
    )


def _neighbors(run: Run, model: str, near: Near, before: np.ndarray, original: str) -> None:
    samples = neighbors.gallery(run)
    st.markdown(in_bold(model))
    sign = ":material/check_circle: " if near.place == 1 else ""
    st.markdown(f"{sign}{near.in_words}")
    pictures, captions = [], []
    shown = list(zip(near.rows, near.cosines, strict=True))
    if near.original not in near.rows:
        shown.append((near.original, near.cosine))
    for row, cosine in shown:
        if row == len(samples):  # an upload, untouched
            image, words, own = before, "", True
        else:
            facts = run.sample_rows(samples[[row]]).iloc[0]
            own, words = facts["image_id"] == original, plain(facts["label"] or facts["image_id"])
            image = run.picture(int(samples[row]))[1]
        if own:  # framed
            image = np.asarray(ImageOps.expand(Image.fromarray(image), FRAME, cache.theme().accent))
        pictures.append(data_url(image))
        place = f", place {near.place:,}:" if own and near.original not in near.rows else ""
        captions.append(f"{f'original{place}' if own else words} {cosine:.3f}")
    st.image(pictures, caption=captions, width=NEIGHBOR_WIDTH, alt=captions)
    if near.are_tied:
        st.caption(
            "Pictures with the same cosine are equally near, and their order means nothing. An image hash has few "
            "different cosines: it recognizes copies, and all other pictures are near by chance."
        )


@fragment
def _originals(run: Run) -> None:
    rows = cache.computed(run, retrieval.originals)
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    recall = cache.study(run, "retrieval")
    all_together = recall[(recall["k"] == 1) & recall["strength"].isna() & (recall["transform"] == retrieval.ALL)]
    models, gallery = with_place(rows["model"]), int(rows["gallery"].max())
    left, right = st.columns(2)
    with right:  # before the first chart, which writes the address
        model = pickers.pick_model(run, models)
    with left:
        shown = all_together.sort_values("value", ascending=False)
        dots = tables.as_percent(shown.assign(name=shown["model"].map(model_title), series="all alterations"))
        of = dict(zip(shown["model"], seed_of(list(shown["model"])), strict=True))
        dots = dots.assign(seed_of=[model_title(of[m]) if of[m] else "" for m in shown["model"]])
        figure = dots_chart(dots, cache.theme(), "original is the nearest (%)", ends=PERCENT)
        tables.chart(figure, "by-model", shown, "Share of altered pictures whose original is the nearest, by model.")
        st.caption(
            "Share of altered pictures, all alterations together, whose original is the nearest of "
            f"{gallery:,} untouched images; guessing finds {in_percent(1 / gallery, 1)}. Ticks: further trainings."
        )
    with right:
        mine = rows[rows["model"] == model].sort_values("value", ascending=False)
        groups = {named(t): g for t, g in zip(run.transforms["transform"], run.transforms["group"], strict=True)}
        dots = tables.as_percent(mine.assign(name=mine["transform"].map(named), series="original found"))
        figure = dots_chart(dots, cache.theme(), "original is the nearest (%)", groups=groups, ends=PERCENT)
        tables.chart(figure, "by-transform", mine, f"Share of originals found by {model}, by transformation.")
        st.caption(
            f"By {plain(model_title(model))}. Untouched is the ceiling: the same photograph, cut a second time. "
            "A color is a group."
        )


@fragment
def _duplicates(run: Run) -> None:
    copies = cache.study(run, "duplicates")
    if copies.empty:
        messages.empty(tables.why_none(run))
        return
    shares = sorted(copies["unrelated"].unique(), key=lambda share: abs(np.log(share / UNRELATED)))
    names = {f"{share:g}": in_percent(share, 2 if share < 0.001 else 1 if share < 0.01 else 0) for share in shares}
    chosen = state.choice(
        st.segmented_control,
        "Unrelated pairs above the threshold",
        "unrelated",
        next(iter(names)),
        list(names),
        required=True,
        format_func=names.__getitem__,
    )
    rows = cache.computed(run, retrieval.survivors, float(chosen))
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    st.markdown(
        "Two pictures are taken for copies where their cosine is above the model's threshold. It is set so that "
        f"{names[chosen]} of {int(copies['pairs'].max()):,} pairs of unrelated photographs are above it, too: about "
        f"{10_000 * float(chosen):,.0f} wrong hits for a picture in a collection of 10,000. The table counts how many "
        "altered copies are found. None is cropped or mirrored."
    )
    rows = rows[rows["model"].isin(with_place(rows["model"]))]
    table = rows[["model", "threshold", "kept", "survives", "lost"]]
    table.insert(0, "title", rows["model"].map(model_title))
    tested = copies["transform"][copies["transform"] != "identity"].nunique()
    columns: dict[str, Any] = {
        "title": st.column_config.TextColumn("model"),
        "model": None,
        "threshold": st.column_config.NumberColumn("threshold (cosine)", format="%.3f"),
    }
    ends = {"survives": f"found after (> {in_percent(SURVIVES)})", "lost": f"lost after (< {in_percent(LOST)})"}
    for column, title in ends.items():
        columns[column] = st.column_config.TextColumn(
            title,
            width=150,
            help=f"Of the {tested} transformations, those after which this share of the copies, with its 95 % "
            "interval, is above the threshold. A double click shows all.",
        )
    tables.show_table(
        table,
        "thresholds-of-duplicates",
        columns,
        percent={"kept": ("copies found (%)", MEASURES.get("copies-kept").definition)},
        written={"survives": _counted, "lost": _counted},
    )


def _counted(transforms: str) -> str:
    """Return ``2: JPEG, Posterize``."""
    found = transforms.split(", ") if transforms else []
    return f"{len(found)}{': ' * bool(found)}{', '.join(map(named, found))}"


show()
