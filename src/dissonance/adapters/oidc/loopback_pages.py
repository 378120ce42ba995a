"""Pages for a browser on this computer alone, for as long as somebody waits for it."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

from dissonance.adapters.embedded.loopback import HOST


class LoopbackPage(BaseHTTPRequestHandler):
    """What each request is answered by; whoever needs it says what in `do_GET`."""

    def show(self, status: int, page: bytes, **headers: str) -> None:
        """The page is HTML in UTF-8. Names of `headers` have underscores in place of hyphens."""
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(page)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Nothing: an address may have a code in it."""


class LoopbackPages:
    """Listens on any free port while it is entered. Connections are answered side by side: browsers open some that they
    may never use. `tls`: in the clear without."""

    def __init__(self, page: type[LoopbackPage], tls: ssl.SSLContext | None = None) -> None:
        self._server = _Server((HOST, 0), page)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = Thread(target=self._server.serve_forever, name="pages", daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Nothing: of a browser that hangs up, which it may."""
