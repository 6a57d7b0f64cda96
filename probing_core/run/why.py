"""Explain why a file of a run is stale, by comparing the inputs in its manifest entry with the current inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from probing_core.run.assets import Partition
from probing_core.run.engine import Plan, State

MAX_LETTERS = 60
"""Maximum number of characters of option values in messages. Longer values are not shown."""


def why(plan: Plan, path: str) -> list[str]:
    """Explain why a file of a run will be recomputed, or why not.

    Returns:
        Sentences, one for each reason.

    Raises:
        UnknownName: the run has no file ``path``.
    """
    partition = plan.partition(path)
    name, state = partition.path, plan.state(partition)
    if not partition.asset.stage:
        return [f"'{name}' does not depend on other files."]
    if state not in (State.MISSING, State.STALE):
        return [_why_not(plan, partition, state)]
    if missing := [dependency for dependency in partition.dependencies if plan.version(dependency) is None]:
        return [f"'{name}' depends on '{dependency}', which is missing." for dependency in missing]
    entries = [entry for entry in plan.entries(partition).values() if entry is not None]
    if state is State.MISSING or not entries:
        return [f"'{name}' is missing: it has not been computed yet, or it was removed."]
    old = next((entry["inputs"] for entry in entries if "inputs" in entry), None)
    if old is None:
        return [f"'{name}' is stale: the manifest does not record its inputs."]
    changes = _changes(old | {"options": plan.store.options(old["options"]) or {}}, plan.inputs(partition))
    return [f"'{name}' is stale: {change}." for change in changes]


def _why_not(plan: Plan, partition: Partition, state: State) -> str:
    if state is State.UNAVAILABLE:
        unavailable = next(path for path in partition.dependencies if plan.is_unavailable(path))
        return f"'{partition.path}' cannot be computed, because '{unavailable}' was not shipped with the run."
    reasons = {State.NOTHING: "there was nothing to write", State.LEFT_OUT: "it was not shipped with the run"}
    reason = reasons.get(state, "its inputs have not changed")
    if plan.is_pinned(partition):
        return f"'{partition.path}' is complete: it was copied from '{plan.store.copied_from}' and is not recomputed."
    if pending := _pending_dependency(plan, partition):
        reason += f"; it may become stale when '{pending}' is recomputed"
    return f"'{partition.path}' is complete: {reason}."


def _pending_dependency(plan: Plan, partition: Partition) -> str:
    for path in partition.dependencies:
        producer = plan.partition(path)
        if not producer.asset.stage:
            continue
        if pending := _pending_dependency(plan, producer):
            return pending
        if plan.pending([producer]):
            return producer.path
    return ""


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["revision"] != new["revision"]:
        yield f"code version changed from {old['revision']} to {new['revision']}"
    before, after = _flat(old["options"]), _flat(new["options"])
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            values = (before.get(name), after.get(name))
            old_text, new_text = ("unset" if value is None else str(value) for value in values)
            fit = max(len(old_text), len(new_text)) <= MAX_LETTERS
            yield f"{name} changed from {old_text} to {new_text}" if fit else f"{name} changed"
    other_entries = {"revision", "options"}
    for path in sorted((old.keys() | new.keys()) - other_entries):
        if path not in old:
            yield f"'{path}' is a new dependency"
        elif path not in new:
            yield f"'{path}' is no longer a dependency"
        elif old[path] != new[path]:
            yield f"'{path}' changed"


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested ``options``. Names of nested entries are appended to the names of their parents."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} '{key}'": nested for key, nested in value.items()}
        else:
            flat[name] = value
    return flat
