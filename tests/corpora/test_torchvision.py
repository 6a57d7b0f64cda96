"""Offline: classes of the shape of torchvision's, one of files and one of arrays, stand in for the published."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from probing_core.corpora import open_corpus, torchvision_
from probing_core.corpora.torchvision_ import Published, TorchvisionCorpus
from probing_core.errors import BadCorpus
from tests.corpora.pictures import made, made_png


class FakeFiles:
    """As DTD or Food101: files under ``root``, opened by a ``loader``."""

    classes = ("striped", "dotted")

    def __init__(self, root: str, split: str = "train", download: bool = False, loader: Callable | None = None) -> None:
        self.folder, self.loader = Path(root, "files", split), loader
        if download:
            self.folder.mkdir(parents=True)
            for number in range(4):
                (self.folder / f"{number}.png").write_bytes(made_png(number + 10 * len(split)))
        if not self.folder.is_dir():
            raise RuntimeError("Dataset not found. You can use download=True to download it")

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> tuple[object, int]:
        return self.loader(str(self.folder / f"{number}.png")), number % 2


class FakeArrays:
    """As CIFAR10: one array in memory, pictures given by Pillow."""

    classes = ("airplane", "automobile")

    def __init__(self, root: str, train: bool = True, download: bool = False) -> None:
        self.offset = 0 if train else 100
        if download:
            Path(root, "batches").touch()
        if not Path(root, "batches").exists():
            raise RuntimeError("Dataset not found or corrupted.")

    def __len__(self) -> int:
        return 3

    def __getitem__(self, number: int) -> tuple[pillow.Image, int]:
        return pillow.fromarray(made(self.offset + number)), number % 2


class FailingDownload(FakeFiles):
    """A connection that breaks after half of the files."""

    def __init__(self, root: str, **options) -> None:
        super().__init__(root, **options)
        if options["download"]:
            raise OSError("connection reset")


FILES = Published("DTD", "http://127.0.0.1", "small", torchvision_.THREE, "made")
ARRAYS = Published("CIFAR10", "http://127.0.0.1", "small", torchvision_.TRAIN_TEST, "made")


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.DTD", FakeFiles)
    monkeypatch.setattr("torchvision.datasets.CIFAR10", FakeArrays)


@pytest.fixture
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_, "_require_answer", lambda published, folder: None)


@pytest.mark.usefixtures("_online")
def test_files_are_downloaded_once_and_keep_their_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = TorchvisionCorpus(FILES, tmp_path)
    assert corpus.rows["split"].value_counts().to_dict() == {"train": 4, "val": 4, "test": 4}
    assert corpus.rows["label"].tolist() == ["striped", "dotted"] * 6
    assert np.array_equal(corpus.load("val/000002"), made(32))

    def offline(published: Published, folder: Path) -> None:
        raise AssertionError("asked for the network")

    monkeypatch.setattr(torchvision_, "_require_answer", offline)
    assert TorchvisionCorpus(FILES, tmp_path).fingerprint == corpus.fingerprint
    (tmp_path / "DTD" / "files" / "val" / "0.png").write_bytes(made_png(1))
    assert TorchvisionCorpus(FILES, tmp_path).fingerprint != corpus.fingerprint


@pytest.mark.usefixtures("_online")
def test_arrays_without_three_splits_leave_them_to_the_run(tmp_path: Path) -> None:
    corpus = TorchvisionCorpus(ARRAYS, tmp_path)
    assert corpus.rows["split"].eq("").all()
    assert corpus.rows["image_id"].tolist() == [f"{part}/00000{n}" for part in ("train", "test") for n in range(3)]
    assert np.array_equal(corpus.load("test/000001"), made(101))


@pytest.mark.usefixtures("_online")
def test_half_a_download_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.DTD", FailingDownload)
    with pytest.raises(BadCorpus, match=r"could not be downloaded \(connection reset\); try again later"):
        TorchvisionCorpus(FILES, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_cache_says_what_to_remove(tmp_path: Path) -> None:
    (tmp_path / "DTD").mkdir()
    with pytest.raises(BadCorpus, match=f"remove {tmp_path / 'DTD'} and try again"):
        TorchvisionCorpus(FILES, tmp_path)


def test_without_a_network_it_says_so_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(torchvision_, "TIMEOUT_S", 0.3)

    release, waited = threading.Event(), threading.Event()

    def never(*arguments: object, **options: object) -> None:
        release.wait(60)
        waited.set()
        raise TimeoutError

    monkeypatch.setattr("urllib.request.urlopen", never)
    with pytest.raises(BadCorpus, match=r"has to be downloaded once \(0\.6 GB\).*does not answer; use a machine with"):
        open_corpus("torchvision:DTD")
    assert not waited.is_set()  # it did not wait for the server
    release.set()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_answers_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_, "TIMEOUT_S", 60)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        monkeypatch.setenv("no_proxy", "*")
        here = Published("DTD", f"http://127.0.0.1:{server.getsockname()[1]}", "small", torchvision_.THREE, "made")
        assert len(TorchvisionCorpus(here, tmp_path).rows) == 12


def test_every_published_class_exists_and_takes_the_arguments() -> None:
    import inspect

    import torchvision.datasets.dtd
    from torchvision import datasets

    for published in torchvision_.PUBLISHED:
        build = torchvision.datasets.dtd.DTD if published.name == "DTD" else getattr(datasets, published.name)
        if build is FakeArrays:
            from torchvision.datasets.cifar import CIFAR10 as build
        parameters = inspect.signature(build).parameters
        for arguments in published.parts.values():
            assert {"root", "download", *arguments} <= set(parameters)
        assert published.license
        assert published.server.startswith("http")
