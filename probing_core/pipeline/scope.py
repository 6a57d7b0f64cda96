"""The scope of a plan: recipe, images and models of a run, and the values of the options that rows depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from probing_core.compute.claims import ABLATIONS, CLAIMS, CONTRASTS
from probing_core.compute.claims.named import DOZENS, SIGNIFICANCE
from probing_core.compute.claims.tables import roles_by_set
from probing_core.compute.design import Design
from probing_core.compute.maps import LANDMARKS, NEIGHBORS
from probing_core.compute.model_samples import most_to_learn
from probing_core.compute.samples import has_splits
from probing_core.compute.scores import UNSCORED
from probing_core.compute.series import pairs_of, strengths_of, swept
from probing_core.compute.star import STAR_IMAGES, TERCILES
from probing_core.compute.studies import studies_of
from probing_core.compute.studies.model_data import FIT_IMAGES, PENALTIES, STUDY_IMAGES
from probing_core.compute.tasks import task_names
from probing_core.measures import MEASURES
from probing_core.pipeline.sample_sets import SampleSet, plan_sample_sets
from probing_core.pipeline.setup import Corpora
from probing_core.runs import layout
from probing_core.runs.engine import Binding
from probing_core.runs.models import model_entries
from probing_core.runs.options import DEFAULTS, Options
from probing_core.runs.progress import SILENT, Progress
from probing_core.runs.recipe import Recipe
from probing_core.runs.store import Files, Store
from probing_core.transforms.base import Transform


class Scope:
    """Recipe, images and models of a run as its files say at one time, each read once; rows of the table are expanded
    by it.

    Args:
        files: of the run.
        recipe: of the run.
        options: where and with what it is computed.
        progress: what long makers report to.
        corpora: of the run.
        source: the run whose probes are used, where there is one and it is here.
    """

    def __init__(
        self,
        files: Store,
        recipe: Recipe,
        options: Options = DEFAULTS,
        progress: Progress = SILENT,
        corpora: Corpora | None = None,
        source: Files | None = None,
    ) -> None:
        self.files, self.recipe, self.options, self.progress = files, recipe, options, progress
        self.source, self.corpora = source, corpora or Corpora(recipe)

    def with_models(self) -> Scope:
        """Return the scope with the models that were loaded since; what was planned of the images stays."""
        later = Scope(self.files, self.recipe, self.options, self.progress, self.corpora, self.source)
        later.images, later.sample_sets = self.images, self.sample_sets
        return later

    @cached_property
    def design(self) -> Design:
        return self.recipe.design

    @property
    def transforms(self) -> tuple[Transform, ...]:
        return self.design.transforms

    @property
    def learns(self) -> bool:
        """Whether the run learns its own probes."""
        return not self.recipe.probes_from

    @cached_property
    def images(self) -> pd.DataFrame:
        """The table of images of a run that has chosen them."""
        return self.files.read_table(layout.IMAGES)

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """Name of a model -> content of its ``model.toml``, of all that were loaded, in the order of the recipe."""
        return {entry["name"]: entry for entry in model_entries(self.files, self.recipe.models)}

    @property
    def unloaded(self) -> list[str]:
        """Models of the recipe that were never loaded, so that it is not known what they are."""
        loaded = {entry["request"] for entry in self.entries.values()}
        return [name for name in self.recipe.models if name not in loaded]

    @cached_property
    def sample_sets(self) -> dict[str, SampleSet]:
        """Name of a series -> its samples, cut into units; the main samples are called by an empty name. None before
        the images are chosen, so that a plan that is made then has nothing that is made of them."""
        return plan_sample_sets(self.design, self.images) if self.files.has(layout.IMAGES) else {}

    @cached_property
    def has_splits(self) -> bool:
        return bool(self.sample_sets) and has_splits(self.images)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that the run has: its own probes learn the content, where it is defined."""
        return task_names(self.transforms, self.images if self.learns else None)

    def covers(self, model: str, series: str) -> bool:
        """Return whether a model has embeddings of a series."""
        return series in self.sample_sets and self.sample_sets[series].covers(self.entries[model])

    @cached_property
    def studied_models(self) -> list[str]:
        """Models that are studied: of one that was asked for all its layers, the last."""
        return list({entry["request"]: name for name, entry in self.entries.items()}.values())

    @cached_property
    def studies(self) -> dict[str, list[str]]:
        """Name of a study -> the models that have it."""
        return {
            study.name: [m for m in self.studied_models if self.covers(m, study.series)]
            for study in (studies_of(self.images, self.learns) if self.has_splits else ())
        }


OPTIONS: Mapping[str, Callable[[Scope, Binding], Any]] = {
    "fingerprint": lambda s, b: s.recipe.fingerprint,
    "view": lambda s, b: s.recipe.view,
    "limit": lambda s, b: s.recipe.limit,
    "live_images": lambda s, b: s.recipe.live_images,
    "seed": lambda s, b: s.recipe.seed,
    "repetitions": lambda s, b: s.recipe.repetitions,
    "embeddings": lambda s, b: s.recipe.embeddings,
    "learns": lambda s, b: s.learns,
    "warps": lambda s, b: any(t.warp is not None for t in s.transforms),
    "transforms": lambda s, b: {"order": ",".join(s.recipe.transforms)} | {t.name: t.key for t in s.transforms},
    "alternatives": lambda s, b: {t.name: t.alternative_key for t in s.transforms if not t.far},
    "classes": lambda s, b: [[t.name, t.group, t.far, t.unseen_in] for t in s.transforms],
    "strengths": lambda s, b: {t.name: strengths_of(t) for t in swept(s.design)},
    "pairs": lambda s, b: [list(pair) for pair in pairs_of(s.design)],
    "train_samples": lambda s, b: _train_samples(s, b["model"]),
    "calibrate_on": lambda s, b: list(s.recipe.calibrate_fingerprints),
    "unscored": lambda s, b: list(UNSCORED.get(s.entries[b["model"]]["objective"], ())),
    "measures": lambda s, b: [measure.name for measure in MEASURES if measure.score is not None],
    "studies": lambda s, b: [STUDY_IMAGES, FIT_IMAGES, list(PENALTIES)],
    "models": lambda s, b: list(s.entries),
    "studied_models": lambda s, b: s.studied_models,
    "map": lambda s, b: [NEIGHBORS, LANDMARKS],
    "star": lambda s, b: [STAR_IMAGES, TERCILES],
    "claims": lambda s, b: [
        list(CLAIMS),
        [[c.claim, c.first, c.second, c.score] for c in (*CONTRASTS, *ABLATIONS)],
        DOZENS,
        SIGNIFICANCE,
        roles_by_set(list(s.entries)),
    ],
}
"""Options that rows depend on beside files: name -> value. The recipe alone decides it, but for ``train_samples``,
which memory may decide, and ``models``, ``unscored``, ``studied_models`` and ``claims``, which the models decide."""


def _train_samples(scope: Scope, model: str) -> int | None:
    """Return how many samples a probe learns from, where that is asked for or memory holds fewer than there are."""
    most = most_to_learn(scope.recipe.train_samples, scope.entries[model]["dim"])
    return most if scope.recipe.train_samples is not None or most < len(scope.sample_sets[""]) else None
