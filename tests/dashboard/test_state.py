"""Choices in an address: values with commas, and what is not here."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state


def script() -> None:
    import streamlit as st

    from dashboard import state

    state.adopt_address("Made up")
    state.begin_page("Made up")
    state.choice(st.multiselect, "Several", "models", [], ["fog, dense", "fog", "50% gray", "%2C"])
    state.choice(st.selectbox, "One", "model", "fog", ["fog", "rain, heavy"])
    st.session_state["told"] = dict(state.unmet())
    state.write_address()


def opened(**address: str) -> AppTest:
    app = AppTest.from_function(script)
    for name, text in address.items():
        app.query_params[name] = text
    app.run()
    assert not app.exception
    return app


def addressed(app: AppTest) -> dict[str, str]:
    return {name: text if isinstance(text, str) else text[-1] for name, text in app.query_params.items()}


def told(app: AppTest) -> dict[str, state.Unmet]:
    return app.session_state["told"]


def test_values_with_commas_and_percent_signs_come_back():
    chosen = ["fog, dense", "50% gray", "%2C"]
    sender = opened()
    sender.multiselect(key="models").set_value(chosen).run()
    sender.selectbox(key="model").set_value("rain, heavy").run()
    receiver = opened(**addressed(sender))
    assert receiver.multiselect(key="models").value == chosen
    assert receiver.selectbox(key="model").value == "rain, heavy"
    assert not told(receiver)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"models": "fog,fog%2C dense"}, {}),
        ({"model": "rain, heavy"}, {}),
        ({"model": "rain,fog"}, {"model": state.Unmet("One", "rain,fog", "fog")}),
        ({"model": "sun,rain, heavy"}, {"model": state.Unmet("One", "sun,rain, heavy", "fog")}),
        ({"models": "fog,sun%2C high"}, {"models": state.Unmet("Several", "sun, high", "fog")}),
    ],
)
def test_what_is_not_here_is_told_whole(address, expected):
    assert told(opened(**address)) == expected


def two_pages() -> None:
    import streamlit as st

    from dashboard import state

    state.adopt_address("Made up")
    state.begin_page("Made up")
    if st.toggle("neither", key="neither"):
        return
    options = ["fog", "rain"] if st.toggle("second", key="second") else ["snow", "fog", "hail"]
    value = state.choice(st.selectbox, "One", "model", options[0], options, own_default=True)
    st.session_state["chosen"] = state.is_chosen("model", value)
    state.write_address()


def test_what_a_page_begins_with_is_no_choice_and_a_choice_stays_where_a_page_lacks_it():
    app = AppTest.from_function(two_pages).run()
    assert (app.selectbox(key="model").value, app.session_state["chosen"]) == ("snow", False)
    app.toggle(key="neither").set_value(True).run()
    app.toggle(key="neither").set_value(False).run()
    app.toggle(key="second").set_value(True).run()
    assert (app.selectbox(key="model").value, addressed(app)) == ("fog", {})
    app.toggle(key="second").set_value(False).run()
    app.selectbox(key="model").set_value("hail").run()
    assert (app.session_state["chosen"], addressed(app)) == (True, {"model": "hail"})
    app.toggle(key="second").set_value(True).run()
    assert (app.selectbox(key="model").value, addressed(app)) == ("fog", {}), "it has no hail"
    app.toggle(key="second").set_value(False).run()
    assert (app.selectbox(key="model").value, addressed(app)) == ("hail", {"model": "hail"})
    app.selectbox(key="model").set_value("snow").run()
    assert addressed(app) == {"model": "snow"}, "what a page begins with can be chosen, too"


def pages_that_share_nothing() -> None:
    import streamlit as st

    from dashboard import state

    page = st.session_state["opened"] = st.session_state.get("opened", "First")
    state.adopt_address(page)
    state.begin_page(page)
    name = page.lower()
    st.session_state["chosen"] = state.choice(st.selectbox, page, name, "fog", ["fog", "rain", "hail"])
    state.write_address()


def test_an_entry_of_the_history_with_the_query_of_the_next_page_becomes_that_of_its_own_page(monkeypatch):
    app = AppTest.from_function(pages_that_share_nothing).run()
    app.selectbox(key="first").set_value("rain").run()
    app.selectbox(key="first").set_value("hail").run()
    left = addressed(app)
    app.query_params.clear()
    app.session_state["opened"] = "Second"
    app.run()
    entry = addressed(app)
    assert (left, entry) == ({"first": "hail"}, {"second": "fog"})

    monkeypatch.setattr(state, "_goes_back", lambda: True)
    app.session_state["opened"] = "First"
    app.run()
    assert (app.session_state["chosen"], addressed(app)) == ("hail", left)
    app.query_params["first"] = "rain"
    app.run()
    assert app.session_state["chosen"] == "rain"
