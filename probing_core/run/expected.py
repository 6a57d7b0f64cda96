"""Expected durations of the remaining steps of a run, for its progress and for estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from probing_core.run.embed import SampleStep, missing_steps, sample_steps
from probing_core.run.options import EMBED, PROJECT
from probing_core.run.pending import DryRun, dry
from probing_core.run.progress import LOADING, Expected
from probing_core.run.step_times import EMBEDDING, LOADED, step_times
from probing_core.run.units import completed_units
from probing_core.run.work import Work


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
