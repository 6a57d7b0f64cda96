"""The command that makes a run again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from probing_core.corpora import list_corpora
from probing_core.runs.options import Options
from probing_core.runs.recipe import EMBEDDING_TYPES, Recipe
from probing_core.transforms import TIERS


def corpus_is_named(recipe: Recipe) -> bool:
    """Return whether the recipe names where its pictures are; that of a shipped run describes them in words."""
    return _is_named(recipe.corpus)


def _is_named(corpus: str) -> bool:
    return corpus.partition(":")[0] in {kind.name for kind in list_corpora()}


def command_of(recipe: Recipe) -> str:
    """Return ``probing run`` with every option that the recipe decides.

    ``CORPUS`` stands where the recipe describes the pictures without naming where they are, and ``RUN`` for the run
    that probes were taken from.
    """
    options = Options(
        corpus=recipe.corpus if corpus_is_named(recipe) else "CORPUS",
        view=recipe.view,
        models=recipe.models,
        transforms=_tiers(recipe.transforms),
        limit=recipe.limit,
        live_images=recipe.live_images,
        seed=recipe.seed,
        repetitions=recipe.repetitions,
        train_samples=recipe.train_samples,
        embeddings=None if recipe.embeddings == EMBEDDING_TYPES[0] else recipe.embeddings,
        probes_from=Path("RUN") if recipe.probes_from else None,
        calibrate_on=[name if _is_named(name) else "CORPUS" for name in recipe.calibrate_on] or None,
    )
    return shlex.join(["probing", "run", "--out", "DIR", *options.arguments()])


def _tiers(transforms: Sequence[str]) -> list[str]:
    """Return ``transforms``, whole tiers by their names."""
    names = list(transforms)
    for tier, members in TIERS.items():
        whole = {t.name for t in members()}
        if whole <= set(names):
            names = [tier, *(name for name in names if name not in whole)]
    return sorted(names, key=lambda name: name not in TIERS)
