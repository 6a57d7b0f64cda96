from __future__ import annotations

import psutil

from probing_core.compute import memory


def test_memory_is_taken_above_a_share_of_the_machines():
    held = psutil.Process().memory_info().rss / psutil.virtual_memory().total
    assert memory.is_taken(held / 2)
    assert not memory.is_taken(min(1, held * 10))


def test_shares_are_of_the_machines_memory():
    assert memory.bytes_of(0.25) == psutil.virtual_memory().total / 4
