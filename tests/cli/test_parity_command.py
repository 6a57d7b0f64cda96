"""`probing parity`: exit codes, and one row per golden image."""

from __future__ import annotations

import json

import numpy as np
import pytest

from probing_core.cli import main

PIPELINES = """
import numpy as np

def embed(images):
    return np.stack([np.concatenate([image.mean((0, 1)), image.std((0, 1))]) for image in images])

def swapped(images):
    return embed([image[..., ::-1] for image in images])

def broken(images):
    raise RuntimeError("out of order")
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.py").write_text(PIPELINES)
    return str(tmp_path / "mine.py")


def test_pipelines_that_are_alike_exit_0_and_others_1(file, capsys):
    assert main(["parity", f"{file}:embed", f"{file}:embed"]) == 0
    assert "agree: " in capsys.readouterr().out
    assert main(["parity", f"{file}:embed", f"{file}:swapped"]) == 1
    assert main(["parity", f"{file}:embed", f"{file}:swapped", "--tolerance", "100"]) == 0


def test_json_is_one_array_with_a_row_a_picture(file, capsys):
    assert main(["parity", f"{file}:embed", f"{file}:swapped", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 44
    assert set(rows[0]) == {"picture", "kind", "shift", "cosine", "as_far_as"}


def test_a_pipeline_that_lives_elsewhere(file, tmp_path, capsys):
    assert main(["parity", "--write", str(tmp_path / "golden")]) == 0
    assert len(list((tmp_path / "golden").iterdir())) == 45
    np.save(tmp_path / "back.npy", np.ones((44, 6)))
    assert main(["parity", f"{file}:embed", str(tmp_path / "back.npy")]) == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["baseline/pixels"], "two pipelines"),
        (["baseline/pixels", "no/such"], "no/such"),
        (["baseline/pixels", "{file}:none"], "no function"),
        (["baseline/pixels", "no_such_module:embed"], "no_such_module"),
        (["baseline/pixels", "nowhere.py:embed"], "does not exist"),
        (["baseline/pixels", "x.npy", "--write", "here"], "separate call"),
    ],
)
def test_bad_input_exits_2(arguments, word, file, capsys):
    assert main(["parity", *(argument.format(file=file) for argument in arguments)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert word in errors[0]


def test_any_other_failure_exits_3(file, capsys):
    assert main(["parity", "baseline/pixels", f"{file}:broken"]) == 3
    assert "RuntimeError" in capsys.readouterr().err
