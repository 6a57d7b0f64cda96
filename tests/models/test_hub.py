"""What the hub's refusals become: one sentence that says what to do."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from probing_core.errors import ModelUnavailable
from probing_core.models import hub, load_embedder
from probing_core.models.providers import huggingface
from tests.models.published import put_snapshot


@pytest.mark.parametrize("content", ["{", "[1]", "3"])
def test_a_configuration_that_cannot_be_read_is_one_sentence(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelUnavailable, match=r"invalid config\.json"):
        load_embedder(f"hf:{tmp_path}")


def test_whoever_asks_for_one_file_at_once_shares_a_download(tmp_path, monkeypatch):
    asked = []

    def download(url: str, path: str, **_: object) -> None:
        """As torch's: into a partial file, which becomes the file at the end."""
        asked.append(url)
        partial = Path(f"{path}.{len(asked)}.partial")
        partial.write_bytes(b"weights")
        time.sleep(0.2)
        partial.rename(path)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "require_host", lambda *_: None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with ThreadPoolExecutor(3) as pool:
        paths = list(pool.map(lambda _: hub.fetch_url("https://host/weights.pth", "model"), range(3)))
    assert [path.read_bytes() for path in paths] == [b"weights"] * 3
    assert asked == ["https://host/weights.pth"]


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "hub").write_text("a file where the folder of the cache would be")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "require_host", lambda *_: None)
    with pytest.raises(ModelUnavailable, match=r"'model' could not be downloaded from https://host/weights\.pth \("):
        hub.fetch_url("https://host/weights.pth", "model")


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(huggingface, "find_spec", lambda _: None)
    with pytest.raises(ModelUnavailable, match="requires transformers, which is not installed"):
        load_embedder("hf:org/model")


def test_weights_are_those_that_the_main_branch_points_to_whatever_was_touched_last(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for commit in ("of-a-tag", "of-main"):
        folder = put_snapshot(tmp_path, "org/model", commit)
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_text("{}")
    os.utime(tmp_path / "models--org--model/snapshots/of-main", (1, 1))
    folders = hub.cached_folder("org/model"), hub.fetch_repository("org/model", "hf:org/model", weights=False)
    assert {folder.name for folder in folders} == {"of-main"}
    assert hub.on_disk("org/model").available
    (folders[0] / "model.safetensors").unlink()  # other commits' weights are another model's
    assert hub.cached_folder("org/model") is None
    assert hub.fetch_repository("org/model", "hf:org/model", weights=False) == folders[1]


def test_what_was_never_downloaded_of_a_repository_is_not_missed(tmp_path, monkeypatch):
    """Newer libraries note a repository's files; a model needs its weights once, not in every format."""
    notes = pytest.importorskip("huggingface_hub._tree_cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0" * 40
    (put_snapshot(tmp_path, "org/model", commit) / "model.safetensors").touch()
    files = {name: notes.TreeCacheEntry(0, "", None, None, None) for name in ("model.safetensors", "pytorch_model.bin")}
    notes.write_tree_cache(str(tmp_path / "models--org--model"), commit, files)
    assert hub.cached_folder("org/model").name == commit


@pytest.mark.parametrize("name", ["org/model", "a/b/c", "no name", ""])
def test_what_is_not_in_the_cache_is_not_on_disk(name):
    assert not hub.on_disk(name).available


def test_hub_reason_names_no_password(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://ada:secret@mirror.example:8080")
    sentence = hub._hub_reason(TimeoutError(), "someone/model")
    assert "mirror.example:8080" in sentence
    assert "secret" not in sentence
