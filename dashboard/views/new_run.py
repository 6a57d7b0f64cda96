"""New run: place a model, or measure models on pictures of one's own; start, watch, cancel, resume, open.

The work happens in a background process. Nothing that a link names or a visitor types is read or looked up before a
button is pressed; then all of it is checked before anything is written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NoReturn

import streamlit as st

from dashboard import rights, state
from dashboard.data import cache
from dashboard.jobs import processes
from dashboard.page import page
from dashboard.text import plain
from dashboard.widgets import access, banner, messages, pickers
from probing_core import models as known_models
from probing_core.corpora import KINDS
from probing_core.errors import BadConfig, BadCorpus, ProbingError
from probing_core.measures.notation import model_title, model_titles
from probing_core.paths import runs_dir, user_path
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

VIEWS = (96, 128, 160, 224)
MAX_IMAGES = 1_000_000

PLACES = {LOCAL: "this computer", RAY: "a Ray cluster"}

ABOUT_RAY = "Ray is a library that shares work among several computers: each of them embeds some of the pictures."

EXAMPLE = (
    "A checkpoint of yours, for example: `timm:resnet18@weights=/home/me/resnet18.pth`, the weights of that file in "
    "the network that timm calls resnet18."
)

PUBLISHED = "timm:resnet50.a1_in1k"
FORMS = (
    "A model of the libraries timm, torchvision or open_clip: the name of the library, a colon and the name that the "
    "library gives to the model. A model of Hugging Face: `hf:` and its repository, as `hf:facebook/dinov2-small`. An "
    "ONNX file: `onnx:` and its path."
)
"""A name of a published model that can be typed as it is, and the forms of all names."""

LIST_HEIGHT = 240
"""Pixels of a list of models, in which a visitor scrolls: what is below it stays visible."""
CLEARED = ("rank-model", "new-name", "new-corpus", "new-limit", "new-models", "new-further", "new-groups", "new-view")
"""Fields that are cleared after a run was started."""


@page("New run")
def show() -> None:
    st.markdown(
        "Your own model, or your own pictures. The computation runs in a process of its own: this page may be closed "
        "meanwhile."
    )
    # The list is drawn again at its place every two seconds, however many elements the forms have by then.
    forms, runs = st.container(), st.container()
    with forms:
        st.header("Place my model")
        if access.ask("Starting a run"):
            _place_a_model()
            st.header("My pictures")
            _pictures()
    with runs:
        _runs()


def _place_a_model() -> None:
    if not any(place.complete for place in cache.places()):
        messages.empty("No run is complete yet whose models yours could be placed among; `probing demo` makes one.")
        return
    base = cache.current_run()
    st.markdown(
        f"Your model is measured on the photographs of **{plain(base.name)}** and ranked among its models. The result "
        f"is a new run with all of them; {plain(base.name)} itself stays as it is."
    )
    model = state.choice(
        st.text_input,
        "A name, a file or a checkpoint",
        "rank-model",
        "",
        placeholder=f"for example: {PUBLISHED}",
        help=f"{FORMS} Naming a published model is consent to download it.",
    ).strip()
    st.caption(EXAMPLE)
    name, problem = _full_name(model)
    out = runs_dir() / _folder_of(name)
    if not problem and not name:
        problem = "Name a model to place it."
    elif not problem and out.exists():
        problem = f"There is a run '{out.name}' already; it is listed below."
    elif not problem and name in set(base.models["name"]):
        problem = f"{model_title(name)} is in this run already: the Leaderboard shows its place."
    problem = base.pictures.why_not or problem
    options = Options(models=(name,), base=base.path)
    command = ["rank", name, "--base", _from_here(base.path), "--out", _from_here(out)]
    _start("Place it", out, options, command, problem)


def _folder_of(name: str) -> str:
    """Return the name of the run that places the model ``name``: short, and different for each file of a name."""
    whole, parsed = layout.slug(name), known_models.parse(name) if name else None
    if parsed is None or not (parsed.options or ("/" in parsed.model and parsed.provider)):
        return f"rank-{whole}"
    stem = Path(parsed.options.get("weights", parsed.model)).stem
    return f"rank-{re.sub(r'[^A-Za-z0-9._-]+', '-', stem)[:40]}-{whole[-4:]}"


def _from_here(path: Path) -> str:
    """Return ``path`` relative to the folder where the dashboard was started, as in a command."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _full_name(model: str) -> tuple[str, str]:
    try:
        return (known_models.parse_known(model).full if model else "", "")
    except ProbingError as error:
        return "", str(error)


def _pictures() -> None:
    left, right = st.columns(2)
    with left:
        name = state.choice(
            st.text_input, "Name of the run", "new-name", "", placeholder="for example: my-photos", max_chars=60
        )
        corpus = state.choice(
            st.text_input,
            "Pictures",
            "new-corpus",
            cache.PACKAGED,
            placeholder="for example: /home/me/pictures",
            help="`folder:s3://...`: a folder in object storage. `parquet:FILE`: a table with pictures. "
            "`hub:OWNER/NAME`: a data set of Hugging Face, which is downloaded.",
        ).strip()
        st.caption(
            "`photos` are the photographs that come with this program. For your own, enter the path of their folder; "
            "its subfolders are their labels."
        )
        corpus, refused = _corpus(corpus)
        state.remember("new-limit", range(MAX_IMAGES + 1), 0)
        hint = "Before transformations, spread over photographs."
        limit = st.number_input("Images at most (0: all)", 0, MAX_IMAGES, key="new-limit", help=hint)
        state.publish("new-limit", limit)
    with right:
        models, problem = _models()
    with left:
        changing = [group for group in GROUPS if group != "identity"]
        groups = state.choice(
            st.multiselect, "Groups of transformations", "new-groups", [], changing, placeholder="all groups"
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
    command = ["run", "--out", _from_here(out), *options.arguments()]
    _start("Start", out, options, command, _problem(name, models) or problem or refused)


def _corpus(text: str) -> tuple[str, str]:
    """Return the corpus that a visitor's text means, in which a path needs no kind, and why there can be none.

    Nothing is opened.
    """
    if ":" not in text and ("/" in text or text.startswith(("~", "."))):
        return f"{'parquet' if text.endswith('.parquet') else 'folder'}:{text}", ""
    kinds = {kind.name: kind for kind in KINDS}
    kind, _, argument = text.partition(":")
    if text == cache.PACKAGED or (kind in kinds and bool(kinds[kind].argument) == bool(argument)):
        return text, ""
    forms = ", ".join(one.usage for one in kinds.values())
    return text, f"'{text}' is no corpus; expected is the path of a folder, or one of: {forms}."


def _start(label: str, out: Path, options: Options, command: Sequence[str], problem: str) -> None:
    """Show how long a run takes after measuring it, its command, and the button that starts it.

    Args:
        command: for a terminal.
        problem: what is wrong with the form, which is shown when a button is pressed; no command is shown with it.
    """
    arguments, measured = options.arguments(), f"_measured-{label}"
    with st.container(horizontal=True, vertical_alignment="center"):
        started = st.button(label, type="primary", icon=":material/play_arrow:")
        asked = st.button(
            "Measure how long it takes",
            key=f"measure-{label}",
            icon=":material/timer:",
            help="Makes and embeds some samples with every model, which takes about a minute or more; what will be "
            "left out is counted.",
        )
    if started or asked:
        try:
            _refuse(problem, options)
            if started:
                processes.start(out, arguments)
                _started(out.name)
            st.session_state[measured] = arguments, _measure(out, arguments)
        except ProbingError as error:
            st.error(plain(str(error)), icon=":material/error:")
    if problem:
        return
    known, words = st.session_state.get(measured, ([], ""))
    if known == arguments:
        st.code(words, language=None, wrap_lines=True)
    st.caption("The same from a terminal, in the folder where this dashboard was started:")
    st.code(shlex.join(["probing", *command]), language=None, wrap_lines=True)


def _measure(out: Path, arguments: Sequence[str]) -> str:
    with st.spinner("Measuring some of each kind of work", show_time=True):
        line = st.empty()
        words = processes.measured(out, arguments, lambda said: line.caption(plain(said)))
        line.empty()
    return words


def _started(name: str) -> NoReturn:
    """Clear the form, and show the page with the run called ``name``."""
    banner.watch(name)
    for field in CLEARED:
        state.forget(field)
        st.session_state.pop(field, None)
    st.session_state["_started"] = name
    st.rerun(scope="app")


def _refuse(problem: str, options: Options) -> None:
    """Refuse to begin where a file, folder or library that the form names is missing: a run would stop at once.

    Args:
        problem: what is wrong with the form, if anything.

    Raises:
        ProbingError: what is missing or wrong.
    """
    if problem:
        raise BadConfig(problem)
    with st.spinner("Looking for the models and pictures"):
        for name in options.models or ():
            if name not in known_models.MODEL_SETS:
                known_models.refuse_absent(name)
    kind, _, path = (options.corpus or "").partition(":")
    if kind in ("folder", "parquet") and "://" not in path and not user_path(path).exists():
        raise BadCorpus(f"There is nothing at '{path}', where the pictures should be; check the path.")


def _models() -> tuple[list[str], str]:
    checked = {spec.name: spec.check() for spec in known_models.CATALOG}
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
        help="Those on this machine, and sets of them. The command below has their exact names. To choose the "
        "published encoders is consent to download them.",
    )
    if downloads := known_models.download_summary(known_models.expand(chosen)):
        st.caption(f":material/download: {plain(downloads)}")
    further = state.choice(
        st.text_input,
        "Further models",
        "new-further",
        "",
        placeholder=f"for example: {PUBLISHED}",
        help=f"Separated by commas. {FORMS} {EXAMPLE} Naming a published model is consent to download it.",
    )
    for problem in known_models.CATALOG.problems:
        st.warning(plain(problem), icon=":material/error:")
    absent = [known_models.CATALOG.get(name) for name, found in checked.items() if not found.available]
    label = f"{len(absent)} more models: what naming one downloads, or why it cannot be used here"
    if absent and (box := pickers.fold(label, "show-missing")):
        needs = {
            spec.name: f"{spec.download_mb:,.0f} MB from {found.download_from}"
            if found.download_from
            else found.why_not
            for spec, found in ((spec, checked[spec.name]) for spec in absent)
        }
        lines = [f"- `{name}`: {plain(what)}" for name, what in needs.items()]
        box.container(height=LIST_HEIGHT, border=False).markdown("\n".join(lines))
    named = [name.strip() for name in further.split(",") if name.strip()]
    problems = [problem for _, problem in map(_full_name, named) if problem]
    return [*chosen, *named], "".join(problems[:1])


def _executor() -> tuple[str, str | None]:
    """Show the fields of the executor, and return the executor and the address of a cluster.

    The address is not part of a link, so that only this visitor decides where pictures are sent.
    """
    executors = processes.executors()
    state.forget("new-address")
    if RAY not in executors:
        return LOCAL, None
    left, right = st.columns(2)
    executor = pickers.segments("Computed on", "new-executor", executors, PLACES, ABOUT_RAY, left)
    if executor != RAY:
        return executor, None
    address = right.text_input(
        "Address of the Ray cluster",
        key="new-address",
        placeholder="HOST:PORT, or auto",
        help="Of a cluster that runs already; auto finds the one that this computer belongs to. Empty: one is started "
        "on this computer alone.",
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
    if (runs_dir() / name).exists() or name in {place.name for place in cache.places()}:
        return f"There is a run '{name}' already; choose another name, or resume or remove that one below."
    return "" if models else "Choose at least one model."


@st.fragment(run_every=2.0)
@messages.guarded
def _runs() -> None:
    st.header("Runs on this computer")
    if started := st.session_state.get("_started"):
        report = processes.report_of(runs_dir() / started)
        if report and report.state != "running":
            del st.session_state["_started"]  # its line says how it ended
        else:
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
    if report and report.state == "running":
        if st.button("Cancel", key=f"cancel-{place.name}"):
            processes.cancel(place.path)
    elif not begun:
        about = f"The run **{plain(place.name)}** is removed. Nothing of it was computed."
        access.offer_removal(place.name, about, lambda: processes.remove(place.path))
    elif _unfinished(place.complete, report):
        had = " ".join(last_options(place.path).arguments())
        if st.button("Resume", key=f"resume-{place.name}", help=f"As before: {plain(had)}" if had else None):
            processes.resume(place.path)
            banner.watch(place.name)


def _only_begun(taken: Container[str]) -> list[RunPlace]:
    """Return runs that were started here and have no recipe: their corpus is being read, or was refused.

    Args:
        taken: names of the other listed runs, which may be elsewhere.
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
