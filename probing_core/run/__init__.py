"""The stages that make a run: embed, train, evaluate, project; and the export of its transformed images."""

from probing_core.run.options import Options
from probing_core.run.stages import STAGES, export, run

__all__ = ["STAGES", "Options", "export", "run"]
