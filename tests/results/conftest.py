from __future__ import annotations

from pathlib import Path

import pytest

from lab.devtools.made_run import SEEDS
from tests.conftest import copy_of_made_run


@pytest.fixture(scope="session")
def seeds_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made run, and two further trainings of `zoo/mae`, one of them better and one worse."""
    return copy_of_made_run(tmp_path_factory.mktemp("runs") / "seeds", models=SEEDS)
