"""Single headers that change on the way, by where they stand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.proxy.edits import MAX_EDITS, Edits
from slbroker.proxy.forward import Hop
from slbroker.proxy.places import BEFORE, BEHIND, GONE, VALUE, Change
from tests.support.forwarding import TCP, Site, headers, lines_of
from tests.support.sip import request

CAME = request("INVITE", lines=[b"X-Many: 1", b"s : hello", b"x-many:  2", b"X-List: a, b", b"X-Many: 3"])


def left(*changes: Change, remove: list[bytes] | None = None) -> list[bytes]:
    """The lines that leave, from the first one behind our Via and the one below it."""
    return lines_of(Site().forward(CAME, edits=Edits(remove=remove or (), places=changes)))


def end(*changes: Change, remove: list[bytes] | None = None) -> list[bytes]:
    """The lines that leave behind Content-Length."""
    lines = left(*changes, remove=remove)
    return lines[lines.index(b"Content-Length: 0") + 1 :]


def test_the_header_that_is_meant_goes_or_has_another_value() -> None:
    assert end(Change(GONE, b"x-many", 1)) == [b"X-Many: 1", b"s : hello", b"X-List: a, b", b"X-Many: 3"]
    assert end(Change(VALUE, b"subject", 0, b"bye"), Change(VALUE, b"x-many", 1, b"q")) == [
        b"X-Many: 1", b"s : bye", b"x-many:  q", b"X-List: a, b", b"X-Many: 3",
    ]  # fmt: skip


def test_lines_stand_where_they_are_put_in_the_order_in_which_they_are_given_whatever_goes() -> None:
    assert end(
        Change(BEHIND, b"subject", 0, b"X-1:1"), Change(BEFORE, b"subject", 0, b"X-2: 2"), Change(GONE, b"subject"),
        Change(BEHIND, b"subject", 0, b"X-3: 3 "), Change(BEFORE, b"subject", 0, b"s: 4"),
        Change(BEHIND, b"", 0, b"X-5: 5"), Change(GONE, b"x-many", 0), Change(GONE, b"x-many", 1),
        Change(GONE, b"x-many", 2),
    ) == [b"X-2: 2", b"s: 4", b"X-1:1", b"X-3: 3 ", b"X-List: a, b", b"X-5: 5"]  # fmt: skip


def test_a_line_before_via_stands_above_ours() -> None:
    lines = left(Change(BEFORE, b"via", 0, b"X-Top: 1"), Change(BEHIND, b"via", 0, b"X-Below: 1"))
    assert [line.partition(b":")[0] for line in lines[1:5]] == [b"X-Top", b"Via", b"Via", b"X-Below"]


def test_beside_a_header_that_is_not_there_means_behind_all_others() -> None:
    put = (Change(BEFORE, b"x-nope", 0, b"X-1: 1"), Change(BEHIND, b"x-many", 9, b"X-2: 2"))
    nothing = (Change(GONE, b"x-nope"), Change(VALUE, b"x-many", 7, b"x"))
    assert end(*put, *nothing)[-2:] == [b"X-1: 1", b"X-2: 2"]


def test_what_is_removed_by_name_is_what_came() -> None:
    assert end(Change(BEHIND, b"", 0, b"X-List: c"), remove=[b"x-list"]) == [
        b"X-Many: 1", b"s : hello", b"x-many:  2", b"X-Many: 3", b"X-List: c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Change(GONE, b"via"), "Via|via"),
        (Change(VALUE, b"from", 0, b"<sip:x@y>"), "from"),
        (Change(BEHIND, b"subject", 0, b"Via: SIP/2.0/UDP x"), "Via"),
        (Change(BEHIND, b"subject", 0, b"l: 7"), "l is not"),
        (Change(BEHIND, b"subject", 0, b"X: 1\r\nVia: x"), "line"),
        (Change(BEHIND, b"subject", 0, b"junk"), "line"),
        (Change(BEHIND, b"subject", 0, b" X: folded"), "line"),
        (Change(BEFORE, b"", 0, b"X: 1"), "no change"),
        (Change(VALUE, b"x-a", 0, b"a\nb"), "line end"),
        (Change(VALUE, b"X-A", 0, b"a"), "x-a"),
        (Change(GONE, b"x-a", -1), "no change"),
        (Change(b"?", b"x-a"), "no change"),
        (Change(GONE, b"x-a", 0, b"text"), "no text"),
        (Change(GONE, b"x a", 0), "name"),
    ],
)
def test_what_a_proxy_leaves_alone_is_refused_and_what_could_begin_a_line_of_its_own(change: Change, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Edits(places=[change])


def test_there_is_a_limit() -> None:
    Edits(places=[Change(BEHIND, b"", 0, b"X: 1")] * MAX_EDITS)
    with pytest.raises(ValueError, match="more than"):
        Edits(places=[Change(BEHIND, b"", 0, b"X: 1")] * (MAX_EDITS + 1))


numbered = st.integers(0, 3)
anchors = st.sampled_from([b"x-many", b"subject", b"x-list", b"via", b"to"])


@given(
    st.lists(st.tuples(st.sampled_from([BEFORE, BEHIND]), anchors, numbered), max_size=8),
    st.sets(st.tuples(st.sampled_from([b"x-many", b"subject", b"x-list"]), numbered)),
)
def test_every_line_leaves_once_and_nothing_else_moves(
    put: list[tuple[bytes, bytes, int]], gone: set[tuple[bytes, int]]
) -> None:
    changes = [Change(kind, name, number, b"X-Put: %d" % at) for at, (kind, name, number) in enumerate(put)]
    lines = left(*changes, *(Change(GONE, *one) for one in gone))
    assert sorted(line for line in lines if line.startswith(b"X-Put")) == sorted(change.text for change in changes)
    others = [line for line in lines if not line.startswith(b"X-Put")]
    plain = left(*(Change(GONE, *one) for one in gone))
    assert others == plain


# Hops and parameters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "hops", "leaves"),
    [
        ("70", 10, b"10"),
        ("70", 69, b"69"),
        ("70", 255, b"69"),
        ("5", 10, b"4"),
        ("255", 70, b"70"),
        (None, 10, b"10"),
        (None, 99, b"70"),
    ],
)
def test_hops_only_become_fewer(came: str | None, hops: int, leaves: bytes) -> None:
    sent = Site().forward(request(max_forwards=came), edits=Edits(hops=hops))
    assert headers(sent, b"max-forwards") == [b"Max-Forwards: " + leaves]


def test_parameters_stand_in_each_record_route_behind_all_others() -> None:
    site = Site()
    onward = site.receive(request("INVITE"))
    sent = onward.to(Hop(TCP, "10.0.0.5", 5060), Edits(rr_params=b";ftag=1;nat=yes"), record_route=True)
    assert [re.sub(rb"sip:[^@]*@", b"sip:", line) for line in headers(sent, b"record-route")] == [
        b"Record-Route: <sip:192.0.2.7:5060;transport=tcp;r2=on;lr;ftag=1;nat=yes>",
        b"Record-Route: <sip:192.0.2.7:5060;r2=on;lr;ftag=1;nat=yes>",
    ]


@pytest.mark.parametrize("params", [b"nat=yes", b";a>", b";a b", b";", b";a=", b";a\r\n", b";a,b", b";a;", b';"x"'])
def test_what_are_no_parameters_is_refused(params: bytes) -> None:
    with pytest.raises(ValueError, match="parameters"):
        Edits(rr_params=params)


@pytest.mark.parametrize("hops", [-1, 256])
def test_no_number_of_hops_is_refused(hops: int) -> None:
    with pytest.raises(ValueError, match="Max-Forwards"):
        Edits(hops=hops)
