"""Processes that work on pictures: order, errors, deaths, and what is left when the parent is killed."""

from __future__ import annotations

import builtins
import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from probing_core.compute.runtime.workers import NoWorker, WorkerDied, Workers
from probing_core.compute.sampling.samples import Design, choose_images, plan_samples
from probing_core.compute.sampling.series import make_samples
from probing_core.compute.task_names import MAIN
from probing_core.corpora import open_corpus
from probing_core.corpora.data_sets import ArrayCorpus
from probing_core.corpora.parquet import ParquetCorpus
from probing_core.errors import BadCorpus
from probing_core.paths import PHOTOGRAPHS_FILE, reference_run
from probing_core.transforms import bank
from tests.conftest import scene
from tests.worker_functions import dies, dies_once, fails, modules, process_and_argument, squares

SCRIPT = """
import os, sys, time
import numpy as np
from probing_core.compute.runtime.workers import Workers

def mine(x):  # a worker cannot import it: the module is this script
    return x + 1, os.getpid()

pool = Workers(2)
print(list(pool.map(mine, [1, 2])) == [(2, os.getpid()), (3, os.getpid())], flush=True)
print(sum(len(a) for a in pool.map(np.zeros, [3, 4])), flush=True)
print(*[worker._process.pid for worker in (pool._idle.get(), pool._idle.get()) if worker], flush=True)
time.sleep(60)
"""


def test_results_come_in_order_from_other_processes_and_can_be_written_to():
    with Workers(2) as pool:
        made = list(pool.map(squares, range(1, 9)))
    assert [array.shape for array, _, _ in made] == [(n, n) for n in range(1, 9)]
    assert all((array == n).all() and list(more[0]) == list(range(n)) for n, (array, more, _) in enumerate(made, 1))
    assert os.getpid() not in {pid for *_, pid in made}
    made[3][0][:] = 7
    assert (made[3][0] == 7).all()
    assert (made[4][0] == 5).all()


def test_a_worker_imports_no_framework():
    with Workers(1) as pool:
        assert next(pool.map(modules, [0])) == []


def test_what_cannot_be_sent_runs_in_threads():
    with Workers(2) as pool:
        assert list(pool.map(lambda n: (n, os.getpid()), [1, 2])) == [(1, os.getpid()), (2, os.getpid())]


def test_an_error_is_raised_here():
    with Workers(2) as pool:
        assert pool.submit(fails, 1).result() == 1
        with pytest.raises(BadCorpus, match="second"):
            list(pool.map(fails, [1, 2, 3]))
        with pytest.raises(FileNotFoundError, match="fourth"):
            pool.submit(fails, 4).result()
        assert pool.submit(fails, 3).result() == 3


def test_workers_map_results_without_reading_other_processes_of_proc(monkeypatch):
    # Where /proc is mounted with hidepid, or a worker is not dumpable, its open files cannot be read.
    opened = builtins.open

    def refuse_proc(file, *args, **kwargs):
        if str(file).startswith("/proc/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return opened(file, *args, **kwargs)

    with Workers(2) as pool:
        monkeypatch.setattr(builtins, "open", refuse_proc)
        made = list(pool.map(squares, range(1, 5)))
    assert [array.shape for array, _, _ in made] == [(n, n) for n in range(1, 5)]
    assert os.getpid() not in {pid for *_, pid in made}


def test_workers_close_the_descriptors_of_results_that_are_freed():
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("descriptors cannot be listed here")
    with Workers(1) as pool:
        pool.submit(squares, 1).result()
        before = len(list(descriptors.iterdir()))
        assert sum(len(array) for array, *_ in pool.map(squares, range(1, 9))) == 36
        assert len(list(descriptors.iterdir())) == before


@pytest.mark.parametrize("kind", ["too large", "unpicklable"])
def test_workers_run_functions_with_objects_that_stay_in_threads(kind):
    class Unpicklable:
        def __reduce__(self):
            raise RuntimeError("an open file of a data set")

    argument = ArrayCorpus([scene(0, 64)]) if kind == "too large" else Unpicklable()
    with Workers(2) as pool:
        assert pool.submit(partial(process_and_argument, argument), 1).result() == (os.getpid(), argument)


def test_an_item_at_which_a_worker_dies_is_begun_again(tmp_path):
    with Workers(2) as pool:
        assert list(pool.map(partial(dies_once, tmp_path), range(4))) == [0, 1, 2, 3]


def test_an_item_that_ends_every_worker_is_an_error():
    with Workers(1) as pool:
        with pytest.raises(WorkerDied, match="--jobs 1"):
            pool.submit(dies, 1).result()
        assert pool.submit(fails, 3).result() == 3


def test_workers_do_not_blame_an_item_where_no_process_can_be_started(monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with Workers(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", refuse)
            with pytest.raises(NoWorker, match=os.strerror(errno.EAGAIN)):
                pool.submit(fails, 3).result()
        assert pool.submit(fails, 3).result() == 3


def test_no_process_is_left_when_the_pool_is_shut_down():
    pool = Workers(2)
    pids = {pid for *_, pid in pool.map(squares, range(8))}
    pool.shutdown()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_script_without_a_guard_and_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        assert [parent.stdout.readline().strip() for _ in range(2)] == ["True", "7"]
        pids = list(map(int, parent.stdout.readline().split()))
        assert pids
        parent.kill()
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("kind", ["photos", "reference", "parquet", "folder"])
def test_pictures_of_every_corpus_are_made_in_other_processes(kind, few_scenes):
    corpus = open_corpus(f"folder:{few_scenes}" if kind == "folder" else "reference" if kind == "parquet" else kind)
    if kind == "parquet":
        corpus = ParquetCorpus(reference_run() / PHOTOGRAPHS_FILE)
    design = Design(view=32, transforms=bank(), seed=0, threads=1)
    images = choose_images(design, corpus, lambda done, total: None)
    planned = plan_samples(design, images[images["used"]].head(2))
    with Workers(2) as pool:
        made, rows = make_samples(MAIN, design, corpus, planned, pool)
        assert pool._last[1] is not None, "what is to be done could be sent"
        assert not pool._here, "and no worker lacked anything"
    with ThreadPoolExecutor(1) as thread:
        same, alike = make_samples(MAIN, design, corpus, planned, thread)
    assert all(np.array_equal(one, other) for one, other in zip(made, same, strict=True))
    pd.testing.assert_frame_equal(rows, alike)


AS_ON_WINDOWS = """
import os, socket, subprocess, sys

for module, names in {
    os: ("memfd_create", "sched_getaffinity", "fork", "killpg", "setsid", "getuid"),
    socket: ("send_fds", "recv_fds", "AF_UNIX"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None

begin = subprocess.Popen.__init__


def begin_as_on_windows(self, *arguments, **named):
    if named.get("pass_fds") or named.get("preexec_fn"):
        raise ValueError("pass_fds and preexec_fn are not supported on Windows platforms")
    begin(self, *arguments, **named)


subprocess.Popen.__init__ = begin_as_on_windows
"""
"""Module that removes what Python lacks on Windows. It is run at the start of a process and of its workers."""

ON_WINDOWS = """
import os
from probing_core.compute.runtime.workers import Workers
from tests.worker_functions import squares

with Workers(2) as pool:
    results = list(pool.map(squares, [3, 200]))
assert [array.shape for array, _, _ in results] == [(3, 3), (200, 200)]
print(os.getpid() not in {pid for *_, pid in results})
"""


def test_workers_need_nothing_that_windows_lacks(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(AS_ON_WINDOWS)
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    environment = os.environ | {"PYTHONPATH": paths}
    process = subprocess.run(
        [sys.executable, "-c", ON_WINDOWS], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert process.stdout.strip() == "True", "the functions ran in other processes"
