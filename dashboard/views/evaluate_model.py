"""Form that ranks a model among the models of a run, and the ranking with a row for the model.

With the quick protocol, a command in a separate process estimates the time as soon as the visitor has entered a name,
and ranks the model while the page shows its progress. A full evaluation is a run in the background.

Nothing is computed for a name from a URL before the visitor clicks a button, because the name may refer to a file whose
code would be executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.jobs import estimates, processes
from dashboard.jobs.model_names import model_names
from dashboard.text import in_bold, plain
from dashboard.views import evaluate_start
from dashboard.widgets import access, commands, messages, tables
from probing_core.charts import Figure, Theme, ranking_chart
from probing_core.charts.figure import ROW_PX, escape
from probing_core.measures import MEASURES
from probing_core.measures.notation import counted, in_percent, interval_in_percent, model_title
from probing_core.measures.statistics import is_significant, with_place
from probing_core.models.python_function import EXAMPLE, TEMPLATE, parse_function
from probing_core.paths import runs_dir
from probing_core.results import Run
from probing_core.results.ranking import measure_of
from probing_core.run import layout
from probing_core.run.options import Options

FULL = "Rank my model"
"""Label of the button that starts a full evaluation."""

RANKED = "_ranked"
"""Session key of the results of the quick protocol, by run digest."""

ENTERED = "_entered-model"
"""Session key of the model name that the visitor has entered, in contrast to a name from a URL."""

ESTIMATE, RANKING = "_quick-estimate", "_quick-ranking"
"""Session keys of the commands of the quick protocol."""

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


def show(allowed: bool) -> None:
    if not any(place.complete for place in cache.places()):
        messages.empty("Ranking your model requires a complete run. Click Resume or Start run below.")
        access.ask("Starting a run")
        return
    base = cache.current_run()
    count = len(with_place(base.models["name"]))
    messages.finding(f"Your model will be ranked among **{counted(count, 'model')}** on the same test photographs.")
    left, right = st.columns([2, 3], gap="large")
    with left:
        ranking = _model_form(base) if access.ask("Starting a run") else None
    with right:
        _show_ranking(base, ranking)


def _model_form(base: Run) -> processes.Command | None:
    """Show the form, and return the command that is ranking the model, if any."""
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
        help=f"{FORMS} Python functions: `{EXAMPLE}`.",
        on_change=_note_entered,
    )
    _offer_template()
    entered = (model or "").strip()
    is_function = parse_function(entered) is not None
    name, problem = (entered, "") if is_function else evaluate_start.full_name(entered)
    if not problem and not name:
        problem = "Select a model or type a model name."
    elif not problem and name in set(base.models["name"]):
        problem = f"{model_title(name)} is already in this run. See the Models page."
    problem = base.pictures.why_not or problem
    ranking = None
    if not base.table(layout.QUICK).empty:
        ranking = _quick(base, name, problem, bool(entered) and st.session_state.get(ENTERED) == entered)
    elif is_function:
        st.info("Select the reference run. This run has no results of the quick protocol, which functions require.")
    full = st.empty()
    if is_function:
        full.caption(
            "A Python function can only be ranked quickly. For a full evaluation, use a model type in the list, such "
            "as an ONNX file."
        )
    else:
        with full.container():
            _full(base, name, problem)
    return ranking


def _note_entered() -> None:
    st.session_state[ENTERED] = (st.session_state["rank-model"] or "").strip()


def _offer_template() -> None:
    with st.popover("Use a Python function", type="tertiary", icon=":material/code:"):
        st.markdown(
            f"Save this code as encoder.py in the folder {plain(str(Path.cwd()))}, and enter **{plain(EXAMPLE)}** as "
            "the model. In a different folder, enter the full path of the file. The code runs on this computer."
        )
        st.code(TEMPLATE, language="python")


def _quick(base: Run, name: str, problem: str, is_entered: bool) -> processes.Command | None:
    """Show the button of the quick protocol and the estimated time, and return the command that ranks the model.

    Args:
        base: run that contains the other models of the ranking.
        name: name of the model.
        problem: problem with the form, which is shown if the name was entered or when a button is clicked.
        is_entered: whether the visitor entered the name. The time is then estimated without a click.
    """
    subject = base.digest, name
    estimate, ranking = commands.started(ESTIMATE, subject), commands.started(RANKING, subject)
    is_ranking = ranking is not None and ranking.is_running
    with st.container(horizontal=True, vertical_alignment="center"):
        is_clicked = st.button("Rank quickly", type="primary", icon=":material/bolt:", disabled=is_ranking)
        second = st.empty()  # removes the button of the previous run at once, and not when the script has ended
    is_timed = False
    if is_ranking:
        second.button("Cancel", key="cancel-quick", on_click=commands.stop, args=(RANKING,))
    elif not is_entered:
        is_timed = second.button("Estimate time", key="measure-quick", icon=":material/timer:")
    if problem:
        if is_clicked or is_timed or is_entered:
            st.error(plain(problem), icon=":material/error:")
    elif is_clicked:
        commands.stop(ESTIMATE)
        commands.begin(RANKING, subject, lambda: processes.ranked_quickly(name, base.path))
        st.rerun()
    elif (is_timed or is_entered) and estimate is None and ranking is None:
        commands.begin(ESTIMATE, subject, lambda: estimates.start(name, base.path))
        estimate = commands.started(ESTIMATE, subject)
    if ranking is None and (estimate is None or not estimate.is_running):
        estimates.prepare(base.path)  # a second computation would slow down the first one
    if ranking is not None:
        return ranking if is_ranking or commands.output(ranking) is not None else None
    if estimate is None:
        st.caption("The quick protocol embeds a subset of the samples and takes a few minutes. Keep this page open.")
    else:
        evaluate_start.show_estimate(estimate)
    return None


def _full(base: Run, name: str, problem: str) -> None:
    out = runs_dir() / f"rank-{layout.slug(name)[-MAX_LETTERS:].lstrip('-._')}"
    if not problem and out.exists():
        problem = f"The run '{out.name}' already exists. See the list of runs."
    command = ["rank", name, "--full", "--base", evaluate_start.from_here(base.path)]
    command += ["--out", evaluate_start.from_here(out)]
    st.markdown("**Full evaluation**")
    evaluate_start.show(FULL, out, Options(models=(name,), base=base.path), command, problem)
    st.caption(
        f"This embeds {base.sample_count:,} samples in the background and adds your model to all pages. You can close "
        "this page."
    )


def _show_ranking(base: Run, ranking: processes.Command | None) -> None:
    """Show the ranking with a row for the model, which contains its progress until the model is ranked."""
    if ranking is not None and not ranking.is_running:
        _quick_ranking(base, json.loads(ranking.output())[0])
        return
    if not len(cache.board(base)):
        return
    st.markdown(f'**Preview**: where your model will appear in the "{plain(base.name)}" ranking')
    if ranking is None:
        _draw_preview(base, TO_BE_MEASURED)
    else:
        commands.show_progress(ranking, lambda line: _draw_preview(base, line or "starting"))


def _draw_preview(base: Run, text: str) -> None:
    figure = _preview(base, cache.theme(), text)
    ranked = cache.with_baselines(base)
    tables.chart(figure, "preview", ranked, "Ranking with an empty row for your model.")


def _preview(base: Run, theme: Theme, text: str) -> Figure:
    """Draw the ranking with a row for the model at the top that contains ``text``."""
    ranked = cache.with_baselines(base)
    figure = ranking_chart(ranked[ranked["seed_of"] == ""], theme, f"{MEASURES.get(measure_of('seen')).title} (%)")
    layout_of = figure["layout"]
    row = f"<b>{YOURS}</b>"
    start = layout_of["xaxis"]["range"][0]
    for rows in ("categoryarray", "tickvals", "ticktext"):
        layout_of["yaxis"][rows] = [*layout_of["yaxis"][rows], row]
    layout_of["height"] += ROW_PX
    mark = {"type": "scatter", "mode": "text", "x": [start], "y": [row], "hoverinfo": "skip"}
    mark |= {"text": [escape(text)], "textposition": "middle right"}
    figure["data"].append(mark | {"textfont": {"size": 12, "color": theme.accent}, "showlegend": False})
    return figure


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
    st.caption("Quick accuracy is not comparable with the accuracy on the Models page.")
