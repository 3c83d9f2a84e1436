"""KEMI scripts written by tests, and the requests that they get."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

from slbroker.testing import Client
from slbroker_handlers.kemi.script import load_script

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str, name: str = "script.py") -> str:
    """Write a script; return its name as a plugin."""
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return f"kemi:{path}"


def route(body: str, before: str = "", methods: str = "", doing: str = "") -> str:
    """A script whose route is `body`; `methods` stand beside it, and child_init does what `doing` says."""
    return (
        f"import sys\nimport KSR as KSR\n{dedent(before)}\n"
        "def mod_init():\n    return Script()\n\n"
        f"class Script:\n    def child_init(self, rank):\n{' ' * 8}{doing}{'; ' if doing else ''}return 0\n\n"
        f"    def ksr_request_route(self, msg):\n{indent(dedent(body), ' ' * 8)}\n{indent(dedent(methods), ' ' * 4)}\n"
    )


def serve(folder: Path, body: str, settings: str = "", **parts: str) -> Client:
    """A client of a script whose route is `body`; `settings` are what stands behind "?" in its name."""
    return Client(load_script(write(folder, route(body, **parts)) + (f"?{settings}" if settings else "")))


def ask(folder: Path, expression: str, *, method: str = "INVITE", settings: str = "", **request: object) -> str:
    """What an expression is in a request."""
    client = serve(folder, f"KSR.sl.sl_send_reply(200, repr(({expression})))", settings)
    reply = client.request(method, **request)  # type: ignore[arg-type]
    assert reply is not None
    return reply.reason
