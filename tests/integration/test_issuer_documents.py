"""Documents of an issuer over real HTTP: from just the address that was asked, small, soon, and by whom we trust."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from dissonance.adapters.oidc.documents import MAX_BYTES, HttpIssuerDocuments
from dissonance.errors import IssuerUnavailable

HOST = "127.0.0.1"


async def good(request: web.Request) -> web.Response:
    return web.Response(body=b'{"keys": []}')


async def elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPFound("/good")


async def large(request: web.Request) -> web.Response:
    return web.Response(body=b"x" * (MAX_BYTES + int(request.query["more"])))


async def broken(request: web.Request) -> web.Response:
    return web.Response(status=500)


def tell(story: Callable[[str], Awaitable[None]], context: ssl.SSLContext | None = None) -> None:
    """With the address of a server that is up meanwhile."""

    async def told() -> None:
        app = web.Application()
        app.add_routes([web.get(f"/{handler.__name__}", handler) for handler in (good, elsewhere, large, broken)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        try:
            await story(f"{'http' if context is None else 'https'}://{HOST}:{port}")
        finally:
            await runner.cleanup()

    asyncio.run(told())


async def refused(url: str, ca_file: str = "") -> None:
    with pytest.raises(IssuerUnavailable) as caught:
        await HttpIssuerDocuments().fetch(url, ca_file=ca_file)
    assert caught.value.where == url


def test_a_document_comes_whole_up_to_the_limit() -> None:
    async def story(url: str) -> None:
        assert await HttpIssuerDocuments().fetch(f"{url}/good") == b'{"keys": []}'
        assert len(await HttpIssuerDocuments().fetch(f"{url}/large?more=0")) == MAX_BYTES

    tell(story)


@pytest.mark.parametrize("path", ["/elsewhere", "/large?more=1", "/broken", "/nothing"])
def test_a_redirect_and_what_is_too_long_or_not_there_is_no_document(path: str) -> None:
    tell(lambda url: refused(f"{url}{path}"))


def test_a_server_is_believed_by_whom_it_names_and_by_nobody_else(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    files = [tmp_path / "ours.pem", tmp_path / "theirs.pem"]
    for authority, file in zip((ours, theirs), files, strict=True):
        authority.cert_pem.write_to_path(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert(HOST).configure_cert(context)

    async def story(url: str) -> None:
        assert await HttpIssuerDocuments().fetch(f"{url}/good", ca_file=str(files[0]))
        await refused(f"{url}/good", ca_file=str(files[1]))
        await refused(f"{url}/good")
        await refused(f"{url}/good", ca_file=str(tmp_path / "nothing.pem"))

    tell(story, context)
