"""Uploads that the server holds in memory, by session.

Streamlit stores an upload until the browser deletes it or its session ends. A page that is using an upload keeps it in
memory for longer, so `use` must be called with the files of each upload field.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakValueDictionary

from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

_used: WeakValueDictionary[tuple[str, int], UploadedFile] = WeakValueDictionary()
"""Files on pages by session and object ID, as long as anything refers to them."""


def use(files: Iterable[UploadedFile]) -> None:
    """Count ``files`` of the current session until nothing refers to them, even if the browser deletes them before."""
    if context := get_script_run_ctx():
        for file in files:
            _used[context.session_id, id(file)] = file


def sizes(session: str | None = None) -> list[int]:
    """Return the sizes in bytes of the uploads of a session, or of all sessions, including ended ones."""
    manager = get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    # Copies, because sessions may end in other threads.
    stored = dict(manager.file_storage)
    files_of = list(stored.values()) if session is None else [stored.get(session, {})]
    held = [file.data for files in files_of for file in list(files.values())]
    used = [file for (owner, _), file in list(_used.items()) if session in (None, owner)]
    held += [file.getvalue() for file in used if not file.closed]  # without copying
    return [len(data) for data in {id(data): data for data in held}.values()]


def remove(session: str) -> None:
    """Remove the stored uploads of a session that has ended."""
    get_instance().uploaded_file_mgr.remove_session_files(session)
