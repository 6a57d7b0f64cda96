"""Names of files and models, which others choose, do not control the terminal."""

from __future__ import annotations

import io
import json
import re

import pytest

from probing_core.cli import main
from probing_core.images import encode_png
from probing_core.paths import reference_run
from probing_core.run.progress import Progress
from tests.cli.test_cli import call
from tests.conftest import scene
from tests.results.test_score_file import FILE

HOSTILE = "a\x1b]0;title\x07\x1b[31m\x9b2J\r"

CONTROLS = re.compile("[^\\n\\t -~\xa0-\U0010ffff]")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("names")
    (place / "board").mkdir()
    (place / "board" / f"{HOSTILE}.json").write_text("{}")
    for name in ("a", "b"):
        (place / f"{name}.json").write_text(json.dumps({**FILE, "model": f"{HOSTILE}{name}"}))
    return place


COMMANDS = {
    "transform": ["transform", "{place}/{hostile}.jpg", "--name", "fog", "--out", "x.png"],
    "board": ["board", "{place}/board"],
    "compare": ["compare", "{place}/a.json", "{place}/b.json"],
    "models": ["--plugin", "{place}/{hostile}.py", "models"],
    "verify": ["verify", "--run", "{place}/{hostile}"],
    "unknown option": ["models", "--{hostile}"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_print_names_without_control_characters(place, capsys, command):
    arguments = [argument.format(place=place, hostile=HOSTILE) for argument in COMMANDS[command]]
    _, out, err = call(capsys, *arguments)
    assert "]0;title" in out + err
    assert not CONTROLS.search(out + err)
    assert "this is a bug" not in err


@pytest.mark.parametrize("overwrites", [False, True])
def test_progress_writes_names_without_control_characters(overwrites):
    stream = io.StringIO()
    progress = Progress(stream, overwrites=overwrites)
    progress.update("embed", 0, 2, f"Embedding with {HOSTILE}")
    progress.note(f"'{HOSTILE}' was skipped.")
    assert stream.getvalue().count("]0;title") == 2
    assert not CONTROLS.search(stream.getvalue().replace("\r\x1b[K", ""))


def test_predictions_have_one_line_for_a_name_with_line_breaks(place, capsys):
    path = place / f"{HOSTILE}\nerror: b.png"
    path.write_bytes(encode_png(scene(0, 96)))
    assert main(["predict", str(path), "--run", str(reference_run()), "--models", "detector"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 2
    assert not CONTROLS.search(printed)
