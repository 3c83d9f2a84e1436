"""The corpus itself: nothing is missing, and what the RFCs say of the messages' form holds."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.torture.case import Case, Stream
from tests.torture.corpus import CASES, RFC4475, RFC5118
from tests.torture.live import with_rport

# RFC 4475, and 5118, in their order. No list can be shortened without a line here.
NAMES_4475 = [
    "wsinv", "intmeth", "esc01", "escnull", "esc02", "lwsdisp", "longreq", "dblreq", "semiuri", "transports",
    "mpart01", "unreason", "noreason", "badinv01", "clerr", "ncl", "scalar02", "scalarlg", "quotbal", "ltgtruri",
    "lwsruri", "lwsstart", "trws", "escruri", "baddate", "regbadct", "badaspec", "baddn", "badvers", "mismatch01",
    "mismatch02", "bigcode", "badbranch", "insuf", "unkscm", "novelsc", "unksm2", "bext01", "invut", "regaut01",
    "multi01", "mcl01", "bcast", "zeromf", "cparam01", "cparam02", "regescrt", "sdp01", "inv2543",
]  # fmt: skip
NAMES_5118 = [
    "ipv6-good", "ipv6-bad", "port-ambiguous", "port-unambiguous", "via-received-param-with-delim",
    "via-received-param-without-delim", "ipv6-in-sdp", "mult-ip-in-header", "mult-ip-in-sdp", "ipv4-mapped-ipv6",
    "ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons",
]  # fmt: skip
# Whose body is not as long as they say, which is what they are there for.
LENGTH_IS_THE_POINT = {"dblreq", "clerr", "ncl", "mcl01"}


def test_all_names_are_there() -> None:
    assert list(RFC4475) == NAMES_4475
    assert len(NAMES_4475) == 49
    assert list(RFC5118) == NAMES_5118


def test_the_sections_are_the_rfcs() -> None:
    """3.1.1 has 13 messages, 3.1.2 has 19, 3.2 one, 3.3 has 15, 3.4 one; each a section of its own."""
    sections = [case.section for case in RFC4475.values()]
    assert len(set(sections)) == 49
    chapters = Counter(section.rpartition(".")[0] for section in sections)
    assert chapters == {"3.1.1": 13, "3.1.2": 19, "3.2": 1, "3.3": 15, "3.4": 1}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_form(case: Case) -> None:
    head, empty_line, body = case.data.partition(b"\r\n\r\n")
    assert empty_line
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", head)
    assert (case.kind == "response") == (not case.allows)
    lengths = re.findall(rb"(?i)\r\n(?:content-length|l)[ \t]*:[ \t]*(-?\d+)", head)
    if case.name not in LENGTH_IS_THE_POINT:
        assert [int(length) for length in lengths] == ([] if case.name == "inv2543" else [len(body)])
    assert with_rport(case.data).count(b";rport") == case.data.count(b";rport") + 1


def test_what_the_rfc_prints_as_hex() -> None:
    assert b'"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"' in CASES["intmeth"].data
    assert '="работающий";'.encode() in CASES["intmeth"].data
    assert b":\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb\r\n" in CASES["intmeth"].data
    assert b"\x30\x82\x01\x52\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" in CASES["mpart01"].data
    assert CASES["longreq"].data.lower().count(b"sip/2.0/tcp") == 34
    assert [name for name, case in CASES.items() if case.stream is not Stream.SAME] == [
        "dblreq", "clerr", "ncl", "mcl01", "inv2543",
    ]  # fmt: skip
