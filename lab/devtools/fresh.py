"""Calls of the installed package in a new virtual environment, an empty folder and a temporary home directory."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.devtools.browser import browser

SERVED_S = 180


class Failed(Exception):
    """Raised if a command of the new user fails."""


@dataclass(frozen=True)
class Fresh:
    """Environment of a new user.

    Attributes:
        programs: folder of the commands of the virtual environment.
        empty: working directory.
        home: home directory.
        env: environment variables, without variables of the current Python, Streamlit or data folder.
    """

    programs: Path
    empty: Path
    home: Path
    env: dict[str, str]

    def call(self, program: str, *arguments: str) -> str:
        """Run a command of the environment, and return its output.

        Raises:
            Failed: the exit code is not 0.
        """
        command = [str(self.programs / program), *arguments]
        process = subprocess.run(
            command, cwd=self.empty, env=self.env, capture_output=True, encoding="utf-8", check=False
        )
        if process.returncode:
            print(process.stdout, process.stderr, sep="\n", file=sys.stderr)
            raise Failed(", ".join([f"exit {process.returncode}", *process.stderr.strip().splitlines()[-1:]]))
        return process.stdout

    @contextlib.contextmanager
    def demo(self) -> Iterator[str]:
        """Run ``probing demo``, and yield its URL. The server and its background process are stopped afterwards.

        Raises:
            RuntimeError: the server ended or does not respond.
        """
        import psutil

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [str(self.programs / "probing"), "demo", "--port", str(port)]
        server = subprocess.Popen(command, cwd=self.empty, env=self.env, stdout=sys.stderr)
        try:
            _wait_for(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            children = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
            server.terminate()
            server.wait(30)
            for child in children:
                with contextlib.suppress(psutil.Error):
                    child.kill()
                    child.wait(30)


def install(wheel: Path, folder: Path, python: str = sys.executable) -> Fresh:
    """Install ``wheel`` into a new virtual environment of the interpreter ``python`` in ``folder``."""
    subprocess.run([python, "-m", "venv", str(folder / "venv")], check=True)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel.resolve())], check=True)
    home, empty = folder / "home", folder / "empty"
    home.mkdir()
    empty.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "XDG_", "STREAMLIT_"))}
    env |= dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    return Fresh(programs, empty, home, env)


@contextlib.contextmanager
def first_page(address: str) -> Iterator[Any]:
    """Open the first page of a dashboard in a browser, and yield it."""
    with browser() as chromium:
        page = chromium.new_page()
        page.set_default_timeout(1000 * SERVED_S)
        page.goto(address)
        page.get_by_role("heading", level=1).first.wait_for()
        yield page


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(SERVED_S * 4):
        if server.poll() is not None:
            raise RuntimeError(f"`probing demo` ended with exit code {server.returncode}.")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
            return
        time.sleep(0.25)
    raise RuntimeError(f"No response from {address} after {SERVED_S} s.")
