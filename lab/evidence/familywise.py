"""Family-wise error rate of comparisons with the best model: ``python -m lab.evidence.familywise [--write]``.

Each simulated ranking contains equally good models, scored on 40 or 327 photographs with ten samples each. The best
model is selected from the data and compared with all other models, as in a ranking of a run. The family-wise error rate
is the fraction of rankings in which any model is significantly different from the best. Prints a Markdown table.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from probing_core.measures.notation import in_percent
from probing_core.measures.statistics import is_significant, mean
from probing_core.results.ranking import AccuracySums, against_best

MODELS = (5, 33, 100)
"""Numbers of models in the simulated rankings."""

PHOTOGRAPHS = (40, 327)
"""Numbers of photographs in the simulations. The reference run has 327 test photographs."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
MARK = "<!-- generated: python -m lab.evidence.familywise -->"


def equal_models(models: int, photographs: int, seed: int) -> list[AccuracySums]:
    """Simulate the accuracies of equally good models, and return them with the highest accuracy first.

    The difficulty of a photograph is the same for all models. The errors of every other model are correlated with the
    errors of the previous model.
    """
    rng = np.random.default_rng(seed)
    luck = rng.normal(size=(models, photographs, 10))
    luck[1::2] = 0.8 * luck[: models // 2 * 2 : 2] + 0.6 * luck[1::2]
    right = (luck < rng.normal(size=(photographs, 1))).mean(axis=2)
    bases = np.array([f"photo{i:04}" for i in range(photographs)])
    sums = [AccuracySums(bases, (mean(values, np.arange(photographs)),)) for values in right]
    return sorted(sums, key=lambda accuracy: -accuracy.sums.value)


def familywise_error(models: int, photographs: int, boards: int, flips: int) -> float:
    """Return the fraction of simulated rankings in which equally good models are significantly different."""
    errors = 0
    for seed in range(boards):
        p = against_best(equal_models(models, photographs, seed), flips=flips)
        errors += bool(is_significant(p).any())
    return errors / boards


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/results.md")
    parser.add_argument("--boards", type=int, default=2000, help="simulated rankings for each number of models")
    parser.add_argument("--flips", type=int, default=999, help="sign flips of a test")
    options = parser.parse_args()
    rows = []
    for models in MODELS:
        errors = [familywise_error(models, photographs, options.boards, options.flips) for photographs in PHOTOGRAPHS]
        rows.append([str(models), *(in_percent(error, 1) for error in errors)])
    head = ["models", *(f"{photographs} photographs" for photographs in PHOTOGRAPHS)]
    publish(PAGE, MARK, markdown_table(head, rows), options.write)


if __name__ == "__main__":
    sys.exit(main())
