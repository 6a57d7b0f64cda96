"""The quick protocol, which evaluates a model on a fixed subset of the samples in a run.

The subset contains some photographs from each split, in one repetition, without unseen styles. A separate probe is
trained on the subset, so a new model can be compared with the models of the run without embedding all samples.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from probing_core.compute.task_names import FINE
from probing_core.compute.training.model_samples import ModelSamples
from probing_core.compute.training.probe_training import train_linear

QUICK_PHOTOGRAPHS = {"train": 240, "val": 60, "test": 160}
"""Maximum number of photographs from each split."""

QUICK_COLUMNS = ["model", "base_id", "transform", "correct", "samples"]


def choose_quick_images(images: pd.DataFrame) -> pd.DataFrame:
    """Select the images for the quick protocol, one from each selected photograph.

    Photographs are stratified by label and selected in the order of a hash of their ID. The selection is deterministic
    and idempotent.

    Args:
        images: image table of a run.
    """
    used = images[images["used"]]
    chosen = []
    for split, count in QUICK_PHOTOGRAPHS.items():
        rows = used[used["split"] == split].sort_values("image_id").drop_duplicates("base_id")
        rows = rows.assign(order=[_hash(name) for name in rows["base_id"]]).sort_values("order")
        within = rows.groupby("label").cumcount() + 0.5
        share = within / rows.groupby("label")["label"].transform("size")
        chosen += list(rows.assign(share=share).sort_values(["share", "order"]).index[:count])
    return images.loc[sorted(chosen)]


def _hash(name: object) -> str:
    return hashlib.blake2b(str(name).encode(), digest_size=8).hexdigest()


def quick_part(data: ModelSamples) -> ModelSamples:
    """Select the samples and embeddings for the quick protocol."""
    images = choose_quick_images(data.images)
    transforms = tuple(transform for transform in data.transforms if not transform.far)
    samples = data.samples
    takes_part = (
        samples["image_id"].isin(images["image_id"])
        & (samples["repetition"] == 0)
        & samples["transform"].isin([transform.name for transform in transforms])
    )
    rows = np.flatnonzero(takes_part)
    return replace(
        data,
        X=data.X.at(rows),
        samples=samples.iloc[rows].reset_index(drop=True),
        images=images.reset_index(drop=True),
        transforms=transforms,
        rendered=None,
    )


def quick_table(data: ModelSamples) -> pd.DataFrame:
    """Train a probe under the quick protocol, and count its correct predictions.

    Args:
        data: all samples and embeddings of a model. The run must have splits.

    Returns:
        Table with the columns ``model``, ``base_id`` (test photograph), ``transform``, ``correct`` (number of correctly
        predicted samples) and ``samples`` (number of samples).
    """
    part = quick_part(data)
    predictions = train_linear(part, FINE, live=False).predictions[FINE]
    base = part.samples.set_index("sample")["base_id"].loc[predictions["sample"]].to_numpy()
    correct = (predictions["truth"] == predictions["predicted"]).to_numpy()
    rows = pd.DataFrame({"base_id": base, "transform": predictions["truth"].astype(str), "correct": correct})
    table = rows.groupby(["base_id", "transform"])["correct"].agg(["sum", "size"]).reset_index()
    table = table.rename(columns={"sum": "correct", "size": "samples"}).assign(model=data.model)
    return table.astype({"correct": np.int16, "samples": np.int16})[QUICK_COLUMNS]
