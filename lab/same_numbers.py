"""Compare the results of two work trees: ``python -m lab.same_numbers OLD NEW`` computes four small runs in each.

The first run has splits. The second has fewer than 30 photographs, so that it is cross-validated, and has maps. The
third adds a model to the first run with ``--base``. The fourth uses ``--calibrate-on`` with two folders of generated
scenes, one of which contains large images. Each command is a process with the work tree as its ``PYTHONPATH``, and
computes in float32.

The command prints one row for each file that only one work tree has, or whose bytes differ, except logs, records and
the recipe. For tables, the row contains the largest difference in common columns and rows. Runs of the earlier format
(with a manifest) can be compared with runs of the current format. The exit code is 1 if a number differs by more than
1e-6. With ``--exact``, it is also 1 if any byte differs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lab.devtools.scenes import write_scenes
from probing_core.run import layout

TOLERANCE = 1e-6
"""Maximum difference: absolute for numbers up to 1, otherwise relative."""

COMMON = (
    *("--view", "64", "--device", "cpu", "--precision", "float32"),
    "--transforms",
    "identity,desaturate,hue-shift,sepia,brighten,contrast,gamma,gaussian-blur,motion-blur,defocus-blur,"
    "gaussian-noise,salt-and-pepper,speckle,jpeg,pixelate,posterize,rotate,perspective,swirl",
)
SPLIT, FEW, JOINED, CALIBRATED = "split", "few", "joined", "calibrated"
OF_SPLIT = ("--corpus", "reference", "--limit", "90", "--repetitions", "2", "--models", "zoo/mae,baseline/handcrafted")
OF_FEW = ("--corpus", "photos", "--limit", "20", "--models", "baseline/pixels,baseline/handcrafted")
ON_CPU = ("--device", "cpu", "--precision", "float32")


def commands(out: Path, scenes: Path) -> dict[str, tuple[str, ...]]:
    """Return the arguments of ``probing run`` for each run in the folder ``out``."""
    calibrating = f"folder:{scenes / 'same' / 'names'},folder:{scenes / 'large' / 'names'}"
    of_scenes = ("--corpus", f"folder:{scenes / 'own'}", "--limit", "60", "--models", "baseline/handcrafted")
    options = {
        SPLIT: ("--until", "evaluate", *COMMON, *OF_SPLIT),
        FEW: (*COMMON, *OF_FEW),
        JOINED: ("--until", "evaluate", "--base", str(out / SPLIT), "--models", "baseline/phash", *ON_CPU),
        CALIBRATED: ("--until", "evaluate", *COMMON, *of_scenes, "--calibrate-on", calibrating),
    }
    return {name: ("run", "--out", str(out / name), *arguments) for name, arguments in options.items()}


def write_corpora(folder: Path) -> Path:
    """Write the generated scenes, unless they exist: a folder for the run, and two folders with equal file names."""
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_scenes(unfinished / "own", 60, 96)
        write_scenes(unfinished / "same" / "names", 12, 96, first_seed=100)
        write_scenes(unfinished / "large" / "names", 8, 176, first_seed=200)
        unfinished.rename(folder)
    return folder


KEYS = ("strength",)
"""Columns of fractions that identify a row and are not measured."""

PROSE = ("note", "missing")
"""Columns of texts, whose wording may differ."""

NOT_RESULTS = (f"{layout.LOG}/", layout.DONE, layout.UNITS, f"{layout.BASE}/", layout.RECIPE, "manifest.", "journal.")
"""Prefixes of the paths of files that are not results."""

PASSED_OVER = ("map", "neighbors", "star")
"""Prefixes of the paths of files that are not compared."""


@dataclass(frozen=True)
class Difference:
    """Difference between two versions of a table.

    Attributes:
        largest: largest difference between two numbers, relative for numbers above 1. Infinite if a number is missing,
            or if texts or Booleans differ.
        where: column of the largest difference.
        rows: number of compared rows.
        only: columns and rows that only one version has, as text.
    """

    largest: float
    where: str
    rows: int
    only: str

    @property
    def same(self) -> bool:
        return self.largest <= TOLERANCE and self.rows > 0


def compare_tables(old: pd.DataFrame, new: pd.DataFrame) -> Difference:
    """Compare the common columns and rows of two versions of a table."""
    common = [name for name in old.columns if name in new.columns]
    only = [f"old alone: {name}" for name in old.columns if name not in common]
    only += [f"new alone: {name}" for name in new.columns if name not in common]
    if old.empty and new.empty:
        return Difference(0.0, "", 1, ", ".join(only))
    keys = _keys(old, new, common)
    merged = _numbered(old[common], keys).merge(
        _numbered(new[common], keys), on=[*keys, "_nth"], how="outer", suffixes=("", "_new"), indicator=True
    )
    for side, name in (("left_only", "old"), ("right_only", "new")):
        if count := int((merged["_merge"] == side).sum()):
            only.append(f"{name} alone: {count} rows")
    merged = merged[merged["_merge"] == "both"]
    largest, where = 0.0, ""
    for name in common:
        if name in keys or name in PROSE:
            continue
        distance = _largest(merged[name], merged[f"{name}_new"])
        if distance > largest:
            largest, where = distance, name
    return Difference(largest, where, len(merged), ", ".join(only))


def _keys(old: pd.DataFrame, new: pd.DataFrame, common: list[str]) -> list[str]:
    """Return the first identifying columns, as many as are required to make the rows of both tables unique."""
    named = [c for c in common if (c in KEYS or not pd.api.types.is_float_dtype(old[c])) and c not in PROSE]
    for count in range(1, len(named) + 1):
        if not any(table.duplicated(named[:count]).any() for table in (old, new)):
            return named[:count]
    return named


def _numbered(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    table = table.assign(**{key: table[key].round(6) for key in keys if pd.api.types.is_float_dtype(table[key])})
    if not keys:
        return table.assign(_nth=np.arange(len(table)))
    return table.assign(_nth=table.groupby(keys, dropna=False, sort=False).cumcount())


def _largest(old: pd.Series, new: pd.Series) -> float:
    if not (pd.api.types.is_numeric_dtype(old) and pd.api.types.is_numeric_dtype(new)):
        equal = (old == new) | (old.isna() & new.isna())
        return 0.0 if equal.all() else np.inf
    a, b = old.to_numpy(np.float64), new.to_numpy(np.float64)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        distance = np.abs(a - b) / np.maximum(1.0, np.abs(a))
    distance = np.where(equal, 0.0, np.where(np.isfinite(distance), distance, np.inf))
    return float(distance.max(initial=0.0))


@dataclass(frozen=True)
class FileDifference:
    """Difference between two versions of a file.

    Attributes:
        bytes: whether the bytes differ.
        table: difference between tables whose bytes differ; None for other files.
    """

    bytes: bool
    table: Difference | None = None

    @property
    def same_numbers(self) -> bool:
        return self.table is None or self.table.same

    def __str__(self) -> str:
        if self.table is None:
            return f"{'other bytes':20}"
        where = f" in {self.table.where}" if self.table.where else ""
        verdict = "same numbers" if self.table.same else "DIFFERS"
        only = f"  ({self.table.only})" if self.table.only else ""
        return f"{verdict:20}  {self.table.largest:8.1e}{where}{only}"


def compare_runs(old: Path, new: Path) -> dict[str, FileDifference | str]:
    """Compare all files of two runs.

    Returns:
        Path in the run -> difference, or the only run that has the file.
    """
    sides = {"old": files_of(old), "new": files_of(new)}
    results: dict[str, FileDifference | str] = {}
    for path in sorted(sides["old"].keys() | sides["new"].keys()):
        only_in = [name for name, files in sides.items() if path in files]
        if len(only_in) == 1:
            results[path] = f"{only_in[0]} alone"
        else:
            results[path] = _compare_files(path, *(files[path] for files in sides.values()))
    return results


def _compare_files(path: str, old: Path, new: Path) -> FileDifference:
    bytes_differ = old.read_bytes() != new.read_bytes()
    is_compared = path.endswith(layout.PARQUET) and not old.name.startswith(PASSED_OVER)
    if not (bytes_differ and is_compared):
        return FileDifference(bytes_differ)
    return FileDifference(bytes_differ, compare_tables(pd.read_parquet(old), pd.read_parquet(new)))


def files_of(run: Path) -> dict[str, Path]:
    """Return the path of each result file by path in the run, including files of the base."""
    files = files_of(run / layout.BASE) if (run / layout.BASE).is_dir() else {}
    for path in run.rglob("*"):
        name = path.relative_to(run).as_posix()
        if path.is_file() and not name.startswith(NOT_RESULTS):
            files[name] = path
    return files


def probing(tree: Path, arguments: Sequence[str]) -> None:
    """Run ``probing`` in the work tree ``tree``."""
    print(f"{tree}: {' '.join(arguments[:3])} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "probing_core.cli", *arguments]
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    process = subprocess.run(command, cwd=tree, env=environment, capture_output=True, encoding="utf-8", check=False)
    if process.returncode:
        raise SystemExit(f"error: `probing {' '.join(arguments)}` failed in {tree}:\n{process.stderr}")


def make_runs(tree: Path, out: Path, scenes: Path) -> None:
    """Compute the runs in the folder ``out`` with the work tree ``tree``."""
    for arguments in commands(out, scenes).values():
        probing(tree, arguments)


def report(results: Mapping[str, FileDifference | str], exact: bool = False) -> bool:
    """Print one row for each file that differs, and return whether all numbers (or all files, with ``exact``) match."""
    equal = True
    for path, difference in results.items():
        if isinstance(difference, str):
            print(f"{difference:20}  {path}")
            equal &= not exact
        elif difference.bytes:
            print(f"{difference}  {path}")
            equal &= difference.same_numbers and not exact
    exact_files = sum(isinstance(result, FileDifference) and not result.bytes for result in results.values())
    print(f"{len(results)} files compared, {exact_files} with the same bytes")
    return equal


def main() -> int:
    """Return 0 if all common numbers (with ``--exact``, all bytes) are equal, otherwise 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="work tree of this repository")
    parser.add_argument("new", type=Path, help="another work tree, such as '.'")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="folder that keeps the runs of OLD for the next comparison"
    )
    parser.add_argument("--exact", action="store_true", help="compare all bytes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        places = {"old": options.keep or Path(folder) / "old", "new": Path(folder) / "new"}
        scenes = write_corpora(places["old"].with_name(f"{places['old'].name}-scenes"))
        for name, place in places.items():
            marker = place / "complete"
            if not marker.exists():
                shutil.rmtree(place, ignore_errors=True)
                make_runs(getattr(options, name).resolve(), place, scenes)
                marker.touch()
        equal = True
        for name in commands(places["old"], scenes):
            print(f"\n{name}:")
            equal &= report(compare_runs(places["old"] / name, places["new"] / name), options.exact)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
