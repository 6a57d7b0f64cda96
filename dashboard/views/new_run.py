"""New run: choose, estimate, start, watch, cancel, resume, open. The work happens in a worker process."""

from __future__ import annotations

import re
import shutil

import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.jobs import worker
from dashboard.jobs.estimate import (
    MEASURED_NOTE,
    PROBES_AND_MAP_S,
    ROUGH,
    ROUGH_NOTE,
    Estimate,
    Speed,
    estimate,
    start_measuring,
)
from dashboard.page import page
from dashboard.text import plain
from dashboard.widgets import banner, messages, pickers
from probing_core.errors import ProbingError
from probing_core.paths import runs_dir
from probing_core.results import RunPlace
from probing_core.runs import layout
from probing_core.runs.options import Options
from probing_core.runs.progress import duration
from probing_core.runs.recipe import VIEW
from probing_core.runs.samples import FEW_PHOTOGRAPHS
from probing_core.transforms import GROUPS, bank

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
VIEWS = (96, 128, 160, 224)
POLL_S = 1.0
MOST_IMAGES = 1_000_000


@page("New run")
def show() -> None:
    st.markdown(
        "Your own pictures and models. The computation runs in a process of its own: this page may be closed meanwhile."
    )
    _runs()
    st.header("Start another")
    name, arguments, problem, wanted = _form()
    told = _estimate(arguments) if arguments["models"] and wanted else None
    if problem:
        st.caption(f":material/edit: {problem}")
    if st.button("Start", type="primary", disabled=bool(problem) or told is None, icon=":material/play_arrow:"):
        worker.start(runs_dir() / name, _command(arguments))
        banner.watch(name)
        st.success(f"The run '{name}' has been started; its progress shows on every page.")


def _form() -> tuple[str, dict, str, bool]:
    left, right = st.columns(2)
    with left:
        state.remember("new-name", None, "")
        name = st.text_input("Name of the run", key="new-name", placeholder="for example: my-photos", max_chars=60)
        corpus, wanted = _corpus()
        state.remember("new-limit", None, 0)
        st.session_state["new-limit"] = min(max(st.session_state["new-limit"], 0), MOST_IMAGES)
        limit = st.number_input(
            "Images at most (0: all)",
            0,
            MOST_IMAGES,
            key="new-limit",
            help="Before transformations, spread over photographs.",
        )
    with right:
        models, known = _models()
        changing = [g for g in GROUPS if g != "identity"]
        state.remember("new-groups", changing, [])
        groups = st.multiselect("Groups of transformations", changing, key="new-groups", placeholder="the whole bank")
        state.remember("new-view", VIEWS, VIEW)
        view = st.select_slider("View (pixels)", VIEWS, key="new-view", help="The square that models receive.")
    for choice, value in (("new-name", name), ("new-limit", limit), ("new-groups", groups), ("new-view", view)):
        state.publish(choice, value)
    arguments = {"corpus": corpus, "models": models, "view": view, "limit": int(limit), "groups": groups}
    problem = _problem(name, models, wanted, known)
    return name, arguments, problem, wanted and known


def _corpus() -> tuple[str, bool]:
    """What stands in the field, and whether somebody here wants it opened: a link alone reads and downloads nothing."""
    state.remember("new-corpus", None, cache.PACKAGED)

    def want() -> None:
        st.session_state["_wanted-corpus"] = st.session_state["new-corpus"].strip()

    corpus = st.text_input(
        "Corpus",
        key="new-corpus",
        on_change=want,
        help="photos (packaged), folder:PATH (subfolders are labels), parquet:FILE, torchvision:NAME (downloads).",
    ).strip()
    state.publish("new-corpus", corpus)
    wanted = corpus == cache.PACKAGED or st.session_state.get("_wanted-corpus") == corpus
    if not wanted:
        st.button("Open this corpus", key="open-corpus", on_click=want, help="It came by a link and is not read yet.")
    return corpus, wanted


def _models() -> tuple[list[str], bool]:
    """The chosen models, and whether somebody here wants them looked up: those of a link alone are not."""
    catalog = cache.model_catalog()
    available = [row["name"] for row in catalog if row["available"]]
    state.remember("new-models", available, cache.bundled_models())
    chosen = st.multiselect("Models", available, key="new-models")
    state.remember("new-further", None, "")

    def want() -> None:
        st.session_state["_wanted-further"] = st.session_state["new-further"]

    further = st.text_input(
        "Further models",
        key="new-further",
        on_change=want,
        placeholder="timm:NAME, open_clip:MODEL/TAG, hf:REPO, file:PATH",
        help="Separated by commas. Naming a published model is consent to download it.",
    )
    wanted = not further.strip() or st.session_state.get("_wanted-further") == further
    if not wanted:
        st.button("Look up these models", key="open-further", on_click=want, help="They came by a link.")
    state.publish("new-models", chosen)
    state.publish("new-further", further)
    for problem in cache.catalog_problems():
        st.warning(plain(problem), icon=":material/error:")
    missing = [row for row in catalog if not row["available"]]
    if missing and (box := pickers.fold(f"{len(missing)} models that cannot be used here, and why", "show-missing")):
        for row in missing:
            box.markdown(f"**{plain(row['name'])}**: {plain(row['why_not'])}")
    return [*chosen, *(part.strip() for part in further.split(",") if part.strip())], wanted


def _problem(name: str, models: list[str], wanted: bool, known: bool) -> str:
    if not wanted:
        return "The corpus came by a link: open it if you want it."
    if not known:
        return "Further models came by a link: look them up if you want them."
    if not name:
        return "Give the run a name."
    if not NAME.fullmatch(name):
        return "A name has letters, digits, dots, dashes and underscores, and begins with a letter or a digit."
    if (runs_dir() / name).exists():
        return f"There is a run '{name}' already; choose another name, or resume or remove that one above."
    return "" if models else "Choose at least one model."


def _command(arguments: dict) -> list[str]:
    members = ["identity", *(t.name for t in bank() if t.group in arguments["groups"])]
    options = Options(
        corpus=arguments["corpus"],
        models=arguments["models"],
        view=arguments["view"],
        limit=arguments["limit"] or None,
        transforms=members if arguments["groups"] else None,
    )
    return options.arguments()


def _estimate(arguments: dict) -> Estimate | None:
    try:
        images, photographs, skipped = cache.corpus_size(arguments["corpus"])
        for model in arguments["models"]:
            cache.check_model(model)
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None
    images = min(images, arguments["limit"] or images)
    names = [t.name for t in bank() if t.group != "identity" and t.group in (arguments["groups"] or GROUPS)]
    speed = _speed(arguments, names)
    few = min(images, photographs) < FEW_PHOTOGRAPHS
    told = estimate(images, len(names), arguments["models"], arguments["view"], speed, few=few)
    note = MEASURED_NOTE.format(seconds=PROBES_AND_MAP_S) if told.measured else ROUGH_NOTE
    columns = st.columns(4)
    columns[0].metric("Images", f"{images:,}")
    columns[1].metric("Transformed samples", f"{told.samples:,}")
    columns[2].metric("Time, measured" if told.measured else "Time, roughly", duration(told.seconds), help=note)
    columns[3].metric("Disk", f"{told.megabytes:,.0f} MB", help="Of the embeddings, which are nearly all of a run.")
    if skipped:
        st.caption(f":material/info: {plain(skipped)}")
    place = next(folder for folder in (runs_dir(), *runs_dir().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free / 2**20
    if told.megabytes > free:
        st.warning(
            f"The disk has {free:,.0f} MB left, and this run would take {told.megabytes:,.0f} MB; choose fewer images "
            "or models, or make room.",
            icon=":material/error:",
        )
    _measure(arguments, names, told.measured)
    return told


def _speed(arguments: dict, names: list[str]) -> Speed:
    """What has been measured for this choice in this visit."""
    return st.session_state.setdefault("_speeds", {}).get(_choice(arguments, names), ROUGH)


def _choice(arguments: dict, names: list[str]) -> tuple:
    return tuple(arguments["models"]), arguments["view"], tuple(names)


@st.fragment(run_every=POLL_S)
@messages.guarded
def _measure(arguments: dict, names: list[str], measured: bool) -> None:
    """A button that measures, and how that goes; the page shows the result."""
    choice, running = _choice(arguments, names), st.session_state.get("_measuring")
    if running is None:
        for model, error in _speed(arguments, names).errors.items():
            st.warning(f"{plain(model)} could not be measured: {plain(error)}", icon=":material/error:")
        words = "Takes some seconds and loads each chosen model once; weights that are not here are downloaded."
        if not measured and st.button("Measure on this machine", icon=":material/timer:", help=words):
            st.session_state["_measuring"] = (choice, start_measuring(arguments["models"], arguments["view"], names))
            st.rerun()
        return
    about, measuring = running
    if measuring.running:
        st.progress(0.5, text="Measuring this machine: making a few pictures and embedding them with each chosen model")
        return
    st.session_state["_measuring"] = None
    told = measuring.result()
    if isinstance(told, str):
        st.warning(plain(told), icon=":material/error:")
        return
    st.session_state["_speeds"][about] = told
    st.rerun()


@st.fragment(run_every=2.0)
@messages.guarded
def _runs() -> None:
    st.header("Runs on this computer")
    places = [*cache.places(), *_only_begun()]
    if not places:
        messages.empty("There is none yet.")
    for place in places:
        report = worker.report_of(place.path)
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"run-{place.name}"):
            begun = (place.path / layout.RECIPE).is_file()
            st.markdown(f"**{plain(place.name)}** — {_status(place.complete, report, begun)}", width="stretch")
            if report and report.state == "running":
                if st.button("Cancel", key=f"cancel-{place.name}"):
                    worker.cancel(place.path)
            elif not begun:
                if st.button("Remove", key=f"remove-{place.name}", help="Nothing of it has been computed."):
                    shutil.rmtree(place.path)
                    st.rerun()
            elif _unfinished(place.complete, report) and st.button("Resume", key=f"resume-{place.name}"):
                worker.start(place.path, [])
                banner.watch(place.name)
            if place.complete and st.button("Open", key=f"open-run-{place.name}"):
                state.choose("run", place.name)
                st.switch_page("views/overview.py")


def _only_begun() -> list[RunPlace]:
    """Runs that were started here and have no recipe: their corpus is being read, or was refused."""
    folder = runs_dir()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        RunPlace(path.name, path, complete=False)
        for path in found
        if (path / layout.PROGRESS).is_file() and not (path / layout.RECIPE).is_file()
    ]


def _unfinished(complete: bool, report) -> bool:
    """Whether there is anything to go on with; studies and maps come after the scores that make a run complete."""
    return not complete or (report is not None and report.state in ("cancelled", "failed"))


def _status(complete: bool, report, begun: bool) -> str:
    if report is None:
        return "complete" if complete else "begun, not complete"
    if report.state == "running":
        left = "" if report.left_s is None else f", {duration(report.left_s)} left"
        return f"{report.message}: {report.done} of {report.total}{left}"
    if report.state == "failed":
        return f"stopped: {plain(report.error)}"
    if report.state == "cancelled":
        kept = "what is complete is kept, and resuming goes on from there"
        return f"cancelled; {kept}" if begun else "cancelled before anything was computed"
    return "complete" if complete else report.state


show()
