from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from probing_core.cli.shared import natural
from probing_core.errors import BadConfig

EXAMPLE = "probing transform cat.jpg --name fog --strength 1.2 --out foggy.png"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("--name", required=True, metavar="X", help="transformation (see `probing transforms`)")
    parser.add_argument(
        "--strength",
        type=float,
        metavar="S",
        help="strength (default: the middle of the range)",
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="random seed (default 0)")
    parser.add_argument("--out", required=True, metavar="FILE", help="output file (.png, .jpg, .webp)")


def run(options: argparse.Namespace) -> int:
    from probing_core.transforms import transform

    _write_picture(Path(options.out), transform(options.image, options.name, options.strength, options.seed))
    return 0


def _write_picture(path: Path, image: Any) -> None:
    from probing_core.images import encode_jpeg, encode_png, encode_webp
    from probing_core.run.files import write_atomically

    encoders = {".png": encode_png, ".jpg": encode_jpeg, ".jpeg": encode_jpeg, ".webp": encode_webp}
    encode = encoders.get(path.suffix.lower())
    if encode is None:
        raise BadConfig(f"The extension of '{path}' is not supported. Supported extensions: {', '.join(encoders)}.")
    write_atomically(path, encode(image))
