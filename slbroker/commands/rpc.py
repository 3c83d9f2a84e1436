"""`slbroker rpc`: one command to a monitor, as kamcmd and kamctl rpc send them to Kamailio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from slbroker.commands import options
from slbroker.commands.monitor import read_token
from slbroker.commands.stats import StatsSettings
from slbroker.errors import ConfigError, Exit, NoAnswerError
from slbroker.logline import escaped
from slbroker.option import Word, also, frozen, option
from slbroker.settings.connections import TlsSettings
from slbroker.settings.monitor import MonitorSettings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from urllib.request import Request

MAX_ANSWER: Final = 4 * 1024 * 1024  # bytes
USUAL: Final = "http://127.0.0.1:8080/RPC"


def read_url(text: str) -> str:
    """Return a URL as it is; raise ConfigError for what is none of http or https."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that nobody closes, a port that is none
        is_right = False
    if not is_right or not text.isascii() or not text.isprintable() or " " in text or "@" in parts.netloc:
        raise ConfigError(f"URL {text!r:.200}: write http://host:port/RPC")
    return text


# fmt: off
@frozen(kw_only=True)
class RpcSettings:
    """Whom to ask, and how; `timeout` is in seconds."""

    url: str = option("--url", Word("url", read_url), default=USUAL,
        help="Where the monitor has JSON-RPC; Kamailio's jsonrpcs answers, too.", example=USUAL)
    token: Path | None = also(MonitorSettings, "token", help="File with the monitor's token.")
    tls_cert: Path | None = also(TlsSettings, "certificate")
    tls_key: Path | None = also(TlsSettings, "key")
    tls_ca: Path | None = also(TlsSettings, "clients")
    timeout: float = also(StatsSettings, "timeout")
# fmt: on


@options.command(RpcSettings, click.Argument(["method"]), click.Argument(["params"], nargs=-1))
def rpc(settings: RpcSettings, method: str, params: tuple[str, ...]) -> int:
    """Send one command to the monitor, such as sl.stats or stats.fetchn sl:, and show its result.

    Fails when the answer is an error. `slbroker rpc system.listMethods` has all.
    """
    import json

    request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
    answer = _ask(settings, json.dumps(request).encode())
    if "error" in answer:
        error = answer["error"]
        words = f"{error.get('code')} - {error.get('message')}" if isinstance(error, dict) else str(error)
        click.echo(f"slbroker: error: {escaped(words)}", err=True)
        return Exit.FAILURE
    for line in lines(answer.get("result")):
        click.echo(line)
    return Exit.OK


def lines(result: Any) -> Iterator[str]:
    """Yield the lines that show a result, as kamcmd shows it: a structure in braces, a list one by line."""
    for each in result if isinstance(result, list) else [result]:
        yield from _lines(each, "", "")


def _lines(value: Any, name: str, indent: str) -> Iterator[str]:
    """Yield the lines of one value; `name` is what stands before it."""
    if isinstance(value, dict | list):
        opened, closed = "{}" if isinstance(value, dict) else "[]"
        yield f"{indent}{name}{opened}"
        inner = value.items() if isinstance(value, dict) else (("", each) for each in value)
        for key, each in inner:
            yield from _lines(each, f"{escaped(key)}: " if key else "", f"{indent}\t")
        yield f"{indent}{closed}"
    else:
        yield f"{indent}{name}{escaped(str(value))}"


def _ask(settings: RpcSettings, body: bytes) -> dict[str, Any]:
    """Return what was answered; raise NoAnswerError when nobody does, or with what is no JSON-RPC."""
    import json
    from http.client import HTTPException
    from urllib.request import Request

    from slbroker.tls import client_context

    headers = {"Content-Type": "application/json"}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {read_token(settings.token).decode()}"
    context = (
        client_context(settings.tls_ca, settings.tls_cert, settings.tls_key)
        if settings.url.startswith("https:")
        else None
    )
    request = Request(settings.url, body, headers)  # noqa: S310 - http and https only
    try:
        status, said = _exchange(request, settings.timeout, context)
    except OSError as error:
        why = getattr(error, "reason", None) or error
        raise NoAnswerError(f"nobody answers at {settings.url}: {why}; is a slbroker monitor there?") from error
    except HTTPException as error:  # somebody answers, and that is no HTTP
        raise NoAnswerError(f"what answers at {settings.url} speaks no HTTP: {escaped(repr(error))}") from error
    if status == 401:
        raise NoAnswerError(f"{settings.url} wants a token: --token-file FILE")
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise NoAnswerError(f"what answers at {settings.url} speaks no JSON-RPC; does the URL end in /RPC?") from error
    return answer if isinstance(answer, dict) else {"result": answer}


def _exchange(request: Request, timeout: float, context: ssl.SSLContext | None) -> tuple[int, bytes]:
    """Return status and body of an answer, that of an error included; raises OSError, HTTPException."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(request, timeout=timeout, context=context) as response:  # noqa: S310
            return response.status, response.read(MAX_ANSWER)
    except HTTPError as error:
        with error:
            return error.code, error.read(MAX_ANSWER)
