"""What of a run is to be made: everything of some stages, or some files that were lost, and what these need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probing_core.models.names import parse, with_layer
from probing_core.run.engine import Artifact, Plan
from probing_core.run.layout import is_model_path, model_path
from probing_core.run.options import EMBED

DEEPEST = 1000
"""Number of the last layer that is looked for of a model of which all layers were asked for."""


@dataclass(frozen=True)
class Wanted:
    """What of a run is to be made.

    Attributes:
        stages: of which everything is made that is missing.
        files: made again, of whatever stage, with what they cannot be made without.
    """

    stages: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()

    def artifacts(self, plan: Plan, stage: str) -> dict[str, Artifact]:
        """Return the artifacts of a stage, those that are complete too, by their names."""
        found = {artifact.path: artifact for artifact in plan.select(stage)}
        if stage in self.stages:
            return found
        needed = plan.needed(self.files)
        return {name: artifact for name, artifact in found.items() if name in needed}

    def requests(self, plan: Plan) -> list[str]:
        """Return the models of the recipe that are to be loaded."""
        scope = plan.scope
        left = {artifact.binding.get("model") for artifact in plan.left(self.artifacts(plan, EMBED).values())}
        lacking = {entry["request"] for name, entry in scope.entries.items() if name in left}
        lacking.update(scope.unloaded if EMBED in self.stages else ())
        return [request for request in scope.recipe.models if request in lacking or self._has_lost(request, plan)]

    def _has_lost(self, request: str, plan: Plan) -> bool:
        """Return whether the description of a model, or of one of its layers, is to be made again."""
        if not any(map(is_model_path, self.files)):
            return False
        names = (name for name in names_of(request) if model_path(name) in self.files)
        return any(name not in plan.scope.entries for name in names)

    def embeds(self, plan: Plan) -> bool:
        """Return whether something of the stage ``embed`` is to be made."""
        return bool(self.requests(plan) or plan.left(self.artifacts(plan, EMBED).values()))


def names_of(request: str) -> Iterator[str]:
    """Yield the names of the models that one request may stand for."""
    yield request
    if parse(request).options.get("layer") == "all":
        yield from (with_layer(request, layer) for layer in range(1, DEEPEST + 1))
