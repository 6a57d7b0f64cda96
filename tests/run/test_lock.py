"""One process writes to a folder at a time, also if processes are killed or the log is removed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from probing_core.cli import main
from probing_core.errors import BadRun, RunBusy
from probing_core.run.directory import is_being_written, locked_folder

HOLDER = """
    from pathlib import Path
    from probing_core.run.directory import locked_folder
    with locked_folder(Path({folder!r})):
        print("locked", flush=True)
        input()
"""

TAKER = """
    import os, sys, time
    from pathlib import Path
    from probing_core.errors import BadRun
    from probing_core.run.directory import locked_folder
    folder, inside, taken = Path({folder!r}), {inside!r}, 0
    ends = time.monotonic() + {seconds}
    while time.monotonic() < ends:
        try:
            with locked_folder(folder, removes_log=bool(taken % 2)):
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                taken += 1
                os.unlink(inside)
        except BadRun:
            pass
    print(taken)
"""


def process(script: str, **values: object) -> subprocess.Popen[str]:
    code = textwrap.dedent(script).format(**values)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)


def test_lock_admits_one_process_and_is_released_when_it_is_killed(tmp_path):
    with process(HOLDER, folder=str(tmp_path)) as holder:
        assert holder.stdout.readline() == "locked\n"
        assert is_being_written(tmp_path)
        with pytest.raises(RunBusy), locked_folder(tmp_path):
            pass
        holder.kill()
    assert not is_being_written(tmp_path)
    with locked_folder(tmp_path):
        assert is_being_written(tmp_path)


def test_lock_admits_one_process_while_others_remove_its_file(tmp_path):
    values = {"folder": str(tmp_path / "run"), "inside": str(tmp_path / "inside"), "seconds": 1.5}
    takers = [process(TAKER, **values) for _ in range(3)]
    outputs = [taker.communicate() for taker in takers]
    assert [error for _, error in outputs] == [""] * 3
    assert all(int(taken) > 0 for taken, _ in outputs)


def test_lock_file_remains_after_the_lock_is_released(tmp_path):
    with locked_folder(tmp_path):
        pass
    assert (tmp_path / "log" / "lock").is_file()
    with pytest.raises(ZeroDivisionError), locked_folder(tmp_path, removes_log=True):
        _ = 1 / 0
    assert (tmp_path / "log" / "lock").is_file()
    with locked_folder(tmp_path, removes_log=True):
        (tmp_path / "log" / "folder").mkdir()
        (tmp_path / "log" / "folder" / "file").touch()
    assert list((tmp_path / "log").iterdir()) == []


@pytest.mark.parametrize("name", ["log", "log/lock", "log/writer.json"])
def test_lock_writes_nothing_through_links(tmp_path, name):
    folder, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    (outside / "lock").write_text("precious")
    link = folder / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside if name == "log" else outside / "lock")
    assert not is_being_written(folder)
    with pytest.raises(BadRun, match="is a link"), locked_folder(folder):
        pass
    assert [path.name for path in outside.iterdir()] == ["lock"]
    assert (outside / "lock").read_text() == "precious"


def test_lock_of_a_folder_that_cannot_be_created_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadRun, match="is not writable"), locked_folder(Path(tmp_path / "file" / "run")):
        pass


def test_verify_of_a_run_that_is_being_written_exits_with_4(made_run, capsys):
    with process(HOLDER, folder=str(made_run)) as writer:
        assert writer.stdout.readline() == "locked\n"
        assert main(["verify", "--run", str(made_run)]) == 4
        assert "is being written" in capsys.readouterr().err
        writer.kill()
    assert main(["verify", "--run", str(made_run)]) == 0
