from __future__ import annotations

from threading import Barrier, get_ident

import pytest
import torch
from torch import nn

from probing_core.embedders.network.cpu_batches import CPU_BATCH, DEVICE_BATCH, FEW, FINE_CPU_BATCH, BatchWorkers

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")


@pytest.fixture
def workers():
    return BatchWorkers(CPU, 2)


def batches(workers, count, most):
    """Sizes of the batches in which ``count`` images go."""
    images, sizes = list(range(count)), []
    while images:
        following = workers.next_batches(images, most)
        assert [i for batch in following for i in batch] == images[: sum(map(len, following))]
        images = images[sum(map(len, following)) :]
        sizes.append([len(batch) for batch in following])
    return sizes


def test_batches_go_side_by_side_and_end_even(workers):
    assert batches(workers, 0, 16) == []
    assert batches(workers, FEW, 16) == [[FEW]]  # not worth dividing
    assert batches(workers, 3, 2) == [[2, 1]]  # unless it may not be larger
    assert batches(workers, 16, 16) == [[8, 8]]
    assert batches(workers, 17, 16) == [[9, 8]]
    assert batches(workers, 50, 16) == [[16, 16], [9, 9]]


def test_elsewhere_batches_take_turns():
    workers = BatchWorkers(ELSEWHERE, 2)
    assert batches(workers, 150, 64) == [[64], [64], [22]]
    assert workers.run(lambda _: get_ident(), [0, 1]) == [get_ident()] * 2


def test_batches_are_small_where_maps_are_large():
    fine, patches = (nn.Sequential(nn.Conv2d(3, 4, stride, stride)) for stride in (2, 16))
    cpu, elsewhere = BatchWorkers(CPU, 1), BatchWorkers(ELSEWHERE, 2)
    assert [cpu.batch_size(network) for network in (fine, patches)] == [FINE_CPU_BATCH, CPU_BATCH]
    assert cpu.batch_size(nn.Linear(3, 4)) == CPU_BATCH
    assert {elsewhere.batch_size(network) for network in (fine, patches)} == {DEVICE_BATCH}


def test_batches_run_at_the_same_time_on_one_core_each(workers):
    meet = Barrier(2)

    def cores(_):
        meet.wait(timeout=20)  # passes only if both are under way
        return torch.get_num_threads()

    before = torch.get_num_threads()
    assert workers.run(cores, [0, 1]) == [1, 1]
    assert torch.get_num_threads() == before


def test_a_batch_alone_takes_the_same_thread_each_time(workers):
    first, second = workers.run(lambda _: get_ident(), [0, 1])
    assert first != second
    assert [workers.run(lambda _: get_ident(), [0]) for _ in range(10)] == [[first]] * 10


def test_threads_that_start_later_keep_the_callers_number(workers):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == torch.get_num_threads()


def test_errors_and_order_come_through(workers):
    assert workers.run(lambda x: 2 * x, [1, 2, 3]) == [2, 4, 6]
    assert list(workers.each_picture(lambda x: None, range(3))) == [None] * 3
    with pytest.raises(ZeroDivisionError):
        workers.run(lambda x: 1 // x, [1, 0])
