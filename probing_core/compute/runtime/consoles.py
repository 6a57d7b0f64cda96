"""Start of processes that Ctrl+C does not interrupt."""

from __future__ import annotations

import subprocess
from typing import Any

OWN_CONSOLE: dict[str, Any] = {
    "start_new_session": True,  # ignored on Windows
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # exists only on Windows
}
"""Arguments of `subprocess.Popen` for a process that does not receive Ctrl+C from the terminal of its parent."""
