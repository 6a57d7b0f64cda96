"""Bounds of what is computed for downloads."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.data.downloads import Downloads, TooMany, fits_into_a_zip, zip_of
from probing_core.results import Run


def test_downloads_of_a_visitor_are_computed_one_at_a_time():
    running, most = [], []

    def content() -> bytes:
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return b"x"

    compute = Downloads().bounded(content)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: compute(), range(4))) == [b"x"] * 4
    assert max(most) == 1


def test_downloads_of_two_visitors_do_not_wait_for_each_other():
    meet = threading.Barrier(2, timeout=20)
    first, second = (Downloads().bounded(lambda: str(meet.wait())) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        assert sorted(future.result() for future in [pool.submit(first), pool.submit(second)]) == ["0", "1"]


def test_downloads_refuse_what_waits_too_long():
    visitor, ends = Downloads(wait_s=0.05), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(visitor.bounded(lambda: str(ends.wait(20))))
        time.sleep(0.2)
        with pytest.raises(TooMany):
            visitor.bounded(lambda: b"x")()
        ends.set()
        assert slow.result() == "True"
    assert visitor.bounded(lambda: b"x")() == b"x"


def test_downloads_have_a_number_in_a_minute():
    visitor = Downloads(per_minute=2)
    compute = visitor.bounded(lambda: b"x")
    assert [compute(), compute()] == [b"x", b"x"]
    with pytest.raises(TooMany):
        compute()


def test_a_failed_download_lets_the_next_one_start():
    visitor = Downloads(wait_s=0.05)
    with pytest.raises(ZeroDivisionError):
        visitor.bounded(lambda: str(1 / 0))()
    assert visitor.bounded(lambda: b"x")() == b"x"


def test_zip_holds_every_table_and_is_not_offered_beyond_a_size(made_run):
    run = Run.open(made_run)
    names = run.table_names
    with zipfile.ZipFile(io.BytesIO(zip_of(run, names))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {n: run.store.read_bytes(n) for n in names}
    size = sum(run.store.path(name).stat().st_size for name in names)
    assert fits_into_a_zip(run, names, size)
    assert not fits_into_a_zip(run, names, size - 1)
