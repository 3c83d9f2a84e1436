"""KSR.htable: hash tables, local to a worker. --kemi-param htable.htable=... gives one its life and start value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.expressions import holds
from slbroker_handlers.kemi.htables import Walk
from slbroker_handlers.kemi.scriptlog import script_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.htables import Table
    from slbroker_handlers.kemi.values import Value, Xval

logger = script_logger(__name__)

htable = Module("htable")

_LOCAL: Final = "local to a worker; a table that no parameter defines is made when it is first used"
_OPERATORS: Final = ("eq", "ne", "sw", "re")
REMOVED_LAST: Final = -2
FAILED: Final = -255  # Kamailio's answer where nothing can be counted


# One entry ------------------------------------------------------------------------------------------------------


def _set(call: Call, table: str, name: str, value: Value, life: int | None = None) -> int:
    found = call.state.table(table)
    if life is not None and not found.expire:
        call.state.say_once(
            f"htable {table[:80]} has no autoexpire, so nothing in it ever ends, as in Kamailio:"
            f" --kemi-param 'htable.htable={table[:80]}=>autoexpire=3600' gives it one"
        )
    return 1 if found.set(name, value, call.state.now(), life) else -1


@htable.export(partial=_LOCAL, name="sht_get{}")
def sht_get(call: Call, table: str, name: str) -> Xval:
    """Return an entry's value, {} when it is not there."""
    return call.state.table(table).get(name, call.state.now())


@htable.export(partial=_LOCAL, name="sht_set{}")
def sht_set(call: Call, table: str, name: str, value: Value) -> int:
    """Set an entry to {}."""
    return _set(call, table, name, value)


@htable.export(partial=_LOCAL)
def sht_setxs(call: Call, table: str, name: str, value: str, seconds: int) -> int:
    """Set an entry to text for some seconds."""
    return _set(call, table, name, value, seconds)


@htable.export(partial=_LOCAL)
def sht_setxi(call: Call, table: str, name: str, value: int, seconds: int) -> int:
    """Set an entry to a number for some seconds; return 1, before Kamailio 6.0 0; -1 when it cannot be kept."""
    kept = _set(call, table, name, value, seconds)
    return 0 if kept > 0 and call.state.release < (6, 0) else kept


@htable.export(partial=_LOCAL)
def sht_setex(call: Call, table: str, name: str, seconds: int) -> int:
    """Let an entry live for some seconds from now."""
    call.state.table(table).touch(name, seconds, call.state.now())
    return 1


@htable.export(partial=_LOCAL)
def sht_is_null(call: Call, table: str, name: str) -> int:
    """Return 1 when there is no such entry, -1 when there is, -2 when the table's initial value stands in for it."""
    found = call.state.table(table)
    if sht_get(call, table, name) is None:
        return 1
    return -1 if found.has(name, call.state.now()) else -2


def _add(call: Call, table: str, name: str, number: int) -> int:
    result = call.state.table(table).add(name, number, call.state.now())
    return FAILED if result is None else result


@htable.export(partial=_LOCAL)
def sht_inc(call: Call, table: str, name: str) -> int:
    """Add 1 to a number that is there and return it; -255 when there is none."""
    return _add(call, table, name, 1)


@htable.export(partial=_LOCAL)
def sht_dec(call: Call, table: str, name: str) -> int:
    """Take 1 from a number that is there and return it; -255 when there is none."""
    return _add(call, table, name, -1)


@htable.export(partial=_LOCAL)
def sht_rm(call: Call, table: str, name: str) -> int:
    """Remove an entry."""
    call.state.table(table).remove(name)
    return 1


# Many entries ---------------------------------------------------------------------------------------------------


def _remove(call: Call, table: str, at: int, operator: str, pattern: str) -> int:
    if operator not in ("re", "sw"):
        logger.error("KSR.htable removes by re or sw, not by %.20r", operator)
        return -1
    call.state.table(table).remove_all(
        lambda name, value: holds(operator, str((name, value)[at]), pattern), call.state.now()
    )
    return 1


def _matching(call: Call, table: str, at: int, operator: str, pattern: str) -> Iterator[bool]:
    """Yield for each entry whether its name (0) or value (1) matches."""
    items = call.state.table(table).items(call.state.now()) if operator in _OPERATORS else ()
    return (holds(operator, str(item[at]), pattern) for item in items)


def _declare_matching(part: str, at: int, asked: str) -> None:
    """Declare the functions that look at names, or at values."""

    def remove(call: Call, table: str, operator: str, pattern: str) -> int:
        return _remove(call, table, at, operator, pattern)

    def remove_re(call: Call, table: str, pattern: str) -> int:
        return _remove(call, table, at, "re", pattern)

    def match(call: Call, table: str, operator: str, pattern: str) -> int:
        return 1 if any(_matching(call, table, at, operator, pattern)) else -1

    says = f"Remove the entries whose {part} matches"
    htable.add(f"sht_rm_{part}", remove, f"{says}: re or sw.", partial=_LOCAL)
    htable.add(f"sht_rm_{part}_re", remove_re, f"{says} a regular expression.", partial=_LOCAL)
    htable.add(asked, match, f"Return 1 when an entry's {part} matches: eq, ne, sw or re.", partial=_LOCAL)


_declare_matching("name", 0, "sht_match_name")
_declare_matching("value", 1, "sht_match_str_value")


@htable.export(partial=_LOCAL)
def sht_cn(call: Call, table: str, operator: str, pattern: str) -> int:
    """Return how many entries have a name that matches: eq, ne, sw or re."""
    return sum(_matching(call, table, 0, operator, pattern))


@htable.export(partial=_LOCAL)
def sht_reset(call: Call, table: str) -> int:
    """Remove all entries; return 0."""
    call.state.table(table).clear()
    return 0


htable.answer(
    1,
    {"sht_lock(table: str, name: str)": "Lock an entry.", "sht_unlock(table: str, name: str)": "Unlock an entry."},
    partial="nothing to lock: a worker runs one request at a time",
)

# Iterators ------------------------------------------------------------------------------------------------------


@htable.export(partial=f"{_LOCAL}; the entries are those of the time it began")
def sht_iterator_start(call: Call, iterator: str, table: str) -> int:
    """Begin to go through a table: $shtitkey(iterator) and $shtitval(iterator) are where it is."""
    found = call.state.table(table)
    call.state.walks[iterator] = Walk(found, iter(list(found.items(call.state.now()))))
    return 1


@htable.export(partial=_LOCAL)
def sht_iterator_next(call: Call, iterator: str) -> int:
    """Go to the next entry; -1 behind the last one."""
    walk = call.state.walks.get(iterator)
    if walk is None:
        return -1
    walk.item = next(walk.entries, None)
    return -1 if walk.item is None else 1


def _entry(call: Call, iterator: str) -> tuple[Table, str] | None:
    """Return the table that an iterator goes through, and the name of the entry that it is at; None for no entry."""
    walk = call.state.walks.get(iterator)
    return (walk.table, walk.item[0]) if walk is not None and walk.item is not None else None


@htable.export(partial=_LOCAL, name="sht_iterator_set{}")
def sht_iterator_set(call: Call, iterator: str, value: Value) -> int:
    """Set the entry that the iterator is at to {}; -1 where it is at none."""
    found = _entry(call, iterator)
    if found is None or not found[0].set(found[1], value, call.state.now()):
        return -1
    call.state.walks[iterator].item = (found[1], value)
    return 1


@htable.export(partial=_LOCAL)
def sht_iterator_setex(call: Call, iterator: str, seconds: int) -> int:
    """Let the entry that the iterator is at live for some seconds from now; -1 where it is at none."""
    found = _entry(call, iterator)
    if found is None:
        return -1
    found[0].touch(found[1], seconds, call.state.now())
    return 1


@htable.export(partial=_LOCAL)
def sht_iterator_rm(call: Call, iterator: str) -> int:
    """Remove the entry that the iterator is at, and go to the next: 1; -2 where that was the last, -1 without one."""
    found = _entry(call, iterator)
    if found is None:
        return -1
    found[0].remove(found[1])
    return 1 if sht_iterator_next(call, iterator) > 0 else REMOVED_LAST


@htable.export(partial=_LOCAL)
def sht_iterator_end(call: Call, iterator: str) -> int:
    """Stop going through a table."""
    call.state.walks.pop(iterator, None)
    return 1
