"""Field to find one image on maps, by what is in it or by its thumbnail."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.data import cache
from dashboard.text import plain
from dashboard.widgets import pickers
from probing_core.results import PicturesMissing, Run

MAX_LISTED_IMAGES = 2000
"""Number of images in a list to select from at most; of more, those are listed whose name holds what is typed."""

KEY = "find-image"
THUMBNAILS, COLUMNS = 24, 8
"""Numbers of thumbnails that are shown at once, and of those beside each other."""


def pick(run: Run, models: list[str], reading: str, where: DeltaGenerator) -> str | None:
    """Show a field, and return the id of an image on the maps of ``models``; None until the visitor selects one."""
    names = _named_on_maps(run, models, reading)
    typed = ""
    if len(names) > MAX_LISTED_IMAGES:
        typed = where.text_input(
            "Find a picture on all maps", key=f"{KEY}-text", placeholder="what is in it, or its id"
        )
        names = {i: name for i, name in names.items() if typed and (typed == i or typed.lower() in name.lower())}
        if typed and not names:
            where.caption(f"No picture of this run is called '{plain(typed)}'.")
        if list(names) == [typed]:
            return typed
        names = dict(list(names.items())[:MAX_LISTED_IMAGES])
        if not names:
            return None
    image = where.selectbox(
        "Find a picture on all maps" if not typed else "Which of them",
        list(names),
        index=None,
        placeholder="what is in it",
        key=KEY,
        format_func=lambda image: names.get(image, image),
    )
    if not run.pictures.why_not and (box := pickers.fold("Find a picture by its thumbnail", "show-thumbnails")):
        with box:
            _thumbnails(run, names)
    return image


def _thumbnails(run: Run, names: dict[str, str]) -> None:
    images, pages = list(names), -(-len(names) // THUMBNAILS)
    page = st.number_input("Page", 1, pages, key=f"{KEY}-page", width=160) if pages > 1 else 1
    columns = st.columns(COLUMNS)
    for place, image in enumerate(images[(page - 1) * THUMBNAILS : page * THUMBNAILS]):
        with columns[place % COLUMNS]:
            try:
                st.image(cache.picture(run, int(run.samples_of([image])[0]), before=True), alt=names[image])
            except PicturesMissing:
                continue
            st.button(plain(names[image]), key=f"{KEY}-{image}", type="tertiary", on_click=_take, args=(image,))


def _take(image: str) -> None:
    st.session_state[KEY] = image


def _named_on_maps(run: Run, models: list[str], reading: str) -> dict[str, str]:
    """Return the images on the maps of ``models``, id -> its label with a number, ordered by label."""
    column = run.sample_columns("image_id")["image_id"]
    ids, codes = column.cat.categories, column.cat.codes.to_numpy()
    there = [np.unique(codes[cache.existing_map(run, model, reading)["sample"]]) for model in models]
    on_maps = run.images[run.images["image_id"].isin(ids[np.unique(np.concatenate(there))])]
    number = on_maps.groupby("label").cumcount() + 1
    names = on_maps["label"].astype(str).replace("", "picture") + " " + number.astype(str)
    return dict(sorted(zip(on_maps["image_id"], names, strict=True), key=lambda pair: _natural(pair[1])))


def _natural(name: str) -> tuple[str, int]:
    label, _, number = name.rpartition(" ")
    return label, int(number)
