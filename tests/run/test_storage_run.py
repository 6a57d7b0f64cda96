"""A run over images on an S3 server, which may fail temporarily, has the same tables as a run over local images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probing_core.corpora import folder
from probing_core.errors import BadCorpus
from probing_core.results import Run, command_of
from probing_core.run.pipeline import run
from probing_core.run.run_files import RunFiles
from tests.conftest import few_transforms
from tests.corpora.storage_server import BUCKET, SECRET, s3_server

pytestmark = pytest.mark.slow


def contents(store: RunFiles) -> dict[str, bytes]:
    """Return path -> bytes of all files except the recipe, which names the corpus."""
    return {name: store.read_bytes(name) for name in store.names() if name != "run.toml"}


def test_run_from_a_failing_server_equals_run_from_disk(tmp_path, few_scenes, monkeypatch):
    few = ("identity", "brighten", "gaussian-blur")
    options = replace(few_transforms(few_scenes, "baseline/handcrafted"), transforms=few)
    run(tmp_path / "disk", options, "evaluate")
    with s3_server() as server:
        server.upload(few_scenes, "few")
        remote = replace(options, corpus=f"folder:s3://{BUCKET}/few")
        monkeypatch.setattr(folder, "WAITS_S", (0.01,))
        read, count = folder.StorageCorpus._bytes, []

        def lose():
            raise ConnectionResetError("the server is gone")

        def failing(self, *args):
            count.append(args)
            # After the eight of the fingerprint and the eight whose size is judged: while views are made.
            return self._remote.call(lose, "give a picture") if len(count) > 20 else read(self, *args)

        monkeypatch.setattr(folder.StorageCorpus, "_bytes", failing)
        with pytest.raises(BadCorpus, match="the same command again to resume"):
            run(tmp_path / "remote", remote, "evaluate")
        broken = RunFiles(tmp_path / "remote")
        assert broken.damaged() == {}
        monkeypatch.setattr(folder.StorageCorpus, "_bytes", read)
        run(tmp_path / "remote", remote, "evaluate")
    here, there = RunFiles(tmp_path / "disk"), RunFiles(tmp_path / "remote")
    assert contents(there) == contents(here)
    assert there.damaged() == {}
    recipe = Run.open(there.root).recipe
    assert recipe.corpus == f"folder:s3://{BUCKET}/few"
    assert f"--corpus folder:s3://{BUCKET}/few" in command_of(recipe)
    files = [path for path in there.root.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
