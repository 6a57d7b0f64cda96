"""Functions of Python that a user names on the command line."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probing_core.catalog import run_file
from probing_core.errors import BadConfig, one_line
from probing_core.paths import user_path

IN_A_FILE = re.compile(r"(?P<place>.+\.py):(?P<name>[A-Za-z_]\w*)")
IN_A_MODULE = re.compile(r"(?P<place>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")


def function_or_name(text: str) -> str | Callable[..., Any]:
    """Return the function that ``FILE.py:NAME`` or ``MODULE:NAME`` names; any other text, such as the name of a model,
    as it is. The file or module is run, as Python imports it.

    Raises:
        BadConfig: there is no such file, module or function, or it cannot be imported.
    """
    from probing_core.models import spec_makers

    found = IN_A_FILE.fullmatch(text) or IN_A_MODULE.fullmatch(text)
    if found is None or found["place"] in spec_makers():
        return text
    function = getattr(_imported(found["place"]), found["name"], None)
    if not callable(function):
        raise BadConfig(f"'{found['place']}' has no function '{found['name']}'.")
    return function


def _imported(place: str) -> Any:
    if place.endswith(".py"):
        path = user_path(place)
        return run_file(path, f"probing_function_{path.stem}")  # a name that hides no module
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        return importlib.import_module(place)
    except Exception as error:  # a module may raise anything
        raise BadConfig(f"'{place}' cannot be imported: {type(error).__name__}: {one_line(error)[:300]}.") from error
