"""Duration of ``probing diff`` for one pair, for one pair of 12 megapixels, and for many pairs with encoders."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from lab.benchmarks._common import seconds_of
from probing_core.corpora import open_corpus
from probing_core.images import Image, encode_jpeg, encode_png
from probing_core.models import bundled

ENCODERS = tuple(name for name in bundled() if not name.startswith("baseline/"))[:5]


@dataclass(frozen=True)
class Size:
    """Number of pairs, size of the large image in pixels, models, and rounds."""

    pairs: int = 100
    width: int = 4000
    height: int = 3000
    models: tuple[str, ...] = ENCODERS
    rounds: int = 3


SMALL = Size(2, 400, 300, ("baseline/pixels",), 1)


def run(size: Size) -> dict[str, dict[str, float]]:
    """``probing diff``, as a command that starts anew each time. The fastest of all rounds, in seconds:

    - ``pair_s``: one pair of 300 x 200 pixels, without encoders; at most 3 is the aim on two idle cores.
    - ``unexplained_pair_s``: the same if no candidate explains the difference, so that all are tried.
    - ``large_pair_s``: one pair of 12 megapixels; at most 10.
    - ``pairs_s``: 100 pairs with five encoders, which have embedded the reference photographs before; at most 30.
    """
    corpus = open_corpus("photos")
    images = [corpus.load(image_id) for image_id in islice(cycle(corpus.rows["image_id"]), size.pairs)]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        one, other, large, many = (root / name for name in ("one", "other", "large", "many"))
        _save(one, images[:1])
        _save(other, images[:1], vignette=True)
        _save(large, [cv2.resize(images[0], (size.width, size.height), interpolation=cv2.INTER_CUBIC)])
        _save(many, [np.roll(image, i, axis=1) for i, image in enumerate(images)])
        commands = {
            "pair_s": (one, ()),
            "unexplained_pair_s": (other, ()),
            "large_pair_s": (large, ()),
            "pairs_s": (many, ("--models", ",".join(size.models))),
        }
        _command(one, "--models", ",".join(size.models))  # embeds the reference photographs
        best = {
            name: min(seconds_of(lambda: _command(folder, *arguments)) for _ in range(size.rounds))  # noqa: B023
            for name, (folder, arguments) in commands.items()
        }
    return {"diff": {name: round(seconds, 2) for name, seconds in best.items()}}


def _command(folder: Path, *arguments: str) -> None:
    command = [
        sys.executable,
        "-m",
        "probing_core.cli",
        "diff",
        str(folder / "before"),
        str(folder / "after"),
        *arguments,
    ]
    subprocess.run(command, check=True, capture_output=True)


def _save(folder: Path, images: list[Image], vignette: bool = False) -> None:
    for name in ("before", "after"):
        (folder / name).mkdir(parents=True)
    for i, image in enumerate(images):
        (folder / f"before/{i}.png").write_bytes(encode_png(image))
        after = encode_png(_vignette(image)) if vignette else encode_jpeg(image, 70)
        (folder / f"after/{i}.{'png' if vignette else 'jpg'}").write_bytes(after)


def _vignette(image: Image) -> Image:
    """Darken the edges, which no candidate does."""
    y, x = (np.linspace(-1, 1, side) for side in image.shape[:2])
    return (image * (1 - 0.6 * np.clip(y[:, None] ** 2 + x**2, 0, 1))[..., None]).astype(np.uint8)
