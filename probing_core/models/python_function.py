"""Functions in Python files as models: ``encoder.py:embed`` is the function ``embed`` in the file ``encoder.py``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from probing_core.catalog import run_file
from probing_core.errors import BadArray, BadConfig
from probing_core.paths import user_path

PATTERN = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_]\w*)")

EXAMPLE = "encoder.py:embed"

TEMPLATE = '''import numpy as np


def embed(images):
    """Return one embedding per image: an array of shape (N, D).

    images: list of N uint8 RGB arrays of shape (H, W, 3).
    """
    # Replace the last line with your encoder. In PyTorch, for example:
    #     batch = torch.from_numpy(np.stack(images))
    #     batch = batch.permute(0, 3, 1, 2) / 255
    #     return model(batch).detach().numpy()
    return np.stack([image.mean(axis=(0, 1)) for image in images])
'''
"""Content of a file that can be used as `EXAMPLE`."""


class PythonFunction(NamedTuple):
    """Name of a function in a Python file."""

    file: Path
    name: str

    def load(self) -> Callable[..., Any]:
        """Run the file, and return the function.

        Raises:
            BadConfig: the file or function does not exist, or the file cannot be run.
        """
        sys.path.insert(0, str(self.file.parent.resolve()))  # like `python FILE.py`, for modules in the same folder
        # The prefix prevents the file from shadowing another module.
        function = getattr(run_file(self.file, f"probing_function_{self.file.stem}"), self.name, None)
        if not callable(function):
            raise BadConfig(f"'{self.file}' has no function '{self.name}'.")
        return function


def parse_function(text: str) -> PythonFunction | None:
    """Parse ``FILE.py:NAME``, or return None for any other text. The file is not opened."""
    match = PATTERN.fullmatch(text.strip())
    return None if match is None else PythonFunction(user_path(match["file"]), match["name"])


@contextmanager
def located(function: Any) -> Iterator[None]:
    """Return a context manager that adds the file and line of ``function`` to errors about the arrays it returns."""
    try:
        yield
    except BadArray as error:
        if not inspect.isfunction(function):
            raise
        code = function.__code__
        raise BadArray(f"'{code.co_filename}' (line {code.co_firstlineno}): {error}") from error
