"""Retrieval: what an embedding is worth for finding pictures, tried on one picture and measured over a run."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pandas as pd
import streamlit as st

from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache, neighbors
from dashboard.data.pictures import VisitorPicture, data_url
from dashboard.page import fragment, page
from dashboard.text import in_bold, named, plain
from dashboard.widgets import asking, gallery, messages, pickers, tables, upload, uses
from probing_core.charts import PERCENT, dots_chart
from probing_core.charts.theme import BASELINE
from probing_core.measures import MEASURES
from probing_core.measures.neighbors import UNRELATED
from probing_core.measures.notation import in_percent, model_title
from probing_core.measures.statistics import networks, seed_of, with_place
from probing_core.results import PicturesMissing, Run, retrieval
from probing_core.results.retrieval import LOST, SURVIVES, Near
from probing_core.transforms import resolve

NEIGHBORS = 5
NEIGHBOR_WIDTH = 64
"""Pixels of a neighbor: all of them are in one row, on a phone, too."""

COLUMNS = 2

MAX_MODELS = 4
"""Most models at once, each of which embeds the gallery here where the run holds no embeddings."""

MAX_PHOTOGRAPHS = 500

HASHES = ("baseline/dhash", "baseline/phash")

FRAME = 8
"""Pixels of the frame around the original."""


PARTS = {
    "found": "Originals",
    "search": "Search",
    "duplicates": "Duplicates",
}


@page("Retrieval", "What an embedding is worth for finding pictures: originals, duplicates, content, altered pictures.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` goes on with it.")
        return
    if sentence := cache.computed(run, uses.finds_originals):
        messages.finding(sentence)
    part, place = pickers.tab(PARTS)
    with place:
        {"found": _originals, "search": _search, "duplicates": _duplicates}[part](run)


@fragment
def _search(run: Run) -> None:
    able = neighbors.searchable(run, list(run.models["name"]))
    if not able:
        gallery.embeddings_missing(run, "retrieval")
        return
    found = _pick_picture(run)
    if found is None:
        return
    picture, original = found
    left, right = st.columns(2)
    with left:
        # All other pictures are near to a hash by chance, so nobody would begin with one.
        telling = [m for m in cache.computed(run, _best_first) if m in able and m not in HASHES] or able
        chosen = pickers.pick_models(run, MAX_MODELS, COLUMNS, prefer=lambda m: m in telling, first=telling)
        models = [m for m in chosen if m in able]
        messages.left_out(chosen, models, "the run has no probe of theirs for new pictures, or no gallery to search")
    transform = resolve(pickers.pick_transform(run, where=right))
    step = strength_slider(picture, run.recipe.view, transform)
    gallery.embedded_here(run, models)
    if not models:
        messages.empty("None of the chosen models can be asked about a picture here; choose others.")
        return

    def search(model: str) -> Near:
        asking.embed_gallery(run, model, neighbors.gallery(run))
        return neighbors.search_gallery(run, step.before, step.after, model, original, NEIGHBORS)

    near = asking.each(models, search)
    for start in range(0, len(models), COLUMNS):
        for place, model in zip(st.columns(COLUMNS), models[start : start + COLUMNS], strict=False):
            if model in near:
                with place:
                    _neighbors(run, model, near[model], step.before, original)
    st.caption("Under a picture: what it shows, and the cosine of its embedding to that of the altered picture.")


def _best_first(run: Run) -> list[str]:
    """Return the models by how often they find originals: one of each network that learned from pictures, the others of
    these, baselines."""
    ranked = [*dict.fromkeys(retrieval.originals(run).get("model", ())), *run.models["name"]]
    learned = [model for model in ranked if not model.startswith(BASELINE)]
    return list(dict.fromkeys([*networks(learned), *learned, *ranked]))


def _pick_picture(run: Run) -> tuple[VisitorPicture, str] | None:
    images = run.images[run.images["used"]]
    tested = images[images["split"] == "test"]
    ids = list((tested if len(tested) else images)["image_id"][:MAX_PHOTOGRAPHS])
    left, right = st.container(key="pick-one").columns(2)
    with right:
        uploads = upload.upload("Or your own picture", "retrieval-upload", several=False)
        if uploads:
            upload.flags(uploads[0])
            return uploads[0], ""
    labels = images.set_index("image_id")["label"].loc[ids].astype(str)
    numbers = labels.groupby(labels).cumcount() + 1
    names = {i: f"{label} {number}" for i, label, number in zip(ids, labels, numbers, strict=True) if label}
    image_id = pickers.select("Photograph of the run", "photograph", ids, names=names, where=left)
    try:
        return VisitorPicture.from_array(image_id, run.pictures.source(image_id)), image_id
    except PicturesMissing as error:
        gallery.pictures_missing(run, error, "retrieval")
        return None


def _neighbors(run: Run, model: str, near: Near, before: np.ndarray, original: str) -> None:
    samples = cache.computed(run, retrieval.gallery)
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
            try:
                image = run.picture(int(samples[row]))[1]
            except PicturesMissing as error:
                gallery.pictures_missing(run, error, f"retrieval-{model}")
                return
        pictures.append(data_url(framed(image) if own else image))
        place = f", place {near.place:,}:" if own and near.original not in near.rows else ""
        captions.append(f"{f'original{place}' if own else words} {cosine:.3f}")
    st.image(pictures, caption=captions, width=NEIGHBOR_WIDTH, alt=captions)
    if near.are_tied:
        st.caption(
            "Pictures with the same cosine are equally near, and their order means nothing. An image hash has few "
            "different cosines: it recognizes copies, and all other pictures are near by chance."
        )


def framed(image: np.ndarray) -> np.ndarray:
    """Return a copy of ``image`` with a frame in the page's accent color, within its edges."""
    color = tuple(int(cache.theme().accent[i : i + 2], 16) for i in (1, 3, 5))
    inner = cv2.resize(image, (image.shape[1] - 2 * FRAME, image.shape[0] - 2 * FRAME), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(inner, FRAME, FRAME, FRAME, FRAME, cv2.BORDER_CONSTANT, value=color)


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
        dots = _in_percent(shown.assign(name=shown["model"].map(model_title), series="all alterations"))
        of = dict(zip(shown["model"], seed_of(list(shown["model"])), strict=True))
        dots = dots.assign(seed_of=[model_title(of[m]) if of[m] else "" for m in shown["model"]])
        figure = dots_chart(dots, cache.theme(), "original is the nearest (%)", ends=PERCENT)
        tables.chart(figure, "by-model", shown, "Share of altered pictures whose original is the nearest, by model.")
        st.caption(
            "Share of altered pictures, all alterations together, whose original is the nearest of "
            f"{gallery:,} untouched photographs; guessing finds {in_percent(1 / gallery, 1)}. Ticks: further trainings."
        )
    with right:
        mine = rows[rows["model"] == model].sort_values("value", ascending=False)
        groups = {named(t): g for t, g in zip(run.transforms["transform"], run.transforms["group"], strict=True)}
        dots = _in_percent(mine.assign(name=mine["transform"].map(named), series="original found"))
        figure = dots_chart(dots, cache.theme(), "original is the nearest (%)", groups=groups, ends=PERCENT)
        tables.chart(figure, "by-transform", mine, f"Share of originals found by {model}, by transformation.")
        st.caption(
            f"By {plain(model_title(model))}. Untouched is the ceiling: the same photograph, cut a second time. "
            "A color is a group."
        )


def _in_percent(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{column: 100 * rows[column] for column in ("value", "low", "high")})


@fragment
def _duplicates(run: Run) -> None:
    copies = cache.study(run, "duplicates")
    if copies.empty:
        messages.empty(tables.why_none(run))
        return
    shares = sorted(copies["unrelated"].unique(), key=lambda share: abs(np.log(share / UNRELATED)))
    names = {f"{share:g}": in_percent(share, 2 if share < 0.001 else 1 if share < 0.01 else 0) for share in shares}
    left, right = st.columns(2)
    chosen = pickers.segments("Unrelated pairs above the threshold", "unrelated", list(names), names=names, where=left)
    rows = cache.computed(run, retrieval.survivors, float(chosen))
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    rows = rows[rows["model"].isin(with_place(rows["model"]))]
    model = pickers.pick_model(run, list(rows["model"]), where=right)
    one = rows[rows["model"] == model].iloc[0]
    tested = copies.loc[copies["model"] == model, "transform"]
    st.markdown(
        f"{in_bold(model)} takes two pictures for copies where their cosine is above {one['threshold']:.3f}. So "
        f"**more than {in_percent(SURVIVES)}** of copies are found after {len(_split(one['survives']))} of the "
        f"{tested[tested != 'identity'].nunique()} transformations, and **fewer than {in_percent(LOST)}** after "
        f"{_in_words(one['lost'])}; after the others a share in between, or one whose 95 % interval reaches there."
    )
    table = rows[["model", "kept", "survives", "lost"]]
    table.insert(0, "title", rows["model"].map(model_title))
    counts = {
        "survives": (f"found after (> {in_percent(SURVIVES)})", f"more than {in_percent(SURVIVES)}"),
        "lost": (f"lost after (< {in_percent(LOST)})", f"fewer than {in_percent(LOST)}"),
    }
    config: dict[str, Any] = dict.fromkeys(["model", *counts])  # too long for a column; the download has them
    for column, (title, about) in counts.items():
        table[f"{column}-count"] = [len(_split(each)) for each in table[column]]
        config[f"{column}-count"] = st.column_config.NumberColumn(
            title, help=f"Number of transformations after which {about} of copies are above the threshold."
        )
    config["title"] = st.column_config.TextColumn("model")
    config["threshold"] = st.column_config.NumberColumn("threshold (cosine)", format="%.3f")
    tables.show_table(
        table.assign(threshold=rows["threshold"]),
        "thresholds-of-duplicates",
        percent={"kept": ("copies found (%)", MEASURES.get("copies-kept").definition)},
        column_config=config,
    )
    st.caption(
        f"The threshold is the cosine that {names[chosen]} of {int(copies['pairs'].max()):,} pairs of unrelated "
        f"photographs exceed: in a collection of 10,000, about {10_000 * float(chosen):,.0f} unrelated pictures for "
        "each. Copies here are neither cropped nor mirrored."
    )


def _split(transforms: str) -> list[str]:
    return [each for each in transforms.split(", ") if each]


def _in_words(transforms: str) -> str:
    return plain(", ".join(map(named, _split(transforms)))) or "no transformation"


show()
