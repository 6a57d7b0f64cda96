"""How far two pipelines' embeddings of the same pictures are apart, and which step makes the difference.

A shift is the distance of two embeddings of one picture, in units of the mean distance between two photographs. Which
step differs is found by trying: the pipeline that can be called makes each change of its steps in turn, and the one
that brings it closest to the other pipeline is what that one does, where it takes away at least half of the shift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import cv2
import numpy as np
import pandas as pd

from probing_core.compute.parity.beforehand import PictureSteps, Resize, resizes
from probing_core.compute.parity.pictures import PHOTOGRAPH, GoldenPicture
from probing_core.compute.parity.steps import DECODINGS, AnySteps, Change
from probing_core.errors import BadArray, ProbingError
from probing_core.images import Image
from probing_core.measures.nearest import unit
from probing_core.transforms.bank.codec import store_as_jpeg

EXPLAINED = 0.5
"""A change explains a shift of which it leaves less than this share."""

MAX_CHANGES = 2
"""Steps before the network that may differ at once."""

BEAM = 3
"""Changes of one step to which a second one is tried, where one does not suffice."""

HELPS = 0.9
"""A change helps where it leaves less than this share of the shift."""

SEARCHED = 4
"""Photographs on which changes are tried; what is found is checked on all pictures."""

LENGTH_TOLERANCE = 1e-3
"""Vectors whose lengths are this close to 1 are taken for scaled to it."""

NOT_FINITE = (
    "{count} of {total} vectors hold numbers that are not finite, or nothing but zeros, as where float16 overflows "
    "(above 65,504)"
)

LAST_BITS = 1e-4
"""Shifts below this are those of other libraries in the same precision."""

STORED_KINDS = ("JPEG", "EXIF", "alpha", "gray", "palette", "16 bit", "CMYK")
"""Kinds of golden pictures that are about their files."""

TRIED_ERRORS = (AssertionError, ProbingError, RuntimeError, ValueError)
"""What networks raise that take no input of another size."""

ONLY_VECTORS = (
    "No step was tried, since both pipelines are known by their vectors alone; name the model or the function that one "
    "of them came from."
)

TOO_FEW = (
    "No step was tried, since fewer than two photographs have vectors in both pipelines that are finite and not all "
    "zeros."
)

Embed = Callable[[AnySteps, Sequence[Image]], np.ndarray]
"""Steps, decoded pictures -> (N, D)."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two pipelines.

    Attributes:
        name: what it is called.
        vectors: (N, D) its embeddings of the golden pictures.
        steps: those of its pictures, where it can be called.
        embed: how it is called; None where only its vectors are known.
        decodes: whether it decodes files by itself.
        rounded: name of a precision -> the pipeline in it, where it can be had.
    """

    name: str
    vectors: np.ndarray
    steps: AnySteps | None = None
    embed: Embed | None = None
    decodes: bool = False
    rounded: Mapping[str, Callable[[], Embed]] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One way in which the pipelines differ.

    Attributes:
        step: order of vectors, order of colors, resize, crop, input size, mean and deviation, decoding, length,
            precision or overflow.
        pipeline: name of the one that does it, where the other does not.
        words: what it does.
        pictures: how many of the golden pictures it concerns.
        left: mean shift that remains where the other pipeline does the same, of the photographs or, of a decoding, of
            these pictures; NaN if that was not tried.
    """

    step: str
    pipeline: str
    words: str
    pictures: int
    left: float


@dataclass(frozen=True)
class Differences:
    """What `differences` found.

    Attributes:
        findings: the steps that differ.
        left: the largest shift that remains where they are made alike.
        untried: why no step was tried, in a sentence; empty where steps were.
    """

    findings: tuple[Finding, ...] = ()
    left: float = 0.0
    untried: str = ""


def mean_distance(vectors: np.ndarray, kinds: np.ndarray) -> float:
    """Return the mean distance between the embeddings of two golden photographs: the unit of shifts.

    Raises:
        BadArray: there are fewer than two with finite embeddings, or all have the same one.
    """
    gaps = _distances(vectors, kinds)
    if not gaps.any():
        raise BadArray(
            "The unit of a shift is the distance between two photographs, and neither pipeline gives two that differ; "
            "check that their embeddings are finite and belong to the golden pictures."
        )
    return float(gaps.mean())


def reference(first: Side, second: Side, kinds: np.ndarray) -> tuple[Side, Side]:
    """Return the pipeline whose distances are the unit and on which steps are tried, and the other one.

    The first that tells photographs apart and can be called; a network whose steps are known rather than an embedder
    that takes pictures alone, and this rather than one that decodes files by itself.
    """

    def unfitness(side: Side) -> tuple[bool, ...]:
        alone = isinstance(side.steps, PictureSteps)
        return not _distances(side.vectors, kinds).any(), side.embed is None, alone, side.decodes

    known, other = sorted((first, second), key=unfitness)
    return known, other


def shifts(first: np.ndarray, second: np.ndarray, unit: float) -> np.ndarray:
    """Return the shift (N,) of every picture; infinite where one embedding is not finite."""
    gaps = np.linalg.norm(first.astype(np.float64) - second.astype(np.float64), axis=1) / unit
    return np.where(np.isfinite(gaps), gaps, np.inf)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosine (N,) of both embeddings of every picture; NaN where one is not finite."""
    with np.errstate(invalid="ignore"):
        return (unit(first) * unit(second)).sum(1)


def _resized(image: Image, factor: float) -> Image:
    """Return the picture resized and back."""
    height, width = image.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_CUBIC
    )


ALTERATIONS: dict[str, Callable[[Image], Image]] = {
    **{
        f"jpeg-q{quality}-{chroma.replace(':', '')}": partial(store_as_jpeg, quality=quality, chroma=chroma)
        for quality in (75, 85, 95)
        for chroma in ("4:2:0", "4:4:4")
    },
    "resize-half": partial(_resized, factor=0.5),
    "resize-three-quarters": partial(_resized, factor=0.75),
}
"""Processing that hardly anybody sees, by which a shift is measured."""


def alterations(side: Side, images: Sequence[Image], unit: float) -> pd.DataFrame:
    """Return how far hardly visible processing moves the embeddings of photographs, the faintest first.

    Args:
        side: a pipeline that can be called.
        images: decoded photographs.

    Returns:
        ``alteration`` (of `ALTERATIONS`), ``shift`` (the mean over the photographs).
    """
    assert side.embed is not None
    assert side.steps is not None
    before = side.embed(side.steps, images)
    rows = []
    for name, altered in ALTERATIONS.items():
        after = side.embed(side.steps, [altered(image) for image in images])
        rows.append((name, float(shifts(before, after, unit).mean())))
    return pd.DataFrame(rows, columns=["alteration", "shift"]).sort_values("shift", ignore_index=True)


def as_far_as(shift: float, scale: pd.DataFrame) -> str:
    """Return the faintest alteration that moves photographs at least as far as ``shift``; empty where none does, where
    no scale is known, and for no shift."""
    if shift == 0:
        return ""
    farther = scale.loc[scale["shift"] >= shift, "alteration"]
    return str(farther.iloc[0]) if len(farther) else ""


def differences(
    known: Side, other: Side, pictures: Sequence[GoldenPicture], images: Sequence[Image], unit: float, tolerance: float
) -> Differences:
    """Find which steps differ.

    Args:
        known, other: from `reference`.
        pictures, images: the golden pictures, and what the product decodes them to.
        unit: from `mean_distance`.
        tolerance: shift up to which embeddings are alike.
    """
    return _Search(known, other, pictures, images, unit, tolerance).findings()


class _Search:
    """The search for what ``other`` does and ``known`` does not.

    ``ours`` are the vectors of the known pipeline with all that was found so far, ``theirs`` those of the other.
    """

    def __init__(
        self,
        known: Side,
        other: Side,
        pictures: Sequence[GoldenPicture],
        images: Sequence[Image],
        unit: float,
        tolerance: float,
    ) -> None:
        self.known, self.other, self.images, self.unit, self.tolerance = known, other, images, unit, tolerance
        self.pictures, self.kinds = pictures, np.array([picture.kind for picture in pictures])
        self.ours, self.theirs = known.vectors, other.vectors
        self.usable = _usable(known.vectors) & _usable(other.vectors)
        self.photographs = self.usable & (self.kinds == PHOTOGRAPH)
        self.steps, self.to_length_1 = known.steps, False
        self.found: list[Finding] = []

    def findings(self) -> Differences:
        self._overflow()
        self._stored_precision()
        untried = ""
        if np.count_nonzero(self.photographs) < 2:
            untried = TOO_FEW
        elif self._differs(self.usable):
            self._length()
            self._order()
            if self.known.embed is None:
                untried = ONLY_VECTORS
            else:
                self._changes()
                self._computed_precision()
                self._decoding()
        return Differences(tuple(self.found), float(shifts(self.ours, self.theirs, self.unit).max()), untried)

    def _shift(self, rows: np.ndarray) -> np.ndarray:
        return shifts(self.ours[rows], self.theirs[rows], self.unit)

    def _differs(self, rows: np.ndarray) -> bool:
        return bool((self._shift(rows) > self.tolerance).any())

    def _add(self, step: str, words: str, rows: np.ndarray, left: float, pipeline: str = "") -> None:
        count = int(rows.sum()) if rows.dtype == bool else len(rows)
        self.found.append(Finding(step, pipeline or self.other.name, words, count, left))

    def _overflow(self) -> None:
        for side in (self.known, self.other):
            lost = ~_usable(side.vectors)
            if lost.any():
                words = NOT_FINITE.format(count=lost.sum(), total=len(lost))
                self._add("overflow", words, lost, np.nan, side.name)

    def _length(self) -> None:
        lengths = [np.linalg.norm(vectors[self.usable], axis=1) for vectors in (self.ours, self.theirs)]
        scaled = [bool((np.abs(length - 1) < LENGTH_TOLERANCE).all()) for length in lengths]
        if scaled[0] == scaled[1]:
            return
        self.ours, self.theirs, self.to_length_1 = unit(self.ours), unit(self.theirs), True
        self.unit = mean_distance(self.ours, self.kinds)
        doing = self.other if scaled[1] else self.known
        left = float(self._shift(self.usable).mean())
        self._add("length", "vectors are scaled to length 1", self.usable, left, doing.name)

    def _order(self) -> None:
        from scipy.optimize import linear_sum_assignment

        rows = np.flatnonzero(self.usable)
        ours, theirs = self.ours[rows].astype(np.float64), self.theirs[rows].astype(np.float64)
        costs = np.linalg.norm(ours[:, None] - theirs[None], axis=-1) / self.unit
        _, match = linear_sum_assignment(costs)
        now, then = np.diag(costs), costs[np.arange(len(rows)), match]
        moved = np.linalg.norm(theirs - theirs[match], axis=1) / self.unit > self.tolerance
        photographs = moved & self.photographs[rows]  # colors that trade places are the order of the channels
        if not photographs.any() or then[photographs].mean() >= EXPLAINED * now[photographs].mean():
            return
        example, source = (self.pictures[rows[i]].name for i in (moved.argmax(), match[moved.argmax()]))
        theirs_in_order = self.theirs.copy()
        theirs_in_order[rows] = self.theirs[rows[match]]
        self.theirs = theirs_in_order
        words = f"{moved.sum()} vectors are in other rows: that of {example} is where that of {source} belongs"
        self._add("order of vectors", words, moved, float(then[moved].mean()))

    def _embed(self, embed: Embed | None, steps: AnySteps | None, images: Sequence[Image]) -> np.ndarray:
        assert embed is not None  # a pipeline that is only known by its vectors is not tried
        assert steps is not None
        vectors = embed(steps, images)
        return unit(vectors) if self.to_length_1 else vectors

    def _changes(self) -> None:
        """Try every change of one step, then a second one after the best, and keep those that explain the shift."""
        rows = np.flatnonzero(self.photographs)[:SEARCHED]
        kept, left = self._best(rows)
        if left > self.tolerance and isinstance(self.steps, PictureSteps):
            # Only now, since looking for the own resize of an embedder takes hundreds of pictures.
            self.steps = replace(self.steps, own=self._own_resize(self.steps))
            kept, _ = self._best(rows)
        for change in kept:
            self.steps = change.steps
            self.ours = self._embed(self.known.embed, self.steps, self.images)
            self._add(change.step, change.words, self.usable, float(self._shift(self.photographs).mean()))

    def _best(self, rows: np.ndarray) -> tuple[tuple[Change, ...], float]:
        """Return the changes that explain the shift of the pictures ``rows``, and the mean shift that they leave."""
        before = float(self._shift(rows).mean())
        kept: tuple[Change, ...] = ()
        least, beam = before, [(before, kept)]
        for _ in range(MAX_CHANGES):
            if least <= self.tolerance:
                break
            longer = [(left, (*path, change)) for _, path in beam for change, left in self._tried(path, rows)]
            beam = sorted((one for one in longer if one[0] < HELPS * before), key=lambda one: one[0])[:BEAM]
            if beam and beam[0][0] < EXPLAINED * least:
                least, kept = beam[0]
        return kept, least

    def _tried(self, path: tuple[Change, ...], rows: np.ndarray) -> Iterator[tuple[Change, float]]:
        """Yield every change of another step than those of ``path``, and the mean shift that it leaves after these."""
        steps = path[-1].steps if path else self.steps
        assert steps is not None
        for change in steps.changes():
            if change.step in {earlier.step for earlier in path}:
                continue
            try:
                vectors = self._embed(self.known.embed, change.steps, [self.images[row] for row in rows])
            except TRIED_ERRORS:
                continue
            yield change, float(shifts(vectors, self.theirs[rows], self.unit).mean())

    def _own_resize(self, steps: PictureSteps) -> Resize:
        """Return the resize of pictures that changes least of what the known pipeline gives: its own, which leaves
        nothing to resize."""
        row = max(np.flatnonzero(self.photographs).tolist(), key=lambda place: self.images[place].size)
        image = self.images[row]

        def moved(resize: Resize) -> float:
            vectors = self._embed(self.known.embed, replace(steps, resize=resize), [image])
            return float(shifts(vectors, own, self.unit).max())

        own = self._embed(self.known.embed, steps, [image])
        return min(resizes(), key=moved)

    def _decoding(self) -> None:
        """Try how other programs decode the kinds of pictures that still differ."""
        if self._differs(self.photographs):
            return  # photographs are stored without loss: what moves them is no decoding
        for kind in STORED_KINDS:
            of_kind = self.usable & (self.kinds == kind)
            rows = np.flatnonzero(of_kind)[self._shift(of_kind) > self.tolerance]
            if len(rows):
                self._decoding_of(kind, rows)

    def _decoding_of(self, kind: str, rows: np.ndarray) -> None:
        words, left, ours = f"pictures of the kind {kind} are decoded in another way", np.nan, self.ours[rows]
        least = EXPLAINED * float(self._shift(rows).mean())
        for tried, decode in DECODINGS.get(kind, {}).items():
            vectors = self._embed(self.known.embed, self.steps, [decode(self.pictures[row].data) for row in rows])
            mean = float(shifts(vectors, self.theirs[rows], self.unit).mean())
            if mean < least:
                words, left, ours, least = tried, mean, vectors, mean
        if np.isnan(left) and isinstance(self.steps, PictureSteps) and not self.steps.exact:
            return  # what 8 bits do not hold of an earlier change moves such pictures, too
        self.ours = self.ours.copy()
        self.ours[rows] = ours
        self._add("decoding", words, rows, left)

    def _stored_precision(self) -> None:
        sides = self.known, self.other
        finite = [np.isfinite(side.vectors).all(1) for side in sides]
        ours, theirs = (side.vectors[rows].astype(np.float32) for side, rows in zip(sides, finite, strict=True))
        for side, rows, mine, its in zip(sides, finite, (ours, theirs), (theirs, ours), strict=True):
            for precision, in_precision in STORED.items():
                if mine.size and in_precision(mine) and not in_precision(its):
                    left = float(self._shift(self.usable).mean()) if self.usable.any() else np.nan
                    self._add("precision", f"numbers are those of {precision}", rows, left, side.name)
                    return

    def _computed_precision(self) -> None:
        rows = np.flatnonzero(self.photographs)
        before = float(self._shift(rows).mean())
        if before < LAST_BITS or not self._differs(self.usable):
            return
        for precision, load in self.known.rounded.items():
            vectors = self._embed(load(), self.steps, self.images)
            left = float(shifts(vectors[rows], self.theirs[rows], self.unit).mean())
            if left < EXPLAINED * before:
                self.ours = vectors
                self._add("precision", f"the network is computed in {precision}", self.usable, left)
                return


def _usable(vectors: np.ndarray) -> np.ndarray:
    """Return which rows (N,) are finite and not all zeros."""
    return np.isfinite(vectors).all(1) & vectors.any(1)


def _distances(vectors: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return the distances between the usable embeddings of each two photographs."""
    mine = vectors[_usable(vectors) & (kinds == PHOTOGRAPH)].astype(np.float64)
    return np.linalg.norm(mine[:, None] - mine[None], axis=-1)[np.triu_indices(len(mine), 1)]


def _in_float16(numbers: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return bool((numbers.astype(np.float16).astype(np.float32) == numbers).all())


def _in_bfloat16(numbers: np.ndarray) -> bool:
    return not (np.ascontiguousarray(numbers).view(np.uint32) & 0xFFFF).any()


STORED: Mapping[str, Callable[[np.ndarray], bool]] = {"float16": _in_float16, "bfloat16": _in_bfloat16}
"""Name of a precision -> whether all numbers, ``float32``, are among those that it has."""
