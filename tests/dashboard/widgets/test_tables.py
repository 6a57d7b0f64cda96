"""Tables and charts can be downloaded as they are."""

from __future__ import annotations

from io import StringIO

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.dashboard.app_reading import figures

TABLE = pd.DataFrame({"model": ["a", "ü,b"], "value": [0.5, 1.0]})


def show(table) -> None:
    from dashboard.widgets.tables import download

    download(table, "board")


@pytest.mark.parametrize("table", [TABLE, lambda: TABLE])
def test_a_table_is_downloaded_as_it_is(table, monkeypatch):
    offered = {}
    monkeypatch.setattr(
        "streamlit.download_button", lambda label, data, **settings: offered.update(settings, data=data)
    )
    show(table)
    assert pd.read_csv(StringIO(offered["data"]())).equals(TABLE)
    assert offered["file_name"] == "board.csv"


def test_download_writes_no_formula(monkeypatch):
    offered = {}
    monkeypatch.setattr("streamlit.download_button", lambda label, data, **settings: offered.update(data=data))
    show(pd.DataFrame({"image": ['=HYPERLINK("http://example.org").jpg']}))
    assert pd.read_csv(StringIO(offered["data"]()))["image"].tolist() == ['\'=HYPERLINK("http://example.org").jpg']


@pytest.mark.parametrize("page", ["Models", "Layers", "Generalization", "Retrieval", "Methods"])
def test_every_table_and_chart_of_a_page_can_be_downloaded(open_app, studied_run, page, monkeypatch):
    offered = {}
    button = st.download_button

    def spied(label, data, **settings):
        offered[settings.get("key")] = data
        return button(label, data, **settings)

    monkeypatch.setattr(st, "download_button", spied)
    app = open_app(page, run=studied_run, show_recipe="True")
    assert not app.exception
    tables = {key: make for key, make in offered.items() if key}
    assert len(tables) >= len(figures(app)) + len(app.dataframe) > 0
    contents = [make() for make in tables.values()]
    for csv in (content for content in contents if isinstance(content, str)):  # one is a ZIP file of all tables
        assert len(pd.read_csv(StringIO(csv)).columns) > 1


def test_a_figure_is_not_changed_when_it_is_shown():
    """Figures are shared by all visitors, and Plotly takes the type out of a trace while it validates it."""

    class Trace(dict):
        def pop(self, *arguments):
            raise AssertionError("a shared trace was changed")

        __setitem__ = __delitem__ = update = pop

    def app(figure, table) -> None:
        from dashboard.widgets.tables import chart

        chart(figure, "bars", table, "Bars.")

    figure = {"data": [Trace(type="bar", y=[1])], "layout": {"height": 300}}
    shown = AppTest.from_function(app, kwargs={"figure": figure, "table": TABLE}).run()
    assert not shown.exception
    assert [trace["type"] for trace in figures(shown)[0]["data"]] == ["bar"]
