"""The dashboard's settings are next to its script, so that they hold from any folder."""

from __future__ import annotations

import subprocess
import sys

from tests.dashboard.conftest import APP

READ = """
import sys
from streamlit import config
config._main_script_path = sys.argv[1]
print(config.get_option("server.address"), config.get_option("browser.gatherUsageStats"))
"""


def test_the_settings_hold_in_a_folder_elsewhere(tmp_path):
    command = [sys.executable, "-c", READ, str(APP)]
    read = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert read.stdout == "127.0.0.1 False\n", "it serves this machine alone, and reports to nobody"
