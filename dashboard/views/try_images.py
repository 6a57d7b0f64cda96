"""Try your images: whether a picture was altered, and what every model answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard import state
from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache, examples, own_picture, predictions
from dashboard.data.pictures import VisitorPicture, data_url, reduced
from dashboard.data.predictions import Row
from dashboard.page import fragment, page
from dashboard.text import hint, plain, unbroken, with_strength
from dashboard.views import try_folder, try_game
from dashboard.widgets import answers, asking, messages, pickers, tables, upload
from probing_core.api.scan import ABOUT_P
from probing_core.compute.live import PictureCrops
from probing_core.compute.names import DETECTOR
from probing_core.images.quality import FLAT
from probing_core.results import Run
from probing_core.transforms import resolve

CHANGE_ASKS = 3
"""Models that answer about the picture while it is changed."""

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
        st.caption("The probabilities depend on this share. Which pictures raise an alarm does not.")
    if not chosen:
        messages.empty("No picture yet: click an example, upload some, or choose packaged photographs.")
        predictions.prepare(run, models)
        return
    pictures = _named(chosen)
    crops = {name: predictions.crops_of(run, picture) for name, picture in pictures.items()}
    first = [*_detector(run), *models]
    rows = next(filter(None, (asking.rows(run, [model], crops, prior) for model in first)), [])
    if not rows:
        messages.empty("None of the models could be asked; choose another run.")
        return
    opened = _table_of_pictures(pictures, rows, prior) if len(pictures) > 1 else next(iter(pictures))
    picture, (row,) = pictures[opened], (row for row in rows if row["image"] == opened)
    fill = _card(run, opened, picture, crops[opened], row, models, prior)
    below = st.container()
    with below:
        _change(run, picture, models[:CHANGE_ASKS], prior)
    found = fill()
    shown = [row for row in rows if row["model"] == DETECTOR or row["image"] != opened]
    with below:
        tables.download(predictions.class_table([*shown, *found]), "predictions", "These predictions as CSV")


def _detector(run: Run) -> list[str]:
    return [DETECTOR] if predictions.predictor_of(run).has_detector else []


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


def _table_of_pictures(pictures: dict[str, VisitorPicture], rows: list[Row], prior: float) -> str:
    """Show the first answer about each picture, and return the name of the picture whose card is open."""
    lines = []
    for row in rows:
        picture = pictures[row["image"]]
        thumbnail = data_url(reduced(picture.image, EXAMPLE_WIDTH), lossless=False)
        lines.append(answers.line_of(row, thumbnail, picture.flatness, prior))
    st.html(answers.pictures_table(lines))
    st.caption("A verdict compares a picture with untouched photographs of its kind.", help=ABOUT_P)
    return pickers.select("Card of", "card", list(pictures))


def _card(
    run: Run,
    name: str,
    picture: VisitorPicture,
    crops: PictureCrops,
    row: Row,
    models: Sequence[str],
    prior: float,
) -> Callable[[], list[Row]]:
    """Show a picture and the verdict on it.

    Args:
        row: the first answer about it, of the detector if there is one.

    Returns:
        A function that asks the models and shows each answer as it comes; it returns all rows.
    """
    flat, theme = picture.flatness, cache.theme()
    decided = row if answers.is_verdict(row) else None
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
            if decided:
                hardly = predictions.hardly_detected(run, crops.kind == "combined", decided["verdict"]["no_color"])
                answers.show_answer(decided, hardly, flat, prior, picture.notes)
            sentence, bars, between = st.empty(), st.empty(), st.empty()
            without = len(run.models) - len(models)
            others = f" {without} more models of the run have no probe for new pictures." if without else ""
            st.caption(f"{answers.ABOUT_ROWS}{others}")

    def draw(rows: Sequence[Row], waiting: Sequence[str]) -> None:
        bars.html(answers.models_table({name: rows}, theme, waiting))

    def fill() -> list[Row]:
        found = asking.one_by_one(run, models, {name: crops}, prior, draw)
        if found and (decided is None or flat <= FLAT):
            sentence.markdown(answers.noticed(found))
        if found and decided:
            # A visitor's pictures are others than those that the run tested.
            measured = next(reversed(predictions.measured(run)), None)
            between.caption(unbroken(answers.which_to_believe(decided, found, flat, prior, measured)), help=ABOUT_P)
        return found

    draw([], models)
    return fill


@fragment
def _change(run: Run, picture: VisitorPicture, models: Sequence[str], prior: float) -> None:
    if not (box := pickers.fold("Change this picture and watch", "show-change")):
        return
    with box:
        transform = resolve(pickers.pick_transform(run, help=hint("strength")))
        step = strength_slider(picture, run.recipe.view, transform)
        crops = {"before": PictureCrops(step.before), "after": PictureCrops(step.after)}
        rows = asking.rows(run, [*_detector(run), *models], crops, prior)
        done = with_strength(transform.name, step.strength, 3)
        st.markdown(f"Answers about the square shown above, **before** and **after {done}**:")
        st.caption(
            f"It is {run.recipe.view} pixels wide, from the middle of the picture. The card is about more of the "
            "picture, so *before* may differ from it."
        )
        st.html(answers.models_table({"before": rows[::2], "after": rows[1::2]}, cache.theme()))


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
