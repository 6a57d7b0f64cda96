"""The dashboard's settings lie beside its script, so that they hold from any folder."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import dashboard

APP = Path(dashboard.__file__).parent / "app.py"
READ = """
import sys
from streamlit import config
config._main_script_path = sys.argv[1]
for name in sys.argv[2:]:
    print(config.get_option(name))
"""


def test_the_settings_hold_in_a_folder_elsewhere(tmp_path):
    settings = tomllib.loads((APP.parent / ".streamlit" / "config.toml").read_text())
    expected: list[str] = []
    names = [
        "server.address",
        "server.maxUploadSize",
        "browser.gatherUsageStats",
        "theme.light.primaryColor",
    ]
    for name in names:
        value = settings
        for key in name.split("."):
            value = value[key]
        expected.append(str(value))
    read = subprocess.run(
        [sys.executable, "-c", READ, str(APP), *names], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert read.stdout.splitlines() == expected
    assert read.stdout.startswith("127.0.0.1\n")  # by itself it serves this machine alone
