"""Try your images: whether a picture was altered, and what every model answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache, examples, own_picture, predictions
from dashboard.data.pictures import VisitorPicture, data_url, reduced
from dashboard.data.predictions import Row
from dashboard.page import fragment, page
from dashboard.text import hint, named, plain, unbroken, with_strength
from dashboard.views import try_folder, try_game
from dashboard.widgets import answers, messages, pickers, tables, upload
from dashboard.widgets.asking import Question
from probing_core.api.scan import ABOUT_P
from probing_core.compute.live import PictureCrops
from probing_core.compute.names import DETECTOR
from probing_core.images.quality import FLAT, flatness
from probing_core.measures.notation import model_title
from probing_core.results import Run
from probing_core.transforms import bank

AT_ONCE = 3
"""Models that the page waits for; the others answer one after the other while it can be read."""

SEEN = {"direct": "seen whole", "combined": "seen whole and in tiles"}
"""How the detector and the models look at a picture -> the same for people."""

EXAMPLE = "example"

EXAMPLE_WIDTH = 96

PARTS = {"pictures": "Pictures", "folder": "A folder", "game": "You against the models"}


@page("Try your images", "Was a picture altered, and which models notice?")
def show() -> None:
    run = cache.current_run()
    part, place = pickers.tab(PARTS)
    with place:
        if part == "folder":
            try_folder.show()
        elif part == "game":
            try_game.show(run)
        else:
            _pictures(run)


def _pictures(run: Run) -> None:
    st.markdown(
        "Drop pictures in, or click an example: the detector of this run gives a verdict, and every model its own "
        "answer."
    )
    chosen = _choose_pictures()
    models = _models(run)
    with st.expander("How many pictures are expected to be altered"):
        prior = answers.pick_prior()
    if not chosen:
        messages.empty("No picture yet: click an example, upload some, or choose packaged photographs.")
        predictions.prepare(run, models)
        return
    pictures = _named(chosen)
    names = list(pictures)
    crops = {name: predictions.crops_of(run, picture) for name, picture in pictures.items()}
    asked = Question(run, models, prior)
    rows = _first_rows(asked, crops)
    if not rows:
        messages.empty("None of the first models could be asked.")
        return
    opened = _table_of_pictures(pictures, rows) if len(pictures) > 1 else names[0]
    mine = [row for row in rows if row["image"] == opened]
    fill = _card(asked, opened, pictures[opened], crops[opened], mine)
    below = st.container()
    with below:
        first = [m for m in models[:AT_ONCE] if any(row["model"] == m for row in rows)]
        _change(replace(asked, models=first), pictures[opened])
    mine = fill()
    others = [row for row in rows if row["image"] != opened]
    with below:
        tables.download(predictions.class_table([*mine, *others]), "predictions", "These predictions as CSV")


def _choose_pictures() -> list[VisitorPicture]:
    found = []
    left, right = st.container(key="pick-several").columns(2)
    with left:
        found += upload.upload("Your pictures", "try-upload", keep=True)
    with right:
        ids = list(cache.packaged().rows["image_id"])
        names = state.choice(
            st.multiselect,
            "Or packaged photographs",
            "samples",
            [],
            ids,
            max_selections=upload.MAX_UPLOADS,
            format_func=upload.title_of,
        )
        found += [upload.packaged(name) for name in names]
        if st.toggle("Use the camera", key="use-camera"):
            shot = st.camera_input("Camera", key="camera")
            found += upload.read_uploads([shot] if shot else [])
    clicked = _choose_example()
    return [*found, *([examples.example(clicked)] if clicked else [])]


def _choose_example() -> str:
    chosen = state.stored_choice(EXAMPLE)
    chosen = chosen if chosen in examples.NAMES else ""
    state.check(EXAMPLE, "the example", examples.NAMES, chosen)
    st.caption("Or an example: packaged photographs, untouched and transformed, and a drawn screenshot.")
    with st.container(horizontal=True, key="examples", gap="small"):
        for name in examples.NAMES:
            with st.container(width=EXAMPLE_WIDTH + 8, gap="xsmall", horizontal_alignment="center"):
                st.image(examples.thumbnail(name, EXAMPLE_WIDTH), width=EXAMPLE_WIDTH, alt=name)
                clicked = st.button(
                    name,
                    key=f"example-{name}",
                    type="primary" if name == chosen else "secondary",
                    width="stretch",
                )
                if clicked:
                    state.choose(EXAMPLE, "" if name == chosen else name)
                    st.rerun()
    if chosen:
        state.publish(EXAMPLE, chosen)
    else:
        state.forget(EXAMPLE)
    return chosen


def _models(run: Run) -> list[str]:
    """Return the models to ask: those chosen on other pages, then the most accurate."""
    able = predictions.most_accurate_first(run)
    first = state.stored_choices("models", able)
    state.check("models", "Models", run.models["name"], first)
    return [*first, *(m for m in able if m not in first)]


def _table_of_pictures(pictures: dict[str, VisitorPicture], rows: list[Row]) -> str:
    thumbnails = {
        name: data_url(reduced(picture.image, EXAMPLE_WIDTH), lossless=False) for name, picture in pictures.items()
    }
    # The detector's, where it could decide, else that of the first model.
    found = {name: [row for row in rows if row["image"] == name] for name in pictures}
    decided = {name: answers.detectors(mine) for name, mine in found.items()}
    flat = {name: _flat(picture) if decided[name] else 0.0 for name, picture in pictures.items()}
    shown = [decided[name] or found[name][0] for name in pictures]
    lines = [answers.line_of(row, thumbnails[row["image"]], flat[row["image"]]) for row in shown]
    st.html(answers.pictures_table(lines))
    return pickers.select("Card of", "card", list(pictures))


def _card(
    asked: Question, name: str, picture: VisitorPicture, crops: PictureCrops, rows: Sequence[Row]
) -> Callable[[], list[Row]]:
    """Show the verdict on one picture and the answers that exist already, its ``rows``.

    Returns:
        A function that asks the other models and shows each answer as it comes; it returns all rows.
    """
    waiting, theme = asked.models[AT_ONCE:], cache.theme()
    decided, given = answers.detectors(rows), [row for row in rows if row["model"] != DETECTOR]
    with st.container(border=True, key="answer"):
        left, right = st.columns([1, 4])
        with left:
            st.image(data_url(picture.shown, lossless=False), width="content", alt=name)  # never enlarged
            height, width = picture.image.shape[:2]
            st.caption(f"{plain(name)}, {width:,} × {height:,} pixels, {SEEN[crops.kind]}", help=hint("crops"))
            upload.flags(picture)
            if st.button("Show it on the maps", icon=":material/star:", key="pin"):
                own_picture.pin(picture)
                st.switch_page("views/explore.py")
        with right:
            if decided is not None:
                hardly = predictions.hardly_detected(
                    asked.run, crops.kind == "combined", decided["verdict"]["no_color"]
                )
                answers.show_answer(decided, hardly, _flat(picture), asked.prior, picture.notes)
            sentence, bars, between = st.empty(), st.empty(), st.empty()
            without = len(asked.run.models) - len(asked.models)
            others = f" {without} more models of the run have no probe for new pictures." if without else ""
            st.caption(f"{answers.ABOUT_ROWS}{others}")

    def fill() -> list[Row]:
        found = list(given)
        for number, model in enumerate(waiting, 1):
            found += asked.rows([model], {name: crops}, f"Asking {model_title(model)}")
            bars.html(answers.models_table({name: found}, theme, waiting[number:]))
        flat = _flat(picture)
        if found and (decided is None or flat <= FLAT):
            sentence.markdown(answers.noticed(found))
        if found and decided is not None:
            words = answers.which_to_believe(decided, found, flat, *predictions.measured(asked.run))
            between.caption(unbroken(words), help=ABOUT_P)
        return [*(row for row in rows if row["model"] == DETECTOR), *found]

    bars.html(answers.models_table({name: given}, theme, waiting))
    return fill


def _first_rows(asked: Question, crops: Mapping[str, PictureCrops]) -> list[Row]:
    detector = [DETECTOR] if predictions.predictor_of(asked.run).has_detector else []
    return asked.rows([*detector, *asked.models[:AT_ONCE]], crops)


def _flat(picture: VisitorPicture) -> float:
    return _flatness(picture.key, picture.image)


@st.cache_resource(max_entries=200, show_spinner=False)
def _flatness(key: str, _image: np.ndarray) -> float:
    return flatness(_image)


@fragment
def _change(asked: Question, picture: VisitorPicture) -> None:
    if box := pickers.fold("Change this picture and watch", "show-change"):
        with box:
            _changed(asked, picture)


def _changed(asked: Question, picture: VisitorPicture) -> None:
    entries = {t.name: t for t in bank() if t.group != "identity"}
    labels = {t.name: f"{t.group} · {named(t.name)}" for t in entries.values()}
    transform = entries[
        pickers.select("Transformation", "transform", list(entries), names=labels, help=hint("strength"))
    ]
    run = asked.run
    step = strength_slider(picture, run.recipe.view, transform)
    # Untouched it is the picture of the card, and has the card's answers.
    before = predictions.crops_of(run, picture)
    after = before if step.strength == transform.neutral else PictureCrops(step.after)
    rows = _first_rows(asked, {"before": before, "after": after})
    if not rows:
        return  # the page shows why
    done = with_strength(transform.name, step.strength, 3)
    st.markdown(f"First answers **before**, and **after {done}**, about the part that models see:")
    seen = "a square of" if before.kind == "direct" else "a square, and parts at their own scale, of"
    st.caption(
        f"Before: {seen} {run.recipe.view} pixels, as on the card. After: one square of {run.recipe.view} pixels, "
        "reduced and cut as the pictures of the run are."
    )
    both = {when: [row for row in rows if row["image"] == when] for when in ("before", "after")}
    st.html(answers.models_table(both, cache.theme()))
    tables.download(predictions.class_table(rows), "change", "Predictions before and after as CSV")


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
