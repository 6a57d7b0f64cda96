"""Scripts with environments of their own: uv runs them, and where it is missing one sentence says how to get it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from lab.devtools import environments
from lab.devtools.command import errors_in_a_line
from lab.devtools.environments import uv_run

ROOT = Path(__file__).resolve().parents[3]
HEADER = re.compile(r"^# /// script\n((?:#.*\n)+?)# ///$", re.M)
SCRIPTS = sorted(
    path
    for folder in ("evidence", "benchmarks")
    for path in (ROOT / "lab" / folder).glob("*.py")
    if HEADER.search(path.read_text())
)
OWN = """
# /// script
# dependencies = []
# ///
import sys

print(*sys.argv[1:])
sys.exit(len(sys.argv) - 2)
"""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_header_of_a_script_states_its_environment(path):
    header = HEADER.search(path.read_text())
    assert header is not None
    stated = tomllib.loads("\n".join(line.removeprefix("#").strip() for line in header[1].splitlines()))
    assert stated["requires-python"]
    assert stated["dependencies"]


def test_every_other_library_has_its_script():
    named = {path.stem for path in SCRIPTS}
    assert {"foreign_albumentations", "foreign_imagecorruptions", "foreign_imgaug"} <= named
    assert {"cleanvision_issues", "imagecorruptions_peer"} <= named


@pytest.mark.skipif(not shutil.which("uv", path=environments.places()), reason="no uv on this machine")
def test_uv_runs_a_script_and_its_failure_is_an_error(tmp_path):
    script = tmp_path / "own.py"
    script.write_text(OWN)
    assert uv_run(script, 3) == "3\n"
    with pytest.raises(subprocess.CalledProcessError):
        uv_run(script, 3, 4)


def test_without_uv_one_sentence_says_how_to_get_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(environments, "places", lambda: str(tmp_path))
    command = errors_in_a_line(lambda: print(uv_run(Path("foreign_imgaug.py"))))
    assert command() == 2
    told = capsys.readouterr().err
    assert told.startswith("error: foreign_imgaug.py needs uv")
    assert "pip install uv" in told
    assert len(told.splitlines()) == 1
