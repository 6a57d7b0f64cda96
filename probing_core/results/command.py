"""Create the command that recomputes a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from probing_core.corpora import KINDS
from probing_core.run.options import Options
from probing_core.run.recipe import Recipe
from probing_core.transforms import TIERS

FURTHER = "FURTHER"
"""Prefix of placeholders in a command for calibration corpora that are not available on this computer."""

LOCAL = ("folder", "parquet")
"""Kinds of corpora that are specified by a path or URL."""


def corpus_is_named(recipe: Recipe) -> bool:
    """Return whether the recipe contains the name of its corpus. Shipped runs may contain only a description."""
    return _is_named(recipe.corpus)


def _is_named(corpus: str) -> bool:
    return corpus.partition(":")[0] in KINDS.names


def command_of(recipe: Recipe) -> str:
    """Return the ``probing run`` command with all options of a recipe.

    The command contains the placeholder ``CORPUS`` if the location of the corpus is unknown, and the placeholders
    ``FURTHER-1``, ``FURTHER-2`` and so on for calibration corpora that are not available.
    """
    calibrate_on = [name if _leads_there(name) else f"{FURTHER}-{n}" for n, name in enumerate(recipe.calibrate_on, 1)]
    options = Options(
        corpus=recipe.corpus if corpus_is_named(recipe) else "CORPUS",
        view=recipe.view,
        models=recipe.models,
        transforms=_tiers(recipe.transforms),
        limit=recipe.limit,
        seed=recipe.seed,
        repetitions=recipe.repetitions,
        calibrate_on=calibrate_on or None,
    )
    return shlex.join(["probing", "run", "--out", "DIR", *options.arguments()])


def _leads_there(corpus: str) -> bool:
    kind, _, path = corpus.partition(":")
    elsewhere = not (kind in LOCAL or Path(path).is_absolute()) or "://" in path
    return _is_named(corpus) and (elsewhere or Path(path).exists())


def _tiers(transforms: Sequence[str]) -> list[str]:
    names = list(transforms)
    for tier, members in TIERS.items():
        tier_names = {t.name for t in members()}
        if tier_names <= set(names):
            names = [tier, *(name for name in names if name not in tier_names)]
    return sorted(names, key=lambda name: name not in TIERS)
