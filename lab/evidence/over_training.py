"""Scores of encoders during training: ``python -m lab.evidence.over_training TRAINING... --out FOLDER [--write]``.

TRAINING is the output folder of ``python -m lab.pretraining RECIPE --keep N``. For each training run, the command
computes a run of the included photographs in FOLDER, with one repetition. Its models are the saved checkpoints and the
untrained network (step 0). Existing runs are resumed. Each encoder is evaluated with linear probes of transformations
and content, and with retrieval of originals. The scores are printed as Markdown. ``--write`` stores them in
``data/over-training.parquet``, where they replace scores of training runs with the same names, and updates
docs/results.md and docs/pictures/over-training.svg with all stored scores.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")  # no display

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, put, replace_rows, svg_of
from lab.pretraining.loop import kept_path, read_facts
from probing_core import samples
from probing_core.charts import Theme
from probing_core.charts.training import NAMES as SCORES
from probing_core.compute.sampling.probe_tasks import CONTENT
from probing_core.compute.task_names import ALL, FINE, MAIN, STRENGTH
from probing_core.measures.notation import GROUP_SUBSET, in_percent
from probing_core.models.model_names import checkpoints, parse
from probing_core.results import Run
from probing_core.run import layout
from probing_core.run.directory import RunDirectory
from probing_core.run.evaluate import join_scores, score
from probing_core.run.pipeline import complete_with
from probing_core.run.progress import final_report, terminal
from probing_core.run.setup import Corpora
from probing_core.run.studies import compute_studies, join_studies
from probing_core.run.train import train
from probing_core.run.work import Work

ROOT = Path(__file__).resolve().parents[2]
PAGE, PICTURE = ROOT / "docs" / "results.md", ROOT / "docs" / "pictures" / "over-training.svg"
DATA = ROOT / "data" / "over-training.parquet"
MARK = "<!-- generated: python -m lab.evidence.over_training -->"

COLUMNS = ("step", "model", "name", "value", "low", "high", "photographs", "chance")

STYLES = {FINE: "-", CONTENT: "--", "retrieval": ":"}
"""Name of a score that is not specific to a group -> line style. Each of these scores has a column in the table."""

NAMES = SCORES | {"retrieval": "recall of originals"}

TITLES = {FINE: "transformation accuracy", CONTENT: "content accuracy", "retrieval": "recall of originals"}
"""Name of a score -> title of its column in the table."""


def completed_run(training: Path, out: Path) -> Run:
    """Compute the run of the checkpoints that were saved during a training run, and return it."""
    facts = read_facts(training)
    pattern = kept_path(training, 0).with_name("step-*.safetensors")
    models = (f"baseline/random-vit@seed={facts.seed}", f"zoo/{facts.recipe['name']}@weights={pattern}")
    scored = samples("reference")
    names = tuple(parse(name).full for model in models for name in checkpoints(model))
    progress, recipe = terminal(out), replace(scored.recipe, models=names)
    corpora = Corpora(recipe, scored.corpus)
    work = Work(RunDirectory(out), recipe, progress=progress, corpora=corpora, experiments=(MAIN, STRENGTH))
    with final_report(progress):
        complete_with(_evaluate, work)
    return Run.open(out)


def _evaluate(work: Work) -> None:
    """Compute the scores and the retrieval study. Probes for new images and maps are not required."""
    for model in work.embedded():
        train(work, model, tasks=(FINE, CONTENT), live=False, oracles=False)
        score(work, model, tasks=(FINE, CONTENT))
        compute_studies(work, model, ("retrieval",))
    join_scores(work)
    join_studies(work, ("retrieval",))


def scores_over(training: Path, run: Run) -> pd.DataFrame:
    """Return the scores of the checkpoints of a training run.

    Returns:
        ``step`` (0 for the untrained network), ``model``, ``name`` (``fine``, ``content``, ``group:...`` or
        ``retrieval``), ``value`` with its 95% interval over photographs (``low``, ``high``), ``photographs``,
        ``chance``, and ``training`` (name of the training run).
    """
    of_group = run.scores["subset"].str.startswith(GROUP_SUBSET)
    measure = of_group.map({True: "recall", False: "balanced-accuracy"})
    fine = (run.scores["task"] == FINE) & (of_group | (run.scores["subset"] == "all"))
    content = (run.scores["task"] == CONTENT) & (run.scores["subset"] == "seen")
    rows = run.scores[(fine | content) & (run.scores["measure"] == measure)]
    rows = rows.assign(name=rows["subset"].where(of_group, rows["task"]))
    recalls = run.table(layout.table_path("retrieval"))
    first = recalls[(recalls["transform"] == ALL) & (recalls["k"] == 1)].assign(name="retrieval")
    rows = pd.concat([rows, first], ignore_index=True).rename(columns={"bases": "photographs"})
    rows = rows.assign(step=rows["model"].map(_step), training=read_facts(training).recipe["name"])
    return rows.sort_values("step", kind="stable")[[*COLUMNS, "training"]].reset_index(drop=True)


def _step(model: str) -> int:
    match = re.search(r"step-(\d+)", model)
    return int(match[1]) if match else 0


def in_markdown(table: pd.DataFrame) -> str:
    """Return a Markdown table of the scores at the first and last step of each training run, with 95% confidence
    intervals."""
    lines = []
    for training, rows in table.groupby("training", sort=False):
        values = rows.set_index(["step", "name"])
        for step in (rows["step"].min(), rows["step"].max()):
            cells = [
                f"{in_percent(row['value'], 1)} ({100 * row['low']:.1f}\N{EN DASH}{100 * row['high']:.1f})"
                for row in (values.loc[(step, name)] for name in STYLES)
            ]
            lines.append([f"`{training}`", f"{step:,}", *cells])
    return markdown_table(["training run", "step", *(TITLES[name] for name in STYLES)], lines)


def picture(table: pd.DataFrame) -> str:
    """Draw the scores of all training runs side by side, tasks above and groups of transformations below, as an SVG."""
    theme, names = Theme(dark=False), list(dict.fromkeys(table["training"]))
    figure, axes = plt.subplots(
        2, len(names), figsize=(3.1 * len(names) + 1.6, 6), sharey="row", sharex="col", layout="constrained"
    )
    for (above, below), (training, rows) in zip(
        np.reshape(axes, (2, -1)).T, table.groupby("training", sort=False), strict=True
    ):
        steps = np.unique(rows["step"])
        for name, points in rows.groupby("name", sort=False):
            group = name.removeprefix(GROUP_SUBSET)
            at = np.searchsorted(steps, points["step"])  # steps grow exponentially, and 0 has no logarithm
            color, style = (theme.group(group), "-") if group != name else (theme.text, STYLES[name])
            axis = above if group == name else below
            axis.plot(at, 100 * points["value"], style, color=color, label=NAMES.get(name, group), marker=".")
            if group == name:
                axis.fill_between(at, 100 * points["low"], 100 * points["high"], color=color, alpha=0.12, linewidth=0)
        above.set_title(training, fontsize=11)
        below.set_xlabel("step")
        below.set_xticks(range(0, len(steps), 2), [f"{step:,}" for step in steps[::2]])
        for axis in (above, below):
            axis.set_ylim(0, 100)
            axis.spines[["top", "right"]].set_visible(False)
    first = np.reshape(axes, (2, -1))
    first[0, 0].set_ylabel("score (%)")
    first[1, 0].set_ylabel("recall (%)")
    for axis in first[:, -1]:
        axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return svg_of(figure, "over-training")


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs and data")
    parser.add_argument("trainings", type=Path, nargs="+", metavar="TRAINING")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    runs = [(training, completed_run(training, options.out / training.name)) for training in options.trainings]
    table = pd.concat([scores_over(training, run) for training, run in runs], ignore_index=True)
    print(in_markdown(table))
    if options.write:
        table = replace_rows(DATA, table.drop(columns="model"), "training")
        PICTURE.write_text(picture(table), encoding="utf-8")
        text = f"{in_markdown(table)}\n\n![Scores by training step]({PICTURE.relative_to(PAGE.parent)})"
        PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), MARK, text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
