"""KSR.htable: hash tables, local to a worker. --kemi-param htable.htable=... gives one its life and start value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.exports import Module, Xval
from slbroker_handlers.kemi.place import script_logger

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.tables import Table, Value

logger = script_logger(__name__)

htable = Module("htable")

_LOCAL: Final = "local to a worker; a table that no parameter defines is made when it is first used"
REMOVED_LAST: Final = -2
FAILED: Final = -255  # Kamailio's answer where nothing can be counted


# One entry ------------------------------------------------------------------------------------------------------


def _get(call: Call, table: str, name: str) -> Value | None:
    return call.state.table(table).get(name, call.state.now())


def _set(call: Call, table: str, name: str, value: Value, life: int | None = None) -> int:
    found = call.state.table(table)
    if life is not None and not found.expire:
        call.state.say_once(
            f"htable {table[:80]} has no autoexpire, so nothing in it ever ends, as in Kamailio:"
            f" --kemi-param 'htable.htable={table[:80]}=>autoexpire=3600' gives it one"
        )
    return 1 if found.set(name, value, call.state.now(), life) else -1


@htable.export(partial=_LOCAL)
def sht_get(call: Call, table: str, name: str) -> Xval:
    """Return an entry's value, None when it is not there."""
    return _get(call, table, name)


@htable.export(partial=_LOCAL)
def sht_gete(call: Call, table: str, name: str) -> Xval:
    """Return an entry's value, "" when it is not there."""
    value = _get(call, table, name)
    return "" if value is None else value


@htable.export(partial=_LOCAL)
def sht_getw(call: Call, table: str, name: str) -> Xval:
    """Return an entry's value, "<null>" when it is not there."""
    value = _get(call, table, name)
    return "<null>" if value is None else value


@htable.export(partial=_LOCAL)
def sht_sets(call: Call, table: str, name: str, value: str) -> int:
    """Set an entry to text."""
    return _set(call, table, name, value)


@htable.export(partial=_LOCAL)
def sht_seti(call: Call, table: str, name: str, value: int) -> int:
    """Set an entry to a number."""
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
    if _get(call, table, name) is None:
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


def matches(operator: str, subject: str, pattern: str) -> bool:
    """Return whether an operator of htable is true of two texts: eq, ne, sw or re; any other one is not."""
    if operator == "re":
        try:
            return re.search(pattern, subject) is not None
        except re.error as error:
            logger.error("%.80r is no regular expression: %s", pattern, error)
            return False
    if operator == "sw":
        return subject.startswith(pattern)
    return operator in ("eq", "ne") and (subject == pattern) is (operator == "eq")


def _remove(call: Call, table: str, at: int, operator: str, pattern: str) -> int:
    if operator not in ("re", "sw"):
        logger.error("KSR.htable removes by re or sw, not by %.20r", operator)
        return -1
    call.state.table(table).remove_all(
        lambda name, value: matches(operator, str((name, value)[at]), pattern), call.state.now()
    )
    return 1


def _find(call: Call, table: str, at: int, operator: str, pattern: str) -> int:
    items = call.state.table(table).items(call.state.now())
    return 1 if any(matches(operator, str(item[at]), pattern) for item in items) else -1


@htable.export(partial=_LOCAL)
def sht_rm_name(call: Call, table: str, operator: str, pattern: str) -> int:
    """Remove the entries whose name matches: re or sw."""
    return _remove(call, table, 0, operator, pattern)


@htable.export(partial=_LOCAL)
def sht_rm_value(call: Call, table: str, operator: str, pattern: str) -> int:
    """Remove the entries whose value matches: re or sw."""
    return _remove(call, table, 1, operator, pattern)


@htable.export(partial=_LOCAL)
def sht_rm_name_re(call: Call, table: str, pattern: str) -> int:
    """Remove the entries whose name matches a regular expression."""
    return _remove(call, table, 0, "re", pattern)


@htable.export(partial=_LOCAL)
def sht_rm_value_re(call: Call, table: str, pattern: str) -> int:
    """Remove the entries whose value matches a regular expression."""
    return _remove(call, table, 1, "re", pattern)


@htable.export(partial=_LOCAL)
def sht_match_name(call: Call, table: str, operator: str, pattern: str) -> int:
    """Return 1 when an entry's name matches: eq, ne, sw or re."""
    return _find(call, table, 0, operator, pattern)


@htable.export(partial=_LOCAL)
def sht_match_str_value(call: Call, table: str, operator: str, pattern: str) -> int:
    """Return 1 when an entry's value matches: eq, ne, sw or re."""
    return _find(call, table, 1, operator, pattern)


@htable.export(partial=_LOCAL)
def sht_cn(call: Call, table: str, operator: str, pattern: str) -> int:
    """Return how many entries have a name that matches: eq, ne, sw or re."""
    return sum(matches(operator, name, pattern) for name, _ in call.state.table(table).items(call.state.now()))


@htable.export(partial=_LOCAL)
def sht_reset(call: Call, table: str) -> int:
    """Remove all entries; return 0."""
    call.state.table(table).clear()
    return 0


@htable.export(partial="nothing to lock: a worker runs one request at a time")
def sht_lock(call: Call, table: str, name: str) -> int:
    """Lock an entry."""
    del call, table, name
    return 1


@htable.export(partial="nothing to lock: a worker runs one request at a time")
def sht_unlock(call: Call, table: str, name: str) -> int:
    """Unlock an entry."""
    del call, table, name
    return 1


# Iterators ------------------------------------------------------------------------------------------------------


@htable.export(partial=f"{_LOCAL}; the entries are those of the time it began")
def sht_iterator_start(call: Call, iterator: str, table: str) -> int:
    """Begin to go through a table: $shtitkey(iterator) and $shtitval(iterator) are where it is."""
    call.state.iterators[iterator] = iter(list(call.state.table(table).items(call.state.now())))
    call.state.iterator_items.pop(iterator, None)
    call.state.iterated[iterator] = table
    return 1


@htable.export(partial=_LOCAL)
def sht_iterator_next(call: Call, iterator: str) -> int:
    """Go to the next entry; -1 behind the last one."""
    item = next(call.state.iterators.get(iterator, iter(())), None)
    if item is None:
        call.state.iterator_items.pop(iterator, None)
        return -1
    call.state.iterator_items[iterator] = item
    return 1


def _iterated(call: Call, iterator: str) -> tuple[Table, str] | None:
    """Return the table that an iterator goes through, and the name of the entry that it is at."""
    item, table = call.state.iterator_items.get(iterator), call.state.iterated.get(iterator)
    return (call.state.table(table), item[0]) if item is not None and table is not None else None


def _set_iterated(call: Call, iterator: str, value: Value) -> int:
    found = _iterated(call, iterator)
    if found is None or not found[0].set(found[1], value, call.state.now()):
        return -1
    call.state.iterator_items[iterator] = (found[1], value)
    return 1


@htable.export(partial=_LOCAL)
def sht_iterator_sets(call: Call, iterator: str, value: str) -> int:
    """Set the entry that the iterator is at to text; -1 where it is at none."""
    return _set_iterated(call, iterator, value)


@htable.export(partial=_LOCAL)
def sht_iterator_seti(call: Call, iterator: str, value: int) -> int:
    """Set the entry that the iterator is at to a number; -1 where it is at none."""
    return _set_iterated(call, iterator, value)


@htable.export(partial=_LOCAL)
def sht_iterator_setex(call: Call, iterator: str, seconds: int) -> int:
    """Let the entry that the iterator is at live for some seconds from now; -1 where it is at none."""
    found = _iterated(call, iterator)
    if found is None:
        return -1
    found[0].touch(found[1], seconds, call.state.now())
    return 1


@htable.export(partial=_LOCAL)
def sht_iterator_rm(call: Call, iterator: str) -> int:
    """Remove the entry that the iterator is at, and go to the next: 1; -2 where that was the last, -1 without one."""
    found = _iterated(call, iterator)
    if found is None:
        return -1
    found[0].remove(found[1])
    return 1 if sht_iterator_next(call, iterator) > 0 else REMOVED_LAST


@htable.export(partial=_LOCAL)
def sht_iterator_end(call: Call, iterator: str) -> int:
    """Stop going through a table."""
    call.state.iterators.pop(iterator, None)
    call.state.iterator_items.pop(iterator, None)
    call.state.iterated.pop(iterator, None)
    return 1
