"""A frozen set of views: photographs to learn from and photographs held out, each under every transform.

The same for every model and every step of a training, so that what is measured on it can be compared.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import pandas as pd

from probing_core.compute.design import Design
from probing_core.compute.image_selection import LEARNED, OnProgress, choose_images
from probing_core.compute.parallel import picture_pool
from probing_core.compute.samples import make_samples, plan_samples
from probing_core.corpora import assign_splits, drawn
from probing_core.corpora.base import Corpus
from probing_core.errors import BadCorpus
from probing_core.transforms.base import Image

MIN_PHOTOGRAPHS = 2
"""Photographs on either side: below, nothing can be learned, or nothing be held out."""

CHUNK = 16
"""Images whose views are made between two reports of progress."""


@dataclass(frozen=True, eq=False)
class FrozenViews:
    """Views and what each of them is.

    Attributes:
        images: V arrays (view, view, 3) ``uint8``.
        table: V rows with ``image_id``, ``base_id``, ``label``, ``split`` (``train``: to learn from, ``val``: held
            out), ``transform``, ``group``, ``draw`` (identity is drawn twice) and ``look``: False for the untouched
            views of further photographs, which serve the content alone.
    """

    images: tuple[Image, ...]
    table: pd.DataFrame


def make_views(design: Design, corpus: Corpus, learn: int, held_out: int, progress: OnProgress) -> FrozenViews:
    """Make the views of ``learn`` photographs of the split ``train`` and ``held_out`` ones of ``val``, or of as many as
    there are, under every transform of ``design``; and an untouched view of every other labeled photograph of the two
    splits. A corpus without splits is split by photograph; the split ``test`` is never read.

    Raises:
        BadCorpus: fewer than `MIN_PHOTOGRAPHS` photographs on either side can be used.
    """
    images = choose_images(design, _learned(corpus, design.seed), lambda done, total: None)
    images = images[images["used"]].reset_index(drop=True)
    order = images.loc[drawn(images)]
    counts = {"train": learn, "val": held_out}
    mine = pd.Index([i for split, count in counts.items() for i in order.index[order["split"] == split][:count]])
    for split in counts:
        found = images.loc[mine].query("split == @split")["base_id"].nunique()
        if found < MIN_PHOTOGRAPHS:
            raise BadCorpus(
                f"{MIN_PHOTOGRAPHS} photographs to learn from and {MIN_PHOTOGRAPHS} held out are needed at least; "
                f"'{corpus.name}' has {found} usable in its split '{split}': give more pictures."
            )
    content = images.drop(mine).query("label != ''")
    untouched = Design(view=design.view, transforms=design.transforms[:1], seed=design.seed, threads=design.threads)
    plans = [
        plan_samples(design, images.loc[mine]).assign(look=True),
        plan_samples(untouched, content).query("draw == 0").assign(look=False) if len(content) else pd.DataFrame(),
    ]
    table = pd.concat(plans, ignore_index=True).drop(columns="sample")
    ids = table["image_id"].unique()
    made: list[Image] = []
    with picture_pool(len(table)) as pool:
        for start in range(0, len(ids), CHUNK):
            rows = table[table["image_id"].isin(ids[start : start + CHUNK])]
            made += make_samples(design, corpus, design.transforms, rows, pool)[0]
            progress(min(start + CHUNK, len(ids)), len(ids))
    return FrozenViews(tuple(made), table)


def _learned(corpus: Corpus, seed: int) -> Corpus:
    """Return ``corpus`` without the rows that probes may not learn from or choose on."""
    rows = corpus.rows
    if (rows["split"] == "").any():
        rows = rows.assign(split=assign_splits(rows["base_id"].tolist(), seed))
    learned = copy(corpus)
    learned.rows = rows[rows["split"].isin(LEARNED)].reset_index(drop=True)
    return learned
