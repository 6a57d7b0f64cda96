"""Scans of Parquet files in object storage: ``python -m lab.evidence.scan_shards RUN [--pictures N] [--shards N]``.

The command writes JPEG images of up to 256 pixels, which are cut from the packaged photographs, to Parquet files, and
uploads them to an S3 server on this machine (moto). They are scanned with the detector of RUN three times: by one
process without interruption, by one process that is killed and restarted several times, and by a Ray cluster on this
machine that is killed once. Prints one JSON object: whether all output files are identical, the duration in seconds,
the peak memory of the uninterrupted scan and of a scan of one file, and the projected hours for a million images.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from lab.devtools.commands import parser_of
from lab.evidence.scan_kills import POLL_S, contents
from probing_core.corpora import open_corpus
from probing_core.images import encode_jpeg
from probing_core.run.layout import PROGRESS

SIDE = 256
BUCKET = "scan-shards"
GROUP_ROWS = 500
MILLION = 1_000_000


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


def complete(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Wait for a scan, and return its duration in seconds and its peak memory in MB, including child processes."""
    start, peak = time.monotonic(), 0
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(POLL_S)
    if process.returncode:
        raise RuntimeError(f"The scan ended with exit code {process.returncode}.")
    return time.monotonic() - start, peak / 2**20


def _memory(pid: int) -> int:
    total = 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def kill_at(process: subprocess.Popen[bytes], out: Path, moment: int) -> int:
    """Kill a scan and its children when ``moment`` images are complete, and return the number of complete images."""
    while process.poll() is None and _done(out) < moment:
        time.sleep(POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return _done(out)


def _done(out: Path) -> int:
    try:
        return int(json.loads((out / PROGRESS).read_bytes())["done"])
    except (OSError, ValueError, KeyError):
        return 0


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("run", type=Path, help="run with a detector")
    parser.add_argument("--pictures", type=int, default=20_000, help="number of images")
    parser.add_argument("--shards", type=int, default=20, help="number of Parquet files")
    parser.add_argument("--kills", type=int, default=3, help="number of interruptions")
    options = parser.parse_args()
    count = options.pictures
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        with s3_server(write_shards(root / "shards", count, options.shards)) as source:
            _, one_mb = complete(start_scan(f"{source}/000.parquet", root / "one", options.run))
            seconds, mb = complete(start_scan(source, root / "alone", options.run))
            killed_at = []
            for i in range(options.kills):
                process = start_scan(source, root / "killed", options.run)
                killed_at.append(kill_at(process, root / "killed", count * (i + 1) // (options.kills + 1)))
            complete(start_scan(source, root / "killed", options.run))
            process = start_scan(source, root / "ray", options.run, "--executor", "ray")
            killed_at.append(kill_at(process, root / "ray", count // 2))
            ray_seconds, _ = complete(start_scan(source, root / "ray", options.run, "--executor", "ray"))
        outputs = [contents(root / name) for name in ("alone", "killed", "ray")]
    is_same = all(output == outputs[0] for output in outputs)
    result = {"pictures": count, "shards": options.shards, "killed_at": killed_at, "same_bytes": is_same}
    result |= {"seconds": round(seconds, 1), "ray_seconds_of_second_half": round(ray_seconds, 1)}
    result |= {"mb": round(mb), "mb_of_one_shard": round(one_mb)}
    print(json.dumps(result | {"hours_of_a_million": round(seconds * MILLION / count / 3600, 1)}))
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
