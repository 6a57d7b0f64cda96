"""Work in chunks: in order, a bounded number under way, a core a thread."""

from __future__ import annotations

import cv2
import pytest
import torch

from probing_core.compute.parallel import AHEAD, cores, in_chunks, one_core_threads


def test_chunks_come_in_order_and_few_are_under_way():
    begun: list[int] = []

    def chunks():
        for i in range(20):
            begun.append(i)
            yield [i] * 3

    with one_core_threads(2) as pool:
        for done, (chunk, results) in enumerate(in_chunks(pool, lambda x: 10 * x, chunks())):
            assert (list(chunk), results) == ([done] * 3, [10 * done] * 3)
            assert len(begun) <= done + AHEAD  # whatever the folder holds, no more is in memory
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
