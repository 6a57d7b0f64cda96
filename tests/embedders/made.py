"""Pictures and small comparisons that the tests of all providers share."""

from __future__ import annotations

import numpy as np
import PIL.Image


def pictures() -> list[np.ndarray]:
    """Three pictures of different sizes, noise on gradients."""
    rng = np.random.default_rng(0)
    made = []
    for height, width in ((150, 130), (128, 128), (90, 200)):
        slope = np.linspace(0, 150, width)[None, :, None] + np.zeros((height, 1, 3))
        made.append((slope + rng.integers(0, 100, (height, width, 3))).astype(np.uint8))
    return made


def pillow(images) -> list[PIL.Image.Image]:
    return [PIL.Image.fromarray(image) for image in images]


def call(function, batch) -> np.ndarray:
    """``function`` on ``batch`` (N, 3, H, W) as `NetworkEmbedder` calls it: channels last, no gradients, one core."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several cores would add up sums in another order
    try:
        with torch.inference_mode():
            return function(batch.contiguous(memory_format=torch.channels_last)).numpy()
    finally:
        torch.set_num_threads(threads)
