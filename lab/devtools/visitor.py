"""Visitor without a browser, which sends HTTP requests and websocket messages like a page.

Messages of the server are decoded with Streamlit's message definitions.
"""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.util import calc_hash
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

WAIT_S = 120.0


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


def request(
    address: str, path: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """Send a request for ``path``, without normalization, to the server at ``address``, and return the response."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=WAIT_S)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body, encode_chunked="Transfer-Encoding" in (headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"), dict(response.getheaders()))
    finally:
        connection.close()


def xsrf(address: str) -> dict[str, str]:
    """Return the XSRF headers that the server requires for uploads."""
    token = request(address, "/_stcore/health").headers["set-cookie"].split("=", 1)[1].split(";")[0]
    return {"X-Xsrftoken": token, "Cookie": f"_streamlit_xsrf={token}"}


def multipart(data: bytes, name: str = "picture.png") -> tuple[bytes, dict[str, str]]:
    """Return the body and the Content-Type header of an upload."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
    return head.encode() + data + f"\r\n--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


def upload(
    address: str,
    session: str,
    data: bytes,
    file: str = "",
    headers: dict[str, str] | None = None,
    name: str = "picture.png",
) -> Answer:
    """Upload an image to a session, and return the response."""
    body, kind = multipart(data, name)
    path = f"/_stcore/upload_file/{session}/{file or uuid.uuid4()}"
    return request(address, path, "PUT", body, kind | (xsrf(address) if headers is None else headers))


@dataclass
class Visitor:
    """A session of the dashboard, like the session of a browser tab.

    Attributes:
        session: ID of the session.
        seen: texts on the last page.
        widgets: label -> ID of each widget on the last page.
        pictures: URLs of the images on the last page.
        points: URLs of the data of the explorer.
        previews: URLs of the images of the strength slider.
        exceptions: messages of exceptions on any page.
        alarms: error messages on the last page.
        uploaders: ID of each file field -> whether it accepts several files.
        scripts: last part of the URL of each page -> ID of the page.
    """

    socket: Any
    session: str = ""
    seen: list[str] = field(default_factory=list)
    widgets: dict[str, str] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    previews: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    uploaders: dict[str, bool] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)

    def visit(self, page: str = "", *widgets: WidgetState, query: str = "") -> str:
        """Run a page with changed ``widgets`` states, and return its texts."""
        message = BackMsg()
        message.rerun_script.page_script_hash = calc_hash(page) if page else ""
        message.rerun_script.query_string = query
        message.rerun_script.widget_states.widgets.extend(widgets)
        self.socket.send(message.SerializeToString())
        self.seen, self.widgets, self.pictures, self.points, self.previews = [], {}, [], [], []
        self.alarms, self.uploaders = [], {}
        for reply in self._messages():
            if (
                reply.WhichOneof("type") == "script_finished"
                and reply.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
            ):
                break
        return "\n".join(self.seen)

    def read_to_the_end(self) -> None:
        """Read messages until the server closes the connection, which raises `ConnectionClosed`."""
        for _ in self._messages():
            pass

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
        """Record the text of an element, and the ID of its widget."""
        inner = getattr(element, element.WhichOneof("type"))
        if element.WhichOneof("type") == "exception":
            self.exceptions.append(inner.message)
        if element.WhichOneof("type") == "alert" and inner.format == Alert.ERROR:
            self.alarms.append(inner.body)
        if element.WhichOneof("type") == "file_uploader":
            self.uploaders[inner.id] = inner.multiple_files
        if element.WhichOneof("type") == "bidi_component" and inner.component_name.endswith("probing_explorer"):
            address = json.loads(inner.json)["address"]
            self.points += [f"/{address}/{part}" for part in ("points", "model/0", "model/1")]
        if element.WhichOneof("type") == "bidi_component" and inner.component_name.endswith("probing_strength"):
            self.previews.append(f"/{json.loads(inner.json)['address']}")
        if element.WhichOneof("type") == "imgs":
            self.pictures += [image.url for image in inner.imgs]
        texts = [getattr(inner, name, "") for name in ("body", "label", "element_id")]
        self.seen += [text for text in texts if isinstance(text, str) and text and not text.startswith("<style>")]
        if getattr(inner, "id", "") and getattr(inner, "label", ""):
            self.widgets[inner.label] = inner.id


def clicked(widget: str) -> WidgetState:
    return WidgetState(id=widget, trigger_value=True)


def typed(widget: str, text: str) -> WidgetState:
    return WidgetState(id=widget, string_value=text)


def dropped(widget: str, *files: str, name: str = "picture.png") -> WidgetState:
    """Return the state of an upload field that contains the given files."""
    state = WidgetState(id=widget)
    for file in files:
        state.file_uploader_state_value.uploaded_file_info.add(file_id=file, name=name, size=1)
    return state


@contextmanager
def visiting(
    address: str, headers: dict[str, str] | None = None, origin: str | None = None, page: str = "", query: str = ""
) -> Iterator[Visitor]:
    """Open ``page`` of the dashboard at ``address``, and yield the visitor. The headers may contain ``Host``."""
    parts = urlsplit(address)
    named = dict(headers or {})
    host = named.pop("Host", parts.netloc)
    with connect(
        f"ws://{host}/_stcore/stream",
        sock=socket.create_connection((parts.hostname, parts.port), timeout=WAIT_S),
        additional_headers=named,
        origin=None if origin is None else Origin(origin),
        subprotocols=[Subprotocol("streamlit")],
        max_size=None,
        open_timeout=WAIT_S,
    ) as websocket:
        visitor = Visitor(websocket)
        visitor.visit(page, query=query)
        yield visitor
