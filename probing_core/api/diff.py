"""Name the edits between images before and after a pipeline, and measure what they do to embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np

from probing_core.api.diff_embeddings import Encoders, ModelEffect, reduced
from probing_core.api.diff_pairs import Side, Source, match, read_pair
from probing_core.api.diff_results import Difference, Frame, Pair
from probing_core.api.diff_summary import edits_of, rotation, summarize
from probing_core.arguments import MODELS, TEXT, checked
from probing_core.compute.runtime.parallel import one_core_threads, plain_threads
from probing_core.cores import cores
from probing_core.diffs.candidates import Candidate, candidates
from probing_core.diffs.comparison import Compared, Kind, compare_images
from probing_core.diffs.naming import (
    Named,
    check,
    filter_before_codec,
    filter_errors,
    is_explained,
    mean_error,
    name_edits,
)
from probing_core.diffs.registration import FILTERS, Geometry
from probing_core.diffs.search import Explanation, Workspace
from probing_core.images import Image, encode_webp
from probing_core.run.progress import SILENT, Progress

SEARCHED = 5
"""Number of pairs in which all candidates are tried. The other pairs are checked for the edits found in them."""

SEARCHED_APART = 5
"""Maximum number of deviating pairs in which all candidates are tried."""

FILTER_GAIN = 0.9
"""Maximum ratio of the errors with and without a different resize filter if the filter of all pairs is replaced. If the
pairs disagree, a common filter may leave a larger error by the same ratio."""

SAME_EFFECT = 1.001
"""Maximum ratio of the errors of resize filters that cannot be distinguished, such as linear and area at half the size.
"""

NAMED_FILTERS = 2
"""Maximum number of filters with the same effect that are all named. In a uniform image, all of them are the same."""

CHUNK = 16
"""Number of pairs whose pixels are in memory at the same time."""


@dataclass(frozen=True, eq=False)
class State:
    """A pair that has been read, until its edits are found.

    Attributes:
        images: reduced images to embed; None if the pair cannot be compared or only the result is needed.
    """

    index: int
    pair: Pair
    compared: Compared | None = None
    images: tuple[Image, Image] | None = None


@checked(models=MODELS, device=TEXT, precision=TEXT)
def diff(
    before: Any,
    after: Any = None,
    *,
    models: Sequence[Any] = (),
    device: str = "auto",
    precision: str = "auto",
    thumbnails: bool = False,
    progress: Progress = SILENT,
) -> Difference:
    """Name the edits between images before and after a pipeline, and measure their effect on embeddings.

    Candidate edits are applied to the original again. The one that comes closest to the edited image is named, unless
    it leaves more than 7% of the squared difference unexplained (20% for JPEG, WebP and AVIF).

    Examples:
        >>> image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        >>> probing_core.diff(image, lambda image: 255 - image).summary.sentence
        'Invert.'

    Args:
        before: an image (a path, an array, a Pillow image or a tensor) or a sequence of images; a folder; or a CSV or
            Parquet file with two columns of paths.
        after: the edited images in the same form; None for a table; or a function that edits an image (H, W, 3)
            ``uint8``, such as a transform of a training pipeline.
        models: names of models, or models loaded by `load_embedder`. Image hashes are always compared.
        device: as in `load_embedder`.
        precision: as in `load_embedder`.
        thumbnails: whether to keep small images of each pair for a report.
        progress: object that receives progress updates.

    Raises:
        BadConfig: the images cannot be matched.
        ProbingError: a model cannot be loaded.
    """
    matched = match(before, after)
    encoders = Encoders(models, device, precision, progress)
    start_threads = one_core_threads if models else plain_threads
    with start_threads(cores()) as pool:
        finder = Finder(pool, encoders, candidates(), len(matched.pairs), progress)
        for states in _states(matched.pairs, pool, thumbnails):
            finder.add(states)
        pairs, named = finder.finish()
    effects = encoders.effects(progress)
    pairs = _with_shifts(pairs, finder.embedded, effects)
    return Difference(tuple(pairs), summarize(pairs, named, matched.unmatched), effects)


def _states(sources: Sequence[Source], pool: Executor, thumbnails: bool) -> Iterator[list[State]]:
    """Read the pairs in chunks, in an order in which the first ones are spread over all pairs."""
    order = np.random.default_rng(0).permutation(len(sources))
    for start in range(0, len(order), CHUNK):
        chunk = [(int(i), sources[i]) for i in order[start : start + CHUNK]]
        if any(callable(source.after) for _, source in chunk):  # the function may not be thread-safe
            read = [read_pair(source) for _, source in chunk]
        else:
            read = list(pool.map(lambda numbered: read_pair(numbered[1]), chunk))
        jobs = [(i, source.name, sides) for (i, source), sides in zip(chunk, read, strict=True)]
        yield list(pool.map(lambda job: _state(job[0], job[1], job[2], thumbnails), jobs))


def _state(index: int, name: str, sides: tuple[Side, Side], thumbnails: bool) -> State:
    before, after = sides
    if before.image is None or after.image is None:
        error = " ".join(f"{when}: {side.error}" for when, side in (("before", before), ("after", after)) if side.error)
        return State(index, Pair(name, Kind.UNREADABLE, before.facts, after.facts, error=error))
    notes = tuple(f"{when}: {note}" for when, side in (("before", before), ("after", after)) for note in side.notes)
    notes = tuple(note for note in notes if not note.partition(": ")[2].startswith(("small", "JPEG quality")))
    pair = Pair(name, Kind.CHANGED, before.facts, after.facts, notes=notes)
    images = reduced(before.image), reduced(after.image)
    if np.array_equal(before.image, after.image):
        same_file = bool(before.data) and before.data == after.data
        kind = Kind.EQUAL_FILES if same_file else Kind.EQUAL_PIXELS
        shown = small_images(before.image, after.image, before.image) if thumbnails else ()
        return State(index, replace(pair, kind=kind, thumbnails=shown), None, images)
    compared = compare_images(before.image, after.image)
    geometry = compared.geometry
    shown = small_images(before.image, after.image, geometry.apply(before.image)[0]) if thumbnails else ()
    pair = replace(pair, frame=frame_of(geometry, before.image), thumbnails=shown)
    if geometry.angle:
        pair = replace(pair, edits=(rotation(geometry.angle),))
    return State(index, pair, compared, images)


class Finder:
    """Find the edits of all pairs. The pixels of a pair are dropped as soon as its edits are known."""

    def __init__(
        self, pool: Executor, encoders: Encoders, entries: Sequence[Candidate], total: int, progress: Progress
    ) -> None:
        self._pool, self._encoders, self._entries = pool, encoders, entries
        self._total, self._progress = total, progress
        self._pairs: dict[int, Pair] = {}
        self._searched: list[State] = []
        self._waiting: list[State] = []
        self._apart = 0
        self._named: Named | None = None
        self._filters: tuple[str, ...] = ()
        self.embedded: list[int] = []

    def add(self, states: Sequence[State]) -> None:
        """Add pairs. Once enough pairs have changed, they are searched, and the others are checked."""
        with_images = [(state.index, state.images) for state in states if state.images is not None]
        self._encoders.add([b for _, (b, _) in with_images], [a for _, (_, a) in with_images])
        self.embedded += [index for index, _ in with_images]
        for state in states:
            if state.compared is None or not _compared(state).workspace.baseline:
                self._pairs[state.index] = state.pair
            elif self._named is None and len(self._searched) < SEARCHED:
                self._searched.append(replace(state, images=None))
            else:
                self._waiting.append(replace(state, images=None))
        if len(self._searched) == SEARCHED and self._named is None:
            self._search()
        self._check()
        self._report()

    def finish(self) -> tuple[list[Pair], Named | None]:
        """Return all pairs in their original order, and the edits of most of them (None if none was searched)."""
        if self._searched and self._named is None:
            self._search()
        self._check()
        self._report()
        return [self._pairs[index] for index in sorted(self._pairs)], self._named

    def _search(self) -> None:
        self._progress.update("diff", len(self._pairs), self._total, "Searching for edits")
        named, self._filters = self._name(self._searched)
        self._named = named
        for i, state in enumerate(map(self._with_filter, self._searched)):
            found = named.of_pair(i)
            if not is_explained(found) and len(self._searched) > 1:
                found = min(found, self._name([state])[0].explanation, key=share_of)
            self._pairs[state.index] = self._pair(state, found)

    def _name(self, states: Sequence[State]) -> tuple[Named, tuple[str, ...]]:
        """Name the edits of ``states`` and their common resize filter; several filters if their effect is the same."""
        before = [_space(state) for state in states]
        named = name_edits(before, self._entries, self._pool)
        own = {_compared(state).geometry.filter for state in states}
        if "" in own:
            return named, ()

        @cache
        def spaces(filter: str) -> list[Workspace]:
            return [_compared(state).with_filter(filter).workspace for state in states]

        errors = filter_errors(spaces, FILTERS, named)
        filter = min(errors, key=errors.__getitem__)
        if not is_explained(named.explanation):
            filter = filter_before_codec(spaces, FILTERS, self._entries, self._pool)
        if own == {filter}:
            return named, _alike(errors, filter)
        again = name_edits(spaces(filter), self._entries, self._pool)
        limit = FILTER_GAIN if len(own) == 1 else 1 / FILTER_GAIN
        if mean_error(spaces(filter), again.explanation) <= limit * mean_error(before, named.explanation):
            return again, _alike(filter_errors(spaces, FILTERS, again), filter)
        return named, tuple(own) if len(own) == 1 else ()

    def _with_filter(self, state: State) -> State:
        """Return a pair, resized with the filter that was found for the searched pairs."""
        compared = _compared(state)
        if not self._filters or not compared.geometry.filter:
            return state
        frame = replace(state.pair.frame, filter=" or ".join(self._filters))
        return replace(state, compared=compared.with_filter(self._filters[0]), pair=replace(state.pair, frame=frame))

    def _check(self) -> None:
        if self._named is None:
            return
        waiting, self._waiting = self._waiting, []
        for state, explanation in self._pool.map(self._checked, waiting):
            found = explanation
            if not is_explained(found) and self._apart < SEARCHED_APART:
                self._apart += 1
                found = min(found, self._name([state])[0].explanation, key=share_of)
            self._pairs[state.index] = self._pair(state, found)

    def _checked(self, state: State) -> tuple[State, Explanation]:
        """Apply the edits to another pair, resized with the common filter unless only its own filter explains it."""
        assert self._named is not None
        named, common = self._named.explanation, self._with_filter(state)
        found = check(_space(common), named)
        if is_explained(found) or _compared(common).geometry.filter == _compared(state).geometry.filter:
            return common, found
        own = check(_space(state), named)
        return (state, own) if is_explained(own) else (common, found)

    def _pair(self, state: State, found: Explanation) -> Pair:
        assert self._named is not None
        explained = is_explained(found)
        same = found.names == self._named.explanation.names
        return replace(
            state.pair,
            edits=(*state.pair.edits, *edits_of([found])),
            unexplained=found.share,
            named=explained,
            deviates=self._named.is_explained and not (explained and same),
        )

    def _report(self) -> None:
        self._progress.update("diff", len(self._pairs), self._total, "Comparing images")


def _alike(errors: Mapping[str, float], filter: str) -> tuple[str, ...]:
    """Return the resize filters that have the same effect as ``filter``, or only ``filter`` if there are many."""
    alike = tuple(other for other in errors if errors[other] <= SAME_EFFECT * errors[filter])
    return alike if filter in alike and len(alike) <= NAMED_FILTERS else (filter,)


def share_of(explanation: Explanation) -> float:
    return explanation.share


def _compared(state: State) -> Compared:
    assert state.compared is not None  # only pairs that differ are searched
    return state.compared


def _space(state: State) -> Workspace:
    return _compared(state).workspace


def frame_of(geometry: Geometry, before: Image) -> Frame:
    """Describe the geometry of an edited image."""
    crop = None
    if geometry.inner is not None:
        _, _, left, top = geometry.inner
        crop = left, top, left + geometry.size[0], top + geometry.size[1]
    factor = geometry.factor(before)
    return Frame(
        box=geometry.box if _is_visible(geometry, before) else None,
        resized=factor if geometry.filter else None,
        filter=geometry.filter,
        crop=crop,
        turns=geometry.turns,
        mirrored=geometry.mirrored,
    )


def _is_visible(geometry: Geometry, before: Image) -> bool:
    """Return whether a crop removes at least one pixel of the edited image.

    Some libraries ignore the last row or column if a size is odd and the factor is 0.5.
    """
    if geometry.box is None:
        return False
    left, top, right, bottom = geometry.box
    wide, high = geometry.factor(before)
    if geometry.turns % 2:
        wide, high = high, wide
    removed = max(left, before.shape[1] - right) * wide, max(top, before.shape[0] - bottom) * high
    return max(removed) >= 1


def _with_shifts(pairs: Sequence[Pair], embedded: Sequence[int], effects: Sequence[ModelEffect]) -> list[Pair]:
    shifts: dict[int, dict[str, float]] = {}
    for place, index in enumerate(embedded):
        shifts[index] = {effect.model: float(effect.shifts[place]) for effect in effects}
    return [replace(pair, shifts=shifts.get(index, {})) for index, pair in enumerate(pairs)]


THUMBNAIL_SIDE = 160
"""Longer side of the images in a report in pixels."""

ENLARGED = 4
"""Factor by which differences are enlarged."""


def small_images(before: Image, after: Image, registered: Image) -> tuple[bytes, ...]:
    """Return small WebP images before and after, and of their difference."""
    difference = cv2.convertScaleAbs(cv2.absdiff(after, registered), alpha=ENLARGED)
    return tuple(encode_webp(_shrunk(image), 70) for image in (before, after, difference))


def _shrunk(image: Image) -> Image:
    scale = min(1.0, THUMBNAIL_SIDE / max(image.shape[:2]))
    size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
