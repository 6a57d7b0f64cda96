"""What runs again when something on a page changes, and what a page shows when it cannot."""

from __future__ import annotations

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard.data import cache
from dashboard.page import fragment
from dashboard.page import page as made_page
from lab.devtools.browser import IN_BROWSER, open_page, wait_until_settled
from probing_core.errors import ProbingError


def fails(error: Exception):
    def show() -> None:
        raise error

    return show


@pytest.mark.parametrize(
    ("error", "kind"), [(cache.NoRun("No run yet."), "info"), (ProbingError("A_b is *gone*."), "error")]
)
def test_a_page_that_fails_has_its_title_and_one_sentence(error, kind):
    from streamlit.testing.v1 import AppTest

    def script(shown) -> None:
        shown()

    app = AppTest.from_function(script, args=(made_page("Weather", "what it is")(fails(error)),)).run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Weather"]
    shown = getattr(app, kind)
    assert len(shown) == 1
    assert shown[0].value.replace("\\", "") == str(error)


def test_a_fragment_that_fails_leaves_the_rest():
    from streamlit.testing.v1 import AppTest

    def show(broken) -> None:
        import streamlit as st

        broken()
        st.markdown("the rest")

    app = AppTest.from_function(show, args=(fragment(fails(ProbingError("Gone."))),)).run()
    assert [error.value for error in app.error] == ["Gone."]
    assert [text.value for text in app.markdown] == ["the rest"]


def kind_of(message: ForwardMsg) -> str:
    if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
        return message.delta.new_element.WhichOneof("type")
    return message.WhichOneof("type")


@IN_BROWSER[0]
@IN_BROWSER[1]
def test_a_change_leaves_what_is_around_the_page(server, tab):
    kinds: list[str] = []

    def listen(socket) -> None:
        socket.on("framereceived", lambda b: kinds.append(kind_of(ForwardMsg.FromString(b))))

    with tab.visitor() as (page, complaints):
        page.on("websocket", listen)
        open_page(page, f"{server}/generalization?part=unseen")
        kinds.clear()
        page.get_by_role("tab", name="Embedding shift").click()
        page.wait_for_url("**part=shift**")
        wait_until_settled(page)
        page.remove_listener("websocket", listen)
        assert "heading" in kinds
        assert "navigation" not in kinds
        assert complaints == []
