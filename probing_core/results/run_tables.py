"""Tables and files of a run, complete or not. `probing_core.results.run.Run` adds the explorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.task_names import ALL_REPETITIONS, BY_EMBEDDING, CALIBRATED, DEPLOYMENT, NEAR
from probing_core.errors import BadRun, UnknownName
from probing_core.paths import refuse_address
from probing_core.probes.probe import LinearProbe
from probing_core.results.pictures import Pictures
from probing_core.run import layout
from probing_core.run.columns import FACTS, SampleTable
from probing_core.run.layout import map_path, neighbors_path
from probing_core.run.models import embeds_pictures, has_embeddings, lazy_embeddings, model_entries
from probing_core.run.recipe import Recipe, read_recipe
from probing_core.run.store import Store
from probing_core.transforms.transformation import GROUPS, Image

PREDICTION_COLUMNS = ("sample", "truth", "predicted", "p_truth", "p_predicted", "seen", "altered", "named")


LEARNED_SPLITS = ("train", "val", "test")
"""Splits of the photographs that a run uses."""


class Data(NamedTuple):
    """Training or test data of a probe.

    Attributes:
        X: (N, D) ``float32`` embeddings.
        y: (N,) class names.
        photographs: (N,) IDs of the photographs of the samples.
    """

    X: np.ndarray
    y: np.ndarray
    photographs: np.ndarray


MODEL_COLUMNS = (
    "name",
    "request",
    "family",
    "objective",
    "dim",
    "license",
    "weights",
    "data",
    "input_size",
    "recipe",
)


@dataclass(frozen=True)
class RunTables:
    """The tables of a run directory. A table that the run does not have (yet) is empty, without columns.

    Attributes:
        store: the files of the run.
        recipe: the recipe of the run.
    """

    store: Store
    recipe: Recipe

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open the run in the directory ``path``.

        Raises:
            BadRun: the run does not exist, or its recipe cannot be read.
        """
        path = Path(path)
        refuse_address(path)
        if not (path / layout.RECIPE).is_file():
            raise BadRun(
                f"'{path}' is not a run directory: it has no {layout.RECIPE}.",
                hint=f"Run `probing run --out {path}` to create a run.",
            )
        store = Store(path)
        return cls(store, read_recipe(store))

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.store.root

    @property
    def name(self) -> str:
        """Name of the run directory."""
        return self.path.resolve().name

    @cached_property
    def digest(self) -> str:
        """A digest of all files of the run, which is the key of cached data.

        It covers the files that were in the manifest when this object read it, not files that a different process has
        added since. Otherwise, data from old files would be shown for new ones.
        """
        return self.store.state()

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """The content of ``model.toml`` for each model, in the order of `models`."""
        return model_entries(self.store, self.recipe.models)

    @cached_property
    def models(self) -> pd.DataFrame:
        """One row per model (or requested layer), in the order of the recipe."""
        return pd.DataFrame([{c: e.get(c) for c in MODEL_COLUMNS} for e in self.entries], columns=list(MODEL_COLUMNS))

    def require_model(self, name: str) -> None:
        """Raise `UnknownName` if the run has no model ``name``."""
        if name not in set(self.models["name"]):
            raise UnknownName(f"The run has no model '{name}'. It has: {', '.join(self.models['name'])}.")

    @cached_property
    def live_models(self) -> tuple[str, ...]:
        """Names of the models that can predict for new images: those available here with a deployment probe."""
        return tuple(
            entry["name"]
            for entry in self.entries
            if self.store.has(layout.probe_path(entry["name"], DEPLOYMENT)) and embeds_pictures(entry)
        )

    @cached_property
    def images(self) -> pd.DataFrame:
        """One row per candidate image: ``image_id``, ``base_id`` (its photograph), ``label``, ``split``, ``license``,
        ``used`` and ``why_not``."""
        return self.table(layout.IMAGES)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per sample, N in total: ``sample`` (position), ``image_id``, ``transform``, ``group``, ``strength``,
        ``repetition``, ``draw``, and differences from the clean crop."""
        return self.table(layout.SAMPLES)

    @cached_property
    def sample_count(self) -> int:
        """Number of `samples`, without reading them."""
        return self._samples.count

    def sample_columns(self, *names: str) -> pd.DataFrame:
        """Return columns of `samples`, with texts as categories. The data is shared and must not be modified."""
        return self._samples.columns(*names)

    def sample_rows(self, rows: np.ndarray) -> pd.DataFrame:
        """Return rows of `samples` with all columns."""
        return self._samples.rows(rows)

    @cached_property
    def _samples(self) -> SampleTable:
        return SampleTable(self.store)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The scores of linear probes."""
        scores = self.probe_scores
        return scores if scores.empty else scores[scores["probe"] == "linear"].reset_index(drop=True)

    @cached_property
    def probe_scores(self) -> pd.DataFrame:
        """The scores of every kind of probe: ``linear``, ``mlp``, ``mlp-0`` ..., ``knn-5`` ...; column ``probe``."""
        return self.table(layout.SCORES)

    @cached_property
    def fits(self) -> pd.DataFrame:
        """One row per fitted probe: its penalty, validation loss and whether it converged."""
        return self.table(layout.FITS)

    def table(self, name: str) -> pd.DataFrame:
        """Return the table called ``name`` in the manifest; an empty frame if the run has none."""
        return self.store.read_table(name) if self.store.has(name) else pd.DataFrame()

    @cached_property
    def table_names(self) -> list[str]:
        """Return the paths of the run's Parquet tables, sorted; `table` reads one."""
        names = (name for name in self.store.names() if name.endswith(layout.PARQUET))
        return [name for name in names if not name.startswith(layout.UNITS)]

    def predictions(self, model: str, task: str, facts: Sequence[str] = FACTS) -> pd.DataFrame:
        """Return the tested samples of ``task`` with the predictions by the probe of ``model``, joined with `samples`.

        Columns: ``sample``, ``truth``, ``predicted``, ``p_truth``, ``p_predicted``, ``seen``, the columns ``facts`` of
        `samples` (by default all) and ``correct`` (bool). No other columns are read, because there may be millions of
        samples. Texts are ordered categories; ``truth`` and ``predicted`` have the same categories. The table is empty
        if the run has no such predictions.

        Raises:
            BadRun: a sample is unknown, or occurs twice.
        """
        name = layout.predictions_path(model, task)
        if not self.store.has(name):
            return pd.DataFrame()
        table = self._samples.joined(name, PREDICTION_COLUMNS, facts)
        classes = sorted({*table["truth"].cat.categories, *table["predicted"].cat.categories})
        for column in ("truth", "predicted"):
            table[column] = table[column].cat.set_categories(classes)
        return table.assign(correct=table["truth"] == table["predicted"])

    def map(self, model: str, reading: str = BY_EMBEDDING) -> pd.DataFrame | None:
        """Return ``sample``, ``x``, ``y`` of the two-dimensional map of ``model``, or None if the run has no such map.

        Args:
            model: name of the model.
            reading: projection: ``done`` (effects of transformations) or ``everything`` (full embedding).
        """
        table = self.table(map_path(model, reading))
        return None if table.empty else table

    def has_map(self, model: str, reading: str = BY_EMBEDDING) -> bool:
        """Return whether the run has the map of ``model`` in a projection."""
        return self.store.has(map_path(model, reading))

    def neighbors(self, model: str, reading: str = BY_EMBEDDING, repetition: int | None = None) -> pd.DataFrame | None:
        """Return, for each tested sample, the samples of other photographs with the nearest embeddings by ``model``.

        Args:
            reading: projection, as in `map`.
            repetition: repetition of the samples and their neighbors. By default, or if the run has no neighbors within
                this repetition, all repetitions are used.

        Returns:
            ``sample`` and ``near_1`` to ``near_5``, nearest first, -1 if there are fewer; None if the run has no such
            table.
        """
        table = self.table(neighbors_path(model, reading))
        if table.empty:
            return None
        numbers = table.loc[table["among"] == ALL_REPETITIONS, "sample"].to_numpy()
        within = table["among"] == (ALL_REPETITIONS if repetition is None else repetition)
        rows = table[within if within.any() else table["among"] == ALL_REPETITIONS]
        indices = rows[list(NEAR)].to_numpy()
        samples = np.where(indices < len(numbers), numbers[np.minimum(indices, len(numbers) - 1)], -1)
        return pd.DataFrame({"sample": rows["sample"].to_numpy(), **dict(zip(NEAR, samples.T, strict=True))})

    def has_embeddings(self, model: str) -> bool:
        """Return whether the run has embeddings of ``model``; a shipped run may have none."""
        return has_embeddings(self.store, model)

    def embeddings(self, model: str) -> np.ndarray | None:
        """Return the embeddings (N, D) ``float32`` in the order of `samples`, or None if they are not available."""
        lazy = self.lazy_embeddings(model)
        return None if lazy is None else lazy[:]

    def lazy_embeddings(self, model: str) -> LazyRows | None:
        """Return the embeddings (N, D) in the order of `samples`, read on access; None if they are not available."""
        return lazy_embeddings(self.store, model) if self.has_embeddings(model) else None

    def data(self, model: str, task: str = "fine", split: str | None = None, seen: bool = True) -> Data:
        """Return data for training or testing your own probe on a task, in the order of `samples`.

        Unseen styles, and samples that the task leaves out to keep classes paired, are left out.

        Args:
            task: ``fine``, ``group-0`` to ``group-2``, ``content``.
            split: ``train``, ``val`` or ``test``; by default all.
            seen: whether to return samples of transformations in training, or of held-out transformations.

        Raises:
            UnknownName: the run has no such model or task.
            BadRun: the run has no embeddings of the model, or no splits.
        """
        from probing_core.compute.sampling.probe_tasks import make_task
        from probing_core.compute.sampling.samples import has_splits

        self.require_model(model)
        embeddings = self.lazy_embeddings(model)
        if embeddings is None:
            raise BadRun(f"The run '{self.path}' has no embeddings of '{model}'. Use a run of your own.")
        if split is not None and not (split in LEARNED_SPLITS and has_splits(self.images)):
            raise BadRun(
                f"Runs with at least 30 photographs have the splits {', '.join(LEARNED_SPLITS)}; '{self.path}' has "
                f"no '{split}'. Omit the split."
            )
        samples = self.samples
        problem = make_task(task, samples, self.recipe.design.transforms, self.images)
        selected = problem.takes_part & (problem.seen if seen else ~problem.seen & ~samples["transform"].isin(self.far))
        if split is not None:
            selected &= samples["split"] == split
        rows = np.flatnonzero(selected)
        names = np.array(problem.classes)[problem.truth[rows]]
        return Data(embeddings[rows], names, samples["base_id"].to_numpy(str)[rows])

    def probe(self, model: str) -> Callable[[np.ndarray], np.ndarray]:
        """Return the calibrated probe of the task ``fine`` for embeddings of ``model``.

        It is trained on the photographs of ``train`` (or on all photographs if the run has no splits).

        Returns:
            A function: embeddings (N, D) of any float type -> probabilities (N, K) ``float32`` of the classes
            ``run.classes("fine")``, in this order; rows sum to 1. It raises `BadArray` for a different D.

        Raises:
            UnknownName: the run has no such model.
            BadRun: the run has no probe of the model.

        Example:
            >>> run = probing_core.open()
            >>> probabilities = run.probe("zoo/mae")(np.load("embeddings.npy"))
            >>> names = np.array(run.classes("fine"))[probabilities.argmax(axis=1)]
        """
        probe = self.linear_probe(model, CALIBRATED)
        order = [probe.classes.index(name) for name in self.classes("fine")]

        def probabilities(X: np.ndarray) -> np.ndarray:
            return probe.probabilities(X)[:, order]

        return probabilities

    def linear_probe(self, model: str, name: str) -> LinearProbe:
        """Return the linear probe called ``name`` of a model: the probe of a task, or a calibrated one.

        Raises:
            UnknownName: the run has no such model.
            BadRun: the run has no such probe.
        """
        path = layout.probe_path(model, name)
        self.require_model(model)
        if not self.store.has(path):
            raise BadRun(
                f"The run has no '{name}' probe of '{model}'. Complete the run first.",
                hint=f"Run `probing run --out {self.path}`.",
            )
        return LinearProbe.from_bytes(self.store.read_bytes(path))

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that were scored: ``fine``, ``group-0`` and so on, ``content``."""
        return list(self.scores["task"].unique()) if not self.scores.empty else []

    def classes(self, task: str) -> list[str]:
        """Return the classes of a task in display order."""
        if task == "fine":
            return [name for name in self.transforms["transform"] if name not in self.far]
        if task.startswith("group"):
            return list(dict.fromkeys(self.transforms["group"]))
        return sorted(self.sample_columns("label")["label"].cat.categories)

    @cached_property
    def transforms(self) -> pd.DataFrame:
        """Table of ``transform`` and ``group``, ordered by group, and within a group as in the recipe."""
        table = self.sample_columns("transform", "group").drop_duplicates().astype("str")
        place = {name: i for i, name in enumerate(self.recipe.transforms)}
        order = np.lexsort((table["transform"].map(place), table["group"].map(GROUPS.index)))
        return table.iloc[order].reset_index(drop=True)

    @cached_property
    def far(self) -> frozenset[str]:
        """Names of the unseen styles, on which no probe is trained."""
        from probing_core.transforms import far_style

        return frozenset(t.name for t in far_style()) & frozenset(self.recipe.transforms)

    @cached_property
    def pictures(self) -> Pictures:
        """Images of samples, recomputed from the corpus if it is on this machine."""
        return Pictures(self.recipe)

    def picture(self, sample: int) -> tuple[Image, Image]:
        """Recompute the view of a sample before and after its transformation from the corpus.

        Raises:
            PicturesMissing: the corpus is not on this machine, or has changed.
        """
        return self.pictures.pair(self.sample_rows(np.array([sample])).iloc[0])
