"""What a handler redirects to is one URI: no caller adds a Contact, a parameter or a header, or moves the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers
from slbroker.errors import Reject
from slbroker.plugin import Digest
from slbroker.plugin.contact import contact_value
from slbroker.plugin.rulefile import load_rules
from slbroker.sip.address import parse_address_list
from slbroker.sip.credentials import parse_credentials
from slbroker.sip.response import parse_response
from slbroker.sip.uri import parse_uri
from slbroker.testing import Client
from slbroker_handlers.loader import load_plugin
from tests.support.sip import request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slbroker import Request
    from slbroker.plugin import Reply
    from slbroker.sip.address import Address
    from slbroker.sip.response import Response

GATEWAY = "gw.example.com"

# What the user's place is filled with in each shape, and the q, URI parameters and header parameters that come of it.
SHAPES: list[tuple[str, float | None, str, dict[str, str], dict[str, str]]] = [
    ("sip:{user}@gw.example.com", None, "", {}, {}),
    ("sip:{user}@gw.example.com:5070;transport=tcp", None, "", {"transport": "tcp"}, {}),
    ("sips:{user}@gw.example.com;x=1?Subject=a%20b", None, "Subject=a%20b", {"x": "1"}, {}),
    ("<sip:{user}@gw.example.com>", None, "", {}, {}),
    ("<sip:{user}@gw.example.com;lr>;q=0.7", None, "", {"lr": ""}, {"q": "0.7"}),
    ('"A, <B>" <sip:{user}@gw.example.com>;expires=60', None, "", {}, {"expires": "60"}),
    ("sip:{user}@gw.example.com", 0.5, "", {}, {"q": "0.5"}),
    ("<sip:{user}@gw.example.com>", 0.25, "", {}, {"q": "0.25"}),
    ("Bob <sip:{user}@gw.example.com;x=1>;expires=60", 1, "", {"x": "1"}, {"q": "1", "expires": "60"}),
]
# Users as they may stand in a Request-URI: what is not escaped, and escapes of any byte.
PIECES = st.one_of(
    st.sampled_from([bytes((code,)) for code in range(0x21, 0x100) if bytes((code,)) not in b'@:<>"%\x7f']),
    st.binary(min_size=1, max_size=1).map(lambda byte: b"%%%02x" % byte[0]),
    st.sampled_from(
        [b"%3E%2C%3Csip%3Aevil%40evil%3E%3Bq%3D1", b"%0d%0aX:%20y".replace(b":", b"%3a"), b"%25", b"%", b"#"]
    ),
)


def parses(user: bytes) -> bool:
    try:
        return bool(parse_uri(b"sip:%b@example.com" % user).user)
    except Reject:
        return False


USERS = st.lists(PIECES, min_size=1, max_size=12).map(b"".join).filter(parses)

app = Handlers()


@app.on("INVITE")
def redirect(request: Request) -> Reply:
    user = request.uri.user
    targets = ((shape.replace("{user}", user), q) for shape, q, *_ in SHAPES)
    return request.redirect(*(target if q is None else (target, q) for target, q in targets))


plugin = Client(app)


def asked(client: Client, user: bytes) -> Response:
    """The one reply to an INVITE for `user`; it has as many lines as one for anybody."""
    errors = client.errors
    replies = client.exchange(request("INVITE", b"sip:%b@example.com" % user))
    usual = client.exchange(request("INVITE", b"sip:bob@example.com"))
    assert (len(replies), client.errors) == (1, errors)
    assert replies[0].count(b"\r\n") == usual[0].count(b"\r\n")
    response = parse_response(replies[0])
    assert response is not None
    return response


def contacts(response: Response) -> list[Address]:
    values = [value.encode("utf-8", "surrogateescape") for value in response.all("Contact")]
    return [address for value in values for address in parse_address_list(value)]


def assert_leads_to(address: Address, user: bytes, *, escaped: bool = True) -> None:
    """Our parser, and where all is `escaped` another one, read the user that was asked for, at the gateway."""
    asked_for = parse_uri(b"sip:%b@example.com" % user)
    assert (address.uri.user, address.uri.host) == (asked_for.user, GATEWAY)
    assert address.uri.password == ""
    if escaped and not address.uri.headers:  # sipmessage reads no escapes in them
        theirs = sipmessage.Address.parse(str(address)).uri
        decoded = asked_for.decoded_user.encode("utf-8", "surrogateescape").decode(errors="replace")
        assert (theirs.user, theirs.host) == (decoded, GATEWAY)


@given(USERS)
def test_a_plugin_leads_to_the_user_that_was_called(user: bytes) -> None:
    found = contacts(asked(plugin, user))
    assert len(found) == len(SHAPES)
    for address, (_, _, headers, uri_params, params) in zip(found, SHAPES, strict=True):
        assert_leads_to(address, user)
        assert {name: value or "" for name, value in address.uri.params.items()} == uri_params
        assert (address.uri.headers, dict(address.params)) == (headers, params)


RULES = """
[[on]]
method = "INVITE"
redirect = [%s]
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Client:
    file = tmp_path_factory.mktemp("rules") / "rules.toml"
    shapes = [shape for shape, q, *_ in SHAPES if q is None]
    file.write_text(RULES % ", ".join(f"'{shape}'" for shape in [*shapes, "sip:gw.example.com;x={user}?X={user}"]))
    return Client(load_rules(file))


@given(USERS)
def test_a_rule_file_leads_to_the_user_that_was_called(rules: Client, user: bytes) -> None:
    *found, elsewhere = contacts(asked(rules, user))
    wanted = [shape for shape in SHAPES if shape[1] is None]
    for address, (_, _, headers, uri_params, params) in zip(found, wanted, strict=True):
        assert_leads_to(address, user)
        assert {name: value or "" for name, value in address.uri.params.items()} == uri_params
        assert (address.uri.headers, dict(address.params)) == (headers, params)
    assert (elsewhere.uri.user, elsewhere.uri.host) == ("", GATEWAY)
    assert elsewhere.uri.params == {"x": parse_uri(b"sip:%b@h" % user).decoded_user}
    assert elsewhere.uri.headers.count("=") == 1
    assert "&" not in elsewhere.uri.headers


SCRIPT = """
import KSR

def ksr_request_route():
    user = KSR.pv.gete("$rU")
    KSR.corex.append_branch_uri_q("sip:" + user + "@gw.example.com;x=1", "0.5")
    KSR.corex.append_branch_uri("sips:" + user + "@gw.example.com")
    KSR.hdr.append_to_reply("Contact: <sip:" + user + "@gw.example.com>\\r\\n")
    KSR.sethost("gw.example.com")
    KSR.sl.sl_send_reply(302, "Moved Temporarily")
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    file = tmp_path_factory.mktemp("script") / "script.py"
    file.write_text(SCRIPT)
    with Client(load_plugin(f"kemi:{file}")) as client:
        yield client


@given(USERS)
def test_a_kemi_script_leads_to_the_user_that_was_called(script: Client, user: bytes) -> None:
    found = contacts(asked(script, user))
    assert len(found) == 4
    for address in found:
        assert_leads_to(address, user, escaped=False)  # as Kamailio does: the user as it was written
    assert [address.params.get("q") for address in found] == [None, None, "0.5", None]


# What cannot be meant -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("gw1.example.com", "no URI"),
        ("", "no URI"),
        ("sip:", "Bad Host"),
        ("sip:bob@", "Bad Host"),
        ("sip:gw example", "Illegal Character"),
        ("sip:h>\r\nX: y", "Illegal Character"),
        ("sip:gw:99999", "Bad Port"),
        ("sip:bob@gw;x=y@evil", "two @"),
        ("sip:bob@evil@gw", "two @"),
        ("sip:bob@gw?To=a@evil", "two @"),
        ("sip:gw?To=a@evil", r"\? before its @"),
        ("sip:bob:secret@gw", "password"),
        ("sip:gw1, sip:gw2", "Illegal Character"),
        ("sip:gw1,sip:gw2", "Bad Host"),
        ("<sip:gw1>, <sip:gw2>", "one address"),
        ("<sip:gw1> <sip:gw2>", "one address"),
        ("<sip:bob>,<sip:evil>@gw>", "one address"),
        ('"x" <sip:evil>;p="" <sip:gw>', "one address"),
        ('"x" <sip:evil>, "y" <sip:gw>', "one address"),
        ("<sip:evil>;p=<sip:gw>", "one address"),
        ('"open <sip:gw>', "one address"),
        ("<sip:gw>;q=0.5;", "one address"),
        ("<sip:gw>\r\nX: y", "one address"),
        ("tel:+1>", "Illegal"),
        ("mailto:a b@h", "Illegal"),
    ],
)
@pytest.mark.parametrize("q", [None, 0.5])
def test_what_is_no_single_uri_is_refused_where_it_is_written(target: str, q: float | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        contact_value(target, q)


def test_a_q_is_said_once() -> None:
    with pytest.raises(ValueError, match="q of its own"):
        contact_value("<sip:gw>;Q=0.1", 0.5)
    assert contact_value("<sip:gw>;qos=1", 0.5) == "<sip:gw>;qos=1;q=0.5"


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("sip:*72#@gw", "<sip:*72%23@gw>"),
        ("sip:bob smith@gw", "<sip:bob%20smith@gw>"),
        ('sip:a>,"b@gw', "<sip:a%3E,%22b@gw>"),
        ("sip:100%@gw", "<sip:100%25@gw>"),
        ("sip:jürgen@gw", "<sip:j%C3%BCrgen@gw>"),
        ("sip:@gw", "<sip:gw>"),
        ("sip:gw;x=a,b=c d", "<sip:gw;x=a%2Cb%3Dc%20d>"),
        ("sip:gw?Subject=a>b;c,d=e&To=x", "<sip:gw?Subject=a%3Eb%3Bc%2Cd%3De&To=x>"),
        ("  <sip:bob@[fe80::1%25eth0]:5070>  ", "<sip:bob@[fe80::1%25eth0]:5070>"),
        ('"Bob" <sip:bob@gw>;x="a,<b>"', '"Bob" <sip:bob@gw>;x="a,<b>"'),
        ("urn:service:sos", "<urn:service:sos>"),
        ("tel:+1;phone-context=example.com", "<tel:+1;phone-context=example.com>"),
    ],
)
def test_each_part_gets_the_escapes_that_it_lacks(target: str, written: str) -> None:
    assert contact_value(target) == written


ANYTHING = st.text(st.characters(codec="utf-8"), max_size=20)


@given(ANYTHING, st.sampled_from(["sip:{}@gw", "<sip:{}@gw>", "sip:{}@gw;lr", '"{}" <sip:gw>', "{} <sip:gw>"]))
def test_whatever_text_is_put_in_it_is_one_address_at_the_gateway_or_refused(words: str, shape: str) -> None:
    try:
        value = contact_value(shape.format(words))
    except ValueError:
        return
    (address,) = parse_address_list(value.encode("utf-8", "surrogateescape"))
    assert (address.uri.host, address.uri.password, dict(address.params)) == ("gw", "", {})
    assert {**address.uri.params} == ({"lr": None} if "lr" in shape else {})


# The rest of a reply ------------------------------------------------------------------------------------------------


@given(USERS)
def test_a_peers_words_stay_where_a_handler_puts_them(user: bytes) -> None:
    said = Handlers()

    @said.on("INVITE")
    def repeat(request: Request) -> Reply:
        words = request.uri.user
        return request.reply(404, f"No {words}", {"X-User": words, "Content-Type": "text/plain"}, f"No {words}!")

    response = asked(Client(said), user)
    words = parse_uri(b"sip:%b@h" % user).user
    assert response.first("X-User") == words
    assert response.body == f"No {words}!".encode("utf-8", "surrogateescape")


def challenged(user: bytes) -> bytes:
    """The answer of a plugin whose realm is the user that is called."""
    realms = Handlers()
    digest = Digest(lambda request: request.uri.decoded_user, lambda _: None)

    @realms.on("INVITE")
    @digest.required
    def never(request: Request) -> Reply:
        return request.reply(200)

    return Client(realms).exchange(request("INVITE", b"sip:%b@h" % user))[0]


@given(USERS.filter(lambda user: not {"\r", "\n", "\0"}.intersection(parse_uri(b"sip:%b@h" % user).decoded_user)))
def test_a_realm_made_of_a_peers_words_is_one_realm(user: bytes) -> None:
    response = parse_response(challenged(user))
    assert response is not None
    (challenge,) = response.all("WWW-Authenticate")
    realm = parse_credentials(challenge.encode("utf-8", "surrogateescape")).params["realm"]
    assert realm == parse_uri(b"sip:%b@h" % user).decoded_user


def test_a_realm_with_a_line_end_is_the_plugins_error() -> None:
    assert challenged(b"a%0d%0aX%3ab").startswith(b"SIP/2.0 500 ")


def test_a_body_repeats_bytes_that_are_no_text() -> None:
    echo = Handlers()

    @echo.on("MESSAGE")
    def repeat(request: Request) -> Reply:
        body = f"<{request.body.decode(errors='surrogateescape')}> from {request.from_address.display}"
        return request.reply(200, headers={"Content-Type": "text/plain"}, body=body)

    sent = request("MESSAGE", from_=b'"J\xfcrgen" <sip:a@h>;tag=1', content_type="text/plain", body=b"\xff\x00\xfe")
    (reply,) = Client(echo).exchange(sent)
    assert reply.endswith(b"\r\n\r\n<\xff\x00\xfe> from J\xfcrgen")
    assert b"Content-Length: 17\r\n" in reply
