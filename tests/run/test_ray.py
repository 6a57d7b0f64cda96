"""A Ray cluster writes the same bytes as one process, even if processes are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest

from probing_core import catalog, corpora, models, register, transforms
from probing_core.cli import main
from probing_core.compute.sampling.samples import SamplePlan
from probing_core.models import from_callable
from probing_core.run.layout import IMAGES, PROGRESS, RECIPE
from probing_core.run.models import embeddings_files
from probing_core.run.recipe import Recipe
from probing_core.run.run_files import RunFiles
from tests.forked import begin
from tests.run.test_embed import files
from tests.transforms.test_third_party import EXAMPLE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(  # not imported, which every process of the tests would do
        find_spec("ray") is None, reason="Ray is not installed; `pip install ray` installs it"
    ),
]

PATIENCE = 240
"""Maximum number of seconds to wait on a busy machine."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Return the address of a cluster with two cores."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # at Ray's 15, workers wait for all other tests
    needless = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 2} | needless)
    yield started.address
    started.shutdown()


NETWORK = "baseline/pixels,baseline/random-vit"
NO_NETWORK = "baseline/pixels,baseline/dhash"
"""Two models without a network, for which processes start faster."""


def command(out: Path, scenes: Path, *further: str, models: str = NO_NETWORK) -> list[str]:
    """Return arguments for a run of two models with four units, or three units if one model is a network.

    The recipe has one thread, so two cores give two workers.
    """
    transforms = "brighten,contrast,gaussian-blur,hue-shift"
    asked = ["--corpus", f"folder:{scenes}", "--view", "32", "--transforms", transforms, "--models", models]
    repetitions = "29" if models == NO_NETWORK else "22"
    asked += ["--repetitions", repetitions, "--device", "cpu", "--until", "embed"]
    return ["run", "--out", str(out), *asked, *further]


def start(words: list[str]):
    return begin(words, heard=False, libraries=("probing_core.cli.run_command", "torch", "ray"))


@pytest.fixture(scope="module")
def local(tmp_path_factory, few_scenes) -> dict[str, bytes]:
    """Return path -> bytes of a run that one process computed."""
    return made_by_one(tmp_path_factory.mktemp("local") / "run", few_scenes, NO_NETWORK, units=4)


def made_by_one(out: Path, scenes: Path, models: str, units: int) -> dict[str, bytes]:
    assert main(command(out, scenes, models=models)) == 0
    store = RunFiles(out)
    assert len(SamplePlan(Recipe.from_toml(store.read_toml(RECIPE)).design, store.read_table(IMAGES)).units) == units
    assert len(embeddings_files(store, "baseline/pixels")) == 1
    return content(out)


def content(out: Path) -> dict[str, bytes]:
    return {name: held for name, held in files(out).items() if not name.startswith("log/")}


def units_of(out: Path) -> int:
    """Return the number of completed units of incomplete steps."""
    return len(list((out / "units").rglob("unit-*")))


def wait_for(condition, driver, every_s: float = 0.02) -> bool:
    """Return whether ``condition`` became true before the driver ended."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        if driver.poll() is not None:
            return False
        time.sleep(every_s)
    pytest.fail("it took too long")


def workers() -> list[psutil.Process]:
    named = (process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"])
    return [process for process in named if process.info["cmdline"][0].startswith("ray::RemoteWorker")]


def two_work(driver) -> bool:
    """Return whether two workers started before the driver ended."""
    # Listing all processes is slow.
    return wait_for(lambda: len(workers()) == 2, driver, every_s=0.1)


def test_two_workers_of_which_one_is_killed_give_the_bytes_of_one_process(few_scenes, cluster, tmp_path):
    local, out = made_by_one(tmp_path / "local", few_scenes, NETWORK, units=3), tmp_path / "run"
    driver = start(command(out, few_scenes, "--executor", "ray", "--address", cluster, models=NETWORK))
    assert two_work(driver)
    assert wait_for(lambda: units_of(out) > 0, driver)
    workers()[0].kill()  # it is started again
    assert driver.wait(PATIENCE) == 0
    assert content(out) == local


def test_a_driver_that_is_killed_again_and_again_ends_with_the_same_bytes(local, few_scenes, cluster, tmp_path):
    out = tmp_path / "run"
    words = command(out, few_scenes, "--executor", "ray", "--address", cluster)
    kills = 0
    for further in (1, 1, 1, 2, 1):
        if kills == 3:
            break
        before = units_of(out)
        driver = start(words)
        grown = wait_for(lambda least=before + further: units_of(out) >= least, driver)
        if grown and driver.poll() is None:
            os.kill(driver.pid, signal.SIGKILL)
            kills += 1
        driver.wait(PATIENCE)
    assert kills == 3  # on a busy machine a driver completes more than was waited for
    assert start(words).wait(PATIENCE) == 0
    assert content(out) == local
    assert RunFiles(out).damaged() == {}


def test_stopping_a_run_stops_its_cluster(local, few_scenes, tmp_path):
    out = tmp_path / "run"
    words = command(out, few_scenes, "--executor", "ray")
    as_pages_start_it = [sys.executable, "-m", "probing_core.cli.background", *words]
    one_core = os.environ | {"RAY_OVERRIDE_RESOURCES": '{"CPU": 1}'}  # and so one worker, however many the machine has
    driver = subprocess.Popen(as_pages_start_it, stderr=subprocess.DEVNULL, env=one_core)
    assert wait_for(lambda: units_of(out) > 0, driver)
    started = psutil.Process(driver.pid).children(recursive=True)
    assert len(started) > 2
    driver.terminate()
    driver.wait(PATIENCE)
    assert json.loads((out / PROGRESS).read_text())["state"] == "cancelled"
    assert not psutil.wait_procs(started, timeout=PATIENCE)[1]
    assert main(command(out, few_scenes)) == 0  # one process goes on with what workers began
    assert content(out) == local


PLUGIN = f"""
import numpy as np
import probing_core
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import CorpusKind
from probing_core.models import from_callable
{EXAMPLE}
def statistic(images):
    return np.stack([getattr(image, STATISTIC)((0, 1)) for image in images])

STATISTIC = "mean"
FOLDER = dict(argument="PATH", description="A folder.", license="its own", is_path=True)
probing_core.register(INVERT)
probing_core.register(from_callable("mine/mean", statistic))
probing_core.register(CorpusKind(name="mine", open=lambda path: open_corpus(f"folder:{{path}}"), **FOLDER))
"""


@pytest.fixture
def _known_here_alone(monkeypatch):
    for known in (models.CATALOG, transforms.CATALOG, corpora.KINDS):
        monkeypatch.setattr(known, "_added", {})
    monkeypatch.setattr(catalog, "_LOADED", {})


def own(out: Path, corpus: str, *further: str) -> list[str]:
    """Return arguments for a run of the registered model ``mine/mean``."""
    words = ["run", "--out", str(out), "--corpus", corpus, "--view", "32", "--transforms", "jpeg", "--device", "cpu"]
    return [*words, "--models", "mine/mean", "--until", "embed", *further]


@pytest.mark.usefixtures("_known_here_alone", "two_threads")  # one worker
def test_workers_know_what_a_plugin_registers(few_scenes, cluster, tmp_path):
    path, there, here = tmp_path / "mine.py", tmp_path / "there", tmp_path / "here"
    path.write_text(PLUGIN)
    plugin, wanted = ["--plugin", str(path)], ["--transforms", "invert,jpeg"]
    corpus = f"mine:{few_scenes}"
    assert main([*plugin, *own(there, corpus, *wanted, "--executor", "ray", "--address", cluster)]) == 0
    assert main([*plugin, *own(here, corpus, *wanted)]) == 0
    assert content(there) == content(here)


@pytest.mark.usefixtures("_known_here_alone", "two_threads")
def test_workers_know_what_a_notebook_registers(few_scenes, cluster, tmp_path):
    # The function is defined in no module, and uses a variable of the enclosing scope.
    weights = np.random.default_rng(0).normal(size=(3, 5))
    register(from_callable("mine/mean", lambda images: np.stack([image.mean((0, 1)) @ weights for image in images])))
    there, here, corpus = tmp_path / "there", tmp_path / "here", f"folder:{few_scenes}"
    assert main(own(there, corpus, "--executor", "ray", "--address", cluster)) == 0
    assert main(own(here, corpus)) == 0
    assert content(there) == content(here)


@pytest.mark.usefixtures("_known_here_alone")
def test_model_that_cannot_be_sent_to_workers_is_refused_first(few_scenes, tmp_path, capsys, monkeypatch):
    import ray

    lock = threading.Lock()

    def locked(images):
        with lock:
            return np.ones((len(images), 2))

    register(from_callable("mine/mean", locked))
    register(from_callable("mine/other", lambda images: np.ones((len(images), 2))))
    monkeypatch.setattr(ray, "init", lambda **options: pytest.fail("a cluster was started"))
    assert main(own(tmp_path / "run", f"folder:{few_scenes}", "--executor", "ray")) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "'mine/mean' was registered in this process and cannot be serialized for the Ray workers" in errors[0]
    assert "'_thread.lock'" in errors[0]


@pytest.mark.usefixtures("_known_here_alone", "two_threads")
def test_a_worker_that_cannot_begin_is_one_sentence(few_scenes, cluster, tmp_path, capsys):
    class Unmade:
        """Can be pickled, but not unpickled by a worker."""

        def __call__(self, images):
            return np.stack([image.mean((0, 1)) for image in images])

        def __reduce__(self):
            return int, ("nothing",)

    register(from_callable("mine/mean", Unmade()))
    assert main(own(tmp_path / "run", f"folder:{few_scenes}", "--executor", "ray", "--address", cluster)) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "A Ray worker could not start (ValueError: invalid literal for int() with base 10: 'nothing')" in errors[0]


def test_a_cluster_that_does_not_start_is_one_sentence(few_scenes, tmp_path, capsys, monkeypatch):
    import ray

    def start(**options):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", start)
    assert main(command(tmp_path / "run", few_scenes, "--executor", "ray")) == 2
    assert "error: Cannot connect to a Ray cluster at 'local' (The current node timed out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("further", "sentence"),
    [
        (["--executor", "dask"], "'dask' is not a known executor. Available executors: local, ray."),
        (["--address", "auto"], "requires the 'ray' executor"),
        (["--executor", "ray", "--address", "127.0.0.1:1"], "Cannot connect to a Ray cluster at '127.0.0.1:1'"),
    ],
)
def test_invalid_executor_is_one_sentence(few_scenes, tmp_path, capsys, further, sentence):
    words = command(tmp_path / "run", few_scenes, *further)
    assert main(words) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert sentence in errors[0]
