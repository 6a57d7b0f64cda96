"""Transformations: the bank on one picture, and each transform at any strength."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from dashboard import state
from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache
from dashboard.data.pictures import VisitorPicture
from dashboard.data.previews import VIEW, contact_sheet, versions
from dashboard.page import fragment, page
from dashboard.text import hint, named, strengths_in_words, unbroken
from dashboard.widgets import messages, pickers, upload
from probing_core.errors import BadRun, UnknownName
from probing_core.transforms import GROUPS, Transform, bank, prepare_source, resolve

IN_A_ROW = 3

DRAWN = {"linear": "evenly", "log": "evenly in the logarithm", "integer": "evenly among whole numbers"}
"""Distribution of the strengths -> how they are drawn, in words."""

PARTS = {"sheet": "All of them", "one": "One at any strength"}


@page("Transformations", "What is done to pictures: thirty transformations, in ten groups.")
def show() -> None:
    entries = _entries()
    changes = [t for t in entries if t.group != "identity"]
    groups = len({t.group for t in changes})
    messages.finding(
        f"{len(changes)} transformations in {groups} group{'s' * (groups != 1)} are applied to photographs, "
        "each at strengths drawn from its range."
    )
    picture = upload.pick_one()
    part, place = pickers.tab(PARTS)
    with place:
        {"sheet": _sheet, "one": _one}[part](picture, entries)


def _entries() -> tuple[Transform, ...]:
    """Return the bank, or the transformations of the selected run where they are others, such as those of a plug-in."""
    try:
        run = cache.current_run()
    except BadRun:
        return bank()
    names = [name for name in run.transforms["transform"] if name not in run.far]
    if set(names) <= {t.name for t in bank()}:
        return bank()
    known = []
    for name in names:
        with suppress(UnknownName):  # of a plug-in that this server has not loaded
            known.append(resolve(name))
    return tuple(known)


@fragment
def _one(picture: VisitorPicture, entries: tuple[Transform, ...]) -> None:
    by_name = {t.name: t for t in entries}
    names = {t.name: f"{t.group} · {named(t.name)}" for t in entries}
    default = next(t.name for t in entries if t.group != "identity")
    transform = by_name[pickers.select("Transformation", "transform", list(by_name), default, names, hint("strength"))]
    words = transform.definition
    if transform.unseen_in is not None:
        words += " Generalization also shows how well its group is recognized by probes that never saw it."
    st.markdown(words)
    strength_slider(picture, VIEW, transform)
    others = [named(t.name) for t in entries if t.group == transform.group and t != transform]
    learned = strengths_in_words(transform.name, transform.weakest, transform.strongest, 3)
    facts = {
        "group": f"{transform.group}, with {' and '.join(others)}" if others else transform.group,
        "probes learn from": f"{learned}, drawn {DRAWN[transform.distribution]}",
        "made by": transform.library,
        "source": transform.source,
    }
    st.table({name: fact for name, fact in facts.items() if fact}, border="horizontal")


def _sheet(picture: VisitorPicture, entries: tuple[Transform, ...]) -> None:
    st.caption("Weakest, middle and strongest of each range. The name under a strip opens it at any strength.")
    with st.spinner("Transforming"):
        strips = contact_sheet(picture, entries)
    with st.container(key="sheet"):
        st.markdown("**untouched**")
        first = entries[0]
        before, _ = versions(prepare_source(picture.image, VIEW), VIEW, first, first.strength_at(0))
        st.image(before, width=VIEW, alt="the picture, untouched")
        for group in GROUPS:
            members = [t for t in entries if t.group == group != "identity"]
            if members:
                st.markdown(f"**{group}**")
                columns = st.columns(IN_A_ROW)
                for i, transform in enumerate(members):
                    with columns[i % IN_A_ROW]:
                        _strip(transform, strips[transform.name])


def _strip(transform: Transform, strip: bytes) -> None:
    with st.container(key=f"strip-{transform.name}"):  # has its height before the picture arrives
        st.image(strip, width="stretch", alt=f"{transform.name} at three strengths")
    strengths = strengths_in_words(transform.name, transform.weakest, transform.strongest, 3)
    title = unbroken(f"{named(transform.name)}: {strengths}")
    if st.button(title, key=f"open-{transform.name}", type="tertiary", icon=":material/tune:"):
        state.choose("transform", transform.name)
        state.choose("part", "one")
        st.rerun()


show()
