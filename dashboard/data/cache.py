"""Data of runs and corpora for the pages, cached for all visitors.

A run is reopened if a step has been completed, so that pages show new results of a background process immediately.
Cached objects are shared, so pages must copy them before making changes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import state
from probing_core.answers.answer_quality import Quality, quality, reliability
from probing_core.api.model_answers import held_out, outside
from probing_core.catalog import load_plugin
from probing_core.charts import Theme
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadRun
from probing_core.images import encode_jpeg
from probing_core.results import Run, RunPlace, find_runs, leaderboard
from probing_core.results.ranking import RANKING_FACTS, in_order, is_baseline, scores_of
from probing_core.run import layout
from probing_core.run.run_files import stamp

Keys = ParamSpec("Keys")
T = TypeVar("T")

PACKAGED = "photos"

HELD_OUT = "test photographs of the run"
OTHERS = "photographs from other collections"
"""Sets of images on which model answers are evaluated."""

MAX_CACHED_RUNS = 4
MAX_CACHED_RESULTS = 256
MAX_CACHED_PREDICTIONS = 24
MAX_CACHED_PICTURES = 4096

BY_DIGEST: dict[str | type, Callable[[Any], Any]] = {Run: lambda run: run.digest}
"""Hash functions for cache keys. A run is hashed by its digest, so a changed run is read again."""


class NoRun(BadRun):
    """Raised if no run with results is available."""


def theme() -> Theme:
    """Return the visitor's chart theme. Each model of the selected run has the same style in all charts."""
    try:
        models = tuple(current_run().models["name"])
    except BadRun:
        models = ()
    return Theme(dark=is_dark(), models=models)


def is_dark() -> bool:
    return st.context.theme.type == "dark"


def places() -> list[RunPlace]:
    return find_runs(_named("--run", sys.argv[1:]))


def load_plugins() -> None:
    """Run the files given with ``--plugin``, as in ``streamlit run dashboard/app.py -- --plugin FILE.py``.

    Raises:
        BadConfig: a file does not exist or cannot be run.
    """
    for path in _named("--plugin", sys.argv[1:]):
        load_plugin(path)


def _named(option: str, arguments: list[str]) -> list[Path]:
    return [Path(value) for flag, value in pairwise(arguments) if flag == option]


def current_run() -> Run:
    """Return the run that the visitor selected, or the first available run.

    Raises:
        NoRun: no run with results is available.
        BadRun: the run cannot be read.
    """
    complete = {p.name: p for p in places() if p.complete}
    place = complete.get(state.stored_choice("run")) or next(iter(complete.values()), None)
    if place is None:
        raise NoRun('There are no results yet. Start a run on the "Evaluate your model" page.')
    return open_run(place.path)


def open_run(path: Path) -> Run:
    return _open_run(str(path), stamp(path))


@st.cache_resource(max_entries=MAX_CACHED_RUNS, show_spinner=False)
def _open_run(path: str, stamp: str) -> Run:
    return Run.open(path)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=MAX_CACHED_PREDICTIONS)
def predictions(run: Run, model: str, task: str) -> pd.DataFrame:
    """Return `Run.predictions` with the columns that are required for scores. `described` adds other columns."""
    return run.predictions(model, task, RANKING_FACTS)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=MAX_CACHED_RUNS)
def trust(run: Run) -> dict[str, dict[str, tuple[Quality, pd.DataFrame]]]:
    """Compute the answer quality and the reliability diagram of each model on each set of images.

    Returns:
        Set of images -> model -> (quality, bins of the reliability diagram). Sets without answers are omitted.
    """
    sets = {HELD_OUT: held_out(run, run.live_models), OTHERS: outside(run)}
    return {
        name: {
            str(model): (quality(model_rows), reliability(model_rows))
            for model, model_rows in rows.groupby("model", sort=False)
        }
        for name, rows in sets.items()
        if len(rows)
    }


def described(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    facts = run.sample_rows(rows["sample"].to_numpy()).drop(columns="sample").set_axis(rows.index)
    return pd.concat([rows.drop(columns=[c for c in rows if c in facts]), facts], axis=1)


def computed(run: Run, compute: Callable[Concatenate[Run, Keys], T], *arguments: Keys.args, **named: Keys.kwargs) -> T:
    """Return ``compute(run, *arguments, **named)``, cached for all visitors.

    Args:
        compute: module-level function. Its file and name are part of the cache key. The module is not sufficient,
            because Streamlit runs all pages as ``__main__``.
        arguments, named: strings, numbers, tuples of strings and numbers, or a theme.
    """
    file = inspect.unwrap(compute).__code__.co_filename
    return _computed(run, f"{file}:{compute.__qualname__}", compute, arguments, named)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=MAX_CACHED_RESULTS)
def _computed(run: Run, name: str, _compute: Callable[..., Any], arguments: tuple, named: dict) -> Any:
    return _compute(run, *arguments, **named)


def table(run: Run, name: str) -> pd.DataFrame:
    return computed(run, Run.table, name)


def study(run: Run, name: str) -> pd.DataFrame:
    return table(run, layout.table_path(name))


def board(run: Run) -> pd.DataFrame:
    """Return the ranking of the models of ``run``. Baselines are included only if there are no other models."""
    return computed(run, _board)


def _board(run: Run) -> pd.DataFrame:
    encoders = leaderboard(run, "fine", "seen", False)
    return leaderboard(run, "fine", "seen", True) if encoders.empty else encoders


def with_baselines(run: Run) -> pd.DataFrame:
    """Return the ranking of `board` with all baselines. Baselines are not compared with encoders."""
    return computed(run, _with_baselines)


def _with_baselines(run: Run) -> pd.DataFrame:
    ranking, scored = board(run), computed(run, scores_of, "fine", "seen")
    baselines = scored[is_baseline(scored["model"])]
    if baselines.empty or is_baseline(ranking["model"]).any():
        return ranking
    return in_order(pd.concat([ranking, baselines.assign(p=np.nan, apart=True)], ignore_index=True))


def picture(run: Run, sample: int, before: bool = False) -> bytes:
    """Return the image of one sample, or its original, as JPEG bytes.

    Args:
        sample: number of the sample.
        before: whether to return the original.

    Raises:
        PicturesMissing: the corpus of the run is not available on this computer.
    """
    return _pair(run, sample, None)[0 if before else 1]


def pictures(run: Run, rows: pd.DataFrame) -> list[bytes]:
    """Return the images of samples as JPEG bytes.

    Args:
        rows: result of `described` for the samples.

    Raises:
        PicturesMissing: the corpus of the run is not available on this computer.
    """
    return [_pair(run, int(row["sample"]), row)[1] for row in rows.to_dict("records")]


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=MAX_CACHED_PICTURES)
def _pair(run: Run, sample: int, _row: Mapping[Any, Any] | None) -> tuple[bytes, bytes]:
    before, after = run.picture(sample) if _row is None else run.pictures.pair(_row)
    return encode_jpeg(before, quality=92), encode_jpeg(after, quality=92)


@st.cache_resource(show_spinner=False)
def packaged() -> Corpus:
    """Return the packaged photographs."""
    return open_corpus(PACKAGED)


@st.cache_resource(max_entries=64, show_spinner=False)
def packaged_image(image_id: str) -> np.ndarray:
    return packaged().load(image_id)
