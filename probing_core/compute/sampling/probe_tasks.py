"""Probe tasks: the class of each sample, and the samples that can be used for training."""

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
"""Minimum number of training photographs per class of the content task."""

MIN_TO_TEST = 2
"""Minimum number of test photographs per class of the content task."""


@dataclass(frozen=True)
class Task:
    """A classification task over the samples of a run.

    Attributes:
        name: ``fine``, ``group-0`` to ``group-2``, or ``content``.
        classes: class names, in the order of the outputs of the probe.
        truth: (N,) indices into ``classes``, or -1 for samples that are not part of the task.
        seen: (N,) whether the transformation of the sample is used in training. All other samples are only used for
            testing.
    """

    name: str
    classes: tuple[str, ...]
    truth: np.ndarray
    seen: np.ndarray

    @property
    def takes_part(self) -> np.ndarray:
        return self.truth >= 0


def task_names(transforms: Sequence[Transform], images: pd.DataFrame | None = None) -> tuple[str, ...]:
    """Return the names of the tasks that are possible for the given transformations and images.

    A group task requires a group with both seen and unseen transformations. The content task requires at least two
    classes (see `content_labels`).

    Args:
        transforms: transformations of a run.
        images: image table of the run. If it is None, the content task is omitted.
    """
    rotations = [f"group-{r}" for r in ROTATIONS if _groups(transforms, r)]
    return ("fine", *rotations, *([CONTENT] if images is not None and content_labels(images) else []))


def content_labels(images: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of the content task, or an empty tuple if there is no content task.

    If the corpus specifies classes that no encoder saw in pretraining, only these are used, because a supervised
    encoder cannot be compared on its own training classes. Each class requires several training and test photographs.
    Corpora with few photographs, or with a different label for each photograph, therefore have no content task.

    Args:
        images: image table of a run.
    """
    if images.empty or not has_splits(images):
        return ()
    counts = photographs_by_label(labelled(images))
    enough = counts[(counts["train"] >= MIN_TO_LEARN) & (counts["test"] >= MIN_TO_TEST)]
    # The penalty is selected on the val split, which must therefore contain at least one class.
    return tuple(sorted(enough.index)) if len(enough) > 1 and enough["val"].sum() > 0 else ()


def photographs_by_label(rows: pd.DataFrame) -> pd.DataFrame:
    counts = rows.groupby(["label", "split"])["base_id"].nunique().unstack(fill_value=0)
    return counts.reindex(columns=["train", "val", "test"], fill_value=0)


def labelled(images: pd.DataFrame) -> pd.DataFrame:
    """Return the labeled images of a run. If there are held-out classes, only their images are returned."""
    rows = images[images["used"] & (images["label"] != "")]
    return rows[rows["held_out"]] if "held_out" in rows and rows["held_out"].any() else rows


def make_task(
    name: str, samples: pd.DataFrame, transforms: Sequence[Transform], images: pd.DataFrame | None = None
) -> Task:
    """Create a task for the samples of a run.

    Args:
        name: name of the task.
        samples: sample table of the run.
        transforms: transformations of the run.
        images: image table of the run, which the content task requires.

    Raises:
        UnknownName: the task does not exist.
    """
    classes, seen = classes_of(name, transforms, images), np.ones(len(samples), bool)
    if name == "fine":
        truth = codes(samples["transform"], classes)
        truth[samples["draw"].to_numpy() > 0] = -1  # one draw per class, because classes are paired
    elif name == CONTENT:
        truth, seen = codes(samples["label"], classes), (samples["transform"] == "identity").to_numpy()
        # Use one draw of each version, because the content is the same in all draws.
        truth[(samples["draw"] > 0) | (samples["repetition"] > 0)] = -1
    else:
        learned = {t.name for t in transforms if not t.far and t.unseen_in != _rotation(name)}
        truth, seen = codes(samples["group"], classes), samples["transform"].isin(learned).to_numpy()
    return Task(name, classes, truth, seen)


def classes_of(name: str, transforms: Sequence[Transform], images: pd.DataFrame | None = None) -> tuple[str, ...]:
    """Return the classes of a task, which do not depend on the samples.

    Raises:
        UnknownName: the task does not exist.
    """
    if name == "fine":
        return tuple(t.name for t in transforms if not t.far)
    if (rotation := _rotation(name)) in ROTATIONS:
        return _groups(transforms, rotation)
    names = task_names(transforms, images)
    if name == CONTENT and images is not None and CONTENT in names:
        return content_labels(images)
    raise UnknownName(f"'{name}' is not a known task. Available tasks: {', '.join(names)}.")


def _rotation(name: str) -> int:
    return int(name[6:]) if name.startswith("group-") and name[6:].isdigit() else -1


def _groups(transforms: Sequence[Transform], rotation: int) -> tuple[str, ...]:
    """Return the groups that have seen transformations in the fold ``rotation``.

    The result is empty if none of these groups has unseen transformations.
    """
    learned = {t.group for t in transforms if not t.far and t.unseen_in != rotation}
    surprising = {t.group for t in transforms if t.unseen_in == rotation} & learned
    return tuple(g for g in GROUPS if g in learned) if surprising else ()


def codes(values: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Return the positions (N,) of ``values`` in ``classes``, or -1 for values that are not in ``classes``."""
    return pd.Index(classes).get_indexer(pd.Index(values)).astype(np.int64)
