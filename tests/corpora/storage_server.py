"""An S3 server on this machine, over HTTP, that can go away for a while."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECRET = "a-key-that-nobody-may-see"
BUCKET = "pictures"


class S3Server:
    """Moto's, on one port for as long as it lives."""

    def __init__(self) -> None:
        self._server: Any = None
        self.port = 0
        self.start()

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    def stop(self) -> None:
        self._server.stop()

    def upload(self, folder: Path, prefix: str) -> None:
        """Every file below ``folder``, under the same names below ``prefix``."""
        import fsspec

        files = fsspec.filesystem("s3", skip_instance_cache=True)
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            files.pipe_file(f"{BUCKET}/{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server with one bucket, and an environment with credentials for it."""
    import fsspec

    server = S3Server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "probing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", "/nowhere")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        # The servers of one process share what they hold: each begins empty.
        reset = urllib.request.Request(f"http://127.0.0.1:{server.port}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield server
        fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()
