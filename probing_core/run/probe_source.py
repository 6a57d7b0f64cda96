"""The run whose probes another run uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from probing_core.errors import BadRun
from probing_core.results.run_places import find_runs
from probing_core.run.layout import RECIPE
from probing_core.run.models import model_entries
from probing_core.run.recipe import Recipe, read_recipe, source_among
from probing_core.run.store import Files, Store


@dataclass(frozen=True)
class ProbeSource:
    """The run whose probes are used. What describes it and its models is parsed once.

    Attributes:
        files: of that run.
        recipe: of that run.
    """

    files: Files
    recipe: Recipe

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """Contents of ``model.toml`` of its models."""
        return model_entries(self.files)

    def require_probes(self, models: Sequence[str]) -> None:
        """Refuse names of models that the run has no probes of, with `BadRun`, before anything is written."""
        there = {entry["request"] for entry in self.entries}
        if missing := [name for name in models if name not in there]:
            raise BadRun(
                f"The run that the probes are taken from has no '{missing[0]}'; it has: {', '.join(sorted(there))}."
            )


def open_probe_source(root: Path) -> ProbeSource:
    """Open the run in ``root`` as one whose probes are used.

    Raises:
        BadRun: there is no run.
    """
    store = Store(root)
    if not store.has(RECIPE):
        raise BadRun(f"'{root}' is not a run, so no probes can be taken from it; give a run's directory.")
    return ProbeSource(store, read_recipe(store))


def find_probe_source(recipe: Recipe, named: ProbeSource | None = None) -> ProbeSource | None:
    """Return the run whose probes the run of ``recipe`` uses: the one that was named, or one that ships or is a user's
    own; None where it learns its own, or where the other is not here."""
    if not recipe.probes_from or named is not None:
        return named
    return source_among(_openable(), recipe)


def _openable() -> Iterator[ProbeSource]:
    for place in find_runs():
        with suppress(BadRun):  # one that is damaged is not the one
            yield open_probe_source(place.path)


def require_probe_source(recipe: Recipe, source: ProbeSource | None) -> None:
    """Check that the run whose probes are used is here, where there is one.

    Raises:
        BadRun: it is elsewhere.
    """
    if recipe.probes_from and source is None:
        raise BadRun("The run takes its probes from another run; name it again with `probing run --probes-from RUN`.")
