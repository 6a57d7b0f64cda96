"""Probe tasks: the class of every sample, and which samples may be used for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from probing_core.compute.sampling.samples import has_splits
from probing_core.errors import UnknownName
from probing_core.transforms.transformation import GROUPS, Transform

ROTATIONS = (0, 1, 2)
CONTENT = "content"

MIN_TO_LEARN = 5
"""Minimum number of training photographs with a label for it to be a class of the content task."""

MIN_TO_TEST = 2
"""Minimum number of test photographs with a label for it to be a class of the content task."""


@dataclass(frozen=True)
class Task:
    """One classification problem over the samples of a run.

    Attributes:
        name: ``fine``, ``group-0`` to ``group-2``, ``content``.
        classes: class names, in the order of the outputs of the probe.
        truth: (N,) indices into ``classes``; -1 for samples that are not part of the task.
        seen: (N,) whether the transformation of the sample is in training; other samples are only used for testing.
    """

    name: str
    classes: tuple[str, ...]
    truth: np.ndarray
    seen: np.ndarray

    @property
    def takes_part(self) -> np.ndarray:
        return self.truth >= 0


def task_names(transforms: Sequence[Transform], images: pd.DataFrame | None = None) -> tuple[str, ...]:
    """Return the names of the tasks that are possible for these transformations and images.

    Group tasks require a group with a member in training. The content task requires at least two classes in ``images``,
    the table of a run (see `content_labels`).
    """
    rotations = [f"group-{r}" for r in ROTATIONS if _groups(transforms, r)]
    return ("fine", *rotations, *([CONTENT] if images is not None and content_labels(images) else []))


def content_labels(images: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of the content task for ``images``, the table of a run; empty if there is no content task.

    If the corpus lists classes that no encoder saw in pretraining, only these are used, because a supervised encoder
    cannot be compared on its own training classes. A class requires training and test photographs, so corpora with few
    photographs, or with a label per photograph, have no content task.
    """
    if images.empty or not has_splits(images):
        return ()
    counts = photographs_by_label(labelled(images))
    enough = counts[(counts["train"] >= MIN_TO_LEARN) & (counts["test"] >= MIN_TO_TEST)]
    # The penalty is selected on the val split, where at least one class must occur.
    return tuple(sorted(enough.index)) if len(enough) > 1 and enough["val"].sum() > 0 else ()


def photographs_by_label(rows: pd.DataFrame) -> pd.DataFrame:
    counts = rows.groupby(["label", "split"])["base_id"].nunique().unstack(fill_value=0)
    return counts.reindex(columns=["train", "val", "test"], fill_value=0)


def labelled(images: pd.DataFrame) -> pd.DataFrame:
    """Return the labeled images of a run: only the held-out classes, if there are any."""
    rows = images[images["used"] & (images["label"] != "")]
    return rows[rows["held_out"]] if "held_out" in rows and rows["held_out"].any() else rows


def make_task(
    name: str, samples: pd.DataFrame, transforms: Sequence[Transform], images: pd.DataFrame | None = None
) -> Task:
    """Return the task called ``name`` over ``samples``; the content task also needs ``images`` (both tables of a run).

    Raises:
        UnknownName: the task does not exist.
    """
    classes, seen = classes_of(name, transforms, images), np.ones(len(samples), bool)
    if name == "fine":
        truth = codes(samples["transform"], classes)
        truth[samples["draw"].to_numpy() > 0] = -1  # classes are paired, so every class is drawn once
    elif name == CONTENT:
        truth, seen = codes(samples["label"], classes), (samples["transform"] == "identity").to_numpy()
        # Use one draw of each, because the content is the same in all draws.
        truth[(samples["draw"] > 0) | (samples["repetition"] > 0)] = -1
    else:
        learned = {t.name for t in transforms if not t.far and t.unseen_in != _rotation(name)}
        truth, seen = codes(samples["group"], classes), samples["transform"].isin(learned).to_numpy()
    return Task(name, classes, truth, seen)


def classes_of(name: str, transforms: Sequence[Transform], images: pd.DataFrame | None = None) -> tuple[str, ...]:
    """Return the classes of the task called ``name``, which do not depend on the samples; errors as in `make_task`."""
    if name == "fine":
        return tuple(t.name for t in transforms if not t.far)
    if (rotation := _rotation(name)) in ROTATIONS:
        return _groups(transforms, rotation)
    names = task_names(transforms, images)
    if name == CONTENT and images is not None and CONTENT in names:
        return content_labels(images)
    raise UnknownName(f"There is no task called '{name}'. There are: {', '.join(names)}.")


def _rotation(name: str) -> int:
    return int(name[6:]) if name.startswith("group-") and name[6:].isdigit() else -1


def _groups(transforms: Sequence[Transform], rotation: int) -> tuple[str, ...]:
    """Return the groups with a member in training in this fold; empty if none of them also has an unseen member."""
    learned = {t.group for t in transforms if not t.far and t.unseen_in != rotation}
    surprising = {t.group for t in transforms if t.unseen_in == rotation} & learned
    return tuple(g for g in GROUPS if g in learned) if surprising else ()


def codes(values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Return (N,) positions in ``classes``; -1 for other values."""
    return pd.Index(classes).get_indexer(pd.Index(values)).astype(np.int64)
