"""New run: place a model, or measure models on pictures of one's own; start, watch, cancel, resume, open.

The work happens in a background process. Nothing that a link names is read or looked up before a button is pressed.
"""

from __future__ import annotations

import shlex
from collections.abc import Container, Sequence
from dataclasses import fields
from pathlib import Path

import streamlit as st

from dashboard import rights, state
from dashboard.data import cache
from dashboard.jobs import processes
from dashboard.page import page
from dashboard.text import plain
from dashboard.widgets import access, banner, messages, pickers
from probing_core import models as known_models
from probing_core.errors import ProbingError
from probing_core.measures.notation import model_title, model_titles
from probing_core.paths import runs_dir
from probing_core.results import RunPlace, unused_name
from probing_core.run import layout
from probing_core.run.options import LOCAL, RAY, Options, last_options
from probing_core.run.progress import Report
from probing_core.run.recipe import VIEW
from probing_core.transforms import GROUPS, bank

SETS = {
    "bundled": "all that come with it",
    "zoo": "the whole zoo",
    "published": "the published encoders",
    "baselines": "all baselines",
}
"""Name of a set of models -> the same for people."""

VIEWS = (96, 128, 160, 224)
MAX_IMAGES = 1_000_000
CLEARED = ("rank-model", "new-name", "new-corpus", "new-limit", "new-models", "new-further", "new-groups", "new-view")
"""Fields that are empty again once a run was started."""


@page("New run")
def show() -> None:
    st.markdown(
        "Your own model, or your own pictures. The computation runs in a process of its own: this page may be closed "
        "meanwhile."
    )
    st.header("Place my model")
    if access.ask("Starting a run"):
        _place_a_model()
        st.header("My pictures")
        _pictures()
    _runs()


def _place_a_model() -> None:
    """Show the field of a model that joins the selected run, which is only read."""
    if not any(place.complete for place in cache.places()):
        messages.empty("No run is complete yet whose models yours could be placed among; `probing demo` makes one.")
        return
    base = cache.current_run()
    st.markdown(
        f"One model is measured on the photographs of **{plain(base.name)}**, and placed among the models "
        "of that run, which is only read. All pages then show it with them."
    )
    model = state.choice(
        st.text_input,
        "A name, a file or a checkpoint",
        "rank-model",
        "",
        placeholder="timm:NAME, onnx:PATH, timm:NAME@weights=PATH, open_clip:MODEL/TAG, hf:REPO",
        help="Naming a published model is consent to download it.",
    ).strip()
    name, problem = _full_name(model)
    if base.pictures.why_not:
        problem = base.pictures.why_not
    if problem:
        st.error(plain(problem), icon=":material/error:")
    out = runs_dir() / f"rank-{layout.slug(name)}"
    there = bool(name) and out.exists()
    if there:
        st.caption(f":material/info: There is a run '{plain(out.name)}' already; it is listed below.")
    options = Options(models=(name,), base=base.path)
    command = ["rank", name, "--base", str(base.path), "--out", str(out)] if name else []
    _start("Place it", out, options, command, not name or there or bool(problem))


def _full_name(model: str) -> tuple[str, str]:
    """Return the full name of ``model``, and what is wrong with it."""
    try:
        return (known_models.parse_known(model).full if model else "", "")
    except ProbingError as error:
        return "", str(error)


def _pictures() -> None:
    """Show the form of a run over pictures of one's own."""
    left, right = st.columns(2)
    with left:
        name = state.choice(
            st.text_input, "Name of the run", "new-name", "", placeholder="for example: my-photos", max_chars=60
        )
        corpus = state.choice(
            st.text_input,
            "Corpus",
            "new-corpus",
            cache.PACKAGED,
            help="photos (packaged), folder:PATH or folder:s3://... (subfolders are labels), parquet:FILE, "
            "hub:OWNER/NAME (downloads).",
        ).strip()
        state.remember("new-limit", range(MAX_IMAGES + 1), 0)
        hint = "Before transformations, spread over photographs."
        limit = st.number_input("Images at most (0: all)", 0, MAX_IMAGES, key="new-limit", help=hint)
        state.publish("new-limit", limit)
    with right:
        models, problem = _models()
    with left:
        changing = [group for group in GROUPS if group != "identity"]
        groups = state.choice(
            st.multiselect, "Groups of transformations", "new-groups", [], changing, placeholder="the whole bank"
        )
        hint = "The square that models receive."
        view = state.choice(st.select_slider, "View (pixels)", "new-view", _view_of(models), VIEWS, help=hint)
    executor, address = _executor()
    members = ["identity", *(transform.name for transform in bank() if transform.group in groups)]
    options = Options(
        corpus=corpus,
        models=models,
        view=view,
        limit=int(limit) or None,
        transforms=members if groups else None,
        executor=executor,
        address=address,
    )
    out = runs_dir() / name
    problem = problem or _problem(name, models)
    if problem:
        st.caption(f":material/edit: {plain(problem)}")
    _start("Start", out, options, ["run", "--out", str(out) if name else "DIR", *options.arguments()], bool(problem))


def _start(label: str, out: Path, options: Options, command: Sequence[str], disabled: bool) -> None:
    """Show how long a run takes once that was measured, its command, and the button that starts it.

    Args:
        command: of a terminal; none is shown where it is empty.
        disabled: whether something is still wrong with the form.
    """
    arguments, measured = options.arguments(), f"_measured-{label}"
    with st.container(horizontal=True, vertical_alignment="center"):
        started = st.button(label, type="primary", disabled=disabled, icon=":material/play_arrow:")
        asked = st.button(
            "Measure how long it takes",
            key=f"measure-{label}",
            disabled=disabled,
            icon=":material/timer:",
            help="Makes and embeds some samples with every model, in about a minute; what will be left out is counted.",
        )
    if asked:
        with st.spinner("Measuring some of each kind of work"):
            try:
                st.session_state[measured] = arguments, processes.measured(out, arguments)
            except ProbingError as error:
                st.error(plain(str(error)), icon=":material/error:")
    known, words = st.session_state.get(measured, ([], ""))
    if known == arguments:
        st.code(words, language=None, wrap_lines=True)
    elif not disabled:
        st.caption("How long it takes, and what will be left out, is not measured yet.")
    if command:
        st.caption("The same from a terminal; `probing run --estimate` measures there:")
        st.code(shlex.join(["probing", *command]), language=None, wrap_lines=True)
    if started:
        processes.start(out, arguments)
        banner.watch(out.name)
        for name in CLEARED:
            state.forget(name)
            st.session_state.pop(name, None)
        st.session_state["_started"] = out.name
        st.rerun(scope="app")


def _models() -> tuple[list[str], str]:
    """Show the fields of the models; return the selected models, and what is wrong with their names."""
    checked = {spec.name: spec.check() for spec in known_models.list_specs()}
    available = [name for name, found in checked.items() if found.available]
    sets = list(known_models.MODEL_SETS)

    titles = model_titles(available)

    def fit_view() -> None:
        if st.session_state.get("new-view") == VIEW:
            state.choose("new-view", _view_of(st.session_state["new-models"]))

    chosen = state.choice(
        st.multiselect,
        "Models",
        "new-models",
        list(known_models.bundled()),
        [*sets, *available],
        format_func=lambda name: titles.get(name) or SETS.get(name, name),
        on_change=fit_view,
        wrap=True,
        help="Those that can be used here, and sets of them. The command "
        "below has their exact names. To choose the published encoders is consent to download them.",
    )
    if downloads := known_models.download_summary(known_models.expand(chosen)):
        st.caption(f":material/download: {plain(downloads)}")
    further = state.choice(
        st.text_input,
        "Further models",
        "new-further",
        "",
        placeholder="timm:NAME, open_clip:MODEL/TAG, hf:REPO, onnx:PATH",
        help="Separated by commas. Naming a published model is consent to download it.",
    )
    for problem in known_models.CATALOG.problems:
        st.warning(plain(problem), icon=":material/error:")
    missing = {name: found.why_not for name, found in checked.items() if not found.available}
    if missing and (box := pickers.fold(f"{len(missing)} models that cannot be used here, and why", "show-missing")):
        for name, why_not in missing.items():
            box.markdown(f"**{plain(model_title(name))}** ({plain(name)}): {plain(why_not)}")
    named = [name.strip() for name in further.split(",") if name.strip()]
    problems = [problem for _, problem in map(_full_name, named) if problem]
    return [*chosen, *named], "".join(problems[:1])


def _executor() -> tuple[str, str | None]:
    """Show the fields of the executor, and return the executor and the address of a cluster.

    The address is not part of a link, so that only this visitor decides where pictures are sent.
    """
    about = {option.name: option.metadata["help"] for option in fields(Options)}
    executors = processes.executors()
    state.withdraw("new-address")
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


def _problem(name: str, models: list[str]) -> str:
    if not name:
        return "Give the run a name."
    if not processes.NAME.fullmatch(name):
        return "A name has letters, digits, dots, dashes and underscores, and begins with a letter or a digit."
    if (runs_dir() / name).exists():
        return f"There is a run '{name}' already; choose another name, or resume or remove that one below."
    return "" if models else "Choose at least one model."


@st.fragment(run_every=2.0)
@messages.guarded
def _runs() -> None:
    st.header("Runs on this computer")
    if started := st.session_state.get("_started"):
        st.caption(f":material/play_arrow: The run '{plain(started)}' was started.")
    places = cache.places()
    places = [*places, *_only_begun({place.name for place in places})]
    if not places:
        messages.empty("There is none yet: fill in one of the forms above and press its button.")
    for place in places:
        report = processes.report_of(place.path)
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"run-{place.name}"):
            begun = (place.path / layout.RECIPE).is_file()
            if report and report.state == "running":
                st.progress(report.share, text=plain(f"{place.name}: {report.so_far}"))
            else:
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


def _unfinished(complete: bool, report: Report | None) -> bool:
    """Return whether a run can be resumed; studies and maps come after the scores that make a run complete."""
    return not complete or (report is not None and report.state in ("cancelled", "failed"))


def _status(complete: bool, report: Report | None, begun: bool) -> str:
    if report is None:
        return "complete" if complete else "begun, not complete"
    if report.state == "failed":
        return f"stopped: {plain(report.error)}"
    if report.state == "cancelled":
        resumable = "what is complete stays, and resuming goes on from there"
        return f"cancelled; {resumable}" if begun else "cancelled before anything was computed"
    return "complete" if complete else report.state


show()
