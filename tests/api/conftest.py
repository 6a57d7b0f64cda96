from __future__ import annotations

from pathlib import Path

import pytest

from probing_core.images import encode_png
from tests.conftest import copy_of, in_few_pixels, scene


@pytest.fixture(scope="session")
def detector_run(tmp_path_factory, many_scenes) -> Path:
    """A run with a detector of views of 32 pixels. Not to be written to."""

    def make(out: Path) -> None:
        from probing_core.run.options import Options
        from probing_core.run.pipeline import run

        clean = tmp_path_factory.mktemp("calibrate")
        for i in range(110):
            (clean / f"{i:03d}.png").write_bytes(encode_png(scene(1000 + i, 46)))
        options = Options(
            corpus=f"folder:{many_scenes}",
            view=32,
            models=("baseline/pixels",),
            transforms=("gamma", "gaussian-blur"),
            calibrate_on=(f"folder:{clean}",),
        )
        with in_few_pixels():
            run(out, options, "train")

    return copy_of("detector", make, tmp_path_factory.mktemp("detector") / "run")
