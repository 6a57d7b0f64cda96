"""Retrieval: which model suits which use, whether originals are found, and from which cosine on two pictures are the
same."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import streamlit as st

from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache, neighbors
from dashboard.data.pictures import VisitorPicture, data_url
from dashboard.page import fragment, page
from dashboard.text import hint, plain
from dashboard.widgets import asking, gallery, messages, pickers, tables, upload, uses
from probing_core.charts import (
    PERCENT,
    dots_chart,
    profile_chart,
    recall_chart,
    variance_chart,
)
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent
from probing_core.measures.unrelated_pairs import UNRELATED
from probing_core.results import PicturesMissing, Run, retrieval, summaries
from probing_core.results.ranking import has_place, marked
from probing_core.results.retrieval import LOST, SURVIVES, USES, Near
from probing_core.results.sentences import originals_finding
from probing_core.run import layout
from probing_core.transforms import resolve

NEIGHBORS = 5
COLUMNS = 3
"""Models side by side."""

MAX_EMBEDDERS = 2 * COLUMNS
"""Models at once that embed the gallery here."""

MAX_PHOTOGRAPHS = 500
"""Photographs of the run in the list to choose from."""

FRAME = 8
"""Pixels of the frame around the original."""

STUDIES = ("uses", "retrieval", "duplicates", "variance")

COSINES = {"raw": "as it is", "centered": "mean taken off"}
INTERVAL = {"low": ("from", hint("interval")), "high": ("to", hint("interval"))}


@page("Retrieval", "What an embedding is worth for finding pictures: originals, duplicates, content, altered pictures.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` does it.")
        return
    if all(cache.table(run, layout.table_path(name)).empty for name in STUDIES):
        messages.empty(tables.why_none(run))
    else:
        if sentence := cache.computed(run, _finding):
            with st.container(key="finding"):
                st.markdown(sentence)
        _uses(run)
        _originals(run)
        _duplicates(run)
        _variance(run)
    _try(run)


def _finding(run: Run) -> str:
    return originals_finding(run, lambda name: f"**{plain(name)}**")


@fragment
def _uses(run: Run) -> None:
    st.header("Which model for what?", help="Each use needs another number, so there is no total.")
    if not uses.show_cards(run, {}):
        messages.empty(tables.why_none(run))
        return
    st.caption(
        "Copies here are neither cropped nor mirrored: the numbers hold for copies that show the same cut of a "
        "picture. Hashes compare the layout of the whole picture, so expect less of them after a crop or a mirror."
    )
    rows = cache.computed(run, retrieval.by_use)
    drawn = rows.assign(name=rows["model"], series=[USES[use].title for use in rows["use"]])
    drawn = drawn.assign(**{column: 100 * drawn[column] for column in ("value", "low", "high")})
    figure = dots_chart(drawn, cache.theme(), "what each use needs (%)", ends=PERCENT)
    tables.chart(figure, "uses", rows, "What each use needs, of every model.")
    needs = "; ".join(f"{use.title.lower()}: {use.needs}" for use in USES.values())
    ticks = "" if has_place(rows).all() else " Ticks: the same model with another seed."
    st.caption(f"In percent. {needs[0].upper()}{needs[1:]}. Bars are 95 % intervals.{ticks}")
    if box := pickers.fold("As tables, best first, with what is tied", "show-uses"):
        with box:
            _uses_table(run)


def _uses_table(run: Run) -> None:
    use = pickers.segments("Use", "use", list(USES), names={name: each.title for name, each in USES.items()})
    board = cache.computed(run, retrieval.ordered, use)
    if board.empty:
        messages.empty(_why_no_use(run, use))
        return
    standing = pd.Series(["best", *("" if apart else "tied" for apart in board["apart"].iloc[1:])])
    tables.show_table(
        board[["value", "low", "high"]].assign(
            model=marked(board), standing=standing.where(has_place(board), "another seed")
        )[["model", "value", "low", "high", "standing"]],
        f"use-{use}",
        percent={"value": ("%", f"{USES[use].needs[0].upper()}{USES[use].needs[1:]}."), **INTERVAL},
        column_config={
            "model": st.column_config.TextColumn(width="large"),
            "standing": st.column_config.TextColumn("", help=f"tied: {hint('not distinguished')}"),
        },
        height=None if len(board) <= tables.WHOLE_TABLE else 720,
    )


def _why_no_use(run: Run, use: str) -> str:
    if use == "content":
        return "This takes labels that several photographs share; the reference run has them."
    return tables.why_none(run)


@fragment
def _originals(run: Run) -> None:
    st.header("Is the original still found?", help=MEASURES.get("original-found").definition)
    rows = cache.computed(run, retrieval.originals)
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    figure = profile_chart(rows.rename(columns={"transform": "group"}), cache.theme())
    tables.chart(figure, "originals", rows, "Share of altered pictures whose original is the nearest, in percent.")
    whole = int(rows["gallery"].max())
    st.caption(
        f"In percent: the share of altered pictures whose original is the nearest of {whole:,} untouched photographs. "
        "Identity is the ceiling: the same photograph, cut a second time. Best model on top, what spoils it least on "
        "the left."
    )
    _by_strength(run)


def _by_strength(run: Run) -> None:
    st.subheader("As the alteration grows")
    table = cache.computed(run, retrieval.recall).dropna(subset=["strength"])
    if table.empty:
        messages.empty(tables.why_none(run))
        return
    transform = resolve(pickers.select("Alteration", "alteration", list(dict.fromkeys(table["transform"])), "jpeg"))
    rows = table[(table["transform"] == transform.name) & (table["k"] == 1)]
    title = f"{transform.parameter} ({transform.unit})"
    figure = recall_chart(rows, cache.theme(), title, transform.falling, pickers.chosen_model())
    tables.chart(figure, "by-strength", rows, f"Original found, by the strength of {transform.name}.")


@fragment
def _duplicates(run: Run) -> None:
    st.header("Are these two pictures the same?", help=MEASURES.get("duplicate-threshold").definition)
    thresholds = cache.computed(run, retrieval.copies)
    if thresholds.empty:
        messages.empty(tables.why_none(run))
        return
    shares = sorted(
        thresholds["unrelated"].unique(), key=lambda share: abs(np.log(share / UNRELATED))
    )  # the use's first
    left, right = st.columns(2)
    cosine = pickers.segments("Cosine of the embedding", "cosine", list(COSINES), names=COSINES, where=left)
    names = {f"{share:g}": in_percent(share, 2 if share < 0.001 else 1 if share < 0.01 else 0) for share in shares}
    chosen = pickers.segments("Unrelated pairs above it", "unrelated", list(names), names=names, where=right)
    rows = cache.computed(run, retrieval.survivors, cosine, float(chosen))
    if rows.empty:
        messages.empty(tables.why_none(run))
        return
    kept = rows.assign(name=rows["model"], series="kept", value=100 * rows["kept"])
    figure = dots_chart(kept[["name", "series", "value"]], cache.theme(), "copies kept (%)", ends=PERCENT)
    tables.chart(figure, "kept", rows, "Share of altered copies above the threshold, of every model.")
    tables.show_table(
        rows[["model", "threshold", "threshold_low", "threshold_high", "kept", "survives", "lost"]],
        "thresholds-of-duplicates",
        percent={"kept": ("copies kept (%)", MEASURES.get("copies-kept").definition)},
        column_config={
            "model": st.column_config.TextColumn(width="medium"),
            "threshold": st.column_config.NumberColumn(format="%.3f", help="Cosine."),
            "threshold_low": st.column_config.NumberColumn("from", format="%.3f", help=hint("interval")),
            "threshold_high": st.column_config.NumberColumn("to", format="%.3f", help=hint("interval")),
            "survives": st.column_config.TextColumn(
                "a copy survives", width="medium", help=f"More than {in_percent(SURVIVES)} of copies lie above."
            ),
            "lost": st.column_config.TextColumn(
                "and is lost after", width="medium", help=f"Fewer than {in_percent(LOST)} of copies lie above."
            ),
        },
        height=None if len(rows) <= tables.WHOLE_TABLE else 560,
    )
    pairs = int(thresholds["pairs"].max())
    st.caption(
        f"The threshold is the cosine that {names[chosen]} of {pairs:,} pairs of unrelated photographs exceed: in a "
        f"collection of 10,000, about {10_000 * float(chosen):,.0f} unrelated pictures for each. Whole "
        f"intervals decide: a copy survives an alteration where more than {in_percent(SURVIVES)} of the copies lie "
        f"above the threshold, and is lost where fewer than {in_percent(LOST)} do; between the two it depends on the "
        "picture. Open a cell to read it to its end."
    )


@fragment
def _variance(run: Run) -> None:
    st.header("How much of an embedding is look?", help=MEASURES.get("variance-share").definition)
    rows = tables.study(run, "variance")
    if rows.empty:
        return
    content = rows[rows["part"] == "content"].sort_values("value", ascending=False)["model"]
    rows = rows.sort_values("model", key=lambda c: c.map({m: i for i, m in enumerate(content)}), kind="stable")
    tables.chart(variance_chart(rows, cache.theme(), "model"), "variance", rows, "Parts of the variance by model.")
    together = "" if (rows["part"] == "both").any() else " With one repetition, both together are in the rest."
    st.caption(
        "Content: what stays of a photograph under every alteration. Look: what an alteration does to all photographs "
        f"alike. Both together: what it does to some. Rest: what differs between two draws of its strength.{together}"
    )
    layers = cache.computed(run, summaries.variance_of_layers)
    if layers.empty:
        return
    st.subheader("Layer by layer")
    model = pickers.select("Network", "variance-model", list(dict.fromkeys(layers["model"])))
    poolings = list(dict.fromkeys(layers.loc[layers["model"] == model, "pooling"]))
    pooling = pickers.segments("Pooling", "variance-pooling", poolings)
    chosen = layers[(layers["model"] == model) & (layers["pooling"] == pooling)].sort_values("layer", kind="stable")
    chosen = chosen.assign(block="layer " + chosen["layer"].astype(str))
    figure = variance_chart(chosen, cache.theme(), "block")
    tables.chart(figure, "variance-layers", chosen, f"Parts of the variance in every layer of {model}.")


@fragment
def _try(run: Run) -> None:
    st.header(
        "Try it with a picture",
        help="Each model searches the altered picture among the run's untouched test images; the original is framed.",
    )
    able = neighbors.searchable(run, list(run.models["name"]))
    if not able:
        gallery.embeddings_missing(run, "retrieval")
        return
    found = _pick_picture(run)
    if found is None:
        return
    picture, original = found
    left, right = st.columns(2)
    embedded = [model for model in able if not run.has_embeddings(model)]
    with left:
        chosen = pickers.pick_models(run, MAX_EMBEDDERS if embedded else None, COLUMNS, prefer=lambda m: m in able)
        models = [m for m in chosen if m in able]
        messages.left_out(chosen, models, "the run has no probe of theirs for new pictures, or no gallery to search")
    transform = resolve(pickers.pick_transform(run, where=right))
    step = strength_slider(picture, run.recipe.view, transform)
    gallery.embedded_here(run, models)
    if not pickers.toggle("Ask the models", "ask", help="Loads them, which takes seconds the first time."):
        return
    if not models:
        messages.empty("None of the chosen models can be asked about a picture here; choose others.")
        return

    def search(model: str) -> Near:
        asking.embed_gallery(run, model)
        return neighbors.search_gallery(run, step.before, step.after, model, original, NEIGHBORS)

    near = asking.each(models, search)
    for start in range(0, len(models), COLUMNS):
        for place, model in zip(st.columns(COLUMNS), models[start : start + COLUMNS], strict=False):
            if model in near:
                with place:
                    _neighbors(run, model, near[model], step.before, original)


def _pick_picture(run: Run) -> tuple[VisitorPicture, str] | None:
    """Return the picture and its id in the run, empty for an upload; None where there is none."""
    images = run.images[run.images["used"]]
    tested = images[images["split"] == "test"]
    ids = list((tested if len(tested) else images)["image_id"][:MAX_PHOTOGRAPHS])
    left, right = st.columns(2)
    with right:
        uploads = upload.upload("Or your own picture", "retrieval-upload", several=False)
        if uploads:
            upload.flags(uploads[0])
            return uploads[0], ""
    image_id = pickers.select("Photograph of the run", "photograph", ids, where=left)
    try:
        return VisitorPicture.from_array(image_id, run.pictures.source(image_id)), image_id
    except PicturesMissing as error:
        gallery.pictures_missing(run, error, "retrieval")
        return None


def _neighbors(run: Run, model: str, near: Near, before: np.ndarray, original: str) -> None:
    samples = cache.computed(run, retrieval.gallery)
    st.subheader(plain(model))
    sign = ":material/check_circle: " if near.place == 1 else ""
    st.markdown(f"{sign}{near.in_words}")
    pictures, captions = [], []
    for row, cosine in zip(near.rows, near.cosines, strict=True):
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
        captions.append(f"{'the original' if own else words}, cosine {cosine:.3f}")
    st.image(pictures, caption=captions, width=gallery.THUMBNAIL, alt=captions)


def framed(image: np.ndarray) -> np.ndarray:
    """Return a copy of ``image`` with a frame in the color of a page's accents, within its edges."""
    color = tuple(int(cache.theme().accent[i : i + 2], 16) for i in (1, 3, 5))
    inner = cv2.resize(image, (image.shape[1] - 2 * FRAME, image.shape[0] - 2 * FRAME), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(inner, FRAME, FRAME, FRAME, FRAME, cv2.BORDER_CONSTANT, value=color)


show()
