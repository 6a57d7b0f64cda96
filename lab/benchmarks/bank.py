"""Throughput of the bank with 1, 2 and 4 worker processes, with and without neural styles."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from probing_core.compute.runtime.workers import Workers
from probing_core.compute.sampling.samples import Design, choose_images, plan_samples
from probing_core.compute.sampling.series import make_samples
from probing_core.compute.task_names import MAIN
from probing_core.corpora import open_corpus
from probing_core.transforms import bank


@dataclass(frozen=True)
class Size:
    """Size of the benchmark.

    Attributes:
        images: number of photographs that are transformed with and without styles.
        counts: numbers of worker processes, including 1 and 2.
        styles: whether to measure without styles, and with styles.
    """

    images: int = 32
    counts: tuple[int, ...] = (1, 2, 4)
    styles: tuple[bool, ...] = (False, True)


SMALL = Size(1, (1, 2), styles=(False,))


def run(size: Size) -> dict[str, Any]:
    """Return the throughput in images per second by number of workers, and the ratio of two workers to one worker, with
    and without styles."""
    corpus, results = open_corpus("reference"), {}
    for styles in size.styles:
        transforms = tuple(t for t in bank() if styles or t.group != "style")
        design = Design(view=128, transforms=transforms, seed=0, threads=1)
        chosen = choose_images(design, corpus, lambda completed, total: None)
        samples = plan_samples(design, chosen[chosen["used"]].head(size.images))
        speeds: dict[str, float] = {}
        for count in size.counts:
            with Workers(count) as pool:
                make_samples(MAIN, design, corpus, samples.head(4 * count * (len(transforms) + 1)), pool)
                start = time.perf_counter()
                make_samples(MAIN, design, corpus, samples, pool)
                speeds[str(count)] = len(samples) / (time.perf_counter() - start)
        results["with_styles" if styles else "without_styles"] = {
            "pictures_per_s": speeds,
            "two_over_one": speeds["2"] / speeds["1"],
        }
    return {"bank": results}
