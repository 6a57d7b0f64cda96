"""A visitor without a browser: requests as anybody could send them, and messages of the websocket as a page sends them.

What the server sends is read with Streamlit's own description of its messages.
"""

from __future__ import annotations

import http.client
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

WAIT_S = 120.0


@dataclass(frozen=True)
class Answer:
    """Of the server to a request."""

    status: int
    text: str
    headers: dict[str, str]


def request(
    address: str, path: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """What the server at ``address`` answers to ``path``, sent as it stands."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=WAIT_S)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"), dict(response.getheaders()))
    finally:
        connection.close()


def xsrf(address: str) -> dict[str, str]:
    """The headers by which the server knows a page of its own."""
    token = request(address, "/_stcore/health").headers["set-cookie"].split("=", 1)[1].split(";")[0]
    return {"X-Xsrftoken": token, "Cookie": f"_streamlit_xsrf={token}"}


def multipart(data: bytes, name: str = "picture.png") -> tuple[bytes, dict[str, str]]:
    """The body of an upload, and its header."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
    return head.encode() + data + f"\r\n--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


def upload(address: str, session: str, data: bytes, file: str = "", headers: dict[str, str] | None = None) -> Answer:
    """Sends a picture to the visit ``session``."""
    body, kind = multipart(data)
    path = f"/_stcore/upload_file/{session}/{file or uuid.uuid4()}"
    return request(address, path, "PUT", body, kind | (xsrf(address) if headers is None else headers))


@dataclass
class Visitor:
    """A session of the dashboard, as a page of a browser has one."""

    socket: Any
    session: str = ""
    seen: list[str] = field(default_factory=list)
    widgets: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)

    def visit(self, page: str = "", *widgets: WidgetState) -> str:
        """Runs a page, with the states of ``widgets`` as if they had been changed; the words that it shows."""
        message = BackMsg()
        message.rerun_script.page_script_hash = self.scripts.get(page, "")
        message.rerun_script.widget_states.widgets.extend(widgets)
        self.socket.send(message.SerializeToString())
        self.seen = []
        for each in self._messages():
            if each.WhichOneof("type") == "script_finished":
                break
        return "\n".join(self.seen)

    def _messages(self) -> Iterator[ForwardMsg]:
        while True:
            message = ForwardMsg()
            message.ParseFromString(self.socket.recv(timeout=WAIT_S))
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session = message.new_session.initialize.session_id
            elif kind == "navigation":
                self.scripts = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._note(message.delta.new_element)
            yield message

    def _note(self, element: Any) -> None:
        """The words of an element, and the number by which messages name its widget."""
        inner = getattr(element, element.WhichOneof("type"))
        words = [getattr(inner, name, "") for name in ("body", "label", "element_id")]
        self.seen += [word for word in words if isinstance(word, str) and word]
        if getattr(inner, "id", "") and getattr(inner, "label", ""):
            self.widgets[inner.label] = inner.id


def visiting(address: str, headers: dict[str, str] | None = None, origin: str | None = None) -> Any:
    """A websocket to the dashboard at ``address``; with ``Host`` among the headers, under that name."""
    parts = urlsplit(address)
    named = dict(headers or {})
    host = named.pop("Host", parts.netloc)
    return connect(
        f"ws://{host}/_stcore/stream",
        sock=socket.create_connection((parts.hostname, parts.port), timeout=WAIT_S),
        additional_headers=named,
        origin=origin,
        subprotocols=["streamlit"],
        max_size=None,
        open_timeout=WAIT_S,
    )
