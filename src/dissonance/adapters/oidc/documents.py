"""An issuer's documents over HTTP: small, soon, and from just the address that was asked (`ports.issuers`)."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp

from dissonance.errors import IssuerUnavailable

FETCH_S = 3.0
"""Seconds of one document, from the connection to the last byte."""

MAX_BYTES = 262_144


class HttpIssuerDocuments:
    """TLS 1.2 at least, certificates checked. A redirect is refused: it could lead to where only we can reach."""

    async def fetch(self, url: str, *, ca_file: str = "") -> bytes:
        try:
            # Reading whom the machine trusts takes tens of milliseconds, in which nobody shall wait.
            connector = aiohttp.TCPConnector(ssl=await asyncio.to_thread(_trust, ca_file))
            timeout = aiohttp.ClientTimeout(total=FETCH_S)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.get(url, allow_redirects=False, headers={"accept": "application/json"}) as reply,
            ):
                if reply.status != 200:
                    raise _unavailable(url, f"it answers with {reply.status}")
                body = b""
                while len(body) <= MAX_BYTES and (piece := await reply.content.read(MAX_BYTES + 1)):
                    body += piece
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise _unavailable(url, type(error).__name__) from error
        if len(body) > MAX_BYTES:
            raise _unavailable(url, f"it is longer than {MAX_BYTES} bytes")
        return body


def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unavailable(url: str, why: str) -> IssuerUnavailable:
    return IssuerUnavailable(
        f"the document cannot be had: {why}", where=url, fix="see whether the issuer answers, and its `ca_file`"
    )
