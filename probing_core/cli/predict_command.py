from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probing_core.answers.answer import answer_in_words
from probing_core.cli.shared import add_shared, fail, name_list, print_json, print_text
from probing_core.errors import ProbingError
from probing_core.measures.notation import decimal, text_table

SHOWN = 3
"""Number of classes printed for each image and model, most probable first."""

EXAMPLE = "probing predict cat.jpg dog.png --json"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="run that contains the models (default: the reference run)"
    )
    parser.add_argument("--models", type=name_list, metavar="a,b", help="models (default: all models of the run)")
    parser.add_argument(
        "--prior", type=float, default=0.5, metavar="P", help="prior probability that an image is edited (default 0.5)"
    )
    add_shared(parser, "--json", "--device")


def run(options: argparse.Namespace) -> int:
    from probing_core.api.predictor import Predictor
    from probing_core.images import read_image

    predictor = Predictor(options.run, device=options.device)
    readable, bad = [], 0
    for path in options.images:
        try:
            readable.append((path, read_image(Path(path), path)))
        except ProbingError as error:
            bad = fail(error)
    names, images = [n for n, _ in readable], [i for _, i in readable]
    rows = predictor.predict(images, models=options.models, names=names, prior=options.prior)
    print_json(rows) if options.json else print_text(text_table(_for_people(rows)))
    return bad


def _for_people(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    short = []
    for row in rows:
        classes = [f"{entry['class']} {decimal(100 * entry['probability'], 2)}%" for entry in row["classes"][:SHOWN]]
        edited = "" if row["edited"] is None else f"{decimal(100 * row['edited'], 2)}%"
        answer = answer_in_words(row["answer"], no_color=row["no_color"])
        about = {"image": row["image"], "model": row["model"], "answer": answer, "edited": edited}
        short.append(about | {"if edited": ", ".join(classes)})
    return short
