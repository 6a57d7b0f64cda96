"""Scans of Parquet files in object storage: ``python -m lab.evidence.scan_shards RUN [--pictures N] [--write]``.

The command writes JPEG images of 256 pixels, which are cut from the packaged photographs, to Parquet files, and uploads
them to an S3 server on this machine (moto). They are scanned with the detector of RUN by one process and by a Ray
cluster on this machine: each once without interruption, and once while all processes are killed and restarted several
times. Prints whether all output files are identical, wall time, processor time, peak memory, what takes most of the
processor time, and the projected time for a million images. The exit code is 1 if output files differ.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from lab.benchmarks.scan import seconds_by_part
from lab.devtools.commands import errors_in_a_line, markdown_table, parser_of, publish
from lab.evidence.scan_kills import POLL_S, contents
from probing_core.api.predictor import Predictor
from probing_core.cores import cores
from probing_core.corpora import open_corpus
from probing_core.errors import ProbingError
from probing_core.images import encode_jpeg
from probing_core.measures.notation import in_percent
from probing_core.run.layout import PROGRESS

SIDE = 256
BUCKET = "scan-shards"
GROUP_ROWS = 500
MILLION = 1_000_000
WAIT_S = 30

SAMPLE = 200
"""Maximum number of images for measuring the steps of a scan."""

PARTS = {
    "decode": "decoding",
    "cut": "crops",
    "flags": "checks of quality",
    "measure": "features of the detector",
    "judge": "prediction",
    "thumbnail": "thumbnails",
}
"""Step of a scan, as in `seconds_by_part` -> title."""

HEAD = (
    "scan",
    "images",
    "wall time",
    "images per second",
    "processor time",
    "processor time per image",
    "peak memory (of one file)",
    "projected for a million images",
)

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "large.md"
MARK = "<!-- generated: python -m lab.evidence.scan_shards -->"


def write_shards(folder: Path, pictures: int, shards: int) -> Path:
    """Write ``pictures`` random crops of the packaged photographs to ``shards`` Parquet files."""
    rng = np.random.default_rng(0)
    corpus = open_corpus("photos")
    photographs = [corpus.load(image_id) for image_id in corpus.rows["image_id"].iloc[::10]]
    folder.mkdir(parents=True)
    for shard, places in enumerate(np.array_split(np.arange(pictures), shards)):
        cells = []
        for i in places:
            picture = photographs[i % len(photographs)]
            cut = int(rng.integers(min(picture.shape[:2]) // 2, min(picture.shape[:2]) + 1))
            top, left = (int(rng.integers(length - cut + 1)) for length in picture.shape[:2])
            square = np.ascontiguousarray(picture[top : top + cut, left : left + cut])
            cells.append(encode_jpeg(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA), 92))
        table = pa.table({"image_id": [f"{i:06d}" for i in places], "image": cells, "shard": [shard] * len(places)})
        pq.write_table(table, folder / f"{shard:03d}.parquet", row_group_size=GROUP_ROWS)
    return folder


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Start an S3 server in a separate process, upload the files in ``folder``, and provide the URL of the files."""
    port = _free_port()
    command = [sys.executable, "-c", f"from moto.server import main; main(['-p', '{port}'])"]
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "probing",
        "AWS_SECRET_ACCESS_KEY": "probing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ.update(settings)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(settings["AWS_ENDPOINT_URL"])
            import fsspec

            files = fsspec.filesystem("s3", skip_instance_cache=True)
            files.mkdir(BUCKET)
            for path in sorted(folder.iterdir()):
                files.put_file(str(path), f"{BUCKET}/{path.name}")
            yield f"parquet:s3://{BUCKET}"
        finally:
            server.kill()


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(address: str) -> None:
    for _ in range(600):
        with suppress(OSError):
            urllib.request.urlopen(address).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"The S3 server at {address} does not respond.")


def start_scan(source: str, out: Path, run: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "probing_core.cli", "scan", source, "--out", str(out), "--run", str(run), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


@dataclass(frozen=True)
class Usage:
    """What a scan used: wall time and processor time of all its processes in seconds, and peak memory in MB."""

    seconds: float
    processor: float
    mb: float


@dataclass(frozen=True)
class Measured:
    """Results of one kind of scan.

    Attributes:
        one: usage of a scan of one file.
        everything: usage of a scan of all files.
        per_image: processor time per additional image in seconds. The time to start a scan is not included.
        killed_at: numbers of complete images at which a scan was killed.
    """

    one: Usage
    everything: Usage
    per_image: float
    killed_at: list[int]


def complete(process: subprocess.Popen[bytes]) -> Usage:
    """Wait for a scan, and return what it used."""
    start, peak = time.monotonic(), 0
    processor: dict[psutil.Process, float] = {}
    while process.poll() is None:
        memory = 0
        for member in _tree(process.pid):
            with suppress(psutil.Error), member.oneshot():
                memory += member.memory_info().rss
                times = member.cpu_times()
                processor[member] = times.user + times.system
        peak = max(peak, memory)
        time.sleep(POLL_S)
    if process.returncode:
        raise RuntimeError(f"The scan ended with exit code {process.returncode}.")
    return Usage(time.monotonic() - start, sum(processor.values()), peak / 2**20)


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def kill_at(process: subprocess.Popen[bytes], out: Path, moment: int) -> int:
    """Kill a scan and its children when ``moment`` images are complete, and return the number of complete images."""
    while process.poll() is None and _done(out) < moment:
        time.sleep(POLL_S)
    members = _tree(process.pid)
    for member in members:
        with suppress(psutil.Error):
            member.kill()
    process.wait()
    psutil.wait_procs(members, timeout=WAIT_S)
    return _done(out)


def _done(out: Path) -> int:
    try:
        return int(json.loads((out / PROGRESS).read_bytes())["done"])
    except (OSError, ValueError, KeyError):
        return 0


def measure(
    source: str, folder: Path, run: Path, images: tuple[int, int], kills: int, options: Sequence[str]
) -> Measured:
    """Scan the first file, all files, and all files with interruptions.

    Args:
        source: the Parquet files.
        folder: folder for the results.
        run: run with a detector.
        images: number of images in the first file and in all files.
        kills: number of interruptions.
        options: options of the scans.
    """
    first, count = images
    one = complete(start_scan(f"{source}/000.parquet", folder / "one", run, *options))
    everything = complete(start_scan(source, folder / "all", run, *options))
    killed = folder / "killed"
    counts = [
        kill_at(start_scan(source, killed, run, *options), killed, count * (i + 1) // (kills + 1)) for i in range(kills)
    ]
    complete(start_scan(source, killed, run, *options))
    return Measured(one, everything, (everything.processor - one.processor) / (count - first), counts)


def milliseconds_by_part(shard: Path, run: Path) -> dict[str, float]:
    """Return the processor time of each step of a scan in milliseconds per image, from images of one Parquet file."""
    predictor = Predictor(run, device="cpu")
    cells = pq.read_table(shard, columns=["image"])["image"].to_pylist()[:SAMPLE]
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / f"{i}.jpg" for i in range(len(cells))]
        for file, cell in zip(files, cells, strict=True):
            file.write_bytes(cell)
        seconds_by_part(files[:1], predictor.detector, predictor.recipe.view)  # load the network first
        seconds = seconds_by_part(files, predictor.detector, predictor.recipe.view)
    return {name: 1000 * value / len(files) for name, value in seconds.items()}


def table(measured: Mapping[str, Measured], images: int, shards: int) -> str:
    """Return the results of each kind of scan as a Markdown table."""
    lines = []
    for title, each in measured.items():
        used = each.everything
        lines.append(
            [
                title,
                f"{images:,} in {shards} files",
                f"{used.seconds:.0f} s",
                f"{images / used.seconds:.0f}",
                f"{used.processor:.0f} s",
                f"{1000 * each.per_image:.1f} ms",
                f"{used.mb:,.0f} MB ({each.one.mb:,.0f} MB)",
                f"{each.per_image * MILLION / cores() / 3600:.1f} h",
            ]
        )
    return markdown_table(HEAD, lines)


def sentences(measured: Mapping[str, Measured], parts: Mapping[str, float], is_same: bool) -> str:
    """Describe where the processor time goes, and whether interrupted scans have the same results."""
    most = sorted(parts, key=parts.__getitem__, reverse=True)[:3]
    total = sum(parts.values())
    steps = ", ".join(f"{PARTS[name]} {in_percent(parts[name] / total)}" for name in most)
    kills = "; ".join(f"{title}: {', '.join(f'{n:,}' for n in each.killed_at)}" for title, each in measured.items())
    files = "identical to those of" if is_same else "**different** from those of"
    return (
        f"Largest parts of the {total:.1f} ms that one image takes without reading and writing: {steps}.\n\n"
        f"Scans that were killed and restarted wrote files {files} the uninterrupted scan in one process. "
        f"Complete images when they were killed: {kills}."
    )


@errors_in_a_line
def main() -> None:
    parser = parser_of(__doc__, write="docs/how-to/large.md")
    parser.add_argument("run", type=Path, help="run with a detector")
    parser.add_argument("--pictures", type=int, default=20_000, help="number of images")
    parser.add_argument("--shards", type=int, default=20, help="number of Parquet files")
    parser.add_argument("--kills", type=int, default=3, help="number of interruptions")
    options = parser.parse_args()
    count, shards = options.pictures, options.shards
    if shards < 2 or count < shards:
        raise ProbingError("At least two Parquet files and one image per file are required.")
    measured: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        files = write_shards(root / "shards", count, shards)
        images = (pq.read_metadata(files / "000.parquet").num_rows, count)
        with s3_server(files) as source:
            for title, arguments in {"one process": (), f"Ray, {cores()} workers": ("--executor", "ray")}.items():
                measured[title] = measure(source, root / title, options.run, images, options.kills, arguments)
                print(title, measured[title], file=sys.stderr, flush=True)
        outputs = [contents(root / title / name) for title in measured for name in ("all", "killed")]
        parts = milliseconds_by_part(files / "000.parquet", options.run)
    is_same = all(output == outputs[0] for output in outputs)
    text = f"{table(measured, count, shards)}\n\n{sentences(measured, parts, is_same)}"
    publish(PAGE, MARK, text, options.write)
    if not is_same:
        raise ProbingError("Scans that were interrupted wrote different files.")


if __name__ == "__main__":
    sys.exit(main())
