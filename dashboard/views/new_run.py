"""New run: choose, estimate, start, watch, cancel, resume, open. The work happens in a background process."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Container
from dataclasses import fields
from pathlib import Path

import streamlit as st

from dashboard import rights, state
from dashboard.data import cache
from dashboard.jobs import processes
from dashboard.jobs.estimate import Estimate, Pace, estimate, most_alike, paces
from dashboard.page import page
from dashboard.text import plain
from dashboard.widgets import access, banner, messages, pickers
from probing_core import models as known_models
from probing_core.compute.samples import Design
from probing_core.errors import ProbingError
from probing_core.paths import runs_dir
from probing_core.results import Run, RunPlace, unused_name
from probing_core.run import layout
from probing_core.run.last_options import last_options
from probing_core.run.options import LOCAL, RAY, Options
from probing_core.run.progress import Report, duration
from probing_core.run.recipe import VIEW
from probing_core.transforms import GROUPS, bank

VIEWS = (96, 128, 160, 224)
MAX_IMAGES = 1_000_000

PICTURES_A_SECOND = 100
"""Pace that is assumed for a model while no run here gives one."""

UNKNOWN_NOTE = (
    "Estimated from what runs here took, and none has been completed yet. Once the run is under way, its time left is "
    "measured."
)


@page("New run")
def show() -> None:
    st.markdown(
        "Your own pictures and models. The computation runs in a process of its own: this page may be closed meanwhile."
    )
    st.header("Test your model")
    allowed = access.ask("Starting a run")
    if allowed:
        _among_these()
    _runs()
    if not allowed:
        return
    st.header("A run of your own pictures and models")
    name, arguments, problem, wanted = _form()
    estimated = _estimate(arguments) if arguments["models"] and wanted else None
    if problem:
        st.caption(f":material/edit: {problem}")
    st.caption("The same from a terminal:")
    command = ["probing", "run", "--out", str(runs_dir() / name) if name else "DIR", *_command(arguments)]
    st.code(shlex.join(command), language=None, wrap_lines=True)
    if st.button("Start", type="primary", disabled=bool(problem) or estimated is None, icon=":material/play_arrow:"):
        processes.start(runs_dir() / name, _command(arguments))
        banner.watch(name)
        st.success(f"The run '{name}' has been started; its progress shows on every page.")


def _among_these() -> None:
    """Show the field of a model that joins the selected run, which is only read."""
    if not any(place.complete for place in cache.places()):
        messages.empty("No run is complete yet whose models yours could be placed among; `probing demo` makes one.")
        return
    base = cache.current_run()
    st.markdown(
        f"One model is measured on the photographs of **{plain(base.name)}**, and placed among the {len(base.models)} "
        f"models of that run, which is only read. All pages then show it beside them."
    )
    model = state.choice(
        st.text_input,
        "Your model",
        "rank-model",
        "",
        placeholder="timm:NAME, timm:NAME@weights=PATH, open_clip:MODEL/TAG, hf:REPO, onnx:PATH",
        help="Naming a published model is consent to download it.",
    ).strip()
    try:
        name = known_models.parse_known(model).full if model else ""
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
        name = ""
    out = runs_dir() / f"rank-{layout.slug(name)}"
    begun = bool(name) and out.exists()
    with st.container(horizontal=True, vertical_alignment="center"):
        started = st.button("Test it", type="primary", disabled=not name or begun, icon=":material/leaderboard:")
        st.caption(_time_of_one(base))
    if name:
        st.caption("The same from a terminal, which says first how long it takes:")
        command = ["probing", "rank", name, "--base", str(base.path), "--out", str(out)]
        st.code(shlex.join(command), language=None, wrap_lines=True)
    if begun:
        st.caption(f":material/info: There is a run '{plain(out.name)}' already; it is listed below.")
    if started:
        _test(base, name, out)


def _test(base: Run, name: str, out: Path) -> None:
    if base.pictures.why_not:
        st.error(plain(base.pictures.why_not), icon=":material/error:")
        return
    processes.start(out, Options(models=(name,), base=base.path).arguments())
    banner.watch(out.name)
    st.success(f"The run '{plain(out.name)}' has been started; its progress shows on every page.")


def _time_of_one(base: Run) -> str:
    """Return in a sentence how long a model takes to join the run ``base``."""
    pace = most_alike(_paces(), list(base.models["name"]))
    samples = cache.computed(base, samples_of_one)
    if pace is None:
        return (
            f"Roughly {duration(samples / PICTURES_A_SECOND)} for a model that embeds {PICTURES_A_SECOND} pictures a "
            f"second: {samples:,} of them, before probes and maps."
        )
    seconds = pace.each_s * base.sample_count
    return f"Roughly {duration(seconds)} for its {samples:,} samples, by what the run '{plain(pace.run)}' took here."


def samples_of_one(base: Run) -> int:
    """Return how many samples a model embeds that joins the run ``base``."""
    used = base.images[base.images["used"]]
    return estimate(len(used), used["base_id"].nunique(), base.recipe.design, {"": None}).samples


def _form() -> tuple[str, dict, str, bool]:
    left, right = st.columns(2)
    with left:
        name = state.choice(
            st.text_input, "Name of the run", "new-name", "", placeholder="for example: my-photos", max_chars=60
        )
        corpus, wanted = _corpus()
        state.remember("new-limit", range(MAX_IMAGES + 1), 0)
        limit = st.number_input(
            "Images at most (0: all)",
            0,
            MAX_IMAGES,
            key="new-limit",
            help="Before transformations, spread over photographs.",
        )
        state.publish("new-limit", limit)
    with right:
        models, known = _models()
        changing = [g for g in GROUPS if g != "identity"]
        groups = state.choice(
            st.multiselect, "Groups of transformations", "new-groups", [], changing, placeholder="the whole bank"
        )
        view = state.choice(
            st.select_slider,
            "View (pixels)",
            "new-view",
            _view_of(models),
            VIEWS,
            help="The square that models receive.",
        )
    executor, address = _executor()
    arguments = {"corpus": corpus, "models": models, "view": view, "limit": int(limit), "groups": groups}
    arguments |= {"executor": executor, "address": address}
    problem = _problem(name, models, wanted, known)
    return name, arguments, problem, wanted and known


def _corpus() -> tuple[str, bool]:
    """Show the field of the corpus, and return its text and whether this visitor asked to open it.

    A link alone reads and downloads nothing.
    """

    def want() -> None:
        st.session_state["_wanted-corpus"] = st.session_state["new-corpus"].strip()

    corpus = state.choice(
        st.text_input,
        "Corpus",
        "new-corpus",
        cache.PACKAGED,
        on_change=want,
        help="photos (packaged), folder:PATH or folder:s3://... (subfolders are labels), parquet:FILE, "
        "hub:OWNER/NAME (downloads).",
    ).strip()
    wanted = corpus == cache.PACKAGED or st.session_state.get("_wanted-corpus") == corpus
    if not wanted:
        st.button("Open this corpus", key="open-corpus", on_click=want)
    return corpus, wanted


def _models() -> tuple[list[str], bool]:
    """Show the fields of the models; return the selected models and whether this visitor asked to look them up.

    A link alone looks up nothing.
    """
    checked = {spec.name: spec.check() for spec in known_models.list_specs()}
    available = [name for name, found in checked.items() if found.available]
    sets = list(known_models.MODEL_SETS)

    def fit_view() -> None:
        if st.session_state.get("new-view") == VIEW:
            state.choose("new-view", _view_of(st.session_state["new-models"]))

    chosen = state.choice(
        st.multiselect,
        "Models",
        "new-models",
        list(known_models.bundled()),
        [*sets, *available],
        on_change=fit_view,
        help=f"Those that can be used here, and names of sets: {', '.join(sets)}. To choose the published encoders is "
        "consent to download them.",
    )
    if downloads := known_models.download_summary(known_models.expand(chosen)):
        st.caption(f":material/download: {plain(downloads)}")

    def want() -> None:
        st.session_state["_wanted-further"] = st.session_state["new-further"]

    further = state.choice(
        st.text_input,
        "Further models",
        "new-further",
        "",
        on_change=want,
        placeholder="timm:NAME, open_clip:MODEL/TAG, hf:REPO, onnx:PATH",
        help="Separated by commas. Naming a published model is consent to download it.",
    )
    wanted = not further.strip() or st.session_state.get("_wanted-further") == further
    if not wanted:
        st.button("Look up these models", key="open-further", on_click=want)
    for problem in known_models.CATALOG.problems:
        st.warning(plain(problem), icon=":material/error:")
    missing = {name: found.why_not for name, found in checked.items() if not found.available}
    if missing and (box := pickers.fold(f"{len(missing)} models that cannot be used here, and why", "show-missing")):
        for name, why_not in missing.items():
            box.markdown(f"**{plain(name)}**: {plain(why_not)}")
    return [*chosen, *(name.strip() for name in further.split(",") if name.strip())], wanted


def _executor() -> tuple[str, str | None]:
    """Show the fields of the executor, and return the executor and the address of a cluster.

    The address is not part of a link, so that only this visitor decides where pictures are sent.
    """
    about = {option.name: option.metadata["help"] for option in fields(Options)}
    executors = processes.executors()
    if RAY not in executors:
        return LOCAL, None
    left, right = st.columns(2)
    executor = pickers.segments("Executor", "new-executor", executors, help=about["executor"], where=left)
    if executor != RAY:
        return executor, None
    address = right.text_input(
        "Address of the Ray cluster", key="new-address", placeholder="HOST:PORT, or auto", help=about["address"]
    )
    st.caption("Pictures, models and the folder of runs must have the same addresses on every machine of the cluster.")
    return executor, address.strip() or None


def _view_of(models: list[str]) -> int:
    """Return the view to offer for ``models``: published encoders were trained on larger views."""
    return known_models.PUBLISHED_VIEW if "published" in models else VIEW


def _problem(name: str, models: list[str], wanted: bool, known: bool) -> str:
    if not wanted:
        return "The corpus came by a link: open it if you want it."
    if not known:
        return "Further models came by a link: look them up if you want them."
    if not name:
        return "Give the run a name."
    if not processes.NAME.fullmatch(name):
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
        executor=arguments["executor"],
        address=arguments["address"],
    )
    return options.arguments()


def _estimate(arguments: dict) -> Estimate | None:
    try:
        with st.spinner("Counting images"):
            images, photographs, skipped = cache.corpus_size(arguments["corpus"])
        dimensions = cache.dimensions(arguments["models"])
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None
    images = min(images, arguments["limit"] or images)
    transforms = tuple(t for t in bank() if t.group in ("identity", *(arguments["groups"] or GROUPS)))
    design = Design(view=arguments["view"], transforms=transforms)
    pace = most_alike(_paces(), list(dimensions))
    estimated = estimate(images, min(images, photographs), design, dimensions, pace)
    _show_estimate(images, estimated, pace)
    if skipped:
        st.caption(f":material/info: {plain(skipped)}")
    place = next(folder for folder in (runs_dir(), *runs_dir().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free / 2**20
    if estimated.megabytes > free:
        st.warning(
            f"The disk has {free:,.0f} MB left, and this run would take {estimated.megabytes:,.0f} MB; choose fewer "
            "images or models, or make room.",
            icon=":material/error:",
        )
    return estimated


def _paces() -> list[Pace]:
    return paces((place.name, run) for place, run in cache.complete_runs())


def _show_estimate(images: int, estimated: Estimate, pace: Pace | None) -> None:
    note = UNKNOWN_NOTE
    if pace is not None:
        note = (
            f"As the run '{plain(pace.run)}' took {duration(pace.took_s)} here for {pace.samples:,} samples and "
            f"{len(pace.models)} models, probes and maps included. Larger models take longer; once the run is under "
            "way, its time left is measured."
        )
    columns = st.columns(4)
    columns[0].metric("Images", f"{images:,}")
    columns[1].metric("Samples", f"{estimated.samples:,}")
    seconds = estimated.seconds
    columns[2].metric("Time, roughly", "not known" if seconds is None else duration(seconds), help=note)
    columns[3].metric(
        "Disk", f"{estimated.megabytes:,.0f} MB", help="Of the embeddings, which are nearly all of a run."
    )


@st.fragment(run_every=2.0)
@messages.guarded
def _runs() -> None:
    st.header("Runs on this computer")
    places = cache.places()
    places = [*places, *_only_begun({place.name for place in places})]
    if not places:
        messages.empty("There is none yet: fill in the form below and press Start.")
    for place in places:
        report = processes.report_of(place.path)
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"run-{place.name}"):
            begun = (place.path / layout.RECIPE).is_file()
            st.markdown(f"**{plain(place.name)}** — {_status(place.complete, report, begun)}", width="stretch")
            if rights.allowed():
                _control(place, report, begun)
            if place.complete and st.button("Open", key=f"open-run-{place.name}"):
                state.choose("run", place.name)
                st.switch_page("views/explore.py")


def _control(place: RunPlace, report: Report | None, begun: bool) -> None:
    """Show the buttons for a run in its present state."""
    if report and report.state == "running":
        if st.button("Cancel", key=f"cancel-{place.name}"):
            processes.cancel(place.path)
    elif not begun:
        if st.button("Remove", key=f"remove-{place.name}"):
            processes.remove(place.path)
            st.rerun()
    elif _unfinished(place.complete, report):
        had = " ".join(last_options(place.path).arguments())
        if st.button("Resume", key=f"resume-{place.name}", help=f"As before: {plain(had)}" if had else None):
            processes.resume(place.path)
            banner.watch(place.name)


def _only_begun(taken: Container[str]) -> list[RunPlace]:
    """Return runs that were started here and have no recipe: their corpus is being read, or was refused.

    Args:
        taken: names of the other runs that are listed, which may lie elsewhere.
    """
    folder = runs_dir()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        RunPlace(unused_name(path.name, taken), path, complete=False)
        for path in found
        if (path / layout.PROGRESS).is_file() and not (path / layout.RECIPE).is_file()
    ]


def _unfinished(complete: bool, report) -> bool:
    """Return whether a run can be resumed; studies and maps come after the scores that make a run complete."""
    return not complete or (report is not None and report.state in ("cancelled", "failed"))


def _status(complete: bool, report, begun: bool) -> str:
    if report is None:
        return "complete" if complete else "begun, not complete"
    if report.state == "running":
        return plain(report.so_far)
    if report.state == "failed":
        return f"stopped: {plain(report.error)}"
    if report.state == "cancelled":
        resumable = "what is complete stays, and resuming goes on from there"
        return f"cancelled; {resumable}" if begun else "cancelled before anything was computed"
    return "complete" if complete else report.state


show()
