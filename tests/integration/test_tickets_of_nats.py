"""What a ticket of the broker's TLS is good for: whoever resumes a connection with one shows no certificate again."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.engines import EmbeddedEngines
from dissonance.adapters.tls.local_authority import AUTHORITY
from dissonance.security.certificates import CLIENT, issue
from dissonance.security.tls import client_context, trusting
from support.certificates import DAY_S, DUE_DAYS, clock_days_ago
from support.engines import specification

LEFT_S = 5


class Greeting(NamedTuple):
    """What the broker says to a caller whom it takes. `nonce`: what an nkey has to sign. `answer`: to a caller that
    names nobody."""

    session: ssl.SSLSession | None
    resumed: bool
    nonce: str
    answer: str


def greeting(addresses: EngineAddresses, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Greeting:
    """Raises `ssl.SSLError` where it does not take the caller."""
    port = urlsplit(addresses.nats_url).port or 0
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection,
        connection.makefile("rb") as lines,
    ):
        told = lines.readline().decode()
        connection.sendall(b"CONNECT {}\r\nPING\r\n")
        nonce = json.loads(told.removeprefix("INFO"))["nonce"]
        return Greeting(connection.session, bool(connection.session_reused), nonce, lines.readline().decode().strip())


def test_a_ticket_stands_for_a_certificate_and_for_no_name(engines: EngineAddresses) -> None:
    assert engines.tls is not None
    context = client_context(engines.tls)
    first = greeting(engines, context)
    again = greeting(engines, context, first.session)

    assert (first.resumed, again.resumed) == (False, True)
    assert first.nonce != again.nonce
    assert first.answer == again.answer == "-ERR 'Authorization Violation'"


def test_a_ticket_is_worth_nothing_once_its_certificate_has_expired(engines: EngineAddresses, tmp_path: Path) -> None:
    assert engines.tls is not None
    context = trusting(engines.tls.authority)
    authority = Path(engines.tls.authority).with_name(AUTHORITY).read_bytes()
    context.load_cert_chain(expiring_soon(authority, tmp_path / "soon.pem"))
    ticket = greeting(engines, context).session
    with pytest.raises(ssl.SSLError, match="EXPIRED"):
        while greeting(engines, context, ticket):
            time.sleep(0.1)


def expiring_soon(authority: bytes, pem: Path) -> Path:
    """Of a service of ours, as it was made so long ago."""
    made_us = SystemClock().now_us() - round((DAY_S - LEFT_S) * 1e6)
    pem.write_bytes(issue(authority, "dissonance", (), CLIENT, now_us=made_us, token=SystemRandomness().token, days=1))
    return pem


def test_a_ticket_of_before_is_worth_nothing_once_the_broker_has_renewed_its_certificate(tmp_path: Path) -> None:
    clock = clock_days_ago(DUE_DAYS)

    async def story() -> None:
        wanted = specification(tmp_path, postgres=False)
        broker = EmbeddedEngines(wanted, SystemRandomness(), clock=clock, look_at_certificates_every_s=0.05)
        addresses, stop = await broker.start(), asyncio.Event()
        assert addresses.tls is not None
        context = client_context(addresses.tls)
        keeping = asyncio.create_task(broker.run_until(stop))
        ticket = (await asyncio.to_thread(greeting, addresses, context)).session
        assert (await asyncio.to_thread(greeting, addresses, context, ticket)).resumed
        clock.advance(DUE_DAYS * DAY_S)
        while (await asyncio.to_thread(greeting, addresses, context, ticket)).resumed:
            await asyncio.sleep(0.05)
        stop.set()
        await keeping
        await broker.stop()

    asyncio.run(story())
