"""Uploads that Streamlit holds in memory, by session.

An upload is stored until the browser deletes it or its session ends.
"""

from __future__ import annotations

from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager


def sizes(session: str | None = None) -> list[int]:
    """Return the sizes in bytes of the stored uploads of a session, or of all sessions, including ended ones."""
    manager = get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    # Copies, because sessions may end in other threads.
    stored = dict(manager.file_storage)
    files_of = list(stored.values()) if session is None else [stored.get(session, {})]
    return [len(file.data) for files in files_of for file in list(files.values())]


def remove(session: str) -> None:
    """Remove the stored uploads of a session that has ended."""
    get_instance().uploaded_file_mgr.remove_session_files(session)
