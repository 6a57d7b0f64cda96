"""``predict``: what was done to pictures, by every model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probing_core.cli.arguments import add_command, name_list
from probing_core.cli.output import fail, print_rows
from probing_core.errors import ProbingError
from probing_core.measures.notation import decimal

SHOWN = 3
"""Classes of each picture and model that people see, most probable first."""

VERDICTS = {"verdict": "verdict", "group": "verdict_group", "p": "p", "n": "n"}
"""Their columns for people, and in JSON."""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "predict",
        predict,
        "predict with every model what was done to pictures",
        "probing predict cat.jpg dog.png --json",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--run", type=Path, metavar="DIR", help="default: the reference run, which ships")
    parser.add_argument("--task", choices=("fine", "group"), default="fine")
    parser.add_argument("--models", type=name_list, metavar="a,b", help="default: all of the run")
    parser.add_argument("--text", metavar="WORDS", help="compare the pictures with a text (image-text models only)")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")


def predict(options: argparse.Namespace) -> int:
    from probing_core.images import read_image
    from probing_core.prediction.predictor import Predictor

    predictor = Predictor(options.run, device=options.device)
    readable, bad = [], 0
    for path in options.images:
        try:
            readable.append((path, read_image(Path(path), path)))
        except ProbingError as error:
            bad = fail(error)
    names, images = [n for n, _ in readable], [i for _, i in readable]
    if options.text is not None:
        rows = predictor.similarity(images, options.text, models=options.models, names=names)
    else:
        rows = predictor.predict(images, task=options.task, models=options.models, names=names)
    print_rows(rows if options.json else _for_people(rows), options.json)
    return bad


def _for_people(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a picture and model: the most probable classes, whether the picture is known, and calibrated verdicts."""
    from probing_core.prediction.verdicts import NOT_CALIBRATED

    if not rows or "similarity" in rows[0]:
        return list(rows)
    answers: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        answers.setdefault((row["image"], row["model"]), []).append(row)
    calibrated = any(row["verdict"] != NOT_CALIBRATED for row in rows)
    short = []
    for (image, model), classes in answers.items():
        first = classes[0]
        probable = ", ".join(f"{row['class']} {decimal(100 * row['probability'], 2)} %" for row in classes[:SHOWN])
        of_verdicts = {name: first[column] for name, column in VERDICTS.items()} if calibrated else {}
        short.append(
            {"image": image, "model": model, **of_verdicts, "most probable": probable, "known": first["known"]}
        )
    return short
