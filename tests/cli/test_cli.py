from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.devtools.run_edits import put
from probing_core import cli
from probing_core.images import encode_png, read_image
from probing_core.run.directory import RunDirectory
from probing_core.run.run_files import RunFiles
from probing_core.transforms import CATALOG
from tests.conftest import scene
from tests.forked import begin
from tests.run.test_embed import files


def call(capsys, *arguments):
    """Exit code, stdout, stderr of one command."""
    try:
        code = cli.main([str(a) for a in arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def trained(split_run, few_pixels) -> Path:
    return split_run[0]


@pytest.mark.parametrize("name", ["models", "transforms", "corpora"])
def test_lists_print_a_table_and_one_json_array(capsys, name):
    code, out, err = call(capsys, name, "--json")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert all("name" in row for row in rows)
    code, out, _ = call(capsys, name)
    assert code == 0
    assert len(out.splitlines()) == len(rows) + 1


def test_rows_hold_what_scripts_rely_on(capsys):
    models = json.loads(call(capsys, "models", "--json")[1])
    for key in ("name", "title", "family", "objective", "dim", "available", "why_not", "license"):
        assert all(key in row for row in models)
    transforms = json.loads(call(capsys, "transforms", "--json")[1])
    assert [row["name"] for row in transforms] == list(CATALOG.names)
    for key in ("group", "parameter", "unit", "weakest", "strongest", "unseen_in"):
        assert all(key in row for row in transforms)
    assert sum(row["tier"] == "bank" for row in transforms) == 31


def test_listing_models_loads_no_deep_learning_framework():
    script = (
        "import sys; from probing_core.cli import main; main(['models', '--json']); "
        "print([m for m in ('torch', 'timm', 'open_clip', 'transformers', 'torchvision', 'openvino', 'onnxruntime')"
        " if m in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    code, out, _ = call(capsys, command, "--help")
    assert code == 0
    assert f"example:\n  probing {command}" in out


def test_first_steps_are_printed_without_arguments_and_can_be_entered(capsys):
    code, out, err = call(capsys)
    assert (code, err) == (0, "")
    commands = [line.split("  ")[1] for line in out.splitlines() if line.startswith("  probing ")]
    assert len(commands) == 4
    for command in commands:
        assert callable(cli.parse(command.split()[1:]).command)


def test_the_version_is_told(capsys):
    code, out, _ = call(capsys, "--version")
    assert (code, out.split()[0]) == (0, "probing")


def test_one_picture_is_transformed(capsys, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_png(scene(0, 64)))
    code, _, err = call(
        capsys, "transform", tmp_path / "a.png", "--name", "brighten", "--strength", 2, "--out", tmp_path / "b.png"
    )
    assert (code, err) == (0, "")
    before, after = read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png")
    assert after.shape == before.shape
    assert after.mean() > before.mean()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["transform", "none.png", "--name", "fog", "--out", "x.png"], "none.png"),
        (["transform", "A", "--out", "x.png"], "--name"),
        (["transform", "A", "--name", "fogg", "--out", "x.png"], "fogg"),
        (["transform", "A", "--name", "fog", "--strength", "99", "--out", "x.png"], "99"),
        (["transform", "A", "--name", "fog", "--out", "x.gif"], ".gif"),
        (["transform", "TINY", "--name", "rotate", "--out", "x.png"], "40 x 1"),
        (["run", "--out", "R", "--corpus", ""], "corpus"),
        (["run", "--out", "R", "--corpus", "photo"], "photos"),
        (["run", "--out", "R", "--models", "zoo/none"], "zoo/none"),
        (["run", "--out", "R", "--transforms", "blur"], "blur"),
        (["run", "--out", "R", "--seed", "-1"], "-1"),
        (["run", "--out", "R", "--until", "never"], "never"),
        (["run", "--out", "R", "--maps", "first"], "--maps"),
        (["verify", "--run", "R"], "run.toml"),
        (["predict", "A", "--run", "R"], "run.toml"),
        (["report", "--run", "R", "--out", "x.html"], "run.toml"),
        (["scan", "R", "--out", "found"], "R"),
        (["rank", "no/such"], "no/such"),
        (["compare", "zoo/mae", "zoo/none"], "zoo/none"),
        (["compare", "a.json", "b.json"], "a.json"),
        (["compare", "zoo/mae", "zoo/can", "--max-drop", "2"], "2.0"),
        (["parity", "zoo/mae"], "two pipelines"),
        (["demo", "--share", "--host", "localhost"], "either --share"),
        (["demo", "--port", "http"], "http"),
        (["embed", "--run", "R"], "embed"),
        (["nonsense"], "nonsense"),
        (["--traceback"], "COMMAND"),
    ],
)
def test_bad_input_is_one_error_line_and_exit_2(capsys, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    Path("TINY").write_bytes(encode_png(scene(0, 40)[:1]))
    Path("A").write_bytes(encode_png(scene(0, 64)))
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    error, *hints = err.splitlines()
    assert error.startswith("error: ")
    assert word in error
    assert all(line.startswith("hint: ") for line in hints)
    assert len(hints) <= 1


def test_a_command_loads_its_own_code_alone():
    script = (
        "import sys; from probing_core.cli import parse\n"
        "try: parse(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sorted(m for m in sys.modules if m.startswith('probing_core.cli.') or m in ('numpy', 'pandas')))"
    )

    def loaded(*arguments: str) -> set[str]:
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
        return set(done.stdout.splitlines()[-1].split())

    shared = {"probing_core.cli.shared"}
    assert loaded("--help") == shared
    assert loaded("verify", "--run", "x") - shared == {"probing_core.cli.verify_command"}


def test_options_before_and_after_a_command_are_its_own(tmp_path):
    (tmp_path / "mine.py").write_text("")
    options = cli.parse(["--plugin", "a.py", "models", "--json", "--plugin", "b.py"])
    assert (options.called, options.json, options.plugin) == ("models", True, [Path("a.py"), Path("b.py")])
    assert cli.parse(["parity", "a", "b"]).failure == 3
    assert cli.parse(["compare", "a", "b"]).failure == 1


def test_a_bug_is_one_line_and_exit_1(capsys, monkeypatch):
    monkeypatch.setattr("probing_core.models.bundled", lambda: 1 / 0)
    code, out, err = call(capsys, "models")
    assert (code, out) == (1, "")
    assert err.startswith("error: ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        cli.main(["--traceback", "models"])


def test_predictions_sum_to_one_and_bad_pictures_do_not_stop_the_others(capsys, trained, tmp_path):
    (tmp_path / "good.png").write_bytes(encode_png(scene(3, 32)))
    (tmp_path / "large.png").write_bytes(encode_png(scene(4, 200)))
    (tmp_path / "bad.jpg").write_text("no picture")
    paths = [tmp_path / n for n in ("good.png", "bad.jpg", "large.png")]
    code, out, err = call(capsys, "predict", *paths, "--run", trained, "--json")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "bad.jpg" in err
    rows = json.loads(out)
    assert len(rows) == 4, "one row per image and model"
    for row in rows:
        assert set(row) == {"image", "model", "crops", "edited", "answer", "unavailable", "no_color", "classes"}
        assert 0 <= row["edited"] <= 1
        probabilities = [one["probability"] for one in row["classes"]]
        assert abs(sum(probabilities) - 1) < 1e-5
        assert probabilities == sorted(probabilities, reverse=True)
        assert row["crops"] == {"good.png": "direct", "large.png": "combined"}[Path(row["image"]).name]
    code, out, _ = call(capsys, "predict", paths[0], "--run", trained)
    assert code == 0
    assert "identity" not in out
    head, *lines = out.splitlines()
    assert head.split("  ")[0] == "image"
    assert len(lines) == 2, "one line a model"
    assert call(capsys, "predict", paths[0], "--run", trained, "--prior", "1")[0] == 2
    rare, often = (
        json.loads(call(capsys, "predict", paths[0], "--run", trained, "--prior", prior, "--json")[1])
        for prior in ("0.01", "0.99")
    )
    assert all(one["edited"] < other["edited"] for one, other in zip(rare, often, strict=True))


def test_a_run_that_is_being_written_is_called_so(capsys, trained):
    (trained / "half").write_text("?")
    try:
        with RunDirectory(trained).locked():
            code, out, err = call(capsys, "verify", "--run", trained)
        assert (code, out) == (4, "")
        assert "being written" in err
        assert call(capsys, "verify", "--run", trained)[0] == 2
    finally:
        (trained / "half").unlink()


def test_verify_reads_every_file_once(capsys, tmp_path, monkeypatch):
    store = RunFiles(tmp_path)
    put(store, {"run.toml": b""})
    put(store, {"x": b"1"})
    read, digest = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: read.append(file.name) or digest(file, name))
    for damage, expected in ((b"1", 0), (b"2", 2)):
        (tmp_path / "x").write_bytes(damage)
        read.clear()
        assert call(capsys, "verify", "--run", tmp_path)[0] == expected
        assert sorted(read) == [str(tmp_path / "run.toml"), str(tmp_path / "x")]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_that_is_killed_in_every_stage_ends_with_the_same_bytes(capsys, tmp_path, many_scenes):
    arguments = [
        *("--corpus", f"folder:{many_scenes}", "--view", "32", "--models", "baseline/dhash,baseline/random-vit"),
        *("--transforms", "brighten,contrast,gaussian-blur,motion-blur", "--limit", "30", "--device", "cpu"),
    ]
    moments = (
        "Reading images",
        "Loading",
        "Embedding",
        "Training probes on",
        "Scoring",  # only a stage's first line is sure to come; the studies are behind it
        "Computing the map",
    )

    def command(out: Path) -> list[str]:
        return ["run", "--out", str(out), *arguments]

    def start(out: Path):
        return begin(command(out))

    def files_of(out: Path) -> dict[str, bytes]:
        return {name: content for name, content in files(out).items() if not name.startswith("log/")}

    def reached(process, moment: str) -> bool:
        return any(moment in line for line in process.stderr)

    code, _, stderr = call(capsys, *command(tmp_path / "alone"))
    assert code == 0, stderr
    assert [moment for moment in moments if moment not in stderr] == []

    killed = []
    for moment, seconds in zip(moments, itertools.cycle((0.0, 0.4))):
        process = start(tmp_path / "killed")
        if reached(process, moment):
            time.sleep(seconds)
            process.kill()
            killed.append(moment)
        process.communicate()
    assert len(set(killed)) >= 5, killed  # what an earlier try completed is not told again
    last = start(tmp_path / "killed")
    told = last.communicate()[1]
    assert last.returncode == 0, told

    whole, resumed = files_of(tmp_path / "alone"), files_of(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if whole[name] != resumed[name]] == []
    assert cli.main(["verify", "--run", str(tmp_path / "killed")]) == 0

    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").rglob("*") if path.is_file()}
    code, _, told = call(capsys, *command(tmp_path / "killed"))
    assert (code, "Loading" in told) == (0, False), told
    assert {path: path.stat().st_mtime_ns for path in times if "log" not in path.parts} == {
        path: at for path, at in times.items() if "log" not in path.parts
    }


def test_lists_say_what_is_wrong_with_other_packages(capsys, monkeypatch):
    monkeypatch.setattr(CATALOG, "_third_party", {})
    monkeypatch.setattr(CATALOG, "_problems", ["The entry point 'theirs' is broken."])
    code, out, err = call(capsys, "transforms", "--json")
    assert (code, err) == (0, "warning: The entry point 'theirs' is broken.\n")
    assert json.loads(out)


def test_a_full_disk_and_a_reader_that_went_away_are_told_or_are_none(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "probing_core.cli", "transforms"]
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: The disk is full.")
    assert done.stderr.count("\n") == 1
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_reads_tables_into_the_systems_memory():
    """Arrow's own allocator would keep what it read with; it is chosen before anything loads Arrow."""
    script = "import probing_core.cli, pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "system"


class OfACodePage(io.TextIOWrapper):
    """Redirected output as on Windows, in a code page without a minus sign."""

    def __init__(self, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="cp1252")
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    @property
    def written(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()


ODD_NAME = "\N{MINUS SIGN}1.5 \N{GREEK SMALL LETTER SIGMA} \udcff"
"""Characters that a code page lacks, and a byte of a file name that is not valid UTF-8."""


@pytest.mark.parametrize("is_terminal", [False, True])
def test_output_of_commands_is_utf8_and_needs_no_character_of_a_code_page(monkeypatch, is_terminal):
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    out, err = OfACodePage(is_terminal), OfACodePage(is_terminal)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert cli.main(["verify", "--run", ODD_NAME]) == 2
    print(ODD_NAME)
    encoding = "cp1252" if is_terminal else "utf-8"
    assert ODD_NAME.encode(encoding, "backslashreplace") in err.written
    assert ODD_NAME.encode(encoding, "backslashreplace") in out.written
