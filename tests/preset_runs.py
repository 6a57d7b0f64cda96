"""Small runs over presets, for the tests of the pipeline and of the pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from probing_core.compute import maps
from probing_core.run.options import Options
from probing_core.run.stages import run
from tests.conftest import few_transforms, in_few_pixels, write_scenes


def run_preset(folder: Path, preset: str, pictures: int) -> tuple[Path, Options]:
    """A run over made pictures: fewer than 30 are left out one at a time, more are split and studied."""
    corpus = write_scenes(folder / "pictures", pictures, 64)
    options = replace(few_transforms(corpus, "baseline/pixels"), transforms=(f"preset:{preset}",))
    with pytest.MonkeyPatch.context() as patch, in_few_pixels():
        patch.setattr(maps, "umap_points", lambda embeddings, seed: embeddings[:, :2])
        run(folder / "run", options)
    return folder / "run", options
