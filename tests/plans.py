"""Plans of runs, as tests ask for them."""

from __future__ import annotations

from typing import Any

from probing_core.corpora.base import Corpus
from probing_core.run.engine import Plan, Table
from probing_core.run.graph import TABLE, build
from probing_core.run.recipe import Recipe, read_recipe
from probing_core.run.scope import Scope
from probing_core.run.setup import Corpora
from probing_core.run.store import Store


def plan_of(
    store: Store, recipe: Recipe | None = None, table: Table = TABLE, corpus: Corpus | None = None, **scope: Any
) -> Plan:
    """Return the plan of the run in ``store``, by its own recipe or another."""
    recipe = recipe or read_recipe(store)
    return build(Scope(store, recipe, corpora=Corpora(recipe, corpus), **scope), table)


def make(store: Store, *stages: str, recipe: Recipe | None = None, **scope: Any) -> Plan:
    """Make what is missing of some stages of a run; return the plan."""
    plan = plan_of(store, recipe, **scope)
    plan.make(plan.select(*stages))
    return plan


def left(store: Store, *stages: str, recipe: Recipe | None = None) -> list[str]:
    """Return what of some stages is to be made."""
    plan = plan_of(store, recipe)
    return [artifact.path for artifact in plan.left(plan.select(*stages))]


def keys(store: Store, recipe: Recipe | None = None) -> dict[str, str | None]:
    """Return path -> key of everything that the run is known to hold or lack."""
    plan = plan_of(store, recipe)
    return {path: plan.key(artifact) for path, artifact in plan.artifacts.items() if artifact.row.stage}
