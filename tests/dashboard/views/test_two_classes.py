"""The tab Two classes of Explore."""

from __future__ import annotations

import json

from dashboard.components.explorer import chosen_cell
from probing_core.results import Run
from tests.dashboard.app_reading import address, label


def test_it_begins_with_the_cell_of_the_matrix_above_and_follows_when_another_is_chosen(open_app, made_run):
    def shown(app) -> tuple[str, str]:
        assert not app.exception
        return label(app, "selectbox", "Distinguish").value, label(app, "selectbox", "from").value

    app = open_app("Explore", part="two")
    assert shown(app) == chosen_cell(Run.open(made_run))
    fog = json.dumps({"what": {"rows": ["fog"], "columns": ["rain"]}})
    app = open_app("Explore", part="two", selection=fog)
    assert shown(app) == ("fog", "rain")
    label(app, "selectbox", "from").set_value("snow").run()
    assert shown(app) == ("fog", "snow"), "the visitor's own choice stays"
    kept = {name.replace("-", "_"): address(app, name) for name in ("tell", "from", "cell-of-matrix")}
    assert shown(open_app("Explore", part="two", selection=fog, **kept)) == ("fog", "snow")
    other = json.dumps({"what": {"rows": ["sepia"], "columns": ["desaturate"]}})
    assert shown(open_app("Explore", part="two", selection=other, **kept)) == ("sepia", "desaturate")
    right = json.dumps({"what": {"rows": ["sepia"], "columns": ["sepia"]}})
    assert shown(open_app("Explore", part="two", selection=right, **kept)) == ("fog", "snow")
