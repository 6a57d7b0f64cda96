"""Selection of images: packaged photographs, and uploads, which are kept only in memory until the session ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psutil
import streamlit as st

from dashboard import state
from dashboard.data import cache
from dashboard.data.pictures import VisitorPicture, bytes_in_memory
from dashboard.text import hint, plain
from probing_core.errors import BadImage
from probing_core.images import READABLE, inspect
from probing_core.images.headers import printable
from probing_core.images.quality import flaws

MAX_UPLOADS = 20
MAX_UPLOAD_MEGABYTES = 50

MAX_CACHED_BYTES = 128 * 2**20
"""Maximum total size in bytes of the decoded uploads that a session caches; others are decoded at every click."""

MAX_BYTES_ON_A_PAGE = 512 * 2**20
"""Maximum total size in bytes of the decoded uploads that a page shows together."""

MAX_BYTES_OF_ALL_VISITORS = psutil.virtual_memory().total // 4
"""Maximum total size in bytes of the decoded images of all visitors."""

MAX_KEPT_BYTES = 64 * 2**20
"""Maximum total size in bytes of the encoded uploads that a session keeps while other pages are shown; the oldest are
dropped first."""

MAX_CONCURRENT_DECODES = 2
"""Maximum number of images decoded at once, because decoding needs several times the memory of an image."""

_decoding = threading.BoundedSemaphore(MAX_CONCURRENT_DECODES)

DECODE_TIMEOUT_S = 30.0


def read_uploads(files: list[Any]) -> list[VisitorPicture]:
    """Decode uploads, and show an error for each that cannot be read.

    A page reruns at every click, so the session caches the decoded images, up to `MAX_CACHED_BYTES`, until a different
    page is shown.
    """
    decoded: dict[str, VisitorPicture] = st.session_state.setdefault("_decoded", {})
    pictures: list[VisitorPicture] = []
    if len(files) > MAX_UPLOADS:
        st.error(f"At most {MAX_UPLOADS} images are evaluated together. The first {MAX_UPLOADS} are shown.")
    for file in files[:MAX_UPLOADS]:
        try:
            if sum(picture.image.nbytes for picture in pictures) > MAX_BYTES_ON_A_PAGE:
                raise BadImage(f"{printable(file.name)} does not fit into memory. Remove other images.")
            picture = decoded.get(file.file_id) or _read(file)
        except BadImage as error:
            st.error(plain(str(error)), icon=":material/broken_image:")
            continue
        pictures.append(picture)
        if sum(stored.image.nbytes for stored in {**decoded, file.file_id: picture}.values()) <= MAX_CACHED_BYTES:
            decoded[file.file_id] = picture
    return pictures


def drop_decoded() -> None:
    """Drop the decoded images of the session."""
    st.session_state.pop("_decoded", None)


def _read(file: Any) -> VisitorPicture:
    """Decode an upload once a decoder and enough memory are available.

    Raises:
        BadImage: the upload cannot be read, or the server is busy.
    """
    if not _decoding.acquire(timeout=DECODE_TIMEOUT_S):
        raise BadImage(f"{printable(file.name)} was not read: the server is busy. Try again in a minute.")
    try:
        if bytes_in_memory() > MAX_BYTES_OF_ALL_VISITORS:
            raise BadImage(f"{printable(file.name)} was not read: the memory is full. Try again in a minute.")
        picture = inspect(file.getvalue(), file.name)
        picture_read = VisitorPicture.from_array(picture.name, picture.image)
    finally:
        _decoding.release()
    return replace(picture_read, notes=(*picture.notes, *flaws(picture_read.image)), is_upload=True)


def upload(label: str, key: str, several: bool = True, keep: bool = False) -> list[VisitorPicture]:
    """Show an upload field and return its images; the decoder is selected by content, not by the file extension.

    Args:
        keep: whether the session keeps the files, up to `MAX_KEPT_BYTES`, when a different page is shown.
    """
    before: list[Any]  # encoded files that were in the field when a different page was shown
    current: list[Any]  # files that are in the field now
    before, current = st.session_state.setdefault(f"_brought-{key}", ([], []))
    files = st.file_uploader(
        label,
        accept_multiple_files=several,
        key=key,
        max_upload_size=MAX_UPLOAD_MEGABYTES,
        help=f"{READABLE}, up to {MAX_UPLOAD_MEGABYTES} MB each. Images are kept only in memory, and are deleted "
        "when the session ends. If an upload fails with *429*, upload it again in a minute.",
        on_change=current.clear,
    )
    chosen = files if isinstance(files, list) else list(filter(None, [files]))
    if not keep:
        return read_uploads(chosen)
    if current and not chosen:  # Streamlit has emptied the field; if the visitor empties it, `current` is cleared first
        before += current
        while sum(file.size for file in before) > MAX_KEPT_BYTES:
            before.pop(0)
    current[:] = chosen
    if before:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"From before: {', '.join(plain(printable(file.name)) for file in before)}", width="stretch")
            st.button("Remove", key=f"remove-{key}", on_click=before.clear)
    return read_uploads([*before, *chosen])


def flags(picture: VisitorPicture) -> None:
    place = st.empty()  # replaces the flags of the previous image before models have answered
    if picture.notes:
        place.caption("  \n".join(f":material/flag: {plain(note)}" for note in picture.notes), help=hint("flag"))


def title_of(image_id: str) -> str:
    """Return the title of a packaged crop: ``Astronaut, crop 1`` for ``astronaut/00``."""
    photograph, _, number = image_id.rpartition("/")
    if not photograph or not number.isdecimal():
        return image_id
    return f"{photograph.replace('-', ' ').capitalize()}, crop {int(number) + 1}"


def packaged(image_id: str) -> VisitorPicture:
    return VisitorPicture.from_array(title_of(image_id), cache.packaged_image(image_id))


def pick_one() -> VisitorPicture:
    """Show a selection of packaged photographs and an upload field, and return the image."""
    return pick_of("Image", "picture", list(cache.packaged().rows["image_id"]), title_of, packaged)[0]


def pick_of(
    label: str, name: str, ids: Sequence[str], title: Callable[[str], str], read: Callable[[str], VisitorPicture]
) -> tuple[VisitorPicture, str]:
    """Show a list of images and an upload field, and return the selected image and its ID, which is empty for an
    uploaded image."""
    left, right = st.container(key="pick-one").columns(2)
    with right:
        uploads = upload("Or upload an image", f"{name}-upload", several=False)
        if uploads:
            flags(uploads[0])
    chosen = state.choice(left.selectbox, label, name, ids[0], ids, disabled=bool(uploads), format_func=title)
    return (uploads[0], "") if uploads else (read(chosen), chosen)
