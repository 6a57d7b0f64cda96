"""Published encoders through a hub on this machine: downloads, what interrupts them, and runs without the network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from lab.devtools.local_hub import REPOSITORIES, serving, sha256_of
from probing_core.cli import main
from probing_core.errors import ModelUnavailable
from probing_core.models import compiled, expand, find_spec, hub, load_embedder
from probing_core.results import Run
from tests.models.made import pictures
from tests.models.published import make_architectures_small, no_network, small_repositories, use  # noqa: F401

REPO = "org/model"

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A hub with one repository, of 400 KB of weights in two formats."""
    folder = tmp_path / "root" / REPO
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "vit"}')
    save_file(
        {"weight": np.random.default_rng(0).normal(size=100_000).astype(np.float32)}, folder / "model.safetensors"
    )
    (folder / "pytorch_model.bin").write_bytes(b"the same in another format")
    with serving(tmp_path / "root") as server:
        use(server, monkeypatch)
        yield server


def test_hub_over_http_on_any_port_is_asked(served):
    find_spec(f"hf:{REPO}")
    assert not hub.on_disk(REPO).available
    folder = hub.fetch_repository(REPO, "model")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert sha256_of(folder / "model.safetensors") == sha256_of(served.root / REPO / "model.safetensors")
    assert hub.on_disk(REPO).available


def test_download_that_is_interrupted_resumes(served, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)  # what is written at a time
    served.faults.cut = [100_000, 50_000]
    folder = hub.fetch_repository(REPO, "model")
    starts = [start for method, path, start in served.requests if method == "GET" and path.startswith("/stored")]
    assert starts == [0, 100_000, 150_000]
    assert sha256_of(folder / "model.safetensors") == sha256_of(served.root / REPO / "model.safetensors")


def test_files_of_open_clip_are_not_taken_for_those_of_timm_in_one_repository(served):
    folder = served.root / REPO
    (folder / "open_clip_model.safetensors").write_bytes((folder / "model.safetensors").read_bytes() + b"more")
    first = hub.fetch_repository(REPO, "model")
    assert hub.find_weights(first, "model").name == "model.safetensors"
    assert not hub.on_disk(REPO, preferred=hub.OPEN_CLIP_FILES).available
    second = hub.fetch_repository(REPO, "model", preferred=hub.OPEN_CLIP_FILES)
    assert hub.find_weights(second, "model", hub.OPEN_CLIP_FILES).name == "open_clip_model.safetensors"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"short": 1000}, f"a file in {REPO} was not downloaded completely from"),
        (
            {"altered": True},
            r"Corrupted files of org/model were removed \(SHA-256 differs from .*\): model\.safetensors\.",
        ),
        ({"refused": {REPO: (401, "GatedRepo")}}, f"{REPO} is gated. Accept its license"),
        ({"refused_files": {REPO: (401, "GatedRepo")}}, f"{REPO} is gated. Accept its license"),
        ({"refused_files": {REPO: (403, "GatedRepo")}}, f"{REPO} is gated. Accept its license"),
        ({"refused": {REPO: (403, "")}}, rf"denies access to {REPO} \(403\)\. Set HF_TOKEN"),
        ({"refused_files": {REPO: (403, "")}}, rf"denies access to {REPO} \(403\)\. Set HF_TOKEN"),
        ({"refused": {REPO: (401, "RepoNotFound")}}, f"no public repository '{REPO}'. Check the name"),
        ({"refused": {REPO: (404, "RepoNotFound")}}, f"no public repository '{REPO}'. Check the name"),
        ({"refused": {REPO: (404, "")}}, f"has no repository '{REPO}'"),
        ({"refused": {REPO: (500, "")}}, f"returned status 500 for {REPO}. Try again later"),
        ({"silent": 4.0}, "did not respond within 3 seconds"),
        ({"stalled": True}, "stopped responding. Try again"),
    ],
    ids=lambda value: "-".join(f"{key}-{value[key]}" for key in value) if isinstance(value, dict) else "",
)
def test_failed_download_is_reported_on_one_line_and_can_be_repeated(fault, reason, served, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda seconds: None))
    usual = served.faults.__dict__.copy()
    for name, value in fault.items():
        setattr(served.faults, name, value)
    with pytest.raises(ModelUnavailable, match=reason) as caught:
        hub.fetch_repository(REPO, f"hf:{REPO}")
    assert f"'hf:{REPO}'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not hub.on_disk(REPO).available
    served.faults.__dict__.update(usual)
    hub.fetch_repository(REPO, f"hf:{REPO}")
    assert hub.on_disk(REPO).available


@pytest.mark.parametrize("form", ["resnet50-{}.pth", "vit-l-14-{}.pt"])
def test_file_at_an_address_is_compared_with_the_sha256_in_its_name(form, served, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    content = b"weights" * 1000
    names = [form.format(digest) for digest in (hashlib.sha256(content).hexdigest()[:8], "0123abcd")]
    for name in names:
        (served.root / REPO / name).write_bytes(content)
    right, wrong = (f"{served.url}/stored/{REPO}/{name}" for name in names)
    assert hub.fetch_url(right, "model").read_bytes() == content
    with pytest.raises(ModelUnavailable, match="invalid hash value"):
        hub.fetch_url(wrong, "model")
    assert not hub.on_disk(wrong).available


def test_date_in_the_name_of_a_file_is_not_its_sha256(served, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (served.root / REPO / "vit-20210501.pth").write_bytes(b"weights")
    assert hub.fetch_url(f"{served.url}/stored/{REPO}/vit-20210501.pth", "model").read_bytes() == b"weights"


def test_every_published_encoder_is_downloaded_and_loaded_by_its_own_provider(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "installed_version", lambda: "")  # compiling takes longest
    make_architectures_small(monkeypatch)
    assert sorted(REPOSITORIES) == sorted(expand(["published"]))
    with serving(small_repositories()) as server:
        use(server, monkeypatch)
        first = {name: load_embedder(name, precision="float32").embed(pictures()) for name in REPOSITORIES}
    for name, embeddings in first.items():
        assert np.isfinite(embeddings).all()
        assert np.array_equal(load_embedder(name, precision="float32").embed(pictures()), embeddings), "without server"
    fetched = {path.rsplit("/", 1)[-1] for method, path, _ in server.requests if "/stored/" in path}
    assert fetched == {"model.safetensors", "open_clip_model.safetensors", "resnet50-1x.pth"}


@pytest.mark.slow
def test_run_of_published_models_completes_through_a_hub_and_again_without_it(tmp_path, few_scenes, monkeypatch):
    monkeypatch.setattr(compiled, "installed_version", lambda: "")  # compiling takes longest
    make_architectures_small(monkeypatch)

    def run(out: Path, *more: str) -> int:
        command = ["run", "--out", str(out), "--models", "published", "--limit", "12", "--device", "cpu", *more]
        few = ["--corpus", f"folder:{few_scenes}", "--view", "32", "--transforms", "brighten,gaussian-blur"]
        return main([*command, *few, "--precision", "float32"])

    with serving(small_repositories()) as server:
        use(server, monkeypatch)
        assert run(tmp_path / "first") == 0
    assert server.requests
    asked = len(server.requests)
    assert run(tmp_path / "second", "--until", "embed") == 0
    assert len(server.requests) == asked
    first, second = (Run.open(tmp_path / name) for name in ("first", "second"))
    assert set(first.scores["model"]) == set(REPOSITORIES)
    for name in REPOSITORIES:
        assert np.array_equal(first.embeddings(name), second.embeddings(name))
