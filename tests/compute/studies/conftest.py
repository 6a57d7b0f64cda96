from __future__ import annotations

import pytest

from probing_core.compute.studies.data import StudiedModel
from probing_core.run.store import Store
from tests.compute.studies.made import data_of, made_store, study


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The made run with all tables of studies."""
    with pytest.MonkeyPatch.context() as patch:
        store, _ = made_store(tmp_path_factory.mktemp("runs") / "made", patch)
        study(store)
    return store


@pytest.fixture(scope="session")
def data(studied: Store) -> StudiedModel:
    return data_of(studied)
