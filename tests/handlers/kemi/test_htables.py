"""The hash tables: lives, start values, limits."""

from __future__ import annotations

import pytest

from slbroker.errors import ConfigError
from slbroker_handlers.kemi import htables
from slbroker_handlers.kemi.htables import Table


def test_an_entry_is_there_until_the_second_in_which_it_ends_is_over() -> None:
    table = Table("t", expire=10)
    table.set("a", 1, now=0.9)
    table.set("b", 2, now=0.0, life=3)
    table.set("c", 3, now=0.0, life=0)
    assert [table.get(name, 3.9) for name in "abc"] == [1, 2, 3]
    assert [table.get(name, 4.0) for name in "abc"] == [1, None, 3]
    assert [table.get(name, 11.0) for name in "abc"] == [None, None, None]


def test_counting_renews_the_life_of_an_entry_and_so_does_setting() -> None:
    """A counter of failures lives as long as there are failures."""
    table = Table("t", expire=10)
    table.set("a", 1, now=0.0)
    assert table.add("a", 1, now=9.0) == 2
    assert (table.get("a", 19.9), table.left("a", 12.0)) == (2, 7)
    table.touch("a", 20, now=15.0)
    assert (table.get("a", 35.9), table.left("a", 20.0), table.get("a", 36.0)) == (2, 15, None)


def test_with_updateexpire_0_an_entry_keeps_the_life_that_it_began_with() -> None:
    table = Table.define("t=>size=8;autoexpire=10;updateexpire=0")
    table.set("a", 1, now=0.0)
    assert table.add("a", 1, now=9.0) == 2
    assert table.set("a", 7, now=9.5)
    assert (table.left("a", 9.5), table.get("a", 10.9), table.get("a", 11.0)) == (1, 7, None)
    table.set("a", 1, now=12.0)
    assert table.left("a", 12.0) == 10
    table.set("a", 1, now=13.0, life=99)
    assert table.left("a", 13.0) == 99


def test_in_a_table_without_autoexpire_nothing_ends() -> None:
    table = Table.define("t=>size=8")
    table.set("a", 1, now=0.0, life=5)
    table.touch("a", 6, now=0.0)
    assert (table.get("a", 1e6), table.left("a", 0.0)) == (1, 0)


def test_counting_begins_at_the_start_value_or_fails() -> None:
    assert Table("t").add("a", 1, 0.0) is None
    table = Table.define("t=>size=4;initval=7")
    assert (table.add("a", 1, 0.0), table.add("a", -1, 0.0), table.get("b", 0.0)) == (8, 7, 7)
    table.set("text", "x", 0.0)
    assert table.add("text", 1, 0.0) is None


def test_items_are_those_that_are_there() -> None:
    table = Table("t", expire=9)
    table.set("a", 1, 0.0, life=1)
    table.set("b", 2, 0.0)
    assert list(table.items(2.0)) == [("b", 2)]
    table.remove_all(lambda name, _value: name == "b", 2.0)
    assert list(table.items(0.5)) == [("a", 1)]


def test_a_full_table_keeps_nothing_new_until_something_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(htables, "MAX_ENTRIES", 2)
    table = Table("t", expire=5)
    assert table.set("a", 1, 0.0)
    assert table.set("b", 1, 0.0, life=60)
    assert not table.set("c", 1, 1.0)
    assert table.set("a", 2, 1.0)
    assert table.set("c", 1, 7.0)
    assert [name for name, _ in table.items(7.0)] == ["b", "c"]


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
