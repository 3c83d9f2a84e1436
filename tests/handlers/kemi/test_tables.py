"""The hash tables: lives, start values, limits."""

from __future__ import annotations

import pytest

from slbroker.errors import ConfigError
from slbroker_handlers.kemi import tables
from slbroker_handlers.kemi.tables import Table


def test_an_entry_ends_when_its_time_has_come() -> None:
    table = Table("t", expire=10.0)
    table.set("a", 1, now=0.0)
    table.set("b", 2, now=0.0, life=3.0)
    table.set("c", 3, now=0.0, life=0.0)
    assert [table.get(name, 2.9) for name in "abc"] == [1, 2, 3]
    assert [table.get(name, 3.0) for name in "abc"] == [1, None, 3]
    assert [table.get(name, 10.0) for name in "abc"] == [None, None, 3]


def test_counting_keeps_the_end_and_setting_makes_a_new_one() -> None:
    table = Table("t", expire=10.0)
    table.set("a", 1, now=0.0)
    assert table.add("a", 1, now=9.0) == 2
    assert table.get("a", 10.0) is None
    table.set("a", 1, now=0.0)
    table.touch("a", 20.0, now=5.0)
    assert (table.get("a", 24.9), table.left("a", 20.0), table.get("a", 25.0)) == (1, 5, None)


def test_counting_begins_at_the_start_value_or_fails() -> None:
    assert Table("t").add("a", 1, 0.0) is None
    table = Table.define("t=>size=4;initval=7")
    assert (table.add("a", 1, 0.0), table.add("a", -1, 0.0), table.get("b", 0.0)) == (8, 7, 7)
    table.set("text", "x", 0.0)
    assert table.add("text", 1, 0.0) is None


def test_items_are_those_that_are_there() -> None:
    table = Table("t")
    table.set("a", 1, 0.0, life=1.0)
    table.set("b", 2, 0.0)
    assert list(table.items(2.0)) == [("b", 2)]
    table.remove_all(lambda name, _value: name == "b", 2.0)
    assert list(table.items(0.5)) == [("a", 1)]


def test_a_full_table_keeps_nothing_new_until_something_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ENTRIES", 2)
    table = Table("t")
    assert table.set("a", 1, 0.0, life=5.0)
    assert table.set("b", 1, 0.0)
    assert not table.set("c", 1, 1.0)
    assert table.set("a", 2, 1.0, life=5.0)
    assert table.set("c", 1, 6.0)
    assert [name for name, _ in table.items(6.0)] == ["b", "c"]


@pytest.mark.parametrize("text", ["", "=>size=8", "a b", "a=>b=>c d e)("])
def test_a_definition_without_a_name_is_refused(text: str) -> None:
    if text.startswith("a=>"):
        assert Table.define(text).name == "a"
        return
    with pytest.raises(ConfigError, match="htable"):
        Table.define(text)


def test_a_definition_is_read_as_kamailio_writes_it() -> None:
    table = Table.define("ipban=>size=8;autoexpire=300;initval=1;dbtable=x;")
    assert (table.name, table.expire, table.initial) == ("ipban", 300.0, 1)
