"""Units of a step: kept after a kill, joined into shards, and moved to their place when all are complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probing_core.run.directory import RunDirectory
from probing_core.run.layout import TEMPORARY, units_at
from probing_core.run.run_files import RunFiles
from probing_core.run.units import Shard, Units, completed_units, write_unit

STEP, FOLDER, INPUTS = "models/a/embeddings", "models/a/embeddings/", {"code_version": 1}
COUNT = 7
SHARDS = [(0, 2), (3, 3), (4, 6)]


def unit(index: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(index)
    return {
        "10.mean": rng.normal(size=(1 + index % 3, 5)).astype(np.float16),
        "embeddings": rng.normal(size=(1 + index % 3, 4)).astype(np.float32),
    }


WHOLE = np.concatenate([unit(index)["embeddings"] for index in range(COUNT)])


def units_in(root: Path, shards: Sequence[Shard] = SHARDS, inputs: dict[str, int] = INPUTS) -> Units:
    """Return the units of a run, as another process finds them."""
    run = RunDirectory(root)
    assert run.needs(STEP, inputs)
    return Units(run, STEP, inputs, shards)


def write(units: Units, indices: Sequence[int]) -> Units:
    for index in indices:
        units.write(index, unit(index))
    return units


def names(units: Units) -> list[tuple[int, int]]:
    """Return the first and last unit of each file in the folder of the units."""
    return sorted(units_at(path.name) for path in (units._run.root / units.folder).glob("unit-*"))


def embeddings(root: Path) -> np.ndarray:
    run = RunFiles(root)
    return np.concatenate([run.read_arrays(name)["embeddings"] for name in sorted(run.names(FOLDER), key=units_at)])


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def complete(root: Path, order: Sequence[int] = range(COUNT), shards: Sequence[Shard] = SHARDS) -> dict[str, bytes]:
    """Complete a run, and return its files."""
    units = units_in(root, shards)
    missing = units.missing(COUNT)
    write(units, [index for index in order if index in missing])
    units.save_files(FOLDER)
    return contents(root)


def test_units_are_joined_as_soon_as_their_shard_is_complete(tmp_path):
    units = write(units_in(tmp_path), [6, 0, 4])
    assert names(units) == [(0, 0), (4, 4), (6, 6)]
    write(units, [5])
    assert names(units) == [(0, 0), (4, 6)]
    write(units, [3])
    assert names(units) == [(0, 0), (3, 3), (4, 6)]
    assert units.missing(COUNT) == units_in(tmp_path).missing(COUNT) == [1, 2]
    assert completed_units(tmp_path, units._run.key(STEP), 8) == {0, 3, 4, 5, 6}
    write(units, [2, 1])
    assert names(units) == SHARDS
    assert units.missing(COUNT) == []


def test_save_files_moves_shards_and_completes_the_step(tmp_path):
    files = complete(tmp_path)
    assert files.keys() == {
        "done/models~a~embeddings.json",
        *(f"{FOLDER}{name}.safetensors" for name in ("unit-00000-00002", "unit-00003", "unit-00004-00006")),
    }
    assert np.array_equal(embeddings(tmp_path), WHOLE)
    run = RunDirectory(tmp_path)
    assert run.damaged() == {}
    assert run.foreign() == []
    assert not run.needs(STEP, INPUTS)


@pytest.mark.parametrize("seed", range(4))
def test_units_in_any_order_give_the_same_files(tmp_path, seed):
    order = np.random.default_rng(seed).permutation(COUNT).tolist()
    stopped = write(units_in(tmp_path / "b"), order[: seed + 2])
    assert len(stopped.missing(COUNT)) == COUNT - seed - 2
    assert complete(tmp_path / "b", order[::-1]) == complete(tmp_path / "a")


def test_unit_with_a_wrong_checksum_is_computed_again(tmp_path):
    root = tmp_path / "run"
    units = write(units_in(root), [0, 1, 4, 5, 6])
    single, shard = (root / path for path in (units.paths()[1], units.paths()[2]))
    for path in (single, shard):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = units_in(root)
    assert again.missing(COUNT) == [1, 2, 3, 4, 5, 6]
    assert names(again) == [(0, 0)]
    assert complete(root) == complete(tmp_path / "whole")


def test_single_units_next_to_their_shard_are_removed(tmp_path):
    # A process that is killed while it joins a shard leaves them.
    units = units_in(tmp_path)
    copies = [write_unit(tmp_path, units.folder, (index, index), unit(index))[0] for index in (4, 6)]
    kept = {path: (tmp_path / path).read_bytes() for path in copies}
    write(units, [4, 5, 6, 0])
    for path, content in kept.items():
        (tmp_path / path).write_bytes(content)
    assert len(names(units)) == 4
    again = units_in(tmp_path)
    assert names(again) == [(0, 0), (4, 6)]
    assert again.missing(COUNT) == [1, 2, 3]


def test_complete_units_of_a_killed_process_that_are_not_joined_are_all_used(tmp_path):
    # A process that is killed before it joins a shard leaves all single units.
    units = units_in(tmp_path)
    for index in range(COUNT):
        write_unit(tmp_path, units.folder, (index, index), unit(index))
    again = units_in(tmp_path)
    assert again.missing(COUNT) == []
    again.save_files(FOLDER)
    assert np.array_equal(embeddings(tmp_path), WHOLE)
    assert RunFiles(tmp_path).damaged() == {}


def test_shards_of_other_boundaries_are_dropped(tmp_path):
    write(units_in(tmp_path, [(0, 1), (2, 5), (6, 6)]), range(COUNT))
    again = units_in(tmp_path)
    assert again.missing(COUNT) == [0, 1, 2, 3, 4, 5]
    assert names(again) == [(6, 6)]


def test_units_of_other_inputs_are_not_used(tmp_path):
    write(units_in(tmp_path), range(COUNT))
    assert units_in(tmp_path, inputs={"code_version": 2}).missing(COUNT) == list(range(COUNT))


def test_unit_that_is_being_written_is_not_complete(tmp_path):
    # A process on another machine may still rename it.
    units = write(units_in(tmp_path), [0])
    path = tmp_path / units.paths()[0]
    temporary = path.rename(f"{path}.01234567-1-89abcdef{TEMPORARY}")
    again = units_in(tmp_path)
    assert again.missing(COUNT) == list(range(COUNT))
    assert completed_units(tmp_path, again._run.key(STEP), 8) == set()
    assert temporary.exists()


def test_units_that_were_written_elsewhere_are_entered(tmp_path):
    units = units_in(tmp_path)
    for index in (4, 5, 6):
        units.enter(write_unit(tmp_path, units.folder, (index, index), unit(index)))
    assert names(units) == [(4, 6)]


def test_save_files_that_was_killed_is_completed_from_the_remaining_units(tmp_path, monkeypatch):
    expected = complete(tmp_path / "whole")
    write(units_in(tmp_path / "run"), range(COUNT))
    replace = Path.replace
    left = [1]

    class Killed(BaseException):
        pass

    def dying(self: Path, target: Path) -> Path:
        if target.parent.name == "embeddings":
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying)
        with pytest.raises(Killed):
            units_in(tmp_path / "run").save_files(FOLDER)
    assert units_in(tmp_path / "run").missing(COUNT) == []
    assert complete(tmp_path / "run") == expected


def test_fewer_shards_of_a_new_key_replace_earlier_files(tmp_path):
    complete(tmp_path, shards=[(index, index) for index in range(COUNT)])
    inputs = {"code_version": 2}
    units = write(units_in(tmp_path, inputs=inputs), range(COUNT))
    units.save_files(FOLDER)
    run = RunDirectory(tmp_path)
    assert [units_at(name) for name in run.names(FOLDER)] == SHARDS
    assert run.damaged() == {}
    assert run.foreign() == []
    assert not run.needs(STEP, inputs)


def test_save_table_joins_rows_in_order(tmp_path):
    run = RunDirectory(tmp_path)
    run.needs("samples", INPUTS)
    units = Units(run, "samples", INPUTS)
    for index in (2, 0, 1):
        units.write(index, pd.DataFrame({"unit": [index, index], "name": ["a", "b"]}))
    assert len(list((tmp_path / units.folder).iterdir())) == 3
    units.save_table("rows.parquet")
    assert RunFiles(tmp_path).read_table("rows.parquet")["unit"].tolist() == [0, 0, 1, 1, 2, 2]
    assert not (tmp_path / units.folder).exists()
    assert RunFiles(tmp_path).damaged() == {}


def test_save_table_without_units_completes_the_step_without_a_file(tmp_path):
    run = RunDirectory(tmp_path)
    run.needs("samples", INPUTS)
    Units(run, "samples", INPUTS).save_table("samples.parquet")
    again = RunDirectory(tmp_path)
    assert again.names() == []
    assert not again.needs("samples", INPUTS)


def test_units_with_names_from_somebody_else_are_not_used(tmp_path):
    units = write(units_in(tmp_path), [1])
    folder = tmp_path / units.folder
    for name in ("unit-x.y.safetensors", "unit-0", "unit-00000-99999999999999.y.safetensors", "unit-.y", "unit-1-.y"):
        (folder / name).write_bytes(b"")
    (folder / "unit-00002.y.safetensors").mkdir()
    assert len(completed_units(tmp_path, units._run.key(STEP), COUNT)) <= COUNT
    assert units_in(tmp_path).missing(COUNT) == [0, 2, 3, 4, 5, 6]
