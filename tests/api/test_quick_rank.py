"""`rank` by the quick protocol: a model that is in no run is tested on the photographs of those in one."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

import probing_core
from probing_core.api.rank import quick_samples
from probing_core.cli import main
from probing_core.compute.training.quick_protocol import choose_quick_images
from probing_core.errors import BadConfig, BadRun
from probing_core.measures.notation import in_percent
from probing_core.models.providers.handcrafted import statistics
from probing_core.results.run import Run
from probing_core.run import layout


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("probing_core.api.score.user_cache_path", lambda *names, **options: tmp_path / "cache")


def test_rank_gives_a_model_of_the_run_the_counts_that_the_run_holds(trained_run):
    """Only the chosen images are embedded, and yet every number is that of the run."""
    run = Run.open(trained_run)
    in_run = run.table(layout.QUICK)
    assert set(in_run["model"]) == {"baseline/handcrafted"}
    (found,) = probing_core.rank(statistics, run, name="my/statistics", device="cpu")
    board = found.board.set_index("model")
    assert found.samples == len(quick_samples(run)) < run.sample_count / 2
    assert board.loc["my/statistics", "value"] == pytest.approx(board.loc["baseline/handcrafted", "value"])
    assert board.loc["baseline/handcrafted", ["difference", "p"]].tolist() == [0, 1]
    assert found.places == (1, 2)


def test_quick_samples_are_those_of_the_first_repetition_of_the_run(trained_run):
    run = Run.open(trained_run)
    mine = quick_samples(run).table
    images = choose_quick_images(run.images)
    theirs = run.samples[run.samples["image_id"].isin(images["image_id"]) & (run.samples["repetition"] == 0)]
    names = ["image_id", "split", "transform", "repetition", "draw"]
    pd.testing.assert_frame_equal(
        mine[names].astype(str).sort_values(names, ignore_index=True),
        theirs[names].astype(str).sort_values(names, ignore_index=True),
    )


def test_rank_places_a_function_in_a_file_as_a_named_model(trained_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))  # the command adds the folder of the file
    (tmp_path / "colors_next_to_it.py").write_text("def color(image):\n    return image.mean((0, 1))\n")
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\nfrom colors_next_to_it import color\n"
        "def embed(images):\n    return np.stack([color(i) for i in images])\n"
    )
    command = ["rank", f"{file}:embed", "--base", str(trained_run), "--device", "cpu"]
    assert main([*command, "--json"]) == 0
    (by_file,) = json.loads(capsys.readouterr().out)
    assert by_file["model"] == "my/embed"
    (by_call,) = probing_core.rank(
        lambda images: np.stack([i.mean((0, 1)) for i in images]), trained_run, name="my/embed", device="cpu"
    )
    assert by_file == json.loads(json.dumps(by_call.row))
    assert main([*command, "--save", str(tmp_path / "mine.json")]) == 2
    assert "--by" in capsys.readouterr().err
    submitted = tmp_path / "board"
    saving = ["--save", str(submitted / "mine.json"), "--by", "Jane <Doe>"]
    assert main([*command, *saving]) == 2
    assert not submitted.exists()
    assert "'computed_by' contains characters that are not allowed" in capsys.readouterr().err
    assert main([*command, *saving[:-1], "Jane Doe", "--name", "jane/colors"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    own_rows = [row for row in rows if row and row[0] == "my/embed"]
    assert own_rows == [["my/embed", in_percent(by_call.quick_accuracy, 1)]], "no comparison with itself"
    assert main(["rank", "baseline/dhash", "--base", str(trained_run), "--device", "cpu"]) == 0
    assert "baseline/dhash" in capsys.readouterr().out

    assert main(["board", str(submitted), "--base", str(trained_run), "--json"]) == 0
    board = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(board) == {"jane/colors", "baseline/handcrafted"}
    assert board["jane/colors"]["value"] == pytest.approx(by_call.quick_accuracy)
    assert board["jane/colors"]["computed_by"] == "Jane Doe"
    assert main(["board", str(submitted), "--base", str(trained_run)]) == 0
    assert "submitted by Jane Doe" in capsys.readouterr().out
    assert main(["board", str(submitted)]) == 0
    assert "other photographs" in capsys.readouterr().err
    assert main(["board", str(tmp_path / "nowhere")]) == 2


def test_rank_says_what_it_needs(trained_run, few_run, tmp_path):
    with pytest.raises(BadRun, match="--full"):
        probing_core.rank("baseline/dhash", few_run[0])
    with pytest.raises(BadConfig):
        probing_core.rank(statistics, trained_run, full=True)
    with pytest.raises(BadConfig):
        probing_core.rank("baseline/dhash", trained_run, out=tmp_path / "out")


MISTAKES = {
    "import": ("import numpy as np\nimport no_such_module\n", 2, "ModuleNotFoundError"),
    "syntax": ("def embed(images):\n    return images[\n", 2, "SyntaxError"),
    "exit": ("import sys\nsys.exit(3)\n", 2, "SystemExit"),
    "call": ("import numpy as np\n\ndef embed(images):\n    return np.stak(images)\n", 4, "AttributeError"),
    "deep": ("import numpy as np\n\ndef embed(images):\n    return np.ones(3) @ np.ones(4)\n", 4, "ValueError"),
    "file": ("def embed(images):\n    return open('/no/such/weights')\n", 2, "FileNotFoundError"),
    "shape": ("import numpy as np\n\ndef embed(images):\n    return np.ones(5)\n", 3, "one row per image"),
    "nan": ("import numpy as np\ndef embed(images):\n    return np.full((len(images), 2), np.nan)\n", 2, "not finite"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_rank_reports_a_mistake_in_a_file_with_its_line_and_nothing_else(
    trained_run, tmp_path, monkeypatch, capsys, mistake
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    code, line, words = MISTAKES[mistake]
    file = tmp_path / "mine.py"
    file.write_text(code)
    for more in ([], ["--estimate"]):
        assert main(["rank", f"{file}:embed", "--base", str(trained_run), "--device", "cpu", *more]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        (error,) = [told for told in err.splitlines() if told.startswith("error: ")]
        assert f"'{file}' (line {line})" in error
        assert words in error
        assert "this is a bug" not in error


def test_rank_prints_only_its_result_whatever_a_function_prints(trained_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\nprint('loaded')\ndef embed(images):\n    print('embedding')\n"
        "    return np.stack([i.mean((0, 1)) for i in images])\n"
    )
    assert main(["rank", f"{file}:embed", "--base", str(trained_run), "--estimate", "--json"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 1
    assert {"loaded", "embedding"} <= set(err.splitlines())
