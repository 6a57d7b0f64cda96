"""``embeddings``: what was done to the pictures of embeddings that exist, without the pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command
from probing_core.cli.output import fail, print_rows
from probing_core.errors import BadArray


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "embeddings",
        embeddings,
        "score embeddings that exist, without their pictures: which rows look altered, by what; a second call goes on",
        "probing embeddings laion/img_emb --model zoo/mae --out found --clean untouched.npy",
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a folder or file: img_emb_*.npy with metadata_*.parquet, .npz of DataComp, .parquet with lists, .npy",
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="M",
        help="that made the embeddings: one of the run, or the file of a probe that an earlier call wrote",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--run", type=Path, metavar="RUN", help="whose probe is used (default: the reference run)")
    parser.add_argument(
        "--clean",
        type=Path,
        metavar="SOURCE",
        help="at least 100 untouched rows, drawn at random from the same source and used for nothing else: then rows "
        "get a p-value, and a verdict at 0.05",
    )
    parser.add_argument("--column", metavar="NAME", help="array or column of the embeddings, where there are several")
    parser.add_argument("--json", action="store_true", help="the table as one JSON array")


def embeddings(options: argparse.Namespace) -> int:
    from probing_core.api.embeddings import SCORES, probe_of, score_embeddings
    from probing_core.compute.parallel import cores
    from probing_core.run.progress import final_report, terminal

    probe = probe_of(options.model, options.run)
    progress = terminal()
    with final_report(progress):
        found = score_embeddings(
            options.source, options.out, probe, options.clean, options.column, progress, threads=cores()
        )
    bad = 0
    for error in found.errors:
        bad = fail(BadArray(error))
    called = "most probable, if altered" if found.altered is None else "called altered"
    print_rows([{"group": group, called: count} for group, count in found.groups.items()], options.json)
    if found.altered is None:
        told = "Scores order rows; none is called altered without --clean."
    else:
        told = (
            f"{found.altered:,} are called altered; of untouched rows of the same source 5 % would be, as far as "
            f"{found.clean:,} untouched ones tell."
        )
    print(f"{found.rows:,} rows are scored in {options.out / SCORES}. {told}", file=sys.stderr)
    return bad
