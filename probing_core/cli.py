"""The command line: parses arguments, calls one function, prints what it returns.

Exit 0 is success; 2 bad input or found damage, with one ``error:`` line each; 1 any other failure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing_core.errors import BadConfig, ProbingError, one_line

if TYPE_CHECKING:
    from probing_core.pipeline import Options

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    # Before torch is loaded: threads that spin while they wait would take the cores from those that make pictures.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except ProbingError as error:
        return _fail(error)
    except KeyboardInterrupt:
        print("error: stopped; what was complete is kept, and the same command goes on from there.", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output went away (`probing models | head`)
        sys.stderr.close()
        return 0
    except Exception as error:  # the boundary: a bug is told in one line, with its traceback only on request
        if options.traceback:
            raise
        print(
            f"error: {type(error).__name__}: {one_line(error)} (a bug; `probing --traceback ...` shows where)",
            file=sys.stderr,
        )
        return 1


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="probing", description="What does your image embedding know besides what is in the picture?")
    parser.add_argument("--traceback", action="store_true", help="show where an unexpected error came from")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _lists(commands)
    _transform(commands)
    _stages(commands)
    _predict(commands)
    _verify(commands)
    _pretrain(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Shows each command's example as it was written."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **keywords)

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"error: {message}; `{self.prog} --help` shows an example.", file=sys.stderr)
        raise SystemExit(2)


def _add(commands: Any, name: str, command: Command, help: str, example: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help, epilog=f"example:\n  {example}")
    parser.set_defaults(command=command)
    return parser


# lists


def _lists(commands: Any) -> None:
    for name, function, help in (
        ("models", list_models, "list the embedders: what is here, what needs the network, and why"),
        ("transforms", list_transforms, "list the transformations with their strengths"),
        ("corpora", list_corpora, "list the kinds of corpora"),
    ):
        parser = _add(commands, name, partial(_list, function), help, f"probing {name} --json")
        parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def _list(function: Callable[[], list[dict[str, Any]]], options: argparse.Namespace) -> int:
    return _print_rows(function(), options.json)


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


def _print_rows(rows: Sequence[dict[str, Any]], as_json: bool) -> int:
    if as_json:
        print(json.dumps(rows, indent=1))
        return 0
    if not rows:
        return 0
    columns = list(rows[0])
    cells = [[_cell(row[c]) for c in columns] for row in rows]
    widths = [max(len(c), *(len(r[i]) for r in cells)) for i, c in enumerate(columns)]
    for line in (columns, *cells):
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


# one picture


def _transform(commands: Any) -> None:
    parser = _add(
        commands,
        "transform",
        transform,
        "transform one picture, or make the contact sheet of all transformations",
        "probing transform cat.jpg --name fog --strength 1.2 --out foggy.png",
    )
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("--name", metavar="X", help="which transformation (see `probing transforms`)")
    parser.add_argument("--strength", type=float, metavar="S", help="in its own unit; default: the middle of its range")
    parser.add_argument("--seed", type=_natural, default=0, metavar="N", help="of what it draws (default 0)")
    parser.add_argument("--sheet", action="store_true", help="all transformations at three strengths")
    parser.add_argument("--out", required=True, metavar="FILE", help="where the picture is written (.png, .jpg, .webp)")


def transform(options: argparse.Namespace) -> int:
    from probing_core.images import read_image
    from probing_core.transforms import resolve
    from probing_core.transforms.base import generator

    if options.sheet == (options.name is not None):
        raise BadConfig("Give either --name with the transformation you want, or --sheet for all of them.")
    image = read_image(Path(options.image))
    if options.sheet:
        from probing_core.transforms.sheet import contact_sheet

        result = contact_sheet(image, seed=options.seed)
    else:
        entry = resolve(options.name)
        strength = entry.strength_at(0.5) if options.strength is None else options.strength
        low, high = sorted((entry.weakest, entry.strongest))
        if entry.name != "identity" and not low <= strength <= high:
            raise BadConfig(
                f"The {entry.parameter} of '{entry.name}' is {entry.weakest:g} (weakest) to {entry.strongest:g} "
                f"(strongest) {entry.unit}; got {strength:g}."
            )
        # The strength is not part of the key: a slider then moves one and the same draw.
        rng = generator(options.seed, "picture", entry.name)
        result = entry.apply(image, strength, rng)
    _write_picture(Path(options.out), result)
    return 0


def _write_picture(path: Path, image: Any) -> None:
    from probing_core.images import encode_jpeg, encode_png, encode_webp
    from probing_core.store import write_atomically

    encoders = {".png": encode_png, ".jpg": encode_jpeg, ".jpeg": encode_jpeg, ".webp": encode_webp}
    encode = encoders.get(path.suffix.lower())
    if encode is None:
        raise BadConfig(f"'{path}' ends in '{path.suffix}'; a picture is written as {', '.join(encoders)}.")
    write_atomically(path, encode(image))


# runs


def _stages(commands: Any) -> None:
    parser = _add(
        commands,
        "run",
        lambda options: _run(options.out, options, ("embed", "train", "evaluate", "project")),
        "make a run: embed, train, evaluate and project; a second call does only what is missing",
        "probing run --out data/runs/mine --corpus folder:photos --models zoo/mae,timm:resnet50.a1_in1k",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    _add_run_options(parser)
    for stage, help in (
        ("embed", "transform the images and embed them with every model"),
        ("train", "train the probes"),
        ("evaluate", "turn predictions into scores with intervals"),
        ("project", "draw the two-dimensional maps"),
    ):
        parser = _add(commands, stage, partial(_run_stage, stage), help, f"probing {stage} --run data/runs/mine")
        parser.add_argument("--run", required=True, type=Path, metavar="DIR")
        if stage == "embed":
            _add_run_options(parser)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", metavar="C", help="photos (default), folder:PATH, parquet:FILE, torchvision:NAME")
    parser.add_argument("--view", type=_natural, metavar="N", help="pixels of the side of the views (default 128)")
    parser.add_argument("--models", type=_names, metavar="a,b", help="default: the models that come with the product")
    parser.add_argument("--transforms", type=_names, metavar="a,b", help="default: the whole bank")
    parser.add_argument("--limit", type=_natural, metavar="N", help="number of images before transforms")
    parser.add_argument("--seed", type=_natural, metavar="N", help="of every random draw (default 0)")
    parser.add_argument("--repetitions", type=_natural, metavar="N", help="draws per image and transform (default 1)")
    parser.add_argument("--probes-from", type=Path, metavar="RUN", help="train nothing: take that run's probes")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", help="auto (default), float32, bfloat16, float16")


def _run(out: Path, options: argparse.Namespace, stages: Sequence[str]) -> int:
    from probing_core.pipeline import run
    from probing_core.progress import terminal

    run(out, run_options(options), stages, terminal())
    print(f"{out} is complete.", file=sys.stderr)
    return 0


def _run_stage(stage: str, options: argparse.Namespace) -> int:
    return _run(options.run, options, (stage,))


def run_options(options: argparse.Namespace) -> Options:
    """What the pipeline takes of the arguments; a stage of an existing run gives few of them."""
    from dataclasses import fields

    from probing_core.pipeline import Options

    return Options(**{f.name: getattr(options, f.name) for f in fields(Options) if hasattr(options, f.name)})


# predictions


def _predict(commands: Any) -> None:
    parser = _add(
        commands,
        "predict",
        predict,
        "tell what every model says was done to pictures",
        "probing predict cat.jpg dog.png --run data/runs/demo --json",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--run", required=True, type=Path, metavar="DIR")
    parser.add_argument("--task", choices=("fine", "group"), default="fine")
    parser.add_argument("--models", type=_names, metavar="a,b", help="default: all of the run")
    parser.add_argument("--text", metavar="WORDS", help="compare the pictures with a text (image-text models only)")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")


def predict(options: argparse.Namespace) -> int:
    from probing_core.images import read_image
    from probing_core.prediction import Predictor

    predictor = Predictor(options.run, device=options.device)
    readable, bad = [], 0
    for path in options.images:
        try:
            readable.append((path, read_image(Path(path), path)))
        except ProbingError as error:
            bad = _fail(error)
    names, images = [n for n, _ in readable], [i for _, i in readable]
    if options.text is not None:
        rows = predictor.similarity(images, options.text, models=options.models, names=names)
    else:
        rows = predictor.predict(images, task=options.task, models=options.models, names=names)
    _print_rows(rows if options.json else _shorten(rows), options.json)
    return bad


def _shorten(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For people: the three most probable classes of each picture and model."""
    seen: dict[tuple, int] = {}
    short = []
    for row in rows:
        key = (row["image"], row["model"])
        seen[key] = seen.get(key, 0) + 1
        if "similarity" in row or seen[key] <= 3:
            short.append(row)
    return short


def _verify(commands: Any) -> None:
    parser = _add(
        commands,
        "verify",
        verify,
        "check that every file of a run is there with its checksum, and no other",
        "probing verify --run data/runs/demo",
    )
    parser.add_argument("--run", required=True, type=Path, metavar="DIR")


def verify(options: argparse.Namespace) -> int:
    from probing_core.errors import BadRun
    from probing_core.store import Store

    store = Store(options.run)
    if not store.has("run.toml"):
        raise BadRun(f"'{options.run}' is not a run: it has no run.toml in a manifest.")
    damage = store.damage()
    for sentence in damage:
        print(f"error: {sentence}", file=sys.stderr)
    if not damage:
        print(f"{options.run}: {len(store.names())} files, all whole.")
    return 2 if damage else 0


# the zoo


def _pretrain(commands: Any) -> None:
    parser = _add(
        commands,
        "pretrain",
        pretrain,
        "train one encoder of the zoo; a second call goes on where the first was stopped",
        "probing pretrain mae --corpus folder:pictures --out checkpoints/mae",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="supervised, simclr, mae, can, clip, align, ...")
    parser.add_argument("--corpus", required=True, metavar="C", help="its `pretrain` split is used, or all of it")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--seed", type=_natural, default=0, metavar="N", help="default 0")
    parser.add_argument("--steps", type=_natural, metavar="N", help="default: what the zoo's compute budget allows")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda")


def pretrain(options: argparse.Namespace) -> int:
    from probing_core import pretraining
    from probing_core.corpora import open_corpus
    from probing_core.progress import terminal

    weights = pretraining.pretrain(
        options.recipe,
        open_corpus(options.corpus),
        options.out,
        seed=options.seed,
        steps=options.steps,
        device=options.device,
        progress=terminal(),
    )
    print(f"{weights} is complete.", file=sys.stderr)
    return 0


def _fail(error: ProbingError) -> int:
    print(f"error: {one_line(error)}", file=sys.stderr)
    return 2


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("names are separated by commas, and at least one is needed")
    return names


def _natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"a whole number, 0 or more, was expected; got '{text}'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
