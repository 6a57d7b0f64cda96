"""The ``evaluate`` stage: scores, claim tests, and tables that combine all models.

`probing_core.run.studies` defines the studies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from probing_core.compute.evaluation.claims import claim_tables, described, model_results, models_of_claims
from probing_core.compute.evaluation.score_rows import (
    SCORED_COLUMNS,
    SCORING_FACTS,
    TASK_OF,
    UNSCORED_BY_OBJECTIVE,
    score_rows,
)
from probing_core.compute.sampling.probe_tasks import CONTENT, classes_of
from probing_core.compute.task_names import MAIN, ORACLE, OTHER_PROBES, QUICK_VERSION
from probing_core.compute.training.model_samples import ModelSamples
from probing_core.compute.training.quick_protocol import quick_table
from probing_core.measures import MEASURES
from probing_core.run import layout
from probing_core.run.directory import UNAVAILABLE, Content
from probing_core.run.layout import fits_path, predictions_path
from probing_core.run.options import EVALUATE
from probing_core.run.run_files import SampleTable
from probing_core.run.train import TASKS, model_inputs, tasks_of, train_step
from probing_core.run.work import IMAGES_STEP, Work, samples_step
from probing_core.transforms import FAR_CONTROL


def scores_step(model: str) -> str:
    return f"{layout.model_folder(model)}scores"


def quick_step(model: str) -> str:
    return f"{layout.model_folder(model)}quick"


def score(work: Work, model: str, tasks: Sequence[str] = (*TASKS, OTHER_PROBES)) -> None:
    """Compute all scores of a model, ``models/<model>/scores.parquet``.

    Scores are computed by `score_rows` from the predictions of its probes for test samples and the records of their
    fits, ``predictions/*.parquet`` and ``fits/*.parquet`` in the same folder, which `train` wrote. ``samples.parquet``
    and ``images.parquet`` contain the transformations, photographs and labels of the samples. Embeddings are not read.
    `join_scores` concatenates the scores of all models into ``tables/scores.parquet``.

    Args:
        tasks: tasks for which probes were trained (see `train`).
    """
    tasks = tasks_of(work, tasks)
    unscored = list(UNSCORED_BY_OBJECTIVE.get(work.models[model]["objective"], ()))
    inputs = {
        "code_version": 8,
        "classes": work.classes,
        "measures": [measure.name for measure in MEASURES if measure.score is not None],
        "unscored": unscored,
        **work.run.keys(IMAGES_STEP, samples_step(MAIN), *(train_step(model, task) for task in tasks)),
    }

    def compute() -> Mapping[str, Content]:
        paths = {name: predictions_path(model, name) for name in (*TASKS, ORACLE, OTHER_PROBES)}
        names = [
            name
            for name, path in paths.items()
            if (CONTENT if name == ORACLE else name) in tasks and work.run.has(path)
        ]
        classes = {
            task: classes_of(task, work.transforms, work.images)
            for task in dict.fromkeys(TASK_OF.get(name, name) for name in names)
        }
        far = {t.name for t in work.transforms if t.far}
        sample_table, rows = SampleTable(work.run), []
        for name in names:  # one table at a time, to save memory
            predictions = sample_table.read_predictions(paths[name], SCORED_COLUMNS, SCORING_FACTS, once=False)
            fits = work.run.read_table(fits_path(model, CONTENT if name == ORACLE else name))
            rows += score_rows(model, name, predictions, fits, classes, far, unscored)
        return {layout.scores_path(model): pd.DataFrame(rows)}

    work.step(EVALUATE, scores_step(model), inputs, f"Scoring {model}", compute)


def evaluate_quickly(work: Work, model: str) -> None:
    """Count the correct predictions of a model under the quick protocol, by test photograph and transformation."""
    work.step(
        EVALUATE,
        quick_step(model),
        {"code_version": QUICK_VERSION} | work.learned(model),
        f"Evaluating {model} with the quick protocol",
        lambda: {layout.quick_path(model): quick_table(ModelSamples(**model_inputs(work, model)))},
        model,
    )


def quick_models(work: Work) -> list[str]:
    """Return the models that the quick protocol evaluates. Models that were trained on some classes are excluded."""
    if not work.has_splits:
        return []
    return [name for name in work.embedded() if work.models[name]["objective"] not in UNSCORED_BY_OBJECTIVE]


def join(work: Work, path: str, sources: Mapping[str, Sequence[str]]) -> None:
    """Concatenate the rows of tables of all models.

    Args:
        path: path of the joined table.
        sources: step -> paths of its tables. Tables that do not exist are ignored.
    """

    if not sources:
        return

    def compute() -> Mapping[str, Content]:
        tables = [work.run.read_table(name) for names in sources.values() for name in names if work.run.has(name)]
        return {path: pd.concat(tables, ignore_index=True) if tables else None}

    keys = {step: key for step, key in work.run.keys(*sources).items() if key != UNAVAILABLE}
    inputs = {"code_version": 1, "models": list(work.models)} | keys
    work.step(EVALUATE, path.removesuffix(layout.PARQUET), inputs, "Joining tables", compute)


def join_scores(work: Work) -> None:
    """Concatenate the scores of all models."""
    join(work, layout.SCORES, {scores_step(model): [layout.scores_path(model)] for model in work.embedded()})


def join_fits(work: Work) -> None:
    """Concatenate the fits of all models. The table has one row for each fitted probe."""
    join(
        work,
        layout.FITS,
        {train_step(model, task): [fits_path(model, task)] for model in work.embedded() for task in tasks_of(work)},
    )


def join_quick(work: Work) -> None:
    """Concatenate the numbers of correct predictions under the quick protocol for all models."""
    join(work, layout.QUICK, {quick_step(model): [layout.quick_path(model)] for model in quick_models(work)})


def test_claims(work: Work) -> None:
    """Test the claims, and compute the tables of roles, contrasts and ablations."""
    models, tasks = list(work.models), [task for task in TASKS if task in work.tasks]
    claimed = models_of_claims(models)
    if not work.has_splits or not claimed:
        return
    trained = [train_step(model, task) for model in claimed for task in tasks]
    inputs = {
        "code_version": 11,
        "classes": work.classes,
        "claims": described(models),
        **work.run.keys(samples_step(MAIN), *trained),
    }

    def compute() -> Mapping[str, Content]:
        far = {t.name for t in work.transforms if t.far} - {FAR_CONTROL}
        sample_table, results = SampleTable(work.run), {}
        for model in claimed:
            paths = {task: predictions_path(model, task) for task in tasks}
            predictions = {
                task: sample_table.read_predictions(
                    path, ["sample", "truth", "predicted"], ["base_id", "transform"], once=False
                )
                for task, path in paths.items()
                if work.run.has(path)
            }
            results[model] = model_results(predictions, far)
        tables = layout.CLAIMS, layout.ROLES, layout.CONTRASTS, layout.ABLATIONS
        return dict(zip(tables, claim_tables(models, results), strict=True))

    work.step(EVALUATE, layout.CLAIMS.removesuffix(layout.PARQUET), inputs, "Testing claims", compute)
