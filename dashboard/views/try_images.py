"""The "Try your images" page: the detector's answer for an image, and the predictions of every model.

The answers are computed by `probing_core.api.predictor.Predictor.ask` with the formulas in
`probing_core.answers.answer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import cv2
import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import state
from dashboard.components.explorer import explorer_of, shown_models
from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache, examples, own_picture, predictions
from dashboard.data.pictures import VisitorPicture, data_url, reduced
from dashboard.data.predictions import Row
from dashboard.page import fragment, page
from dashboard.text import hint, plain, with_strength
from dashboard.views import try_folder, try_game
from dashboard.widgets import answer_cards, asking, messages, pickers, tables, upload
from probing_core.answers.answer import Answer, Unavailable
from probing_core.answers.crops import COMBINED, DIRECT, Crops, tile_corners
from probing_core.answers.reference_sets import highest_tile
from probing_core.charts import evidence_chart
from probing_core.compute.task_names import DETECTOR
from probing_core.errors import ProbingError
from probing_core.measures.statistics import with_place
from probing_core.results import Run
from probing_core.transforms import resolve

FIRST_MODELS = 10
"""Maximum number of models that are shown initially."""

CHANGE_ASKS = 3
"""Number of models that predict transformed versions of the image."""

SEEN = {DIRECT: "central square", COMBINED: "central square and tiles"}
"""Kind of crops -> display name."""

EXAMPLE = "example"
EXAMPLE_WIDTH = 96

FIRST_EXAMPLE = "blur"
"""Example that is shown until the visitor selects an image."""

PARTS = {"pictures": "Images", "folder": "A folder", "game": "You vs. the models"}


@page("Try your images", "Upload an image to see whether it was edited and what the models predict.")
def show() -> None:
    run = cache.current_run()
    part, place = pickers.tab(PARTS)
    with place:
        if part == "folder":
            try_folder.show()
        elif part == "game":
            try_game.show(run)
        else:
            _images(run)


def _images(run: Run) -> None:
    left, right = st.columns([1, 3], gap="medium")
    with left:
        chosen = _choose_images()
    models = _models(run)
    with right:
        _answers(run, _named(chosen), models)
    if chosen[0] is examples.example(FIRST_EXAMPLE):  # its answers may be recorded
        predictions.prepare(run, models[:FIRST_MODELS])
    else:
        with suppress(ProbingError):  # the run has no maps
            own_picture.prepare_gallery(run, explorer_of(run).data, shown_models(run))


def _answers(run: Run, pictures: dict[str, VisitorPicture], models: Sequence[str]) -> None:
    prior = answer_cards.stored_prior()
    crops = {name: predictions.crops_of(run, picture) for name, picture in pictures.items()}
    first = [*_detector(run), *models]
    rows = next(filter(None, (asking.rows(run, [model], crops, prior) for model in first)), [])
    if not rows:
        messages.empty("No model in this run is available. Select a different run.")
        return
    opened = _list_images(pictures, rows) if len(pictures) > 1 else next(iter(pictures))
    picture = pictures[opened]
    answer, place = _show_answer(run, opened, picture, crops[opened], prior)
    model_rows = _show_models(run, opened, crops[opened], models, prior)
    if answer is not None and (text := answer_cards.disagreement(answer, model_rows, prior)):
        place.info(text, icon=":material/balance:")
    with st.expander("Prior"):
        answer_cards.pick_prior()
        st.caption("Probabilities depend on this fraction, but p-values do not.")
    _change(run, picture, models[:CHANGE_ASKS], prior)
    every_answer = predictions.all_answers(run, [*_detector(run), *models], crops, prior)
    tables.download(every_answer, "predictions", "Download predictions (CSV)")
    st.page_link("views/before_after.py", label="Do you have the original?", icon=":material/compare:")


def _detector(run: Run) -> list[str]:
    return [DETECTOR] if predictions.predictor_of(run).has_detector else []


def _choose_images() -> list[VisitorPicture]:
    pictures = []
    with st.container(key="pick-several"):
        pictures += upload.upload("Your images", "try-upload", keep=True)
    example = st.container()
    ids = list(cache.packaged().rows["image_id"])
    names = state.choice(
        st.multiselect,
        "Or included photographs",
        "samples",
        [],
        ids,
        max_selections=upload.MAX_UPLOADS,
        format_func=upload.title_of,
    )
    pictures += [upload.packaged(name) for name in names]
    if st.toggle("Use the camera", key="use-camera"):
        shot = st.camera_input("Camera", key="camera")
        pictures += upload.read_uploads([shot] if shot else [])
    with example:
        clicked = _choose_example("" if pictures else FIRST_EXAMPLE)
    return [*pictures, *([examples.example(clicked)] if clicked else [])]


def _choose_example(default: str) -> str:
    """Show the examples, and return the name of the selected example, or ``default`` if none is selected."""
    stored = state.stored_choice(EXAMPLE)
    chosen = stored if stored in examples.NAMES else default
    state.check(EXAMPLE, "the example", examples.NAMES, chosen)
    st.caption("Or an example")
    with st.container(horizontal=True, key="examples", gap="small"):
        for name in examples.NAMES:
            with st.container(
                key=f"example-card-{name}", width=EXAMPLE_WIDTH + 8, gap="xsmall", horizontal_alignment="center"
            ):
                st.image(examples.thumbnail(name, EXAMPLE_WIDTH), width=EXAMPLE_WIDTH, alt=name)
                clicked = st.button(
                    name,
                    key=f"example-{name}",
                    type="primary" if name == chosen else "secondary",
                    width="stretch",
                )
                if clicked:
                    state.choose(EXAMPLE, "" if name == stored else name)
                    st.rerun()
    if stored in examples.NAMES:
        state.publish(EXAMPLE, stored)
    else:
        state.forget(EXAMPLE)
    return chosen


def _models(run: Run) -> list[str]:
    """Return the available models: models selected on other pages, followed by all others, most accurate first.

    Additional seeds are omitted.
    """
    able = with_place(predictions.most_accurate_first(run))
    first = state.stored_choices("models", able)
    state.check("models", "Models", run.models["name"], first)
    return [*first, *(m for m in able if m not in first)]


def _list_images(pictures: dict[str, VisitorPicture], rows: list[Row]) -> str:
    """Show a table with an answer for each image, and return the name of the open image."""
    stored = state.stored_choice("card")
    opened = stored if stored in pictures else next(iter(pictures))
    lines = []
    for row in rows:
        picture = pictures[row["image"]]
        thumbnail = data_url(reduced(picture.image, EXAMPLE_WIDTH), lossless=False)
        lines.append(answer_cards.line_of(row, thumbnail))
    answer_cards.pick_of_lines(lines, opened, lambda name: state.choose("card", name))
    state.publish("card", opened)
    return opened


def _show_answer(
    run: Run, name: str, picture: VisitorPicture, crops: Crops, prior: float
) -> tuple[Answer | None, DeltaGenerator]:
    """Show an image and, if the run has a detector, the detector's answer and its evidence.

    Returns:
        The answer, if any, and a placeholder next to it.
    """
    answer = _answer_of_detector(run, crops)
    left, right = st.columns([1, 3])
    with left:
        height, width = picture.image.shape[:2]
        tile = None if answer is None else highest_tile(answer, prior)
        corner = None if tile is None else tile_corners(height, width, run.recipe.view)[tile]
        st.image(data_url(outlined(picture, corner, run.recipe.view), lossless=False), width="stretch", alt=name)
        st.caption(f"{plain(name)}, {width:,} × {height:,} pixels, {SEEN[crops.kind]}", help=hint("crops"))
        if corner:
            st.caption("The outline marks the tile with the highest edit score.")
        if answer is None:
            upload.flags(picture)
        if st.button("Show on the maps", icon=":material/star:", key="pin"):
            own_picture.pin(picture)
            st.switch_page("views/explore.py")
    if answer is None or answer.evidence is None:
        return None, right
    abstains = answer.unavailable == Unavailable.NO_PHOTOGRAPH
    reference = None if abstains else predictions.reference_set(run, answer.evidence.kind)
    with right:
        answer_cards.show_answer(answer, prior)
        if reference is not None and answer.probability(prior) is not None:
            st.markdown(answer_cards.error_rate(answer, reference, prior))
        if reference is not None and not np.isnan(answer.score):
            edited_scores = reference.edits.visible["score"].to_numpy()
            title = answer_cards.strip_title(answer)
            figure = evidence_chart(answer.score, reference.clean, edited_scores, cache.theme())
            st.markdown(plain(title))  # the title of a chart would not wrap on a phone
            st.plotly_chart(figure, theme=None, key="evidence", config={"displayModeBar": False}, alt=title)
        st.caption(answer_cards.remarks(answer, picture.notes, reference, prior))
        return answer, st.empty()


def _answer_of_detector(run: Run, crops: Crops) -> Answer | None:
    if not _detector(run):
        return None
    try:
        return predictions.ask(run, DETECTOR, [crops])[0]
    except ProbingError:  # the page has already shown a warning
        return None


def outlined(picture: VisitorPicture, corner: tuple[int, int] | None, view: int) -> np.ndarray:
    """Return an image at display size with the outline of a tile, or without an outline if ``corner`` is None.

    Args:
        picture: the image.
        corner: upper left corner (x, y) of the tile in the full-size image.
        view: side length of the tile in the full-size image.
    """
    reduced = picture.shown
    if corner is None:
        return reduced
    drawn, scale = reduced.copy(), reduced.shape[1] / picture.image.shape[1]
    first = round(corner[0] * scale), round(corner[1] * scale)
    last = round((corner[0] + view) * scale) - 1, round((corner[1] + view) * scale) - 1
    thick = max(2, round(max(reduced.shape[:2]) / 100))
    cv2.rectangle(drawn, first, last, (255, 255, 255), 3 * thick)
    cv2.rectangle(drawn, first, last, (213, 94, 0), thick)
    return drawn


def _show_models(run: Run, name: str, crops: Crops, models: Sequence[str], prior: float) -> list[Row]:
    """Show the answer of each model as soon as it is available, and return all rows."""
    theme, accuracies, bars = cache.theme(), predictions.accuracies(run), st.empty()
    shows_all = answer_cards.show_all_models(len(models), FIRST_MODELS)
    shown_models = models if shows_all else models[:FIRST_MODELS]

    def draw(rows: Sequence[Row], waiting: Sequence[str]) -> None:
        bars.html(answer_cards.models_table({name: rows}, theme, accuracies, waiting))

    draw([], shown_models)
    rows = asking.one_by_one(run, shown_models, {name: crops}, prior, draw)
    if crops.is_flat:
        st.caption("No answers are available for this image, because the models were trained only on photographs.")
    messages.left_out(run.models["name"], models, "they cannot be run on new images")
    return rows


@fragment
def _change(run: Run, picture: VisitorPicture, models: Sequence[str], prior: float) -> None:
    if not (box := pickers.fold("Apply a transformation and compare", "show-change")):
        return
    with box:
        transform = resolve(pickers.pick_transform(run, help=hint("strength")))
        step = strength_slider(picture, run.recipe.view, transform)
        edited = predictions.edited_crops(run, picture, transform, step.strength)
        crops = {"before": predictions.crops_of(run, picture), "after": edited}
        rows = asking.rows(run, [*_detector(run), *models], crops, prior)
        edit = with_strength(transform.name, step.strength, 3)
        st.markdown(f"Answers for the full image, **before** and **after {edit}**:")
        largest = predictions.largest_edited(run)
        if min(picture.image.shape[:2]) > largest:
            st.caption(f"The transformation is applied to a copy whose shorter side has {largest:,} pixels.")
        compared = {"before": rows[::2], "after": rows[1::2]}
        st.html(answer_cards.models_table(compared, cache.theme(), predictions.accuracies(run)))


def _named(pictures: list[VisitorPicture]) -> dict[str, VisitorPicture]:
    """Return the images by name. The second of two uploads with the same name is renamed to ``name (2)``."""
    named: dict[str, VisitorPicture] = {}
    for picture in pictures:
        name, number = picture.name, 1
        while name in named:
            number += 1
            name = f"{picture.name} ({number})"
        named[name] = picture
    return named


show()
