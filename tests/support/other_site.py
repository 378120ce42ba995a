"""A site of somebody else, who would like a browser to do something with ours."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

NAME = "other.test"
RESOLVED = "--host-resolver-rules=MAP *.test 127.0.0.1"
"""Chromium's option by which the site, and every other name that ends so, is on this machine."""


class OtherSite:
    """`pages`: what it shows, by path. `visits`: what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.visits: list[str] = []
        pages, visits = self.pages, self.visits

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                visits.append(self.path)
                if self.path not in pages:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(pages[self.path].encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test looks at `visits`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)

    def address(self, path: str) -> str:
        return f"http://{NAME}:{self._server.server_port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
