"""Measure the images of a source in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType

from threadpoolctl import threadpool_limits

from probing_core.api.scan_chunks import Chunks
from probing_core.api.scan_measure import measure
from probing_core.api.scan_source import Item, Loaded
from probing_core.compute.runtime.parallel import image_pool, in_chunks, one_core_threads
from probing_core.detector.detector import Detector
from probing_core.run.progress import Progress

Groups = Sequence[Sequence[int]]
"""Indices of chunks to measure, grouped as in `Source.groups`."""


class LocalWorker:
    """Context manager that measures ``count`` images in parallel."""

    def __init__(self, detector: Detector, view: int, count: int) -> None:
        self._detector, self._view, self._count, self._stack = detector, view, count, ExitStack()

    def __enter__(self) -> LocalWorker:
        # Use processes even for few images, because a crash must not end the scan. Without the limit, the threads of
        # the linear-algebra library would compete with the other threads, and a scan would take a third longer.
        decoders = self._stack.enter_context(image_pool(self._count, jobs=self._count))
        self._pool = self._stack.enter_context(one_core_threads(self._count))
        self._stack.enter_context(threadpool_limits(1, "blas"))
        self._measure = partial(measure, decoders=decoders, detector=self._detector, view=self._view)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def fill(self, chunks: Chunks, groups: Groups, as_gray: bool) -> Iterator[int]:
        """Measure and write chunks.

        Yields:
            The number of images in each chunk that was written.
        """
        loaded: deque[Loaded] = deque()

        def items() -> Iterator[list[Item]]:
            for group in groups:
                for part in chunks.source.read(group):
                    loaded.append(part)
                    yield part.items

        for _, rows in in_chunks(self._pool, partial(self._measure, as_gray=as_gray), items()):
            part = loaded.popleft()
            chunks.write(part.index, rows, part.columns)
            yield chunks.source.parts[part.index].count


Fill = Callable[[Chunks, Groups, bool], Iterable[int]]
"""Function with the arguments and results of `LocalWorker.fill`."""


def fill(chunks: Chunks, measured: Fill, as_gray: bool, progress: Progress, doing: str, stage: str) -> None:
    """Measure the missing chunks, and remove outdated chunks."""
    missing = set(chunks.missing())
    parts = chunks.source.parts
    total = sum(part.count for part in parts)
    completed = total - sum(parts[i].count for i in missing)
    progress.update(stage, completed, total, doing)
    groups = ([i for i in group if i in missing] for group in chunks.source.groups())
    for count in measured(chunks, [group for group in groups if group], as_gray):
        completed += count
        progress.update(stage, completed, total, doing)
    chunks.remove_others()
