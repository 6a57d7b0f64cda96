"""A finished (or unfinished) run, opened for reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.errors import BadRun
from probing_core.paths import refuse_address
from probing_core.results.pictures import Pictures
from probing_core.runs import layout
from probing_core.runs.embeddings import has_embeddings, read_embeddings
from probing_core.runs.layout import map_path
from probing_core.runs.manifest import digest_of_files
from probing_core.runs.models import embeds_pictures, model_entries
from probing_core.runs.recipe import Recipe, read_recipe
from probing_core.runs.store import Store
from probing_core.transforms.base import GROUPS, Image

MODEL_COLUMNS = ("name", "family", "objective", "dim", "license", "weights", "data", "input_size", "text", "recipe")


@dataclass(frozen=True)
class Run:
    """One run directory as tables. A table that the run does not have (yet) is empty, with no columns.

    Attributes:
        store: its files.
        recipe: what it computes.
    """

    store: Store
    recipe: Recipe

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Opens the run in the directory ``path``.

        Raises:
            BadRun: there is none, or its recipe cannot be read.
        """
        path = Path(path)
        refuse_address(path)
        if not (path / layout.RECIPE).is_file():
            raise BadRun(
                f"'{path}' holds no run: a run directory has a {layout.RECIPE}. `probing run --out {path}` makes one."
            )
        store = Store(path)
        return cls(store, read_recipe(store))

    @property
    def path(self) -> Path:
        return self.store.root

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @cached_property
    def digest(self) -> str:
        """Changes whenever a file of the run does: the key of everything that is cached about it."""
        return digest_of_files(self.path)

    # tables

    @cached_property
    def models(self) -> pd.DataFrame:
        """One row a model (a layer, where layers were asked for), in the order of the recipe."""
        entries = model_entries(self.store)
        return pd.DataFrame([{c: e.get(c) for c in MODEL_COLUMNS} for e in entries], columns=list(MODEL_COLUMNS))

    @cached_property
    def live_models(self) -> tuple[str, ...]:
        """Names of the models that can be asked about further pictures: their live probe is here, and so are they."""
        return tuple(
            entry["name"]
            for entry in self.models[["name", "family"]].to_dict("records")
            if self.store.has(layout.probe_path(entry["name"], layout.DEPLOYMENT)) and embeds_pictures(entry)
        )

    @cached_property
    def images(self) -> pd.DataFrame:
        return self.table(layout.IMAGES)

    @cached_property
    def samples(self) -> pd.DataFrame:
        return self.table(layout.SAMPLES)

    @cached_property
    def _numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the samples in order, and the row of each. Plain arrays, since threads share them."""
        numbers = self.samples["sample"].to_numpy()
        order = np.argsort(numbers, kind="stable")
        return numbers[order], order

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The scores of linear probes: what pages and rankings show unless they state something else."""
        scores = self.probe_scores
        return scores if scores.empty else scores[scores["probe"] == "linear"].reset_index(drop=True)

    @cached_property
    def probe_scores(self) -> pd.DataFrame:
        """The scores of every kind of probe: ``linear``, ``mlp``, ``mlp-0`` ..., ``knn-5`` ...; column ``probe``."""
        scores = self.table(layout.SCORES)
        return scores if scores.empty or "probe" in scores else scores.assign(probe="linear")

    @cached_property
    def fits(self) -> pd.DataFrame:
        return self.table(layout.FITS)

    def table(self, name: str) -> pd.DataFrame:
        """The table called ``name`` in the manifest; an empty frame if the run has none."""
        return self.store.read_table(name) if self.store.has(name) else pd.DataFrame()

    @property
    def table_names(self) -> list[str]:
        return [name for name in self.store.names() if name.endswith(layout.PARQUET)]

    def predictions(self, model: str, task: str, facts: Sequence[str] | None = None) -> pd.DataFrame:
        """Every tested sample of ``task`` with the prediction of ``model``'s probe, joined with `samples`.

        Columns: ``sample``, ``truth``, ``predicted``, ``p_truth``, ``p_predicted``, ``seen``, those of `samples` (all,
        or ``facts`` alone) and ``correct`` (bool). Empty if the run has none.

        Raises:
            BadRun: a sample is unknown, or is there twice.
        """
        table = self.table(layout.predictions_path(model, task))
        if table.empty:
            return table
        known = self._facts_of(table["sample"].to_numpy(), None if facts is None else tuple(facts))
        if known is None:
            raise BadRun(
                f"The predictions of '{model}' for '{task}' do not fit the samples of '{self.path}'; "
                f"`probing verify --run {self.path}` lists what is damaged."
            )
        joined = pd.concat([table, known], axis=1)
        return joined.assign(correct=joined["truth"] == joined["predicted"])

    def _facts_of(self, numbers: np.ndarray, facts: tuple[str, ...] | None) -> pd.DataFrame | None:
        """The columns of the samples with these ``numbers``, in their order; None where one is unknown or there twice.

        The last result is cached: all models are tested on the same samples.
        """
        before = self._last_facts.get(facts)
        if before is not None and np.array_equal(before[0], numbers):
            return before[1]
        known_numbers, order = self._numbers
        at = np.searchsorted(known_numbers, numbers).clip(max=max(len(order) - 1, 0))
        there = known_numbers[at] == numbers if len(order) else np.zeros(len(numbers), bool)
        if not there.all() or np.bincount(at).max() > 1:
            return None
        known = self.samples.drop(columns="sample") if facts is None else self.samples[list(facts)]
        found = known.take(order[at]).reset_index(drop=True)
        self._last_facts[facts] = numbers, found
        return found

    @cached_property
    def _last_facts(self) -> dict[tuple[str, ...] | None, tuple[np.ndarray, pd.DataFrame]]:
        return {}

    def map(self, model: str) -> pd.DataFrame | None:
        """``sample``, ``x``, ``y`` of the two-dimensional map of ``model``, or None where none was made."""
        table = self.table(map_path(model))
        return None if table.empty else table

    def has_map(self, model: str) -> bool:
        return self.store.has(map_path(model))

    def has_embeddings(self, model: str) -> bool:
        return has_embeddings(self.store, model)

    def embeddings(self, model: str) -> np.ndarray | None:
        """(N, D) ``float32`` in the order of `samples`, or None where the run ships none."""
        return read_embeddings(self.store, model) if self.has_embeddings(model) else None

    # what there is

    @property
    def tasks(self) -> list[str]:
        """The tasks that were scored, as `fine`, `group-0` ... `content`."""
        return list(self.scores["task"].unique()) if not self.scores.empty else []

    def classes(self, task: str) -> list[str]:
        """The classes of a task in the order in which pages list them."""
        if task == "fine":
            return [name for name in self.transforms["transform"] if name not in self.far]
        if task.startswith("group"):
            return list(dict.fromkeys(self.transforms["group"]))
        return sorted(self.samples["label"].unique())

    @cached_property
    def transforms(self) -> pd.DataFrame:
        """``transform``, ``group``, ordered by group and within a group by the recipe."""
        table = self.samples[["transform", "group"]].drop_duplicates()
        place = {name: i for i, name in enumerate(self.recipe.transforms)}
        order = np.lexsort((table["transform"].map(place), table["group"].map(GROUPS.index)))
        return table.iloc[order].reset_index(drop=True)

    @cached_property
    def far(self) -> frozenset[str]:
        """Transforms of the far-unseen tier, which no probe learns from."""
        from probing_core.transforms import far_style

        return frozenset(t.name for t in far_style()) & frozenset(self.recipe.transforms)

    # pictures

    @cached_property
    def pictures(self) -> Pictures:
        return Pictures(self.recipe, self.samples)

    def picture(self, sample: int) -> tuple[Image, Image]:
        """The view of one sample before and after its transform, made again from the corpus.

        Raises:
            PicturesMissing: the corpus is not on this machine, or is not the one that the run was made from.
        """
        return self.pictures.pair(sample)[:2]
