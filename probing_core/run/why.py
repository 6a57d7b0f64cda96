"""Why a file of a run is made again, in words: by the inputs in its entry of the manifest, and the current ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from probing_core.run.engine import Artifact, Plan, State

MAX_SHOWN = 60
"""Letters of a value; of longer ones only the name is said."""


def why(plan: Plan, path: str) -> list[str]:
    """Return one sentence for each reason why ``path`` is made again, or one that nothing changed.

    Raises:
        UnknownName: no artifact of the run is called so.
    """
    artifact = plan.artifact(path)
    name, state = artifact.path, plan.state(artifact)
    if not artifact.row.stage:
        return [f"'{name}' is made from no other file."]
    if state not in (State.MISSING, State.STALE):
        return [_why_not(plan, artifact, state)]
    if missing := [one for one in artifact.reads if plan.value(one) is None]:
        return [f"'{name}' waits for '{one}', which is missing." for one in missing]
    entries = [entry for entry in plan.entries(artifact).values() if entry is not None]
    if state is State.MISSING or not entries:
        return [f"'{name}' is missing: it was not made yet, or it was removed."]
    old = next((entry["inputs"] for entry in entries if "inputs" in entry), None)
    if old is None:
        return [f"'{name}' is made again: the manifest does not say what it was made from."]
    changes = _changes(old | {"options": plan.files.options(old["options"]) or {}}, plan.inputs(artifact))
    return [f"'{name}' is made again: {change}." for change in changes]


def _why_not(plan: Plan, artifact: Artifact, state: State) -> str:
    if state is State.NOT_HERE:
        gone = next(path for path in artifact.reads if plan.cannot_be_read(path))
        return f"'{artifact.path}' cannot be made here: '{gone}' did not ship."
    beside = {State.NOTHING: "there was nothing to write", State.LEFT_OUT: "it did not ship"}
    about = beside.get(state, "nothing that it was made from has changed")
    if changing := _changing(plan, artifact):
        about += f"; it may be made again once '{changing}' is"
    return f"'{artifact.path}' is complete: {about}."


def _changing(plan: Plan, artifact: Artifact) -> str:
    for path in artifact.reads:
        read = plan.artifact(path)
        if read.row.stage and (found := _changing(plan, read) or (read.path if plan.left([read]) else "")):
            return found
    return ""


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["revision"] != new["revision"]:
        yield f"how it is made changed (revision {old['revision']}, now {new['revision']})"
    before, now = _flat(old["options"]), _flat(new["options"])
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            was, now_is = ("not there" if one is None else str(one) for one in (before.get(name), now.get(name)))
            fit = max(len(was), len(now_is)) <= MAX_SHOWN
            yield f"{name} was {was} and is {now_is}" if fit else f"{name} changed"
    apart = {"revision", "options"}
    for path in sorted((old.keys() | new.keys()) - apart):
        if path not in old or path not in new:
            yield f"'{path}' was {'not read before' if path not in old else 'read before'}"
        elif old[path] != new[path]:
            yield f"'{path}' changed"


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``options`` with the entries of each table in it under names of their own."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} '{key}'": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat
