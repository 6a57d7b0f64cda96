"""Measurement of processes that scan images."""

from __future__ import annotations

import subprocess
import sys

import psutil

from lab.evidence.scan_shards import Measured, Usage, complete, kill_at, table

IN_OTHER_SESSION = "import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"


def started(child: str) -> subprocess.Popen[bytes]:
    """Start a process with a child in another session, as Ray starts its processes."""
    return subprocess.Popen([sys.executable, "-c", IN_OTHER_SESSION.format(child=child)])


def test_complete_counts_the_processor_time_of_all_processes():
    usage = complete(started("import time\nwhile time.process_time() < 1.5: pass"))
    assert 1 < usage.processor < usage.seconds + 1
    assert usage.mb > 5


def test_kill_at_kills_processes_in_other_sessions(tmp_path):
    process = started("import time; time.sleep(600)")
    root = psutil.Process(process.pid)
    while not (children := root.children(recursive=True)):
        assert process.poll() is None
    assert kill_at(process, tmp_path, moment=0) == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_table_projects_the_processor_time_of_a_million_images(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    used = Usage(seconds=100.0, processor=30.0, mb=400.0)
    row = table({"one process": Measured(used, used, 0.036, [])}, 500, 2).splitlines()[-1]
    assert row.split(" | ")[3:6] == ["5", "30 s", "36.0 ms"]
    assert row.endswith("| 10.0 h |")
