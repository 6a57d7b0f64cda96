"""Formats of weight files, and a context that only allows the format that cannot contain code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from probing_core.errors import ModelUnavailable

SAFETENSORS = ".safetensors"

PICKLES = (".bin", ".pth", ".pt")
"""Suffixes of files written by `torch.save`."""

_pickles: ContextVar[bool] = ContextVar("pickles", default=True)


@contextmanager
def only_safetensors() -> Iterator[None]:
    """Refuse other weight files from the hub and from URLs in this thread within the context."""
    token = _pickles.set(False)
    try:
        yield
    finally:
        _pickles.reset(token)


def require_format(files: Sequence[str], model: str) -> None:
    """Check that the weight files of ``model`` may be used in this context.

    Raises:
        ModelUnavailable: a file is not in the safetensors format within `only_safetensors`.
    """
    if not _pickles.get() and not all(file.endswith(SAFETENSORS) for file in files):
        raise ModelUnavailable(f"The weights of '{model}' are not in the safetensors format.")
