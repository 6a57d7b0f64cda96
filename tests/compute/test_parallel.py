"""Cores, memory, threads and pools."""

from __future__ import annotations

import cv2
import psutil
import pytest
import torch
from threadpoolctl import threadpool_info

from probing_core.compute.runtime import parallel
from probing_core.compute.runtime.parallel import in_chunks, one_core_threads, threads
from probing_core.cores import cores


def test_shares_are_of_the_machines_memory():
    assert parallel.bytes_of(0.25) == psutil.virtual_memory().total / 4


def numbers() -> tuple[int, int, set[int]]:
    """Threads of PyTorch, of OpenCV, and of the libraries for matrices."""
    return torch.get_num_threads(), cv2.getNumThreads(), {one["num_threads"] for one in threadpool_info()}


@pytest.mark.usefixtures("two_threads")
def test_libraries_have_the_number_inside_and_their_own_again_behind():
    here = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        before = numbers()
        with threads(1):
            assert numbers() == (1, 1, {1})
        assert numbers() == before
    finally:
        cv2.setNumThreads(here)


def test_chunks_come_in_order_and_few_are_under_way():
    begun: list[int] = []

    def chunks():
        for i in range(20):
            begun.append(i)
            yield [i] * 3

    with one_core_threads(2) as pool:
        for done, (chunk, results) in enumerate(in_chunks(pool, lambda x: 10 * x, chunks())):
            assert (list(chunk), results) == ([done] * 3, [10 * done] * 3)
            assert len(begun) <= done + 2  # whatever the folder holds, no more is in memory
    assert len(begun) == 20


@pytest.mark.usefixtures("two_threads")
def test_each_thread_computes_on_one_core_and_the_caller_on_as_many_as_before():
    before = torch.get_num_threads(), cv2.getNumThreads()
    with one_core_threads(3) as pool:
        each = list(pool.map(lambda _: (torch.get_num_threads(), cv2.getNumThreads()), range(6)))
    assert each == [(1, 1)] * 6
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_the_variable_of_numerical_libraries_limits_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    there = cores()
    assert there >= 1
    for limit, expected in (("1", 1), (str(there + 1), there), ("0", there), ("many", there)):
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
        assert cores() == expected
