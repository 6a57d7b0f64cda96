"""Copy a run to ``data/reference``, with only the files that pages, claims and new models require.

    python -m lab.scripts.reference RUN

The following files are omitted: embeddings; predictions that are only used to compute scores; files for predictions of
new images by additional seeds (``zoo/mae@seed=1``), whose weights are not included in the package; and, to keep the
wheel below 100 MB, some maps and nearest neighbors, and the scored views of weak baselines and of variants. Files are
copied unchanged, except that ``run.toml`` names corpora without the folders of this machine.

The included photographs (`lab.scripts.shipped_photographs`) are not changed. Afterwards, record the answers for the
example images (`lab.scripts.example_answers`).
"""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lab.devtools.commands import errors_in_a_line, parser_of
from lab.devtools.run_edits import omit
from probing_core.compute.task_names import BY_EMBEDDING, BY_TRANSFORMATION, ORACLE, OTHER_PROBES
from probing_core.errors import ProbingError
from probing_core.measures.notation import BASELINE
from probing_core.models.model_names import parse
from probing_core.paths import reference_run
from probing_core.run import layout
from probing_core.run.directory import COMPLETED, RunDirectory, note_completed
from probing_core.run.options import EVALUATE
from probing_core.run.pipeline import pending_steps
from probing_core.run.recipe import read_recipe, write_recipe
from probing_core.run.work import Work

MAX_BYTES = 47_500_000

SCORED_ALONE = (ORACLE, OTHER_PROBES)
"""Tables of predictions that are only used to compute scores."""

KNOWING = ("baseline/handcrafted",)
"""Baselines with a high transformation accuracy."""

VARIANTS = ("zoo/simclr-matched", "zoo/clip-plain", "zoo/align-plain")
"""Zoo encoders that are variants of another zoo encoder."""

BLOCK = "timm:tf_efficientnet_lite0@layer=4"
"""Intermediate layer of a network that is also in the run."""

HASHES = ("baseline/dhash", "baseline/phash")


def _is_of_single_pictures(path: str) -> bool:
    """Return whether the file at ``path`` is used for predictions of individual images and is not a score."""
    inner = path.removeprefix(layout.MODELS).partition("/")[2]
    parts = ("probes", "map", "neighbors", "verdicts")
    return path.startswith(layout.MODELS) and inner.startswith(parts)


def ship(run: RunDirectory, out: Path) -> int:
    """Replace ``out`` with the required files of ``run``, and return their total size in bytes.

    Raises:
        ProbingError: the run is incomplete, or the files exceed the maximum size.
    """
    work = Work(run, read_recipe(run))
    # Maps are optional. A run is complete if it contains the maps of its first model.
    names, _ = pending_steps(work, EVALUATE)
    if missing := [*work.unloaded, *(step for steps in names.values() for step in steps)]:
        raise ProbingError(
            f"'{run.root}' has no {missing[0]}. Complete the run first.", hint=f"Run `probing run --out {run.root}`."
        )
    models = list(work.models)
    staging = out.with_name(f"{out.name}.new")  # the previous run is kept until this one is complete
    shutil.rmtree(staging, ignore_errors=True)
    second = tuple(layout.model_folder(name) for name in models if is_second_training(name))
    scored = {layout.predictions_path(model, name) for model in models for name in SCORED_ALONE}
    weak = [name for name in models if name.startswith(BASELINE) and name not in KNOWING]
    nearest = {layout.neighbors_path(name, BY_EMBEDDING) for name in models}
    variants = [name for name in models if name.startswith((*VARIANTS, BLOCK))]
    nearest |= {
        layout.neighbors_path(name, BY_TRANSFORMATION)
        for name in models
        if name.startswith(BASELINE) or name in variants
    }
    omitted_maps = {layout.map_path(name, BY_EMBEDDING) for name in (*weak, *variants)}
    omitted_maps |= {layout.map_path(name, BY_TRANSFORMATION) for name in HASHES}
    omitted_maps |= {layout.scored_views_path(name) for name in (*weak, *VARIANTS)}
    left_out = [
        name
        for name in run.names()
        if layout.is_embeddings_path(name)
        or name in scored | nearest | omitted_maps
        or (name.startswith(second) and _is_of_single_pictures(name))
    ]
    shutil.copytree(
        run.root,
        staging,
        ignore=lambda folder, names: [
            name
            for name in names
            if (path := (Path(folder) / name).relative_to(run.root).as_posix()) in left_out
            or path in (layout.LOG, "units")
        ],
    )
    shipped = RunDirectory(staging)
    omit(shipped, *left_out)
    recipe = read_recipe(shipped)
    write_recipe(
        shipped,
        replace(recipe, corpus=_at_home(recipe.corpus), calibrate_on=tuple(map(_at_home, recipe.calibrate_on))),
    )
    if date := completed_on(run.root):  # from the log, which is not copied
        note_completed(staging, date)
    total = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    if total > MAX_BYTES:
        raise ProbingError(f"'{staging}' has {total:,} bytes, but the maximum is {MAX_BYTES:,}.")
    for name in layout.EXTRA_FILES:
        if (out / name).is_file():
            shutil.copy2(out / name, staging / name)
    shutil.rmtree(out, ignore_errors=True)
    staging.rename(out)
    return total


def completed_on(root: Path) -> str:
    """Return the date (UTC, such as 2026-11-29) of the last entry in the logs of a run, or an empty string."""
    with suppress(OSError, ValueError):
        events = [json.loads(line) for line in (root / layout.EVENTS).read_text(encoding="utf-8").splitlines()]
        dates = [str(event["date"]) for event in events if event.get("event") == COMPLETED]
        return dates[-1][:10] if dates else ""
    return ""


def is_second_training(model: str) -> bool:
    """Return whether a model is an additional seed of a zoo encoder."""
    parsed = parse(model)
    return parsed.model.startswith("zoo/") and "seed" in parsed.options


def _at_home(corpus: str) -> str:
    """Return the name of a corpus without the path of its folder."""
    kind, colon, place = corpus.partition(":")
    return f"{kind}{colon}{place.rpartition('/')[2]}"


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path)
    options = parser.parse_args()
    out = reference_run()
    print(f"{out}: {ship(RunDirectory(options.run), out) / 1e6:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
