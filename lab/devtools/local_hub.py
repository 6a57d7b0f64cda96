"""Local mock of the file API of the Hugging Face Hub, with random weights for the published encoders.

The API follows the code of huggingface_hub, and the file layouts follow the code of timm, open_clip and transformers,
which also write the files. The mock has not been compared with the real hub.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".pth", ".pt")
"""Extensions of files in large file storage. Their ETag is the SHA-256, and HEAD requests are redirected."""

BLOCK = 2**16


@dataclass
class Faults:
    """Simulated faults of the hub.

    Attributes:
        refused: repository -> (status, ``X-Error-Code``) of all responses for the repository.
        refused_files: repository -> (status, ``X-Error-Code``) of responses for files, as for gated repositories.
        cut: numbers of bytes after which successive downloads of large files are interrupted.
        short: number of missing bytes at the end of every large file. The stated size is correct.
        altered: whether one byte of every large file is changed.
        silent: delay in seconds before each response.
        stalled: whether downloads of large files stall halfway.
    """

    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused_files: dict[str, tuple[int, str]] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    short: int = 0
    altered: bool = False
    silent: float = 0.0
    stalled: bool = False


class LocalHub:
    """Server for the repositories in ``root`` (``org/name/files``).

    Attributes:
        requests: (method, path, start of the range) of each request.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.faults = root, Faults()
        self.requests: list[tuple[str, str, int]] = []
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def storage_url(self) -> str:
        """URL of large files. As on the real hub, it has a different host name."""
        return self.url.replace("127.0.0.1", "localhost")

    @contextmanager
    def serving(self) -> Iterator[LocalHub]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def commit(self, repo: str) -> str:
        """Return a hash of the files of a repository, as 40 hex digits."""
        sha = hashlib.sha1(repo.encode())
        for path in self.files(repo):
            sha.update(f"{path.name} {path.stat().st_size}".encode())
        return sha.hexdigest()

    def files(self, repo: str) -> list[Path]:
        return sorted(path for path in (self.root / repo).iterdir() if path.is_file())

    def wait(self, seconds: float) -> None:
        """Wait until the time has passed or the server is stopped."""
        self._ended.wait(seconds)


@cache
def _sha256(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(path: Path) -> str:
    return _sha256(path, path.stat().st_mtime_ns)


def etag_of(path: Path) -> str:
    """Return the SHA-256 of a large file, or the Git hash of any other file."""
    if path.suffix in LARGE:
        return sha256_of(path)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()


def _entry(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    entry: dict[str, Any] = {"type": "file", "oid": "0" * 40, "size": size, "path": path.name}
    if path.suffix in LARGE:
        entry["lfs"] = {"oid": sha256_of(path), "size": size, "pointerSize": 134}
    return entry


API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(?:/(?P<what>revision|tree)/(?P<revision>[^/]+))?")
FILE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>[^/]+)")
STORED = re.compile(r"/stored/(?P<repo>[^/]+/[^/]+)/(?P<name>[^/]+)")


def _handler_of(hub: LocalHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, *args: Any) -> None:
            pass

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            start = int(match.group(1)) if (match := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
            hub.requests.append((self.command, path, start))
            hub.wait(hub.faults.silent)
            if match := API.fullmatch(path):
                if self._exists(match["repo"], hub.faults.refused):
                    self._send_json(self._listing(match["repo"], match["what"]))
            elif match := FILE.fullmatch(path):
                if self._exists(match["repo"], hub.faults.refused | hub.faults.refused_files, match["name"]):
                    self._send_resolved(match["repo"], match["name"])
            elif match := STORED.fullmatch(path):
                self._send_file(hub.root / match["repo"] / match["name"], start)
            else:
                self._refuse(404, "")

        def _exists(self, repo: str, refused: dict[str, tuple[int, str]], name: str = "") -> bool:
            if repo in refused:
                self._refuse(*refused[repo])
            elif not (hub.root / repo).is_dir():
                self._refuse(401, "RepoNotFound")
            elif name and not (hub.root / repo / name).is_file():
                self._refuse(404, "EntryNotFound")
            else:
                return True
            return False

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _listing(self, repo: str, kind: str | None) -> Any:
            files = hub.files(repo)
            if kind == "tree":
                return [_entry(path) for path in files]
            siblings = [{"rfilename": path.name} for path in files]
            return {"_id": "0", "id": repo, "modelId": repo, "sha": hub.commit(repo), "siblings": siblings,
                    "private": False, "gated": False, "disabled": False, "tags": [], "downloads": 0}  # fmt: skip

        def _send_json(self, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def _send_resolved(self, repo: str, name: str) -> None:
            path = hub.root / repo / name
            large = path.suffix in LARGE
            self.send_response(302 if large else 200)
            self.send_header("X-Repo-Commit", hub.commit(repo))
            if large:
                self.send_header("Location", f"{hub.storage_url}/stored/{repo}/{name}")
                self.send_header("X-Linked-ETag", f'"{etag_of(path)}"')
                self.send_header("X-Linked-Size", str(path.stat().st_size))
            else:
                self.send_header("ETag", f'"{etag_of(path)}"')
            body = b"" if large else path.read_bytes()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def _send_file(self, path: Path, start: int) -> None:
            size = path.stat().st_size - hub.faults.short
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - start))
            self.end_headers()
            if self.command == "GET":
                self._send_content(path, start, size)

        def _send_content(self, path: Path, start: int, size: int) -> None:
            end = min(size, start + hub.faults.cut.pop(0)) if hub.faults.cut else size
            if hub.faults.stalled:
                end = min(end, max(start, size // 2))
            with path.open("rb") as file:
                file.seek(start)
                while start < end:
                    block = file.read(min(BLOCK, end - start))
                    start += len(block)
                    if hub.faults.altered and start == size:
                        block = block[:-1] + bytes([block[-1] ^ 1])
                    self.wfile.write(block)
            if end < size:
                self.wfile.flush()
                hub.wait(60 if hub.faults.stalled else 0)
                self.close_connection = True

    return Handler


@contextmanager
def serving(root: Path) -> Iterator[LocalHub]:
    with LocalHub(root).serving() as hub:
        yield hub


REPOSITORIES = {
    "timm:deit_base_patch16_224.fb_in1k": "timm/deit_base_patch16_224.fb_in1k",
    "hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x": "lightly-ai/simclrv1-imagenet1k-resnet50-1x",
    "timm:vit_base_patch16_224.mae": "timm/vit_base_patch16_224.mae",
    "open_clip:ViT-B-16/openai": "timm/vit_base_patch16_clip_224.openai",
    "hf:kakaobrain/align-base": "kakaobrain/align-base",
}
"""Encoder in the set ``published`` -> its repositories."""


def write_published(root: Path, align: dict[str, Any] | None = None) -> None:
    """Write the repositories of the set ``published`` to ``root``, with the architectures of the installed libraries.

    Args:
        root: folder of the repositories.
        align: settings of ALIGN that replace those of ``align-base``: ``text``, ``vision``, ``side`` (in pixels).
    """
    import torch

    torch.manual_seed(0)
    for name in ("timm:deit_base_patch16_224.fb_in1k", "timm:vit_base_patch16_224.mae"):
        write_timm(root, name)
    write_simclr(root)
    write_clip(root)
    write_align(root, align or {})


def write_timm(root: Path, name: str) -> None:
    """Write the files that `timm.models.push_to_hf_hub` uploads for a model with the published number of classes."""
    import timm
    from timm.models._hub import save_for_hf

    architecture = name.removeprefix("timm:")
    folder = root / "timm" / architecture
    folder.mkdir(parents=True)
    save_for_hf(timm.create_model(architecture), str(folder), safe_serialization="both")


def write_simclr(root: Path) -> None:
    """Write the ResNet-50 of SimCLR like its converter: one file with the key ``state_dict``."""
    import torch
    import torchvision

    folder = root / REPOSITORIES["hf:lightly-ai/simclrv1-imagenet1k-resnet50-1x"]
    folder.mkdir(parents=True)
    tensors = torchvision.models.resnet50(weights=None).state_dict()
    torch.save({"state_dict": tensors}, folder / "resnet50-1x.pth")
    (folder / "README.md").write_text("SimCLR\n", encoding="utf-8")


def write_clip(root: Path) -> None:
    """Write CLIP like open_clip, and its image encoder like timm, since both libraries use the same repository."""
    import open_clip
    import timm
    import torch
    from open_clip.push_to_hf_hub import save_config_for_hf
    from safetensors.torch import save_file
    from timm.models._hub import save_for_hf

    folder = root / REPOSITORIES["open_clip:ViT-B-16/openai"]
    folder.mkdir(parents=True)
    model = open_clip.create_model("ViT-B-16", force_quick_gelu=True)
    # As `save_for_hf` of open_clip, without the tokenizer, which it would download.
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()},
              folder / "open_clip_model.safetensors")  # fmt: skip
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    config = open_clip.get_model_config("ViT-B-16")
    assert config is not None
    save_config_for_hf(model, folder / "open_clip_config.json", model_config=config)
    trunk = timm.create_model("vit_base_patch16_clip_224.openai")
    save_for_hf(trunk, str(folder), safe_serialization="both")


def write_align(root: Path, sizes: dict[str, Any]) -> None:
    """Write ALIGN like transformers, by default with the size of ``align-base``, which crops 289 of 346 pixels."""
    import transformers as t

    folder = root / REPOSITORIES["hf:kakaobrain/align-base"]
    config = t.AlignConfig(text_config=sizes.get("text", {}), vision_config=sizes.get("vision", {}))
    t.AlignModel(config).eval().save_pretrained(folder)
    side = sizes.get("side", 289)
    resized = round(side * 346 / 289)
    t.EfficientNetImageProcessor(
        size={"height": resized, "width": resized},
        do_center_crop=True,
        crop_size={"height": side, "width": side},
        resample=0,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
    ).save_pretrained(folder)
