"""The command that makes a run again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from probing_core.corpora import list_corpora
from probing_core.runs.recipe import Recipe
from probing_core.transforms import TIERS


def corpus_is_named(recipe: Recipe) -> bool:
    """Whether the recipe says where its pictures are; a shipped run says in words what they were."""
    return recipe.corpus.partition(":")[0] in {kind.name for kind in list_corpora()}


def command_of(recipe: Recipe) -> str:
    """``probing run`` with every option that differs from its default.

    ``CORPUS`` stands where the recipe describes the pictures without saying where they are, and ``RUN`` for the run
    that probes were taken from.
    """
    corpus = recipe.corpus if corpus_is_named(recipe) else "CORPUS"
    words = ["probing", "run", "--out", "DIR", "--corpus", corpus]
    words += ["--models", ",".join(recipe.models), "--transforms", ",".join(_tiers(recipe.transforms))]
    words += ["--view", str(recipe.view), "--seed", str(recipe.seed), "--repetitions", str(recipe.repetitions)]
    if recipe.limit is not None:
        words += ["--limit", str(recipe.limit)]
    if recipe.live_images is not None:
        words += ["--live-images", str(recipe.live_images)]
    if recipe.probes_from:
        words += ["--probes-from", "RUN"]
    return shlex.join(words)


def _tiers(transforms: Sequence[str]) -> list[str]:
    """``transforms``, whole tiers by their names."""
    names = list(transforms)
    for tier, members in TIERS.items():
        whole = {t.name for t in members()}
        if whole <= set(names):
            names = [tier, *(name for name in names if name not in whole)]
    return sorted(names, key=lambda name: name not in TIERS)
