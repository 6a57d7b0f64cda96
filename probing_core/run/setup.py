"""How a run is opened or started: its recipe and corpora, and the entries of catalogs that only this process has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from probing_core.cores import cores
from probing_core.corpora import KINDS, absolute_name, open_corpus
from probing_core.corpora.base import Corpus, CorpusKind
from probing_core.errors import BadConfig, BadCorpus, BadRun, ProbingError, UnknownName
from probing_core.models import CATALOG as MODELS
from probing_core.models import PUBLISHED_VIEW, EmbedderSpec, bundled, find_spec, parse
from probing_core.models import expand as expand_models
from probing_core.models import register as register_model
from probing_core.paths import refuse_address
from probing_core.run.layout import JOURNAL, LOG, MANIFEST, RECIPE, TEMPORARY, is_model_path
from probing_core.run.models import model_entries
from probing_core.run.options import Options
from probing_core.run.recipe import Recipe, read_recipe, write_recipe
from probing_core.run.store import RunFiles, Store, digest
from probing_core.transforms import CATALOG as TRANSFORMS
from probing_core.transforms import expand, resolve
from probing_core.transforms.base import Transform


class Corpora:
    """The corpora of a run, each opened when it is first needed, unless it is given."""

    def __init__(self, recipe: Recipe, own: Corpus | None = None, calibrating: Sequence[Corpus] = ()) -> None:
        self._recipe, self._own, self._calibrating = recipe, own, calibrating

    @cached_property
    def own(self) -> Corpus:
        """The corpus of the run; errors as of `all`."""
        return self._own or open_same_corpus(self._recipe)

    @cached_property
    def all(self) -> list[Corpus]:
        """The corpus of the run, then those that verdicts are calibrated on.

        Raises:
            BadRun: one of them has changed.
        """
        named = zip(self._recipe.calibrate_on, self._recipe.calibrate_fingerprints, strict=True)
        calibration = self._calibrating or [
            _open_same(name, fingerprint, "--calibrate-on") for name, fingerprint in named
        ]
        return [self.own, *calibration]

    @property
    def skipped_summary(self) -> str:
        """What of the run's corpus could not be read; empty where it was not opened yet."""
        return "" if self._own is None else self._own.skipped_summary


def open_or_start(store: Store, options: Options) -> tuple[Recipe, Corpora]:
    """Return what `asked_for` does, and write the recipe if it has changed."""
    recipe, corpora = asked_for(store, options)
    if not store.has(RECIPE, digest(recipe.to_toml())):
        write_recipe(store, recipe)
    return recipe, corpora


def asked_for(
    store: Store,
    options: Options,
    link: Callable[[Path, Path], object] = os.link,
    require: Callable[[str], object] = find_spec,
) -> tuple[Recipe, Corpora]:
    """Return the recipe of the run with models that join, and its corpora; nothing of an existing run is written.

    With ``--base``, a new run starts as a copy of that run, whose files are linked by ``link``. ``require`` is called
    with the name of each requested model, and raises if the model is not available.

    A corpus is identified by its fingerprint: one that has moved, named by ``--corpus``, is noted in the recipe, and
    the run continues with it.

    Raises:
        BadRun: the run has a different recipe; the sentence names what differs.
        UnknownName: there is no such model or transform.
    """
    named = expand_models(options.models or ())
    for name in named:
        require(name)  # a wrong name is refused before anything is written
    for name in with_identity(options.transforms):
        resolve(name)
    models = tuple(parse(name).full for name in named) or None
    if options.base is not None:
        _copy_base(store, Path(options.base), models, link)
    if not store.has(RECIPE):
        corpus = open_corpus("photos" if options.corpus is None else options.corpus)
        calibrating = [open_corpus(name) for name in options.calibrate_on or ()]
        recipe = _new_recipe(options, corpus, calibrating, models)
        return recipe, Corpora(recipe, corpus, calibrating)
    recipe = read_recipe(store)
    elsewhere = next(iter(_named_again([options.corpus] if options.corpus else (), [recipe.corpus])), None)
    calibrating = _named_again(options.calibrate_on or (), recipe.calibrate_on)
    requested = options.entries()
    if options.transforms:
        requested["transforms"] = with_identity(options.transforms)
    if elsewhere:
        requested |= {"fingerprint": elsewhere.fingerprint, "corpus": absolute_name(elsewhere.name)}
    if calibrating:
        requested["calibrate_fingerprints"] = tuple(corpus.fingerprint for corpus in calibrating)
        requested["calibrate_on"] = tuple(absolute_name(corpus.name) for corpus in calibrating)
    updated = replace(recipe, **requested)
    if differences := recipe.differences(updated):
        differences = [_by_name(difference, recipe, elsewhere, calibrating) for difference in differences]
        raise BadRun(
            f"The run '{store.root}' has a different recipe ({'; '.join(differences)}, there / here); "
            f"only models may join it. Choose a different --out."
        )
    joined = replace(updated, models=tuple(dict.fromkeys((*recipe.models, *(models or ())))))
    return joined, Corpora(joined, elsewhere, calibrating)


def _copy_base(store: Store, base: Path, models: Sequence[str] | None, link: Callable[[Path, Path], object]) -> None:
    """Start a run as a copy of the run in ``base``, unless it is one already.

    Raises:
        BadConfig: no model is named that could join.
        BadRun: there is no run in ``base``, or this one exists and is no copy of it.
    """
    if store.copied_from is not None and store.copied_from.resolve() == base.resolve():
        return
    if not RunFiles(base).has(RECIPE):
        raise BadRun(f"'{base}' is not a run that models could join. Give a run directory to --base.")
    if store.has(RECIPE):
        is_a = f"a copy of '{store.copied_from}'" if store.copied_from else "no copy of a different run"
        raise BadRun(f"The run '{store.root}' is {is_a}, and --base names '{base}'. Choose a different --out.")
    if not models:
        raise BadConfig("Models join the run of --base, and none is named. Name them with --models.")
    read_recipe(RunFiles(base))
    store.copy_from(base, link)


def _by_name(difference: str, recipe: Recipe, corpus: Corpus | None, calibrating: Sequence[Corpus]) -> str:
    if corpus and difference.startswith("fingerprint: "):
        return f"corpus: {recipe.corpus} / {corpus.name}"
    if difference.startswith("calibrate_fingerprints: "):
        return f"calibrate_on: {', '.join(recipe.calibrate_on)} / {', '.join(other.name for other in calibrating)}"
    return difference


def _named_again(names: Sequence[str], recorded: Sequence[str]) -> list[Corpus]:
    """Return all corpora ``names`` if one of them is not named as in ``recorded``; they may be the same corpora."""
    return (
        [open_corpus(name) for name in names] if names and [absolute_name(n) for n in names] != list(recorded) else []
    )


def _new_recipe(
    options: Options,
    corpus: Corpus,
    calibrating: Sequence[Corpus],
    models: tuple[str, ...] | None,
) -> Recipe:
    usual = dict(corpus.recipe)
    learned = with_identity(usual.pop("transforms", ("bank",)))
    entries = usual | options.entries()
    if options.view is None and "published" in (options.models or ()):
        entries["view"] = PUBLISHED_VIEW
    if options.calibrate_on:
        entries["calibrate_on"] = tuple(absolute_name(other.name) for other in calibrating)
        entries["calibrate_fingerprints"] = tuple(other.fingerprint for other in calibrating)
    transforms = with_identity(options.transforms) or learned
    if all(resolve(name).far for name in transforms if name != "identity"):
        raise BadConfig(
            "A run needs a transformation that probes learn, and all that were named are unseen styles; "
            "try --transforms bank,far-styles."
        )
    return Recipe(
        corpus=absolute_name(corpus.name),
        fingerprint=corpus.fingerprint,
        transforms=transforms,
        models=models or bundled(),
        threads=cores(),
        **entries,
    )


def with_identity(names: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return ``names`` with identity first, as in the bank: every run has it."""
    return ("identity", *(name for name in expand(names) if name != "identity")) if names else ()


@contextmanager
def withdrawn_on_error(store: Store, recipe: Recipe, request: str) -> Iterator[None]:
    """Remove the model of ``request`` from the recipe if an error is raised inside, since the run could not be
    completed; not where the run holds the model, or did before it was damaged, or the model is the only one."""
    try:
        yield
    except ProbingError as error:
        remaining = tuple(name for name in recipe.models if name != request)
        has_files = any(request in (entry["request"], entry["name"]) for entry in model_entries(store))
        if not remaining or has_files or any(map(is_model_path, store.lost)):
            raise
        write_recipe(store, replace(recipe, models=remaining))
        error.args = (f"{error} The model was removed from the run; the rest can continue.",)
        raise


def open_same_corpus(recipe: Recipe) -> Corpus:
    """Return the corpus of a run that exists.

    Raises:
        BadRun: it has changed.
    """
    return _open_same(recipe.corpus, recipe.fingerprint, "--corpus")


def _open_same(name: str, fingerprint: str, option: str) -> Corpus:
    try:
        corpus = open_corpus(name)
    except (BadCorpus, UnknownName) as error:
        raise BadRun(f"{error} If the corpus has moved, name it with `probing run {option}`.") from error
    if corpus.fingerprint != fingerprint:
        raise BadRun(
            f"The corpus '{name}' has changed since the run was started (images or labels). "
            f"Name the original one with `probing run {option}`, or make a new run."
        )
    return corpus


def refuse_other_folder(store: Store) -> None:
    """Refuse a folder that is no run and not empty, with `BadRun`: none of it may be lost."""
    refuse_address(store.root)
    is_run = store.entry(RECIPE) is not None and store.path(RECIPE).exists()
    if is_run or not store.root.is_dir():
        return
    existing = {path.name for path in store.root.iterdir() if not path.name.endswith(TEMPORARY)} - {LOG}
    if existing - {RECIPE, JOURNAL}:  # only these exist in a run that was killed as it began
        some = ", ".join(sorted(existing)[:3]) + (", ..." if len(existing) > 3 else "")
        raise BadRun(
            f"'{store.root}' is no run (or has lost its {RECIPE} or {MANIFEST}) and holds other files ({some}); "
            f"choose another folder."
        )


@contextmanager
def cleared_on_error(store: Store, new: bool) -> Iterator[None]:
    """Remove the files of a ``new`` run that is refused before anything was computed: they would bind the next try."""
    try:
        yield
    except ProbingError:
        computed = [name for name, entry in store.entries("").items() if "pinned" not in entry and name != RECIPE]
        if new and not computed:
            store.clear()
        raise


Entry = EmbedderSpec | Transform | CorpusKind


def register(entry: Entry | Corpus) -> None:
    """Add a model, a transformation or a corpus to this process, where its name is usable like any other.

    Registering a name again replaces the entry. ``probing --plugin FILE.py`` runs a file that does so before a command;
    its name is given on a command line alone, and never by a page.

    Args:
        entry: a model as `probing_core.models.from_callable` and ``from_module`` make it; a `Transform`; a kind of
            corpora, or one opened corpus.

    Raises:
        BadConfig: the project has something of that name, or it is none of these.
    """
    if isinstance(entry, EmbedderSpec):
        register_model(entry)
    elif isinstance(entry, Transform):
        TRANSFORMS.add(entry)
    elif isinstance(entry, CorpusKind):
        KINDS.add(entry)
    elif isinstance(entry, Corpus):
        kind = CorpusKind(
            name=entry.name, description=entry.description, license="its own", open=lambda argument: entry
        )
        KINDS.add(kind)
    else:
        raise BadConfig(
            f"A model (from_callable, from_module), a Transform, a CorpusKind or a Corpus is registered; got "
            f"{type(entry).__name__}."
        )


def registered(recipe: Recipe) -> tuple[Entry, ...]:
    """Return the entries that a recipe names and only this process has."""
    named = {
        *(parse(model).base for model in recipe.models),
        *recipe.transforms,
        recipe.corpus.partition(":")[0],
    }
    added: tuple[Entry, ...] = (*MODELS.added, *TRANSFORMS.added, *KINDS.added)
    return tuple(entry for entry in added if entry.name in named)
