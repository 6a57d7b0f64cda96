from __future__ import annotations

import cv2
import pytest
import torch
from threadpoolctl import threadpool_info

from probing_core.compute.threads import threads


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
