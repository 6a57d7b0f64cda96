"""What is damaged of a run is removed and made again."""

from __future__ import annotations

from pathlib import Path

from probing_core.errors import BadRun
from probing_core.pipeline.graph import TABLE
from probing_core.pipeline.probe_source import find_probe_source, require_probe_source
from probing_core.pipeline.setup import open_same_corpus
from probing_core.pipeline.stages import make_again
from probing_core.runs.last_options import last_options
from probing_core.runs.layout import RECIPE, is_piece
from probing_core.runs.progress import SILENT, Progress
from probing_core.runs.recipe import read_recipe
from probing_core.runs.store import Store


def repair(out: Path, progress: Progress = SILENT) -> tuple[list[str], list[str]]:
    """Remove every damaged file of the run in ``out`` and make it again, with what it cannot be made without.

    Nothing else is made: neither what is missing or stale beside, nor what follows from a file that has other last bits
    now. A damaged piece of something that is not complete is removed alone.

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
            recipe, stages = read_recipe(store), {TABLE.stage_of(name) for name in damaged if not is_piece(name)}
            if stages - {"evaluate", "project"}:  # scores, studies and maps are made from files of the run alone
                open_same_corpus(recipe)
                require_probe_source(recipe, find_probe_source(recipe))
            store.remove(*damaged)
    if not damaged:
        return [], store.damage()
    make_again(out, damaged, last_options(out), progress)
    after = Store(out)
    lost = [name for name in damaged if not is_piece(name) and not after.has(name)]
    told = [f"'{name}' was damaged and removed, and no stage made it again." for name in lost]
    return list(damaged), told + after.damage()
