from __future__ import annotations

from threading import Barrier, Event, get_ident
from time import sleep

import psutil
import pytest
import torch
from torch import nn

from probing_core.models.processor import (
    AHEAD,
    CPU_BATCH,
    DEVICE_BATCH,
    FINE_CPU_BATCH,
    MAX_UNDIVIDED,
    WAITING,
    BatchThreads,
    copied_from,
    copied_to,
    is_taken,
)

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")


@pytest.fixture
def batches():
    return BatchThreads(CPU, 2)


def sizes(batches, count, most):
    """Of the batches in which ``count`` images go."""
    cut = list(batches.batches(range(count), most))
    assert [i for batch in cut for i in batch] == list(range(count))
    return [len(batch) for batch in cut]


def test_batches_end_even(batches):
    assert sizes(batches, 0, 16) == []
    assert sizes(batches, MAX_UNDIVIDED, 16) == [MAX_UNDIVIDED]  # not worth dividing
    assert sizes(batches, 3, 2) == [2, 1]  # unless it may not be larger
    assert sizes(batches, 16, 16) == [8, 8]
    assert sizes(batches, 17, 16) == [9, 8]
    assert sizes(batches, 50, 16) == [16, 16, 9, 9]


def test_elsewhere_batches_take_turns():
    assert sizes(BatchThreads(ELSEWHERE, 2), 150, 64) == [64, 64, 22]


def test_batches_are_small_where_maps_are_large():
    fine, patches = (nn.Sequential(nn.Conv2d(3, 4, stride, stride)) for stride in (2, 16))
    cpu, elsewhere = BatchThreads(CPU, 1), BatchThreads(ELSEWHERE, 2)
    assert [cpu.batch_size(network) for network in (fine, patches)] == [FINE_CPU_BATCH, CPU_BATCH]
    assert cpu.batch_size(nn.Linear(3, 4)) == CPU_BATCH
    assert {elsewhere.batch_size(network) for network in (fine, patches)} == {DEVICE_BATCH}


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("of_each_core", [1, AHEAD])
def test_batches_run_at_the_same_time_on_one_core_each(batches, of_each_core):
    threads = 2 * of_each_core
    meet = Barrier(threads)

    def cores(_):
        meet.wait(timeout=20)  # passes only if all are under way
        return get_ident(), torch.get_num_threads()

    before = torch.get_num_threads()
    used, cores_of_each = zip(*batches.run(cores, range(2 * threads), of_each_core), strict=True)
    assert len(set(used)) == threads
    assert set(cores_of_each) == {1}
    assert torch.get_num_threads() == before


def test_a_free_thread_takes_the_next_batch(batches):
    third = Event()

    def first_waits_for_third(position):
        if position == 0:
            assert third.wait(timeout=20)
        if position == 2:
            third.set()
        return get_ident()

    slow, *others = batches.run(first_waits_for_third, range(3))
    assert slow not in others


def test_callers_take_turns(batches):
    """One with many batches leaves others a place soon."""
    ended = []
    many = batches.run(ended.append, range(100))
    next(many)
    assert list(batches.run(lambda i: i, ["other"])) == ["other"]
    assert len(ended) <= WAITING * 2 + 1
    many.close()


@pytest.mark.usefixtures("two_threads")
def test_threads_that_start_later_keep_the_callers_number(batches):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == torch.get_num_threads()


def test_errors_and_order_come_through(batches):
    assert list(batches.run(lambda x: 2 * x, range(20))) == list(range(0, 40, 2))
    assert list(batches.each_picture(lambda x: None, range(3))) == [None] * 3
    with pytest.raises(ZeroDivisionError):
        list(batches.run(lambda x: 1 // x, [1, 0]))


def test_nothing_is_under_way_after_an_error(batches):
    begun, ended = [], []

    def fail_first(position):
        begun.append(position)
        if position == 0:
            raise ZeroDivisionError
        sleep(0.05)
        ended.append(position)

    with pytest.raises(ZeroDivisionError):
        list(batches.run(fail_first, range(10)))
    assert sorted(begun[1:]) == sorted(ended)
    assert len(ended) < 9


def test_an_accelerator_has_the_next_batch_and_the_one_after_is_prepared():
    batches, last = BatchThreads(ELSEWHERE, 2), 5
    prepared, begun, here = [Event() for _ in range(last + 1)], [], get_ident()

    def prepare(batch):
        assert get_ident() != here
        prepared[batch].set()
        return 10 * batch

    def begin(ready):
        batch = ready // 10
        begun.append(batch)
        assert get_ident() == here

        def computed():
            assert begun[-1] == min(batch + 1, last)
            assert prepared[min(batch + 2, last)].wait(timeout=20)
            return ready

        return computed

    assert list(batches.feed(prepare, begin, range(last + 1))) == [0, 10, 20, 30, 40, 50]


def test_no_batch_for_an_accelerator_is_prepared_any_more_after_an_error():
    batches, prepared = BatchThreads(ELSEWHERE, 2), []

    def begin(batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(batches.feed(prepared.append, begin, range(10)))
    assert len(prepared) <= 2
    assert list(batches.feed(lambda batch: batch, lambda batch: lambda: batch, range(3))) == [0, 1, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_a_batch_comes_back_as_it_went():
    device, batch = torch.device("cuda"), torch.rand(64, 3, 224, 224)
    passes = [copied_from(device, [copied_to(device, (batch + i).pin_memory()).mul(2)]) for i in range(8)]
    for i, one in enumerate(passes):
        assert torch.equal(torch.from_numpy(one()[0]), (batch + i) * 2)


def test_memory_is_taken_above_a_share_of_the_machines():
    held = psutil.Process().memory_info().rss / psutil.virtual_memory().total
    assert is_taken(held / 2)
    assert not is_taken(min(1, held * 10))
