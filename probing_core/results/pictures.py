"""Pictures of a run, which stores none: they are made again from its corpus, which gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from probing_core.corpora.base import Corpus
from probing_core.errors import BadImage, ProbingError, UnknownName
from probing_core.run.recipe import Recipe
from probing_core.transforms.base import Image

SOURCES_KEPT = 128


class PicturesMissing(ProbingError):
    """The run's pictures cannot be made on this machine; its text is the reason."""


class Pictures:
    """Makes the samples of one run again.

    Args:
        recipe: of the run.
        rows: numbers of samples -> their rows, with ``image_id``, ``split``, ``transform``, ``repetition``, ``draw``.
    """

    def __init__(self, recipe: Recipe, rows: Callable[[np.ndarray], pd.DataFrame]) -> None:
        self.recipe, self._rows = recipe, rows
        self._source = lru_cache(SOURCES_KEPT)(self._prepare)

    @cached_property
    def why_not(self) -> str:
        """Why there are no pictures, in one sentence; an empty string where there are."""
        try:
            fingerprint = self._corpus.fingerprint
        except UnknownName:
            return f"This run ships no pictures: its corpus, {self.recipe.corpus}, is not on this computer."
        except ProbingError as error:
            return f"This run ships no pictures, and its corpus '{self.recipe.corpus}' cannot be opened here: {error}"
        if fingerprint != self.recipe.fingerprint:
            return (
                f"This run ships no pictures, and the corpus '{self.recipe.corpus}' on this machine is not the one it "
                f"was made from (fingerprint {fingerprint}, expected {self.recipe.fingerprint})."
            )
        return ""

    def pair(self, sample: int) -> tuple[Image, Image, float]:
        """Return the view of ``sample`` without and with its transform, and the strength.

        Raises:
            PicturesMissing: see `why_not`.
        """
        return self.pair_of(self._rows(np.array([sample])).iloc[0].to_dict())

    def pair_of(self, row: Mapping[Any, Any]) -> tuple[Image, Image, float]:
        """Return the same for a sample whose ``row`` is known.

        Raises:
            PicturesMissing: see `why_not`.
        """
        from probing_core.compute.samples import make_pair
        from probing_core.transforms import resolve

        transform = resolve(row["transform"]).for_split(row["split"])
        source = self.source(row["image_id"])
        return make_pair(
            source, self.recipe.design, transform, row["image_id"], int(row["repetition"]), int(row["draw"])
        )

    def photograph(self, image_id: str) -> Image:
        """Return a whole image, from whose middle its views are cut.

        Raises:
            PicturesMissing: see `why_not`, or the picture itself is gone.
        """
        return self._opened(self._corpus_image, image_id)

    def source(self, image_id: str) -> Image:
        """Return the source of one image, from which every version of it is cut.

        Raises:
            PicturesMissing: see `why_not`, or the picture itself is gone.
        """
        return self._opened(self._source, image_id)

    def _opened(self, read: Callable[[str], Image], image_id: str) -> Image:
        if self.why_not:
            raise PicturesMissing(self.why_not)
        try:
            return read(image_id)
        except BadImage as error:
            raise PicturesMissing(f"The picture '{image_id}' of the run can no longer be read: {error}") from error

    def _corpus_image(self, image_id: str) -> Image:
        return self._corpus.load(image_id)

    def _prepare(self, image_id: str) -> Image:
        from probing_core.transforms.view import prepare_source

        return prepare_source(self._corpus.load(image_id), self.recipe.view)

    @cached_property
    def _corpus(self) -> Corpus:
        from probing_core.corpora import open_corpus

        return open_corpus(self.recipe.corpus)
