"""Read tables and files of a run, which may be incomplete. `probing_core.results.run.Run` adds the explorer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from probing_core.compute.lazy_rows import LazyRows
from probing_core.compute.task_names import ALL_REPETITIONS, BY_EMBEDDING, CALIBRATED, DEPLOYMENT, NEAR
from probing_core.errors import BadRun, UnknownName
from probing_core.paths import refuse_address, user_path
from probing_core.probes.probe import LinearProbe
from probing_core.results.pictures import Pictures
from probing_core.run import layout
from probing_core.run.files import read_object
from probing_core.run.layout import map_path, neighbors_path
from probing_core.run.models import embeds_pictures, has_embeddings, lazy_embeddings, model_entries
from probing_core.run.recipe import Recipe, read_recipe
from probing_core.run.run_files import FACTS, RunFiles, SampleTable
from probing_core.transforms.transformation import GROUPS, Image

PREDICTION_COLUMNS = ("sample", "truth", "predicted", "p_truth", "p_predicted", "seen", "altered", "named")


LEARNED_SPLITS = ("train", "val", "test")
"""Names of the splits of a run."""


class Data(NamedTuple):
    """Training or test data for a probe.

    Attributes:
        X: (N, D) ``float32`` embeddings.
        y: (N,) class names.
        photographs: (N,) IDs of photographs.
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
    """The tables of a run, which may be incomplete. Missing tables are empty and have no columns.

    Attributes:
        store: the files of the run.
        recipe: the recipe of the run.
    """

    store: RunFiles
    recipe: Recipe

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open the run in the directory ``path``.

        Raises:
            BadRun: the run does not exist, or its recipe cannot be read.
        """
        path = user_path(path)
        refuse_address(path)
        if not user_path(path / layout.RECIPE).is_file():
            raise BadRun(
                f"'{path}' is not a run directory: it has no {layout.RECIPE}.",
                hint=f"Run `probing run --out {path}` to create a run.",
            )
        store = RunFiles(path)
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
        """Digest of the records of all steps, which is used as a cache key for data derived from the run.

        The records are read when the run is opened. Files that another process adds later do not change the digest.
        """
        return self.store.state()

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """Content of ``model.toml`` for each model, in the order of `models`."""
        return model_entries(self.store, self.recipe.models)

    @cached_property
    def models(self) -> pd.DataFrame:
        """Table with one row per model or requested layer, in the order of the recipe."""
        return pd.DataFrame([{c: e.get(c) for c in MODEL_COLUMNS} for e in self.entries], columns=list(MODEL_COLUMNS))

    def require_model(self, name: str) -> None:
        """Check that the run has a model called ``name``.

        Raises:
            UnknownName: the run has no such model.
        """
        if name not in set(self.models["name"]):
            raise UnknownName(f"The run has no model '{name}'. Available models: {', '.join(self.models['name'])}.")

    @cached_property
    def live_models(self) -> tuple[str, ...]:
        """Names of the models that have a deployment probe and can embed new images."""
        return tuple(
            entry["name"]
            for entry in self.entries
            if self.store.has(layout.probe_path(entry["name"], DEPLOYMENT)) and embeds_pictures(entry)
        )

    @cached_property
    def memo(self) -> dict[Hashable, Any]:
        """Results of functions that are expensive to compute from this run, by function and arguments."""
        return {}

    @cached_property
    def images(self) -> pd.DataFrame:
        """Image table, with one row per candidate image.

        The columns are ``image_id``, ``base_id`` (ID of the photograph), ``label``, ``split``, ``license``, ``used``,
        ``why_not`` and ``held_out``.
        """
        return self.table(layout.IMAGES)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Sample table, with one row per sample.

        The columns include ``sample`` (row position), ``image_id``, ``transform``, ``group``, ``strength``,
        ``repetition``, ``draw``, and differences from the clean crop.
        """
        return self.table(layout.SAMPLES)

    @cached_property
    def sample_count(self) -> int:
        """Number of rows of `samples`, without reading the table."""
        return self._samples.count

    def sample_columns(self, *names: str) -> pd.DataFrame:
        """Return columns of `samples`, with strings as categories. The data are shared and must not be modified."""
        return self._samples.columns(*names)

    def sample_rows(self, rows: np.ndarray) -> pd.DataFrame:
        """Return rows of `samples` with all columns."""
        return self._samples.rows(rows)

    @cached_property
    def _samples(self) -> SampleTable:
        return SampleTable(self.store)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of linear probes."""
        scores = self.probe_scores
        return scores if scores.empty else scores[scores["probe"] == "linear"].reset_index(drop=True)

    @cached_property
    def probe_scores(self) -> pd.DataFrame:
        """Scores of all kinds of probes. The column ``probe`` is ``linear``, ``mlp``, ``knn-5`` and so on."""
        return self.table(layout.SCORES)

    @cached_property
    def fits(self) -> pd.DataFrame:
        """Table of fits, with one row per probe: its penalty, its validation loss, and whether it converged."""
        return self.table(layout.FITS)

    def table(self, name: str) -> pd.DataFrame:
        """Return the table with the path ``name``, or an empty data frame if the run has no such table."""
        return self.store.read_table(name) if self.store.has(name) else pd.DataFrame()

    @cached_property
    def table_names(self) -> list[str]:
        """Sorted paths of the Parquet tables of the run, which can be read with `table`."""
        names = (name for name in self.store.names() if name.endswith(layout.PARQUET))
        return [name for name in names if not name.startswith(layout.UNITS)]

    def predictions(self, model: str, task: str, facts: Sequence[str] = FACTS) -> pd.DataFrame:
        """Return the predictions of a probe for the test samples of a task, joined with `samples`.

        Args:
            model: name of the model.
            task: name of the task.
            facts: columns of `samples` to include, by default all. Other columns are not read.

        Returns:
            Table with the columns ``sample``, ``truth``, ``predicted``, ``p_truth``, ``p_predicted``, ``seen``,
            ``correct`` (bool) and the columns in ``facts``. For the fine task, the columns ``altered`` and ``named``
            may contain predictions of the deployment probe. Strings are sorted categories, which are the same for
            ``truth`` and ``predicted``. The table is empty if the run has no such predictions.

        Raises:
            BadRun: a sample is unknown or occurs twice.
        """
        if not self.has_predictions(model, task):
            return pd.DataFrame()
        name = layout.predictions_path(model, task)
        table = self._samples.read_predictions(name, PREDICTION_COLUMNS, facts)
        classes = sorted({*table["truth"].cat.categories, *table["predicted"].cat.categories})
        for column in ("truth", "predicted"):
            table[column] = table[column].cat.set_categories(classes)
        return table.assign(correct=table["truth"] == table["predicted"])

    def has_predictions(self, model: str, task: str) -> bool:
        """Return whether the run has predictions of the probe of ``model`` for ``task``."""
        return self.store.has(layout.predictions_path(model, task))

    def map(self, model: str, reading: str = BY_EMBEDDING) -> pd.DataFrame | None:
        """Return the map of ``model`` with the columns ``sample``, ``x`` and ``y``, or None if the run has no such map.

        Args:
            model: name of the model.
            reading: projection, either ``done`` (effect of the transformation) or ``everything`` (full embedding).
        """
        table = self.table(map_path(model, reading))
        return None if table.empty else table

    def has_map(self, model: str, reading: str = BY_EMBEDDING) -> bool:
        """Return whether the run has a map of ``model`` in the projection ``reading``."""
        return self.store.has(map_path(model, reading))

    def neighbors(self, model: str, reading: str = BY_EMBEDDING, repetition: int | None = None) -> pd.DataFrame | None:
        """Return the nearest samples of other photographs for each test sample.

        Args:
            model: name of the model.
            reading: projection, as in `map`.
            repetition: repetition of the samples and their neighbors. By default, or if the run has no neighbors for
                this repetition, all repetitions are used.

        Returns:
            Table with the columns ``sample`` and ``near_1`` to ``near_5`` (nearest first, -1 if there are fewer), or
            None if the run has no such table.
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
        """Return whether the run has embeddings from ``model``. Shipped runs may not include embeddings."""
        return has_embeddings(self.store, model)

    def embeddings(self, model: str) -> np.ndarray | None:
        """Return the (N, D) ``float32`` embeddings in the order of `samples`, or None if they are not available."""
        lazy = self.lazy_embeddings(model)
        return None if lazy is None else lazy[:]

    def lazy_embeddings(self, model: str) -> LazyRows | None:
        """Return embeddings (N, D) that are read on access, in the order of `samples`, or None if unavailable."""
        return lazy_embeddings(self.store, model) if self.has_embeddings(model) else None

    def data(self, model: str, task: str = "fine", split: str | None = None, seen: bool = True) -> Data:
        """Return data for training or testing your own probe on a task, in the order of `samples`.

        Unseen styles are excluded, as are samples that are not part of the task.

        Args:
            model: name of the model.
            task: ``fine``, ``group-0`` to ``group-2``, or ``content``.
            split: ``train``, ``val`` or ``test``. By default, all splits are used.
            seen: whether to return samples of seen transformations instead of held-out transformations.

        Raises:
            UnknownName: the run has no such model or task.
            BadRun: the run has no embeddings from the model, or does not have this split.
        """
        from probing_core.compute.sampling.probe_tasks import make_task
        from probing_core.compute.sampling.samples import has_splits

        self.require_model(model)
        embeddings = self.lazy_embeddings(model)
        if embeddings is None:
            raise BadRun(f"The run '{self.path}' has no embeddings from '{model}'. Start your own run with this model.")
        if split is not None and not (split in LEARNED_SPLITS and has_splits(self.images)):
            raise BadRun(
                f"'{self.path}' has no '{split}' split. Only runs with at least 30 photographs have splits "
                f"({', '.join(LEARNED_SPLITS)}). Omit the split."
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
        """Return the calibrated probe for the ``fine`` task on embeddings from ``model``.

        The probe was trained on the ``train`` split, or on all photographs if the run has no splits.

        Returns:
            A function that takes embeddings (N, D) of any float type and returns the ``float32`` probabilities (N, K)
            of the classes ``run.classes("fine")``, in this order. It raises `BadArray` if D does not match.

        Raises:
            UnknownName: the run has no such model.
            BadRun: the run has no probe for the model.

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
        """Load a linear probe of a model. ``name`` is the name of a task, or of the calibrated or deployment probe.

        Raises:
            UnknownName: the run has no such model.
            BadRun: the run has no such probe.
        """
        path = layout.probe_path(model, name)
        self.require_model(model)
        if not self.store.has(path):
            raise BadRun(
                f"The run has no '{name}' probe for '{model}'. Complete the run first.",
                hint=f"Run `probing run --out {self.path}`.",
            )
        return read_object(self.store.path(path), LinearProbe.from_bytes, path)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that were scored, such as ``fine``, ``group-0`` and ``content``."""
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
        """Table of transformations and their groups, sorted by group and then in the order of the recipe."""
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
        """Access to the images of the run, which are recomputed from the corpus."""
        return Pictures(self.recipe)

    def picture(self, sample: int) -> tuple[Image, Image]:
        """Recompute the view of a sample from the corpus, before and after its transformation.

        Raises:
            PicturesMissing: the corpus is not available on this computer, or has changed.
        """
        return self.pictures.pair(self.sample_rows(np.array([sample])).iloc[0])
