"""The stages of a run in order: embed -> train -> evaluate -> project. Each does only what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from probing_core.corpora import open_corpus, same_name
from probing_core.corpora.base import Corpus
from probing_core.embedders import bundled, find_spec, parse
from probing_core.errors import BadConfig, BadRun, ProbingError
from probing_core.paths import data_dir
from probing_core.pipeline.embed import LEFT, Accept, embed, is_embedded, is_needed, plan_batches
from probing_core.runs.models import model_entries
from probing_core.runs.progress import SILENT, Progress
from probing_core.runs.recipe import Recipe, stands_for_probes
from probing_core.runs.samples import sample_key
from probing_core.runs.store import LOG, TEMPORARY, Store, digest
from probing_core.transforms import bank, expand, resolve

STAGES = ("embed", "train", "evaluate", "project")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asked for; None leaves it to the run that exists, or to the default.

    Attributes:
        corpus, view, models, transforms, limit, live_images, seed, repetitions: see `Recipe`.
        probes_from: directory of the run whose probes are used.
        device, precision: where and in what the models run; ``auto`` takes what pays on this machine.
        maps: which maps the stage ``project`` draws: ``all``, ``first`` or names of models of the run.
    """

    corpus: str | None = None
    view: int | None = None
    models: Sequence[str] | None = None
    transforms: Sequence[str] | None = None
    limit: int | None = None
    live_images: int | None = None
    seed: int | None = None
    repetitions: int | None = None
    probes_from: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    maps: str | Sequence[str] = "all"


def run(
    out: Path,
    options: Options = Options(),
    stages: Sequence[str] = STAGES,
    progress: Progress = SILENT,
) -> None:
    """Makes, or completes, the run in ``out``.

    Raises:
        ProbingError: bad input, or a run that another recipe made.
    """
    store = Store(out)
    if not store.has("run.toml") and "embed" not in stages:
        raise BadRun(f"'{out}' is not a run yet; `probing run --out {out}` makes one.")
    _refuse_foreign(store)
    with store.locked():
        recipe, corpus = open_or_start(store, options)
        progress.note("" if corpus is None else corpus.told_of_skipped)
        with _threads(recipe.threads), _begun(store, new=corpus is not None):
            for stage in stages:
                _stage(stage, store, recipe, corpus, options, progress)


@contextmanager
def _begun(store: Store, new: bool) -> Iterator[None]:
    """A run that is ``new`` and refused before anything was made leaves no recipe, which would bind the next try."""
    try:
        yield
    except ProbingError:
        if new and store.names() == ["run.toml"]:
            store.clear()
        raise


def export(source: Path, out: Path, options: Options = Options(), progress: Progress = SILENT) -> int:
    """Writes the transformed images of the run ``source``, begun if there is none, and their list into ``out``.

    Returns:
        How many images the list holds.

    Raises:
        ProbingError: bad input, a run that another recipe made, or a folder that holds something else.
    """
    from probing_core.pipeline.export_images import write_export

    store = Store(source)
    _refuse_foreign(store)
    with store.locked():
        recipe, corpus = open_or_start(store, options)
        progress.note("" if corpus is None else corpus.told_of_skipped)
        with _threads(recipe.threads), _begun(store, new=corpus is not None):
            return write_export(store, recipe, corpus or _same_corpus(recipe), out, progress)


def _refuse_foreign(store: Store) -> None:
    """Raises `BadRun` for a folder that is no run and holds something: none of it may be lost."""
    if store.has("run.toml") or not store.root.is_dir():
        return
    there = {path.name for path in store.root.iterdir() if not path.name.endswith(TEMPORARY)} - {LOG}
    if there - {"run.toml"}:  # that alone is of a run that was killed as it began
        some = ", ".join(sorted(there)[:3]) + (", ..." if len(there) > 3 else "")
        raise BadRun(
            f"'{store.root}' is no run (or has lost its run.toml or manifest.json) and holds other files ({some}); "
            f"choose another folder."
        )


def open_or_start(store: Store, options: Options) -> tuple[Recipe, Corpus | None]:
    """The recipe of the run, further models joined; and the corpus, where a new run had to open it.

    Raises:
        BadRun: the run was made by another recipe; the sentence names what differs.
        UnknownName: there is no such model or transform.
    """
    for name in options.models or ():
        find_spec(name)  # a wrong name is told before anything is written
    for name in _with_identity(options.transforms):
        resolve(name)
    models = tuple(parse(name).full for name in options.models) if options.models else None
    if not store.has("run.toml"):
        corpus = open_corpus("photos" if options.corpus is None else options.corpus)
        recipe = _new_recipe(options, corpus, models)
        store.write_toml("run.toml", recipe.to_toml(), digest(recipe.to_toml()))
        return recipe, corpus
    recipe = Recipe.from_toml(store.read_toml("run.toml"))
    asked: dict[str, Any] = {
        "corpus": None if options.corpus and same_name(options.corpus, recipe.corpus) else options.corpus,
        "view": options.view,
        "transforms": _with_identity(options.transforms) or None,
        "limit": options.limit,
        "live_images": options.live_images,
        "seed": options.seed,
        "repetitions": options.repetitions,
        "probes_from": probes_digest(options.probes_from) if options.probes_from else None,
    }
    wanted = replace(recipe, **{k: v for k, v in asked.items() if v is not None})
    differences = recipe.differences(wanted)
    if differences:
        raise BadRun(
            f"The run '{store.root}' was made by another recipe ({'; '.join(differences)}, there / here); "
            f"only models may join it. Choose another --out."
        )
    joining = [name for name in models or () if name not in recipe.models]
    if joining and (source := _probe_source(recipe, options)):
        _require_probes(source, joining)
    joined = replace(recipe, models=tuple(dict.fromkeys((*recipe.models, *(models or ())))))
    if joined != recipe:
        store.write_toml("run.toml", joined.to_toml(), digest(joined.to_toml()))
    return joined, None


def _new_recipe(options: Options, corpus: Corpus, models: tuple[str, ...] | None) -> Recipe:
    learned = tuple(transform.name for transform in bank())
    given: dict[str, Any] = {
        "view": options.view,
        "limit": options.limit,
        "live_images": options.live_images,
        "seed": options.seed,
        "repetitions": options.repetitions,
    }
    if options.probes_from is not None:
        given["probes_from"] = probes_digest(options.probes_from)
        source = Recipe.from_toml(Store(options.probes_from).read_toml("run.toml"))
        if options.view not in (None, source.view):
            raise BadConfig(
                f"The probes of '{options.probes_from}' learned from views of {source.view} pixels, and --view asks "
                f"for {options.view}; leave it out."
            )
        given["view"] = source.view
        models = models or tuple(name for name in source.models if name in bundled())
        learned = tuple(name for name in source.transforms if not resolve(name).far)
        _require_probes(Store(options.probes_from), models)
    transforms = _with_identity(options.transforms) or learned
    if all(resolve(name).far for name in transforms if name != "identity"):
        raise BadConfig(
            "A run needs a transformation that probes learn, and all that were named are of the far-unseen tier; "
            "try --transforms bank,far-styles."
        )
    return Recipe(
        corpus=corpus.name,
        fingerprint=corpus.fingerprint,
        transforms=transforms,
        models=models or bundled(),
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        **{k: v for k, v in given.items() if v is not None},
    )


def _with_identity(names: Sequence[str] | None) -> tuple[str, ...]:
    """Every run has identity, whether it was named or not; first, as in the bank."""
    return ("identity", *(name for name in expand(names) if name != "identity")) if names else ()


def probes_digest(source: Path) -> str:
    """What stands for the probes of the run ``source`` in a recipe: its own recipe, models apart."""
    store = Store(source)
    if not store.has("run.toml"):
        raise BadRun(f"'{source}' is not a run, so no probes can be taken from it; give a run's directory.")
    return stands_for_probes(Recipe.from_toml(store.read_toml("run.toml")))


def _stage(
    stage: str, store: Store, recipe: Recipe, corpus: Corpus | None, options: Options, progress: Progress
) -> None:
    if stage == "embed":
        if not _embedded(store, recipe):
            corpus = corpus or _same_corpus(recipe)
            accept = _accept(store, recipe, _probe_source(recipe, options))
            embed(store, recipe, corpus, progress, options.device, options.precision, accept, _leave(store, recipe))
        for name in store.names("units/"):  # left by a kill while they were removed: their tables are there
            store.remove(name)
    elif stage == "train":
        from probing_core.pipeline.train import train

        if not _embedded(store, recipe):
            raise BadRun(
                f"The run '{store.root}' lacks embeddings that its probes learn from; "
                f"`probing embed --run {store.root}` makes them."
            )
        source = _probe_source(recipe, options)
        train(store, recipe, progress, source)
    elif stage == "evaluate":
        from probing_core.pipeline.claims import judge
        from probing_core.pipeline.evaluate import evaluate
        from probing_core.pipeline.studies import study

        evaluate(store, recipe, progress)
        study(store, recipe, progress)
        judge(store, recipe)
    elif stage == "project":
        from probing_core.pipeline.maps import project

        project(store, recipe, options.maps, progress)
    else:
        raise BadConfig(f"There is no stage '{stage}'. There are: {', '.join(STAGES)}.")


def _require_probes(source: Store, models: Sequence[str]) -> None:
    """Refuses names of models that the run ``source`` has no probes of, before anything is written."""
    there = {entry.get("request", entry["name"]) for entry in model_entries(source)}
    if strangers := [name for name in models if name not in there]:
        raise BadRun(
            f"The run that the probes are taken from has no '{strangers[0]}'; it has: {', '.join(sorted(there))}."
        )


def _accept(store: Store, recipe: Recipe, source: Store | None) -> Accept:
    """Refuses a model that embeds differently than in the run ``source``, whose probes are used, before it embeds
    anything; it leaves the recipe again, or the run could never be completed."""

    def accept(entry: dict[str, Any]) -> None:
        from probing_core.runs.models import refuse_stranger

        if source is None:
            return
        try:
            refuse_stranger(entry, source)
        except BadRun as error:
            if not _leave(store, recipe)(entry["request"]):
                raise
            raise BadRun(f"{error} {LEFT}") from error

    return accept


def _leave(store: Store, recipe: Recipe) -> Callable[[str], bool]:
    """Takes a model that cannot join out of the recipe, if others are left, and says whether that was done."""

    def leave(request: str) -> bool:
        joined = {entry.get("request", entry["name"]) for entry in model_entries(store)}
        others = replace(recipe, models=tuple(name for name in recipe.models if name != request))
        if request in joined or not others.models:
            return False
        store.write_toml("run.toml", others.to_toml(), digest(others.to_toml()))
        return True

    return leave


def _embedded(store: Store, recipe: Recipe) -> bool:
    """Whether nothing is missing; told from the manifest alone, so that a second call needs no corpus and no model."""
    if not store.has("images.parquet", sample_key(recipe)):
        return False
    batches = plan_batches(recipe, store.read_table("images.parquet"))
    return all(store.has(batch.table, batch.key) for batch in batches if is_needed(store, batch)) and all(
        is_embedded(store, name, batches) for name in recipe.models
    )


def _same_corpus(recipe: Recipe) -> Corpus:
    corpus = open_corpus(recipe.corpus)
    if corpus.fingerprint != recipe.fingerprint:
        raise BadRun(
            f"The corpus '{recipe.corpus}' is no longer the one that the run was begun with (its pictures or labels "
            f"changed); make a new run."
        )
    return corpus


def _probe_source(recipe: Recipe, options: Options) -> Store | None:
    """The run whose probes are used: the one that was named, or one of the project's own that has these probes."""
    if not recipe.probes_from:
        return None
    if options.probes_from is not None:
        return Store(options.probes_from)
    runs = data_dir() / "runs"
    for path in (data_dir() / "reference", *(sorted(runs.iterdir()) if runs.is_dir() else ())):
        if Store(path).has("run.toml") and probes_digest(path) == recipe.probes_from:
            return Store(path)
    raise BadRun("The run takes its probes from another run; name it again with --probes-from RUN.")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Numerical libraries on ``count`` threads: their number decides the order of sums, so it is part of the recipe."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)
