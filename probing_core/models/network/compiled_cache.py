"""Compiled networks in the folder where the system keeps caches: ``compiled/<key>`` of the project's own folder there.

An entry holds what PyTorch gave for two pictures when it was compiled. It is used only where PyTorch gives the same
today, so that no change of a network's code can go unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

MAX_BYTES = 4 * 2**30
"""Bytes of all entries together; beyond them, those that were used the longest time ago are removed."""

MAX_DIFFERENCE = 1e-5
"""Largest distance between the embeddings of an entry and PyTorch's, in lengths of the embedding: the last bits of
PyTorch change with the number of threads alone."""


def key(facts: Mapping[str, Any]) -> str:
    """Return the name of an entry, from everything that it depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read(name: str, expected: Sequence[np.ndarray]) -> bytes | None:
    """Return the compiled network called ``name``; None if there is none, it is damaged, or PyTorch gave other
    results."""
    path = _folder() / name
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        arrays = load(content[32:])
        os.utime(path)
    except (OSError, SafetensorError):
        return None
    results = [arrays[f"expected.{position}"] for position in range(len(arrays) - 1)]
    alike = len(results) == len(expected) and all(map(_alike, results, expected))
    return arrays["compiled"].tobytes() if alike else None


def write(name: str, expected: Sequence[np.ndarray], compiled: bytes) -> None:
    """Store a compiled network; ignore a folder that cannot be written to, or a full disk."""
    arrays = {f"expected.{position}": array for position, array in enumerate(expected)}
    content = save({"compiled": np.frombuffer(compiled, np.uint8), **arrays})
    path = _folder() / name
    aside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(hashlib.sha256(content).digest() + content)
        aside.replace(path)
        _make_room(path.parent)
    except OSError:
        with suppress(OSError):
            aside.unlink()


def remove(name: str) -> None:
    """Remove an entry, if it is there."""
    with suppress(OSError):
        (_folder() / name).unlink()


def _folder() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("probing") / "compiled"


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    return bool((np.abs(a - b).max(1) <= MAX_DIFFERENCE * np.linalg.norm(b, axis=1)).all())


def _make_room(folder: Path) -> None:
    """Remove the least recently used entries until the others fit."""
    entries = sorted(((path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir()), reverse=True)
    total = 0
    for _, size, path in entries:
        total += size
        if total > MAX_BYTES:
            path.unlink(missing_ok=True)
