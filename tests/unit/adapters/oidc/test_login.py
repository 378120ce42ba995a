"""The issuer that a login asks: what is said where it is away, or is none."""

from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path

import pytest

from dissonance.adapters.oidc.login import DISCOVERY, BrowserSide, IssuerSide
from dissonance.adapters.oidc.loopback_pages import LoopbackPage, LoopbackPages
from dissonance.errors import IssuerUnavailable
from dissonance.security.tls import load_pair
from support.certificates import authority_in, clock_days_ago


def answering(status: int, page: bytes) -> type[LoopbackPage]:
    class Page(LoopbackPage):
        def do_GET(self) -> None:
            self.show(status, page)

    return Page


class AnotherProtocol(LoopbackPage):
    """As NATS does, and others that speak first."""

    def do_GET(self) -> None:
        self.wfile.write(b"INFO {}\r\n")


def told(url: str, tls: ssl.SSLContext | None = None) -> IssuerUnavailable:
    with pytest.raises(IssuerUnavailable) as raised:
        IssuerSide(url, tls).discover()
    assert raised.value.where == url + DISCOVERY
    return raised.value


def test_who_asks_where_nobody_listens_is_told_to_start_it() -> None:
    with LoopbackPages(LoopbackPage) as pages:
        url = f"http://127.0.0.1:{pages.port}"
    error = told(url)
    assert error.what.startswith("nobody answers: ")
    assert "dissonance run" in error.fix


def test_who_asks_an_issuer_that_has_failed_is_told_where_its_log_is() -> None:
    with LoopbackPages(answering(503, b"")) as pages:
        error = told(f"http://127.0.0.1:{pages.port}")
    assert error.what == "it answers with 503 Service Unavailable"
    assert "log" in error.fix


@pytest.mark.parametrize("page", [answering(200, b"<p>hello"), AnotherProtocol], ids=["a site", "another protocol"])
def test_who_asks_what_is_no_issuer_is_told_whose_address_is_wanted(page: type[LoopbackPage]) -> None:
    with LoopbackPages(page) as pages:
        error = told(f"http://127.0.0.1:{pages.port}")
    assert error.what == "what answers is no issuer of Dissonance"
    assert "address" in error.fix


def test_who_does_not_trust_an_issuer_is_told_of_the_option_for_it(tmp_path: Path) -> None:
    authority = authority_in(tmp_path, clock_days_ago())
    authority.renew()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(served, authority.tls.server)
    with LoopbackPages(answering(200, b""), served) as pages:
        error = told(f"https://127.0.0.1:{pages.port}", ssl.create_default_context())
    assert error.what.startswith("its certificate is not trusted: ")
    assert "--ca" in error.fix


def test_a_browser_that_comes_back_is_thanked_by_a_page_that_may_do_nothing() -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with BrowserSide() as back:
        with opener.open(f"{back.redirect}?code=c&state=s") as answer:
            assert b"go on at the terminal" in answer.read()
            assert answer.headers["content-security-policy"] == "default-src 'none'"
            assert answer.headers["referrer-policy"] == "no-referrer"
        assert back.query(60.0) == "code=c&state=s"
