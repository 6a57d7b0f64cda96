"""The "Evaluate your model" page: forms that rank a model or compare models on your own images, and the list of runs.

Runs are computed by background processes. Names from a URL or an input field are only looked up when a button is
clicked. All names are then checked before any file is written.
"""

from __future__ import annotations

from collections.abc import Container
from functools import partial

import streamlit as st

from dashboard import rights, state
from dashboard.data import cache
from dashboard.jobs import processes
from dashboard.page import page
from dashboard.text import plain
from dashboard.views import evaluate_model, evaluate_start
from dashboard.widgets import banner, computations, messages
from probing_core import models as known_models
from probing_core.corpora import KINDS
from probing_core.measures.notation import model_titles
from probing_core.paths import flaw_of_name, looks_like_path, runs_dir
from probing_core.results import RunPlace, unused_name
from probing_core.run import layout
from probing_core.run.options import Options, last_options
from probing_core.run.progress import Report
from probing_core.transforms import GROUPS, bank

SETS = {
    "bundled": "all included models",
    "zoo": "all zoo encoders",
    "published": "published encoders",
    "baselines": "all baselines",
}

MAX_IMAGES = 1_000_000

STAYED = "_stayed"
"""Session key of the message about files that remained after a run was deleted."""

MOST_NAMED = 3
"""Maximum number of remaining files that are listed by name."""


@page("Evaluate your model")
def show() -> None:
    # The list is redrawn every two seconds, so its position must not depend on the number of elements in the forms.
    model, runs, images = st.container(), st.container(), st.container()
    allowed = rights.allowed()
    with model:
        evaluate_model.show(allowed)
    with runs:
        _runs()
    if allowed:
        with images:
            st.header("Your images")
            _images()


def _images() -> None:
    st.markdown("Compare models on your own images. When the run is complete, its results are available on all pages.")
    left, right = st.columns(2)
    with left:
        name = state.choice(st.text_input, "Run name", "new-name", "", placeholder="my-photos", max_chars=60)
    with right:
        corpus = state.choice(
            st.text_input,
            "Images",
            "new-corpus",
            cache.PACKAGED,
            help="Path of a folder with one subfolder per label, such as /home/me/pictures; `parquet:FILE`; "
            "`hub:OWNER/NAME` (downloaded from the Hugging Face Hub); or `photos` (included photographs).",
        ).strip()
    corpus, refused = _corpus(corpus)
    models, problem = _models()
    left, right = st.columns(2)
    state.remember("new-limit", range(MAX_IMAGES + 1), 0)
    hint = "Images are sampled evenly from all photographs."
    limit = left.number_input("Maximum number of images (0 = all)", 0, MAX_IMAGES, key="new-limit", help=hint)
    state.publish("new-limit", limit)
    changing = [group for group in GROUPS if group != "identity"]
    groups = state.choice(
        right.multiselect, "Transformation groups", "new-groups", [], changing, placeholder="all groups"
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
    command = ["run", "--out", evaluate_start.from_here(out), *options.arguments()]
    evaluate_start.show("Start run", out, options, command, _problem(name, models) or problem or refused)


def _corpus(text: str) -> tuple[str, str]:
    """Return the corpus that the visitor entered, and an error message that is empty if the corpus is valid.

    Paths do not require a prefix. Files are not opened.
    """
    if looks_like_path(text):
        return f"{'parquet' if text.endswith('.parquet') else 'folder'}:{text}", ""
    kinds = {kind.name: kind for kind in KINDS}
    kind, _, argument = text.partition(":")
    if text == cache.PACKAGED or (kind in kinds and bool(kinds[kind].argument) == bool(argument)):
        return text, ""
    forms = ", ".join(kind.usage for kind in kinds.values())
    return text, f"'{text}' is not a corpus. Enter the path of a folder, or one of these forms: {forms}."


def _models() -> tuple[list[str], str]:
    """Show the field for models, and return the selected or typed models and an error for the first invalid name."""
    available = [spec.name for spec in known_models.CATALOG if spec.check().available]
    titles = SETS | dict(model_titles(available))
    chosen = state.choice(
        partial(st.multiselect, options=list(titles), accept_new_options=True),
        "Models",
        "new-models",
        list(known_models.bundled()),
        format_func=lambda name: titles.get(name, name),
        wrap=True,
        help=f"Select models or sets of models, or type names. {evaluate_model.FORMS}",
    )
    for problem in known_models.CATALOG.problems:
        st.warning(plain(problem), icon=":material/error:")
    offered = [name for name in chosen if name in titles]  # typed names are looked up later
    if downloads := known_models.download_summary(known_models.expand(offered)):
        st.caption(f":material/download: {plain(downloads)}")
    problems = (evaluate_start.full_name(name)[1] for name in chosen if name not in titles)
    return chosen, next(filter(None, problems), "")


def _problem(name: str, models: list[str]) -> str:
    if not name:
        return "Enter a name for the run."
    if not processes.NAME.fullmatch(name):
        return (
            "Use only letters, digits, dots, dashes and underscores in the name. Start with a letter or digit, and do "
            "not end with a dot."
        )
    if flaw := flaw_of_name(name):
        return f"'{name}' cannot be the name of a run on every system: {flaw}. Choose a different name."
    if (runs_dir() / name).exists() or name in {place.name for place in cache.places()}:
        return f"The run '{name}' already exists. Choose a different name."
    return "" if models else "Select at least one model."


@st.fragment(run_every=2.0)
@messages.guarded
def _runs() -> None:
    st.header("Runs")
    if stayed := st.session_state.pop(STAYED, ""):
        st.info(plain(stayed))
    places = cache.places()
    places = [*places, *_only_begun({place.name for place in places})]
    if not places:
        messages.empty("There are no runs yet. Use the form below to compare models on your own images.")
    for place in places:
        report = processes.report_of(place.path)
        with st.container(horizontal=True, vertical_alignment="center", key=f"run-{place.name}"):
            if report and computations.is_running(report):
                st.progress(report.share, text=plain(f"{place.name}: {report.so_far}"))
            else:
                otherwise = "complete" if place.complete else "incomplete"
                st.markdown(f"**{plain(place.name)}**: {computations.status(report, otherwise)}", width="stretch")
            if rights.allowed():
                _controls(place, report)
            if place.complete and st.button("Open", key=f"open-run-{place.name}"):
                state.choose("run", place.name)
                st.switch_page("views/models.py")


def _controls(place: RunPlace, report: Report | None) -> None:
    is_begun = (place.path / layout.RECIPE).is_file()
    # A run is complete when it has scores. Studies and maps are computed later.
    unfinished = not place.complete or (report is not None and report.state in ("cancelled", "failed"))
    options_text = " ".join(last_options(place.path).arguments())

    def resume() -> None:
        processes.resume(place.path)
        banner.watch(place.name)

    def delete() -> None:
        if stayed := processes.remove(place.path):
            some = ", ".join(stayed[:MOST_NAMED]) + (", ..." if len(stayed) > MOST_NAMED else "")
            st.session_state[STAYED] = f"'{place.path}' still contains files that do not belong to the run: {some}."

    computations.controls(
        place.name,
        place.path,
        report,
        resume if is_begun and unfinished else None,
        delete if place.path.resolve().parent == runs_dir().resolve() else None,
        loss=_loss(place),
        hint=f"Resumes the run with these options: {plain(options_text)}" if options_text else None,
    )


def _loss(place: RunPlace) -> str:
    """Return the confirmation message for deleting a run."""
    models = len(list((place.path / layout.MODELS).glob("*/")))
    deleted = f"Embeddings, probes and scores of {models} model{'s' * (models != 1)} will be deleted." if models else ""
    return f"Delete the run **{plain(place.name)}**? {deleted or 'It has no results.'}"


def _only_begun(used: Container[str]) -> list[RunPlace]:
    """Return the runs without a recipe: their corpus is still being read, or could not be read.

    Args:
        used: names of all other listed runs, which may be in different folders.
    """
    folder = runs_dir()
    folders = sorted(folder.iterdir()) if folder.is_dir() else []
    return [
        RunPlace(unused_name(path.name, used), path, complete=False)
        for path in folders
        if (path / layout.PROGRESS).is_file() and not (path / layout.RECIPE).is_file()
    ]


show()
