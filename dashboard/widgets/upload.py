"""Widgets that select packaged photographs or upload images. Uploads are kept only in memory during the session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psutil
import streamlit as st

from dashboard import state
from dashboard.data import cache, uploads
from dashboard.data.pictures import VisitorPicture, bytes_in_memory
from dashboard.text import hint, plain
from probing_core.errors import BadImage
from probing_core.images import READABLE, inspect
from probing_core.images.decoding import printable
from probing_core.images.quality import flaws

MAX_UPLOADS = 20
MAX_UPLOAD_MEGABYTES = 50

MAX_CACHED_BYTES = 128 * 2**20
"""Maximum total size in bytes of the decoded uploads that a session caches. Other uploads are decoded in each rerun."""

MAX_BYTES_ON_A_PAGE = 512 * 2**20
"""Maximum total size in bytes of the decoded uploads on a page."""

MAX_BYTES_OF_ALL_VISITORS = psutil.virtual_memory().total // 4
"""Maximum total size in bytes of the decoded images of all visitors."""

MAX_KEPT_BYTES = 64 * 2**20
"""Maximum total size in bytes of the encoded uploads that a session keeps while other pages are shown.

The oldest uploads are discarded first.
"""

MAX_CONCURRENT_DECODES = 2
"""Maximum number of images that are decoded simultaneously. Decoding requires several times the memory of an image."""

_decoding = threading.BoundedSemaphore(MAX_CONCURRENT_DECODES)

DECODE_TIMEOUT_S = 30.0


def read_uploads(files: list[Any]) -> list[VisitorPicture]:
    """Decode uploads, and show an error for each upload that cannot be read.

    Decoded images are cached in the session, up to `MAX_CACHED_BYTES`, until another page is opened.
    """
    decoded: dict[str, VisitorPicture] = st.session_state.setdefault("_decoded", {})
    pictures: list[VisitorPicture] = []
    if len(files) > MAX_UPLOADS:
        st.error(f"At most {MAX_UPLOADS} images can be evaluated together. The first {MAX_UPLOADS} are shown.")
    for file in files[:MAX_UPLOADS]:
        try:
            if sum(picture.image.nbytes for picture in pictures) > MAX_BYTES_ON_A_PAGE:
                raise BadImage(f"{printable(file.name)} exceeds the memory limit of this page. Remove other images.")
            picture = decoded.get(file.file_id) or _read(file)
        except BadImage as error:
            st.error(plain(str(error)), icon=":material/broken_image:")
            continue
        pictures.append(picture)
        if sum(stored.image.nbytes for stored in {**decoded, file.file_id: picture}.values()) <= MAX_CACHED_BYTES:
            decoded[file.file_id] = picture
    return pictures


def drop_decoded() -> None:
    """Remove all decoded images from the session."""
    st.session_state.pop("_decoded", None)


def _read(file: Any) -> VisitorPicture:
    """Wait for a free decoder, and decode an upload.

    Raises:
        BadImage: the upload cannot be read, or the server is busy or does not have enough memory.
    """
    if not _decoding.acquire(timeout=DECODE_TIMEOUT_S):
        raise BadImage(f"Cannot read {printable(file.name)} because the server is busy. Try again in a minute.")
    try:
        if bytes_in_memory() > MAX_BYTES_OF_ALL_VISITORS:
            raise BadImage(f"Cannot read {printable(file.name)}: the server is out of memory. Try again in a minute.")
        picture = inspect(file.getvalue(), file.name)
        picture_read = VisitorPicture.from_array(picture.name, picture.image)
    finally:
        _decoding.release()
    return replace(picture_read, notes=(*picture.notes, *flaws(picture_read.image)), is_upload=True)


def upload(label: str, key: str, several: bool = True, keep: bool = False) -> list[VisitorPicture]:
    """Show an upload field, and return the decoded images.

    The image format is determined from the content of a file, not from its extension.

    Args:
        label: label of the field.
        key: widget key of the field.
        several: whether several files can be uploaded.
        keep: whether the session keeps the files, up to `MAX_KEPT_BYTES`, while other pages are shown.
    """
    before: list[Any]  # encoded files that were in the field when another page was opened
    current: list[Any]  # files that are currently in the field
    before, current = st.session_state.setdefault(f"_brought-{key}", ([], []))
    files = st.file_uploader(
        label,
        accept_multiple_files=several,
        key=key,
        max_upload_size=MAX_UPLOAD_MEGABYTES,
        help=f"{READABLE}, up to {MAX_UPLOAD_MEGABYTES} MB each. Images are kept only in memory and are deleted when "
        "the session ends. If an upload fails with error *429*, try again in a minute.",
        on_change=current.clear,
    )
    chosen = files if isinstance(files, list) else list(filter(None, [files]))
    uploads.use(chosen)
    if not keep:
        return read_uploads(chosen)
    if current and not chosen:  # Streamlit has emptied the field; if the visitor empties it, `current` is cleared first
        before += current
        while sum(file.size for file in before) > MAX_KEPT_BYTES:
            before.pop(0)
    current[:] = chosen
    if before:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"Previous uploads: {', '.join(plain(printable(file.name)) for file in before)}", width="stretch"
            )
            st.button("Remove", key=f"remove-{key}", on_click=before.clear)
    return read_uploads([*before, *chosen])


def flags(picture: VisitorPicture) -> None:
    place = st.empty()  # replaces the flags of the previous image before the models have finished
    if picture.notes:
        place.caption("  \n".join(f":material/flag: {plain(note)}" for note in picture.notes), help=hint("flag"))


def title_of(image_id: str) -> str:
    """Format the ID of a packaged crop as a title: ``Astronaut, crop 1`` for ``astronaut/00``."""
    photograph, _, number = image_id.rpartition("/")
    if not photograph or not number.isdecimal():
        return image_id
    return f"{photograph.replace('-', ' ').capitalize()}, crop {int(number) + 1}"


def packaged(image_id: str) -> VisitorPicture:
    return VisitorPicture.from_array(title_of(image_id), cache.packaged_image(image_id))


def pick_one() -> VisitorPicture:
    """Show a menu of packaged photographs and an upload field, and return the selected or uploaded image."""
    return pick_of("Image", "picture", list(cache.packaged().rows["image_id"]), title_of, packaged)[0]


def pick_of(
    label: str, name: str, ids: Sequence[str], title: Callable[[str], str], read: Callable[[str], VisitorPicture]
) -> tuple[VisitorPicture, str]:
    """Show a menu of images and an upload field, and return an image.

    Args:
        label: label of the menu.
        name: name of the selection in the session state and the URL.
        ids: IDs of the images in the menu.
        title: function that formats an ID.
        read: function that reads an image.

    Returns:
        The uploaded image and an empty string, or the selected image and its ID.
    """
    left, right = st.container(key="pick-one").columns(2)
    with right:
        uploaded = upload("Or upload an image", f"{name}-upload", several=False)
        if uploaded:
            flags(uploaded[0])
    chosen = state.choice(left.selectbox, label, name, ids[0], ids, disabled=bool(uploaded), format_func=title)
    return (uploaded[0], "") if uploaded else (read(chosen), chosen)
