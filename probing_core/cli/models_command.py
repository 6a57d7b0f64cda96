from __future__ import annotations

import argparse

from probing_core.cli.shared import add_shared, print_list

EXAMPLE = "probing models --json"


def add(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from probing_core.measures.notation import model_title
    from probing_core.models import CATALOG, bundled

    bundled_models = bundled()
    rows = []
    for spec in CATALOG:
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
                "bundled": spec.name in bundled_models,
                "input_size": spec.input_size,
                "download_mb": spec.download_mb,
                "license": spec.license,
                "why_not": " ".join(filter(None, (state.why_not and f"{state.why_not}.", state.hint))),
            }
        )
    return print_list(CATALOG.problems, rows, options.json)
