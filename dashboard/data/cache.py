"""What the pages read of runs and corpora, cached for all visitors.

A run is opened again when its manifest has changed, so that what a worker adds meanwhile is seen at once. Shared
objects are read-only: pages copy what they change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import rights, state
from dashboard.text import with_strength
from probing_core.charts import Theme
from probing_core.corpora.base import Corpus
from probing_core.errors import BadRun
from probing_core.images import encode_jpeg
from probing_core.results import Run, RunPlace, find_runs
from probing_core.results.ranking import SCORING_FACTS
from probing_core.runs.manifest import stamp

Keys = ParamSpec("Keys")
T = TypeVar("T")

PACKAGED = "photos"
"""The corpus that comes with the product."""

RUNS = 4
TABLES = 64
PREDICTIONS = 24
PICTURES = 4096
"""Most that are in memory; predictions of a million samples take 30 MB, pictures about 6 kB each."""

HOVER = ("transform", "strength", "label", "image_id")
"""Columns of a sample that stand beside it under the pointer."""

BY_DIGEST: dict[str | type, Callable[[Any], Any]] = {Run: lambda run: run.digest}
"""How caches know a run: whatever is read of one that changed is read again."""


class NoRun(BadRun):
    """There is nothing to show yet."""


def theme() -> Theme:
    """The visitor's colors; the models of the chosen run have the same style in all charts."""
    try:
        models = tuple(current_run().models["name"])
    except BadRun:
        models = ()
    return Theme(dark=is_dark(), models=models)


def is_dark() -> bool:
    return st.context.theme.type == "dark"


def places() -> list[RunPlace]:
    return find_runs(_named_runs(sys.argv[1:]))


def _named_runs(arguments: list[str]) -> list[Path]:
    """The directories after ``--run`` in ``streamlit run dashboard/app.py -- --run DIR``."""
    return [Path(value) for flag, value in pairwise(arguments) if flag == "--run"]


def current_run() -> Run:
    """The run that the person has chosen.

    Raises:
        NoRun: there is none to show yet.
        BadRun: it cannot be read.
    """
    complete = {p.name: p for p in places() if p.complete}
    place = complete.get(state.chosen("run")) or next(iter(complete.values()), None)
    if place is None:
        raise NoRun(
            "There are no results to show yet: `probing demo` (in a clone `make demo`) computes the demo run, New run "
            "starts another, and `probing demo --run DIR` opens one from elsewhere."
        )
    return open_run(place.path)


def open_run(path: Path) -> Run:
    return _open_run(str(path), stamp(path))


@st.cache_resource(max_entries=RUNS, show_spinner=False)
def _open_run(path: str, stamp: str) -> Run:
    return Run.open(path)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=TABLES)
def table(run: Run, name: str) -> pd.DataFrame:
    """The run's table called ``name``; an empty frame where it has none."""
    return run.table(name)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=PREDICTIONS)
def predictions(run: Run, model: str, task: str) -> pd.DataFrame:
    """`Run.tested` with what scores need of a sample; `described` adds the rest to those that are shown."""
    return run.tested(model, task, SCORING_FACTS)


def described(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """``rows``, which have a column ``sample``, with all that is known of their samples. Not shared."""
    facts = run.sample_rows(rows["sample"].to_numpy()).drop(columns="sample").set_axis(rows.index)
    return pd.concat([rows.drop(columns=[c for c in rows if c in facts]), facts], axis=1)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=TABLES)
def map_of(run: Run, model: str) -> pd.DataFrame | None:
    return run.map(model)


def existing_map(run: Run, model: str) -> pd.DataFrame:
    """That of a model that has one."""
    found = map_of(run, model)
    assert found is not None
    return found


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=16)
def placed_samples(run: Run, model: str, most: int) -> pd.DataFrame:
    """Up to ``most`` samples on the map of ``model``, which must have one, with ``x``, ``y``, all that the run knows of
    them, and in ``hover`` the text under the pointer."""
    placed = existing_map(run, model)
    if len(placed) > most:
        # Drawn at random, but always alike: no sample that comes every n-th (a transform) is lost as a whole.
        placed = placed.iloc[np.sort(np.random.default_rng(0).choice(len(placed), most, replace=False))]
    rows = run.sample_rows(placed["sample"].to_numpy())
    texts = [_hover_text(*values) for values in zip(*(rows[c] for c in HOVER), strict=True)]
    return rows.assign(x=placed["x"].to_numpy(), y=placed["y"].to_numpy(), model=model, hover=np.array(texts, object))


def hover_text(run: Run, sample: int) -> str:
    """The text of one sample under the pointer."""
    row = run.sample_rows(np.array([sample])).iloc[0]
    return _hover_text(*(row[c] for c in HOVER))


def _hover_text(transform: str, strength: float, label: str, image: str) -> str:
    return f"{with_strength(transform, strength, 3)} · {label} · {image}"


def computed(run: Run, compute: Callable[Concatenate[Run, Keys], T], *arguments: Keys.args, **named: Keys.kwargs) -> T:
    """``compute(run, *arguments, **named)``, computed once for all visitors.

    Args:
        compute: a function of a module, by whose name its result is known.
        arguments: texts, numbers, and tuples of them.
    """
    return _computed(run, f"{compute.__module__}.{compute.__qualname__}", compute, arguments, named)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=4 * TABLES)
def _computed(run: Run, name: str, _compute: Callable[..., Any], arguments: tuple, named: dict) -> Any:
    return _compute(run, *arguments, **named)


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=TABLES)
def board(runs: tuple[Run, ...], task: str, subset: str, baselines: bool) -> pd.DataFrame:
    from probing_core.results import leaderboard

    return leaderboard(runs, task, subset, baselines)


def picture(run: Run, sample: int, before: bool = False) -> bytes:
    """One sample (or the same view untransformed) as JPEG.

    Raises:
        PicturesMissing: the run's corpus is not here.
    """
    return _pair(run, sample)[0 if before else 1]


@st.cache_resource(hash_funcs=BY_DIGEST, show_spinner=False, max_entries=PICTURES)
def _pair(run: Run, sample: int) -> tuple[bytes, bytes]:
    before, after = run.picture(sample)
    return encode_jpeg(before, quality=92), encode_jpeg(after, quality=92)


def damage_of(run: Run) -> list[str]:
    """A sentence for each file of the run that is not as its manifest has it; reads every one, which may take minutes.

    Raises:
        NotAllowed: the visitor has no rights.
    """
    rights.require("Verifying every file of a run")
    return run.store.damage()


def complete_runs() -> list[tuple[RunPlace, Run]]:
    """Every run that is complete and can be read; an error is shown where one that cannot is opened."""
    found = []
    for place in places():
        if place.complete:
            with suppress(BadRun):
                found.append((place, open_run(place.path)))
    return found


def other_runs(besides: Run) -> list[tuple[RunPlace, Run]]:
    """`complete_runs` without ``besides``."""
    return [(place, run) for place, run in complete_runs() if place.path.resolve() != besides.path.resolve()]


@st.cache_resource(max_entries=4, show_spinner=False)
def corpus(name: str) -> Corpus:
    from probing_core.corpora import open_corpus

    return open_corpus(name)


@st.cache_resource(max_entries=64, show_spinner=False)
def corpus_image(name: str, image_id: str) -> np.ndarray:
    return corpus(name).load(image_id)


def dimensions(names: Sequence[str]) -> dict[str, int | None]:
    """Model -> numbers in its embedding, of every model that ``names`` stand for; sets of models are looked up nowhere.

    Raises:
        ProbingError: there is no such model, or it cannot be used here.
    """
    from probing_core.embedders import CATALOG, MODEL_SETS, expand

    several = expand(name for name in names if name in MODEL_SETS)
    single = {name: dimension(name) for name in names if name not in MODEL_SETS}
    return {name: CATALOG.get(name).dim for name in several} | single


def dimension(model: str) -> int | None:
    """Numbers in an embedding of the model called ``model``; None where only loading it could find out.

    Raises:
        ProbingError: there is no such model, or it cannot be used here.
        NotAllowed: the visitor has no rights: a name may be a path, and its host may be asked.
    """
    rights.require("Naming a model")
    from probing_core.embedders import find_spec

    return find_spec(model).dim


class CorpusSize(NamedTuple):
    """Images of a corpus that probes may use, photographs that they were cut from, and what was left out, if any."""

    images: int
    photographs: int
    skipped: str = ""


def corpus_size(name: str) -> CorpusSize:
    """What there is in the corpus called ``name``.

    Raises:
        ProbingError: it cannot be opened.
        NotAllowed: the visitor has no rights: a name may be a folder's, or that of a data set to download.
    """
    rights.require("Opening a corpus")  # before the cache, which another visitor may have filled
    return _corpus_size(name)


@st.cache_resource(max_entries=8, ttl=60, show_spinner="Counting images")
def _corpus_size(name: str) -> CorpusSize:
    from probing_core.corpora import open_corpus
    from probing_core.corpora.base import NOT_FOR_PROBES

    # A folder as it is now, and not as somebody opened it; what is packaged stays as it is.
    opened = corpus(name) if name == PACKAGED else open_corpus(name)
    rows = opened.rows[~opened.rows["split"].isin(NOT_FOR_PROBES) & opened.rows["color"]]
    return CorpusSize(len(rows), rows["base_id"].nunique(), opened.skipped_summary)
