"""URIs and addresses as scripts see them: as written."""

from __future__ import annotations

import pytest

from slbroker_handlers.kemi.uris import NOBODY, NameAddr, read_address, split_list, split_uri


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("sip:h", ("sip", "", "", "h", "", "", "")),
        ("SIP:a%20b:p:w@H.Example:5070;x=1;y?q=1", ("sip", "a%20b", "p:w", "H.Example", "5070", ";x=1;y", "?q=1")),
        ("sips:a@[2001:db8::1]:1", ("sips", "a", "", "[2001:db8::1]", "1", "", "")),
        ("tel:+49-30;phone-context=x", ("tel", "+49-30", "", "", "", ";phone-context=x", "")),
        ("urn:service:sos", ("urn", "service", "", "sos", "", "", "")),
        ("urn:x;y", ("urn", "", "", "x", "", ";y", "")),
    ],
)
def test_a_uri_in_parts_and_together_again(uri: str, parts: tuple[str, ...]) -> None:
    found = split_uri(uri)
    assert found == (*parts, "")
    assert str(found).lower() == uri.lower()


@pytest.mark.parametrize(
    "text",
    ["", "sip", "sip:", "sip:@h", "sip:a@", "sip:a@b@c", "sip:a@h:65536", "sip:a b@h", "sip:a@h\n", "http://h", "tel:"],
)
def test_what_is_no_uri(text: str) -> None:
    assert split_uri(text) is None


@pytest.mark.parametrize(
    ("uri", "user", "user_params", "kind"),
    [
        ("sip:+49;tgrp=x;y@h;user=phone", "+49", ";tgrp=x;y", "tel"),
        ("sips:+49;tgrp=x:pw@h;user=phone;z", "+49", ";tgrp=x", "tel"),
        ("sip:+49;tgrp=x@h", "+49;tgrp=x", "", "sip"),
        ("sip:+49;tgrp=x@h;user=ip", "+49;tgrp=x", "", "sip"),
        ("sip:a@h;x=user=phone", "a", "", "sip"),
    ],
)
def test_a_telephones_sip_uri_has_parameters_in_its_user(uri: str, user: str, user_params: str, kind: str) -> None:
    parts = split_uri(uri)
    assert parts is not None
    assert (parts.user, parts.user_params, parts.kind, str(parts)) == (user, user_params, kind, uri)


@pytest.mark.parametrize(
    ("uri", "with_user", "with_host"),
    [
        ("sip:a:pw@h:5;x?y", "sip:u:pw@h:5;x?y", "sip:a:pw@g:5;x?y"),
        ("tel:+49;x=y", "tel:u;x=y", "sip:+49;x=y@g;user=phone"),
        ("urn:service:sos", "sip:u", "sip:service@g"),
    ],
)
def test_another_user_and_another_host(uri: str, with_user: str, with_host: str) -> None:
    parts = split_uri(uri)
    assert parts is not None
    assert (parts.with_user("u"), parts.with_host("g")) == (with_user, with_host)


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ('"A, B" <sip:a@h,x>;q=1 , <sip:b@h>', ['"A, B" <sip:a@h,x>;q=1', "<sip:b@h>"]),
        ("", []),
        ("a,,b,", ["a", "b"]),
        ('a, "open, x', ["a", '"open, x']),
        ("a, <open, x", ["a", "<open, x"]),
    ],
)
def test_the_entries_of_a_list(value: str, entries: list[str]) -> None:
    assert split_list(value) == entries


def test_parameters_by_name() -> None:
    parts = split_uri("sip:a@h;Transport=tcp;lr;x=")
    assert parts is not None
    assert [parts.param(name) for name in ("transport", "LR", "x", "none")] == ["tcp", "", "", None]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (b"sip:a@h;tag=1", ("", "sip:a@h", "1")),
        (b"<sip:a@h>", ("", "sip:a@h", "")),
        (b" Al <sip:a@h>;tag=1", ("Al", "sip:a@h", "1")),
        (b'"A \\" <B" <sip:a@h;x>;tag=1', ('"A \\" <B"', "sip:a@h;x", "1")),
        (b'sip:a@h;x="<"', ("", "sip:a@h", "")),
        (b"<sip:a@h>, <sip:b@h>", ("", "sip:a@h", "")),
        (b"*", ("", "*", "")),
    ],
)
def test_an_address_in_parts(value: bytes, parts: tuple[str, str, str]) -> None:
    assert read_address(value) == NameAddr(*parts)


@pytest.mark.parametrize("value", [None, b"", b"<sip:a", b'"a <sip:a@h>', b"<a>;tag=;tag"])
def test_what_is_no_address(value: bytes | None) -> None:
    assert read_address(value) == NOBODY


SPACES = b" " * 60_000


@pytest.mark.parametrize(
    "value",
    [
        SPACES,
        b"sip:a@h" + SPACES,
        b"A" + SPACES + b"<sip:a@h>",
        b"sip:a@h;x" + SPACES + b";y",
        b'"' * 60_000,
        b"<" * 60_000,
    ],
)
def test_a_hostile_value_takes_linear_time(value: bytes) -> None:
    """Within the time limit of a test: a quadratic reading of 60,000 bytes takes minutes."""
    for _ in range(50):
        read_address(value)
        split_uri(value.decode())
        split_list(value.decode())
