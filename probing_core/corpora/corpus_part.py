"""Subset of a corpus, with the splits of a run."""

from __future__ import annotations

import hashlib
import json

import pandas as pd

from probing_core.corpora.corpus import Corpus
from probing_core.images import Image


class CorpusPart(Corpus):
    """The images of a corpus that a run uses.

    Args:
        corpus: the full corpus.
        images: rows of the run's ``images.parquet``.
    """

    def __init__(self, corpus: Corpus, images: pd.DataFrame) -> None:
        self.corpus, self.name, self.description = corpus, corpus.name, corpus.description
        self.has_global_ids, self.stays_in_process = corpus.has_global_ids, corpus.stays_in_process
        splits = dict(zip(images["image_id"], images["split"], strict=True))
        rows = corpus.rows[corpus.rows["image_id"].isin(splits)].reset_index(drop=True)
        self.rows = rows.assign(split=rows["image_id"].map(splits))

    @property
    def fingerprint(self) -> str:
        chosen = self.rows[["image_id", "split"]].to_numpy(str).tolist()
        return hashlib.blake2b(json.dumps([self.corpus.fingerprint, chosen]).encode(), digest_size=16).hexdigest()

    def load(self, image_id: str) -> Image:
        return self.corpus.load(image_id)
