"""Test the published encoders at full size with a local mock of the Hugging Face Hub (``make published``).

The repositories contain random weights that were written by timm, open_clip, torchvision and transformers (5 GB, stored
in --folder). The tests in tests/network compare embeddings with the results of the libraries. A run with the model set
`published` downloads the weights and completes, and a second run completes after the server has been stopped. The file
layouts follow the code of the libraries. This does not test the responses of the real hub, the files in its
repositories, or the published weights.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lab.devtools.local_hub import REPOSITORIES, serving, write_published, write_timm

ROOT = Path(__file__).parents[2]

ALSO_COMPARED = ("timm:vit_base_patch14_reg4_dinov2.lvd142m", "timm:vit_base_patch16_siglip_224.v2_webli")
"""Encoders that are not in the set `published` but are compared by tests/network."""

RUN = ("--models", "published", "--limit", "12", "--transforms", "brighten,gaussian-blur,jpeg", "--device", "cpu")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder that keeps the repositories (default: none)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="probing-published-") as temporary:
        folder = options.folder or Path(temporary) / "repositories"
        write_repositories(folder)
        return check(folder, Path(temporary))


def write_repositories(folder: Path) -> None:
    complete = folder / "complete"
    if complete.exists():
        return
    start = time.monotonic()
    write_published(folder)
    for name in ALSO_COMPARED:
        write_timm(folder, name)
    complete.touch()
    report("repositories written", start)


def check(folder: Path, work: Path) -> int:
    """Compare embeddings, compute a run with the server and a run without it, and return the exit status."""
    caches = {"HF_HOME": str(work / "hf"), "XDG_CACHE_HOME": str(work / "cache"), "TORCH_HOME": str(work / "torch")}
    environment = os.environ | caches | {"HF_HUB_OFFLINE": "0"}
    first, second = work / "first", work / "second"
    with serving(folder) as server:
        environment["HF_ENDPOINT"] = server.url
        tests = ("pytest", "-q", "-m", "network", "tests/network", "-p", "no:cacheprovider")
        statuses = [
            call("embeddings compared with the libraries' own", tests, environment),
            call("run through the hub", ("probing_core.cli", "run", "--out", str(first), *RUN), environment),
        ]
    statuses += [
        call("run without the hub", ("probing_core.cli", "run", "--out", str(second), *RUN), environment),
        call("run verified", ("probing_core.cli", "verify", "--run", str(second)), environment),
    ]
    if any(statuses):
        return 1
    return compare(first, second)


def call(title: str, module: Sequence[str], environment: Mapping[str, str]) -> int:
    start = time.monotonic()
    status = subprocess.run([sys.executable, "-m", *module], cwd=ROOT, env=environment, check=False).returncode
    report(f"{title}: {'failed' if status else 'done'}", start)
    return status


def compare(first: Path, second: Path) -> int:
    from probing_core import Run

    from_hub, from_disk = Run.open(first), Run.open(second)
    differ = [
        name for name in REPOSITORIES if not np.array_equal(from_hub.embeddings(name), from_disk.embeddings(name))
    ]
    print(f"Embeddings of the two runs differ for {', '.join(differ)}." if differ else "Both runs hold the same bytes.")
    return int(bool(differ))


def report(title: str, start: float) -> None:
    print(f"{title} ({time.monotonic() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
