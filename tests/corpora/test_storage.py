"""Pictures at addresses: the same corpus as on disk, from a server that fails in the usual ways."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem

from probing_core.corpora import folder as storage
from probing_core.corpora import open_corpus
from probing_core.errors import BadConfig, BadCorpus, BadImage
from probing_core.paths import refuse_address
from tests.corpora.pictures import made_png
from tests.corpora.storage_server import BUCKET, SECRET, s3_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with s3_server() as started:
        yield started


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "mine"
    for number, name in enumerate(("dog/b.png", "dog/a.png", "cat/deep/c.png", "copy/c.png", "lone.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(made_png(2 if name.startswith("copy") else number))
    (root / "notes.txt").write_text("no picture")
    (root / "empty.png").touch()
    (root / ".hidden").mkdir()
    (root / ".hidden/x.png").write_bytes(made_png(9))
    return root


def test_a_folder_at_an_address_is_the_folder_on_disk(server, folder, tmp_path):
    server.upload(folder, "mine")
    here, there = open_corpus(f"folder:{folder}"), open_corpus(f"folder:s3://{BUCKET}/mine")
    assert there.rows.equals(here.rows)
    assert there.fingerprint == here.fingerprint
    assert list(there.skipped) == list(here.skipped)
    assert len(there.skipped) == 2
    for image_id in here.rows["image_id"]:
        assert np.array_equal(there.load(image_id), here.load(image_id))
    assert there.name == f"folder:s3://{BUCKET}/mine"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://no-such-bucket/mine", "there is no such bucket, folder or file"),
        (f"s3://{BUCKET}/no-such-folder", "contains no files"),
        ("nothing://x/y", "cannot be opened"),
    ],
)
def test_what_is_not_there_is_one_sentence(server, address, expected):
    with pytest.raises(BadCorpus, match=expected) as caught:
        open_corpus(f"folder:{address}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (f"s3://me:{SECRET}@{BUCKET}/mine", "set credentials in the environment"),
        (f"https://example.org/x?X-Amz-Signature={SECRET}", "set credentials in the environment"),
        (f"s3://[{SECRET}/mine", "cannot be parsed"),
    ],
)
def test_credentials_in_an_address_are_refused_and_not_shown(address, message):
    with pytest.raises(BadCorpus, match=message) as caught:
        open_corpus(f"folder:{address}")
    assert SECRET not in str(caught.value)


def test_pictures_are_read_where_a_storage_lists_no_sizes(folder, monkeypatch):
    listed, described = LocalFileSystem.find, LocalFileSystem.info
    monkeypatch.setattr(
        LocalFileSystem,
        "find",
        lambda *args, **options: {path: facts | {"size": None} for path, facts in listed(*args, **options).items()},
    )
    here, there = open_corpus(f"folder:{folder}"), open_corpus(f"folder:file://{folder}")
    assert there.rows.equals(here.rows)
    assert list(there.skipped) == list(here.skipped)
    monkeypatch.setattr(LocalFileSystem, "info", lambda *args, **options: described(*args, **options) | {"size": None})
    with pytest.raises(BadCorpus, match="does not report the size of cat/deep/c.png"):
        open_corpus(f"folder:file://{folder}")


def test_a_refusal_names_the_environment_and_shows_nothing_of_it(server, folder, monkeypatch):
    server.upload(folder, "refused")
    corpus = open_corpus(f"folder:s3://{BUCKET}/refused")

    def refuse(*args, **kwargs):
        raise PermissionError(f"SignatureDoesNotMatch {SECRET}")

    monkeypatch.setattr(corpus._storage, "cat_file", refuse)
    with pytest.raises(BadCorpus, match="AWS_ACCESS_KEY_ID") as caught:
        corpus.load("lone.png")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_credentials_there_is_one_sentence(server, monkeypatch):
    import fsspec

    fsspec.get_filesystem_class("s3").clear_instance_cache()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BadCorpus) as caught:
        open_corpus(f"folder:s3://{BUCKET}/none")
    assert len(str(caught.value).splitlines()) == 1
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_a_server_that_is_away_for_ten_seconds_is_waited_for(server, folder):
    server.upload(folder, "away")
    corpus = open_corpus(f"folder:s3://{BUCKET}/away")
    expected = corpus.load("lone.png")
    content = (folder / "lone.png").read_bytes()
    server.stop()

    def come_back() -> None:
        time.sleep(10)
        server.start()
        _restore(server, content)

    thread = threading.Thread(target=come_back)
    thread.start()
    began = time.monotonic()
    assert np.array_equal(corpus.load("lone.png"), expected)
    assert time.monotonic() - began > 5
    thread.join()


def _restore(server, content: bytes) -> None:
    """Moto forgets nothing while its process lives; another server would, so that the picture is put there again."""
    import fsspec

    files = fsspec.filesystem("s3", skip_instance_cache=True)
    if not files.exists(f"{BUCKET}/away/lone.png"):
        files.mkdir(BUCKET)
        files.pipe_file(f"{BUCKET}/away/lone.png", content)


def test_a_server_that_stays_away_is_one_sentence_and_no_picture_is_blamed(server, folder, monkeypatch):
    server.upload(folder, "gone")
    corpus = open_corpus(f"folder:s3://{BUCKET}/gone")
    monkeypatch.setattr(storage, "WAITS_S", (0.1,))

    def lost(*args, **kwargs):
        raise ConnectionResetError("x")

    monkeypatch.setattr(corpus._storage, "cat_file", lost)
    with pytest.raises(BadCorpus, match="again to resume") as caught:
        corpus.load("lone.png")
    assert not isinstance(caught.value, BadImage)
    monkeypatch.setattr(corpus._storage, "cat_file", _raise(FileNotFoundError))
    with pytest.raises(BadCorpus, match="no such bucket"):
        corpus.load("lone.png")


def _raise(kind):
    def raising(*args, **kwargs):
        raise kind("x")

    return raising


@pytest.mark.parametrize("path", ["s3://bucket/run", Path("s3://bucket/run"), "gs://x", "hdfs://host:1/x"])
def test_runs_at_addresses_are_refused(path, capsys):
    from probing_core import Run
    from probing_core.cli import main

    with pytest.raises(BadConfig, match="not supported"):
        refuse_address(path)
    with pytest.raises(BadConfig, match="not supported"):
        Run.open(path)
    assert main(["run", "--out", str(path)]) == 2
    assert capsys.readouterr().err.count("not supported") == 1
    assert not Path(str(Path(path)).split(":")[0] + ":").exists()
    for fine in ("run", "/a/b:c/d", r"C:\runs", "C:/runs"):
        refuse_address(fine)
