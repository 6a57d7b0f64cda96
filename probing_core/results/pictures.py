"""Recompute the images of a run from its corpus, because runs do not store images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import pandas as pd

from probing_core.corpora.corpus import Corpus
from probing_core.errors import BadImage, ProbingError, UnknownName
from probing_core.run.recipe import Recipe
from probing_core.transforms.transformation import Image

SOURCES_KEPT = 128


class PicturesMissing(ProbingError):
    """Raised if the images of a run cannot be recomputed on this computer."""


class Pictures:
    """Access to the images of a run, which are recomputed from the corpus.

    All methods raise `PicturesMissing` if the images are not available (see `why_not`).
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._source = lru_cache(SOURCES_KEPT)(self._prepare)

    @cached_property
    def why_not(self) -> str:
        """Reason why the images of the run are not available, or an empty string if they are available.

        Images at a URL are not available, because a run from somebody else could name any server.
        """
        from probing_core.corpora import is_remote

        if is_remote(self.recipe.corpus):
            return f"The images of this run are not shown: they are at the URL '{self.recipe.corpus}'."
        try:
            fingerprint = self._corpus.fingerprint
        except UnknownName:
            return f"The images of this run are missing: its corpus ({self.recipe.corpus}) is not on this computer."
        except ProbingError as error:
            return f"The images of this run are missing: its corpus '{self.recipe.corpus}' cannot be opened. {error}"
        if fingerprint != self.recipe.fingerprint:
            return (
                f"The images of this run are missing: the corpus '{self.recipe.corpus}' on this computer has the "
                f"fingerprint {fingerprint} instead of {self.recipe.fingerprint}."
            )
        return ""

    def pair(self, row: Mapping[Any, Any] | pd.Series) -> tuple[Image, Image]:
        """Return the view of a sample before and after transformation.

        Args:
            row: ``image_id``, ``split``, ``transform``, ``repetition`` and ``draw`` of the sample.
        """
        from probing_core.compute.sampling.samples import make_pair
        from probing_core.transforms import resolve

        transform = resolve(row["transform"]).for_split(row["split"])
        sample_key = row["image_id"], int(row["repetition"]), int(row["draw"])
        before, after, _ = make_pair(self.source(row["image_id"]), self.recipe.design, transform, *sample_key)
        return before, after

    def photograph(self, image_id: str) -> Image:
        """Return the full image from which views are cut."""
        if self.why_not:
            raise PicturesMissing(self.why_not)
        try:
            return self._corpus.load(image_id)
        except BadImage as error:
            raise PicturesMissing(f"The image '{image_id}' cannot be read: {error}") from error

    def source(self, image_id: str) -> Image:
        """Return the prepared source image from which all versions of an image are cut."""
        return self._source(image_id)

    def _prepare(self, image_id: str) -> Image:
        from probing_core.transforms.view import prepare_source

        return prepare_source(self.photograph(image_id), self.recipe.view)

    @cached_property
    def _corpus(self) -> Corpus:
        from probing_core.corpora import open_corpus

        return open_corpus(self.recipe.corpus)
