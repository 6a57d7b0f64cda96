"""Start of processes that Ctrl+C does not interrupt, and the encoding of their output."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

OWN_CONSOLE: dict[str, Any] = {
    "start_new_session": True,  # ignored on Windows
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # exists only on Windows
}
"""Arguments of `subprocess.Popen` for a process that does not receive Ctrl+C from the terminal of its parent."""

UTF8: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}
"""Arguments of `subprocess.Popen` for reading the output of a process that calls `write_utf8`."""


def write_utf8() -> None:
    """Let standard output and standard error accept all characters.

    On Windows, output to a file or a pipe would use a code page, which has no minus sign, for example. On every system,
    this output is UTF-8 instead, unless ``PYTHONIOENCODING`` is set. Terminals keep their encoding. Characters that
    cannot be encoded are written as escape sequences, such as those in names of files that are not valid Unicode.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_fixed = stream.isatty() or "PYTHONIOENCODING" in os.environ
            encoding = stream.encoding if is_fixed else "utf-8"
            with suppress(OSError):  # the stream was a file, and has been redirected to a pipe since
                stream.reconfigure(encoding=encoding, errors="backslashreplace")
