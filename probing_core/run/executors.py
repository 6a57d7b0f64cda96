"""Executors, which load models and embed units in this process or on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol

from probing_core.compute.runtime.parallel import image_pool
from probing_core.errors import BadConfig
from probing_core.run.embedding_worker import Worker
from probing_core.run.options import EXECUTORS, RAY
from probing_core.run.sample_sets import UnitJob
from probing_core.run.units import WrittenUnit
from probing_core.run.work import Work


class Executor(Protocol):
    """Interface for loading models and embedding units."""

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Load a model (see `Worker.load`)."""

    def unload(self) -> None:
        """Close the models and free their memory."""

    def work(self, units: Sequence[Sequence[UnitJob]]) -> Iterator[list[WrittenUnit]]:
        """Compute the jobs of each unit.

        Yields:
            The files written for each unit. Units may complete in any order.
        """


@contextmanager
def opened_executor(work: Work) -> Iterator[Executor]:
    """Return a context manager that provides the executor specified in the options.

    The images of the run must have been selected.

    Raises:
        ProbingError: the executor is unknown or not installed, the cluster does not respond, or the corpus has changed.
    """
    options = work.options
    require_executor(options.executor, options.address)
    if options.executor == RAY:
        from probing_core.run.ray_workers import opened_ray

        with opened_ray(work) as executor:
            yield executor
        return
    settings = work.recipe, work.corpora.own, work.sample_sets, options.device, options.precision
    with (
        image_pool(sum(map(len, work.sample_sets.values())), options.jobs) as transformers,
        closing(Worker(work.run.root, *settings, transformers)) as worker,
    ):
        yield worker


def require_executor(executor: str, address: str | None) -> None:
    """Check the executor and the address of its cluster.

    Raises:
        BadConfig: the executor is unknown, or does not support an address.
    """
    if executor not in EXECUTORS:
        raise BadConfig(f"'{executor}' is not a known executor. Available executors: {', '.join(EXECUTORS)}.")
    if address is not None and executor != RAY:
        raise BadConfig(
            "The address of a Ray cluster requires the 'ray' executor.",
            hint="Pass --executor ray with --address.",
        )
