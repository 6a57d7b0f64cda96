"""Measure the images of a source on the workers of a Ray cluster.

There is one worker for each core. Workers read the source themselves and write chunks to the folder of the scan, which
must have the same path on all machines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probing_core.api.predictor import Predictor
from probing_core.api.scan_chunks import Chunks
from probing_core.api.scan_work import Fill, Groups, LocalWorker
from probing_core.errors import BadRun, one_line
from probing_core.run.ray_workers import RETRIES, connected_ray


class RayWorker:
    """Ray actor that measures the images of one group at a time."""

    def __init__(self, run: str, chunks: Sequence[Chunks]) -> None:
        predictor = Predictor(Path(run), device="cpu")
        self._worker = LocalWorker(predictor.detector, predictor.recipe.view, count=1).__enter__()
        self._chunks = {part.folder.name: part for part in chunks}

    def fill(self, name: str, group: Sequence[int], as_gray: bool) -> int:
        """Measure the chunks of a group in the folder called ``name``, and return the number of images."""
        return sum(self._worker.fill(self._chunks[name], [group], as_gray))


@contextmanager
def ray_fill(run: Path, chunks: Sequence[Chunks], address: str | None, count: int | None) -> Iterator[Fill]:
    """Return a context manager that starts workers, and provides a function that measures images on them.

    Args:
        run: directory of the run with the detector.
        chunks: chunks that the function may write.
        address: address of a Ray cluster. By default, a local cluster is started.
        count: number of workers, by default the number of cores in the cluster.

    Raises:
        BadConfig: Ray is not installed, or the cluster does not respond.
    """
    with connected_ray(address) as ray:
        workers = count or max(1, int(ray.cluster_resources().get("CPU", 1)))
        actor = ray.remote(RayWorker).options(
            num_cpus=1, max_restarts=RETRIES, max_task_retries=RETRIES, scheduling_strategy="SPREAD"
        )
        started = [actor.remote(str(run.absolute()), list(chunks)) for _ in range(workers)]

        def measured(part: Chunks, groups: Groups, as_gray: bool) -> Iterator[int]:
            waiting, busy = deque(groups), dict[Any, Any]()
            idle = list(started)
            while waiting or busy:
                while idle and waiting:
                    worker = idle.pop()
                    busy[worker.fill.remote(part.folder.name, waiting.popleft(), as_gray)] = worker
                (answer, *_), _ = ray.wait(list(busy), num_returns=1)
                idle.append(busy.pop(answer))
                yield _answer(ray, answer)

        yield measured


def _answer(ray: Any, answer: Any) -> int:
    try:
        return ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayActorError as error:
        raise BadRun(
            f"A Ray worker died ({one_line(error)[:200]}). Completed work has been saved. Every machine in the cluster "
            f"needs access to the run, the images and the folder of the scan. Start the scan again to resume it."
        ) from error
