"""Find the steps of a run that are incomplete, without computing them.

Keys of steps do not depend on results. Therefore, the functions that compute a run can be called with a `DryRun`, which
only notes the steps that they would compute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from probing_core.models import find_spec
from probing_core.models.model_names import parse
from probing_core.run.directory import RunDirectory
from probing_core.run.embed import SampleStep, missing_steps, sample_steps
from probing_core.run.options import EMBED, PROJECT
from probing_core.run.progress import LOADING, SILENT, Expected
from probing_core.run.run_files import Inputs
from probing_core.run.step_times import EMBEDDING, LOADED, step_times
from probing_core.run.units import completed_units
from probing_core.run.work import Work

TYPICAL_DIMENSION = 768
TYPICAL_LAYERS = 12
"""Assumed embedding dimension and number of layers of a network that has not been loaded yet."""

MAX_LETTERS = 60
"""Maximum number of characters of option values in messages. Longer values are not shown."""


class DryRun(RunDirectory):
    """Run directory that notes incomplete steps, but does not compute them.

    Attributes:
        visited: name of a step -> its current inputs, in order.
        pending: the part of ``visited`` that is incomplete.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.visited: dict[str, Inputs] = {}
        self.pending: dict[str, Inputs] = {}

    def key(self, step: str) -> str:
        try:
            return super().key(step)
        except KeyError:  # the model has not been loaded
            return "unknown"

    def needs(self, step: str, inputs: Inputs, readable: bool = True) -> bool:
        self.visited[step] = inputs
        if super().needs(step, inputs, readable):
            self.pending[step] = inputs
        return False

    def reasons(self, step: str) -> Iterator[str]:
        """Yield sentences that explain why a visited step will be computed, or why not."""
        record = self.records.get(step)
        if step in self.unavailable:
            yield f"'{step}' cannot be computed, because its inputs were not published with the run."
            return
        if step not in self.pending:
            is_copied = record is not None and not self.is_own(step)
            yield f"'{step}' is complete: " + (
                "it was copied from another run." if is_copied else "its inputs have not changed."
            )
            return
        if record is None:
            yield f"'{step}' has not been computed yet."
            return
        if missing := [path for path in record.files if not self.has(path) or path in self.lost]:
            yield f"'{step}' will be recomputed: '{missing[0]}' is missing or corrupted."
            return
        for change in _changes(record.inputs, json.loads(json.dumps(self.pending[step]))):
            yield f"'{step}' will be recomputed: {change}."


def dry(work: Work) -> tuple[Work, DryRun]:
    """Return a copy of ``work`` whose steps are only noted. It includes models that have not been loaded yet."""
    run = DryRun(work.run.root)
    run.read_records(work.run.base)
    run.assume_lost(work.run.lost)
    noted = Work(run, work.recipe, work.options, SILENT, work.corpora, work.experiments)
    noted.assumed_images = work.assumed_images
    noted.models = work.models | {entry["name"]: entry for entry in map(_foreseen, work.unloaded)}
    return noted, run


def _foreseen(request: str) -> dict[str, Any]:
    """Return the expected content of ``model.toml`` for a model that has not been loaded yet."""
    spec = find_spec(request)
    has_layers = spec.family not in ("baseline", "precomputed")
    return {
        "name": parse(request).full,
        "request": request,
        "position": 0,
        "family": spec.family,
        "objective": spec.objective,
        "dim": spec.dim or TYPICAL_DIMENSION,
        "blocks": [f"{layer}.mean" for layer in range(TYPICAL_LAYERS)] if has_layers else [],
        "recipe": {},
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = _flat(old), _flat(new)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name):
            continue
        if name not in after or name not in before:
            yield f"'{name}' is {'a new' if name in after else 'no longer an'} input"
            continue
        texts = str(before[name]), str(after[name])
        is_short = max(map(len, texts)) <= MAX_LETTERS and "/" not in name
        yield f"{name.replace('_', ' ')} changed" + (f" from {texts[0]} to {texts[1]}" if is_short else "")


def _flat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested ``inputs``. Names of nested entries are appended to the names of their parents."""
    flat: dict[str, Any] = {}
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} '{key}'": nested for key, nested in value.items()}
        else:
            flat[name] = value
    return flat


def expected_steps(work: Work, left: Mapping[str, Sequence[str]]) -> dict[str, Expected]:
    """Return the expected durations of the remaining steps, for the overall progress of a run.

    Args:
        left: stage -> names of the steps that are left.
    """
    noted, run = dry(work)
    missing_steps(noted, list(noted.models))
    samples, times = samples_left(noted, run), step_times()
    requests = {noted.models[step.model]["request"] for step in samples if step.model}
    expected = {LOADING: Expected(LOADING, times.seconds(LOADED, 1) * len(requests))} if requests else {}
    for series in dict.fromkeys(step.series for step in samples):
        passes = sum(count for step, count in samples.items() if step.series == series)
        expected[series or EMBED] = Expected(EMBED, times.seconds(EMBEDDING, passes), is_guessed=True)
    for stage, names in left.items():
        if stage != EMBED:
            for name in names:
                key = PROJECT if stage == PROJECT else name
                expected.setdefault(key, Expected(stage, 0.0)).seconds += seconds_of(noted, name)
    return expected


def seconds_of(work: Work, step: str) -> float:
    """Return the expected duration of a step in seconds, based on recorded runs."""
    return step_times().seconds(work.kind(step), work.size(step))


def samples_left(work: Work, run: DryRun) -> dict[SampleStep, int]:
    """Return the number of samples that are left for each pending step of the ``embed`` stage."""
    left = {}
    for step in sample_steps(work, list(work.models)):
        if step.name in run.pending:
            units = work.sample_sets[step.series].units
            complete = completed_units(run.root, run.key(step.name), len(units))
            left[step] = sum(unit.stop - unit.start for i, unit in enumerate(units) if i not in complete)
    return left
