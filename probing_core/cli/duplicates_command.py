"""``duplicates``: similarity thresholds for finding duplicates among a user's own photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

from probing_core.cli.shared import add_shared, fail, name_list, print_object, print_text

EXAMPLE = "probing duplicates photos --models zoo/simclr,timm:tf_efficientnet_lite0 --rate 0.0001"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder with at least 20 photographs")
    parser.add_argument(
        "--models", type=name_list, default=[], metavar="A,B", help="models to measure, in addition to image hashes"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=0.001,
        metavar="R",
        help="maximum fraction of pairs of different photographs that match (default 0.001)",
    )
    add_shared(parser, "--device", "--precision")
    parser.add_argument("--json", action="store_true", help="print a JSON object to stdout")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.duplicates import duplicates
    from probing_core.errors import BadImage
    from probing_core.run.progress import final_report, terminal

    progress = terminal(None)
    with final_report(progress):
        result = duplicates(
            options.folder,
            models=options.models,
            rate=options.rate,
            device=options.device,
            precision=options.precision,
            progress=progress,
        )
    print_object(result.to_json()) if options.json else print_text(result)
    bad = 0
    for error in result.errors:
        bad = fail(BadImage(error))
    return bad
