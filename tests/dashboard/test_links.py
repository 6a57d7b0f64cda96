"""A copied address opens what is on the screen: each control of each page, changed, is the same for its receiver."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.widgets.answer_cards import PRIORS
from tests.dashboard.conftest import PAGES, PARTS

NOT_IN_ADDRESSES = {
    "use-camera": "what the camera shows is nobody else's",
    "scan-folder": "a folder of the visitor's computer",
    "scan-clean": "likewise",
}
"""Controls that an address does not hold, and why."""


def controls(app: Any) -> dict[str, Any]:
    """The controls of a page that hold a value that an address can hold, by key."""
    kinds = ("selectbox", "multiselect", "toggle", "checkbox", "radio", "select_slider", "slider", "number_input",
             "text_input", "button_group")  # fmt: skip
    found = [each for kind in kinds for each in app.get(kind) if each.key]
    return {each.key: each for each in found if not each.disabled and each.key not in NOT_IN_ADDRESSES}


def another(control: Any) -> Any:
    """A value that the control does not have; None where there is no other."""
    kind, value = control.type, control.value
    if kind in ("toggle", "checkbox"):
        return not value
    if kind == "select_slider" and isinstance(value, float):  # its options are known as words alone
        return next(share for share in PRIORS if share != value)
    if kind == "number_input":
        return value + 1 if value + 1 <= control.max else None
    if kind == "text_input":
        return "another"
    if kind == "multiselect":
        return next(([each] for each in reversed(control.options) if [each] != value), None)
    options = list(control.options)
    return next((each for each in reversed(options) if each != value), None)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "part"), [(page, part) for page in PAGES for part in PARTS.get(page, [""])])
def test_an_address_brings_every_choice_of_a_page_to_its_receiver(open_app, page, part):
    tab = {"part": part} if part else {}
    app = open_app(page, **tab)
    for key in controls(app):
        if key not in controls(app):  # a choice before it has taken it away
            compare(open_app, page, app)
            app = open_app(page, **tab)
        control = controls(app)[key]
        if (value := another(control)) is not None:
            app = control.set_value(value).run()
    compare(open_app, page, app)


def compare(open_app, page: str, app: Any) -> None:
    """The address of ``app`` opens a page whose controls have the same values."""
    address = {name: text if isinstance(text, str) else text[-1] for name, text in app.query_params.items()}
    del address["run"]  # there is one
    receiver = open_app(page, **{name.replace("-", "_"): text for name, text in address.items()})
    sent, received = ({key: control.value for key, control in controls(each).items()} for each in (app, receiver))
    assert received == sent, address
