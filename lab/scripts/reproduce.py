"""Recompute results of the board, and report whether they are reproduced.

    python -m lab.scripts.reproduce board/MODEL.json ... [--base RUN]

A result is recomputed if its model is included in the package, or if its weights are in a repository on the Hugging
Face Hub in the safetensors format. Local files, pickles and code from repositories are never used. A result is
reproduced if the weights have the same digest and at least 98% of the answers are the same, since rounding differs
between processors. The command prints a Markdown table, and fails if a file is invalid or a result is not reproduced.

A result of the board is shown as reproduced if its digest is listed in board/reproduced.txt.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from lab.devtools.commands import markdown_table, parser_of
from probing_core.api.rank import rank
from probing_core.errors import BadConfig, ProbingError
from probing_core.models import expand, find_spec, hub, parse
from probing_core.models.model_names import local_folder
from probing_core.models.weight_formats import only_safetensors
from probing_core.results.board_entry import BoardEntry, QuickProtocol
from probing_core.results.run import Run, open_run

AGREEMENT = 0.98
"""Minimum fraction of equal answers of a reproduced result."""

REPRODUCED, DIFFERENT, SKIPPED, INVALID = "reproduced", "not reproduced", "not recomputed", "invalid"


@dataclass(frozen=True)
class Outcome:
    """Outcome of recomputing a result: one of the constants above, and an explanation."""

    file: str
    outcome: str
    why: str
    digest: str = ""


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--base", type=Path, metavar="RUN", help="run to rank in (default: the reference run)")
    options = parser.parse_args()
    run = open_run(options.base)
    outcomes = [reproduced(path, run) for path in options.files]
    lines = [[outcome.file, outcome.outcome, outcome.why, outcome.digest] for outcome in outcomes]
    print(markdown_table(["file", "outcome", "explanation", "digest"], lines))
    return int(any(outcome.outcome in (DIFFERENT, INVALID) for outcome in outcomes))


def reproduced(path: Path, run: Run) -> Outcome:
    """Recompute the result in a file."""
    try:
        entry = BoardEntry.read(path, QuickProtocol.of(run))
    except BadConfig as error:
        return Outcome(path.name, INVALID, str(error))
    try:
        require_public(entry.model)
        with only_safetensors():
            recomputed = rank(entry.model, run)[0].entry
    except ProbingError as error:
        return Outcome(path.name, SKIPPED, str(error), entry.digest)
    assert recomputed is not None
    agreement = float((recomputed.correct == entry.correct).mean())
    why = f"{agreement:.2%} of the answers are the same"
    if recomputed.sha256 != entry.sha256:
        return Outcome(path.name, DIFFERENT, f"the weights have the digest {recomputed.sha256}; {why}", entry.digest)
    return Outcome(path.name, REPRODUCED if agreement >= AGREEMENT else DIFFERENT, why, entry.digest)


def require_public(model: str) -> None:
    """Check that a model is included or can be downloaded from the Hugging Face Hub.

    Raises:
        ProbingError: the model does not exist, or is not public.
    """
    name = parse(model)
    spec = find_spec(model)
    included = expand(("bundled", "zoo", "baselines"))
    public = name.base in included or spec.weights.startswith(hub.HUGGING_FACE)
    if "weights" in name.options or local_folder(name.model) or not public:
        raise BadConfig(f"The weights of '{model}' are not in a public repository.")


if __name__ == "__main__":
    sys.exit(main())
