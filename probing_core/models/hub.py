"""Model weights: download, reading without code execution, consistency checks, and digests.

Without a network connection, the libraries retry for a long time. They are therefore given only local paths, and a
download starts only if the server responds within three seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import urllib.request
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from probing_core.errors import ModelUnavailable, one_line
from probing_core.models.embedder import Availability
from probing_core.models.model_names import ModelName, local_folder
from probing_core.models.weight_formats import PICKLES, SAFETENSORS, require_format
from probing_core.online import TIMEOUT_S, answers, hub_address, hub_is_forbidden
from probing_core.paths import flaw_of_name, user_path

if TYPE_CHECKING:
    import torch
    from huggingface_hub.errors import HfHubHTTPError
    from torch import nn

OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
"""Names of open_clip weight files, in open_clip's order of preference. The same repository may contain weights of the
image encoder for timm."""

WEIGHT_FILES = ("model.safetensors", *OPEN_CLIP_FILES, "pytorch_model.bin")
"""Names of single weight files, in order of preference."""

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Names of index files for weights that are split into several files."""

HUB = "hf-hub:"
"""Prefix for Hugging Face repositories that contain a timm or open_clip model and its configuration."""

HUGGING_FACE = "Hugging Face "
"""Prefix of the name of a repository in the field ``weights`` of an `EmbedderSpec`."""

_downloads: ContextVar[bool] = ContextVar("downloads", default=True)


@contextmanager
def no_downloads() -> Iterator[None]:
    """Disable downloads in this thread within the context, so that only models on disk are available."""
    token = _downloads.set(False)
    try:
        yield
    finally:
        _downloads.reset(token)


def cached_folder(repo: str, weights: bool = True, preferred: Sequence[str] = ()) -> Path | None:
    """Return the folder of the cached snapshot of a Hugging Face repository, or None if it is missing or incomplete.

    Args:
        weights: whether the weights are required; otherwise, only the configuration is required.
        preferred: names of weight files that take precedence over those in `WEIGHT_FILES`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        # With patterns, the library would require files that are never downloaded. `_files` checks the required files.
        folder = Path(snapshot_download(repo, local_files_only=True, allow_patterns=[]))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    files = _files(folder, preferred) if weights else [folder / "config.json"]
    return folder if files and all(file.is_file() for file in files) else None


def on_disk(source: str, size_mb: float = 0.0, preferred: Sequence[str] = ()) -> Availability:
    """Return whether the weights at ``source`` are available offline.

    Args:
        source: name of a Hugging Face repository, or URL of a weight file.
        size_mb: download size in megabytes; 0 if unknown.
        preferred: as in `cached_folder`.
    """
    if _checkpoint(source).is_file() if _is_url(source) else cached_folder(source, preferred=preferred):
        return Availability(True)
    address, file = (source, source.rsplit("/", 1)[-1]) if _is_url(source) else (hub_address(), source)
    size = f"{size_mb:.0f} MB" if size_mb else "its weights"
    why_not = f"not on disk; adding it to a run downloads {size} from {_host(address)} ({file})"
    return Availability(False, why_not, server_of(address))


def published_at(source: str, size_mb: float = 0.0, preferred: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of an `EmbedderSpec` that describe weights at ``source`` (see `on_disk`)."""
    weights_source = source if _is_url(source) else f"{HUGGING_FACE}{source}"
    check = partial(on_disk, source, size_mb, preferred)
    ask = partial(stated_mb, source, preferred)
    return {"weights": weights_source, "download_mb": size_mb, "check": check, "ask_download_mb": ask}


def revision_of(weights: str) -> str:
    """Return the commit of the repository on disk that provides ``weights``, or an empty string.

    Args:
        weights: source of the weights as in `EmbedderSpec`.
    """
    folder = cached_folder(weights.removeprefix(HUGGING_FACE)) if weights.startswith(HUGGING_FACE) else None
    return folder.name if folder and re.fullmatch(r"[0-9a-f]{40}", folder.name) else ""


def stated_mb(source: str, preferred: Sequence[str] = ()) -> float:
    """Return the size in megabytes of the weights at ``source`` as reported by the server, or 0 if not available."""
    address = source if _is_url(source) else hub_address()
    if not _downloads.get() or hub_is_forbidden() or not answers(server_of(address)):
        return 0.0
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    try:
        if _is_url(source):
            request = urllib.request.Request(source, method="HEAD")
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return int(answer.headers.get("Content-Length", 0)) / 1e6
        sizes = {entry.path: entry.size for entry in HfApi().list_repo_tree(source) if isinstance(entry, RepoFile)}
        return sum(sizes[name] for name in _weights_among(list(sizes), preferred)) / 1e6
    except Exception:  # the download itself reports the error
        return 0.0


def folder_of(name: ModelName, preferred: Sequence[str] = ()) -> Path | None:
    """Return the local folder that a model name refers to, or None if it does not refer to a folder.

    Repositories (prefix `HUB`) are downloaded if necessary.
    """
    if name.model.startswith(HUB):
        return fetch_repository(name.model.removeprefix(HUB), name.base, preferred=preferred)
    return local_folder(name.model)


def configuration_of(name: ModelName) -> Path | None:
    """Return the same folder as `folder_of`, but download only the configuration."""
    if name.model.startswith(HUB):
        return fetch_repository(name.model.removeprefix(HUB), name.base, weights=False)
    return local_folder(name.model)


def facts_of_folder(name: ModelName, preferred: Sequence[str] = ()) -> dict[str, Any]:
    """Return the `EmbedderSpec` fields that describe the weights in a folder or repository; empty for other names."""
    if name.model.startswith(HUB):
        return published_at(name.model.removeprefix(HUB), preferred=preferred)
    folder = local_folder(name.model)
    return {"weights": f"the folder {folder}"} if folder else {}


def fetch_weights(source: str, model: str) -> Path:
    """Download the weight file at ``source`` (see `on_disk`) if necessary, and return its local path."""
    return fetch_url(source, model) if _is_url(source) else find_weights(fetch_repository(source, model), model)


def fetch_repository(repo: str, model: str, weights: bool = True, preferred: Sequence[str] = ()) -> Path:
    """Download the configuration and weights of a Hugging Face repository if necessary, and return their folder.

    Only files in the top-level folder are downloaded, with weights in a single format. Complete files are kept if a
    download is interrupted. Files whose SHA-256 differs from the digest on the hub are removed.

    Args:
        weights: whether the weights are required.
        preferred: as in `cached_folder`.

    Raises:
        ModelUnavailable: the download fails, or a downloaded file is corrupted.
    """
    if folder := cached_folder(repo, weights, preferred):
        require_format([file.name for file in _files(folder, preferred)] if weights else [], model)
        return folder
    require_host(hub_address(), model)
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.hf_api import RepoFile

    try:
        tree = [entry for entry in HfApi().list_repo_tree(repo) if isinstance(entry, RepoFile)]
        tree = [entry for entry in tree if not flaw_of_name(entry.path)]
        names = [entry.path for entry in tree]
        weight_files = _weights_among(names, preferred) if weights else []
        require_format(weight_files, model)
        patterns = [name for name in names if name.endswith((".json", ".txt", ".model"))] + weight_files
        folder = Path(snapshot_download(repo, allow_patterns=patterns))
        digests = {entry.path: entry.lfs.sha256 for entry in tree if entry.lfs and entry.path in patterns}
        altered = [name for name, digest in digests.items() if _sha256(folder / name) != digest]
        for name in altered:
            (folder / name).resolve().unlink()  # the file that the link points to
            (folder / name).unlink(missing_ok=True)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(f"'{model}' could not be downloaded: {_hub_reason(error, repo)}") from error
    if altered:
        raise ModelUnavailable(
            f"'{model}' could not be downloaded. Corrupted files of {repo} were removed (SHA-256 differs from the "
            f"digest at {_host(hub_address())}): {', '.join(altered)}. Try again."
        )
    return folder


def _weights_among(names: Sequence[str], preferred: Sequence[str]) -> list[str]:
    """Return the names of the weight files to download, given the file ``names`` of a repository."""
    if usual := [name for name in (*preferred, *WEIGHT_FILES) if name in names]:
        return usual[:1]
    if indexes := [name for name in INDEXES if name in names]:
        ending = (SAFETENSORS,) if "safetensors" in indexes[0] else PICKLES
    else:
        ending = (SAFETENSORS,) if any(name.endswith(SAFETENSORS) for name in names) else PICKLES
    return [name for name in names if name.endswith(ending)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_url(url: str, model: str) -> Path:
    """Download the file at ``url`` if necessary, and return its local path.

    The SHA-256 of a download is checked if the URL contains it.
    """
    require_format([url], model)
    path = _checkpoint(url)
    if path.is_file():
        return path
    require_host(url, model)
    import torch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # several processes may download the same file
            if path.is_file():
                return path
            for part in path.parent.glob(f"{path.name}.*.partial"):
                part.unlink(missing_ok=True)  # left by a killed process; torch does not resume downloads
            show_progress = sys.stderr.isatty()
            torch.hub.download_url_to_file(url, str(path), hash_prefix=_digest_in(url), progress=show_progress)
    except Exception as error:
        raise ModelUnavailable(f"'{model}' could not be downloaded from {url} ({one_line(error)}).") from error
    return path


def _digest_in(url: str) -> str | None:
    """Return the SHA-256 (or a prefix of it) that a URL contains, or None.

    Examples of such URLs are ``.../<64 digits>/ViT-B-16.pt`` and ``resnet50-11ad3fa6.pth``. Eight digits that form a
    date (``dino-20210501.pth``) are not a checksum.
    """
    *folders, name = url.split("/")
    if folders and re.fullmatch(r"[0-9a-f]{64}", folders[-1]):
        return folders[-1]
    match = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
    return match.group(1) if match and not re.fullmatch(r"(19|20)\d{6}", match.group(1)) else None


def find_weights(folder: Path, model: str, preferred: Sequence[str] = ()) -> Path:
    """Return the path of the weight file in ``folder``.

    Raises:
        ModelUnavailable: the weight file is missing or ambiguous, or the weights are split into several files.
    """
    files = _files(folder, preferred)
    if len(files) == 1 and files[0].parent == folder and files[0].is_file():
        return files[0]
    raise ModelUnavailable(
        f"'{model}': the folder {folder} must contain one of these weight files: {', '.join(WEIGHT_FILES)}."
    )


def require_host(url: str, model: str) -> None:
    """Check that downloads are enabled and that the server of ``url`` responds.

    Raises:
        ModelUnavailable: downloads are disabled, or the server did not respond within `TIMEOUT_S`.
    """
    if not _downloads.get():
        raise ModelUnavailable(f"'{model}' is not on disk, and downloads are disabled.")
    remedy = "Run it once with network access, copy the cache folder, or pass a local file with @weights=PATH."
    if hub_is_forbidden():
        raise ModelUnavailable(f"'{model}' is not on disk, and HF_HUB_OFFLINE disables network access. {remedy}")
    if not answers(server_of(url), TIMEOUT_S):
        raise ModelUnavailable(
            f"'{model}' is not on disk, and {_host(url)} did not respond within {TIMEOUT_S:.0f} seconds. {remedy}"
        )


def _checkpoint(url: str) -> Path:
    """Return the path where torch.hub stores the file at ``url``, without importing torch.

    The file may not exist.
    """
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints" / url.rsplit("/", 1)[-1]


def _is_url(source: str) -> bool:
    return "://" in source


def server_of(url: str) -> str:
    """Return the scheme, host and port of a URL; the default scheme is https."""
    scheme, _, location = url.rpartition("://")
    return f"{scheme or 'https'}://{location.split('/', 1)[0]}"


def _host(url: str) -> str:
    """Return the host and port of a URL for messages, without the user name and password."""
    return server_of(url).split("://", 1)[1].rpartition("@")[2]


def _files(folder: Path, preferred: Sequence[str] = ()) -> list[Path]:
    """Return the weight files in ``folder``: the file with a standard name, the files in an index, or the only file.

    Files listed in the index may not exist. If ``preferred`` is not empty and the folder contains a config.json, files
    with other names belong to a different library and are ignored.
    """
    if usual := [folder / name for name in preferred if (folder / name).is_file()]:
        return usual[:1]
    if preferred and (folder / "config.json").is_file():
        return []
    if usual := [folder / name for name in WEIGHT_FILES if (folder / name).is_file()]:
        return usual[:1]
    for name in INDEXES:
        try:
            listed = json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"].values()
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            continue
        parts = sorted(set(map(str, listed)))
        if outside := next(filter(flaw_of_name, parts), ""):
            raise ModelUnavailable(f"{name} lists {outside!r:.200}, which is not a file inside its folder.")
        return [folder / part for part in parts]
    candidates = [path for path in folder.iterdir() if path.suffix in (SAFETENSORS, *PICKLES)]
    return candidates if len(candidates) == 1 else []


def _hub_reason(error: Exception, repo: str) -> str:
    from huggingface_hub.errors import HfHubHTTPError

    hub, errors = _host(hub_address()), list(_with_causes(error))
    refusal = next((cause for cause in errors if isinstance(cause, HfHubHTTPError)), None)
    if refusal is not None:
        return _reason_of_refusal(refusal, repo, hub)
    if any("Timeout" in type(cause).__name__ for cause in errors):
        return f"{hub} stopped responding. Try again; complete files are kept."
    if any(type(cause).__name__ in BROKEN_CONNECTIONS or "Consistency check failed" in str(cause) for cause in errors):
        return f"a file in {repo} was not downloaded completely from {hub}. Try again; complete files are kept."
    return f"{one_line(error)[:300].rstrip('.')}."


BROKEN_CONNECTIONS = ("ConnectError", "ReadError", "RemoteProtocolError", "ChunkedEncodingError", "ConnectionError")
"""Names of connection errors in httpx and requests. huggingface_hub uses one of these libraries, depending on its
version."""


def _reason_of_refusal(error: HfHubHTTPError, repo: str, hub: str) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    status = getattr(error.response, "status_code", None)
    if isinstance(error, GatedRepoError):
        return f"{repo} is gated. Accept its license on Hugging Face and set HF_TOKEN."
    if isinstance(error, RepositoryNotFoundError):
        return f"Hugging Face has no public repository '{repo}'. Check the name, or set HF_TOKEN if it is private."
    if status in (401, 403):
        return f"{hub} denies access to {repo} ({status}). Set HF_TOKEN to a token with read access."
    if status == 404:
        return f"{hub} has no repository '{repo}', or one of its files is missing. Check the name."
    return f"{hub} returned status {status} for {repo}. Try again later."


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "module", "encoder")
"""Keys under which training scripts store tensors. As in timm, averaged weights take precedence."""

NAMES_SHOWN = 5
"""Maximum number of tensor names in a message."""


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the named tensors in a safetensors file or PyTorch checkpoint. Tensors may be nested under `WRAPPERS`.

    Raises:
        ModelUnavailable: the file does not exist, contains no weights, or requires executing code.
    """
    path = user_path(path)
    if not path.is_file():
        raise ModelUnavailable(f"The weight file '{path}' does not exist. Pass a .safetensors or .pth file.")
    try:
        content = _read(path)
    except Exception as error:  # a corrupted file may raise anything
        reason = one_line(error).split(". ")[0][:200]  # omit torch's advice to execute the file
        raise ModelUnavailable(
            f"'{path}' could not be read as weights without executing code ({reason}). "
            f"Save its state dict as .safetensors."
        ) from error
    tensors = _unwrap(content)
    if tensors is None:
        raise ModelUnavailable(
            f"'{path}' contains no named tensors. Expected a state dict, possibly under {', '.join(WRAPPERS)}."
        )
    return tensors


def load_weights(module: nn.Module, tensors: Mapping[str, torch.Tensor], source: str, ignore: str = "") -> None:
    """Load ``tensors`` into ``module``. Their names and shapes must match exactly.

    Args:
        source: source of the tensors, for messages.
        ignore: name prefix of tensors that are ignored if ``module`` has no such tensor, such as the classifier.
    """
    expected = module.state_dict()
    loaded = OrderedDict(
        (name, t) for name, t in tensors.items() if name in expected or not (ignore and name.startswith(ignore))
    )
    # Files do not contain the versions of modules, which some modules require.
    loaded._metadata = expected._metadata  # type: ignore[attr-defined]
    with fitting(source):
        module.load_state_dict(loaded)


def refuse_misfit(source: str, missing: list[str], unexpected: list[str], misshapen: list[str]) -> None:
    problems = [
        f"{len(names)} {problem} ({', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''})"
        for problem, names in (("missing", missing), ("unexpected", unexpected), ("with mismatched shapes", misshapen))
        if names
    ]
    if problems:
        raise ModelUnavailable(
            f"The weights of {source} do not match the network. Tensors: {'; '.join(problems)}. "
            f"Specify the architecture that these weights were trained with."
        )


@contextmanager
def fitting(source: str) -> Iterator[None]:
    """Raise `ModelUnavailable` if a library fails to load weights within the context.

    If the library reports missing or unexpected tensors, or tensors with mismatched shapes, the message lists them.
    """
    try:
        yield
    except ModelUnavailable:
        raise
    except Exception as error:  # conversions may raise anything for unknown tensors
        refuse_misfit(source, *_misfits(str(error)))
        reason = one_line(error).rstrip(".!")
        raise ModelUnavailable(f"The weights of {source} cannot be loaded: {reason}.") from error


def _misfits(text: str) -> tuple[list[str], list[str], list[str]]:
    """Return the missing, unexpected and mismatched tensors listed in an error message of ``load_state_dict``."""

    def names(heading: str) -> list[str]:
        section = re.search(heading + r"[^:]*: (.*?)\.? *$", text, re.MULTILINE)
        return re.findall(r'"([^"]+)"', section.group(1)) if section else []

    shapes = re.findall(r"size mismatch for ([\w.]+): \D*(\[.*?\])\D*(\[.*?\])", text)
    misshapen = [f"{name} {actual} for {required}" for name, actual, required in shapes]
    return names("Missing key"), names("Unexpected key"), misshapen


def weights_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Compute the SHA-256 of the names, types, shapes and bytes of ``tensors``.

    The digest does not depend on the file format.
    """
    import torch

    sha = hashlib.sha256()
    for name, tensor in tensors.items():
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()


def signs_digest(module: nn.Module) -> str:
    """Compute the SHA-256 of the names, shapes and signs of all tensors in ``module``.

    For a given seed, the signs are the same on every machine, whereas the last bits of random weights depend on the
    processor.
    """
    sha = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        sha.update(f"{name} {tuple(tensor.shape)}\n".encode())
        sha.update(np.packbits(tensor.detach().cpu().numpy().ravel() < 0).tobytes())
    return sha.hexdigest()


def _read(path: Path) -> Any:
    import argparse

    import torch
    from safetensors.torch import load_file

    if path.suffix == SAFETENSORS:
        return load_file(path)
    # Training scripts store their arguments with the tensors. Loading a Namespace executes no code.
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _unwrap(content: Any) -> dict[str, torch.Tensor] | None:
    import torch

    if not isinstance(content, Mapping):
        return None
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return _unwrap(content[key])
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    for prefix in ("module.", "_orig_mod."):  # left by DistributedDataParallel and torch.compile
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors or None
