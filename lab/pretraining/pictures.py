"""Training images, which are decoded once, stored on disk, and read in the same order for all objectives."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadCorpus
from probing_core.models.preprocessing import resize_and_crop
from probing_core.models.zoo_input import PREPROCESSING
from probing_core.run.files import written_atomically
from probing_core.run.progress import Progress

SIDE = 144
"""Side length of the stored images in pixels, larger than the encoder's 128 px to allow random crops."""

MIN_PICTURES = 8


@dataclass(frozen=True)
class Pictures:
    """Images and rows of a training run.

    Attributes:
        rows: one row per image, with ``image_id``, ``label`` and, where the corpus has it, ``style``.
        pixels: (n, 3, 144, 144) ``uint8``, mapped from disk.
        digest: of ids, labels and styles.
    """

    rows: pd.DataFrame
    pixels: np.ndarray
    digest: str


def gather(corpus: Corpus, folder: Path, progress: Progress) -> Pictures:
    """Read the images of the split ``pretrain``, or all images of a corpus without this split.

    Raises:
        BadCorpus: there are fewer than `MIN_PICTURES` images.
        BadImage: an image cannot be read.
        BadRun: the disk is full.
    """
    rows = corpus.rows
    if (rows["split"] == "pretrain").any():
        rows = rows[rows["split"] == "pretrain"]
    if len(rows) < MIN_PICTURES:
        raise BadCorpus(f"Pretraining requires at least {MIN_PICTURES} images, but '{corpus.name}' has {len(rows)}.")
    rows = rows[[c for c in ("image_id", "label", "style") if c in rows]].reset_index(drop=True)
    content = json.dumps([list(rows), rows.astype(str).to_numpy().tolist()])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = folder / f"pictures-{digest}.npy"
    if not path.exists():
        _decode(corpus, rows, path, progress)
    return Pictures(rows, np.load(path, mmap_mode="r"), digest)


def _decode(corpus: Corpus, rows: pd.DataFrame, path: Path, progress: Progress) -> None:
    square = replace(PREPROCESSING, size=(SIDE, SIDE))
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), 3, SIDE, SIDE)}
    with written_atomically(path) as file:  # not mapped: a full disk would kill the process
        np.lib.format.write_array_header_1_0(file, header)
        for count, image_id in enumerate(rows["image_id"], 1):
            file.write(resize_and_crop(corpus.load(image_id), square).transpose(2, 0, 1).tobytes())
            progress.update("decode", count, len(rows), "Decoding pictures")


def batch_indices(step: int, n: int, batch: int, seed: int) -> np.ndarray:
    """Return the positions of the pictures of one step, out of ``n``.

    Each epoch is a permutation drawn from (seed, epoch); what is left over at its end is dropped, so that no
    picture is twice in a batch. A step follows from its number alone: nothing has to be saved to go on.
    """
    epoch, place = divmod(step, n // batch)
    order = np.random.default_rng([seed, epoch]).permutation(n)
    return order[place * batch : (place + 1) * batch]
