"""Selectors, charts and galleries that several pages share. Selectors return plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.downloads import Table, download, offer
from dashboard.components.plot import plot
from dashboard.data import cache
from dashboard.text import hint, plain
from dashboard.widgets.columns import columns_of
from probing_core.charts import Figure
from probing_core.errors import ProbingError
from probing_core.results import PicturesMissing, Run, summaries
from probing_core.results.ranking import measure_of

TASK_NAMES = {
    "fine": "fine: which transformation?",
    "group-0": "group, rotation 0 (C unseen)",
    "group-1": "group, rotation 1 (A unseen)",
    "group-2": "group, rotation 2 (B unseen)",
    "content": "content: what is in it?",
}
SUBSETS = {
    "seen": "all that the probe may know",
    "visible": "visible changes only",
    "unseen": "unseen transformations",
    "far": "far-unseen styles",
}
GALLERY_PAGE = 24
THUMBNAIL = 128
WHOLE_TABLE = 16
"""Rows that a table shows without scrolling."""


def select(
    label: str,
    name: str,
    options: Sequence[Any],
    default: Any = None,
    names: dict | None = None,
    help: str | None = None,
    where: Any = st,
) -> Any:
    """A select box whose choice is kept under ``name``."""
    options = list(options)
    state.remember(name, options, default if default in options else options[0])
    value = where.selectbox(label, options, key=name, help=help, format_func=lambda o: (names or {}).get(o, str(o)))
    state.publish(name, value)
    return value


def segments(
    label: str,
    name: str,
    options: Sequence[str],
    default: str | None = None,
    names: dict | None = None,
    help: str | None = None,
    where: Any = st,
) -> str:
    """One of a few options, all of them in sight."""
    state.remember(name, options, default or options[0])
    value = where.segmented_control(
        label, options, key=name, help=help, required=True, format_func=lambda o: (names or {}).get(o, o), wrap=True
    )
    state.publish(name, value)
    return value


def toggle(label: str, name: str, default: bool = False, help: str | None = None, where: Any = st) -> bool:
    state.remember(name, None, default)
    value = where.toggle(label, key=name, help=help)
    state.publish(name, value)
    return value


def pick_model(run: Run, where: Any = st) -> str:
    """One model; a page that shows several begins with it."""
    models = list(run.models["name"])
    several = state.chosen_of("models", models)
    value = select("Model", "model", models, several[0] if several else models[0], where=where)
    if several and value not in several:
        state.choose("models", [value, *several[:-1]])
    return value


def pick_models(
    run: Run,
    limit: int | None = None,
    where: Any = st,
    name: str = "models",
    default: int = 2,
    prefer: Callable[[str], bool] = lambda model: True,
) -> list[str]:
    """Several models; none only where the run has none. A page that shows one shows one of them.

    Where more were chosen on another page than this one can show, the first are shown, and the choice stays.

    Args:
        limit: how many the page can show.
        default: how many are chosen where nobody chose, of those that ``prefer`` likes.
    """
    models = list(run.models["name"])
    known = [m for m in (*state.chosen_of("model", models), *models) if prefer(m)]
    first = list(dict.fromkeys(known))[:default] or models[:1]
    state.remember(name, models, first)
    st.session_state[name] = st.session_state[name] or first
    most = None if limit is None else max(limit, len(st.session_state[name]))
    value = where.multiselect("Models", models, key=name, max_selections=most, wrap=True)
    state.publish(name, value)
    if value and state.chosen("model") not in value:
        state.choose("model", value[0])
    if limit is not None and len(value) > limit:
        where.caption(f"Shown are the first {limit} of the {len(value)} models chosen.")
    return value[:limit] or models[:1]


def pick_task(run: Run, where: Any = st, name: str = "task") -> str:
    return select("Task", name, run.tasks, "fine", TASK_NAMES, help=f"{hint('fine')} {hint('group')}", where=where)


def pick_subset(run: Run, task: str, where: Any = st, name: str = "subset") -> str:
    """Which samples of the task count; those that the run has scores for."""
    scored = cache.kept(run, summaries.scored, task)
    there = [s for s in SUBSETS if (s, measure_of(s)) in scored]
    return select("Samples", name, there or ["seen"], "seen", SUBSETS, help=hint("visible"), where=where)


def pick_transform(run: Run, where: Any = st, name: str = "transform", identity: bool = False) -> str:
    table = run.transforms if identity else run.transforms[run.transforms["group"] != "identity"]
    names = {t: f"{g} · {t}" for t, g in zip(table["transform"], table["group"], strict=True)}
    return select("Transformation", name, list(table["transform"]), names=names, where=where)


def chart(
    figure: Figure,
    key: str,
    table: Table,
    alt: str,
    on_pick: Callable[[list[Any]], None] | None = None,
    tools: bool = False,
) -> None:
    """A figure with its data to download; its own menu saves the picture. More in `plot`."""
    state.write_address()  # now: the browser draws the charts before it again
    with st.container(key=f"chart-{key}"):
        plot(figure, key, alt, offer(table, key), on_pick, tools)


def show_table(table: pd.DataFrame, key: str, **options: Any) -> Any:
    """A table with its data to download; one of moderate length is shown whole, and notes that nobody made are not."""
    shown = table.drop(columns="note") if "note" in table and not table["note"].any() else table
    settings = columns_of(shown.columns) | options.pop("column_config", {})
    height = options.pop("height", "content" if len(shown) <= WHOLE_TABLE else "auto")
    result = st.dataframe(shown, hide_index=True, key=key, column_config=settings, height=height, **options)
    download(table, key)
    return result


def fold(label: str, name: str) -> Any:
    """A part of a page that is made once somebody opens it; what is open stands in the address.

    Args:
        name: begins with `state.FOLD`.

    Returns:
        The container if it is open, else None.
    """
    state.remember(name, None, False)
    box = st.expander(label, key=name, on_change="rerun")
    if box.open:
        state.publish(name, True)
        return box
    state.forget(name)  # an address lists what is open
    return None


def notes(table: pd.DataFrame) -> None:
    """What a reader must know of the numbers of ``table``, each note once with how many of them it is about."""
    counts = table.loc[table["note"] != "", "note"].astype(str).value_counts()
    if len(counts):
        told = [(str(note), n) for note, n in counts.items()]
        said = (f"{plain(note[0].upper() + note[1:])} ({n} of {len(table)})." for note, n in told)
        st.caption(" ".join(said))


def guarded(part: Callable[..., None]) -> Callable[..., None]:
    """A part of a page that is run by itself: what goes wrong there is told there."""

    @wraps(part)
    def shown(*arguments: Any) -> None:
        try:
            part(*arguments)
        except cache.NoRun as error:
            empty(str(error))
        except ProbingError as error:
            st.error(plain(str(error)), icon=":material/error:")

    return shown


def empty(sentence: str) -> None:
    """What is missing here, why, and what makes it."""
    st.info(sentence, icon=":material/info:")


def gallery(run: Run, rows: pd.DataFrame, key: str, caption: Callable[[Any], str]) -> None:
    """Pictures of samples, a page at a time, with how many there are.

    Args:
        rows: rows of the run's samples.
        caption: row (a named tuple) -> the text beneath its picture.
    """
    total = len(rows)
    if not total:
        empty("No picture is in this selection.")
        return
    pages = -(-total // GALLERY_PAGE)
    page = 1
    if pages > 1:
        state.remember(f"{key}-page", range(1, pages + 1), 1)
        page = st.number_input("Page", 1, pages, key=f"{key}-page", width=160)
        state.publish(f"{key}-page", page)
    shown = rows.iloc[(page - 1) * GALLERY_PAGE : page * GALLERY_PAGE]
    first = (page - 1) * GALLERY_PAGE + 1
    place = f"{first} to {first + len(shown) - 1} of {total}"
    try:
        pictures = [cache.picture(run, int(s)) for s in shown["sample"]]
    except PicturesMissing as error:
        pictures_missing(run, error, key)
        st.caption(f"Samples {place}.")
        named = [c for c in shown.columns if c in GALLERY_COLUMNS]
        st.dataframe(shown[named], hide_index=True, column_config=columns_of(named))
        return
    st.caption(f"Pictures {place}.")
    captions = [caption(row) for row in shown.itertuples()]
    st.image(pictures, caption=[plain(words) for words in captions], width=THUMBNAIL, alt=captions)


GALLERY_COLUMNS = (
    "sample",
    "image_id",
    "label",
    "transform",
    "strength",
    "truth",
    "predicted",
    "p_truth",
    "p_predicted",
    "predicted_other",
    "p_predicted_other",
)


def pictures_missing(run: Run, error: PicturesMissing, key: str) -> None:
    """Says why there are no pictures, and offers a run that has them."""
    empty(str(error))
    _offer(run, cache.has_pictures, "pictures", key)


def embeddings_missing(run: Run, key: str) -> None:
    """Says that there are no embeddings to find neighbors in, and offers a run that has them."""
    empty(
        "This run ships no embeddings of the chosen models, so neighbors cannot be found; a run computed here has them."
    )
    _offer(run, lambda other: any(other.has_embeddings(m) for m in other.models["name"]), "embeddings", key)


def _offer(run: Run, able: Callable[[Run], bool], what: str, key: str) -> None:
    other = cache.another_run(run, able)
    if not other:
        st.caption(f"`make demo` computes a run that has {what}; New run computes one of pictures of your own.")
    elif st.button(f"Open the run '{other}', which has {what}", key=f"{key}-other-run"):
        state.choose("run", other)
        st.rerun()


def several(label: str, name: str, options: Sequence[str], placeholder: str, where: Any = st) -> list[str]:
    """Some of the options; none chosen means all of them."""
    state.remember(name, options, [])
    value = where.multiselect(label, options, key=name, placeholder=placeholder)
    state.publish(name, value)
    return value or list(options)
