"""Sentences in place of what is missing."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def told(models: list[str], shown: list[str]) -> list[str]:
    def script(models, shown) -> None:
        from dashboard.widgets import messages

        messages.left_out(models, shown, "they have no blocks")

    app = AppTest.from_function(script, args=(models, shown)).run()
    assert not app.exception
    return [caption.value.replace("\\", "") for caption in app.caption]


def test_models_that_are_left_out_are_named_with_the_reason():
    assert told(["zoo/mae", "c", "d", "zoo/mae@seed=1"], ["c"]) == [
        "Not shown because they have no blocks: MAE (zoo), d."
    ]
    assert told(["a", "b"], ["b", "a", "a"]) == []
