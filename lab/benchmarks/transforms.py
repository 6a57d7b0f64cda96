"""The bank's speed on one thread, alone and against imagecorruptions-imaug on the operations that both have.

The peer runs in an environment of its own, which uv makes: it pulls `opencv-python`, which would overwrite the headless
build in ours. Without uv or a package index its keys are absent, with a line on stderr.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from lab.devtools.commands import uv_run
from probing_core.compute.parallel import opencv_on_one_thread
from probing_core.errors import ProbingError
from probing_core.transforms import CATALOG, Image, Transform, bank, cut_view, generator, prepare_source

PEER = "imagecorruptions-imaug"
PEER_SIDE = 224

SHARED: dict[str, tuple[str, int, float]] = {
    "gaussian-noise": ("gaussian_noise", 3, 0.18),
    "salt-and-pepper": ("impulse_noise", 3, 0.09),
    "speckle": ("speckle_noise", 3, 0.35),
    "gaussian-blur": ("gaussian_blur", 3, 3 * 128 / PEER_SIDE),
    "defocus-blur": ("defocus_blur", 3, 6 * 128 / PEER_SIDE),
    "motion-blur": ("motion_blur", 3, 31 * 128 / PEER_SIDE),
    "fog": ("fog", 3, 2.5),
    "snow": ("snow", 3, 240),
    "jpeg": ("jpeg_compression", 3, 15),
    "pixelate": ("pixelate", 3, 2.5 * 128 / PEER_SIDE),
    "brighten": ("brightness", 3, 1.5),
    "contrast": ("contrast", 3, 0.2),
    "desaturate": ("saturate", 1, 0.7),
}
"""Ours -> theirs, their severity, and our strength that does the same at 224 px.

Shared is what a user would replace one by the other: the same effect of the same size, even where the formula differs
(theirs brightens and desaturates in HSV, draws salt and pepper for each channel, and snow from a zoomed noise field).
Not shared: shot noise, glass and zoom blur, frost, elastic and spatter, which the bank lacks; and all the bank has
beyond these thirteen.
"""

SLOW = ("stylization",)
"""Left out of the bank's mean beside neural style: their time is that of a solver or a network."""


@dataclass(frozen=True)
class Size:
    """Seconds that each operation is repeated for, and whether the peer is timed."""

    seconds: float = 0.3
    peer: bool = True


SMALL = Size(0.0, peer=False)


def run(size: Size) -> dict[str, float]:
    """Milliseconds an image of the bank at 128 px, and images/s over the peer's at 224 px."""
    with threadpool_limits(1), opencv_on_one_thread():
        return {**_bank_times(size), **_against_peer(size)}


def _bank_times(size: Size) -> dict[str, float]:
    """Return the times from a prepared source to the transformed view, including the warp."""
    source = prepare_source(_picture(512), 128)
    counted = [t for t in bank() if t.group != "style" and t.name not in SLOW]
    times = [
        _seconds(lambda t=t: cut_view(source, 128, t, t.strength_at(0.5), generator(0, "b", t.name)), size.seconds)
        for t in counted
    ]
    return {"transforms_bank_ms_an_image_128px": round(1000 * float(np.mean(times)), 3)}


def _against_peer(size: Size) -> dict[str, float]:
    picture = _picture(PEER_SIDE)
    # Ours, theirs, theirs, ours: other work of the machine affects both.
    ours = [_our_times(picture, size)]
    if not size.peer:
        return {}
    try:
        theirs = [_their_times(picture, size) for _ in range(2)]
    except (ProbingError, subprocess.CalledProcessError) as error:
        print(f"{PEER} cannot be timed ({error}); its ratios are left out.", file=sys.stderr)
        return {}
    ours.append(_our_times(picture, size))
    ratios = {
        name: min(times[peer] for times in theirs) / min(times[name] for times in ours)
        for name, (peer, _, _) in SHARED.items()
    }
    return {
        "transforms_over_imagecorruptions_geometric_mean": round(
            math.exp(np.mean([math.log(ratio) for ratio in ratios.values()])), 2
        ),
        "transforms_over_imagecorruptions_lowest": round(min(ratios.values()), 2),
        **{f"transforms_over_imagecorruptions_{name}": round(ratio, 2) for name, ratio in ratios.items()},
    }


def _our_times(picture: Image, size: Size) -> dict[str, float]:
    def once(transform: Transform, strength: float) -> Image:
        # Some of their strengths are beyond what `apply` accepts.
        return transform.apply_unchecked(picture, strength, generator(0, "b", transform.name))

    return {
        name: _seconds(lambda name=name, strength=strength: once(CATALOG.get(name), strength), size.seconds)
        for name, (_, _, strength) in SHARED.items()
    }


def _their_times(picture: Image, size: Size) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.npy"
        np.save(path, picture)
        operations = {peer: severity for peer, severity, _ in SHARED.values()}
        task = json.dumps({"picture": str(path), "operations": operations, "seconds": size.seconds})
        return json.loads(uv_run(Path(__file__).with_name("imagecorruptions_peer.py"), task))


def _picture(side: int) -> Image:
    from skimage import data

    return cv2.resize(data.astronaut(), (side, side), interpolation=cv2.INTER_AREA)


def _seconds(work: Callable[[], object], budget: float) -> float:
    """Return the best time of ``work`` within ``budget`` seconds: its cost without disturbance."""
    work()
    best, end = float("inf"), time.perf_counter() + budget
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
