"""Questions to models: what a visitor sees while they answer, and why one cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import streamlit as st

from dashboard.data import neighbors, predictions
from dashboard.data.predictions import Row
from dashboard.text import plain
from probing_core.compute.live import PRIOR, PictureCrops
from probing_core.errors import ProbingError
from probing_core.measures.notation import model_title
from probing_core.results import Run

ASKING = "Asking the models"

Found = TypeVar("Found")


def each(models: Sequence[str], ask: Callable[[str], Found], meanwhile: str = ASKING) -> dict[str, Found]:
    """Return the result of ``ask`` for each model, and show progress meanwhile, since one may have to be loaded first.

    A model that cannot be asked is left out, and the page states why.
    """
    found = {}
    with st.spinner(meanwhile, show_time=True):
        for model in models:
            try:
                found[model] = ask(model)
            except ProbingError as error:  # the other models still answer
                st.warning(
                    f"{plain(model_title(model))} could not be asked: {plain(str(error))}", icon=":material/error:"
                )
    return found


def rows(
    run: Run,
    models: Sequence[str],
    crops: Mapping[str, PictureCrops],
    prior: float = PRIOR,
    meanwhile: str = ASKING,
) -> list[Row]:
    found = each(models, lambda model: predictions.ask(run, model, list(crops.values())), meanwhile)
    return [answer.row(name, prior) for answers in found.values() for name, answer in zip(crops, answers, strict=True)]


@dataclass(frozen=True)
class Question:
    """A visitor's question about pictures.

    Attributes:
        run: whose models answer.
        prior: share of altered pictures among such pictures.
    """

    run: Run
    models: Sequence[str]
    prior: float

    def rows(self, models: Sequence[str], crops: Mapping[str, PictureCrops], meanwhile: str = ASKING) -> list[Row]:
        return rows(self.run, models, crops, prior=self.prior, meanwhile=meanwhile)


def embed_gallery(run: Run, model: str, samples: np.ndarray) -> None:
    """Embed some samples of ``run`` by ``model``, where the run holds no embeddings, and show the progress.

    Raises:
        ProbingError: a picture cannot be made, or the model cannot be asked.
    """
    place = st.empty()
    for done, total in neighbors.gallery_steps(run, model, samples):
        doing = f"Embedding photographs of the run by {plain(model_title(model))}"
        place.progress(done / total, f"{doing}: {done:,} of {total:,}")
    place.empty()
