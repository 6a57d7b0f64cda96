"""The stages that make a run: embed, train, evaluate, project; and the export of its transformed images."""

from probing_core.pipeline.stages import STAGES, export, run
from probing_core.runs.options import Options

__all__ = ["STAGES", "Options", "export", "run"]
