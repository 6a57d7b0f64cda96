"""What an encoder holds over its training: ``python -m evidence.over_training TRAINING --out RUN``.

TRAINING is the folder of a finished `probing pretrain RECIPE --keep N`. Makes a run in RUN, over the photographs that
ship and in one repetition, of every encoder that it kept and of the untrained network that it began with (step 0), and
resumes one that is there: linear probes of the transformations and of the content, and retrieval of originals.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from devtools.command import errors_in_a_line
from probing_core import samples
from probing_core.compute.claims.named import FINE
from probing_core.compute.tasks import CONTENT
from probing_core.embedders.names import checkpoints, parse
from probing_core.pipeline.graph import TABLE
from probing_core.pipeline.score import without_live, without_oracles
from probing_core.pipeline.stages import make_files
from probing_core.pretraining.loop import kept_path, read_facts
from probing_core.results import Run
from probing_core.runs import layout
from probing_core.runs.engine import Table
from probing_core.runs.layout import ANY_MODEL
from probing_core.runs.progress import ending, terminal
from probing_core.runs.store import Store

ROWS = (
    layout.RECIPE,
    layout.IMAGES,
    layout.SAMPLES,
    layout.model_path(ANY_MODEL),
    layout.embeddings_folder(ANY_MODEL),
    *(layout.predictions_path(ANY_MODEL, task) for task in (FINE, CONTENT)),
    layout.scores_path(ANY_MODEL),
    layout.SCORES,
    layout.study_path(ANY_MODEL, "retrieval"),
    layout.table_path("retrieval"),
)
"""Files of a run that are made: no probes of unseen members, no series, nothing of live predictions, no maps."""


def made(training: Path, out: Path) -> Run:
    """Return the run of the encoders that a training kept, completed."""
    facts = read_facts(training)
    kept = kept_path(training, 0).with_name("step-*.safetensors")
    models = (f"baseline/random-vit@seed={facts.seed}", f"zoo/{facts.recipe['name']}@weights={kept}")
    scored = samples("reference")
    names = tuple(parse(name).full for model in models for name in checkpoints(model))
    kept_rows = TABLE.without(lambda row: row.path not in ROWS).rows
    table = Table([without_oracles(without_live(row)) for row in kept_rows], TABLE.options)
    progress = terminal(out)
    with ending(progress):
        make_files(Store(out), replace(scored.recipe, models=names), scored.corpus, table, progress=progress)
    return Run.open(out)


@errors_in_a_line
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    options = parser.parse_args()
    run = made(options.training, options.out)
    print(run.path)


if __name__ == "__main__":
    sys.exit(main())
