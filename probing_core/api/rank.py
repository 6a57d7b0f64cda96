"""A model beside those of a run that is only read: what that takes, and a quick look at photographs that are not
tested."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.api.score import score
from probing_core.compute.samples import has_splits
from probing_core.compute.threads import threads
from probing_core.corpora import open_corpus
from probing_core.corpora.base import Corpus
from probing_core.corpora.selection import ValidationCorpus
from probing_core.errors import BadRun
from probing_core.images import Image
from probing_core.models import find_spec, load_embedder, parse
from probing_core.results.command import corpus_is_named
from probing_core.results.comparison import place_among
from probing_core.results.run import Run
from probing_core.run.models import PRECOMPUTED
from probing_core.run.progress import SILENT, Progress
from probing_core.run.sample_sets import plan_sample_sets
from probing_core.run.setup import open_same_corpus

MEASURED = 3
"""Images of which all samples are made and embedded to find out how long all take, behind one that is not counted."""

QUICK_PHOTOGRAPHS = 300

YARDSTICKS = ("timm:tf_efficientnet_lite0", "baseline/random-vit", "baseline/handcrafted")
"""Models that `quick` embeds again beside the one that is asked about: they take minutes."""


@dataclass(frozen=True)
class Cost:
    """What a model takes to join a run: its samples, and seconds to make and embed them here."""

    samples: int
    seconds: float


def photographs_of(base: Run, name: str | None = None) -> Corpus:
    """Open the photographs of a run.

    Args:
        name: of the corpus, where it lies elsewhere now.

    Raises:
        BadRun: they are not on this machine, or have changed.
    """
    if name is None and not corpus_is_named(base.recipe):
        raise BadRun(
            f"The run '{base.path}' was made over {base.recipe.corpus}, which do not ship; name a run of yours with "
            f"--base, or the place where its photographs lie with --corpus."
        )
    corpus = open_corpus(name) if name else open_same_corpus(base.recipe)
    if corpus.fingerprint != base.recipe.fingerprint:
        raise BadRun(
            f"'{corpus.name}' is not the corpus of the run '{base.path}'; name the one that it was with --corpus."
        )
    return corpus


def cost_of(base: Run, model: str, corpus: Corpus, device: str = "auto", precision: str = "auto") -> Cost | None:
    """Measure on some samples what a model takes to join a run; None of one whose embeddings were made before.

    Raises:
        ProbingError: the model or the photographs cannot be used.
    """
    if find_spec(model).family == PRECOMPUTED:
        return None
    design = base.recipe.design
    with threads(design.threads), ThreadPoolExecutor(design.threads) as pool:
        embedder = load_embedder(model, device=device, precision=precision)
        sample_sets = plan_sample_sets(design, base.images)
        samples = sum(len(one) for one in sample_sets.values() if embedder.blocks or not one.blocks)
        main = sample_sets[""]
        planned = main.rows()
        names = planned["image_id"].unique()
        first, *others = names[np.linspace(0, len(names) - 1, MEASURED + 1).astype(int)]
        # The first pictures and the first call of a network load and allocate.
        warm = main.make(design, corpus, planned[planned["image_id"] == first], pool)[0]
        embedder.embed_layers(warm)
        rows = planned[planned["image_id"].isin(others)]
        pictures: list[Image] = []
        made = _seconds(lambda: pictures.extend(main.make(design, corpus, rows, pool)[0]))
        embedded = _seconds(lambda: embedder.embed_layers(pictures))
        embedder.close()
    return Cost(samples, (made + embedded) / len(rows) * samples)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def quick(
    base: Run, model: str, corpus: Corpus, device: str = "auto", progress: bool | Progress | None = SILENT
) -> pd.DataFrame:
    """Return the place of a model among `YARDSTICKS` of a run, on few of its photographs, none of which is tested in
    the run: probes learn from those of train, and those of val are predicted.

    The run's own models are embedded again, by probes of the same photographs, since a run that ships has neither
    embeddings nor predictions of val. Everything is kept as `score` keeps it.

    Returns:
        The table of `place_among`.

    Raises:
        BadRun: the run has no splits, or none of `YARDSTICKS`.
    """
    if not has_splits(base.images):
        raise BadRun(f"--quick looks at the split val, and '{base.path}' has too few photographs for splits.")
    here = [name for name in YARDSTICKS if name in set(base.models["name"])]
    if not here:
        raise BadRun(f"--quick compares with {', '.join(YARDSTICKS)}, and '{base.path}' has none of them.")
    name, seen = parse(model).full, ValidationCorpus(corpus, base.recipe.seed)
    learned = [transform.name for transform in base.recipe.design.transforms if not transform.far]
    runs = [
        score(
            one,
            seen,
            limit=QUICK_PHOTOGRAPHS,
            transforms=learned,
            view=base.recipe.view,
            seed=base.recipe.seed,
            device=device,
            progress=progress,
        ).run
        for one in dict.fromkeys((name, *here))
    ]
    return place_among(runs, runs[0].models["name"].iloc[-1])
