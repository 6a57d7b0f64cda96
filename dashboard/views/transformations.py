"""Transformations: the bank on one picture, and each transform at any strength."""

from __future__ import annotations

from contextlib import suppress

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.strength_slider import strength_slider
from dashboard.data import cache
from dashboard.data.contact_sheet import VIEW, contact_sheet
from dashboard.data.pictures import VisitorPicture
from dashboard.data.resize_loss import survival
from dashboard.page import fragment, page
from dashboard.text import hint, named, plain, strengths_in_words
from dashboard.widgets import pickers, tables, upload
from probing_core.errors import BadRun, UnknownName
from probing_core.transforms import GROUPS, Transform, bank, resolve

IN_A_ROW = 3
"""Number of transformations of a group beside each other."""

LOST = 20
"""Percent of a transformation's change below which a model can hardly detect it."""


@page("Transformations", "What is done to pictures: thirty transformations and identity, in ten groups.")
def show() -> None:
    entries = _entries()
    changes = [t for t in entries if t.group != "identity"]
    groups = len({t.group for t in changes})
    with st.container(key="finding"):
        st.markdown(
            f"{len(changes)} transformations in {groups} group{'s' * (groups != 1)} are applied to photographs, "
            "at strengths drawn from the range that stands below each."
        )
    picture = upload.pick_one()
    _sheet(picture, entries)
    _one(picture, entries)
    _table(entries)
    _survival()


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
    names = {t.name: f"{t.group} · {t.name}" for t in entries}
    default = next(t.name for t in entries if t.group != "identity")
    st.header("One at any strength", help=hint("strength"))
    transform = by_name[pickers.select("Transformation", "transform", list(by_name), default, names)]
    words = transform.definition
    if transform.unseen_in is not None:
        words += f" In rotation {transform.unseen_in} of Generalization, probes that never learned it are tested on it."
    st.markdown(words)
    strength_slider(picture, VIEW, transform)


def _sheet(picture: VisitorPicture, entries: tuple[Transform, ...]) -> None:
    st.caption("Weakest, middle and strongest of each range. The name under a strip opens it on Explore.")
    with st.spinner("Transforming"):
        strips = contact_sheet(picture, entries)
    for group in GROUPS:
        members = [t for t in entries if t.group == group]
        if not members:
            continue
        st.subheader(group)
        columns = st.columns(IN_A_ROW)
        for i, transform in enumerate(members):
            with columns[i % IN_A_ROW]:
                with st.container(key=f"strip-{transform.name}"):  # has its height before the picture arrives
                    st.image(strips[transform.name], width="stretch", alt=f"{transform.name} at three strengths")
                if st.button(
                    _strip_title(transform), key=f"open-{transform.name}", type="tertiary", icon=":material/tune:"
                ):
                    state.choose("transform", transform.name)
                    st.switch_page("views/explore.py")


def _strip_title(transform: Transform) -> str:
    if transform.group == "identity":
        return "identity: as it is"
    return f"{named(transform.name)}: {strengths_in_words(transform.name, transform.weakest, transform.strongest, 3)}"


def _table(entries: tuple[Transform, ...]) -> None:
    st.header("The bank" if entries == bank() else "All of them")
    distances = _median_distances()
    table = pd.DataFrame(
        [
            {
                "name": t.name,
                "group": t.group,
                "member": t.member,
                "unseen in rotation": t.unseen_in,
                "definition": t.definition,
                "parameter": t.parameter,
                "unit": t.unit,
                "weakest": t.weakest,
                "strongest": t.strongest,
                "drawn": t.distribution,
                "median distance": distances.get(t.name),
                "library": t.library,
                "source": t.source,
            }
            for t in entries
        ]
    )
    tables.show_table(
        table,
        "bank",
        column_config={"median distance": st.column_config.NumberColumn(format="%.3f", help=hint("distance"))},
    )


def _survival() -> None:
    st.header("What reaches each model", help=hint("survival"))
    st.caption(
        "Models resize and crop pictures as they were trained. A reduction averages blur, noise and compression away "
        "before the network sees them; a crop loses what happens at the edges."
    )
    if not pickers.toggle("Measure it", "survival", help="On a few photographs, in some seconds."):
        return
    try:
        run = cache.current_run()
    except BadRun:
        st.info("This needs a run, for its models and the size of its pictures.")
        return
    with st.spinner("Resizing pictures as the models do", show_time=True):
        table, ways, without = survival(run)
    if ways:
        st.caption(
            f"Percent of the change (root mean square over pixels) that is left, for packaged photographs of "
            f"{run.recipe.view} pixels at the middle of each range."
        )
        shown = {way: st.column_config.NumberColumn(format="%.0f %%", help=", ".join(m)) for way, m in ways.items()}
        tables.show_table(table, "survival", column_config=shown)
        for way, models in ways.items():
            lost = table[table[way] < LOST]["transform"]
            if len(lost):
                st.markdown(f"Hardly anything reaches {plain(', '.join(models))} of: **{', '.join(lost)}**.")
    if without:
        st.caption(f"State no resize of their own: {plain(', '.join(without))}.")


def _median_distances() -> dict[str, float]:
    """Return the median distance by transform of the samples of the selected run; empty without a run."""
    try:
        samples = cache.current_run().sample_columns("transform", "distance")
    except BadRun:
        return {}
    if samples.empty:
        return {}
    return {str(name): float(d) for name, d in samples.groupby("transform", observed=True)["distance"].median().items()}


show()
