"""Duration of the stage ``embed`` of a run, relative to the total duration of its necessary steps.

The images are views of the packaged photographs with 176 px in one file, so that the run has only its main samples: no
larger images that are cut into crops, and no strength experiment.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from lab.benchmarks._common import VIT, random_vit, seconds_of
from lab.devtools.networks import forward_all
from probing_core.compute.runtime.parallel import one_core_threads
from probing_core.compute.sampling.samples import cut_units, plan_samples
from probing_core.compute.sampling.series import make_samples
from probing_core.compute.task_names import MAIN
from probing_core.corpora import open_corpus
from probing_core.corpora.corpus import Corpus
from probing_core.images import encode_png
from probing_core.models import bundled, load_embedder
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.network import NetworkEmbedder
from probing_core.run import embedding_worker
from probing_core.run.layout import IMAGES, RECIPE
from probing_core.run.options import Options
from probing_core.run.pipeline import run as make_run
from probing_core.run.recipe import Recipe
from probing_core.run.run_files import RunFiles
from probing_core.transforms.transformation import Image
from probing_core.transforms.view import source_side

VIEW = 128


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        vit: a network of timm.
        vit_images: images before transforms; each gives 32 samples, of which ViT-B/16 takes a tenth of a second each.
        models: by default all bundled ones; together they take a hundredth of a second for a sample.
        images: images for them: of fewer the start, a third of a second, would weigh more than in any run.
        rounds: the fastest counts: a machine that is busy for some seconds slows one of them.
    """

    vit: str = VIT
    vit_images: int = 4
    models: tuple[str, ...] = ()
    images: int = 64
    rounds: int = 2


SMALL = Size("test_vit", 1, ("baseline/pixels",), 1, 1)


def run(size: Size) -> dict[str, dict[str, float]]:
    """``run_cost``: ``ratio_vit_b_16`` and ``ratio_bundled``, the seconds of the stage ``embed``, models loaded, over
    those of its parts: each transformed image made and measured once by as many threads, each model's batches made by
    as many threads, and its forward passes over them, of the same size and precision; at most 1.05 is the aim."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = _corpus(Path(folder))
        vit = random_vit(Path(folder), size.vit)
        return {
            "run_cost": {
                "ratio_vit_b_16": _ratio(corpus, [vit], size.vit_images, rounds=1),
                "ratio_bundled": _ratio(corpus, size.models or bundled(), size.images, size.rounds),
            }
        }


def _corpus(folder: Path) -> str:
    photos = open_corpus("photos")
    side = source_side(VIEW)

    def small(image_id: str) -> bytes:
        image = photos.load(image_id)
        square = image[: min(image.shape[:2]), : min(image.shape[:2])]
        return encode_png(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA))

    rows = photos.rows[["image_id", "base_id", "label", "split", "license"]]
    table = rows.assign(image=[small(image_id) for image_id in rows["image_id"]])
    table.to_parquet(folder / "photos.parquet")
    return f"parquet:{folder / 'photos.parquet'}"


def _ratio(corpus: str, names: Sequence[str], images: int, rounds: int) -> float:
    """Return the duration of the run relative to its steps, each the minimum of ``rounds`` alternating measurements."""
    loaded = {name: load_embedder(name, device="cpu") for name in names}
    run_s, parts_of = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            run_s.append(seconds_of(partial(_embed, Path(out), corpus, loaded, images)))
            parts = _Parts(RunFiles(Path(out)), open_corpus(corpus))
            making = seconds_of(parts.make)
            preparing, forward = np.sum([parts.embed(embedder) for embedder in loaded.values()], axis=0)
            parts_of.append((making, preparing, forward))
    for embedder in loaded.values():
        embedder.close()
    making, preparing, forward = np.min(parts_of, axis=0)
    print(
        f"  {images} images, {len(names)} models: {min(run_s):.1f} s for making {making:.1f} s, batches "
        f"{preparing:.1f} s and forward passes {forward:.1f} s",
        file=sys.stderr,
        flush=True,
    )
    return round(min(run_s) / float(making + preparing + forward), 3)


def _embed(out: Path, corpus: str, loaded: dict[str, LoadedEmbedder], images: int) -> None:
    options = Options(corpus=corpus, view=VIEW, models=list(loaded), limit=images, device="cpu")
    with _reused(loaded):
        make_run(out, options, "embed")


@contextmanager
def _reused(loaded: dict[str, LoadedEmbedder]) -> Iterator[None]:
    """Make a run use models that are already in memory, without unloading them."""
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(embedding_worker, "load_embedder", lambda name, **_: loaded[name]))
        for embedder in loaded.values():
            patches.enter_context(mock.patch.object(embedder, "close"))
        yield


class _Parts:
    """The necessary steps of a run, executed sequentially, each on all cores."""

    def __init__(self, store: RunFiles, corpus: Corpus) -> None:
        self.recipe = Recipe.from_toml(store.read_toml(RECIPE))
        self.corpus = corpus
        self.planned = plan_samples(self.recipe.design, store.read_table(IMAGES))
        self.units = cut_units(self.recipe.design, self.planned)
        self.pictures: list[Image] = []

    def make(self) -> None:
        """Compute the images of the samples, and the measured columns of the table of samples."""
        with one_core_threads(self.recipe.threads) as pool:
            self.pictures, _ = make_samples(MAIN, self.recipe.design, self.corpus, self.planned, pool)

    def embed(self, embedder: LoadedEmbedder) -> tuple[float, float]:
        """Return the durations in seconds of preparing batches and of the forward passes, unit by unit."""
        preparing = forward = 0.0
        for unit in self.units:
            pictures = self.pictures[unit.start : unit.stop]
            if isinstance(embedder, NetworkEmbedder):
                size = embedder.batch_size
                cut = [pictures[i : i + size] for i in range(0, len(pictures), size)]
                with ThreadPoolExecutor(self.recipe.threads) as pool:
                    start = time.perf_counter()
                    batches = list(pool.map(embedder.prepare, cut))
                    preparing += time.perf_counter() - start
                forward += seconds_of(partial(forward_all, embedder, batches))
            else:
                forward += seconds_of(partial(embedder.embed, pictures))
        return preparing, forward
