"""Rank published encoders for the board.

    python -m lab.scripts.published_board --list
    python -m lab.scripts.published_board --out DIR --by NAME [--models M,...] [--base RUN]

``--list`` prints the names of the encoders as JSON. Otherwise, the weights are downloaded, each encoder is ranked with
the quick protocol, and its result file is written to DIR. An encoder that cannot be downloaded or loaded is reported,
and the others are ranked. The encoders are the set `published` (the five objectives of the paper with public weights)
and other widely used encoders.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lab.devtools.commands import parser_of
from probing_core.api.rank import rank
from probing_core.errors import ProbingError
from probing_core.measures.notation import in_percent
from probing_core.models import expand
from probing_core.results.board import SUFFIX
from probing_core.run.layout import slug

ENCODERS = (
    "published",
    "open_clip:ViT-B-16/laion2b_s34b_b88k",
    "open_clip:ViT-B-16/datacomp_xl_s13b_b90k",
    "timm:vit_base_patch16_siglip_224.v2_webli",
    "timm:vit_base_patch14_reg4_dinov2.lvd142m",
    "timm:vit_base_patch16_dinov3.lvd1689m",
    "timm:vit_large_patch16_224.mae",
    "timm:convnext_base.fb_in22k",
    "timm:convnextv2_base.fcmae",
    "timm:vit_base_patch16_224.augreg_in21k",
    "timm:vit_pe_core_base_patch16_224.fb",
    "timm:eva02_base_patch14_224.mim_in22k",
    "hf:tomg-group-umd/CSD-ViT-L",
)
"""Names of encoders and of the set `published`. DINOv3 requires accepting its license if its repository is gated."""


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--list", action="store_true", help="print the names of the encoders as JSON")
    parser.add_argument("--models", help="comma-separated names (default: all)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the result files")
    parser.add_argument("--by", default="", help="author of the results, shown on the board")
    parser.add_argument("--base", type=Path, metavar="RUN", help="run to rank in (default: the reference run)")
    options = parser.parse_args()
    models = expand(options.models.split(",") if options.models else ENCODERS)
    if options.list:
        print(json.dumps(models))
        return 0
    if options.out is None or not options.by:
        parser.error("--out and --by are required")
    failed = [problem for model in models if (problem := save(model, options.out, options.by, options.base))]
    print("\n".join(failed))
    return int(len(failed) == len(models))


def save(model: str, out: Path, by: str, base: Path | None) -> str:
    """Rank a model and write its result file. Return the reason if this is not possible, otherwise an empty string."""
    try:
        (ranking,) = rank(model, base)
        ranking.save(out / f"{slug(model)}{SUFFIX}", by)
    except ProbingError as error:
        return f"{model} was not ranked: {error}"
    print(f"{model} was ranked. Quick accuracy: {in_percent(ranking.quick_accuracy, 1)}.")
    return ""


if __name__ == "__main__":
    sys.exit(main())
