from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus, make_rows

STYLES = ("photo", "art_painting", "cartoon", "sketch")


class Some(Corpus):
    """Chosen rows of another corpus, with styles and splits of our own."""

    def __init__(self, corpus: Corpus, rows: pd.DataFrame) -> None:
        self.name, self.description = "some", "some pictures"
        self.rows, self._corpus = rows, corpus

    @property
    def fingerprint(self) -> str:
        return "some"

    def load(self, image_id: str) -> np.ndarray:
        return self._corpus.load(image_id)

    def first(self, count: int) -> Some:
        return Some(self._corpus, self.rows[:count])


class Drawn(Corpus):
    """Pictures of stripes whose color and direction are their label; split into pretrain, train and val."""

    def __init__(self, per_split: int = 16) -> None:
        self.name, self.description = "drawn", "drawn pictures"
        splits = [split for split in ("pretrain", "train", "val") for _ in range(per_split)]
        labels = [f"kind_{i % 4}" for i in range(len(splits))]
        ids = [f"{i:03d}" for i in range(len(splits))]
        styles = [STYLES[i % 3] for i in range(len(splits))]
        self.rows = make_rows({"image_id": ids, "label": labels, "split": splits, "style": styles})

    @property
    def fingerprint(self) -> str:
        return "drawn"

    def load(self, image_id: str) -> np.ndarray:
        number = int(image_id)
        rng = np.random.default_rng(number)
        y, x = np.mgrid[:180, :200]
        wave = 127 + 100 * np.sin((x if number % 2 else y) / rng.uniform(5, 9) + rng.uniform(0, 6))
        image = np.repeat(wave[..., None], 3, axis=2)
        image[..., number % 4 // 2] *= 0.3
        return image.astype(np.uint8)


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    return Drawn()


@pytest.fixture(scope="session")
def sixteen() -> Some:
    """Sixteen packaged photographs, each of another base where there are as many, in four styles by decree."""
    photos = open_corpus("photos")
    rows = photos.rows.groupby("base_id", sort=False).nth(slice(0, 2))[:16].reset_index(drop=True)
    return Some(photos, rows.assign(split="pretrain", style=[STYLES[i % 4] for i in range(len(rows))]))


@pytest.fixture(scope="session")
def pictures(sixteen: Some):
    """Those as a batch (16, 3, 144, 144) ``uint8``."""
    import torch

    from probing_core.models.preprocessing import Preprocessing, resize_and_crop

    square = Preprocessing(size=(144, 144))
    images = [resize_and_crop(sixteen.load(i), square).transpose(2, 0, 1) for i in sixteen.rows["image_id"]]
    return torch.from_numpy(np.stack(images))
