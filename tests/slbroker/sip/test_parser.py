"""What the edge reads, what it answers with an error, and what it leaves unanswered."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import sipmessage

from slbroker.errors import Drop
from slbroker.sip import grammar
from slbroker.sip.parser import BadRequest, parse
from tests.support.sip import SIPP_ACK, TYPICAL, request, split_list, wire

# What is read ---------------------------------------------------------------------------------------------------


def test_a_message_holds_what_was_sent() -> None:
    message = parse(TYPICAL["phone_invite"])
    assert message.method == b"INVITE"
    assert message.uri == b"sip:+4930123456@example.com;user=phone"
    assert (message.call_id, message.from_tag, message.to_tag, message.cseq) == (b"9c7f0a1e", b"3f2a", b"", 4711)
    assert message.headers[::2] == [
        b"via", b"from", b"to", b"call-id", b"cseq", b"contact", b"max-forwards", b"supported", b"session-expires",
        b"content-type", b"content-length",
    ]  # fmt: skip
    assert message.first(b"supported") == b"replaces, 100rel, timer"
    assert message.body.startswith(b"v=0\r\n")
    assert len(message.body) == int(message.first(b"content-length") or 0)


@pytest.mark.parametrize("data", [*TYPICAL.values(), SIPP_ACK], ids=[*TYPICAL, "sipp_ack"])
def test_another_parser_reads_the_same(data: bytes) -> None:
    unfolded = data.replace(b"\r\n ", b" ")
    other = sipmessage.Message.parse(unfolded)
    assert isinstance(other, sipmessage.Request)
    message = parse(data)
    assert (message.method.decode(), message.body) == (other.method, other.body)
    assert (message.call_id.decode(), message.cseq) == (other.call_id, other.cseq.sequence)
    assert message.from_tag.decode() == other.from_address.parameters.get("tag", "")
    assert message.to_tag.decode() == other.to_address.parameters.get("tag", "")
    vias = [via for value in message.all(b"via") for via in split_list(value)]
    assert [sipmessage.Via.parse(via.decode()) for via in vias] == other.via


READABLE = {
    "one CRLF in front": b"\r\n" + request(),
    "many CRLFs in front": b"\r\n" * 1_000 + request(),
    "NULs and blanks in front": b"\x00\x00 \r\n\t" + request(),
    "version in odd case": request(version="sIp/2.0"),
    "scheme in odd case": request(uri="SiP:bob@example.com"),
    "tel": request(uri="tel:+4930123456"),
    "urn": request(uri="urn:service:sos"),
    "URI with UTF-8": request(uri="sip:zoë@example.com"),
    "odd method": request("!interesting-Method0123456789_*+`.%indeed'~"),
    "lower-case method is another method": request("ack"),
    "no Content-Length": request(content_length=None, body=b"v=0\r\n"),
    "Content-Length with zeros": request(content_length="0000000005", body=b"v=0\r\n"),
    "bytes behind the body": request(content_length="5", body=b"v=0\r\ntrailing"),
    "empty lines in the body": request(body=b"\r\n\r\n\r\n"),
    "NUL in the body": request(body=b"\x00" * 9),
    "bare CR and LF in the body": request(body=b"\r\n\n\r\r"),
    "no Max-Forwards": request(max_forwards=None),
    "no tag in From (RFC 2543)": request(from_="<sip:a@example.com>"),
    "no branch (RFC 2543)": request(via="SIP/2.0/UDP 192.0.2.1"),
    "names in odd case": request().replace(b"Via:", b"vIA:").replace(b"CSeq:", b"CSEQ:"),
    "white space before the colon": request().replace(b"Via:", b"Via \t :"),
    "no white space behind the colon": request().replace(b": ", b":"),
    "spaces between words": request(uri=" sip:bob "),
    "space behind": request(version="SIP/2.0 "),
    "line without colon": request(lines=[b"no colon"]),
    "line without name": request(lines=[b": value"]),
    "name no token": request(lines=[b"My Header: x"]),
    "the same Max-Forwards twice": request(max_forwards=["70", "70"]),
    "the same Content-Length twice": request(content_length=["0", "0"]),
    "an empty Content-Length": request(content_length=""),
    "zeros before a CSeq": request(cseq=f"{'0' * 20}1 OPTIONS"),
    "zeros before a Content-Length": request(content_length="0" * 20),
    "a From's tag that is no token": request(from_="<sip:a@b>;tag=a(1.6)=@[::1]/x"),
    "much white space": request(cseq="1 \t OPTIONS \t ", call_id=" \t x"),
    "folded": request(cseq="0009\r\n \tOPTIONS", subject="a\r\n b\r\n\tc", from_="\r\n <sip:a@b>;\r\n tag=1"),
    "blank line of a fold": request(subject="a\r\n \r\n b"),
    "highest CSeq": request(cseq="2147483647 OPTIONS"),
    "CSeq zero": request(cseq="0 OPTIONS"),
    "empty value": request(subject=""),
    "unknown header without value": request(lines=[b"X-Nothing:"]),
    "colons in the value": request(lines=[b"X-Colons: a:b::"]),
    "NUL in a quoted pair": request(to=b'"NUL:\\\x00" <sip:bob@example.com>'),
    "Latin-1": request(subject=b"caf\xe9"),
    "as many headers as allowed": request(lines=[b"X: 1"] * (grammar.MAX_HEADERS - 7)),
}


@pytest.mark.parametrize("data", READABLE.values(), ids=READABLE)
def test_readable(data: bytes) -> None:
    message = parse(data)
    assert message.method
    assert message.call_id
    assert not any(byte in value for value in message.headers for byte in b"\r\n")


BODIES = {
    "no Content-Length: all": (None, b"abc", b"abc"),
    "exact": ("3", b"abc", b"abc"),
    "shorter: the rest is discarded": ("2", b"abc", b"ab"),
    "zero": ("0", b"abc", b""),
    "white space around": (" \t3 \t", b"abc", b"abc"),
}


@pytest.mark.parametrize(("length", "sent", "read"), BODIES.values(), ids=BODIES)
def test_the_body_is_as_long_as_content_length_says(length: str | None, sent: bytes, read: bytes) -> None:
    assert parse(request(content_length=length, body=sent)).body == read


def test_a_folded_value_equals_the_same_value_on_one_line() -> None:
    folded = parse(request(subject="I know\r\n \t you're there,\r\n\tpick up"))
    assert folded.first(b"subject") == b"I know you're there, pick up"


# What is answered with an error ---------------------------------------------------------------------------------


class Fault(NamedTuple):
    """A broken request and the answer to it."""

    name: str
    data: bytes
    reason: str
    status: int = 400


LINE = "Bad Request Line"
CSEQ = "Bad CSeq Header"
LENGTH = "Bad Content-Length Header"

FAULTS = [
    Fault("no version", request().replace(b" SIP/2.0\r\n", b"\r\n", 1), LINE),
    Fault("four words", request(uri="sip:bob; lr"), LINE),
    Fault("tabs between words", request().replace(b"OPTIONS sip", b"OPTIONS\tsip"), LINE),
    Fault("folded request line", request(version="SIP/2.0\r\n x"), LINE),
    Fault("method no token", request("OPT(IONS"), LINE),
    Fault("method with NUL", request(b"OPT\x00IONS"), LINE),
    Fault("method empty", request(""), LINE),
    Fault("version of another protocol", request(version="HTTP/1.1"), LINE),
    Fault("version without digits", request(version="SIP/x.y"), LINE),
    Fault("version in other digits", request(version="SIP/\N{ARABIC-INDIC DIGIT TWO}.0"), LINE),
    Fault("later version", request(version="SIP/7.0"), "Version Not Supported", 505),
    Fault("earlier version", request(version="sip/1.0"), "Version Not Supported", 505),
    Fault("URI in brackets", request(uri="<sip:bob@example.com>"), "Bad Request-URI"),
    Fault("URI without scheme", request(uri="bob@example.com"), "Bad Request-URI"),
    Fault("URI empty behind the scheme", request(uri="sip:"), "Bad Request-URI"),
    Fault("URI with NUL", request(uri=b"sip:bob\x00"), "Bad Request-URI"),
    Fault("unknown scheme", request(uri="nobodyKnowsThisScheme:totallyopaque"), "Unsupported URI Scheme", 416),
    Fault("scheme of another protocol", request(uri="soap.beep://192.0.2.103:3002"), "Unsupported URI Scheme", 416),
    Fault("no empty line", request(content_length=None)[:-2], "Missing Empty Line After Headers"),
    Fault("cut within a header", request()[:-8], "Missing Empty Line After Headers"),
    Fault("value cut in two", request(subject='"a', lines=[b'", b']), "Bad Header Line"),
    Fault("name with a quote", request(lines=[b'", realm="sip:x"']), "Bad Header Line"),
    Fault("name with NUL", request(lines=[b"X\x00: x"]), "Bad Header Line"),
    Fault("too many headers", request(lines=[b"X: 1"] * (grammar.MAX_HEADERS - 6)), "Too Many Headers"),
    Fault("no From", request(from_=None), "Missing From Header"),
    Fault("empty From", request(from_=""), "Missing From Header"),
    Fault("no To", request(to=None), "Missing To Header"),
    Fault("no Call-ID", request(call_id=None), "Missing Call-ID Header"),
    Fault("blank Call-ID", request(call_id=" \t"), "Missing Call-ID Header"),
    Fault("no CSeq", request(cseq=None), "Missing CSeq Header"),
    Fault("two From", request(from_=["<sip:a@b>", "<sip:a@b>"]), "Repeated From Header"),
    Fault("two To, one compact", request(lines=[b"t: <sip:a@b>"]), "Repeated To Header"),
    Fault("two Call-ID", request(call_id=["1", "1"]), "Repeated Call-ID Header"),
    Fault("two CSeq", request(cseq=["1 OPTIONS", "1 OPTIONS"]), "Repeated CSeq Header"),
    Fault("two Max-Forwards", request(max_forwards=["70", "71"]), "Repeated Max-Forwards Header"),
    Fault("two Content-Length", request(content_length=["0", "00"]), "Repeated Content-Length Header"),
    Fault("two Content-Length, one hidden", request(lines=[b"L \t: 9"]), "Repeated Content-Length Header"),
    Fault("several twice", request(lines=[b"i: 1", b"t: <sip:a@b>"]), "Repeated To Header"),
    Fault("CSeq of another method", request(cseq="1 INVITE"), "CSeq Method Differs From Request Line"),
    Fault("CSeq in another case", request(cseq="1 options"), "CSeq Method Differs From Request Line"),
    Fault("CSeq without method", request(cseq="1"), CSEQ),
    Fault("CSeq without number", request(cseq="OPTIONS"), CSEQ),
    Fault("CSeq too high", request(cseq="2147483648 OPTIONS"), CSEQ),
    Fault("CSeq of 11 digits", request(cseq="10000000001 OPTIONS"), CSEQ),
    Fault("CSeq of zeros", request(cseq=f"{'0' * 5_000}1 OPTIONS"), CSEQ),
    Fault("CSeq of 4301 digits", request(cseq="1" * 4_301 + " OPTIONS"), CSEQ),
    Fault("CSeq signed", request(cseq="+1 OPTIONS"), CSEQ),
    Fault("CSeq underscored", request(cseq="1_0 OPTIONS"), CSEQ),
    Fault("CSeq in other digits", request(cseq="\N{ARABIC-INDIC DIGIT TWO} OPTIONS"), CSEQ),
    Fault("CSeq list", request(cseq="1 OPTIONS, 2 OPTIONS"), CSEQ),
    Fault("Content-Length negative", request(content_length="-999"), LENGTH),
    Fault("Content-Length signed", request(content_length="+0"), LENGTH),
    Fault("Content-Length underscored", request(content_length="0_0"), LENGTH),
    Fault("Content-Length list", request(content_length="0, 0"), LENGTH),
    Fault("Content-Length of 4301 digits", request(content_length="1" * 4_301), LENGTH),
    Fault("Content-Length beyond the datagram", request(content_length="1"), "Content-Length Larger Than Message"),
    Fault("From is no address", request(from_='"Bob <sip:a@b>'), "Unclosed Quote In Address"),
    Fault("To has two tags", request(to="<sip:a@b>;tag=1;tag=2"), "Two Tags"),
    Fault("From tag is empty", request(from_="<sip:a@b>;tag="), "Bad Tag"),
    Fault("the first fault counts", request(uri="x", cseq=None, lines=[b"x"]), "Bad Request-URI"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_answered(fault: Fault) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(fault.data)
    assert (caught.value.status, caught.value.reason) == (fault.status, fault.reason)
    message = caught.value.message
    assert message.first(b"via") == b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds"
    for name in grammar.SINGLE_HEADERS:
        assert len(message.all(name)) <= 1
    assert message.body == b""


CALL_ID, TAG = b"a84b4c76e66710@192.0.2.1", b"1928301774"
PARTIAL = {
    "all but the fault": (request(lines=[b'"']), CALL_ID, TAG, b"", 1),
    "From unreadable": (request(from_="<"), CALL_ID, b"?", b"", 1),
    "To unreadable, so it gets no tag of ours": (request(to="<"), CALL_ID, TAG, b"?", 1),
    "To has a tag": (request(to="<sip:a@b>;tag=9", lines=[b'"']), CALL_ID, TAG, b"9", 1),
    "two Call-ID, so the first": (request(call_id=["1", "2"]), b"1", TAG, b"", 1),
    "no Call-ID": (request(call_id=None), b"", TAG, b"", 1),
    "CSeq too high": (request(cseq="9999999999 OPTIONS"), CALL_ID, TAG, b"", grammar.MAX_CSEQ),
    "CSeq unreadable": (request(cseq="x"), CALL_ID, TAG, b"", 0),
}


@pytest.mark.parametrize("case", PARTIAL.values(), ids=PARTIAL)
def test_a_broken_request_is_read_as_far_as_it_goes(case: tuple[bytes, bytes, bytes, bytes, int]) -> None:
    data, *fields = case
    with pytest.raises(BadRequest) as caught:
        parse(data)
    message = caught.value.message
    assert [message.call_id, message.from_tag, message.to_tag, message.cseq] == fields


# What is left unanswered ----------------------------------------------------------------------------------------

SILENT = {
    "nothing": (b"", "keepalive"),
    "CRLF": (b"\r\n", "keepalive"),
    "double CRLF": (b"\r\n\r\n", "keepalive"),
    "bare LF": (b"\n", "keepalive"),
    "one NUL": (b"\x00", "keepalive"),
    "four NULs": (b"\x00" * 4, "keepalive"),
    "blanks": (b" \t\r\n\x00 ", "keepalive"),
    "STUN binding request": (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"x" * 12, "stun"),
    "STUN binding response": (b"\x01\x01\x00\x00\x21\x12\xa4\x42" + b"\r\n" * 6, "stun"),
    "text keepalive": (b"jaK\x00", "no-via"),
    "RTP": (b"\x80\x00\x00\x01" + bytes(160), "no-via"),
    "response": (wire("SIP/2.0 200 OK", "Via: SIP/2.0/UDP a"), "response"),
    "response in odd case": (wire("sIp/2.0 200 OK", "Via: SIP/2.0/UDP a"), "response"),
    "response of another version": (wire("SIP/3.0 200 OK", "Via: SIP/2.0/UDP a"), "response"),
    "response behind CRLF": (b"\r\n\r\n" + wire("SIP/2.0 200 OK", "Via: SIP/2.0/UDP a"), "response"),
    "response behind blanks": (b"\r\n \x00\t" + wire("SIP/2.0 200 OK", "Via: SIP/2.0/UDP a"), "response"),
    "response, nothing more": (b"SIP/", "response"),
    "no Via": (request(via=None), "no-via"),
    "Via that is no header": (request(via=None, lines=[b"Vi a: SIP/2.0/UDP a"]), "no-via"),
    "no Via within the limit": (request(via=None, lines=[*[b"X: 1"] * 300, b"Via: SIP/2.0/UDP a"]), "no-via"),
    "Via in the body only": (request(via=None, body=b"Via: SIP/2.0/UDP a\r\n\r\n"), "no-via"),
    "LF line ends": (request().replace(b"\r\n", b"\n"), "bare-crlf"),
    "bare LF in a value": (request(subject="a\nVia: x"), "bare-crlf"),
    "bare CR in a value": (request(subject="a\rVia: x"), "bare-crlf"),
    "bare CR in the request line": (request(uri="sip:a\rb"), "bare-crlf"),
    "CR CR LF": (request(subject="a\r"), "bare-crlf"),
    "LF folded": (request(subject="a\n b"), "bare-crlf"),
}


@pytest.mark.parametrize(("data", "cause"), SILENT.values(), ids=SILENT)
def test_silence(data: bytes, cause: str) -> None:
    with pytest.raises(Drop) as caught:
        parse(data)
    assert caught.value.cause == cause


BROKEN_ACKS = {
    "CSeq says INVITE": request("ACK", cseq="1 INVITE"),
    "only CSeq says ACK": request("INVITE", cseq="1 ACK"),
    "CSeq missing": request("ACK", cseq=None),
    "CSeq unreadable": request("INVITE", cseq="ACK 1"),
    "CSeq with a comment": request("INVITE", cseq="1 ACK (bye)"),
    "CSeq too high": request("INVITE", cseq="99999999999 ACK"),
    "second CSeq says ACK": request("INVITE", cseq=["1 INVITE", "1 ACK"]),
    "compact, spaced": request("INVITE", cseq=None, lines=[b"CSEQ \t:1  ACK"], to="<"),
    "no empty line": request("ACK")[:-2],
    "later version": request("ACK", version="SIP/3.0"),
    "no version": request("ACK").replace(b" SIP/2.0\r\n", b"\r\n", 1),
    "nothing but the method": request("ACK", cseq=None).replace(b" sip:bob@example.com SIP/2.0", b"", 1),
    "tab behind the method": request("ACK", cseq=None).replace(b"ACK ", b"ACK\t", 1),
    "folded behind the method": request("ACK", cseq=None).replace(b"ACK ", b"ACK\r\n ", 1),
    "blank in front": b" \r\n " + request("ACK", cseq=None),
    "NUL in front": b"\x00" + request("ACK", cseq=None),
    "unknown scheme": request("ACK", uri="x:y"),
    "no To": request("ACK", to=None),
    "header line broken": request("ACK", lines=[b'"']),
    "too many headers": request("ACK", lines=[b"X: 1"] * 300),
    "body too short": request("ACK", content_length="1"),
    "repeated": request("ACK", call_id=["1", "2"]),
}


@pytest.mark.parametrize("data", BROKEN_ACKS.values(), ids=BROKEN_ACKS)
def test_a_broken_ack_is_never_answered(data: bytes) -> None:
    with pytest.raises(Drop) as caught:
        parse(data)
    assert caught.value.cause == "bad-ack"
