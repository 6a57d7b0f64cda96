"""Which images a run uses: the rows of ``images.parquet``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from probing_core.compute.design import Design
from probing_core.corpora import assign_splits, drawn, shares
from probing_core.corpora.base import NOT_FOR_PROBES, Corpus
from probing_core.errors import BadCorpus, BadImage
from probing_core.images.quality import NEAR_GRAY
from probing_core.transforms.view import source_side

LEARNED = ("train", "val")
"""Splits that probes learn from and choose on."""

MIN_AT_ONCE = 16
"""Images that are read together, even if fewer are wanted: threads share them."""

SUBMITTED = 1024
"""Images that wait for threads: each takes kilobytes, and a corpus may have millions."""

OnProgress = Callable[[int, int], None]
"""(done, total)."""

FindFlaws = Callable[[pd.DataFrame], Iterator[str]]
"""Rows -> why each image cannot be used; an empty string where it can."""


def choose_images(design: Design, corpus: Corpus, progress: OnProgress) -> pd.DataFrame:
    """Return the rows of ``images.parquet``: every image that the run considered, and why some are left out.

    Raises:
        BadCorpus: nothing is left.
    """
    rows = corpus.rows[~corpus.rows["split"].isin(NOT_FOR_PROBES)].reset_index(drop=True).copy()
    if (rows["split"] == "").any():
        rows["split"] = assign_splits(rows["base_id"].tolist(), design.seed)
    needs_geometry = any(t.warp is not None for t in design.transforms)
    fit = rows["color"] & (rows["geometry"] | (not needs_geometry))
    rows["why_not"] = np.where(fit, "", rows["why_not"])

    smallest = source_side(design.view)
    with ThreadPoolExecutor(design.threads) as pool:
        find_flaws = partial(_flaws, corpus, smallest, pool)
        if design.limit is None or not fit.any():
            rows = _all(rows, fit, find_flaws, progress)
        else:
            rows = _draw(rows[fit], design.limit, find_flaws, progress)
    rows["used"] = rows["why_not"] == ""
    if not rows["used"].any():
        reason = rows["why_not"].value_counts().index[0] if len(rows) else "it has no probe images"
        raise BadCorpus(
            f"Corpus '{corpus.name}' leaves no image for a view of {design.view} pixels; most often: {reason}."
            + (f" Try a smaller --view: sources must have {smallest} pixels." if "smaller than" in reason else "")
            + (" Give pictures in color: without it, changes of color would be none." if reason == "near gray" else "")
        )
    # Only corpora on which encoders were pretrained list the classes that those never saw.
    rows["held_out"] = rows["held_out_class"].astype(bool) if "held_out_class" in rows else False
    return rows[["image_id", "base_id", "label", "split", "license", "used", "why_not", "held_out"]]


def _all(rows: pd.DataFrame, fit: pd.Series, find_flaws: FindFlaws, progress: OnProgress) -> pd.DataFrame:
    reasons, count = [], int(fit.sum())
    for reason in find_flaws(rows[fit]):
        reasons.append(reason)
        progress(len(reasons), count)
    rows.loc[fit, "why_not"] = reasons
    return rows


def _draw(rows: pd.DataFrame, limit: int, find_flaws: FindFlaws, progress: OnProgress) -> pd.DataFrame:
    """Return ``limit`` usable rows, and those that were considered and cannot be used.

    Whether a picture is large enough is known once it is read: smaller ones were considered, and do not
    count. A split that has fewer usable ones than its share gives all that it has.
    """
    return _usable(rows, shares(rows, limit), find_flaws, progress).reset_index(drop=True)


def _usable(rows: pd.DataFrame, wanted: dict[str, int], find_flaws: FindFlaws, progress: OnProgress) -> pd.DataFrame:
    """Return rows as drawn, until every split has as many usable ones as ``wanted``; those that are not, too."""
    order = drawn(rows)
    split = rows.loc[order, "split"].to_numpy()
    reasons: dict[int, str] = {}
    before, total = 0, sum(wanted.values())
    for name, count in wanted.items():
        waiting, found = list(order[split == name]), 0
        while waiting and found < count:
            size = max(count - found, MIN_AT_ONCE)
            batch, waiting = waiting[:size], waiting[size:]
            for i, reason in zip(batch, find_flaws(rows.loc[batch]), strict=True):
                if found == count:
                    break
                reasons[i] = reason
                found += reason == ""
                progress(before + found, total)
        before += count
    taken = rows.loc[sorted(reasons)].copy()
    taken["why_not"] = [reasons[i] for i in taken.index]
    return taken


def _flaws(corpus: Corpus, smallest: int, pool: ThreadPoolExecutor, rows: pd.DataFrame) -> Iterator[str]:
    for start in range(0, len(rows), SUBMITTED):
        some = rows["image_id"].iloc[start : start + SUBMITTED].astype(str)
        yield from pool.map(lambda image_id: _flaw(corpus, image_id, smallest), some)


def _flaw(corpus: Corpus, image_id: str, smallest: int) -> str:
    """Return why an image cannot be used, or an empty string."""
    try:
        image = corpus.load(image_id)
    except BadImage as error:
        return f"unreadable: {error}"
    if min(image.shape[:2]) < smallest:
        return f"smaller than {smallest} pixels"
    small = image[:: max(1, image.shape[0] // 128), :: max(1, image.shape[1] // 128)].astype(np.int16)
    return "near gray" if float((small.max(2) - small.min(2)).mean()) < NEAR_GRAY else ""
