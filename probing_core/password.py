"""The password of a dashboard that is open to others: a file that an environment variable names."""

from __future__ import annotations

from pathlib import Path

from probing_core.errors import BadConfig, one_line

PASSWORD_FILE = "PROBING_PASSWORD_FILE"
"""The variable; `probing demo --password-file` sets it."""


def read_password(file: Path) -> str:
    """The text of ``file`` without the end of its line.

    Raises:
        BadConfig: it cannot be read, or is empty.
    """
    try:
        password = file.read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise BadConfig(f"The file of the password, '{file}', cannot be read ({one_line(error)}).") from error
    if not password:
        raise BadConfig(f"The file of the password, '{file}', is empty; write the password into it.")
    return password
