"""The files of the page, and the headers that keep a browser from doing anything else with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER: Final = Path(__file__).with_name("page")
INDEX: Final = "index.html"
KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing from elsewhere, nothing inline, nobody's frame; and text can become markup nowhere (trusted types).
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}


class Guarded:
    """Puts these headers on whatever is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS.items()]
            await send(message)

        await self._app(scope, receive, say)


def page_routes() -> list[Route]:
    """Return what serves the files: the page at /, what it needs under /page/."""
    files = {path.name: path for path in FOLDER.iterdir() if path.suffix in KINDS}

    def serve(name: str) -> Route:
        body, kind = files[name].read_bytes(), KINDS[files[name].suffix]

        async def answer(_request: Request) -> Response:
            headers: dict[str, Any] = {"Content-Type": kind, "Cache-Control": "no-cache"}
            return Response(body, headers=headers)

        return Route("/" if name == INDEX else f"/page/{name}", answer)

    return [serve(name) for name in sorted(files)]
