"""Tasks x models -> probes, and their predictions of images that they never learned from.

Two ways, decided by the corpus: with 30 photographs or more, probes learn from the train split, choose
their penalty on the val split and predict the test split. With fewer, each photograph is predicted by a probe that
never saw it, and the penalty is chosen by leaving one out within the rest. Live predictions come from the deployment
probe, which learns all transforms from all photographs of the training splits. A run that takes its probes from
another learns nothing and tests every image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from probing_core.config import Recipe
from probing_core.embedding import LOOKS, looks_path, model_entries, read_embeddings, sample_key
from probing_core.errors import BadCorpus, BadRun
from probing_core.look_samples import COLUMNS, groups_of, mean_log_probabilities
from probing_core.looks import fit_rule
from probing_core.probes.base import FitFacts, LinearProbe
from probing_core.probes.leave_one_out import fit_leave_one_out
from probing_core.probes.linear import fit
from probing_core.progress import Progress
from probing_core.samples import evaluation_mode, load_transforms
from probing_core.store import Store, digest, slug
from probing_core.tasks import Task, make_task, task_names

DEPLOYMENT = "deployment"
LOOK_RULE = "look"


def train(store: Store, recipe: Recipe, progress: Progress, source: Store | None = None) -> None:
    """Makes whatever is missing of every model's probes and predictions.

    Args:
        source: the run whose probes are used, where the recipe names one.
    """
    samples, images = store.read_table("samples.parquet"), store.read_table("images.parquet")
    transforms = load_transforms(recipe)
    entries = model_entries(store)
    work = [(entry, name) for entry in entries for name in task_names(transforms)]
    loaded: tuple[str, np.ndarray | None] = ("", None)
    for done, (entry, name) in enumerate(work):
        progress.update("train", done, len(work), f"Training probes of {entry['name']}")
        key = task_key(recipe, entry, name)
        if store.has(predictions_path(entry["name"], name), key):
            continue
        if loaded[0] != entry["name"]:
            loaded = (entry["name"], read_embeddings(store, entry["name"]))
        task = make_task(name, samples, transforms)
        assert loaded[1] is not None
        if source is not None:
            _predict_with(source, store, entry, task, loaded[1], samples, key)
        elif evaluation_mode(images) == "leave-one-out":
            _leave_one_out(store, recipe, entry, task, loaded[1], samples, key)
        else:
            _split(store, recipe, entry, task, loaded[1], samples, key)
    progress.update("train", len(work), len(work), "Training probes")


def task_key(recipe: Recipe, entry: dict[str, Any], task: str) -> str:
    return digest([sample_key(recipe), recipe.probes_from, entry["recipe"], task])


def probe_path(model: str, task: str) -> str:
    return f"models/{slug(model)}/probes/{task}.safetensors"


def look_rule_path(model: str) -> str:
    return probe_path(model, LOOK_RULE)


def predictions_path(model: str, task: str) -> str:
    return f"models/{slug(model)}/predictions/{task}.parquet"


def fits_path(model: str, task: str) -> str:
    return f"models/{slug(model)}/fits/{task}.parquet"


def read_probe(store: Store, model: str, task: str) -> LinearProbe:
    name = probe_path(model, task)
    if not store.has(name):
        raise BadRun(f"The run has no '{task}' probe of '{model}'; `probing train --run DIR` makes it.")
    return LinearProbe.from_bytes(store.read_bytes(name))


def _split(
    store: Store, recipe: Recipe, entry: dict[str, Any], task: Task, X: np.ndarray, samples: pd.DataFrame, key: str
) -> None:
    split = samples["split"].to_numpy()
    parts = {s: np.flatnonzero(task.takes_part & task.seen & (split == s)) for s in ("train", "val")}
    tested = np.flatnonzero(task.takes_part & (split == "test"))
    for name, rows in (*parts.items(), ("test", tested)):
        if len(rows) == 0:
            raise BadCorpus(
                f"The corpus has no usable image in the split '{name}', which the task '{task.name}' needs."
            )
    probe = fit(
        X[parts["train"]],
        task.truth[parts["train"]],
        classes=task.classes,
        validation=(X[parts["val"]], task.truth[parts["val"]]),
    )
    if task.name == "fine":
        both = np.concatenate([parts["train"], parts["val"]])
        deployment = fit(
            X[both],
            task.truth[both],
            classes=task.classes,
            validation=(X[parts["val"]], task.truth[parts["val"]]),
            penalties=(probe.penalty,),  # chosen above, where the val split was not learned from
        )
        store.write_bytes(probe_path(entry["name"], DEPLOYMENT), deployment.to_bytes(), key)
        large = _read_looks(store, entry)
        if large is not None:
            _fit_look_rule(store, recipe, entry, task, large[1], probe.probabilities(large[0]), key)
    store.write_bytes(probe_path(entry["name"], task.name), probe.to_bytes(), key)
    _save(store, entry, task, tested, probe.probabilities(X[tested]), [("split", probe.facts)], samples, key)


def _leave_one_out(
    store: Store, recipe: Recipe, entry: dict[str, Any], task: Task, X: np.ndarray, samples: pd.DataFrame, key: str
) -> None:
    rows = np.flatnonzero(task.takes_part)
    photographs = samples["base_id"].to_numpy()[rows]
    if len(np.unique(photographs)) < 3:
        raise BadCorpus(
            f"Leaving one photograph out within the rest needs 3 photographs, and the corpus has "
            f"{len(np.unique(photographs))}; add some, or take --corpus photos."
        )
    # Large pictures of a photograph ride along: they are predicted out of fold, and never learned from.
    large = _read_looks(store, entry) if task.name == "fine" else None
    extra, looks = large if large is not None else (X[:0], pd.DataFrame(columns=list(COLUMNS)))
    sizes = looks["stop"] - looks["start"]
    truth = np.repeat([task.classes.index(name) for name in looks["transform"]], sizes)
    result = fit_leave_one_out(
        np.concatenate([X[rows], extra]),
        np.concatenate([task.truth[rows], truth.astype(np.int64)]),
        np.concatenate([photographs, np.repeat(looks["base_id"], sizes)]),
        classes=task.classes,
        trainable=np.concatenate([task.seen[rows], np.zeros(len(extra), bool)]),
    )
    if task.name == "fine":
        store.write_bytes(probe_path(entry["name"], DEPLOYMENT), result.deployment.to_bytes(), key)
        if len(looks):
            _fit_look_rule(store, recipe, entry, task, looks, result.probabilities[len(rows) :], key)
    store.write_bytes(probe_path(entry["name"], task.name), result.deployment.to_bytes(), key)
    facts = list(zip(result.photographs, result.facts, strict=True))
    _save(store, entry, task, rows, result.probabilities[: len(rows)], facts, samples, key)


def _read_looks(store: Store, entry: dict[str, Any]) -> tuple[np.ndarray, pd.DataFrame] | None:
    """Embeddings of the large pictures, and which belong together; None where the corpus has none."""
    if not store.has(looks_path(entry["name"])):
        return None
    looks = store.read_table(LOOKS)
    return (store.read_arrays(looks_path(entry["name"]))["embeddings"], looks) if len(looks) else None


def _fit_look_rule(
    store: Store,
    recipe: Recipe,
    entry: dict[str, Any],
    task: Task,
    looks: pd.DataFrame,
    probabilities: np.ndarray,
    key: str,
) -> None:
    whole, tiles = mean_log_probabilities(probabilities, looks)
    truth = np.array([task.classes.index(name) for name in looks["transform"]])
    rule = fit_rule(whole, tiles, truth, groups_of(task.classes, recipe))
    store.write_bytes(look_rule_path(entry["name"]), rule.to_bytes(), key)


def _predict_with(
    source: Store, store: Store, entry: dict[str, Any], task: Task, X: np.ndarray, samples: pd.DataFrame, key: str
) -> None:
    theirs = next((e for e in model_entries(source) if e["name"] == entry["name"]), None)
    if theirs is None:
        has = ", ".join(e["name"] for e in model_entries(source))
        raise BadRun(f"The run that the probes are taken from has no '{entry['name']}'; it has: {has}.")
    if theirs["recipe"] != entry["recipe"]:
        raise BadRun(
            f"'{entry['name']}' embeds differently here and in the run that the probes are taken from "
            f"(weights, preprocessing, precision or versions differ), so its probes mean nothing here."
        )
    for name in (task.name, DEPLOYMENT, LOOK_RULE):
        if source.has(probe_path(entry["name"], name)):
            store.adopt(probe_path(entry["name"], name), source, key)
    probe = read_probe(store, entry["name"], task.name)
    missing = sorted(set(task.classes) - set(probe.classes))
    if missing:
        raise BadRun(f"The run that the probes are taken from never learned: {', '.join(missing)}.")
    position = np.array([probe.classes.index(name) for name in task.classes])
    adopted = Task(task.name, probe.classes, np.where(task.takes_part, position[task.truth], -1), task.seen)
    rows = np.flatnonzero(adopted.takes_part)
    _save(store, entry, adopted, rows, probe.probabilities(X[rows]), [("adopted", probe.facts)], samples, key)


def _save(
    store: Store,
    entry: dict[str, Any],
    task: Task,
    rows: np.ndarray,
    probabilities: np.ndarray,
    facts: Sequence[tuple[str, FitFacts]],
    samples: pd.DataFrame,
    key: str,
) -> None:
    fits = pd.DataFrame(
        [
            {
                "model": entry["name"],
                "task": task.name,
                "fold": str(fold),
                "penalty": fact.penalty,
                "at_edge": fact.at_edge,
                "converged": fact.converged,
                "iterations": fact.iterations,
                "validation_loss": fact.validation_loss,
            }
            for fold, fact in facts
        ]
    )
    store.write_table(fits_path(entry["name"], task.name), fits, key)
    classes = np.array(task.classes, dtype=object)
    truth, predicted = task.truth[rows], probabilities.argmax(1)
    order = np.arange(len(rows))
    table = pd.DataFrame(
        {
            "sample": samples["sample"].to_numpy()[rows],
            "truth": classes[truth],
            "predicted": classes[predicted],
            "p_truth": probabilities[order, truth].astype(np.float32),
            "p_predicted": probabilities[order, predicted].astype(np.float32),
            "seen": task.seen[rows],
        }
    )
    # Last, so that a kill before it leaves the task to be done again.
    store.write_table(predictions_path(entry["name"], task.name), table, key)
