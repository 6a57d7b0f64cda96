"""The "Evaluate your model" page: forms that rank a model or compare models on your own images, and the list of runs.

Runs are computed by background processes. Names from a URL or an input field are only looked up when a button is
clicked. All names are then checked before any file is written.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import streamlit as st

from dashboard import rights, state
from dashboard.data import cache
from dashboard.jobs import processes
from dashboard.jobs.model_names import model_names
from dashboard.page import page
from dashboard.text import in_bold, plain
from dashboard.widgets import access, banner, computations, messages, tables
from probing_core import models as known_models
from probing_core.charts import Figure, Theme, ranking_chart
from probing_core.charts.figure import ROW_PX
from probing_core.corpora import KINDS
from probing_core.errors import BadConfig, BadCorpus, ProbingError
from probing_core.measures import MEASURES
from probing_core.measures.notation import in_percent, interval_in_percent, model_title, model_titles
from probing_core.measures.statistics import is_significant, with_place
from probing_core.paths import flaw_of_name, looks_like_path, runs_dir, user_path
from probing_core.results import Run, RunPlace, unused_name
from probing_core.results.ranking import measure_of
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

FULL = "Rank my model"
"""Label of the button that starts a full evaluation."""

RANKED = "_ranked"
"""Session key of the results of the quick protocol, by run digest."""

STAYED = "_stayed"
"""Session key of the message about files that remained after a run was deleted."""

MOST_NAMED = 3
"""Maximum number of remaining files that are listed by name."""

MAX_LETTERS = 40
"""Maximum length of the model name in the name of a run that ranks the model."""

PUBLISHED = "timm:resnet50.a1_in1k"
"""Example name of a published model."""

FORMS = (
    "Models from libraries: `timm:NAME`, `torchvision:NAME`, `open_clip:NAME/TAG`, `hf:OWNER/REPOSITORY`. Local files: "
    "`onnx:PATH`, or a checkpoint such as `timm:resnet18@weights=PATH`. Published models are downloaded on first use."
)

YOURS = "Your model"
TO_BE_MEASURED = "not measured yet"
"""Text in the row of a model that is not ranked yet."""

CLEARED = ("rank-model", "new-name", "new-corpus", "new-limit", "new-models", "new-groups")
"""Form fields that are cleared after a run has been started."""


@page("Evaluate your model")
def show() -> None:
    # The list is redrawn every two seconds, so its position must not depend on the number of elements in the forms.
    model, runs, images = st.container(), st.container(), st.container()
    allowed = rights.allowed()
    with model:
        _rank_a_model(allowed)
    with runs:
        _runs()
    if allowed:
        with images:
            st.header("Your images")
            _images()


def _rank_a_model(allowed: bool) -> None:
    if not any(place.complete for place in cache.places()):
        messages.empty("Ranking your model requires a complete run. Click Resume or Start run below.")
        access.ask("Starting a run")
        return
    base = cache.current_run()
    board = cache.board(base)
    used = base.images[base.images["used"]]
    tested = used[used["split"] == "test"] if (used["split"] == "test").any() else used
    messages.finding(
        f"Your model will be ranked among **{len(with_place(base.models['name']))} models** on the same "
        f"{tested['base_id'].nunique():,} test photographs."
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        if access.ask("Starting a run"):
            _model_form(base)
    with right:
        if ranking := st.session_state.get(RANKED, {}).get(base.digest):
            _quick_ranking(base, ranking)
        elif len(board):
            st.markdown(f'**Preview**: where your model will appear in the "{plain(base.name)}" ranking')
            ranked = cache.with_baselines(base)
            figure = cache.computed(base, _preview, cache.theme())
            tables.chart(figure, "preview", ranked, "Ranking with an empty row for your model.")


def _preview(base: Run, theme: Theme) -> Figure:
    """Draw the ranking with an empty row at the top."""
    ranked = cache.with_baselines(base)
    figure = ranking_chart(ranked[ranked["seed_of"] == ""], theme, f"{MEASURES.get(measure_of('seen')).title} (%)")
    layout_of = figure["layout"]
    row = f"<b>{YOURS}</b>"
    start = layout_of["xaxis"]["range"][0]
    for rows in ("categoryarray", "tickvals", "ticktext"):
        layout_of["yaxis"][rows] = [*layout_of["yaxis"][rows], row]
    layout_of["height"] += ROW_PX
    mark = {"type": "scatter", "mode": "text", "x": [start], "y": [row], "hoverinfo": "skip"}
    mark |= {"text": [TO_BE_MEASURED], "textposition": "middle right"}
    figure["data"].append(mark | {"textfont": {"size": 12, "color": theme.accent}, "showlegend": False})
    return figure


def _model_form(base: Run) -> None:
    names = model_names()
    typed = state.stored_choice("rank-model")
    options = list(dict.fromkeys(["", *([typed] if typed else []), *names.on_disk, *names.published]))
    on_disk = set(names.on_disk)
    model = state.choice(
        partial(st.selectbox, options=options, accept_new_options=True),
        "Model",
        "rank-model",
        "",
        format_func=lambda name: (f"{name} (on this computer)" if name in on_disk else name) or f"Example: {PUBLISHED}",
        help=FORMS,
    )
    model = (model or "").strip()
    st.caption(
        f"Models on this computer: {len(on_disk)}. Models that can be downloaded: {len(names.published):,}."
        if on_disk
        else "Type a model name, or select a model when the list has loaded."
    )
    name, problem = _full_name(model)
    out = runs_dir() / f"rank-{layout.slug(name)[-MAX_LETTERS:].lstrip('-._')}"
    if not problem and not name:
        problem = "Select a model or type a model name."
    elif not problem and out.exists():
        problem = f"The run '{out.name}' already exists. See the list of runs."
    elif not problem and name in set(base.models["name"]):
        problem = f"{model_title(name)} is already in this run. See the Models page."
    problem = base.pictures.why_not or problem
    options_of_run = Options(models=(name,), base=base.path)
    command = ["rank", name, "--full", "--base", _from_here(base.path), "--out", _from_here(out)]
    if not base.table(layout.QUICK).empty:
        _quick_button(base, name, problem, options_of_run)
        st.markdown("**Full evaluation**")
    _start(FULL, out, options_of_run, command, problem)
    st.caption(f"This embeds {base.sample_count:,} samples in the background. You can close this page.")


def _quick_button(base: Run, name: str, problem: str, options: Options) -> None:
    """Show buttons that rank a model with the quick protocol or estimate the required time, and wait for the result.

    Args:
        base: run that contains the other models of the ranking.
        name: name of the model.
        problem: problem with the form, which is shown when a button is clicked.
        options: options of the run, which are checked first.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        is_clicked = st.button("Rank quickly", type="primary", icon=":material/bolt:")
        timed = st.button("Estimate time", key="measure-quick", icon=":material/timer:")
    st.caption("This embeds a subset of the samples and takes a few minutes. Keep this page open.")
    if not (is_clicked or timed):
        return
    line = st.empty()
    try:
        _refuse(problem, options)
        if timed:
            with st.spinner("Estimating", show_time=True):
                st.markdown(
                    plain(processes.quick_estimate(name, base.path, lambda sentence: line.caption(plain(sentence))))
                )
            return
        with st.spinner("Ranking", show_time=True):
            rankings = processes.ranked_quickly(name, base.path, lambda sentence: line.caption(plain(sentence)))
    except ProbingError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    finally:
        line.empty()
    st.session_state.setdefault(RANKED, {})[base.digest] = rankings[0]
    st.rerun(scope="app")


def _quick_ranking(base: Run, ranking: Mapping[str, Any]) -> None:
    """Show the result of a ranking with the quick protocol.

    Args:
        base: run that contains the other models of the ranking.
        ranking: result of `QuickRanking.row`.
    """
    low, high, models = ranking["place_low"], ranking["place_high"], ranking["models"]
    place = f"{low}" if low == high else f"{low} to {high}"
    ci = interval_in_percent(ranking["low"], ranking["high"])
    st.markdown(
        f"Rank of {in_bold(ranking['model'])}: **{place}** of {models}. Quick accuracy: "
        f"{in_percent(ranking['quick_accuracy'], 1)} ({ci}, {ranking['photographs']} test photographs)."
    )
    rows = pd.DataFrame(ranking["others"])
    own_row = {"model": ranking["model"], "seed_of": "", "value": ranking["quick_accuracy"]}
    board = pd.concat(
        [pd.DataFrame([own_row | {"low": ranking["low"], "high": ranking["high"]}]), rows], ignore_index=True
    )
    board = board.assign(
        chance=1 / len(base.classes("fine")),
        p=board["p"].astype(float),
        apart=is_significant(board["p"].astype(float)),
        note="",
    ).sort_values("value", ascending=False, ignore_index=True)
    figure = ranking_chart(board, cache.theme(), "quick accuracy (%)", str(ranking["model"]))
    tables.chart(figure, "quick-ranking", board, "Ranking by quick accuracy.")
    gaps = rows.loc[rows["seed_of"] == "", ["model", "difference", "difference_low", "difference_high", "p"]]
    points = {
        column: 100 * gaps[column].astype(float) for column in ("difference", "difference_low", "difference_high")
    }
    titles = {
        "difference": "Difference (percentage points)",
        "difference_low": "95% CI low (unadjusted)",
        "difference_high": "95% CI high (unadjusted)",
        "p": "p (adjusted)",
    }
    columns = {
        name: st.column_config.NumberColumn(title, format="%.3f" if name == "p" else "%.1f")
        for name, title in titles.items()
    }
    st.markdown(f"**Differences in quick accuracy**: {plain(model_title(ranking['model']))} minus each model")
    tables.show_table(
        gaps.assign(**points), "quick-differences", {"model": "Model"} | columns, written={"model": model_title}
    )
    st.caption(
        "Quick accuracy is not comparable with the accuracy on the Models page. A full evaluation adds your model to "
        "all pages."
    )


def _from_here(path: Path) -> str:
    """Format ``path`` for use in a shell command, relative to the working directory if ``path`` is inside it."""
    current = Path.cwd()
    return str(path.relative_to(current)) if path.is_relative_to(current) else str(path)


def _full_name(model: str) -> tuple[str, str]:
    try:
        return (known_models.parse_known(model).full if model else "", "")
    except ProbingError as error:
        return "", str(error)


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
    command = ["run", "--out", _from_here(out), *options.arguments()]
    _start("Start run", out, options, command, _problem(name, models) or problem or refused)


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
        help=f"Select models or sets of models, or type names. {FORMS}",
    )
    for problem in known_models.CATALOG.problems:
        st.warning(plain(problem), icon=":material/error:")
    offered = [name for name in chosen if name in titles]  # typed names are looked up later
    if downloads := known_models.download_summary(known_models.expand(offered)):
        st.caption(f":material/download: {plain(downloads)}")
    return chosen, next((problem for name in chosen if name not in titles and (problem := _full_name(name)[1])), "")


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


def _start(label: str, out: Path, options: Options, command: Sequence[str], problem: str) -> None:
    """Show buttons that start a run or estimate its duration.

    If the form is complete, the estimate and the command are also shown.

    Args:
        label: label of the start button.
        out: folder of the run.
        options: options of the run.
        command: equivalent arguments for the command line.
        problem: problem with the form, which is shown when a button is clicked.
    """
    arguments, measured = options.arguments(), f"_measured-{label}"
    with st.container(horizontal=True, vertical_alignment="center"):
        started = st.button(label, type="primary", icon=":material/play_arrow:")
        is_clicked = st.button("Estimate time", key=f"measure-{label}", icon=":material/timer:")
    if started or is_clicked:
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
    measured_arguments, estimate_text = st.session_state.get(measured, ([], ""))
    if measured_arguments == arguments:
        about, _, lines = estimate_text.partition("\n\n")
        st.markdown(plain(about))
        if lines:
            head, *phases = (re.split(" {2,}", line) for line in lines.splitlines())
            rows = [dict(zip_longest(head, phase, fillvalue="")) for phase in phases]
            st.table(pd.DataFrame(rows).set_index(head[0]), border="horizontal")
    with st.popover("Command", type="tertiary", icon=":material/terminal:"):
        st.code(shlex.join(["probing", *command]), language=None, wrap_lines=True)


def _refuse(problem: str, options: Options) -> None:
    """Check the form before a run is started.

    Args:
        problem: known problem with the form, or an empty string.
        options: options of the run.

    Raises:
        ProbingError: the form has a problem, or a model, file, folder or library is missing.
    """
    if problem:
        raise BadConfig(problem)
    with st.spinner("Checking models and images"):
        for name in options.models or ():
            if name not in known_models.MODEL_SETS:
                known_models.refuse_absent(name)
    kind, _, path = (options.corpus or "").partition(":")
    if kind in ("folder", "parquet") and "://" not in path and not user_path(path).exists():
        raise BadCorpus(f"'{path}' does not exist. Check the path.")


def _measure(out: Path, arguments: Sequence[str]) -> str:
    line = st.empty()
    try:
        with st.spinner("Estimating", show_time=True):
            return processes.measured(out, arguments, lambda sentence: line.caption(plain(sentence)))
    finally:
        line.empty()


def _started(name: str) -> NoReturn:
    """Clear the form after the run ``name`` has been started, and rerun the page to list the run."""
    banner.watch(name)
    for field in CLEARED:
        state.forget(field)
        st.session_state.pop(field, None)
    st.rerun(scope="app")


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
