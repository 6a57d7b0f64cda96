"""Compare what two work trees compute: ``python -m lab.same_numbers OLD NEW`` makes three small runs in each.

The runs are one with splits, one of fewer than 30 photographs, which is cross-validated, and one whose model joins the
first by ``--base``. Each command is a process with the work tree as its ``PYTHONPATH``, on this machine in float32. Of
the tables that both trees write, one row each is printed with the largest difference of common columns and rows; what
only one side has is listed. Maps are not drawn. The exit code is 1 where something differs by more than 1e-6.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

TOLERANCE = 1e-6
"""Absolute up to 1, relative beyond it."""

COMMON = (
    *("--view", "64", "--device", "cpu", "--precision", "float32"),
    "--transforms",
    "identity,desaturate,hue-shift,sepia,brighten,contrast,gamma,gaussian-blur,motion-blur,defocus-blur,"
    "gaussian-noise,salt-and-pepper,speckle,jpeg,pixelate,posterize,rotate,perspective,swirl",
)
SPLIT, FEW, JOINED = "split", "few", "joined"
RUNS = {
    SPLIT: ("--corpus", "reference", "--limit", "90", "--repetitions", "2", "--models", "zoo/mae,baseline/handcrafted"),
    FEW: ("--corpus", "photos", "--limit", "20", "--models", "baseline/pixels,baseline/handcrafted"),
    JOINED: ("--models", "baseline/phash"),
}
"""Run -> its options beyond `COMMON`; the last joins the first."""

KEYS = ("strength",)
"""Columns of fractions that say of what a row is, not what was measured."""

PROSE = ("note", "evidence", "missing")
"""Columns of words for a reader, which may be written differently."""

PASSED_OVER = ("map", "neighbors", "star")
"""Prefixes of the names of files that are not compared."""


@dataclass(frozen=True)
class Difference:
    """Of one table in two runs.

    Attributes:
        largest: difference of two numbers, relative beyond 1; infinite where a number stands against none, or words or
            truth values differ.
        where: column of the largest difference.
        rows: number of rows that were compared.
        only: what only one side has, in words.
    """

    largest: float
    where: str
    rows: int
    only: str

    @property
    def same(self) -> bool:
        return self.largest <= TOLERANCE and self.rows > 0


def compare_tables(old: pd.DataFrame, new: pd.DataFrame) -> Difference:
    """Compare the columns and rows that two versions of a table have in common."""
    common = [name for name in old.columns if name in new.columns]
    only = [f"old alone: {name}" for name in old.columns if name not in common]
    only += [f"new alone: {name}" for name in new.columns if name not in common]
    if old.empty and new.empty:
        return Difference(0.0, "", 1, ", ".join(only))
    keys = _keys(old, new, common)
    both = _numbered(old[common], keys).merge(
        _numbered(new[common], keys), on=[*keys, "_nth"], how="outer", suffixes=("", "_new"), indicator=True
    )
    for side, name in (("left_only", "old"), ("right_only", "new")):
        if count := int((both["_merge"] == side).sum()):
            only.append(f"{name} alone: {count} rows")
    both = both[both["_merge"] == "both"]
    largest, where = 0.0, ""
    for name in common:
        if name in keys or name in PROSE:
            continue
        found = _largest(both[name], both[f"{name}_new"])
        if found > largest:
            largest, where = found, name
    return Difference(largest, where, len(both), ", ".join(only))


def _keys(old: pd.DataFrame, new: pd.DataFrame, common: list[str]) -> list[str]:
    """Return as many of the first columns that identify a row as make every row another one, in both tables."""
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
        same = (old == new) | (old.isna() & new.isna())
        return 0.0 if same.all() else np.inf
    a, b = old.to_numpy(np.float64), new.to_numpy(np.float64)
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        distance = np.abs(a - b) / np.maximum(1.0, np.abs(a))
    distance = np.where(equal, 0.0, np.where(np.isfinite(distance), distance, np.inf))
    return float(distance.max(initial=0.0))


def compare_runs(old: Path, new: Path) -> dict[str, Difference | str]:
    """Compare all tables of two runs.

    Returns:
        path of a table in the run -> its difference; or which side alone has it, for what is no common table.
    """
    sides = {name: _tables(folder) for name, folder in (("old", old), ("new", new))}
    found: dict[str, Difference | str] = {}
    for path in sorted(sides["old"] | sides["new"]):
        alone = [name for name, paths in sides.items() if path in paths]
        if len(alone) == 1:
            found[path] = f"{alone[0]} alone"
        else:
            found[path] = compare_tables(pd.read_parquet(old / path), pd.read_parquet(new / path))
    return found


def _tables(run: Path) -> set[str]:
    paths = {path.relative_to(run) for path in run.rglob("*.parquet")}
    return {path.as_posix() for path in paths if not path.name.startswith(PASSED_OVER)}


def make_runs(tree: Path, out: Path) -> None:
    """Make the three runs in the folder ``out`` by the commands of the work tree ``tree``."""
    for name, options in RUNS.items():
        arguments = [*COMMON, *options]
        if name == JOINED:
            arguments = ["--base", str(out / SPLIT), *options, *("--device", "cpu", "--precision", "float32")]
        print(f"{tree}: {name} ...", file=sys.stderr, flush=True)
        arguments = ["run", "--out", str(out / name), "--until", "evaluate", *arguments]
        command = [sys.executable, "-m", "probing_core.cli", *arguments]
        environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"error: `probing {' '.join(arguments)}` failed in {tree}:\n{done.stderr}")


def report(found: dict[str, Difference | str]) -> bool:
    """Print a row a table, and return whether all common ones are the same."""
    for path, one in found.items():
        if isinstance(one, str):
            print(f"{'-':8}  {'':8}  {path}  ({one})")
        else:
            verdict = "same" if one.same else "DIFFERS"
            where = f" in {one.where}" if one.where else ""
            print(f"{verdict:8}  {one.largest:8.1e}  {path}{where}" + (f"  ({one.only})" if one.only else ""))
    return all(one.same for one in found.values() if isinstance(one, Difference))


def main() -> int:
    """Return 0 where all common tables are the same, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="a work tree of this repository")
    parser.add_argument("new", type=Path, help="another one, for example '.'")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the runs of OLD there, for the next comparison")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        places = {"old": options.keep or Path(folder) / "old", "new": Path(folder) / "new"}
        for name, place in places.items():
            done = place / "complete"
            if not done.exists():
                shutil.rmtree(place, ignore_errors=True)
                make_runs(getattr(options, name).resolve(), place)
                done.touch()
        same = [report(_named(name, places)) for name in RUNS]
    return 0 if all(same) else 1


def _named(name: str, places: dict[str, Path]) -> dict[str, Difference | str]:
    found = compare_runs(places["old"] / name, places["new"] / name)
    return {f"{name}: {path}": one for path, one in found.items()}


if __name__ == "__main__":
    sys.exit(main())
