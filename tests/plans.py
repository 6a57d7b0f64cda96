"""Plans of runs, as tests ask for them."""

from __future__ import annotations

from typing import Any

from probing_core.corpora.corpus import Corpus
from probing_core.run.assets import AssetGraph
from probing_core.run.definitions import GRAPH
from probing_core.run.engine import Plan
from probing_core.run.recipe import Recipe, read_recipe
from probing_core.run.setup import Corpora
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import Store


def plan_of(
    store: Store, recipe: Recipe | None = None, graph: AssetGraph = GRAPH, corpus: Corpus | None = None, **more: Any
) -> Plan:
    """Return the plan of the run in ``store``, by its own recipe or another."""
    recipe = recipe or read_recipe(store)
    return RunSnapshot(store, recipe, corpora=Corpora(recipe, corpus), **more).plan(graph)


def materialize(store: Store, *stages: str, recipe: Recipe | None = None, **more: Any) -> Plan:
    """Materialize what is missing of some stages of a run; return the plan."""
    plan = plan_of(store, recipe, **more)
    plan.materialize(plan.select(*stages))
    return plan


def pending(store: Store, *stages: str, recipe: Recipe | None = None) -> list[str]:
    """Return what of some stages is missing or stale."""
    plan = plan_of(store, recipe)
    return [partition.path for partition in plan.pending(plan.select(*stages))]


def cache_keys(store: Store, recipe: Recipe | None = None) -> dict[str, str | None]:
    """Return path -> cache key of everything that the run is known to hold or lack."""
    plan = plan_of(store, recipe)
    return {path: plan.cache_key(partition) for path, partition in plan.partitions.items() if partition.asset.stage}
