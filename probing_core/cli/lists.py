"""``models``, ``transforms``, ``corpora``: what there is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from probing_core.catalog import Catalog
from probing_core.cli.arguments import add_command
from probing_core.cli.output import print_rows


def add(commands: Any) -> None:
    for name, function, catalog, help in (
        ("models", list_models, _models, "list the embedders: what is here, what needs the network, and why"),
        ("transforms", list_transforms, _transforms, "list the transformations with their strengths"),
        ("corpora", list_corpora, _corpora, "list the kinds of corpora"),
    ):
        parser = add_command(commands, name, partial(_list, function, catalog), help, f"probing {name} --json")
        parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def _list(
    function: Callable[[], list[dict[str, Any]]], catalog: Callable[[], Catalog], options: argparse.Namespace
) -> int:
    for problem in catalog().problems:
        print(f"warning: {problem}", file=sys.stderr)
    return print_rows(function(), options.json)


def _models() -> Catalog:
    from probing_core.embedders import CATALOG

    return CATALOG


def _transforms() -> Catalog:
    from probing_core.transforms import CATALOG

    return CATALOG


def _corpora() -> Catalog:
    from probing_core.corpora import KINDS

    return KINDS


def list_models() -> list[dict[str, Any]]:
    """One row a model that can be named."""
    from probing_core.embedders import bundled, list_specs

    ours = bundled()
    rows = []
    for spec in list_specs():
        state = spec.check()
        rows.append(
            {
                "name": spec.name,
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
    return rows


def list_transforms() -> list[dict[str, Any]]:
    """One row a transform of the catalog, the bank first."""
    from probing_core.transforms import CATALOG

    return [
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


def list_corpora() -> list[dict[str, Any]]:
    """One row a kind of corpus."""
    from probing_core import corpora

    return [
        {"name": kind.name, "usage": kind.usage, "description": kind.description} for kind in corpora.list_corpora()
    ]
