from __future__ import annotations

import pandas as pd
import pytest

from probing_core.compute.sampling import series as making
from probing_core.compute.studies.study_data import SeriesData, StudiedModel
from probing_core.run.studies import STUDIES
from tests.compute.studies.made import made_model


@pytest.fixture(scope="session")
def made() -> tuple[StudiedModel, dict[str, SeriesData]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "SERIES_IMAGES", 24)
        patch.setattr(making, "LAYER_IMAGES", {"train": 40, "val": 12, "test": 20})
        return made_model()


@pytest.fixture(scope="session")
def data(made) -> StudiedModel:
    return made[0]


@pytest.fixture(scope="session")
def series(made) -> dict[str, SeriesData]:
    return made[1]


@pytest.fixture(scope="session")
def tables(data, series) -> dict[str, pd.DataFrame]:
    """Name of a study -> its table."""
    return {study.name: study.compute(series[study.series] if study.series else data) for study in STUDIES}
