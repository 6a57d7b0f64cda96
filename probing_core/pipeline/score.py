"""Scores of an encoder over some pictures, in one call."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from platformdirs import user_cache_path

from probing_core.compute.claims.named import FINE
from probing_core.compute.parallel import cores
from probing_core.compute.tasks import CONTENT
from probing_core.corpora import open_corpus
from probing_core.corpora.arrays import ArrayCorpus
from probing_core.corpora.base import Corpus
from probing_core.embedders import find_spec, from_callable, load_embedder, parse, register
from probing_core.errors import BadConfig
from probing_core.paths import user_path
from probing_core.pipeline.graph import TABLE
from probing_core.pipeline.setup import with_identity
from probing_core.pipeline.stages import compute
from probing_core.runs import layout
from probing_core.runs.layout import ANY_MODEL
from probing_core.runs.options import DEFAULTS, Options
from probing_core.runs.progress import SILENT, Progress
from probing_core.runs.recipe import VIEW, Recipe
from probing_core.runs.store import Store, digest

MAX_CACHE_BYTES = 2 * 2**30
"""Bytes of earlier results that are kept; the oldest go first."""

MY_ENCODER = "my/encoder"
"""The name of a function in the table, unless another one is given."""

PROBE_SIDE = 128
"""Pixels of the side of the picture by which the dimension of a function's embeddings is found."""

SHOWN = ("task", "subset", "measure", "value", "low", "high", "bases", "chance", "note")
"""Columns of the table of scores; ``bases`` is called ``photographs``."""


def score(
    encoder: str | Callable[[Sequence[np.ndarray]], np.ndarray],
    images: str | Path | Sequence[Any] | None = None,
    *,
    labels: Sequence[str] | None = None,
    transforms: str | Sequence[str] = "bank",
    limit: int | None = None,
    view: int = VIEW,
    seed: int = 0,
    name: str = MY_ENCODER,
    device: str = "auto",
    cache: bool = True,
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Return what an encoder knows besides what is in the picture: how well linear probes tell from its embeddings
    which transformation was applied.

    Args:
        encoder: name of a model, as in ``probing run --models``; or a function: images (H, W, 3) ``uint8`` -> (N, D).
        images: a folder, a corpus as in ``--corpus``, or a list of arrays (H, W, 3) ``uint8`` or pictures of Pillow; if
            not given, the photographs that ship.
        labels: of the content of ``images``, where they are a list.
        transforms: names, or sets as in ``--transforms``.
        limit: number of images, drawn evenly over photographs; all if not given.
        view: pixels of the side of the views.
        seed: of every random draw.
        name: of a function, in errors.
        device: as in `load_embedder`.
        cache: whether the result is kept for the next call: embeddings and predictions, no picture.
        progress: what the work reports to.

    Returns:
        One row a score: ``task`` (``fine``: which transformation; ``content``: the label), ``subset`` (``all``, or
        ``group:blur`` and so on), ``measure``, ``value`` with its 95 % interval ``low`` to ``high`` over
        ``photographs``, ``chance``, ``note``.

    Raises:
        ProbingError: the encoder or the images cannot be used; the sentence says how to mend it.
    """
    corpus = _corpus_of(images, labels)
    request, known = _model_of(encoder, name)
    recipe = Recipe(
        corpus=corpus.name,
        fingerprint=corpus.fingerprint,
        transforms=with_identity((transforms,) if isinstance(transforms, str) else transforms),
        models=(request,),
        limit=limit,
        view=view,
        seed=seed,
        threads=cores(),
    )
    key = digest([recipe.without_models(), request, known])
    return _scores(recipe, corpus, key, replace(DEFAULTS, device=device), cache, progress)


def _scores(
    recipe: Recipe, corpus: Corpus, key: str, options: Options, cache: bool, progress: Progress
) -> pd.DataFrame:
    """Return the scores of a run that is kept under ``key``, or made for this once."""
    place = user_cache_path("probing-core", appauthor=False) / "scores"
    root = place / (key if cache else f"{key}-once")
    if cache and not root.exists():
        print(f"What is computed is kept in {root} (no picture; 2 GB of such results at most).", file=sys.stderr)
    try:
        store = Store(root)
        compute(store, recipe, corpus, SCORES, options, progress)
        return _table(store.read_table(layout.SCORES))
    finally:
        if cache:
            _forget_oldest(place, root)
        else:
            shutil.rmtree(root, ignore_errors=True)


NEEDED = (
    layout.RECIPE,
    layout.IMAGES,
    layout.SAMPLES,
    layout.model_path(ANY_MODEL),
    layout.embeddings_folder(ANY_MODEL),
    layout.predictions_path(ANY_MODEL, FINE),
    layout.predictions_path(ANY_MODEL, CONTENT),
    layout.scores_path(ANY_MODEL),
    layout.SCORES,
)
"""Paths of the files that scores are made from."""

SCORES = TABLE.without(lambda row: row.path not in NEEDED)


def _corpus_of(images: Any, labels: Sequence[str] | None) -> Corpus:
    if images is None:
        images = "reference"
    if not isinstance(images, str | Path):
        return ArrayCorpus(images, labels)
    if labels is not None:
        raise BadConfig("Labels belong to a list of images; a folder has them as its subfolders.")
    return open_corpus(f"folder:{images}" if Path(images).is_dir() else str(images))


def _model_of(encoder: Any, name: str) -> tuple[str, Any]:
    """Return the name of the model, and what tells it apart from another one of that name."""
    if isinstance(encoder, str):
        spec, parsed = find_spec(encoder), parse(encoder)
        if "weights" not in parsed.options and not user_path(parsed.model).exists():
            return parsed.full, spec.weights
        # A file may hold other weights than at the last call.
        return parsed.full, list(load_embedder(encoder).recipes().values())
    if not callable(encoder):
        raise BadConfig(f"An encoder is the name of a model, or a function of a list of images; got {encoder!r:.80}.")
    answer = np.asarray(encoder([np.zeros((PROBE_SIDE, PROBE_SIDE, 3), np.uint8)]))
    if answer.ndim != 2 or len(answer) != 1 or not answer.shape[1]:
        raise BadConfig(
            f"A function gives one row an image, (1, D) for a list of one image; '{name}' gave the shape "
            f"{answer.shape}."
        )
    register(from_callable(name, encoder, dim=answer.shape[1]))
    embedder = load_embedder(name)
    return name, embedder.recipes()[name]


def _table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores by which models are compared, and those of groups."""
    fine = (scores["task"] == "fine") & ((scores["subset"] == "all") | scores["subset"].str.startswith("group:"))
    content = (scores["task"] == "content") & (scores["subset"] == "seen")
    ranked = scores["measure"].isin(("balanced-accuracy", "recall")) & (scores["probe"] == "linear")
    table = scores.loc[ranked & (fine | content), list(SHOWN)]
    return table.rename(columns={"bases": "photographs"}).reset_index(drop=True)


def _forget_oldest(place: Path, newest: Path) -> None:
    """Remove the results that were used longest ago, until what is kept is small enough."""
    if not newest.exists():
        return
    newest.touch()
    kept = sorted((path for path in place.iterdir() if path != newest), key=lambda path: path.stat().st_mtime)
    sizes = {path: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in [*kept, newest]}
    total = sum(sizes.values())
    for path in kept:
        if total <= MAX_CACHE_BYTES:
            return
        shutil.rmtree(path, ignore_errors=True)
        total -= sizes[path]
