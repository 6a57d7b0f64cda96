"""Evaluate your model: place a model, or measure models on pictures of one's own; start, watch, cancel, resume, open.

The work happens in a background process. Nothing that a link names or a visitor types is read or looked up before a
button is pressed; then all of it is checked before anything is written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

import pandas as pd
import streamlit as st

from dashboard import rights, state
from dashboard.data import cache
from dashboard.jobs import processes
from dashboard.page import page
from dashboard.text import plain
from dashboard.widgets import access, banner, computations, messages
from probing_core import models as known_models
from probing_core.corpora import KINDS
from probing_core.errors import BadConfig, BadCorpus, ProbingError
from probing_core.measures.notation import model_title, model_titles
from probing_core.paths import runs_dir, user_path
from probing_core.results import RunPlace, unused_name
from probing_core.run import layout
from probing_core.run.options import Options, last_options
from probing_core.run.progress import Report
from probing_core.transforms import GROUPS, bank

SETS = {
    "bundled": "all that come with it",
    "zoo": "the whole zoo",
    "published": "the published encoders",
    "baselines": "all baselines",
}

MAX_IMAGES = 1_000_000

MAX_LETTERS = 40
"""Most letters of a model's name in the name of the run that places it."""

PUBLISHED = "timm:resnet50.a1_in1k"
"""Name of a published model that can be typed as it is."""

FORMS = (
    "A model of the libraries timm, torchvision or open_clip: the name of the library, a colon and the name that the "
    "library gives to the model. A model of Hugging Face: `hf:` and its repository, as `hf:facebook/dinov2-small`. An "
    "ONNX file: `onnx:` and its path. A checkpoint of yours: `timm:resnet18@weights=/home/me/resnet18.pth`, the "
    "weights of that file in the network that timm calls resnet18. Naming a published model is consent to download it."
)

GUIDE = (
    "As a guide: 60 images under all transformations, about 1,900 samples for each of three small models, took 65 s on "
    "two cores."
)
"""The demo run, as docs/how-to/large.md has it."""

CLEARED = ("rank-model", "new-name", "new-corpus", "new-limit", "new-models", "new-groups")
"""Fields that are cleared after a run was started."""


@page("Evaluate your model")
def show() -> None:
    st.markdown(
        "Your own model, or your own pictures. Either way a new run is made, a folder in "
        f"`{_from_here(runs_dir())}` that all pages open; no other run is changed. A process of its own computes it: "
        "this page may be closed meanwhile."
    )
    # The list is drawn again at its place every two seconds, however many elements the forms have by then.
    forms, runs = st.container(), st.container()
    with forms:
        if access.ask("Starting a run"):
            model, pictures = st.columns(2, border=True)
            with model:
                st.header("Place my model")
                _place_a_model()
            with pictures:
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
        f"Your model is measured on the photographs of **{plain(base.name)}**, and joins its {len(base.models)} models "
        "on every page: its place on the page Models, its maps, its confusions."
    )
    st.caption(
        f"It embeds {base.sample_count:,} samples. *Measure how long it takes* tries your model and says how long that "
        "takes on this computer."
    )
    model = state.choice(
        st.text_input,
        "A name, a file or a checkpoint",
        "rank-model",
        "",
        placeholder=f"for example: {PUBLISHED}",
        help=FORMS,
    ).strip()
    st.caption(
        "A model of timm, torchvision, open_clip or Hugging Face, an ONNX file, or a checkpoint of yours: "
        "`timm:resnet18@weights=/home/me/resnet18.pth`"
    )
    name, problem = _full_name(model)
    out = runs_dir() / f"rank-{layout.slug(name)[-MAX_LETTERS:].lstrip('-._')}"
    if not problem and not name:
        problem = "Name a model to place it."
    elif not problem and out.exists():
        problem = f"There is a run '{out.name}' already; it is listed below."
    elif not problem and name in set(base.models["name"]):
        problem = f"{model_title(name)} is in this run already: the page Models shows its place."
    problem = base.pictures.why_not or problem
    options = Options(models=(name,), base=base.path)
    command = ["rank", name, "--base", _from_here(base.path), "--out", _from_here(out)]
    _start("Place it", out, options, command, problem)


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
    st.markdown("Models are compared on pictures of yours: every page then shows them in place of ours.")
    st.caption(GUIDE)
    name = state.choice(
        st.text_input, "Name of the run", "new-name", "", placeholder="for example: my-photos", max_chars=60
    )
    corpus = state.choice(
        st.text_input,
        "Pictures",
        "new-corpus",
        cache.PACKAGED,
        help="`folder:s3://...`: a folder in object storage. `parquet:FILE`: a table with pictures. "
        "`hub:OWNER/NAME`: a data set of Hugging Face, which is downloaded.",
    ).strip()
    st.caption(
        "The path of a folder, as /home/me/pictures, whose subfolders are the labels of its pictures; `photos` are the "
        "photographs that come with this program."
    )
    corpus, refused = _corpus(corpus)
    models, problem = _models()
    left, right = st.columns(2)
    state.remember("new-limit", range(MAX_IMAGES + 1), 0)
    hint = "Before transformations, spread over photographs."
    limit = left.number_input("Images at most (0: all)", 0, MAX_IMAGES, key="new-limit", help=hint)
    state.publish("new-limit", limit)
    changing = [group for group in GROUPS if group != "identity"]
    groups = state.choice(
        right.multiselect, "Groups of transformations", "new-groups", [], changing, placeholder="all groups"
    )
    members = ["identity", *(transform.name for transform in bank() if transform.group in groups)]
    options = Options(
        corpus=corpus,
        models=models,
        view=known_models.PUBLISHED_VIEW if "published" in models else None,
        limit=int(limit) or None,
        transforms=members if groups else None,
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


def _models() -> tuple[list[str], str]:
    """Show the field of the models, and return what is chosen or typed there, and what is wrong with it."""
    available = [spec.name for spec in known_models.CATALOG if spec.check().available]
    titles = SETS | dict(model_titles(available))
    chosen = state.choice(
        partial(st.multiselect, options=list(titles), accept_new_options=True),
        "Models",
        "new-models",
        list(known_models.bundled()),
        format_func=lambda name: titles.get(name, name),
        wrap=True,
        help="Those on this machine, sets of them, and others that you type. `probing models` lists all. To choose "
        f"the published encoders is consent to download them. {FORMS}",
    )
    for problem in known_models.CATALOG.problems:
        st.warning(plain(problem), icon=":material/error:")
    offered = [name for name in chosen if name in titles]  # what was typed is not looked up yet
    if downloads := known_models.download_summary(known_models.expand(offered)):
        st.caption(f":material/download: {plain(downloads)}")
    return chosen, next((why for name in chosen if name not in titles and (why := _full_name(name)[1])), "")


def _problem(name: str, models: list[str]) -> str:
    if not name:
        return "Give the run a name."
    if not processes.NAME.fullmatch(name):
        return "A name has letters, digits, dots, dashes and underscores, and begins with a letter or a digit."
    if (runs_dir() / name).exists() or name in {place.name for place in cache.places()}:
        return f"There is a run '{name}' already; choose another name, or resume or remove that one below."
    return "" if models else "Choose at least one model."


def _start(label: str, out: Path, options: Options, command: Sequence[str], problem: str) -> None:
    """Show the button that starts a run, and once the form is complete where the run will be, how long it takes if that
    was measured, and its command.

    Args:
        command: for a terminal.
        problem: what is wrong with the form, which is shown when a button is pressed.
    """
    arguments, measured = options.arguments(), f"_measured-{label}"
    with st.container(horizontal=True, vertical_alignment="center"):
        started = st.button(label, type="primary", icon=":material/play_arrow:")
        asked = st.button(
            "Measure how long it takes",
            key=f"measure-{label}",
            icon=":material/timer:",
            help="Tries every model on some of the pictures, which takes about a minute, and says how long the whole "
            "takes, and which images will be left out.",
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
        about, _, lines = words.partition("\n\n")
        st.markdown(plain(about))
        if lines:
            head, *phases = (re.split(" {2,}", line) for line in lines.splitlines())
            rows = [dict(zip_longest(head, phase, fillvalue="")) for phase in phases]
            st.table(pd.DataFrame(rows).set_index(head[0]), border="horizontal")
    st.caption(f"Makes `{_from_here(out)}`. The same from a terminal, in the folder where this dashboard was started:")
    st.code(shlex.join(["probing", *command]), language=None, wrap_lines=True)


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


def _measure(out: Path, arguments: Sequence[str]) -> str:
    with st.spinner("Measuring some of each kind of work", show_time=True):
        line = st.empty()
        words = processes.measured(out, arguments, lambda said: line.caption(plain(said)))
        line.empty()
    return words


def _started(name: str) -> NoReturn:
    """Clear the form, and show the page with the run called ``name`` in its list."""
    banner.watch(name)
    for field in CLEARED:
        state.forget(field)
        st.session_state.pop(field, None)
    st.rerun(scope="app")


@st.fragment(run_every=2.0)
@messages.guarded
def _runs() -> None:
    st.header("Runs on this computer")
    places = cache.places()
    places = [*places, *_only_begun({place.name for place in places})]
    if not places:
        messages.empty("There is none yet: fill in one of the forms above and press its button.")
    for place in places:
        report = processes.report_of(place.path)
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"run-{place.name}"):
            if report and computations.is_running(report):
                st.progress(report.share, text=plain(f"{place.name}: {report.so_far}"))
            else:
                otherwise = "complete" if place.complete else "begun, not complete"
                st.markdown(f"**{plain(place.name)}** — {computations.status(report, otherwise)}", width="stretch")
            if rights.allowed():
                _controls(place, report)
            if place.complete and st.button("Open", key=f"open-run-{place.name}"):
                state.choose("run", place.name)
                st.switch_page("views/explore.py")


def _controls(place: RunPlace, report: Report | None) -> None:
    begun = (place.path / layout.RECIPE).is_file()
    # Studies and maps come after the scores that make a run complete.
    unfinished = not place.complete or (report is not None and report.state in ("cancelled", "failed"))
    had = " ".join(last_options(place.path).arguments())

    def resume() -> None:
        processes.resume(place.path)
        banner.watch(place.name)

    computations.controls(
        place.name,
        place.path,
        report,
        resume if begun and unfinished else None,
        None if begun else lambda: processes.remove(place.path),
        loss=f"The run **{plain(place.name)}** is removed. Nothing of it was computed.",
        hint=f"As before: {plain(had)}" if had else None,
    )


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


show()
