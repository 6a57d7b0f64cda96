"""What live predictions need: a calibrated probe, the rule of the two looks, and what is familiar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from probing_core.measures.calibration import at_temperature, fit_temperature
from probing_core.prediction.novelty import fit_familiarity
from probing_core.prediction.tile_samples import groups_of, mean_log_probabilities
from probing_core.prediction.tiles import LookRule, fit_rule
from probing_core.probes.base import LinearProbe
from probing_core.runs.layout import DEPLOYMENT, LOOKS, familiarity_path, look_rule_path, looks_path, probe_path
from probing_core.runs.model_samples import ModelSamples, whole_images
from probing_core.runs.tasks import Task

MOST_FAMILIAR = 16_000
"""Samples that familiarity is fitted on at most."""

FOLDS = 5
"""Of photographs, for the temperature of the combined look."""


def save_deployment(
    work: ModelSamples,
    task: Task,
    probe: LinearProbe,
    held_out: tuple[np.ndarray, np.ndarray],
    large: np.ndarray,
    looks: pd.DataFrame,
    key: str,
) -> None:
    """Writes the deployment probe and, where there are large pictures, the rule of the two looks.

    Args:
        probe: fitted on all that may be learned from.
        held_out: probabilities (n, K) and truth (n,) of samples that the probes which gave them never saw.
        large, looks: the same of large pictures (P, K), and which of them belong together; may be empty.
    """
    temperature = fit_temperature(*held_out)
    prior = group_prior(groups_of(task.classes, work.recipe))
    deployed = probe.with_temperature(temperature).with_prior(prior)
    work.store.write_bytes(probe_path(work.model, DEPLOYMENT), deployed.to_bytes(), key)
    if len(looks):
        expected = at_temperature(large, temperature) * prior
        rule = _look_rule(work, task, expected / expected.sum(1, keepdims=True), looks)
        work.store.write_bytes(look_rule_path(work.model), rule.to_bytes(), key)


def group_prior(groups: Sequence[str]) -> np.ndarray:
    """(K,) what is expected before looking: every group alike, so that untouched is as likely as blurred.

    Were every class alike, then of 31 pictures 30 would have been changed, and a picture that nothing was done to
    would hardly ever be called so.
    """
    members = np.array([groups.count(group) for group in groups])
    return 1 / (members * len(set(groups)))


def save_familiarity(
    work: ModelSamples, rows: np.ndarray, classes: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]], key: str
) -> None:
    """Writes what the model knows of pictures, from the samples that its deployment probe knows.

    Args:
        rows: (n,) positions of the samples that are known.
        classes: (n,) their classes.
        folds: for each, positions of the samples to learn from and of those held out; both within ``rows``.
    """
    class_of = np.full(len(work.samples), -1)
    class_of[rows] = classes
    thinned = [(whole_images(work, learned, MOST_FAMILIAR), held) for learned, held in folds]
    familiarity = fit_familiarity(work.X, class_of, whole_images(work, rows, MOST_FAMILIAR), thinned, work.photographs)
    work.store.write_bytes(familiarity_path(work.model), familiarity.to_bytes(), key)


def has_looks(work: ModelSamples) -> bool:
    """Whether there are large pictures, told without reading their embeddings."""
    return work.store.has(looks_path(work.model)) and len(work.store.read_table(LOOKS, ["start"])) > 0


def read_looks(work: ModelSamples) -> tuple[np.ndarray, pd.DataFrame] | None:
    """Embeddings of the large pictures, and which belong together; None where the corpus has none."""
    if not has_looks(work):
        return None
    return work.store.read_arrays(looks_path(work.model))["embeddings"], work.store.read_table(LOOKS)


def _look_rule(work: ModelSamples, task: Task, probabilities: np.ndarray, looks: pd.DataFrame) -> LookRule:
    whole, tiles = mean_log_probabilities(probabilities, looks)
    truth = np.array([task.classes.index(name) for name in looks["transform"]])
    groups = groups_of(task.classes, work.recipe)
    rule = fit_rule(whole, tiles, truth, groups)
    # Its temperature is fitted on answers of rules that did not learn from the photograph.
    _, photograph = np.unique(looks["base_id"], return_inverse=True)
    fold = photograph % FOLDS
    if photograph.max() == 0:
        return rule
    answers = np.empty_like(whole, dtype=np.float64)
    for held in range(min(FOLDS, photograph.max() + 1)):
        out = fold == held
        other = fit_rule(whole[~out], tiles[~out], truth[~out], groups)
        answers[out] = [other.combine(w, t[None]) for w, t in zip(whole[out], tiles[out], strict=True)]
    return replace(rule, temperature=fit_temperature(answers, truth))
