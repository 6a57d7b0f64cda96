from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from probing_core import catalog as module
from probing_core.catalog import Catalog, suggest
from probing_core.errors import ProbingError, UnknownName


@dataclass(frozen=True)
class Entry:
    name: str


def test_it_keeps_the_order_and_finds_by_name():
    catalog = Catalog("thing", [Entry("b"), Entry("a")])
    assert catalog.names == ("b", "a")
    assert catalog.get("a") == Entry("a")
    assert "b" in catalog
    assert "c" not in catalog
    assert len(catalog) == 2


def test_it_refuses_duplicates():
    with pytest.raises(ProbingError, match="called 'a'"):
        Catalog("thing", [Entry("a"), Entry("a")])


def test_an_unknown_name_is_told_what_exists_and_what_is_close():
    catalog = Catalog("thing", [Entry("gaussian-blur"), Entry("fog")])
    with pytest.raises(UnknownName, match=r"Did you mean 'gaussian-blur'\? There are: gaussian-blur, fog\."):
        catalog.get("gausian-blur")
    assert suggest("zzz", catalog.names) == ""


@pytest.fixture
def plugin(monkeypatch):
    """Makes an entry point group resolve to whatever the test gives."""

    def give(value):
        class Point(EntryPoint):
            def load(self):
                if isinstance(value, Exception):
                    raise value
                return value

        monkeypatch.setattr(module, "entry_points", lambda group: [Point("theirs", "x:y", group)])

    return give


def test_third_parties_join_through_an_entry_point(plugin):
    plugin([Entry("new"), Entry("newer")])
    catalog = Catalog("thing", [Entry("own")], "some.group")
    assert catalog.names == ("own", "new", "newer")
    assert catalog.own == (Entry("own"),)


def test_an_entry_point_may_be_a_function(plugin):
    plugin(lambda: Entry("made"))
    assert Catalog("thing", [], "some.group").get("made") == Entry("made")


def test_a_third_party_may_not_take_an_own_name(plugin):
    plugin(Entry("own"))
    with pytest.raises(ProbingError, match="rename the package's entry"):
        _ = Catalog("thing", [Entry("own")], "some.group").all


def test_a_broken_entry_point_is_named(plugin):
    plugin(ImportError("no such module"))
    with pytest.raises(ProbingError, match="'theirs' of group 'some.group' could not be loaded: no such module"):
        Catalog("thing", [Entry("own")], "some.group").get("other")
