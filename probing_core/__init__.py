"""Measure what an image embedding encodes besides the content of the image.

A *transformation* changes an image, a *model* embeds it, a *probe* is trained to predict the transformation from the
embedding, and *measures* quantify the results. A *run* is a directory with the results of one computation.

Importing this package does not import a deep-learning framework: each public name is imported on first access.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from probing_core.version import VERSION

# Must be set before Arrow is imported. Arrow's default allocator retains the memory of deleted tables: 45 MB per
# million samples.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

__version__ = VERSION
__all__ = [
    "OnlineProbe",
    "Predictor",
    "ProbingError",
    "Run",
    "compare",
    "diff",
    "duplicates",
    "load_embedder",
    "open",
    "parity",
    "predict",
    "rank",
    "register",
    "samples",
    "score",
    "transform",
    "transforms",
]

if TYPE_CHECKING:
    from probing_core import transforms
    from probing_core.api.diff import diff
    from probing_core.api.duplicates import duplicates
    from probing_core.api.online_probe import OnlineProbe
    from probing_core.api.parity import parity
    from probing_core.api.predictor import Predictor, predict
    from probing_core.api.rank import rank
    from probing_core.api.score import samples, score
    from probing_core.errors import ProbingError
    from probing_core.models import load_embedder
    from probing_core.results import Run
    from probing_core.results.compare import compare
    from probing_core.results.run import open_run as open
    from probing_core.run.setup import register
    from probing_core.transforms import transform

_HOMES = {
    "OnlineProbe": "probing_core.api.online_probe",
    "Predictor": "probing_core.api.predictor",
    "ProbingError": "probing_core.errors",
    "Run": "probing_core.results",
    "compare": "probing_core.results.compare",
    "diff": "probing_core.api.diff",
    "duplicates": "probing_core.api.duplicates",
    "load_embedder": "probing_core.models",
    "open": "probing_core.results.run:open_run",
    "parity": "probing_core.api.parity",
    "predict": "probing_core.api.predictor",
    "rank": "probing_core.api.rank",
    "register": "probing_core.run.setup",
    "samples": "probing_core.api.score",
    "score": "probing_core.api.score",
    "transform": "probing_core.transforms",
}
"""Public name -> its module. If the object has a different name in that module, ``:NAME`` is appended."""


def __getattr__(name: str) -> Any:
    import importlib

    if name in _HOMES:
        module, _, attribute = _HOMES[name].partition(":")
        return getattr(importlib.import_module(module), attribute or name)
    if name == "transforms":
        return importlib.import_module("probing_core.transforms")
    raise AttributeError(f"module 'probing_core' has no attribute '{name}'")
