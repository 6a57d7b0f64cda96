from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

from probing_core.run.run_files import RunFiles

RECIPE = ("--view", "32", "--models", "baseline/handcrafted", "--transforms", "brighten,contrast")


def start(out, folder):
    arguments = ["run", "--out", str(out), "--corpus", f"folder:{folder}", *RECIPE]
    command = [sys.executable, "-m", "probing_core.cli.background", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def report(out):
    return json.loads((out / "log" / "progress.json").read_text())


def test_a_failure_is_told_in_the_file(tmp_path, many_scenes):
    process = start(tmp_path / "run", tmp_path / "nowhere")
    assert process.wait(120) == 2
    told = report(tmp_path / "run")
    assert told["state"] == "failed"
    assert "nowhere" in told["error"]
    assert "Traceback" not in process.stderr.read()


def test_a_cancelled_run_says_so_and_keeps_what_is_complete(tmp_path, many_scenes):
    process = start(tmp_path / "run", many_scenes)
    deadline = time.monotonic() + 60
    while not RunFiles(tmp_path / "run").has("run.toml") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 1
    assert report(tmp_path / "run")["state"] == "cancelled"
    assert report(tmp_path / "run")["pid"] == process.pid
    assert RunFiles(tmp_path / "run").has("run.toml")
