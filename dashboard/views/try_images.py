"""Try your images: live predictions by every model of what was done to a picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.strength_slider import strength_slider
from dashboard.components.tour import tour
from dashboard.data import cache, predictions
from dashboard.data.map_points import panels, points_of, styles_of
from dashboard.data.pictures import VisitorPicture, data_url
from dashboard.data.predictions import Row
from dashboard.page import fragment, page
from dashboard.text import hint, plain, with_strength
from dashboard.widgets import gallery, messages, pickers, tables, upload, verdicts
from probing_core.charts import PANELS, Figure, answers_chart, map_chart, predictions_chart
from probing_core.compute.names import DETECTOR
from probing_core.errors import ProbingError
from probing_core.measures.notation import in_percent
from probing_core.results import Run, place
from probing_core.transforms import bank

DEFAULT_MODELS = 3
NEIGHBORS = 8
SHARES = 6
"""Number of classes in the table of whole and tiles, most probable first."""

QUESTIONS = {"fine": "which transformation?", "group": "which group?"}
MAX_NEIGHBOR_MAPS = 4


@page("Try your images")
def show() -> None:
    run = cache.current_run()
    tour("Try your images")
    st.markdown("Drop pictures in, and every model predicts what was done to them.")
    chosen = _choose_pictures()
    try:
        models, task = _controls(run)
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    if not chosen:
        messages.empty("No picture yet: upload some, take one with the camera, or choose packaged photographs.")
        predictions.prepare(run, models)
        return
    pictures = _named(chosen)
    images, names = [picture.image for picture in chosen], list(pictures)
    rows = predictions.predict(run, images, names, predictions.with_detector(run, models), task)
    if not rows:
        messages.empty("None of the chosen models could be asked; choose others.")
        return
    models = [m for m in models if any(row["model"] == m for row in rows)]
    for index, (name, picture) in enumerate(pictures.items()):
        with st.container(border=True, key=f"answer-{index}"):
            mine = [row for row in rows if row["image"] == name]
            _answers(run, index, name, picture, mine, run.classes(task))
            if mine[0]["crops"] == "combined":
                again = any(picture.key == before.key for before in chosen[:index])
                _whole_and_tiles(run, picture, f"{picture.key}-{index}" if again else picture.key, models, task)
    tables.download(predictions.class_table(rows), "predictions", "All predictions as CSV")
    _change(run, pictures, models, task)
    _neighbors(run, pictures, models)
    _text(run, pictures)


def _choose_pictures() -> list[VisitorPicture]:
    left, right = st.columns(2)
    with left:
        found = upload.upload("Your pictures", "try-upload")
    with right:
        corpus = cache.corpus(cache.PACKAGED)
        ids = list(corpus.rows["image_id"])
        names = state.choice(
            st.multiselect, "Or packaged photographs", "samples", [], ids, max_selections=upload.MAX_UPLOADS
        )
        found += [VisitorPicture.from_array(name, cache.corpus_image(cache.PACKAGED, name)) for name in names]
        if st.toggle("Use the camera", key="use-camera"):
            shot = st.camera_input("Camera", key="camera")
            found += upload.read_uploads([shot] if shot else [])
    return found


def _controls(run: Run) -> tuple[list[str], str]:
    able = list(predictions.models_of(run))
    left, right = st.columns([3, 2])
    with left:
        models = pickers.pick_models(run, default=DEFAULT_MODELS)
        if len(models) < len(able) and st.button(f"Ask all {len(able)} models", key="ask-all", type="tertiary"):
            state.choose("models", able)
            st.rerun()
    with right:
        task = pickers.segments(
            "Question", "question", ["fine", "group"], names=QUESTIONS, help=f"{hint('fine')} {hint('group')}"
        )
    with_probe = [m for m in models if m in able] or able[:1]
    silent = [m for m in models if m not in able]
    if silent:
        st.caption(f"Without a probe to predict with in this run: {plain(', '.join(silent))}.")
    return with_probe, task


def _answers(run: Run, index: int, name: str, picture: VisitorPicture, rows: list[Row], classes: list[str]) -> None:
    left, right = st.columns([1, 4])
    with left:
        st.image(data_url(picture.shown, lossless=False), width="stretch", alt=name)
        height, width = picture.image.shape[:2]
        st.caption(f"{plain(name)}, {width} × {height} pixels. Crops: {rows[0]['crops']}", help=hint("crops"))
        upload.flags(picture)
    with right:
        if not verdicts.has_answer(rows):
            _predictions(index, name, rows, classes)
            return
        verdicts.show_answer(rows, predictions.hardly_detected(run, rows[0]["crops"] == "combined"))
        of_models = [row for row in rows if row["model"] != DETECTOR]
        if of_models and (box := pickers.fold("What each model predicts", f"show-predictions-{index}")):
            with box:
                _predictions(index, name, of_models, classes)


def _predictions(index: int, name: str, rows: list[Row], classes: list[str]) -> None:
    st.markdown("  \n".join(map(_sentence, rows)))
    table = predictions.class_table(rows)
    tables.chart(_answers_figure(table, classes), f"answers-{index}", table, f"Predictions for {name}.")


@messages.guarded
def _whole_and_tiles(run: Run, picture: VisitorPicture, tag: str, models: list[str], task: str) -> None:
    """Show the crops of a large picture that a model receives, and its prediction for each.

    Args:
        tag: tag of the picture, which stays the same when another picture is removed.
    """
    box = pickers.fold("Whole and tiles: what a model receives, and what it predicts for each", f"show-tiles-{tag}")
    if not box:
        return
    with box:
        model = pickers.select("Model", f"tiles-model-{tag}", models)
        crops, probabilities = predictions.crop_table(run, picture.image, model, task)
        names = ["whole, reduced", *(f"tile {i}" for i in range(1, len(crops)))]
        words = [
            f"{name}: {probabilities[i].idxmax()} {in_percent(probabilities[i].max())}" for i, name in enumerate(names)
        ]
        pictures = [data_url(crop) for crop in crops]
        st.image(pictures, caption=[plain(text) for text in words], width=gallery.THUMBNAIL, alt=words)
        st.caption(
            "The whole shows color, tone, style and composition; the tiles are cut at the picture's own scale, from "
            "its upper left to its lower right, and show blur, noise and compression. "
            f"{predictions.rule_of(run, model)}"
        )
        tiles = probabilities.drop(columns=[0, "answer"]).mean(axis=1)
        shares = pd.DataFrame(
            {"whole": probabilities[0], "tiles, on average": tiles, "answer": probabilities["answer"]}
        )
        percent = st.column_config.NumberColumn(format="%.1f %%")
        tables.show_table(
            (shares.head(SHARES) * 100).reset_index(),
            f"tiles-{tag}",
            column_config=dict.fromkeys(shares.columns, percent),
        )


def _answers_figure(rows: pd.DataFrame, classes: list[str], columns: int = PANELS) -> Figure:
    """Return bars for a few models, or one table for many."""
    if rows["model"].nunique() > PANELS:
        return answers_chart(rows, cache.theme(), classes)
    return predictions_chart(rows, cache.theme(), columns=columns)


def _sentence(row: Row) -> str:
    """Return a sentence with the prediction of one model, or that the picture is too far from what it learned."""
    model, best = plain(row["model"]), row["classes"][0]
    if row["known"]:
        return f"{model}: **{best['class']}** {in_percent(best['probability'])}"
    return (
        f":material/help: {model}: **far from what this model knows**, so its answer means little "
        f"({best['class']} {in_percent(best['probability'])})"
    )


@fragment
def _change(run: Run, pictures: dict[str, VisitorPicture], models: list[str], task: str) -> None:
    st.header("Change a picture and watch", help=hint("strength"))
    left, right = st.columns(2)
    picture = pictures[pickers.select("Picture", "change-picture", list(pictures), where=left)]
    entries = {t.name: t for t in bank() if t.group != "identity"}
    labels = {t.name: f"{t.group} · {t.name}" for t in entries.values()}
    transform = entries[pickers.select("Transformation", "transform", list(entries), names=labels, where=right)]
    step = strength_slider(picture, run.recipe.view, transform)
    asked = predictions.predict(run, [step.before, step.after], ["before", "after"], models, task)
    if not asked:
        return  # why stands on the page
    rows = predictions.class_table(asked)
    st.markdown(
        f"**Before**, and **after {with_strength(transform.name, step.strength, 3)} {transform.unit}**, seen as the "
        "models see it:"
    )
    wide = len(models) > PANELS  # their tables stand one below the other
    places = [st.container(), st.container()] if wide else st.columns(2)
    for spot, name in zip(places, ["before", "after"], strict=True):
        with spot:
            if wide:
                st.subheader(name.capitalize())
            shown = rows[rows["image"] == name]
            figure = _answers_figure(shown, run.classes(task), columns=1)
            tables.chart(figure, f"change-{name}", shown, f"Predictions {name} the change.")


@fragment
def _neighbors(run: Run, pictures: dict[str, VisitorPicture], models: list[str]) -> None:
    st.header(
        "Neighbors in the run",
        help="The pictures of the run whose embeddings are nearest to that of yours, and where yours belongs on the "
        "maps: between its neighbors, the nearer the heavier.",
    )
    if not pickers.toggle("Show them", "neighbors"):
        return
    able = [m for m in models if run.has_embeddings(m)]
    if not able:
        gallery.embeddings_missing(run, "neighbors")
        return
    near = {
        (model, name): predictions.neighbors(run, picture.image, model, NEIGHBORS)
        for model in able
        for name, picture in pictures.items()
    }
    _on_the_maps(run, [m for m in able if run.has_map(m)][:MAX_NEIGHBOR_MAPS], near)
    left, right = st.columns(2)
    which = pickers.select("Of the picture", "neighbors-picture", list(pictures), where=left)
    model = pickers.select("To the model", "neighbors-model", able, where=right)
    found, similarity = near[model, which]
    rows = run.sample_rows(found).assign(similarity=similarity)
    gallery.show(run, rows, "neighbors-gallery", lambda r: f"{r.transform}, {r.label}, similarity {r.similarity:.2f}")
    tables.download(rows, "neighbors", "Neighbors as CSV")


def _on_the_maps(run: Run, models: list[str], near: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> None:
    if not models:
        messages.empty("None of these models has a map yet; the page Map draws one when you choose its model there.")
        return
    placed = []
    for (model, name), (found, similarity) in near.items():
        table = cache.map_of(run, model) if model in models else None
        at = None if table is None else place(table, found, similarity)
        if at is not None:
            placed.append({"model": model, "x": at[0], "y": at[1], "name": name})
    marks = pd.DataFrame(placed, columns=["model", "x", "y", "name"])
    points = points_of(run, models, "group")
    styles, unit = styles_of(run, "group", points["category"])
    figure = map_chart(panels(points), cache.theme(), styles, unit, marks=marks, revision=run.digest)
    tables.chart(figure, "places", marks, f"Where your pictures belong on the maps of {', '.join(models)}.")
    st.caption("Stars: your pictures, each between its nearest neighbors. Points: the run, colored by group.")


def _text(run: Run, pictures: dict[str, VisitorPicture]) -> None:
    reads = run.models.loc[run.models["text"].fillna(False).astype(bool), "name"]
    with_text = [model for model in reads if model in run.live_models]
    if not with_text:
        return
    st.header(
        "Compare with words",
        help="Cosine similarity of picture and text, by every model of the run that embeds both: compare pictures "
        "within a model, not models.",
    )
    text = state.choice(
        st.text_input, "Words", "words", "", placeholder="for example: a pencil sketch of a horse", max_chars=300
    )
    if not text:
        return
    images = [picture.image for picture in pictures.values()]
    rows = predictions.similarity(run, images, list(pictures), with_text, text)
    if not rows.empty:
        tables.show_table(rows.pivot_table("similarity", "image", "model", sort=False).reset_index(), "similarity")


def _named(pictures: list[VisitorPicture]) -> dict[str, VisitorPicture]:
    """Return the pictures by name; of two uploads that share one, the second is called ``name (2)``."""
    named: dict[str, VisitorPicture] = {}
    for picture in pictures:
        name, number = picture.name, 1
        while name in named:
            number += 1
            name = f"{picture.name} ({number})"
        named[name] = picture
    return named


show()
