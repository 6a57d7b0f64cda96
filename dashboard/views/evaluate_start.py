"""Buttons that start a run in the background or estimate its duration."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NoReturn

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.jobs import processes
from dashboard.text import plain
from dashboard.widgets import banner, commands
from probing_core import models as known_models
from probing_core.errors import BadConfig, BadCorpus, ProbingError
from probing_core.paths import user_path
from probing_core.run.options import Options

CLEARED = ("rank-model", "new-name", "new-corpus", "new-limit", "new-models", "new-groups")
"""Form fields that are cleared after a run has been started."""


def show(label: str, out: Path, options: Options, command: Sequence[str], problem: str) -> None:
    """Show buttons that start a run or estimate its duration.

    If the form is complete, the estimate and the command are also shown.

    Args:
        label: label of the start button.
        out: folder of the run.
        options: options of the run.
        command: equivalent arguments for the command line.
        problem: problem with the form, which is shown when a button is clicked.
    """
    arguments, key = options.arguments(), f"_measured-{label}"
    with st.container(horizontal=True, vertical_alignment="center"):
        is_started = st.button(label, type="primary", icon=":material/play_arrow:")
        is_timed = st.button("Estimate time", key=f"measure-{label}", icon=":material/timer:")
    if is_started or is_timed:
        try:
            _refuse(problem, options)
            if is_started:
                processes.start(out, arguments)
                _started(out.name)
            commands.begin(key, arguments, lambda: processes.measured(out, arguments))
        except ProbingError as error:
            st.error(plain(str(error)), icon=":material/error:")
    if problem:
        return
    if estimate := commands.started(key, arguments):
        show_estimate(estimate)
    with st.popover("Command", type="tertiary", icon=":material/terminal:"):
        st.code(shlex.join(["probing", *command]), language=None, wrap_lines=True)


def show_estimate(estimate: processes.Command) -> None:
    """Show the output of a command that estimates a duration, or its progress until it has ended."""
    if estimate.is_running:
        commands.show_progress(estimate, lambda line: st.caption(f"Estimating the time. {plain(line)}"))
    elif text := commands.output(estimate):
        about, _, lines = text.partition("\n\n")
        st.markdown(plain(about))
        if lines:
            head, *phases = (re.split(" {2,}", line) for line in lines.splitlines())
            rows = [dict(zip_longest(head, phase, fillvalue="")) for phase in phases]
            st.table(pd.DataFrame(rows).set_index(head[0]), border="horizontal")


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


def _started(name: str) -> NoReturn:
    """Clear the form after the run ``name`` has been started, and rerun the page to list the run."""
    banner.watch(name)
    for field in CLEARED:
        state.forget(field)
        st.session_state.pop(field, None)
    st.rerun(scope="app")


def from_here(path: Path) -> str:
    """Format ``path`` for use in a shell command, relative to the working directory if ``path`` is inside it."""
    current = Path.cwd()
    return str(path.relative_to(current)) if path.is_relative_to(current) else str(path)


def full_name(model: str) -> tuple[str, str]:
    """Return the full name of a model, and an error message that is empty if the name is valid."""
    try:
        return (known_models.parse_known(model).full if model else "", "")
    except ProbingError as error:
        return "", str(error)
