"""Ships a run as ``data/reference``: its tables, linear probes, maps and detector; no embeddings, no path.

The photographs beside it (`scripts.shipped_photographs`) stay where they are.

    python -m scripts.reference RUN --describe "what the corpus is" \\
        --calibrated-on "what the first corpus of --calibrate-on is" --calibrated-on "what the second is" \\
        --license "caltech101=CC BY 4.0" --license "pacs=none stated"

The recipe then names the corpora by their fingerprints and by these descriptions, and the table of images names the
license of each that the corpus says nothing of, by the first part of its id. RUN is made by `probing run` with
``--transforms bank,far-styles``, ``--limit 1000``, ``--live-images 1500``, ``--repetitions 3``,
``--calibrate-on parquet:clean.parquet,parquet:large.parquet`` (photographs, then some of them at their own size) and
``--models`` that name every encoder of the zoo and the baselines.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from probing_core.errors import ProbingError
from probing_core.paths import reference_run
from probing_core.pipeline.verdicts import is_complete
from probing_core.runs import layout
from probing_core.runs.recipe import Recipe
from probing_core.runs.store import Store, digest

SHIPPED = (layout.IMAGES, layout.SAMPLES, layout.TABLES, layout.MODELS, layout.SERIES, layout.VERDICTS)
"""Embeddings of these folders stay behind: they are large, and whoever has the corpus makes them again."""

MOST_BYTES = 55_000_000

MAP_STEP = 1 / 1024
"""Positions on maps are rounded to this, less than a pixel of any screen: that halves their files."""


def ship(run: Store, description: str, calibrated_on: Sequence[str], licenses: Mapping[str, str], out: Path) -> int:
    """Writes ``out`` anew from ``run``; returns the bytes of what is shipped.

    Args:
        description, calibrated_on: what its corpus is, and what each of those is that calibrate its verdicts.
        licenses: first part of an image's id -> its license.

    Raises:
        ProbingError: the run is not complete, is larger than what ships, or has another number of corpora.
    """
    if not run.has(layout.SCORES):
        raise ProbingError(f"'{run.root}' has no scores yet; `probing run --out {run.root}` completes it.")
    recipe = Recipe.from_toml(run.read_toml(layout.RECIPE))
    if len(calibrated_on) != len(recipe.calibrate_on):
        raise ProbingError(
            f"Verdicts of '{run.root}' are calibrated on {len(recipe.calibrate_on)} corpora; describe each with "
            f"--calibrated-on, {len(calibrated_on)} are described."
        )
    if recipe.calibrate_on and not is_complete(run, recipe):
        raise ProbingError(f"'{run.root}' lacks some of its verdicts; `probing run --out {run.root}` completes it.")
    names = [name for name in run.names() if name.startswith(SHIPPED) and not layout.is_embeddings_path(name)]
    maps = {layout.map_path(model) for model in recipe.models}
    beside = out.with_name(f"{out.name}.new")  # what ships stays until the new one is whole and small enough
    shutil.rmtree(beside, ignore_errors=True)
    shipped = Store(beside)
    recipe = replace(recipe, corpus=description, calibrate_on=tuple(calibrated_on))
    with shipped.locked():
        shipped.write_toml(layout.RECIPE, recipe.to_toml(), digest(recipe.to_toml()))
        for name in names:
            if name in maps:
                positions = rounded(run.read_table(name))
                shipped.write_table(name, positions, digest([name, run.checksum(name), MAP_STEP]))
            else:
                shipped.adopt(name, run, digest([name, run.checksum(name)]))
        images = licensed(shipped.read_table(layout.IMAGES), licenses)
        shipped.write_table(layout.IMAGES, images, digest([run.checksum(layout.IMAGES), dict(licenses)]))
    shutil.rmtree(beside / layout.LOG)
    total = sum(shipped.path(name).stat().st_size for name in names)
    if total > MOST_BYTES:
        raise ProbingError(f"'{beside}' has {total:,} bytes; {MOST_BYTES:,} are allowed.")
    for name in layout.BESIDE:
        if (out / name).is_file():
            shutil.copy2(out / name, beside / name)
    shutil.rmtree(out, ignore_errors=True)
    beside.rename(out)
    return total


def rounded(positions: pd.DataFrame) -> pd.DataFrame:
    """Positions on a map (columns x, y), to `MAP_STEP`."""
    return positions.assign(**{axis: (positions[axis] / MAP_STEP).round() * MAP_STEP for axis in "xy"})


def licensed(images: pd.DataFrame, licenses: Mapping[str, str]) -> pd.DataFrame:
    """``images`` with the ``license`` of those that have none."""
    stated = images["image_id"].str.partition("/")[0].map(lambda collection: licenses.get(collection, ""))
    return images.assign(license=images["license"].where(images["license"] != "", stated))


def _named(text: str) -> tuple[str, str]:
    collection, equals, license = text.partition("=")
    if not (collection and equals and license):
        raise argparse.ArgumentTypeError(f"expected COLLECTION=LICENSE, got '{text}'")
    return collection, license


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--describe", required=True, help="what the corpus is, in a few words")
    parser.add_argument("--calibrated-on", action="append", default=[], metavar="TEXT", help="what each of those is")
    parser.add_argument("--license", type=_named, action="append", default=[], metavar="COLLECTION=LICENSE")
    options = parser.parse_args()
    out = reference_run()
    try:
        total = ship(Store(options.run), options.describe, options.calibrated_on, dict(options.license), out)
    except ProbingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{out}: {total / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
