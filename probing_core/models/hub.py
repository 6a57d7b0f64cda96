"""Weights that a user named: on disk, or downloaded.

The libraries keep retrying without a network. So they are given local paths alone, and a host must answer within three
seconds before anything is downloaded.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from probing_core.errors import ModelUnavailable, one_line
from probing_core.models.base import Availability
from probing_core.models.names import ModelName, local_folder
from probing_core.online import TIMEOUT_S, answers, hub_address, hub_is_forbidden

WEIGHT_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)
"""Names of a repository's single file of weights, by preference."""

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Names of the list of files over which a large repository spreads its weights."""

HUB = "hf-hub:"
"""Prefix of a Hugging Face repository that holds a model of timm or open_clip and its configuration."""

PICKLES = (".bin", ".pth", ".pt")
"""Endings of weights that `torch.save` wrote."""

_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def no_downloads() -> Iterator[None]:
    """Forbid downloads in this thread while the context lasts: a model that is not on disk is unavailable."""
    token = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(token)


def cached_folder(repo: str) -> Path | None:
    """Return the snapshot on disk of a Hugging Face repository, or None if its weights are incomplete."""
    folder = _snapshot(repo)
    files = _files(folder) if folder else []
    return folder if files and all(file.is_file() for file in files) else None


def cached_url(url: str) -> Path | None:
    """Return the file of ``url`` where torch.hub stores it, or None; torch is not imported."""
    path = _checkpoint(url)
    return path if path.is_file() else None


def on_disk(source: str, size_mb: float = 0.0) -> Availability:
    """Return whether the weights at ``source`` can be used without the network.

    Args:
        source: a Hugging Face repository, or the address of a file.
        size_mb: megabytes to download; 0 if unknown.
    """
    if cached_url(source) if _is_url(source) else cached_folder(source):
        return Availability(True)
    host, what = (_host(source), source.rsplit("/", 1)[-1]) if _is_url(source) else (_host(hub_address()), source)
    size = f"{size_mb:.0f} MB" if size_mb else "its weights"
    return Availability(False, f"not on disk; naming it in a run downloads {size} from {host} ({what})", host)


def published_at(source: str, size_mb: float = 0.0) -> dict[str, Any]:
    """Return the fields of an `EmbedderSpec` about weights at ``source`` (see `on_disk`)."""
    where = source if _is_url(source) else f"Hugging Face {source}"
    return {"weights": where, "download_mb": size_mb, "check": partial(on_disk, source, size_mb)}


def folder_of(name: ModelName) -> Path | None:
    """Return the folder that a model's name is, or that of a repository with the prefix `HUB`, downloaded if
    necessary; None for any other name."""
    if name.model.startswith(HUB):
        return fetch_repository(name.model.removeprefix(HUB), name.base)
    return local_folder(name.model)


def facts_of_folder(name: ModelName) -> dict[str, Any]:
    """Return the fields of an `EmbedderSpec` about such weights (see `folder_of`); empty for any other name."""
    if name.model.startswith(HUB):
        return published_at(name.model.removeprefix(HUB))
    folder = local_folder(name.model)
    return {"weights": f"the folder {folder}"} if folder else {}


def fetch_weights(source: str, model: str) -> Path:
    """Return the file of weights at ``source`` (see `on_disk`), downloaded if necessary."""
    return fetch_url(source, model) if _is_url(source) else find_weights(fetch_repository(source, model), model)


def fetch_repository(repo: str, model: str) -> Path:
    """Return a folder with configuration and weights of a Hugging Face repository, downloaded if necessary.

    Raises:
        ModelUnavailable: the hub does not answer or does not have it.
    """
    return cached_folder(repo) or _fetch(repo, model, weights=True)


def fetch_configuration(repo: str, model: str) -> Path:
    """Return a folder with the configuration of a Hugging Face repository, with or without its weights."""
    folder = _snapshot(repo)
    if folder and (folder / "config.json").is_file():
        return folder
    return _fetch(repo, model, weights=False)


def fetch_url(url: str, model: str) -> Path:
    """Return the file of ``url``, downloaded if necessary.

    Raises:
        ModelUnavailable: the host does not answer or has no such file.
    """
    if path := cached_url(url):
        return path
    require_host(url, model)
    import torch

    path = _checkpoint(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # several processes of one machine may ask for the same file at once
            if path.is_file():
                return path
            for part in path.parent.glob(f"{path.name}.*.partial"):
                part.unlink(missing_ok=True)  # of a process that was killed; torch never resumes one
            torch.hub.download_url_to_file(url, str(path), progress=sys.stderr.isatty())
    except Exception as error:
        raise ModelUnavailable(f"'{model}' could not be downloaded from {url} ({one_line(error)}).") from error
    return path


def find_weights(folder: Path, model: str) -> Path:
    """Return the file of weights in ``folder``.

    Raises:
        ModelUnavailable: there is none, or there are several and none has a usual name.
    """
    files = _files(folder)
    if len(files) == 1 and files[0].parent == folder and files[0].is_file():
        return files[0]
    raise ModelUnavailable(
        f"'{model}': the folder {folder} has no single file of weights; expected one of {', '.join(WEIGHT_FILES)}."
    )


def weight_files(folder: Path, model: str) -> list[Path]:
    """Return the file of weights in ``folder``, or the several that its index lists.

    Raises:
        ModelUnavailable: there is none, a listed one is missing, or the index points elsewhere.
    """
    files = _files(folder)
    if any(file.parent != folder for file in files):
        raise ModelUnavailable(f"'{model}': the index of weights in {folder} lists files that are not next to it.")
    if lost := [file.name for file in files if not file.is_file()]:
        raise ModelUnavailable(
            f"'{model}': the folder {folder} lacks {', '.join(lost)}, which its index of weights lists; "
            f"fetch the repository again."
        )
    return files or [find_weights(folder, model)]


def require_host(url: str, model: str) -> None:
    """Raise `ModelUnavailable` if the user forbade the network, or after `TIMEOUT_S` without an answer.

    Every download begins with it.
    """
    if not _downloads.get():
        raise ModelUnavailable(f"'{model}' is not on disk, and whoever asks for it may not download it.")
    remedy = "run it once with the network, copy the cache folder, or give a local file with @weights=PATH"
    if hub_is_forbidden():
        raise ModelUnavailable(f"'{model}' is not on disk, and HF_HUB_OFFLINE forbids the network; {remedy}.")
    if not answers(f"https://{_host(url)}", TIMEOUT_S):
        raise ModelUnavailable(
            f"'{model}' is not on disk, and {_host(url)} did not answer within {TIMEOUT_S:.0f} seconds; {remedy}."
        )


def _checkpoint(url: str) -> Path:
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints" / url.rsplit("/", 1)[-1]


def _snapshot(repo: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        # No pattern: the library would then miss files that are never downloaded; `_files` knows what a model needs.
        return Path(snapshot_download(repo, local_files_only=True, allow_patterns=[]))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def _fetch(repo: str, model: str, weights: bool) -> Path:
    """Download what a model needs of a repository: files of the top folder, weights in one format alone."""
    require_host(hub_address(), model)
    from huggingface_hub import HfApi, snapshot_download

    try:
        files = [file for file in HfApi().list_repo_files(repo) if "/" not in file]
        formats = (".safetensors",) if any(file.endswith(".safetensors") for file in files) else PICKLES
        wanted = (".json", ".txt", ".model", *(formats if weights else ()))
        return Path(snapshot_download(repo, allow_patterns=[file for file in files if file.endswith(wanted)]))
    except Exception as error:
        raise ModelUnavailable(f"'{model}' could not be fetched: {_hub_reason(error, repo)}") from error


def _is_url(source: str) -> bool:
    return "://" in source


def _host(url: str) -> str:
    return url.split("://", 1)[-1].split("/", 1)[0]


def _files(folder: Path) -> list[Path]:
    """Return the file with a usual name; else those that the index lists, even if missing; else the only one."""
    if usual := [folder / name for name in WEIGHT_FILES if (folder / name).is_file()]:
        return usual[:1]
    for name in INDEXES:
        try:
            listed = json.loads((folder / name).read_text())["weight_map"].values()
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue
        return [folder / part for part in sorted(set(map(str, listed)))]
    others = [path for path in folder.iterdir() if path.suffix in (".safetensors", *PICKLES)]
    return others if len(others) == 1 else []


def _hub_reason(error: Exception, repo: str) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return f"{repo} is gated; accept its license on Hugging Face and set HF_TOKEN."
    if isinstance(error, RepositoryNotFoundError):
        return f"Hugging Face has no public repository '{repo}'; check the name, or set HF_TOKEN if it is private."
    return f"{one_line(error)[:300]}."
