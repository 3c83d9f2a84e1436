"""An edge that remembers says what one that does not would say: random plugins, random requests, the same bytes."""

from __future__ import annotations

import copy
import gc
import os
import resource
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slbroker import Handlers, Request
from slbroker.bus.choice import ANY
from slbroker.bus.envelope import pack_request
from slbroker.bus.fields import key_of, reader_of
from slbroker.bus.jobs import Job
from slbroker.bus.memo import WANTED, Memo, pack_memo
from slbroker.errors import Drop
from slbroker.sip.message import Source
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.reply import build_reply
from slbroker.sip.validate import USUAL
from slbroker.stats import Fates
from slbroker.twins import definition
from slbroker_edge import remembered
from slbroker_edge.reader import read
from slbroker_edge.recall import Table
from slbroker_edge.remembered import Remembered
from tests.support.edge import SIGNER, FakeListener, Rig
from tests.support.sip import TYPICAL, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin.kinds import Decision
    from slbroker.sip.reading import Address

# What a handler may look at, each with something to compare it to.
LOOKS: list[tuple[Callable[[Request], object], object]] = [
    (lambda request: request.method, "INVITE"),
    (lambda request: str(request.uri), "sip:bob@example.com"),
    (lambda request: request.uri.user, "bob"),
    (lambda request: request.uri.decoded_user, "bob"),
    (lambda request: request.uri.host, "example.com"),
    (lambda request: request.uri.port, 5060),
    (lambda request: request.uri.params.get("transport"), "tcp"),
    (lambda request: request.uri.scheme, "sips"),
    (lambda request: request.uri == request.to_uri, True),
    (lambda request: request.from_uri != request.to_uri, False),
    (lambda request: copy.copy(request.to_address).display, "Bob"),
    (lambda request: copy.deepcopy(request.headers).get("Subject"), "1"),
    (lambda request: "%s %s %s" % request.source, "192.0.2.1 5060 udp:192.0.2.7:5060"),  # noqa: UP031
    (lambda request: request.headers.get("no such"), "1"),
    (lambda request: request.from_uri.user, "alice"),
    (lambda request: request.from_uri.host, "example.org"),
    (lambda request: request.from_address.display, "Alice"),
    (lambda request: request.to_uri.user, "bob"),
    (lambda request: request.is_initial, True),
    (lambda request: request.to_tag, ""),
    (lambda request: request.headers.get("Subject"), "1"),
    (lambda request: request.headers.get_all("Subject"), ["1", "2"]),
    (lambda request: "Subject" in request.headers, True),
    (lambda request: request.user_agent, "friendly-scanner"),
    (lambda request: request.max_forwards, 70),
    (lambda request: request.supported, ["path"]),
    (lambda request: [str(one.uri) for one in request.contacts], ["sip:alice@192.0.2.1"]),
    (lambda request: request.body, b""),
    (lambda request: request.source.host, "192.0.2.1"),
    (lambda request: request.source.transport, "tls"),
    (lambda request: request.is_from("192.0.2.0/24", "2001:db8::/32"), True),
    (lambda request: request.call_id, "call-1"),
    (lambda request: request.cseq, 1),
]
ANSWERS: list[Callable[[Request], Decision]] = [
    lambda request: request.reply(404),
    lambda request: request.reply(200, headers={"X-User": request.uri.user or "-"}),
    lambda request: request.reply(486, body=request.body or b"-", headers={"Content-Type": "text/plain"}),
    lambda request: request.drop(),
    lambda request: request.reply(100),
    lambda request: request.redirect(f"sip:{request.uri.user or 'x'}@gw"),
    lambda request: [request.reply(180), request.reply(486)],
    lambda request: request.reply(403, remember=0),
    lambda request: (request.reply(403, remember=5), request.reply(410))[1],
    lambda request: request.reply_error(),
]
# A handler asks one thing after the other, and gives an answer at the first that is so.
trees = st.lists(st.tuples(st.integers(0, len(LOOKS) - 1), st.integers(0, len(ANSWERS) - 1)), max_size=5).flatmap(
    lambda steps: st.tuples(st.just(steps), st.integers(0, len(ANSWERS) - 1))
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from(["bob", "b*", ("bob", "carol")]),
        "domain": st.sampled_from(["example.com", "*.com"]),
        "source": st.sampled_from(["192.0.2.0/24", "198.51.100.1"]),
        "transport": st.sampled_from(["udp", ("tls", "tcp")]),
        "header": st.sampled_from(["Subject", "Subject: 1", "User-Agent: *scanner*"]),
    },
)
routes = st.lists(st.tuples(st.sampled_from(["INVITE", "OPTIONS"]), conditions, trees, st.booleans()), max_size=4)
hooks = st.lists(st.tuples(st.integers(0, len(LOOKS) - 1), st.integers(0, len(ANSWERS) - 1)), max_size=2)

requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["INVITE", "OPTIONS", "MESSAGE"]),
        "uri": st.sampled_from(
            ["sip:bob@example.com", "sip:bob@example.com:5060", "sip:BOB@EXAMPLE.com", "sip:carol@example.com",
             "sips:b%6fb@example.com;transport=tcp", "sip:example.com", "tel:+49;x=1", "sip:bob@[2001:DB8::1]"]
        ),
        "from_": st.sampled_from(
            ["<sip:alice@example.org>;tag=a", '"Alice" <sip:alice@example.org>;tag=a', "Alice <sip:x@y>;tag=b",
             "sip:alice@example.org;tag=c", '"A \\" <b>" <sip:alice@example.net>;tag=d']
        ),
        "to": st.sampled_from(["<sip:bob@example.com>", "<sip:bob@example.com>;tag=theirs", "Bob <sip:x@y>"]),
    },
    optional={
        "subject": st.sampled_from(["1", "2", ["1", "2"], ""]),
        "user_agent": st.sampled_from(["friendly-scanner", "a phone"]),
        "supported": st.sampled_from(["path", "Path, gruu"]),
        "max_forwards": st.sampled_from(["69", "x", None]),
        "contact": st.sampled_from(["<sip:alice@192.0.2.1>", "<sip:alice", "*"]),
        "body": st.sampled_from([b"", b"v=0\r\n"]),
        "record_route": st.just("<sip:p1.example.com;lr>"),
        "timestamp": st.just("7"),
    },
)  # fmt: skip
places = st.tuples(
    st.sampled_from(["192.0.2.1", "192.0.2.2", "198.51.100.1"]),
    st.sampled_from(["udp:192.0.2.7:5060", "tls:192.0.2.7:5061"]),
)


def plugin_of(given_routes: Any, given_hooks: Any, rest: Any, remember: float | None) -> Handlers:
    """The same plugin, with and without its decisions remembered."""
    app = Handlers()

    def handler_of(tree: Any) -> Callable[[Request], Decision]:
        steps: list[tuple[int, int]] = tree[0]
        last: int = tree[1]

        def handle(request: Request) -> Decision:
            for look, answer in steps:
                read_it, wanted = LOOKS[look]
                if read_it(request) == wanted:
                    return ANSWERS[answer](request)
            return ANSWERS[last](request)

        return handle

    def hook_of(look: int, answer: int) -> Callable[[Request], Decision | None]:
        read_it, wanted = LOOKS[look]
        return lambda request: ANSWERS[answer](request) if read_it(request) == wanted else None

    for look, answer in given_hooks:
        app.before(hook_of(look, answer))
    for method, given_conditions, tree, is_remembered in given_routes:
        seconds = remember if is_remembered else None
        app.on(method, remember=seconds, **given_conditions)(handler_of(tree))
    if remember is None:
        app.otherwise(handler_of(rest))
    else:
        app.otherwise(remember=remember)(handler_of(rest))
    return app


numbers = count(1)


@settings(max_examples=int(os.environ.get("SLBROKER_TEST_ALIKE", "120")), deadline=None)
@given(routes, hooks, trees, st.lists(st.tuples(requests, places), min_size=1, max_size=12))
def test_an_edge_that_remembers_says_the_same(
    given_routes: Any, given_hooks: Any, rest: Any, asked: list[tuple[dict[str, Any], tuple[str, str]]]
) -> None:
    rigs = []
    for remember in (None, 3_000.0):
        rig = Rig()
        rig.join(plugin_of(given_routes, given_hooks, rest, remember))
        rigs.append(rig)
    listeners = {name: FakeListener(name) for name in ("udp:192.0.2.7:5060", "tls:192.0.2.7:5061")}
    for given_headers, (host, listen) in asked * 2:
        number = next(numbers)
        headers = dict(given_headers)
        own: dict[str, Any] = {
            "via": f"SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK{number}",
            "call_id": f"call-{number}",
            "cseq": f"{number} {headers['method']}",
        }
        data = request(**headers, **own)
        said = []
        for rig in rigs:
            listener = listeners[listen]
            listener.sent.clear()
            rig.receive(data, source=(host, 5060), listener=listener)
            said.append(list(listener.sent))
        assert said[0] == said[1], data
    plain, remembering = (rig.shown() for rig in rigs)
    remembering.pop("remembered", 0)
    assert plain == remembering


# The compiled table and the one in Python -----------------------------------------------------------------------

PARTS = ("scheme", "user", "password", "host", "port", "params", "headers", "opaque")
FIELDS = [
    "uri", "initial", "body", "source.host", "source.transport", "source.listen",
    "source.in:192.0.2.0/24,2001:db8::/32",
    "header:subject", "header:contact", "header:user-agent", "header:to", "header:x-none",
    *(f"uri.{part}" for part in PARTS),
    *(f"{name}.{part}" for name in ("from", "to") for part in ("uri", "display", *PARTS)),
]  # fmt: skip
URIS = [
    "sip:bob@example.com", "sip:bob@Example.COM.", "sip:example.com", "sip:bob@example.com:5060", "sip:b@h:05060",
    "sip:b@h:0", "sip:b@h:65535", "SIP:b@h", "sips:b@h;transport=tcp;lr", "sip:b%6Fb@h", "sip:b%20b@h",
    "sip:b:secret@h", "sip:b;x=1@h", "sip:b?x@h", "sip:b@h?subject=1", "sip:@h", "sip:b@[2001:DB8:0::1]:5060",
    "sip:b@192.0.2.1;x",
    "tel:+49(0)1;x=1", "urn:service:sos", "sip:bob@h_x", "sip:b\\c@h", "sip:b@h" + ";x" * 20, "sip:b@h.", "sip:.@.",
]  # fmt: skip
ADDRESSES = [
    "<{}>;tag=1", '"Bob" <{}>;tag=1', "Bob B <{}>", "<{}>", '"B \\" <x>" <{}>;tag=1', '""<{}>', "< {} >;tag=2", "{}",
    '<{}>;x="<y>"', "Bob<{}>;tag=1;x=1", "<{}>;tag=1;q=\"a\"",
]  # fmt: skip


def job_of(data: bytes, source: Address = ("192.0.2.1", 5060), listen: str = "udp:192.0.2.7:5060") -> Job | None:
    try:
        reading = read(data, source, listen, USUAL)
    except (Drop, BadRequest):
        return None
    return Job(reading, b"", ANY, len(data), FakeListener(listen), source)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(URIS), st.sampled_from(URIS), st.sampled_from(URIS), st.sampled_from(ADDRESSES),
    st.sampled_from(ADDRESSES), st.lists(st.sampled_from(FIELDS), min_size=1, max_size=16, unique=True),
    st.sampled_from([("192.0.2.1", 5060), ("198.51.100.7", 1), ("2001:db8::7", 1, 0, 0)]),
)  # fmt: skip
def test_a_table_takes_the_same_values_compiled_and_in_python(
    uri: str, theirs: str, ours: str, one: str, other: str, fields: list[str], source: Any
) -> None:
    data = request(
        "INVITE",
        uri,
        from_=one.format(theirs),
        to=other.format(ours),
        subject=["1", "2"],
        contact="<sip:a>",
        body=b"v=0",
    )
    job = job_of(data, source, "udp:10.0.0.1:5060 advertise 203.0.113.5:5060")
    if job is None:
        return
    table = Table(tuple(fields))
    pure = definition(Table)(tuple(fields))
    assert table.key_of(job) == pure.key_of(job)


@pytest.mark.parametrize("name", TYPICAL)
def test_so_it_does_of_what_real_programs_send(name: str) -> None:
    job = job_of(TYPICAL[name])
    if job is None or job.reading.method == b"ACK":
        return
    for field in FIELDS:
        assert Table((field,)).key_of(job) == definition(Table)((field,)).key_of(job), field


def test_what_is_no_field_is_refused() -> None:
    for wrong in (
        "",
        "x",
        "header:",
        "header:Subject",
        "header:via",
        "header:call-id",
        "header:m",
        "source.in:x",
        "cseq",
    ):
        with pytest.raises(ValueError, match=r"field|network|address|appear"):
            Table((wrong,))
    with pytest.raises(ValueError, match="more fields"):
        Table(("uri",) * 17)


def test_values_that_are_written_one_behind_the_other_do_not_read_alike() -> None:
    source = Source("192.0.2.1", 5060, "udp:192.0.2.7:5060")
    pairs = [(["a", "bc"], None), (["ab", "c"], None), (["abc"], None), (["a"], "bc"), (None, "abc"), ([""], "abc")]
    keys = set()
    for subject, x_b in pairs:
        message = parse(request(subject=subject, x_b=x_b))
        keys.add(key_of(("header:subject", "header:x-b"), message, source))
    assert len(keys) == len(pairs)
    assert reader_of("header:subject")(parse(request()), source) == b""


# What it takes --------------------------------------------------------------------------------------------------


def resident() -> int:
    """How many bytes of memory this process uses."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.timeout(300)
def test_memory_of_a_full_table_is_at_most_forty_megabytes() -> None:
    """65,536 decisions with 200 bytes of values and 200 of reply each."""
    memory = Remembered(Fates())
    memory.staff("default", ["one"], [b"INVITE"], 0.0)
    message = parse(request("INVITE", "sip:bob@example.com"))
    tag = SIGNER.sign(message.call_id, message.from_tag, message.cseq)
    reading = read(request("INVITE"), ("192.0.2.1", 5060), "udp:192.0.2.7:5060", USUAL)
    extra = b"\r\nX-Filler: " + b"x" * (200 - len(b"\r\nX-Filler: \r\nContent-Length: 0\r\n\r\n"))
    gc.collect()
    before = resident()
    for number in range(remembered.MAX_ENTRIES - 2):
        user = f"{number:0196d}"  # and four bytes of its length
        theirs = message._replace(uri=f"sip:{user}@h".encode())
        packed = pack_request(theirs, Source("192.0.2.1", 5060, "udp:192.0.2.7:5060"))
        job = Job(reading._replace(packed=packed, uri=theirs.uri), b"", ANY, 0)
        job.number = WANTED
        # Each reply is an object of its own, as those are that come over the bus.
        reply = build_reply(message, 404, "Not Found", tag, extra[:-8] + b"%08d" % number)
        memory.learn("default", job, reply, pack_memo(Memo(60.0, ("uri.user",), 200)), 1_000.0)
        del job, theirs, packed, reply, user
    used = resident() - before
    assert memory.figures()["entries"] >= remembered.MAX_ENTRIES - 2
    assert used <= 40e6, used / remembered.MAX_ENTRIES
