"""`slbroker rpc`: what answers at a URL may be anything, and who asks gets one line."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from slbroker.commands.rpc import lines, read_url, rpc
from slbroker.errors import ConfigError, Exit, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.0 200 OK\r\n"


@contextmanager
def answering(said: bytes) -> Iterator[str]:
    """A server that says this to whoever connects, and hangs up; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as peer:
                peer.recv(65_536)
                peer.sendall(said)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65_536):  # to hang up on what was not read would be a reset
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/RPC"
        thread.join()


def run(url: str) -> Any:
    return CliRunner().invoke(rpc, ["--url", url, "--timeout", "5", "sl.stats"], standalone_mode=False)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "speaks no HTTP"),
        (b"", "nobody answers"),
        (b"HTTP/1.1 abc\r\n\r\n", "speaks no HTTP"),
        (OK + b"Content-Length: 100\r\n\r\n{", "speaks no JSON-RPC"),
        (b"HTTP/1.0 500 Oh\r\nContent-Length: 100\r\n\r\n{", "speaks no JSON-RPC"),
        (OK + b"\r\n<html>", "does the URL end in /RPC"),
        (OK + b"\r\n" + b"[" * 100_000, "does the URL end in /RPC"),
        (b"HTTP/1.0 401 No\r\n\r\n", "--token-file"),
    ],
)  # fmt: skip
def test_whatever_answers_is_told_of_in_one_line(said: bytes, words: str) -> None:
    with answering(said) as url:
        error = run(url).exception
    assert isinstance(error, NoAnswerError), error
    assert words in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("error", "words"), [({"code": 500, "message": "a\nb"}, "500 - a\\nb"), ("no", "no"), ([1], "[1]")]
)
def test_an_error_of_any_shape_is_shown(error: object, words: str) -> None:
    with answering(OK + b"\r\n" + json.dumps({"error": error}).encode()) as url:
        result = run(url)
    assert (result.return_value, result.stderr) == (Exit.FAILURE, f"slbroker: error: {words}\n")


def test_what_kamailio_nests_is_shown_as_kamcmd_shows_it() -> None:
    """As `core.sockets_list` has it; a list of structures is one behind the other."""
    assert list(lines({"socket": {"proto": "udp", "mcast": "no"}, "a": ["x", {"y": 1}]})) == [
        "{", "\tsocket: {", "\t\tproto: udp", "\t\tmcast: no", "\t}", "\ta: [", "\t\tx", "\t\t{", "\t\t\ty: 1", "\t\t}",
        "\t]", "}",
    ]  # fmt: skip
    assert list(lines([{"PID": 1}, "x"])) == ["{", "\tPID: 1", "}", "x"]
    assert list(lines("two\n\x1b[31mlines")) == ["two\\n\\x1b[31mlines"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/RPC", "https://[2001:db8::1]/RPC", "http://monitor/"])
def test_a_url_is_taken(url: str) -> None:
    assert read_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8080", "ftp://h/", "http://", "http:///RPC", "http://[::1/RPC", "http://h:x/RPC", "http://h:99999/RPC",
     "http://h:0/", "http://m\u00fcller/RPC", "http://h/R PC", "http://user:word@h/RPC", "http://h/\n"],
)  # fmt: skip
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ConfigError, match=r"write http://host:port/RPC"):
        read_url(url)
