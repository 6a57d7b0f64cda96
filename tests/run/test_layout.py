"""Tables that can be read, but have other columns than a run has: one sentence names the file and the column."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.devtools.run_edits import put
from probing_core.cli import main
from probing_core.errors import BadRun
from probing_core.results import Run
from probing_core.run import layout
from probing_core.run.files import read_table
from probing_core.run.layout import COLUMNS, columns_of
from probing_core.run.run_files import RunFiles, read_columns
from tests.conftest import copy_of_made_run
from tests.made_studies import add_studies

FORMAT = (Path(__file__).resolve().parents[2] / "docs" / "run-format.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFiles:
    """A run with every table of studies, whose tables are changed and restored."""
    return RunFiles(add_studies(copy_of_made_run(tmp_path_factory.mktemp("shared") / "run")))


@pytest.fixture
def restored(run):
    """`run`, whose tables are restored afterwards."""
    before = {name: run.read_bytes(name) for name in run.names() if name.endswith(layout.PARQUET)}
    yield run
    put(run, {name: content for name, content in before.items() if run.read_bytes(name) != content})


WRONG = {
    "text": lambda n: pa.array(["a"] * n),
    "bytes": lambda n: pa.array([b"\xff"] * n),
    "integers": lambda n: pa.array([2**62] * n),
    "floats": lambda n: pa.array([np.inf] * n),
    "half floats": lambda n: pa.array(np.ones(n, np.float16)),
    "booleans": lambda n: pa.array([True] * n),
    "dates": lambda n: pa.array([2**40] * n, pa.timestamp("s")),
    "lists": lambda n: pa.array([[1]] * n),
    "structs": lambda n: pa.array([{"a": 1}] * n),
    "categories": lambda n: pa.array(["a"] * n).dictionary_encode(),
    "nothing": pa.nulls,
    "some text": lambda n: pa.array([None, *["a"] * (n - 1)]),
    "some integers": lambda n: pa.array([None, *[1] * (n - 1)]),
    "some booleans": lambda n: pa.array([None, *[True] * (n - 1)]),
}
"""Values that a column could contain."""

FITTING = {
    "text": {"text"},
    "integers": {"integers"},
    "counts": {"integers", "some integers"},
    "numbers": {"integers", "floats", "some integers"},
    "booleans": {"booleans"},
}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_read_table_names_file_and_column_of_a_foreign_table(run, tmp_path, data):
    name = data.draw(st.sampled_from([name for name in run.names() if columns_of(name)]))
    column = data.draw(st.sampled_from(sorted(columns_of(name))))
    table = pq.read_table(run.path(name))
    change = data.draw(st.sampled_from(["missing", "twice", *WRONG]))
    if column not in table.column_names:
        return
    at = table.column_names.index(column)
    if change == "missing":
        changed = table.remove_column(at)
    elif change == "twice":
        changed = table.append_column(column, table[column])
    else:
        changed = table.set_column(at, column, WRONG[change](len(table)))
    other = RunFiles(tmp_path)
    other.path(name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(changed, other.path(name))
    kind, is_optional = columns_of(name)[column]
    if change in FITTING[kind] or (change == "missing" and is_optional):
        other.read_table(name)
        return
    for read in (lambda: other.read_table(name), lambda: read_columns(other, name, [column])):
        with pytest.raises(BadRun) as caught:
            read()
        assert f"'{name}'" in str(caught.value)
        assert f"'{column}'" in str(caught.value)


def test_read_table_ignores_what_pandas_noted_in_the_file(tmp_path, run):
    """Pandas stores in a file which columns are an index, which would hide a column from the reader."""
    table = run.read_table(layout.SCORES)
    table.set_index("model").to_parquet(tmp_path / "indexed.parquet")
    (tmp_path / "tables").mkdir()
    shutil.copy(tmp_path / "indexed.parquet", tmp_path / layout.SCORES)
    found = RunFiles(tmp_path).read_table(layout.SCORES)
    pd.testing.assert_frame_equal(found[list(table)], table)


def test_every_table_of_a_run_and_its_documentation_has_columns(run):
    described = [name for name in run.names() if name.endswith(layout.PARQUET)]
    assert described
    for name in described:
        assert set(columns_of(name)) - {c for c, (_, optional) in columns_of(name).items() if optional} <= set(
            run.read_table(name)
        )
    documented = set(re.findall(r"`((?:tables|verdicts)/[a-z]+\.parquet|(?:images|samples)\.parquet)`", FORMAT))
    assert documented - set(COLUMNS) == set()


COMMANDS = {
    "report": lambda run: ["report", "--run", str(run), "--out", str(run.parent / "report.html")],
    "compare": lambda run: ["compare", str(run), str(run)],
    "verify": lambda run: ["verify", "--run", str(run), "--why"],
}


@pytest.mark.parametrize(
    ("command", "name", "column"),
    [
        ("report", layout.SCORES, "value"),
        ("report", layout.predictions_path("zoo/mae", "fine"), "truth"),
        ("compare", layout.predictions_path("zoo/mae", "fine"), "seen"),
        ("verify", layout.IMAGES, "used"),
    ],
)
def test_commands_name_file_and_column_of_a_foreign_table(restored, capsys, command, name, column):
    table = restored.read_table(name)
    for changed in (table.drop(columns=column), table.assign(**{column: [[1.5]] * len(table)})):
        put(restored, {name: changed})
        assert main(COMMANDS[command](restored.root)) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("error: ")
        assert f"'{name}'" in line
        assert f"'{column}'" in line


def test_sample_count_of_a_corrupted_table_is_one_error(restored):
    path = restored.path(layout.SAMPLES)
    content = path.read_bytes()
    path.write_bytes(bytes(len(content)))  # of the recorded size
    try:
        with pytest.raises(BadRun, match=layout.SAMPLES):
            _ = Run.open(restored.root).sample_count
    finally:
        path.write_bytes(content)


def test_a_table_without_a_name_is_named_by_its_path(tmp_path):
    path = tmp_path / "shared.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(BadRun, match=re.escape(f"The column 'a' in '{path}' ")):
        read_table(path)
