"""``diff``: what was done to images, and what it does to embeddings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from probing_core.cli.shared import add_shared, fail, name_list, print_object, print_text

FAILS = 1
"""Exit code if a condition of ``--fail-if`` holds."""

GATE_FAILED = 3
"""Exit code for failures other than invalid input if ``--fail-if`` is given."""

EXAMPLE = "probing diff originals exported --models zoo/simclr,timm:tf_efficientnet_lite0 --out report"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "before", type=Path, metavar="BEFORE", help="image, folder, or CSV or Parquet file with two columns of paths"
    )
    parser.add_argument(
        "after",
        type=Path,
        nargs="?",
        metavar="AFTER",
        help="edited image or folder; files are matched by relative path without the ending",
    )
    parser.add_argument(
        "--models", type=name_list, default=[], metavar="A,B", help="models to measure, in addition to image hashes"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for a report: index.html, pairs.csv, pairs.parquet"
    )
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="C",
        help="exit with code 1 if changed, unexplained, or a bound such as 'recall<0.99' holds; can be repeated",
    )
    add_shared(parser, "--device", "--precision")
    parser.add_argument("--json", action="store_true", help="print a JSON object with pairs and summary to stdout")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.diff import diff
    from probing_core.api.diff_report import refuse_other_folder, write_report
    from probing_core.api.diff_results import parse_bound
    from probing_core.diffs.comparison import Kind
    from probing_core.errors import BadImage
    from probing_core.run.progress import final_report, terminal

    if options.fail_if:
        options.failure = GATE_FAILED
    for condition in options.fail_if:
        if condition not in ("changed", "unexplained"):
            parse_bound(condition)
    if options.out is not None:
        refuse_other_folder(options.out)
    progress = terminal(options.out)
    with final_report(progress):
        result = diff(
            options.before,
            options.after,
            models=options.models,
            device=options.device,
            precision=options.precision,
            thumbnails=options.out is not None,
            progress=progress,
        )
    if options.out is not None:
        write_report(options.out, result, f"{options.before} and {options.after or 'its second column'}")
    print_object(result.to_json()) if options.json else print_text(result)
    if options.out is not None:
        print_text(f"See {options.out / 'index.html'}.", sys.stderr)
    bad = 0
    for pair in result.pairs:
        if pair.kind is Kind.UNREADABLE:
            bad = fail(BadImage(f"{pair.name}: {pair.error}"))
    if any(result.fails(condition) for condition in options.fail_if):
        return FAILS
    return bad
