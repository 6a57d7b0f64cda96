"""Calibration of a scan on clean images, and the sentences that state which error rates are guaranteed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from probing_core.answers.reference_sets import GRAY, LARGE, MIN_BEYOND, VIEW, ReferenceSets, is_enough
from probing_core.errors import BadConfig
from probing_core.measures.notation import exactly_in_percent, in_percent

MIN_FOR_Q = 500
"""Minimum number of clean images for computing q-values.

With fewer clean images, the smallest possible p-value is too large to detect edits in a folder with few edited images.
"""

CLEAN_COLUMNS = ["error", "no_color", "large", "is_flat", "whole", "joined", "gray", "digest"]

KIND_NAMES = {VIEW: "small images", LARGE: "large images", GRAY: "images without color"}


@dataclass(frozen=True)
class Calibration:
    """Reference sets for a scan.

    Attributes:
        sets: reference sets with which the scanned images are compared.
        level: significance level.
        clean: number of clean color images, or None if the photographs of the run are used.
        shared: number of clean images that were left out because they were also scanned.
        flat: number of clean images that were left out because they may not be photographs.
    """

    sets: ReferenceSets
    level: float
    clean: int | None = None
    shared: int = 0
    flat: int = 0

    @property
    def has_q(self) -> bool:
        return self.clean is not None and self.clean >= MIN_FOR_Q

    def sentences(self) -> list[str]:
        """Return sentences on which error rates are guaranteed, and for which kinds of images."""
        first = self._about_run() if self.clean is None else self._about_clean(self.clean)
        return [*first, *self._about_kinds()]

    def detection_rate(self) -> list[str]:
        """Return a sentence on the detection rate, or nothing if it was not measured."""
        rate = self.sets.sets[VIEW].detection_rate if VIEW in self.sets.sets else None
        if rate is None:
            return []
        hard = ", ".join(rate.hardly_detected)
        sentence = f"On the run's own photographs, the detector flags {in_percent(rate.overall.value)} of edited images"
        return [f"{sentence}, but fewer than half of the edits in these groups: {hard}." if hard else f"{sentence}."]

    def _about_run(self) -> list[str]:
        names = {VIEW: "small", LARGE: "large", GRAY: "converted to grayscale"}
        counts = ", ".join(f"{self._count(kind):,} {name}" for kind, name in names.items() if kind in self.sets.sets)
        return [
            f"Images were compared with clean photographs of the run{f' ({counts})' if counts else ''}.",
            "Your images may come from a different source, so no error rate is guaranteed.",
            f"For a guarantee, add a folder with {least_count(self.level):,} or more clean images from your source.",
        ]

    def _about_clean(self, count: int) -> list[str]:
        rate = exactly_in_percent(self.level)
        sentences = [
            f"Calibrated on {count:,} of your clean images: about {rate} of unedited images from the same source have "
            f"a p-value of at most {self.level:g}."
        ]
        if self.shared:
            sentences.append(f"Clean images that were also scanned are not used for calibration ({self.shared:,}).")
        if self.flat:
            sentences.append(f"Clean images that may not be photographs are not used for calibration ({self.flat:,}).")
        if count < MIN_FOR_Q:
            sentences.append(f"The false discovery rate (q) requires at least {MIN_FOR_Q} clean images.")
        if LARGE not in self.sets.sets:
            sentences.append(
                f"Fewer than {least_count(self.level):,} of the clean images are large or can be used for large "
                f"images, so only the resized center of large images is scored."
            )
        return sentences

    def _about_kinds(self) -> list[str]:
        """Return a sentence for each kind of image with too few clean photographs for the level."""
        sentences = []
        for kind, name in KIND_NAMES.items():
            count = self._count(kind)
            if kind in self.sets.sets and not is_enough(count, self.level):
                is_possible = 1 / (count + 1) <= self.level
                effect = "their p-values are imprecise at this level" if is_possible else "they can never be flagged"
                sentences.append(f"{name.capitalize()} are compared with only {count:,} photographs, so {effect}.")
        return sentences

    def _count(self, kind: str) -> int:
        return len(self.sets.sets[kind].clean) if kind in self.sets.sets else 0


def least_count(level: float) -> int:
    """Return the number of clean photographs that are required for a significance level."""
    return next(count for count in range(int(MIN_BEYOND / level), 10**12) if is_enough(count, level))


def calibrate(
    sets: ReferenceSets, clean: Iterable[pd.DataFrame], scanned: Iterable[pd.DataFrame], level: float
) -> Calibration:
    """Calibrate on clean images instead of the photographs of the run.

    Copies of an image are used once. Images that were also scanned, or that may not be photographs, are not used.

    Args:
        sets: reference sets of the run.
        clean: measurements of the clean images, with `CLEAN_COLUMNS`.
        scanned: measurements of the scanned images, with the column ``digest``.
        level: false-positive rate to calibrate for.

    Raises:
        BadConfig: there are too few clean images for ``level``.
    """
    rows = pd.concat(list(clean), ignore_index=True)
    rows = rows[rows["error"] == ""].drop_duplicates("digest")
    digests = set(rows["digest"])
    also_scanned = {digest for part in scanned for digest in part["digest"] if digest in digests}
    shared, flat = rows["digest"].isin(also_scanned), rows["is_flat"].astype(bool)
    rows = rows[~shared & ~flat]
    color = rows[~rows["no_color"].astype(bool)]
    if not is_enough(len(color), level):
        left_out = f", after {shared.sum():,} that were also scanned were left out" if shared.any() else ""
        raise BadConfig(
            f"Too few clean color images ({len(color):,}{left_out}) to calibrate for a false-positive rate of "
            f"{exactly_in_percent(level)}. Provide at least {least_count(level):,} clean color images, or use a higher "
            f"level."
        )
    large = color.loc[color["large"].astype(bool), "joined"].to_numpy()
    scores = {VIEW: color["whole"].to_numpy(), LARGE: large, GRAY: rows["gray"].dropna().to_numpy()}
    moved = sets.with_clean(scores, level)
    return Calibration(moved, level, len(color), int(shared.sum()), int((flat & ~shared).sum()))
