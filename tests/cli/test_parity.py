"""`probing parity`: exit codes, and what is printed."""

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
    printed = capsys.readouterr().out
    assert (
        "A (embed) and B (embed) are alike: over 44 golden pictures the largest shift is 0 (tolerance 0.01)." in printed
    )
    assert main(["parity", f"{file}:embed", f"{file}:swapped"]) == 1
    printed = capsys.readouterr().out
    assert "differ" in printed
    assert (
        "- order of colors: in B (swapped) the channels are in the order BGR (44 pictures); with that alike" in printed
    )
    assert main(["parity", f"{file}:embed", f"{file}:swapped", "--tolerance", "100"]) == 0


def test_json_is_one_array_with_every_picture(file, capsys):
    assert main(["parity", f"{file}:embed", f"{file}:swapped", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert not found["alike"]
    assert [one["step"] for one in found["findings"]] == ["order of colors"]
    assert len(found["pictures"]) == 44
    assert set(found["pictures"][0]) == {"picture", "kind", "shift", "cosine", "as_far_as"}
    assert found["largest"] == max(row["shift"] for row in found["pictures"])


def test_a_pipeline_that_lives_elsewhere(file, tmp_path, capsys):
    assert main(["parity", "--write", str(tmp_path / "golden")]) == 0
    assert "44 golden pictures and their list are in" in capsys.readouterr().out
    np.save(tmp_path / "back.npy", np.ones((44, 6)))
    assert main(["parity", f"{file}:embed", str(tmp_path / "back.npy")]) == 1
    assert "None of the other steps that were tried explains" in capsys.readouterr().out
    np.save(tmp_path / "other.npy", np.random.default_rng(0).normal(size=(44, 6)))
    assert main(["parity", str(tmp_path / "back.npy"), str(tmp_path / "other.npy")]) == 1
    printed = capsys.readouterr().out
    assert "No step was tried, since both pipelines are known by their vectors alone" in printed
    assert "None of the other steps" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["baseline/pixels"], "Two pipelines are compared"),
        (["baseline/pixels", "no/such"], "no/such"),
        (["baseline/pixels", "{file}:none"], "has no function 'none'"),
        (["baseline/pixels", "no_such_module:embed"], "cannot be imported"),
        (["baseline/pixels", "nowhere.py:embed"], "There is no file"),
        (["baseline/pixels", "x.npy", "--write", "here"], "name the pipelines in a second call"),
    ],
)
def test_bad_input_exits_2(arguments, message, file, capsys):
    assert main(["parity", *(argument.format(file=file) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("error: ")
    assert message in error.splitlines()[-1]


def test_any_other_failure_exits_3(file, capsys):
    assert main(["parity", "baseline/pixels", f"{file}:broken"]) == 3
    assert "RuntimeError: out of order" in capsys.readouterr().err
