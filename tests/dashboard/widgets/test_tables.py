"""Tables and charts can be downloaded as they are."""

from __future__ import annotations

import json
from io import StringIO

import pandas as pd
import pyarrow as pa
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


def test_negative_numbers_have_a_minus_sign_and_stay_numbers_in_the_download(monkeypatch):
    table = pd.DataFrame({"model": ["a", "b"], "gain": [-0.031, 0.02], "r2": [-0.001, 0.5], "n": [3, 4]})

    def signed(table) -> None:
        import streamlit as st

        from dashboard.widgets.tables import show_table

        show_table(table, "signed", {"r2": st.column_config.NumberColumn(format="%.2f")},
                   percent={"gain": ("gain (points)", "")})  # fmt: skip

    offered = {}
    monkeypatch.setattr("streamlit.download_button", lambda label, data, **settings: offered.update(data=data))
    app = AppTest.from_function(signed, args=(table,)).run()
    assert not app.exception
    styled = app.dataframe[0].proto.arrow_data.styler
    written = pa.ipc.open_stream(styled.display_values).read_pandas()
    assert written["gain"].tolist() == ["\u22123.1", "2.0"]
    assert written["r2"].tolist() == ["0.00", "0.50"]
    settings = json.loads(app.dataframe[0].proto.columns)
    assert [settings[name].get("type_config", {}).get("format") for name in ("gain", "r2")] == [None, None]
    assert pd.read_csv(StringIO(offered["data"]()))["gain"].tolist() == pytest.approx([-3.1, 2])


@pytest.mark.parametrize("page", ["Leaderboard", "Inside", "Retrieval", "Methods and data"])
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
    for make in tables.values():
        assert len(pd.read_csv(StringIO(make())).columns) > 1
