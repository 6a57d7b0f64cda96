"""Decode one file in a separate process. This module has few imports, so that the processes start fast."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from probing_core.images import Picture, inspect, read_bytes
from probing_core.images.file_facts import FileFacts, file_facts


def decode(source: Path | bytes, name: str) -> tuple[Picture, FileFacts, str]:
    """Decode an image, and return it with facts about the file and a digest of its encoded bytes.

    Args:
        source: path of the file, or its content.
        name: name of the file for messages.

    Raises:
        BadImage: the image cannot be read.
    """
    content = source if isinstance(source, bytes) else read_bytes(source, name)
    return inspect(content, name), file_facts(content, name), blake2b(content, digest_size=16).hexdigest()
