"""The transformed images of a run as files, with their list, for embedding with something that has no name here.

A unit of images is written by threads while the next is made; its rows are saved after its last picture, so that a
killed export goes on with the unit it was in.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from probing_core.compute.parallel import in_chunks
from probing_core.compute.samples import Unit
from probing_core.errors import BadConfig
from probing_core.images import encode_png
from probing_core.run.atomic import write_atomically
from probing_core.run.engine import Plan
from probing_core.run.layout import SAMPLES, unit_name
from probing_core.run.recipe import Recipe

KEY = ["image_id", "transform", "repetition", "draw"]
LISTED = [*KEY, "file", "sample", "base_id", "label", "split", "group", "strength"]
"""Columns of the list."""

LIST = "samples"
"""Name of the list, as .parquet and .csv."""

FACTS = "export.toml"
FOLDER_FILES = 1000


def write_export(plan: Plan, out: Path) -> int:
    """Write ``images/<thousands>/<sample>-<transform>.png``, ``samples.parquet`` and ``samples.csv`` into ``out``.

    The list has a row a transformed image: the columns `LISTED`; ``file`` is relative to ``out``. Series of strengths
    and pairs are not exported.

    Args:
        plan: of a run whose images are chosen.
        out: where the export goes; a folder of another recipe's export, or of anything else, is refused.

    Returns:
        How many images the list holds.

    Raises:
        BadConfig: ``out`` holds something else.
        BadRun: the disk is full or not writable.
    """
    recipe, progress = plan.scope.recipe, plan.scope.progress
    key = plan.ready_key(plan.artifacts[SAMPLES])
    _claim(out, key, recipe, plan.files.root)
    main = plan.scope.sample_sets[""]
    listed = _named(main.rows())
    todo = [unit for unit in main.units if not _is_written(out, unit, listed)]
    with (
        ThreadPoolExecutor(recipe.threads) as makers,
        ThreadPoolExecutor(recipe.threads) as writers,
        ThreadPoolExecutor(1) as ahead,
    ):

        def make(unit: Unit) -> tuple[list[np.ndarray], pd.DataFrame]:
            return main.make(plan.scope.design, plan.scope.corpora.own, main.rows(unit), makers)

        made = in_chunks(ahead, make, ([unit] for unit in todo))
        for done, ((unit,), ((pictures, measured),)) in enumerate(made, len(main.units) - len(todo)):
            progress.update("export", done, len(main.units), "Writing transformed images")
            rows = listed.iloc[unit.start : unit.stop].assign(strength=measured["strength"])
            list(writers.map(lambda pair: _write_picture(out, *pair), zip(rows["file"], pictures, strict=True)))
            _write_parquet(_unit_path(out, unit), rows)
    progress.update("export", len(main.units), len(main.units), "Writing transformed images")
    _gather(out, main.units, listed)
    return len(listed)


def _claim(out: Path, key: str, recipe: Recipe, run: Path) -> None:
    """Make ``out`` the export of this recipe; go on with one that it already is."""
    import tomli_w

    path = out / FACTS
    if out.resolve().is_relative_to(run.resolve()):
        raise BadConfig(f"'{out}' lies in the run '{run}', which holds nothing else; choose an --out beside it.")
    if path.is_file():
        try:
            there = tomllib.loads(path.read_text()).get("key")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            there = None
        if there != key:
            raise BadConfig(f"'{out}' holds the export of another recipe; choose another --out, or remove it first.")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadConfig(f"'{out}' holds something else than an export; --out takes a new or an empty folder.")
    else:
        content = {"key": key, "corpus": recipe.corpus, "view": recipe.view, "seed": recipe.seed}
        write_atomically(path, tomli_w.dumps(content).encode())


def _named(planned: pd.DataFrame) -> pd.DataFrame:
    """Return the list without strengths. Image ids are data and name no file: sample and transform name files."""
    files = [
        f"images/{sample // FOLDER_FILES:05d}/{sample:08d}-{re.sub(r'[^A-Za-z0-9.-]+', '_', transform)}.png"
        for sample, transform in zip(planned["sample"].tolist(), planned["transform"], strict=True)
    ]
    return planned.assign(file=files, strength=np.float32("nan"))[LISTED]


def _is_written(out: Path, unit: Unit, listed: pd.DataFrame) -> bool:
    """Return whether the unit's rows were saved, and no picture was removed since."""
    known = _unit_path(out, unit).is_file() or (out / f"{LIST}.parquet").is_file()
    return known and all((out / file).is_file() for file in listed["file"].iloc[unit.start : unit.stop])


def _gather(out: Path, units: Sequence[Unit], listed: pd.DataFrame) -> None:
    """Gather the rows of all units as one list; the CSV first, since the Parquet file means that both are there."""
    if not (out / f"{LIST}.parquet").is_file():
        rows = pd.concat([pd.read_parquet(_unit_path(out, unit)) for unit in units], ignore_index=True)
        write_atomically(out / f"{LIST}.csv", rows.to_csv(index=False, lineterminator="\n").encode())
        _write_parquet(out / f"{LIST}.parquet", rows)
    shutil.rmtree(out / "units", ignore_errors=True)


def _write_picture(out: Path, file: str, picture: np.ndarray) -> None:
    write_atomically(out / file, encode_png(picture))


def _write_parquet(path: Path, rows: pd.DataFrame) -> None:
    write_atomically(path, rows.to_parquet(index=False, compression="zstd"))


def _unit_path(out: Path, unit: Unit) -> Path:
    return out / "units" / f"{unit_name(unit.index)}.parquet"
