"""The models of a run: what ``model.toml`` holds of each, and whether two entries are the same model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probing_core.errors import BadConfig, BadRun
from probing_core.runs.layout import MODELS, RECIPE, is_model_path, model_path
from probing_core.runs.recipe import read_recipe, require_type
from probing_core.runs.store import Store

PRECOMPUTED = "precomputed"
"""Family of models whose embeddings were read from a file."""

ROUNDING_ENTRIES = ("precision", "float32_modules", "device", "engine", "libraries")
"""Entries of a model's recipe that move its embeddings by rounding alone."""

ENGINE_ENTRIES = ("engine", "batch_size")
"""Entries that may change while a run is made: engines agree within 1e-5 of an embedding's length, and each has its
own batch size."""

NEEDED = {"name": str, "family": str, "recipe": dict}
TYPES = NEEDED | {"request": str, "position": int, "objective": str, "dim": int}
"""Entries of ``model.toml`` that pages and stages compute with -> their type. Another version may leave out those that
are not `NEEDED`."""

FIRST_ZOO = "ViT 128 px, patch 16, width 192, depth 6, 3 heads"
"""Architecture of the encoders that the zoo had first, and of the untrained network beside them."""

FIRST_ZOO_COMMIT = "81dcb86c8796"
"""A commit of this project whose ``data/zoo`` holds their weights, and whose code reads them."""


def embeds_pictures(entry: Mapping[Any, Any]) -> bool:
    """Whether the model of ``entry`` (its ``model.toml``, or a row of the models) embeds any picture.

    Precomputed embeddings cover the samples of a run alone.
    """
    return entry["family"] != PRECOMPUTED


def model_entries(store: Store) -> list[dict[str, Any]]:
    """The content of ``model.toml`` of every model of the run, in the order of the recipe's requests.

    Raises:
        BadRun: one of them, or the recipe, cannot be read, or has entries that the project does not write so.
    """
    entries = [_entry(store, path) for path in store.names(MODELS) if is_model_path(path)]
    requests = read_recipe(store).models if store.has(RECIPE) else ()
    order = {name: i for i, name in enumerate(requests)}
    return sorted(entries, key=lambda e: (order.get(e["request"], len(order)), e["position"]))


def _entry(store: Store, path: str) -> dict[str, Any]:
    entry = store.read_toml(path)
    try:
        for name, kind in TYPES.items():
            if name in NEEDED or name in entry:
                require_type(f"its '{name}'", entry.get(name), kind)
    except BadConfig as error:
        raise BadRun(
            f"'{store.root / path}' was changed, or is of another version: {error} Bring back the file as it was."
        ) from error
    return {"position": 0, **entry, "request": entry.get("request", entry["name"])}


def require_joined(entry: dict[str, Any], store: Store) -> None:
    """Checks that the model of ``entry`` (its ``model.toml``) is the one that joined the run.

    Raises:
        BadRun: it embeds differently now, or here.
    """
    recipe, joined = entry["recipe"], store.read_toml(model_path(entry["name"]))["recipe"]
    lasting = (joined.keys() | recipe.keys()) - set(ENGINE_ENTRIES)
    changed = sorted(k for k in lasting if joined.get(k) != recipe.get(k))
    if changed:
        raise BadRun(
            f"'{entry['name']}' is not what it was when it joined the run ({', '.join(changed)} differ); "
            f"{how_to_restore(joined)}."
        )


def how_to_restore(recipe: Mapping[str, Any]) -> str:
    """How a model is had again that a run has with ``recipe``, and this version has not."""
    if recipe.get("architecture") == FIRST_ZOO:
        return f"it is of the first zoo: `git checkout {FIRST_ZOO_COMMIT}` in this project's repository brings it back"
    return "name the old weights with @weights=PATH, or make a new run"


def require_same_model(entry: dict[str, Any], source: Store) -> list[str]:
    """Checks that the model of ``entry`` (its ``model.toml``) embeds as it did in the run ``source``.

    Returns:
        Entries of its recipe that differ there and move embeddings by rounding alone.

    Raises:
        BadRun: the other run lacks the model, or it embeds differently there.
    """
    theirs = next((e for e in model_entries(source) if e["name"] == entry["name"]), None)
    if theirs is None:
        has = ", ".join(e["name"] for e in model_entries(source))
        raise BadRun(f"The run that the probes are taken from has no '{entry['name']}'; it has: {has}.")
    meaning, rounding = differences(theirs["recipe"], entry["recipe"])
    if meaning:
        raise BadRun(
            f"'{entry['name']}' embeds differently here and in the run that the probes are taken from "
            f"({', '.join(meaning)} differ), so its probes mean nothing here."
        )
    return rounding


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Entries in which two recipes of a model differ: those that change what an embedding means, and the others.

    Entries that only one of them has do not count: another version of the project records other things. Nor does the
    size of a batch, which moves the last bits alone.
    """
    both = theirs.keys() & ours.keys() - {"batch_size"}
    found = sorted(k for k in both if theirs[k] != ours[k])
    return [k for k in found if k not in ROUNDING_ENTRIES], [k for k in found if k in ROUNDING_ENTRIES]
