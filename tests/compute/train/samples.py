"""A model of a run as probes learn from it."""

from __future__ import annotations

from probing_core.compute.model_samples import ModelSamples
from probing_core.run.layout import predictions_path
from probing_core.run.makers import _model_samples
from probing_core.run.store import Store
from tests.plans import plan_of


def samples_of(store: Store, model: str, task: str = "fine") -> ModelSamples:
    """Return what the training of ``task`` reads of ``model``."""
    plan = plan_of(store)
    return _model_samples(*plan.given(plan.artifacts[predictions_path(model, task)]))
