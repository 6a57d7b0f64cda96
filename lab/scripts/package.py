"""Build the source distribution and the wheel, and test the wheel (``make package``).

    python -m lab.scripts.package [--dist dist] [--wheel FILE]

The wheel is built from the source distribution, installed into a new virtual environment of each supported version of
Python on this computer, and tested in an empty folder with a temporary home directory. The dashboard is opened in the
environment of the current version. This takes several minutes and requires disk space for the environment; both are
printed. ``make test`` does not include this test. Nothing is uploaded.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path

from lab.devtools.browser import CHROMIUM
from lab.devtools.commands import parser_of
from lab.devtools.fresh import SERVED_S, Failed, Fresh, first_page, install
from probing_core.compute.task_names import DETECTOR
from probing_core.models import MODEL_SETS
from probing_core.run.layout import DETECTOR_FILE, EXTRA_FILES, scored_views_path
from probing_core.run.progress import duration
from probing_core.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
DIST_MB, DATA_MB = 100, 105
"""Maximum sizes of the source distribution and the wheel, and of the zoo, reference run and photographs together."""

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
"""Supported versions of Python."""

PREFIXES = ("probing_core/", "dashboard/")
"""Names that may occur at the root of the wheel, in addition to its metadata."""


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="output folder (default: dist/)")
    parser.add_argument("--wheel", type=Path, help="test this wheel instead of building one")
    options = parser.parse_args()
    wheel = options.wheel or build(options.dist)
    check_contents(wheel)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try_wheel(wheel.resolve(), Path(folder))
    for python in other_pythons():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try_commands(wheel.resolve(), Path(folder), python)
    print(f"{wheel} works.")


def build(dist: Path) -> Path:
    """Build the source distribution into ``dist``, build the wheel from it, and return the path of the wheel."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(dist), str(ROOT)], check=True)
    newest = [max(dist.glob(kind), key=lambda p: p.stat().st_mtime) for kind in ("*.tar.gz", "*.whl")]
    for path in newest:
        expect(path.stat().st_size < DIST_MB * 10**6, f"{path.name} is under {DIST_MB} MB")
    return newest[1]


def check_contents(wheel: Path) -> None:
    """Check that the wheel contains the packages, the weights with their licenses, and the dashboard settings."""
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        metadata = next(archive.read(name).decode() for name in sizes if name.endswith(".dist-info/METADATA"))
    expect(all(name.startswith(PREFIXES) or ".dist-info/" in name for name in sizes), "two packages, and nothing else")
    data = sum(size for name, size in sizes.items() if name.startswith("probing_core/data/"))
    expect(data <= DATA_MB * 10**6, f"zoo, reference run and photographs take at most {DATA_MB} MB ({data / 1e6:.1f})")
    for name in (
        "probing_core/data/LICENSE-weights.md",
        *(f"probing_core/data/{name}.safetensors" for name in MODEL_SETS["zoo"]()),
        "probing_core/data/reference/run.toml",
        *(f"probing_core/data/reference/{name}" for name in EXTRA_FILES),
        f"probing_core/data/reference/{DETECTOR_FILE}",
        f"probing_core/data/reference/{scored_views_path(DETECTOR)}",
        "probing_core/data/board/zoo-mae.json",
        "dashboard/app.py",
        "dashboard/components/explorer.js",
        "dashboard/.streamlit/config.toml",
    ):
        expect(name in sizes, f"{name} is in the wheel")
    expect(
        "License-Expression: MIT AND CC-BY-4.0 AND LicenseRef-Research-Use" in metadata, "the metadata state the terms"
    )


def other_pythons() -> list[str]:
    """Return the supported versions of Python on this computer, except the current version."""
    current = f"python{sys.version_info.major}.{sys.version_info.minor}"
    names = [f"python{version}" for version in VERSIONS if f"python{version}" != current]
    return [path for name in names if (path := shutil.which(name)) and _runs(path)]


def _runs(python: str) -> bool:
    """Return whether an interpreter can create environments. Shims of version managers may lead nowhere."""
    return subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0


def try_commands(wheel: Path, folder: Path, python: str) -> Fresh:
    """Install ``wheel`` into a new environment of ``python`` in ``folder``, and run its commands in an empty folder."""
    started = time.monotonic()
    fresh = install(wheel, folder, python)
    size = sum(path.stat().st_size for path in (folder / "venv").rglob("*") if path.is_file())
    print(f"{python}: installed in {duration(time.monotonic() - started)}; {size / 1e6:,.0f} MB of disk")

    def call(*arguments: str) -> str:
        began = time.monotonic()
        command = " ".join(arguments)
        try:
            output = fresh.call(*arguments)
        except Failed as failed:
            raise SystemExit(f"error: Expected that `{command}` ends well ({failed}).") from None
        print(f"ok: `{command}` ends well ({time.monotonic() - began:.1f} s)")
        return output

    expect(VERSION in call("probing", "--version"), "the version is that of the source")
    expect("probing rank" in call("probing"), "the first steps are printed")
    expect("zoo/mae" in call("probing", "models"), "the zoo is listed")
    expect("zoo/mae" in call("probing", "board"), "the board has the included models")
    installed = call("python", "-c", "import probing_core.paths as p; print(p.data_dir() / 'reference')").strip()
    expect(str(folder) in installed, "the data come from the environment")
    call("probing", "verify", "--run", installed)
    call("python", "-c", "import skimage.data, skimage.io; skimage.io.imsave('cat.png', skimage.data.chelsea())")
    rows = call("probing", "predict", "cat.png", "--run", installed, "--models", "zoo/mae", "--json")
    expect('"probability"' in rows, "a picture is predicted")
    return fresh


def try_wheel(wheel: Path, folder: Path) -> None:
    """Try the commands and the dashboard of ``wheel`` in a new environment of the current Python in ``folder``."""
    fresh = try_commands(wheel, folder, sys.executable)
    with fresh.demo() as address:
        page = urllib.request.urlopen(address, timeout=10).read().decode()
        expect("<html" in page.lower(), f"the dashboard answers at {address}")
        try_page(address)
        until = time.monotonic() + SERVED_S  # the recipe is written after images are read
        while not (started_run := any(fresh.home.rglob("run.toml"))) and time.monotonic() < until:
            time.sleep(1)
    expect([p.name for p in fresh.empty.iterdir()] == ["cat.png"], "nothing was written into the folder of the caller")
    expect(started_run, "the demo run lies where the system keeps a user's data")


def try_page(address: str) -> None:
    """Check that the first page shows the reference run, if a browser is installed."""
    if not CHROMIUM:
        print("no Chromium here: the first page was not opened in a browser")
        return
    with first_page(address) as page:
        selected = page.get_by_label("Run", exact=True).first
        selected.wait_for()
        expect(selected.input_value() == "reference", "the reference run is open")


def expect(holds: bool, claim: str) -> None:
    """Exit with an error unless ``holds`` is true."""
    if not holds:
        raise SystemExit(f"error: Expected that {claim}.")
    print(f"ok: {claim}")


if __name__ == "__main__":
    main()
