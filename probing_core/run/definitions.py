"""All assets of a run, in the order in which they are materialized.

All assets except the recipe are defined in the modules of the stages: `probing_core.run.embed`, `train`, `calibrate`,
`evaluate`, `studies` and `project`.
"""

from __future__ import annotations

from probing_core.run import calibrate, embed, evaluate, layout, project, studies, train
from probing_core.run.assets import Asset, AssetGraph

RECIPE = Asset(path=layout.RECIPE, description="Format version and recipe. Written when the run is started.")

GRAPH = AssetGraph(
    (
        RECIPE,
        *embed.stage.assets,
        *train.stage.assets,
        *calibrate.stage.assets,
        *evaluate.stage.assets,
        *studies.assets(),
        *project.stage.assets,
    )
)
