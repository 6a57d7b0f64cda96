"""The transformed images by which an encoder is scored, to be embedded here or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, overload

import pandas as pd

from probing_core.compute.parallel import cores
from probing_core.compute.samples import SamplePlan, choose_images, make_pair
from probing_core.corpora import open_corpus
from probing_core.corpora.base import Corpus
from probing_core.corpora.data_sets import ArrayCorpus
from probing_core.errors import BadConfig, UnknownName
from probing_core.run.recipe import VIEW, Recipe
from probing_core.run.setup import with_identity
from probing_core.transforms.base import Image
from probing_core.transforms.view import prepare_source

SOURCES_KEPT = 64

ANY = "any"
"""Takes the place of the model in a recipe that has none yet."""


class Samples(Sequence[Image]):
    """Transformed images in a fixed order, each made when it is asked for: (view, view, 3) ``uint8``.

    It has the methods that a data loader needs; iterating makes several at a time.

    Args:
        recipe: what is made of ``corpus``.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe) -> None:
        self.corpus, self.recipe = corpus, recipe
        self._by_name = {transform.name: transform for transform in recipe.design.transforms}
        self._source = lru_cache(SOURCES_KEPT)(lambda image_id: prepare_source(corpus.load(image_id), recipe.view))

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a sample: ``image_id``, ``base_id`` (the photograph), ``label``, ``split``, ``transform``, ``group``,
        ``repetition``, ``draw``."""
        return self._plan.rows().drop(columns="sample")

    @cached_property
    def _plan(self) -> SamplePlan:
        design = self.recipe.design
        return SamplePlan(design, choose_images(design, self.corpus, lambda done, total: None))

    def __len__(self) -> int:
        return len(self._plan)

    @overload
    def __getitem__(self, key: int) -> Image: ...

    @overload
    def __getitem__(self, key: slice) -> list[Image]: ...

    def __getitem__(self, key: int | slice) -> Image | list[Image]:
        if isinstance(key, slice):
            return [self._make(place) for place in range(len(self))[key]]
        return self._make(range(len(self))[key])

    def __iter__(self) -> Iterator[Image]:
        with ThreadPoolExecutor(self.recipe.threads) as pool:
            for unit in self._plan.units:
                yield from pool.map(self._make, range(unit.start, unit.stop))

    def _make(self, place: int) -> Image:
        row = self.table.iloc[place]
        transform = self._by_name[row["transform"]].for_split(row["split"])
        numbers = int(row["repetition"]), int(row["draw"])
        return make_pair(self._source(row["image_id"]), self.recipe.design, transform, row["image_id"], *numbers)[1]


def samples(
    images: Any = None,
    *,
    labels: Sequence[str] | None = None,
    transforms: str | Sequence[str] = "bank",
    limit: int | None = None,
    view: int = VIEW,
    seed: int = 0,
) -> Samples:
    """Return the transformed images by which `score` judges an encoder, for one that runs elsewhere: embed them in
    order, and give `score` the embeddings (N, D) together with them.

    Args:
        images: as in `score`.
        labels: of the content of ``images``, where they are a list or a data set; by default the data set's own.
        transforms: names, or sets as in ``--transforms``.
        limit: number of images, drawn evenly over photographs; by default all.
        view: pixels of the side of the views.
        seed: of every random draw.

    Raises:
        ProbingError: the images cannot be used; the sentence says how to mend it.
    """
    asked = Recipe(  # checked before pictures are read
        corpus="",
        fingerprint="",
        transforms=with_identity((transforms,) if isinstance(transforms, str) else transforms),
        models=(ANY,),
        limit=limit,
        view=view,
        seed=seed,
        threads=cores(),
    )
    corpus = corpus_of(images, labels, limit, seed)
    return Samples(corpus, replace(asked, corpus=corpus.name, fingerprint=corpus.fingerprint))


def corpus_of(images: Any, labels: Sequence[str] | None, limit: int | None, seed: int) -> Corpus:
    """Return ``images`` of `score` and `samples` as a corpus: a corpus unchanged, by default the reference run's, a
    folder or the name of a corpus, or pictures and data sets in memory.

    Raises:
        ProbingError: there is no such corpus, the pictures cannot be read, or labels were given with a folder.
    """
    if isinstance(images, Corpus):
        return images
    if images is None:
        images = "reference"
    if not isinstance(images, str | Path):
        return ArrayCorpus(images, labels, limit, seed)
    if labels is not None:
        raise BadConfig("Labels belong to a list of images; a folder has them as its subfolders.")
    if Path(images).is_dir():
        return open_corpus(f"folder:{images}")
    try:
        return open_corpus(str(images))
    except UnknownName as error:
        raise UnknownName(f"'{images}' is no folder here. {error}") from error
