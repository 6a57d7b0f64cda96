"""The ``embed`` stage: the images of a run, the samples, and the embeddings of the samples.

An executor computes missing units as jobs. The order of the jobs does not affect the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pandas as pd

from probing_core.compute.sampling.samples import choose_images
from probing_core.compute.task_names import LAYERS, MAIN, RENDERING, STRENGTH
from probing_core.errors import ModelUnavailable
from probing_core.run import layout
from probing_core.run.asset_options import (
    ALTERNATIVES,
    FINGERPRINT,
    LIMIT,
    PREPARATION,
    REPETITIONS,
    SEED,
    STRENGTHS,
    VIEW,
    WARPS,
    corpora_of,
    design_of,
)
from probing_core.run.assets import (
    UNPARTITIONED,
    Asset,
    Context,
    InputFiles,
    Option,
    PartitionKey,
    Shard,
    Stage,
    UnitWriter,
)
from probing_core.run.engine import Plan
from probing_core.run.executors import Executor, opened_executor
from probing_core.run.layout import ANY_MODEL, model_path, units_at
from probing_core.run.models import require_joined
from probing_core.run.options import EMBED
from probing_core.run.partitions import embedded_models, loaded_models
from probing_core.run.sample_sets import UnitJob
from probing_core.run.setup import withdrawn_on_error
from probing_core.run.snapshot import RunSnapshot
from probing_core.run.store import digest

stage = Stage(EMBED)


@stage.asset(layout.IMAGES, options=(FINGERPRINT, VIEW, LIMIT, SEED, WARPS), code_version=2, message="Reading images")
def images(files: InputFiles, context: Context) -> pd.DataFrame:
    """Select the images of the run. The table also lists images that cannot be used, with the reason."""

    def report(completed: int, total: int) -> None:
        context.resources.progress.update("images", completed, total, "Reading images")

    return choose_images(design_of(context), corpora_of(context).own, report)


model = stage.add(
    Asset(
        path=layout.model_path(ANY_MODEL),
        description="Name, family, objective, dimension and recipe of a model. Written when the model is loaded.",
        partitions=loaded_models,
        identified_by_key=True,
    )
)


def embed_units(writers: Sequence[UnitWriter], series: str) -> None:
    """Compute missing units of an experiment: transform the samples and embed them with all models.

    Each image is transformed only once.
    """
    resources = writers[0].context.resources
    total, jobs = len(resources.sample_sets[series].units), dict[int, list[UnitJob]]()
    for writer in writers:
        name = writer.context.key.get("model", "")
        for unit in writer.missing(total):
            path, request = writer.partition.unit(unit), resources.requests.get(name, "")
            jobs.setdefault(unit, []).append(UnitJob(series, unit, name, request, writer.cache_key, path))
    progress, message = (
        resources.progress,
        f"Embedding samples of the {series} experiment" if series else "Transforming and embedding",
    )
    progress.update(series or EMBED, total - len(jobs), total, message)
    for position, written in enumerate(resources.executor.work([jobs[unit] for unit in sorted(jobs)]), 1):
        writers[0].enter(written)
        for unit in {unit for path, _ in written for unit in units_at(path)}:
            for writer in writers:
                writer.join(unit)
        progress.update(series or EMBED, total - len(jobs) + position, total, message)


def _sample_set(
    series: str, samples_are: str, embeddings_are: str, options: Sequence[Option] = (), code_version: int = 1
) -> tuple[Asset, Asset]:
    """Define the two assets of an experiment: the table of samples, and the folder with embeddings from a model."""

    def sampled(run: RunSnapshot) -> Sequence[PartitionKey]:
        exists = series in run.sample_sets and (series != LAYERS or embedded_models(run, series))
        return UNPARTITIONED if exists else ()

    def shards(run: RunSnapshot, key: PartitionKey) -> Sequence[Shard]:
        return run.sample_sets[series].shards(run.models[key["model"]])

    compute_units = partial(embed_units, series=series)  # a shared object, so both assets are computed together
    table = stage.add(
        Asset(
            path=layout.series_table(series),
            description=samples_are,
            stage=EMBED,
            partitions=sampled,
            dependencies=(images,),
            options=(*PREPARATION, *options),
            code_version=code_version,
            compute_units=compute_units,
        )
    )
    folder = stage.add(
        Asset(
            path=layout.embeddings_folder(ANY_MODEL, series),
            description=embeddings_are,
            stage=EMBED,
            partitions=partial(embedded_models, series=series),
            dependencies=(images, model),
            options=(*PREPARATION, *options),
            code_version=code_version,
            identified_by_key=True,
            compute_units=compute_units,
            shards=shards,
        )
    )
    return table, folder


samples, embeddings = _sample_set(
    MAIN,
    "One row per sample.",
    "Embeddings of the samples, in files of about 64 MiB that are named after their first and last unit.",
    options=(REPETITIONS,),
    code_version=2,
)
strength_samples, strength_embeddings = _sample_set(
    STRENGTH,
    "Samples of the strength experiment: test images under each transformation at up to seven strengths.",
    "Embeddings of the samples of the strength experiment.",
    options=(STRENGTHS,),
    code_version=2,
)
rendering_samples, rendering_embeddings = _sample_set(
    RENDERING,
    "Images from every split, transformed by alternative implementations.",
    "Embeddings of the samples in `series/rendering.parquet`.",
    options=(ALTERNATIVES,),
    code_version=4,
)
layers_samples, layers_embeddings = _sample_set(
    LAYERS,
    "Samples from every split, for which embeddings from every layer are computed.",
    "Embeddings of the samples in `series/layers.parquet` from every layer.",
)


def embed(plan: Plan) -> Plan:
    """Materialize missing assets of the ``embed`` stage. The images of the run must have been selected.

    Returns:
        A plan that includes newly loaded models.
    """
    waiting = to_load(plan)
    with opened_executor(plan.snapshot) as executor:
        while True:
            loaded = list(_load_some(executor, plan, waiting))
            requests = {entry["name"]: entry["request"] for of_one in loaded for entry in of_one}
            if not requests.keys() <= plan.snapshot.models.keys():
                plan = plan.snapshot.with_loaded_models().plan(plan.graph)
            plan.resources.executor, plan.resources.requests = executor, requests
            partitions = [
                partition for partition in plan.select(EMBED) if partition.key.get("model") in {None, *requests}
            ]
            plan.materialize([partition for partition in partitions if partition.asset.compute_units is not None])
            executor.unload()
            waiting = waiting[len(loaded) :]
            if not waiting:
                return plan


def _load_some(executor: Executor, plan: Plan, requests: Sequence[str]) -> Iterator[Sequence[dict[str, Any]]]:
    """Load at least one model, and more if they fit into memory.

    Yields:
        The contents of the ``model.toml`` files for all layers of one model.
    """
    snapshot, store = plan.snapshot, plan.store
    for count, request in enumerate(requests):
        snapshot.progress.update("load", count, len(requests), f"Loading {request}")
        with withdrawn_on_error(store, snapshot.recipe, request):
            entries = executor.load(request)
            for entry in entries or ():
                if (joined := snapshot.models.get(entry["name"])) is not None:
                    require_joined(entry, joined)
                else:
                    store.write_toml(model_path(entry["name"]), entry, digest(entry["recipe"]))
        if entries is None and count:
            return  # the caller closes the loaded models before it loads this one
        if entries is None:
            raise ModelUnavailable(
                f"'{request}' does not fit into the memory of the device '{snapshot.options.device}'. "
                f"Choose a smaller model, a lower precision, or the CPU."
            )
        yield entries


def to_load(plan: Plan) -> list[str]:
    snapshot = plan.snapshot
    left = {partition.key.get("model") for partition in plan.pending(plan.select(EMBED))}
    incomplete = {entry["request"] for name, entry in snapshot.models.items() if name in left} | set(snapshot.unloaded)
    return [request for request in snapshot.recipe.models if request in incomplete]
