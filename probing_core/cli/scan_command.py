from __future__ import annotations

import argparse
import sys
from pathlib import Path

from probing_core.cli.shared import fail, print_object, print_text
from probing_core.errors import BadImage
from probing_core.run.options import EXECUTORS, LOCAL

EXAMPLE = "probing scan photos --out found --clean photos-that-i-trust"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SOURCE", help="folder, or parquet:FILE, parquet:s3://..., folder:s3://..., hub:NAME"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--run", type=Path, metavar="RUN", help="run with the detector (default: the reference run)")
    parser.add_argument(
        "--clean",
        metavar="SOURCE",
        help="clean images from the same source, used for calibration: at least 100 for a level of 5%%, and at least "
        "500 for q (false discovery rate)",
    )
    parser.add_argument(
        "--level",
        type=float,
        default=0.05,
        metavar="P",
        help="significance level: fraction of clean images that are flagged (default 0.05)",
    )

    parser.add_argument(
        "--executor", default=LOCAL, choices=EXECUTORS, help="where images are measured (default: local)"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="with --executor ray: address of a cluster (default: start one here)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object with counts and labels to stdout")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.scan import scan as scan_images
    from probing_core.paths import reference_run
    from probing_core.run.progress import final_report, terminal

    progress = terminal(options.out)
    run = options.run or reference_run()
    with final_report(progress):
        scan = scan_images(
            options.source,
            options.out,
            run,
            options.clean,
            options.level,
            progress,
            executor=options.executor,
            address=options.address,
        )
    bad = 0
    for error in scan.errors:
        bad = fail(BadImage(error))
    counts = ", ".join(f"{count:,} {answer}" for answer, count in scan.counts.items())
    print_text(f"{counts}. {scan.promise} See {options.out / 'index.html'}.", sys.stderr)
    if scan.labels is not None:
        print_text("\n".join(scan.labels.sentences), sys.stderr)
    if options.json:
        print_object(scan.to_json())
    return bad
