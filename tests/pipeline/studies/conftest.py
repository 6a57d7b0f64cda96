from __future__ import annotations

import pytest

from probing_core.pipeline.studies import study
from probing_core.pipeline.studies.model_data import ModelData
from probing_core.runs.progress import SILENT
from probing_core.runs.recipe import Recipe
from probing_core.runs.store import Store
from tests.pipeline.studies.made import made_store, subject_of


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Recipe]:
    """The made run with all its tables."""
    with pytest.MonkeyPatch.context() as patch:
        store, recipe = made_store(tmp_path_factory.mktemp("runs") / "made", patch)
        study(store, recipe, SILENT)
    return store, recipe


@pytest.fixture(scope="session")
def data(studied: tuple[Store, Recipe]) -> ModelData:
    return subject_of(*studied)
