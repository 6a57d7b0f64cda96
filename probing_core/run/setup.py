"""Open and start runs, and register models, transformations and corpora."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from probing_core.cores import cores
from probing_core.corpora import KINDS, absolute_name, open_corpus
from probing_core.corpora.corpus import Corpus, CorpusKind
from probing_core.errors import BadConfig, BadCorpus, BadRun, ProbingError, UnknownName
from probing_core.models import CATALOG as MODELS
from probing_core.models import PUBLISHED_VIEW, EmbedderSpec, bundled, find_spec, parse
from probing_core.models import expand as expand_models
from probing_core.models import register as register_model
from probing_core.paths import refuse_address
from probing_core.run.directory import RunDirectory
from probing_core.run.layout import BASE, DONE, LOG, RECIPE, TEMPORARY, is_model_path
from probing_core.run.models import model_entries
from probing_core.run.options import Options
from probing_core.run.recipe import Recipe, read_recipe, write_recipe
from probing_core.run.run_files import RECIPE_STEP, RunFiles, copied_from
from probing_core.transforms import CATALOG as TRANSFORMS
from probing_core.transforms import expand, resolve
from probing_core.transforms.transformation import Transform


class Corpora:
    """The corpora of a run. Each corpus is opened when it is first needed."""

    def __init__(self, recipe: Recipe, own: Corpus | None = None, calibrating: Sequence[Corpus] = ()) -> None:
        self._recipe, self._own, self._calibrating = recipe, own, calibrating

    @cached_property
    def own(self) -> Corpus:
        """The corpus of the run.

        Raises:
            BadRun: the corpus is missing or has changed.
        """
        return self._own or open_same_corpus(self._recipe)

    @cached_property
    def all(self) -> list[Corpus]:
        """The corpus of the run, followed by the calibration corpora.

        Raises:
            BadRun: a corpus is missing or has changed.
        """
        named = zip(self._recipe.calibrate_on, self._recipe.calibrate_fingerprints, strict=True)
        calibration = self._calibrating or [
            _open_same(name, fingerprint, "--calibrate-on") for name, fingerprint in named
        ]
        return [self.own, *calibration]

    @property
    def skipped_summary(self) -> str:
        """Summary of files that were skipped in the corpus of the run, or an empty string."""
        return "" if self._own is None else self._own.skipped_summary


def open_or_start(store: RunDirectory, options: Options) -> tuple[Recipe, Corpora]:
    """Open or start a run (see `asked_for`), and write its recipe if it is new or has changed."""
    recipe, corpora = asked_for(store, options)
    if not store.has(RECIPE) or recipe != read_recipe(store):
        write_recipe(store, recipe)
    return recipe, corpora


def asked_for(
    store: RunDirectory,
    options: Options,
    start_copy: Callable[[RunDirectory, RunFiles], None] = RunDirectory.start_copy,
    require: Callable[[str], object] = find_spec,
) -> tuple[Recipe, Corpora]:
    """Determine the recipe and the corpora of a run from the requested options.

    The recipe is not written. With ``--base``, a new run is started as a copy of the base run. Corpora are identified
    by their fingerprints, so ``--corpus`` can set the new location of a corpus that has moved.

    Args:
        start_copy: function that makes a run the base of a new run.
        require: function that is called with the name of each requested model. It raises an error if the model is not
            available.

    Returns:
        The recipe, including models to add, and the corpora.

    Raises:
        BadRun: the run has a different recipe. The message lists the differences.
        UnknownName: a model or transformation does not exist.
    """
    named = expand_models(options.models or ())
    for name in named:
        require(name)  # reject unknown names before any file is written
    for name in with_identity(options.transforms):
        resolve(name)
    models = tuple(parse(name).full for name in named) or None
    if options.base is not None:
        _copy_base(store, Path(options.base), models, start_copy)
    elif not store.has(RECIPE):
        store.remove_base()
    started = store if store.has(RECIPE) else store.base
    if started is None:
        corpus = open_corpus("photos" if options.corpus is None else options.corpus)
        calibrating = [open_corpus(name) for name in options.calibrate_on or ()]
        recipe = _new_recipe(options, corpus, calibrating, models)
        return recipe, Corpora(recipe, corpus, calibrating)
    recipe = read_recipe(started)
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
            f"The run '{store.root}' has a different recipe (run / request: {'; '.join(differences)}). Only models can "
            f"be added to an existing run. Choose another folder."
        )
    joined = replace(updated, models=tuple(dict.fromkeys((*recipe.models, *(models or ())))))
    return joined, Corpora(joined, elsewhere, calibrating)


def _copy_base(
    store: RunDirectory,
    base: Path,
    models: Sequence[str] | None,
    start_copy: Callable[[RunDirectory, RunFiles], None],
) -> None:
    """Start the run in ``store`` as a copy of the run in ``base``, unless it is already a copy of ``base``.

    Raises:
        BadConfig: there are no models to add.
        BadRun: ``base`` is not a run, or the run in ``store`` exists and is not a copy of ``base``.
    """
    origin = copied_from(store.root)
    if store.base is not None and store.has(RECIPE) and origin is not None and origin.resolve() == base.resolve():
        return
    if not RunFiles(base).has(RECIPE):
        raise BadRun(f"'{base}' is not a run directory, so no models can be added to it.")
    if store.has(RECIPE):
        is_a = f"a copy of '{origin}'" if origin else "not a copy of another run"
        raise BadRun(f"The run '{store.root}' is {is_a}, but the requested base is '{base}'. Choose another folder.")
    if not models:
        raise BadConfig("The names of the models to add to the base run are missing.", hint="Pass --models.")
    read_recipe(RunFiles(base))
    start_copy(store, RunFiles(base))


def _by_name(difference: str, recipe: Recipe, corpus: Corpus | None, calibrating: Sequence[Corpus]) -> str:
    if corpus and difference.startswith("fingerprint: "):
        return f"corpus: {recipe.corpus} / {corpus.name}"
    if difference.startswith("calibrate_fingerprints: "):
        return f"calibrate_on: {', '.join(recipe.calibrate_on)} / {', '.join(other.name for other in calibrating)}"
    return difference


def _named_again(names: Sequence[str], recorded: Sequence[str]) -> list[Corpus]:
    """Open the corpora in ``names`` if the names differ from the ``recorded`` names in the recipe.

    Different names can refer to the same corpus, so the caller must compare fingerprints.
    """
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
    if any(other.fingerprint == corpus.fingerprint for other in calibrating):
        raise BadConfig(
            f"'{corpus.name}' cannot be used for both probes and calibration. "
            f"Calibration requires different photographs.",
            hint="Pass different corpora to --corpus and --calibrate-on.",
        )
    if options.calibrate_on:
        entries["calibrate_on"] = tuple(absolute_name(other.name) for other in calibrating)
        entries["calibrate_fingerprints"] = tuple(other.fingerprint for other in calibrating)
    transforms = with_identity(options.transforms) or learned
    if all(resolve(name).far for name in transforms if name != "identity"):
        raise BadConfig(
            "A run needs transformations on which probes can be trained, but only unseen styles were specified.",
            hint="Pass --transforms bank,far-styles.",
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
    """Expand the ``names`` of transformations and put ``identity`` first. The result is empty if there are no names."""
    return ("identity", *(name for name in expand(names) if name != "identity")) if names else ()


@contextmanager
def withdrawn_on_error(store: RunDirectory, recipe: Recipe, request: str) -> Iterator[None]:
    """Return a context manager that removes a model from the recipe if an error occurs.

    The run can then be completed without the model. The model is not removed if it is the only model, or if the run
    already contains it (or may have contained it before files were corrupted).

    Args:
        request: name of the model in the recipe.
    """
    try:
        yield
    except ProbingError as error:
        remaining = tuple(name for name in recipe.models if name != request)
        has_files = any(request in (entry["request"], entry["name"]) for entry in model_entries(store))
        if not remaining or has_files or any(map(is_model_path, store.lost)):
            raise
        write_recipe(store, replace(recipe, models=remaining))
        error.args = (f"{error} The model was removed from the run, which can be resumed without it.",)
        raise


def open_same_corpus(recipe: Recipe) -> Corpus:
    """Open the corpus of an existing run.

    Raises:
        BadRun: the corpus is missing or has changed.
    """
    return _open_same(recipe.corpus, recipe.fingerprint, "--corpus")


def _open_same(name: str, fingerprint: str, option: str) -> Corpus:
    try:
        corpus = open_corpus(name)
    except (BadCorpus, UnknownName) as error:
        raise BadRun(
            f"{error} If the corpus has moved, specify its new location.",
            hint=f"Run `probing run` with {option} CORPUS.",
        ) from error
    if corpus.fingerprint != fingerprint:
        raise BadRun(
            f"The corpus '{name}' has changed since the run was started (images or labels). "
            f"Specify the original corpus, or start a new run.",
            hint=f"Run `probing run` with {option} CORPUS.",
        )
    return corpus


def refuse_other_folder(store: RunDirectory) -> None:
    """Check that a folder is a run, is empty, or does not exist, so that no other files are overwritten.

    Raises:
        BadRun: the folder contains other files, or a run that cannot be continued.
    """
    refuse_address(store.root)
    if not store.root.is_dir():
        return
    if RECIPE_STEP in store.records and (store.root / RECIPE).exists():
        if store.was_published:
            raise BadRun(
                f"The run '{store.root}' was published without its embeddings, so it cannot be continued. Add models "
                f"to a copy of the run.",
                hint="Pass the run as --base, and another folder as --out.",
            )
        return
    existing = {path.name for path in store.root.iterdir() if not path.name.endswith(TEMPORARY)}
    if RECIPE in existing and existing - {RECIPE, DONE.rstrip("/"), LOG}:
        read_recipe(store)  # the error message names the format of a run that was created by another version
    # A run that was killed at its start has only these files.
    if other := sorted(existing - {RECIPE, DONE.rstrip("/"), BASE, LOG}):
        some = ", ".join(other[:3]) + (", ..." if len(other) > 3 else "")
        raise BadRun(
            f"'{store.root}' is not a run (or its {RECIPE} is missing) and contains other files ({some}). "
            f"Choose another folder."
        )


@contextmanager
def cleared_on_error(store: RunDirectory, new: bool) -> Iterator[None]:
    """Return a context manager that removes the files of a ``new`` run if it fails before any results are computed."""
    try:
        yield
    except ProbingError:
        if new and not any(store.is_own(step) for step in store.records if step != RECIPE_STEP):
            store.clear()
        raise


Entry = EmbedderSpec | Transform | CorpusKind


def register(entry: Entry | Corpus) -> None:
    """Register a model, a transformation or a corpus in this process.

    An existing entry with the same name is replaced. ``probing --plugin FILE.py`` runs a file that registers entries
    before the command is executed. The dashboard does not support plug-ins.

    Examples:
        >>> from probing_core.models import from_callable
        >>> probing_core.register(from_callable("mine/first-pixel", lambda images: np.stack([i[0, 0] for i in images])))

    Args:
        entry: a model created with `probing_core.models.from_callable` or ``from_module``, a `Transform`, a
            `CorpusKind`, or an opened corpus.

    Raises:
        BadConfig: the name is reserved by the project, or the type of ``entry`` is not supported.
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
            f"Only a model (from_callable, from_module), a Transform, a CorpusKind or a Corpus can be registered; "
            f"got {type(entry).__name__}."
        )


def registered(recipe: Recipe) -> tuple[Entry, ...]:
    """Return the models, transformations and corpora in a recipe that were added in this process with `register`."""
    named = {
        *(parse(model).base for model in recipe.models),
        *recipe.transforms,
        recipe.corpus.partition(":")[0],
    }
    added: tuple[Entry, ...] = (*MODELS.added, *TRANSFORMS.added, *KINDS.added)
    return tuple(entry for entry in added if entry.name in named)
