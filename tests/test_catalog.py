from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from probing_core import catalog as module
from probing_core.catalog import Catalog, suggest
from probing_core.errors import BadConfig, ProbingError, UnknownName


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
    with pytest.raises(UnknownName, match=r"Did you mean 'gaussian-blur'\? Available: gaussian-blur, fog\."):
        catalog.get("gausian-blur")
    assert suggest("blur", catalog.names) == " Did you mean 'gaussian-blur'?"
    assert suggest("zzz", catalog.names) == ""
    assert suggest("", catalog.names) == ""


@pytest.fixture
def plugin(monkeypatch):
    """Makes an entry point group resolve to whatever the test gives."""

    def give(value, before_load=lambda: None):
        class Point(EntryPoint):
            def load(self):
                before_load()
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


def test_a_third_party_may_not_take_an_own_name_and_loses_nothing_else(plugin):
    plugin([Entry("own"), Entry("new"), Entry("new")])
    catalog = Catalog("thing", [Entry("own")], "some.group")
    assert catalog.names == ("own", "new")
    assert [problem.split(",")[0] for problem in catalog.problems] == [
        "The entry point 'theirs' in the group 'some.group' provides a thing called 'own'",
        "The entry point 'theirs' in the group 'some.group' provides a thing called 'new'",
    ]


def test_a_broken_entry_point_is_named_and_stops_nothing(plugin):
    plugin(ImportError("no such module"))
    catalog = Catalog("thing", [Entry("own")], "some.group")
    assert catalog.get("own") == Entry("own")
    assert catalog.names == ("own",)
    told = "'theirs' in the group 'some.group' could not be loaded: no such module."
    assert told in catalog.problems[0]
    with pytest.raises(UnknownName, match="There is no thing called 'other'.*could not be loaded: no such module"):
        catalog.get("other")


def test_what_is_no_entry_is_named(plugin):
    plugin(7)
    assert "'theirs' in the group" in Catalog("thing", [], "some.group").problems[0]


def test_catalog_get_in_second_thread_waits_for_third_party_entries(plugin):
    loading, proceed = threading.Event(), threading.Event()

    def load_slowly():
        loading.set()
        proceed.wait(20)

    plugin([Entry("theirs")], load_slowly)
    catalog = Catalog("thing", [], "some.group")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(catalog.get, "theirs")
        assert loading.wait(20)
        second = pool.submit(catalog.get, "theirs")
        threading.Timer(0.2, proceed.set).start()
        assert (first.result(), second.result()) == (Entry("theirs"), Entry("theirs"))


def test_catalog_may_be_read_by_the_entry_point_that_it_loads(plugin):
    catalog = Catalog("thing", [Entry("own")], "some.group")
    plugin(lambda: [Entry(f"after-{name}") for name in catalog.names])
    assert catalog.names == ("own", "after-own")


@dataclass(frozen=True)
class Numbered:
    name: str
    number: int


def test_catalog_temporarily_shows_an_entry_to_its_own_thread_alone():
    catalog = Catalog("thing", [Numbered("own", 0)])
    catalog.add(Numbered("mine", 0))
    both_inside = threading.Barrier(2)

    def seen(number):
        with catalog.temporarily(Numbered("mine", number)):
            both_inside.wait(20)
            found = catalog.get("mine").number, "mine" in catalog, [entry.number for entry in catalog]
            both_inside.wait(20)
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(seen, (1, 2))) == [(1, True, [0, 1]), (2, True, [0, 2])]
    assert catalog.get("mine").number == 0
    with pytest.raises(BadConfig, match="'own' already"), catalog.temporarily(Numbered("own", 1)):
        pass
