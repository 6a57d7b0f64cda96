from __future__ import annotations

from pathlib import Path

import pytest

from devtools.made_run import make_run


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "made")
