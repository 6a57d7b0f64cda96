"""Scripts that need an environment of their own, which their header states (PEP 723)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from probing_core.errors import ProbingError


def places() -> str:
    """Return the folders in which uv is looked for: that of this Python comes before those of the path, since an
    environment that nobody activated has its uv there."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def uv_run(script: Path, *arguments: object) -> str:
    """Run ``script`` by ``uv run``, which makes the environment of its header and keeps it; return what it prints.

    Raises:
        ProbingError: uv is not installed.
        subprocess.CalledProcessError: the environment could not be made, or the script failed; stderr says why.
    """
    uv = shutil.which("uv", path=places())
    if uv is None:
        raise ProbingError(f"{script.name} needs uv, which makes its environment, and uv was not found: pip install uv")
    command = [uv, "run", str(script), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
