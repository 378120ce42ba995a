"""A site of somebody else, who would like a browser to do something with ours."""

from __future__ import annotations

from dissonance.adapters.oidc.loopback_pages import LoopbackPage, LoopbackPages

NAME = "other.test"
RESOLVED = "--host-resolver-rules=MAP *.test 127.0.0.1"
"""Chromium's option by which the site, and every other name that ends so, is on this machine."""


class OtherSite(LoopbackPages):
    """`pages`: what it shows, by path. `visits`: what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.visits: list[str] = []
        pages, visits = self.pages, self.visits

        class Page(LoopbackPage):
            def do_GET(self) -> None:
                visits.append(self.path)
                if self.path not in pages:
                    self.send_error(404)
                    return
                self.show(200, pages[self.path].encode())

        super().__init__(Page)

    def address(self, path: str) -> str:
        return f"http://{NAME}:{self.port}{path}"
