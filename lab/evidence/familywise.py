"""How often equal models are separated from the best of them: ``python -m lab.evidence.familywise [--write]``.

Each simulated board has M models that are equally good, over 40 or 327 photographs with ten samples each. The best
model is selected from the data and compared with every other one, as on the leaderboard. The family-wise error is the
fraction of boards on which any model is significantly different from the best. Prints a table in Markdown.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from probing_core.measures.notation import in_percent
from probing_core.measures.statistics import SIGNIFICANCE, mean
from probing_core.results.ranking import AccuracySums, against_best

MODELS = (5, 33, 100)
"""Numbers of models of the simulated boards."""

PHOTOGRAPHS = (40, 327)
"""Numbers of photographs of the simulated boards; the reference run tests 327."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
MARK = "<!-- generated: python -m lab.evidence.familywise -->"


def equal_models(models: int, photographs: int, seed: int) -> list[AccuracySums]:
    """Return accuracies of equally good models, best first.

    All models share the difficulty of a photograph, and every second model errs much like the one before it.
    """
    rng = np.random.default_rng(seed)
    luck = rng.normal(size=(models, photographs, 10))
    luck[1::2] = 0.8 * luck[: models // 2 * 2 : 2] + 0.6 * luck[1::2]
    right = (luck < rng.normal(size=(photographs, 1))).mean(axis=2)
    bases = np.array([f"photo{i:04}" for i in range(photographs)])
    sums = [AccuracySums(bases, (mean(values, np.arange(photographs)),)) for values in right]
    return sorted(sums, key=lambda accuracy: -accuracy.sums.value)


def familywise_error(models: int, photographs: int, boards: int, flips: int) -> float:
    """Return the fraction of simulated boards on which equal models are separated."""
    errors = 0
    for seed in range(boards):
        p = against_best(equal_models(models, photographs, seed), flips=flips)
        errors += bool((p < SIGNIFICANCE).any())
    return errors / boards


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/results.md")
    parser.add_argument("--boards", type=int, default=2000, help="simulated boards for each number of models")
    parser.add_argument("--flips", type=int, default=999)
    options = parser.parse_args()
    rows = []
    for models in MODELS:
        errors = [familywise_error(models, photographs, options.boards, options.flips) for photographs in PHOTOGRAPHS]
        rows.append([str(models), *(in_percent(error, 1) for error in errors)])
    head = ["models", *(f"{photographs} photographs" for photographs in PHOTOGRAPHS)]
    publish(PAGE, MARK, markdown_table(head, rows), options.write)


if __name__ == "__main__":
    sys.exit(main())
