"""A corpus as it is seen while a model is still being chosen: what is tested on are its photographs of ``val``."""

from __future__ import annotations

import hashlib

import numpy as np

from probing_core.corpora.base import Corpus
from probing_core.corpora.selection import assign_splits
from probing_core.images import Image


class ValidationCorpus(Corpus):
    """The photographs of ``train`` and ``val`` of another corpus; those of ``test`` are never read.

    Those of ``val`` are tested on. Of those of ``train`` a fifth, by photograph, takes the place of ``val``. A corpus
    without splits is divided as a run divides it.

    Args:
        corpus: the other one.
        seed: of the division.
    """

    def __init__(self, corpus: Corpus, seed: int = 0) -> None:
        self._corpus = corpus
        self.name, self.description, self.skipped = corpus.name, corpus.description, corpus.skipped
        rows = corpus.rows.copy()
        if (rows["split"] == "").any():
            rows["split"] = assign_splits(rows["base_id"].tolist(), seed)
        rows = rows[rows["split"].isin(("train", "val"))].reset_index(drop=True)
        learned = (rows["split"] == "train").to_numpy()
        again = np.array(assign_splits(rows["base_id"].tolist(), seed))
        rows["split"] = np.where(~learned, "test", np.where(again == "val", "val", "train"))
        self.rows = rows

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self._corpus.fingerprint} {self.rows['split'].tolist()}".encode()).hexdigest()[:32]

    def load(self, image_id: str) -> Image:
        return self._corpus.load(image_id)
