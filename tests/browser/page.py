"""A page in a headless browser, and the web server that it comes from and reports to."""

from __future__ import annotations

import json
import queue
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from tests.support.peers import missing_peer, require_peer
from tests.support.timing import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Start

HERE = Path(__file__).parent
LIBRARY = HERE / "node_modules" / "sip.js" / "lib" / "index.js"
SECONDS = 40.0  # for a browser to start and a page to say what happened; the page itself gives up after 10

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    "--ignore-certificate-errors",
)  # fmt: skip


def chromium() -> str:
    """The path of the browser; skips, or fails, where it is missing."""
    return require_peer("chromium")


def require_browser() -> str:
    """The same; skips, or fails, where the SIP stack is missing, too."""
    if not LIBRARY.exists():
        missing_peer("sip.js is not installed (npm install --prefix tests/browser)")
    return chromium()


class Site:
    """Serves a folder on a free port of loopback, and hears what its pages report; use it in a `with` statement."""

    def __init__(self, folder: Path) -> None:
        self._results: queue.Queue[dict[str, Any]] = queue.Queue()
        handler = partial(_Handler, self._results, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        """How the browser names this site."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def visit(
        self, start: Start, folder: Path, url: str, flags: Sequence[str] = FLAGS, *, seconds: float = SECONDS
    ) -> dict[str, Any]:
        """Open one of its pages in a browser whose files are in `folder`; what the page reports."""
        profile = f"--user-data-dir={folder / 'profile'}"
        browser = start(chromium(), *flags, profile, url, env={"HOME": str(folder)})
        try:
            return self._results.get(timeout=within(seconds))
        except queue.Empty:
            raise AssertionError(f"the page said nothing within {within(seconds):g} s\n{browser}") from None
        finally:
            browser.stop()


class Page(Site):
    """Serves this folder, whose page has a phone."""

    def __init__(self) -> None:
        super().__init__(HERE)

    def call(self, start: Start, folder: Path, server: str) -> dict[str, Any]:
        """Open the page in a browser and let its phone connect to `server`; what it reports."""
        return self.visit(start, folder, f"{self.origin}/index.html?server={server}")


class _Handler(SimpleHTTPRequestHandler):
    """Serves files and takes the page's report."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}  # noqa: RUF012

    def __init__(self, results: queue.Queue[dict[str, Any]], *args: Any, **kwargs: Any) -> None:
        self._results = results
        super().__init__(*args, **kwargs)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self._results.put(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing: a test's output is for what goes wrong."""
