from __future__ import annotations

from pathlib import Path

import pytest

from lab.devtools.made_run import SEEDS
from tests.conftest import copy_of_made_run
from tests.made_studies import add_studies


@pytest.fixture(scope="session")
def seeds_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made run, and two further trainings of `zoo/mae`, one of them better and one worse."""
    return copy_of_made_run(tmp_path_factory.mktemp("runs") / "seeds", models=SEEDS)


@pytest.fixture(scope="session")
def studied_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made run with every table of studies."""
    return add_studies(copy_of_made_run(tmp_path_factory.mktemp("runs") / "studied"))
