"""Score an encoder in one call, or compute the transformed images for an encoder that runs elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar, overload

import cv2
import numpy as np
import pandas as pd
import PIL
import scipy
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from probing_core.arguments import INTEGER, NAMES, TEXT, checked
from probing_core.compute.sampling.samples import SamplePlan, choose_images, make_pair
from probing_core.compute.task_names import FRAMING, LAYERS, MAIN, STRENGTH
from probing_core.cores import cores
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.corpora.data_sets import ArrayCorpus
from probing_core.errors import BadArray, BadConfig, UnknownName, without_controls
from probing_core.models import CATALOG as MODELS
from probing_core.models import (
    EmbedderSpec,
    Preprocessing,
    from_array,
    from_callable,
    load_embedder,
    module_function,
    parse,
)
from probing_core.models.providers.callables import UNSTEADY, to_numpy
from probing_core.paths import user_path
from probing_core.results.run import Run
from probing_core.results.scores import Scores, scores_of_model
from probing_core.run.directory import RunDirectory
from probing_core.run.options import DEFAULTS
from probing_core.run.pipeline import complete_with, score_model
from probing_core.run.progress import Progress, in_one_line
from probing_core.run.recipe import VIEW, Recipe
from probing_core.run.run_files import digest
from probing_core.run.setup import Corpora, with_identity
from probing_core.run.work import Work
from probing_core.transforms.transformation import Image
from probing_core.transforms.view import prepare_source
from probing_core.version import VERSION

if TYPE_CHECKING:
    from torch import nn

IMAGES_CACHED = 64

ANY = "any"
"""Placeholder for the model in a recipe without models."""


class Samples(Sequence[Image]):
    """Sequence of transformed images, (view, view, 3) ``uint8``, computed on access.

    Samples can be pickled and used with a torch ``DataLoader``. Iteration computes several images in parallel.

    Args:
        corpus: corpus of the original images.
        recipe: recipe of the samples.
        images: image table of ``corpus``, if it is known which images can be used. By default, all images are read to
            find out.
    """

    def __init__(self, corpus: Corpus, recipe: Recipe, images: pd.DataFrame | None = None) -> None:
        self.corpus, self.recipe, self._images = corpus, recipe, images
        self._design = recipe.design
        self._by_name = {transform.name: transform for transform in self._design.transforms}
        self._source = lru_cache(IMAGES_CACHED)(self._prepare_source)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickling, including the sample plan, so other processes need not read all images."""
        _ = self._plan
        return {name: value for name, value in self.__dict__.items() if name != "_source"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._source = lru_cache(IMAGES_CACHED)(self._prepare_source)

    def _prepare_source(self, image_id: str) -> Image:
        return prepare_source(self.corpus.load(image_id), self.recipe.view)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Table with one row per sample.

        The columns are ``image_id``, ``base_id`` (ID of the photograph), ``label``, ``split``, ``transform``,
        ``group``, ``repetition`` and ``draw``.
        """
        return self._plan.rows().drop(columns="sample")

    @cached_property
    def _plan(self) -> SamplePlan:
        images = self._images
        if images is None:
            images = choose_images(self._design, self.corpus, lambda completed, total: None)
        return SamplePlan(self._design, images)

    def __len__(self) -> int:
        return len(self._plan)

    @overload
    def __getitem__(self, key: int) -> Image: ...

    @overload
    def __getitem__(self, key: slice) -> list[Image]: ...

    def __getitem__(self, key: int | slice) -> Image | list[Image]:
        if isinstance(key, slice):
            return [self._make(place) for place in range(len(self))[key]]
        return self._make(range(len(self))[key])

    def __iter__(self) -> Iterator[Image]:
        with ThreadPoolExecutor(self.recipe.threads) as pool:
            for unit in self._plan.units:
                yield from pool.map(self._make, range(unit.start, unit.stop))

    def _make(self, place: int) -> Image:
        row = self.table.iloc[place]
        transform = self._by_name[row["transform"]].for_split(row["split"])
        numbers = int(row["repetition"]), int(row["draw"])
        return make_pair(self._source(row["image_id"]), self._design, transform, row["image_id"], *numbers)[1]


@checked(labels=NAMES, transforms=NAMES)
def samples(
    images: Any = None,
    *,
    labels: Sequence[str] | None = None,
    transforms: str | Sequence[str] = "bank",
    limit: int | None = None,
    view: int = VIEW,
    seed: int = 0,
) -> Samples:
    """Return the transformed images that `score` embeds, for an encoder that runs elsewhere.

    Embed the samples in order, and pass the embeddings (N, D) and the samples to `score`.

    Examples:
        >>> samples = probing_core.samples("photos", transforms=["jpeg"], limit=4)
        >>> len(samples), samples[0].shape
        (12, (128, 128, 3))

    Args:
        images: as in `score`.
        labels: as in `score`.
        transforms: names of transformations or sets, as in ``--transforms``.
        limit: maximum number of images, distributed evenly over photographs; by default all images.
        view: view size in pixels.
        seed: random seed.

    Raises:
        ProbingError: the images cannot be used; the message explains how to fix the problem.
    """
    recipe = Recipe(  # validated before images are read
        corpus="",
        fingerprint="",
        transforms=with_identity((transforms,) if isinstance(transforms, str) else transforms),
        models=(ANY,),
        limit=limit,
        view=view,
        seed=seed,
        threads=cores(),
    )
    corpus = corpus_of(images, labels, limit, seed)
    return Samples(corpus, replace(recipe, corpus=corpus.name, fingerprint=corpus.fingerprint))


def corpus_of(images: Any, labels: Sequence[str] | None, limit: int | None, seed: int) -> Corpus:
    """Convert the ``images`` argument of `score` and `samples` to a corpus.

    Args:
        images: a corpus, which is returned unchanged; a folder or the name of a corpus; images or a dataset in memory;
            or None for the included photographs (the corpus ``reference``).
        labels: content labels of images in memory.
        limit: number of requested images, as in `ArrayCorpus`; only used for images in memory.
        seed: random seed; only used for images in memory.

    Raises:
        ProbingError: the corpus does not exist, images cannot be read, or labels were given with a folder.
    """
    if isinstance(images, Corpus):
        return images
    if images is None:
        images = "reference"
    if not isinstance(images, str | Path):
        return ArrayCorpus(images, labels, limit, seed)
    if labels is not None:
        raise BadConfig(
            "Labels can only be passed with a list of images or a dataset. For a folder, the subfolder names are the "
            "labels."
        )
    if user_path(images).is_dir():
        return open_corpus(f"folder:{images}")
    try:
        return open_corpus(str(images))
    except UnknownName as error:
        raise UnknownName(f"'{images}' is not a folder. {error}") from error


MAX_CACHE_BYTES = 2 * 2**30
"""Maximum size of all cached results in bytes; the least recently used results are removed first."""


def name_of(encoder: Any) -> str:
    """Return the default name of an encoder in tables.

    The name consists of ``my/`` and the name of the function or class, or ``encoder`` if it has no valid name.

    Examples:
        >>> name_of(np.mean), name_of(lambda images: images), name_of(np.zeros((2, 3)))
        ('my/mean', 'my/encoder', 'my/encoder')
    """
    name = "" if isinstance(encoder, np.ndarray) else getattr(encoder, "__name__", type(encoder).__name__)
    return f"my/{name}" if name.isidentifier() else "my/encoder"


@checked(labels=NAMES, transforms=NAMES, name=TEXT, device=TEXT, batch_size=INTEGER)
def score(
    encoder: str | Callable[[Sequence[np.ndarray]], np.ndarray] | nn.Module | np.ndarray,
    images: Any = None,
    *,
    preprocess: Callable[[Any], Any] | None = None,
    labels: Sequence[str] | None = None,
    transforms: str | Sequence[str] | None = None,
    limit: int | None = None,
    view: int | None = None,
    seed: int | None = None,
    studies: bool = False,
    maps: bool = False,
    name: str | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    cache: bool = True,
    progress: bool | Progress | None = None,
) -> Scores:
    """Measure what the embeddings of an encoder encode besides content, using linear probes for transformations.

    This is a run with one model in a cache folder: the images are transformed and embedded, a linear probe is trained
    for each task on the embeddings of the training photographs, and its predictions for the test photographs are scored
    (`probing_core.run.pipeline.score_model`).

    Examples:
        >>> probing_core.score("baseline/dhash", "photos", limit=20)  # doctest: +SKIP

    Args:
        encoder: a model name, as in ``probing run --models``; a function that maps N images (H, W, 3) ``uint8`` to
            (N, D); a ``torch.nn.Module`` that maps a batch (N, 3, H, W) to (N, D) and is called in eval mode; or the
            embeddings (N, D) of `samples`, in order.
        images: a folder; a corpus as in ``--corpus``; a list of arrays (H, W, 3) ``uint8``, Pillow images or paths; a
            torch dataset (items are images, or pairs of an image and its label) or a Hugging Face dataset; or
            `samples`. By default, the included photographs (the corpus ``reference``) are used.
        preprocess: function that converts a Pillow image to a tensor (C, H, W) for a module, as in torchvision, timm
            and open_clip. By default, values are scaled to [0, 1], the shorter side is resized to ``view`` (bicubic)
            and the center is cropped.
        labels: content labels if ``images`` is a list or a dataset; by default the labels of the dataset.
        transforms: names of transformations or sets, as in ``--transforms``; by default the bank.
        limit: maximum number of images, distributed evenly over photographs; by default all images.
        view: view size in pixels; by default 128.
        seed: random seed; by default 0.
        studies: whether to also compute the studies of a run. Their tables are in `Scores.run`.
        maps: whether to compute a map of the embeddings.
        name: name of a function, module or array of embeddings in the table and in error messages; by default ``my/``
            followed by the name of the function or class, or ``my/encoder``.
        device: device of a model or module, as in `load_embedder`; ``auto`` does not move a module.
        batch_size: number of images per call of a function or module; by default 64.
        cache: whether to cache the result (embeddings and predictions, but no images) for the next call.
        progress: whether to display progress (by default, in terminals and notebooks), or an object that receives
            progress updates.

    Returns:
        The scores, with a readable `repr`. `Scores.table` has one row per score.

    Raises:
        ProbingError: the encoder or the images cannot be used; the message explains how to fix the problem.
    """
    if not cache and (studies or maps):
        raise BadConfig("Studies and maps require the cache.", hint="Omit cache=False.")
    chosen: dict[str, Any] = {"labels": labels, "transforms": transforms, "limit": limit, "view": view, "seed": seed}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    if isinstance(images, Samples) and chosen:
        raise BadConfig(f"Samples are already transformed. Omit these arguments: {', '.join(chosen)}.")
    scored: Samples = images if isinstance(images, Samples) else samples(images, **chosen)
    name = name or name_of(encoder)
    if callable(encoder):
        encoder = function_of(encoder, preprocess, scored.recipe.view, device)
    if isinstance(encoder, str):
        return _scores_of_model(parse(encoder).full, scored, studies, maps, device, cache, progress)
    with MODELS.temporarily(spec_of(encoder, name, scored, batch_size)):
        return _scores_of_model(name, scored, studies, maps, device, cache, progress)


def _scores_of_model(
    model: str, scored: Samples, studies: bool, maps: bool, device: str, cache: bool, progress: bool | Progress | None
) -> Scores:
    recipes = recipes_of(model, device) if cache else {}
    if cache and is_unsteady(recipes):
        if studies or maps:
            raise BadConfig(
                f"'{model}' returns different embeddings for the same images, so its scores cannot be cached. Studies "
                f"and maps require cached scores. Make the encoder deterministic."
            )
        unsteady = f"'{model}' returns different embeddings in each call, so its scores are not cached."
        print(without_controls(unsteady), file=sys.stderr)
        cache = False
    bar = progress if isinstance(progress, Progress) else in_one_line(progress)
    read = lambda run, folder: scores_of_model(run, model, folder)  # noqa: E731
    experiments = (MAIN, STRENGTH, LAYERS, FRAMING) if studies else (MAIN,)
    steps = partial(score_model, studies=studies, maps=maps)
    return computed(scored, model, recipes, steps, experiments, device, cache, bar, read)


def is_unsteady(recipes: Mapping[str, dict[str, Any]]) -> bool:
    """Return whether a model is nondeterministic."""
    return any(recipe.get("answers") == UNSTEADY for recipe in recipes.values())


def recipes_of(model: str, device: str) -> Mapping[str, dict[str, Any]]:
    """Return everything that affects a model's embeddings, such as weights, preprocessing and library versions."""
    embedder = load_embedder(model, device=device)
    recipes = embedder.recipes()
    embedder.close()
    return recipes


def _versions() -> dict[str, str]:
    """Return the versions of the libraries that compute images and transformations."""
    modules = (cv2, np, PIL, scipy)
    return {module.__name__: module.__version__ for module in modules} | {"probing_core": VERSION}


Result = TypeVar("Result")


def computed(
    scored: Samples,
    model: str,
    recipes: Mapping[str, dict[str, Any]],
    steps: Callable[[Work], None],
    experiments: Sequence[str],
    device: str,
    cache: bool,
    progress: Progress,
    read: Callable[[Run, Path | None], Result],
) -> Result:
    """Compute a run, or open the cached run with the same inputs, and return the result of ``read``.

    Without ``cache``, the run is removed afterwards.

    Args:
        scored: samples that the model embeds.
        model: name of the model.
        recipes: recipes of the model (`LoadedEmbedder.recipes`), which are part of the cache key.
        steps: function that computes the steps of the run after the samples were embedded.
        experiments: names of the sample sets to embed.
        device: as in `load_embedder`.
        cache: whether to cache the run.
        progress: object that receives progress updates; it is closed at the end.
        read: function that returns the result, given the run and its directory, or None if the run is not cached.
    """
    recipe = replace(scored.recipe, models=(model,))
    options = replace(DEFAULTS, device=device)

    def compute(root: Path) -> Run:
        corpora = Corpora(recipe, scored.corpus)
        complete_with(steps, Work(RunDirectory(root), recipe, options, progress, corpora, experiments))
        return Run.open(root)

    try:
        if not cache:
            with TemporaryDirectory(prefix="probing-score-", ignore_cleanup_errors=True) as once:
                return read(compute(Path(once)), None)
        place = user_cache_path("probing-core", appauthor=False) / "scores"
        root = place / digest([recipe.without_models(), model, recipes, _versions()])
        with _used(root):
            if not root.exists():
                cached = f"Results are cached in {root} (without images; the cache uses at most 2 GB)."
                print(without_controls(cached), file=sys.stderr)
            result = read(compute(root), root)
            with suppress(OSError):  # the next call tries again
                _forget_oldest(place, root)
            return result
    finally:
        progress.close()


def spec_of(encoder: Any, name: str, scored: Samples, batch_size: int | None) -> EmbedderSpec:
    """Create a model spec named ``name`` for a function or for an array with the embeddings of the samples."""
    if parse(name).options:
        raise BadConfig(f"The name of an encoder must not contain options; got '{name}'.")
    if callable(encoder):
        return from_callable(name, encoder, batch_size=batch_size)
    if getattr(encoder, "ndim", None) is not None:
        return from_array(name, _array_of(encoder, scored), scored.table)
    raise BadConfig(
        f"An encoder must be a model name, a function that embeds a list of images, a torch.nn.Module or an array "
        f"(N, D) of embeddings; got {encoder!r:.80}."
    )


def function_of(encoder: Any, preprocess: Any, view: int, device: str) -> Callable[..., Any]:
    """Convert an encoder function or module to a function that embeds images."""
    torch = sys.modules.get("torch")  # modules exist only if torch was imported
    if torch is not None and isinstance(encoder, torch.nn.Module):
        return module_function(encoder, preprocess or Preprocessing((view, view)), device)
    if preprocess is not None:
        raise BadConfig("preprocess is only supported for a torch.nn.Module. A function receives the images unchanged.")
    return encoder


def _array_of(embeddings: Any, scored: Samples) -> np.ndarray:
    matrix = to_numpy(embeddings)
    if matrix.ndim == 0 or len(matrix) != len(scored):
        raise BadArray(
            f"An array of embeddings must have one row for each of the {len(scored):,} samples, in their order; got "
            f"shape {matrix.shape}."
        )
    return matrix


def _used(root: Path, timeout: float = -1) -> FileLock:
    """Return a lock for the cached run ``root`` that waits ``timeout`` seconds for other processes (-1: no limit)."""
    locks = root.parent.with_name("scores-in-use")
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / root.name, timeout=timeout, thread_local=False)


def _forget_oldest(place: Path, newest: Path) -> None:
    """Remove the least recently used results until the total size is at most `MAX_CACHE_BYTES`.

    The result ``newest`` and results in use are not removed.

    Raises:
        OSError: another process removed a result in the meantime.
    """
    newest.touch()
    oldest_first = sorted(place.iterdir(), key=lambda path: path.stat().st_mtime)
    sizes = {path: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in oldest_first}
    total = sum(sizes.values())
    for path in oldest_first:
        if path == newest or total <= MAX_CACHE_BYTES:
            return
        with suppress(Timeout), _used(path, timeout=0):
            shutil.rmtree(path, ignore_errors=True)
            total -= sizes[path]
