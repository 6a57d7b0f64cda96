"""What a probe must tell from an embedding: the truth of every sample, and which samples it may learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.errors import UnknownName
from probing_core.transforms.base import GROUPS, Transform

ROTATIONS = (0, 1, 2)


@dataclass(frozen=True)
class Task:
    """One classification problem over the samples of a run.

    Attributes:
        name: ``fine``, ``group-0`` to ``group-2``.
        classes: in the order of the probe's outputs.
        truth: (N,) index into ``classes``; -1 for samples that take no part.
        seen: (N,) whether the sample's transform is learned from; the others are tested alone.
    """

    name: str
    classes: tuple[str, ...]
    truth: np.ndarray
    seen: np.ndarray

    @property
    def takes_part(self) -> np.ndarray:
        return self.truth >= 0


def task_names(transforms: Sequence[Transform]) -> tuple[str, ...]:
    """The tasks that these transforms make possible: group tasks need a group with a seen member."""
    rotations = [f"group-{r}" for r in ROTATIONS if _groups(transforms, r)]
    return ("fine", *rotations)


def make_task(name: str, samples: pd.DataFrame, transforms: Sequence[Transform]) -> Task:
    """The task called ``name`` over ``samples`` (the table of a run).

    Raises:
        UnknownName: there is no such task.
    """
    if name == "fine":
        return _fine(samples, transforms)
    if name.startswith("group-") and name[6:].isdigit() and int(name[6:]) in ROTATIONS:
        return _group(samples, transforms, int(name[6:]))
    raise UnknownName(f"There is no task called '{name}'. There are: {', '.join(task_names(transforms))}.")


def _fine(samples: pd.DataFrame, transforms: Sequence[Transform]) -> Task:
    classes = tuple(t.name for t in transforms if not t.far)
    truth = _indices(samples["transform"], classes)
    truth[samples["draw"].to_numpy() > 0] = -1  # every class is drawn once, so that classes are paired
    return Task("fine", classes, truth, np.ones(len(samples), bool))


def _group(samples: pd.DataFrame, transforms: Sequence[Transform], rotation: int) -> Task:
    groups = _groups(transforms, rotation)
    truth = _indices(samples["group"], groups)
    learned = {t.name for t in transforms if not t.far and t.unseen_in != rotation}
    return Task(f"group-{rotation}", groups, truth, samples["transform"].isin(learned).to_numpy())


def _groups(transforms: Sequence[Transform], rotation: int) -> tuple[str, ...]:
    """Groups with a member to learn from in this rotation, if any of them has one to be surprised by."""
    learned = {t.group for t in transforms if not t.far and t.unseen_in != rotation}
    surprising = {t.group for t in transforms if t.unseen_in == rotation} & learned
    return tuple(g for g in GROUPS if g in learned) if surprising else ()


def _indices(values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    position = {name: i for i, name in enumerate(classes)}
    return values.map(lambda name: position.get(name, -1)).to_numpy(np.int64, copy=True)
