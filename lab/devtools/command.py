"""The boundary of a command for whoever works on the project."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from probing_core.errors import ProbingError

P = ParamSpec("P")


def errors_in_a_line(command: Callable[P, None]) -> Callable[P, int]:
    """Return ``command`` as one that gives its exit status: after an error, one line on stderr and status 2."""

    @wraps(command)
    def status(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            command(*args, **kwargs)
        except (ProbingError, OSError, subprocess.CalledProcessError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0

    return status
