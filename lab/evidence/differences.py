"""Coverage of intervals of the difference between two models: ``python -m lab.evidence.differences [--write]``.

In each simulation, two models are scored on the same photographs, and a given percentage of the photographs differs
between them. On these photographs, one prediction or several predictions are correct for only one of the models. All
changes favor the same model, or three in four, or half. The last rows are accuracies balanced over 20 classes of
different sizes. Prints the lowest and the highest coverage of the 95% intervals as a Markdown table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from probing_core.measures.paired_tests import paired_interval
from probing_core.measures.statistics import ClusterSums, mean_of_ratios
from probing_core.results.ranking import PAGE_FLIPS

PHOTOGRAPHS = (150, 321)
DIFFERING = (0.001, 0.005, 0.01, 0.05, 0.2)
"""Fractions of photographs that differ between two models."""

FAVORABLE = (1.0, 0.75, 0.5)
"""Fractions of changed predictions that are correct for the first model."""

CLASSES = 20
MEAN_CHANGED = 3
"""Mean number of changed predictions on a photograph, if several change. The distribution is geometric."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
MARK = "<!-- generated: python -m lab.evidence.differences -->"


@dataclass(frozen=True)
class Setting:
    """Simulated predictions.

    Attributes:
        title: description in the table.
        predictions: number of predictions for each photograph and model.
        several: whether several predictions change on a differing photograph.
        balanced: whether accuracies are balanced over classes. Each photograph belongs to one class.
    """

    title: str
    predictions: int = 1
    several: bool = False
    balanced: bool = False


SETTINGS = (
    Setting("1 prediction"),
    Setting("31 predictions, 1 changes", 31),
    Setting("31 predictions, 3 change on average", 31, several=True),
    Setting("1 prediction, balanced over classes", balanced=True),
)


def scores(
    setting: Setting, photographs: int, differing: float, favorable: float, rng: np.random.Generator
) -> tuple[ClusterSums, ClusterSums]:
    """Simulate the scores of two models."""
    changed = rng.geometric(1 / MEAN_CHANGED, photographs) if setting.several else np.ones(photographs, np.int64)
    changed = np.minimum(changed, setting.predictions) * (rng.random(photographs) < differing)
    gained = rng.binomial(changed, favorable)
    shared = rng.binomial(setting.predictions - changed, 0.6)
    label = (
        np.minimum(np.arange(photographs) % (2 * CLASSES), CLASSES - 1) if setting.balanced else np.zeros(photographs)
    )
    members = np.eye(CLASSES if setting.balanced else 1)[label.astype(np.int64)]
    first, second = (
        ClusterSums(np.hstack([members * hits[:, None], members * setting.predictions]), mean_of_ratios)
        for hits in (shared + gained, shared + changed - gained)
    )
    return first, second


def true_difference(setting: Setting, differing: float, favorable: float) -> float:
    """Return the expected difference between the scores of `scores`."""
    at_least = (1 - 1 / MEAN_CHANGED) ** np.arange(setting.predictions)  # P(changed > 0), P(changed > 1), ...
    changed = float(at_least.sum()) if setting.several else 1.0
    return differing * (2 * favorable - 1) * changed / setting.predictions


def coverage(setting: Setting, photographs: int, differing: float, favorable: float, worlds: int) -> float:
    """Return the fraction of simulations in which the interval contains the true difference."""
    truth = true_difference(setting, differing, favorable)
    rng, covered = np.random.default_rng(0), 0
    for _ in range(worlds):
        estimate = paired_interval(*scores(setting, photographs, differing, favorable, rng), flips=PAGE_FLIPS)
        covered += estimate.low - 1e-12 <= truth <= estimate.high + 1e-12
    return covered / worlds


def rows(worlds: int) -> Iterator[list[str]]:
    for setting in SETTINGS:
        for photographs in PHOTOGRAPHS:
            cells = []
            for differing in DIFFERING:
                covered = [coverage(setting, photographs, differing, part, worlds) for part in FAVORABLE]
                cells.append(f"{100 * min(covered):.1f} to {100 * max(covered):.1f}%")
            yield [setting.title, str(photographs), *cells]


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/results.md")
    parser.add_argument("--worlds", type=int, default=10_000, help="simulations for each number in the table")
    options = parser.parse_args()
    head = ["predictions for each photograph", "photographs", *(f"{100 * part:g}% differ" for part in DIFFERING)]
    table = markdown_table(head, rows(options.worlds))
    errors = " and ".join(f"{100 * np.sqrt(part * (1 - part) / options.worlds):.2f}" for part in (0.95, 0.975))
    note = f"Each number is based on {options.worlds:,} simulations (standard error {errors} points at 95 and 97.5%)."
    publish(PAGE, MARK, f"{table}\n\n{note}", options.write)


if __name__ == "__main__":
    sys.exit(main())
