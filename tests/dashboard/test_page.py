"""What runs again when something on a page changes, and what a page shows when it cannot."""

from __future__ import annotations

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard.data import cache
from dashboard.page import fragment
from dashboard.page import page as made_page
from lab.devtools.browser import IN_BROWSER, rest, settle
from probing_core.errors import ProbingError
from probing_core.results import Run, command_of
from probing_core.transforms import bank


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


class TestInTheBrowser:
    pytestmark = IN_BROWSER

    @pytest.fixture
    def visit(self, server, tab):
        """Opens a view: its page, and the kinds of messages that arrive for it."""
        kinds: list[ForwardMsg] = []

        def listen(socket) -> None:
            socket.on("framereceived", lambda b: kinds.append(ForwardMsg.FromString(b)))

        with tab.visitor() as (page, complaints):

            def open(view: str):
                page.goto(f"{server}/{view}")
                page.get_by_role("heading", level=1).first.wait_for()
                settle(page)
                return page, kinds

            page.on("websocket", listen)
            yield open
            page.remove_listener("websocket", listen)
            assert complaints == []

    def test_a_change_leaves_what_is_around_the_page(self, visit):
        page, messages = visit("map?models=zoo/mae")
        messages.clear()
        page.get_by_text("right or wrong", exact=True).click()
        page.wait_for_url("**color=correct**")
        settle(page)
        kinds = {kind_of(message) for message in messages}
        assert "heading" in kinds
        assert "navigation" not in kinds

    def test_a_fragment_leaves_the_rest_of_its_page(self, visit):
        page, messages = visit("transformations")
        rest(page)  # a page that moves closes its open lists
        messages.clear()
        page.get_by_role("combobox", name="Transformation").first.click()
        page.keyboard.type("swirl")
        # not clicked: a list that is placed anew while it is short of room closes under the pointer
        page.locator("[role=option][data-focused=true]", has_text="geometry · swirl").wait_for()
        page.keyboard.press("Enter")
        page.wait_for_url("**transform=swirl**")
        settle(page)
        kinds = {kind_of(message) for message in messages}
        assert "bidi_component" in kinds
        assert "imgs" not in kinds

    def test_strips_have_their_height_before_their_pictures_arrive(self, visit):
        """A page that moves closes its open lists."""
        page, _ = visit("transformations")
        navigation, late = page.get_by_test_id("stSidebarNav"), []
        heights = "() => [...document.querySelectorAll('[class*=st-key-strip-]')].map((e) => e.clientHeight)"

        def hold(picture) -> None:
            late.append(picture)

        page.route("**/media/**", hold)
        for title in ("Methods and data", "Transformations"):
            navigation.get_by_role("link", name=title, exact=True).click()
            page.get_by_role("heading", name=title, exact=True, level=1).wait_for()
            settle(page)
        before = page.evaluate(heights)
        assert late
        for picture in late:
            picture.continue_()
        page.unroute("**/media/**", hold)
        rest(page)
        after = page.evaluate(heights)
        assert len(after) == len(bank())
        assert min(after) > 50
        assert before == after

    def test_a_command_can_be_copied(self, visit, made_run):
        page, _ = visit("methods")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        command = command_of(Run.open(made_run).recipe)
        block = page.get_by_test_id("stCode").first
        assert block.locator("code").inner_text() == command
        settle(page)
        button = block.get_by_role("button", name="Copy to clipboard")
        for _ in range(20):  # a block that is drawn anew below the pointer forgets that it is there
            page.mouse.move(0, 0)
            block.hover()
            if button.count():
                break
            page.wait_for_timeout(500)
        button.click()
        page.wait_for_function("async (text) => await navigator.clipboard.readText() === text", arg=command)
