"""Lists of models, transformations and kinds of corpora, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Listed = tuple[Sequence[str], list[dict[str, Any]]]
"""What is wrong with entries of other packages, and a row for each entry."""


def list_models() -> Listed:
    from probing_core.measures.notation import model_title
    from probing_core.models import CATALOG, bundled, list_specs

    ours = bundled()
    rows = []
    for spec in list_specs():
        state = spec.check()
        rows.append(
            {
                "name": spec.name,
                "title": model_title(spec.name),
                "family": spec.family,
                "objective": spec.objective,
                "role": spec.role,
                "dim": spec.dim,
                "available": state.available,
                "bundled": spec.name in ours,
                "input_size": spec.input_size,
                "download_mb": spec.download_mb,
                "license": spec.license,
                "why_not": state.why_not,
            }
        )
    return CATALOG.problems, rows


def list_transforms() -> Listed:
    """Return the transforms of the catalog, the bank first."""
    from probing_core.transforms import CATALOG

    rows = [
        {
            "name": t.name,
            "group": t.group,
            "parameter": t.parameter,
            "unit": t.unit,
            "weakest": t.weakest,
            "strongest": t.strongest,
            "unseen_in": t.unseen_in,
            "tier": "far" if t.far else "bank" if t.member or t.group == "identity" else "added",
        }
        for t in CATALOG
    ]
    return CATALOG.problems, rows


def list_corpora() -> Listed:
    from probing_core.corpora import KINDS

    rows = [{"name": k.name, "usage": k.usage, "description": k.description, "license": k.license} for k in KINDS]
    return KINDS.problems, rows
