"""Choosing pictures: uploads (decoded in memory, never saved), the camera, and packaged photographs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.data.pictures import Chosen, bytes_in_memory, chosen
from dashboard.text import hint, plain
from probing_core.errors import BadImage
from probing_core.images import READABLE, inspect
from probing_core.images.headers import printable
from probing_core.images.quality import flaws

MOST_UPLOADS = 20
MEGABYTES = 50

CACHED_BYTES = 128 * 2**20
"""Of decoded uploads of one session: three photographs of a camera; what is beyond is decoded at every click."""

TOGETHER_BYTES = 512 * 2**20
"""Of the decoded uploads that a visitor sees together."""

EVERYBODY_BYTES = psutil.virtual_memory().total // 4
"""Of the decoded pictures of all visitors."""

DECODED_AT_ONCE = 2
"""While a picture is decoded it takes several times its size; the others wait."""

_turns = threading.BoundedSemaphore(DECODED_AT_ONCE)

TURN_S = 30.0


def read_uploads(files: list[Any]) -> list[Chosen]:
    """Decodes uploads; each that cannot be read gets one sentence, and the others go on.

    A page reruns at every click, so the session caches what the page has decoded, up to `CACHED_BYTES`, until a page
    is shown that does not need it.
    """
    before: dict[str, Chosen] = st.session_state.get("_decoded_before", {})
    now: dict[str, Chosen] = st.session_state.setdefault("_decoded", {})
    found: list[Chosen] = []
    if len(files) > MOST_UPLOADS:
        st.error(f"At most {MOST_UPLOADS} pictures are evaluated together; the first {MOST_UPLOADS} are shown.")
    for file in files[:MOST_UPLOADS]:
        try:
            if sum(picture.image.nbytes for picture in found) > TOGETHER_BYTES:
                raise BadImage(f"{printable(file.name)} is left out, since the others fill the memory; remove some.")
            picture = before.get(file.file_id) or _read(file)
        except BadImage as error:
            st.error(plain(str(error)), icon=":material/broken_image:")
            continue
        found.append(picture)
        if picture.image.nbytes + sum(cached.image.nbytes for cached in now.values()) <= CACHED_BYTES:
            now[file.file_id] = picture
    return found


def begin_page() -> None:
    """What the last page has decoded is cached for this one, and no longer if it does not need it."""
    st.session_state["_decoded_before"] = st.session_state.pop("_decoded", {})


def _read(file: Any) -> Chosen:
    """Decodes an upload when it is its turn and there is memory: its header was judged, its pixels are bounded.

    Raises:
        BadImage: it cannot be read, or the server is busy with others.
    """
    if not _turns.acquire(timeout=TURN_S):
        raise BadImage(f"{printable(file.name)} waits for the pictures of other visitors; try again in a minute.")
    try:
        if bytes_in_memory() > EVERYBODY_BYTES:
            raise BadImage(f"{printable(file.name)} finds the memory full of other pictures; try again in a minute.")
        picture = inspect(file.getvalue(), file.name)
        read = chosen(picture.name, picture.image)
    finally:
        _turns.release()
    return replace(read, notes=(*picture.notes, *_flaws(read.key, read.image)))


@st.cache_resource(max_entries=200, show_spinner=False)
def _flaws(key: str, _image: np.ndarray) -> list[str]:
    return flaws(_image)


def upload(label: str, key: str, several: bool = True) -> list[Chosen]:
    """An upload field and what was read from it: the decoder decides by content, whatever the name ends in."""
    files = st.file_uploader(
        label,
        accept_multiple_files=several,
        key=key,
        max_upload_size=MEGABYTES,
        help=f"{READABLE}, up to {MEGABYTES} MB each. Pictures are never saved: they are gone when the visit ends. One "
        "that the server refuses (status 429) came with too many others: drop it in again a minute later.",
    )
    return read_uploads(files if isinstance(files, list) else [files] if files else [])


def flags(picture: Chosen) -> None:
    """What was found in a picture before anything is done to it."""
    if picture.notes:
        st.caption("  \n".join(f":material/flag: {plain(note)}" for note in picture.notes), help=hint("flag"))


def pick_one() -> Chosen:
    """One of the packaged photographs, or an upload."""
    ids = list(cache.corpus(cache.PACKAGED).rows["image_id"])
    left, right = st.columns(2)
    with right:
        uploads = upload("Or your own picture", "picture-upload", several=False)
        if uploads:
            flags(uploads[0])
    with left:
        image_id = state.choice(st.selectbox, "Picture", "picture", ids[0], ids, disabled=bool(uploads))
    return uploads[0] if uploads else chosen(image_id, cache.corpus_image(cache.PACKAGED, image_id))
