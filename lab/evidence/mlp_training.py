"""Measure the effect of training samples and regularization on MLPs.

    python -m lab.evidence.mlp_training RUN [--models A,B]

RUN has splits and embeddings. For each model, MLPs are trained in three ways and tested on the same samples as the
linear probe. The command prints a Markdown table of transformation accuracies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of
from probing_core.compute.runtime.parallel import threads
from probing_core.compute.task_names import FINE
from probing_core.compute.training.model_samples import ModelSamples, fit_fold, folds_of, whole_images
from probing_core.compute.training.other_probes import MLP_SEEDS
from probing_core.measures.notation import in_percent
from probing_core.probes.probe import Probe
from probing_core.run.directory import RunDirectory
from probing_core.run.recipe import read_recipe
from probing_core.run.train import model_samples
from probing_core.run.work import Work

FEW_SAMPLES = 12_000
"""Maximum number of training samples of MLPs in earlier versions."""

COLUMNS = {
    "linear": "linear probe",
    "few": "MLP, first repetition, fixed settings",
    "fixed": "MLP, all samples, fixed settings",
    "selected": "MLP, all samples, selected settings",
}


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--models", type=lambda names: names.split(","), default=None, metavar="A,B")
    options = parser.parse_args()
    run = RunDirectory(options.run)
    work = Work(run, read_recipe(run))
    rows = []
    with threads(work.recipe.threads):
        for model in options.models or work.embedded():
            accuracies = accuracies_of(model_samples(work, model, with_renderings=False))
            rows.append([f"`{model}`", *(in_percent(accuracies[column], 1) for column in COLUMNS)])
    print(markdown_table(["model", *COLUMNS.values()], rows))


def accuracies_of(data: ModelSamples) -> dict[str, float]:
    """Return the transformation accuracy of probes for a model. Accuracies of MLPs are means over three seeds."""
    from probing_core.probes import mlp  # imports torch

    task = data.task(FINE)
    (fold,) = folds_of(data, task)

    def rows_of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return data.X[rows], task.truth[rows]

    def fit(fit_mlps: Callable[..., tuple[Probe, ...]], train: np.ndarray, val: np.ndarray) -> tuple[Probe, ...]:
        return fit_mlps(*rows_of(train), classes=task.classes, validation=rows_of(val), seeds=MLP_SEEDS)

    few = (first_images(data, rows) for rows in (fold.train, fold.val))
    probes: dict[str, tuple[Probe, ...]] = {
        "linear": (fit_fold(data, task, fold).probe,),
        "few": fit(mlp.fit_seeds, *few),
        "fixed": fit(mlp.fit_seeds, fold.train, fold.val),
        "selected": fit(lambda *args, **options: mlp.fit_selected(*args, **options).probes, fold.train, fold.val),
    }
    X, y = rows_of(fold.test)

    def accuracy(probe: Probe) -> float:
        return float(balanced_accuracy_score(y, probe.probabilities(X).argmax(1)))

    return {kind: float(np.mean([accuracy(probe) for probe in fitted])) for kind, fitted in probes.items()}


def first_images(data: ModelSamples, rows: np.ndarray) -> np.ndarray:
    """Return the samples in the first repetition, of evenly spaced images if there are more than `FEW_SAMPLES`."""
    first = rows[(data.samples["repetition"] == 0).to_numpy()[rows]]
    return first[whole_images(data.samples["image_id"].to_numpy()[first], FEW_SAMPLES)]


if __name__ == "__main__":
    sys.exit(main())
