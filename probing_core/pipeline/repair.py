"""What is damaged of a run is removed and made again."""

from __future__ import annotations

from pathlib import Path

from probing_core.errors import BadRun
from probing_core.pipeline.setup import find_probe_source, open_same_corpus
from probing_core.pipeline.stages import run
from probing_core.runs import layout
from probing_core.runs.layout import RECIPE, map_path
from probing_core.runs.models import model_entries
from probing_core.runs.options import Options
from probing_core.runs.progress import SILENT, Progress
from probing_core.runs.recipe import read_recipe
from probing_core.runs.store import Store


def repair(out: Path, progress: Progress = SILENT) -> tuple[list[str], list[str]]:
    """Removes every damaged file of the run in ``out`` and does the stages that the run has had.

    Returns:
        Names of the damaged files, and one sentence for each file that is not as it should be in the end.

    Raises:
        BadRun: the recipe is damaged, or what the run would need to be made again is not there; nothing is removed.
    """
    store = Store(out)
    with store.locked():
        damaged = store.damaged()
        if RECIPE in damaged:
            raise BadRun(f"'{RECIPE}' of the run {damaged[RECIPE]}: it cannot be made again from anything else.")
        if damaged:
            recipe = read_recipe(store)
            open_same_corpus(recipe)
            find_probe_source(recipe, Options())
            names = store.names()
            store.remove(*damaged)
            maps = [entry["name"] for entry in model_entries(store) if map_path(entry["name"]) in names]
    if not damaged:
        return [], store.damage()
    run(out, Options(maps=maps), _stages(names, maps), progress)
    after = Store(out)
    lost = [f"'{name}' was damaged and removed, and no stage made it again." for name in damaged if not after.has(name)]
    return list(damaged), lost + after.damage()


def _stages(names: list[str], maps: list[str]) -> tuple[str, ...]:
    """Those that the run with these files and maps has had, each with those before it."""
    done = {
        "project": bool(maps),
        "evaluate": layout.SCORES in names,
        "train": any("/predictions/" in name for name in names),
    }
    return ("embed", *(stage for stage in ("train", "evaluate", "project") if done[stage]))
