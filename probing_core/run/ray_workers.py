"""Embed units on the workers of a Ray cluster.

There is one worker per GPU or, without GPUs, one worker per ``threads`` CPU cores (see `Recipe`). Each worker opens the
corpus itself, so no images are sent. As in a single process, it transforms the images of the next unit while it embeds
the current unit. Models, transformations and corpora that are only registered in this process are serialized and sent
to the workers.

Workers read and write files in the run directory, which must have the same path on all machines. This process adds the
files that workers have written to the run. Ray restarts workers that die and repeats their work.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from probing_core.catalog import plugin_modules
from probing_core.compute.runtime.parallel import threads
from probing_core.errors import BadConfig, BadRun, one_line
from probing_core.models.processor import MEMORY_OF_MODELS
from probing_core.online import TIMEOUT_S
from probing_core.run.embedding_worker import Worker
from probing_core.run.layout import IMAGES
from probing_core.run.recipe import Recipe
from probing_core.run.run_files import RunFiles
from probing_core.run.sample_sets import UnitJob, plan_sample_sets
from probing_core.run.setup import open_same_corpus, register, registered
from probing_core.run.units import WrittenUnit
from probing_core.run.work import Work

RETRIES = 3
"""Maximum number of times that a worker is restarted and its work is repeated."""


class RemoteWorker(Worker):
    """A `Worker` on a Ray cluster.

    It plans the samples from the image table of the run instead of receiving them as arguments, because Ray cannot
    restart a worker if large arguments were stored in the memory of a machine that was lost.
    """

    def __init__(
        self,
        root: str,
        folder: str,
        entries: Sequence[bytes],
        recipe: Recipe,
        device: str,
        precision: str,
        transformers: int,
        memory_share: float,
    ) -> None:
        if Path(folder).is_dir():
            os.chdir(folder)  # paths of corpora and weights may be relative
        for entry in entries:
            register(pickle.loads(entry))
        self._limits = ExitStack()  # a reference is required, because the limits end when the stack is deleted
        self._limits.enter_context(threads(recipe.threads))
        corpus, images = open_same_corpus(recipe), RunFiles(Path(root)).read_table(IMAGES)
        planned = plan_sample_sets(recipe.design, images)
        pool = ThreadPoolExecutor(transformers)
        super().__init__(Path(root), recipe, corpus, planned, device, precision, pool, memory_share)


class RayExecutor:
    """Executor that distributes units among ``workers`` (Ray actors of `RemoteWorker`) as they become available."""

    def __init__(self, ray: Any, workers: Sequence[Any]) -> None:
        self._ray, self._workers = ray, workers

    def load(self, request: str) -> list[dict[str, Any]] | None:
        """Load a model on the first worker. The other workers load it when they first need it."""
        return self._answer(self._workers[0].load.remote(request))

    def unload(self) -> None:
        for answer in [worker.unload.remote() for worker in self._workers]:
            self._answer(answer)

    def work(self, units: Sequence[Sequence[UnitJob]]) -> Iterator[list[WrittenUnit]]:
        waiting = deque(units)
        reserved: dict[Any, Sequence[UnitJob]] = {}
        """Worker -> jobs of the unit that it transforms while it embeds the previous unit."""
        busy: dict[Any, Any] = {}

        def give(worker: Any) -> None:
            jobs = reserved.pop(worker, None) or (waiting.popleft() if waiting else None)
            if jobs is None:
                return
            if waiting:
                reserved[worker] = waiting.popleft()
            busy[worker.work_on.remote(jobs, reserved.get(worker, ()))] = worker

        for worker in self._workers:
            give(worker)
        while busy:
            (answer, *_), _ = self._ray.wait(list(busy), num_returns=1)
            worker = busy.pop(answer)
            entries = self._answer(answer)
            give(worker)
            yield entries

    def _answer(self, answer: Any) -> Any:
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self._ray.exceptions.RayActorError as error:
            if error.actor_init_failed:
                raise BadRun(
                    f"A Ray worker could not start ({str(error).strip().splitlines()[-1]}). Every machine in the "
                    f"cluster needs access to the run folder and the corpus, and must have the same packages installed."
                ) from error
            raise BadRun(
                f"A Ray worker died {RETRIES + 1} times ({one_line(error)[:200]}). Completed work has been saved. "
                f"Add memory or use fewer models, and start again."
            ) from error


@contextmanager
def opened_ray(work: Work) -> Iterator[RayExecutor]:
    """Return a context manager that connects to a Ray cluster or starts a local cluster, and starts the workers.

    The workers are stopped when the context exits.

    Raises:
        BadConfig: Ray is not installed, the cluster does not respond or is too small, or an object that is only
            registered in this process cannot be serialized.
    """
    local_entries = _known_here_alone(_ray(), work.recipe)
    with connected_ray(work.options.address) as ray:
        yield RayExecutor(ray, _start(ray, work, local_entries))


def _known_here_alone(ray: Any, recipe: Recipe) -> list[bytes]:
    """Serialize the models, transformations and corpora that are only registered in this process.

    Raises:
        BadConfig: one of them cannot be serialized.
    """
    sent = []
    for entry in registered(recipe):
        try:
            sent.append(ray.cloudpickle.dumps(entry))
        except Exception as error:  # serializing user-defined objects may raise any exception
            raise BadConfig(
                f"'{entry.name}' was registered in this process and cannot be serialized for the Ray workers "
                f"({one_line(error)[:200]}). Create unserializable objects when the function is first called, or use "
                f"the local executor."
            ) from error
    return sent


def _connect(ray: Any, address: str | None) -> None:
    try:
        if address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # otherwise, Ray sends usage statistics
            arguments: dict[str, Any] = {"address": "local", "include_dashboard": False}
        else:
            arguments = {"address": address}
            if ":" in address:  # Ray itself would only fail after a minute
                host, _, port = address.rpartition(":")
                socket.create_connection((host, int(port)), TIMEOUT_S).close()
        on_termination = signal.getsignal(signal.SIGTERM)
        ray.init(logging_level="error", log_to_driver=False, **arguments)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_termination)  # restore the handler that Ray has replaced
    except Exception as error:  # Ray raises a plain Exception for a node that does not start in time
        raise BadConfig(
            f"Cannot connect to a Ray cluster at '{address or 'local'}' ({one_line(error)[:200]}).",
            hint="Start a cluster with `ray start --head`, or omit --address.",
        ) from error


def _start(ray: Any, work: Work, local_entries: Sequence[bytes]) -> list[Any]:
    recipe, options = work.recipe, work.options
    resources = ray.cluster_resources()
    cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    if options.device == "cpu":
        gpus = 0
    count = gpus or cores // recipe.threads
    if count < 1:
        raise BadConfig(
            f"The Ray cluster has too few CPU cores ({cores}). The minimum is {recipe.threads}, the number of threads "
            f"of the run. Add a machine.",
            hint=f"Start Ray with --num-cpus {recipe.threads}.",
        )
    transformers = max(1, min(recipe.threads, cores // count))
    actor = ray.remote(RemoteWorker).options(
        num_cpus=transformers,
        num_gpus=1 if gpus else 0,
        max_restarts=RETRIES,
        max_task_retries=RETRIES,
        scheduling_strategy="SPREAD",
    )
    nodes = max(1, sum(node["Alive"] for node in ray.nodes()))
    share = MEMORY_OF_MODELS / -(-count // nodes)
    folder, root = os.getcwd(), str(work.run.root.resolve())
    settings = recipe, options.device, options.precision, transformers, share
    return [actor.remote(root, folder, local_entries, *settings) for _ in range(count)]


@contextmanager
def connected_ray(address: str | None) -> Iterator[Any]:
    """Return a context manager that connects to a Ray cluster or starts a local cluster, and provides the Ray module.

    Raises:
        BadConfig: Ray is not installed, or the cluster does not respond.
    """
    ray = _ray()
    _connect(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise BadConfig(
            "The 'ray' executor requires Ray, which is not installed.", hint="Run `pip install ray`."
        ) from error
    for module in plugin_modules():  # workers cannot import plug-in modules
        ray.cloudpickle.register_pickle_by_value(module)
    return ray
