"""Local authorities in folders of tests, and who is not let in by them. The keys are cheap: each test has its own."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

from cryptography import x509

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.tls.local_authority import LocalAuthority
from dissonance.security.certificates import issue
from dissonance.security.live_tls import LiveTls
from dissonance.security.tls import trusting

DAY_S = 86_400.0
DUE_DAYS = 3
"""After so many days a certificate is renewed, and the old one still holds."""


def clock_days_ago(days: float = 0.0) -> FixedClock:
    """On the machine's time, since TLS itself looks at that."""
    return FixedClock(SystemClock().now_us() - round(days * DAY_S * 1e6))


def authority_in(folder: Path, clock: FixedClock, seed: int = 1, names: tuple[str, ...] = ()) -> LocalAuthority:
    folder.mkdir(exist_ok=True)
    return LocalAuthority(folder, clock, SeededRandomness(seed), names)


def live_in(folder: Path, clock: FixedClock, seed: int = 1) -> LiveTls:
    authority = authority_in(folder, clock, seed)
    return LiveTls(authority.tls, authority.renew)


def issued(authority: bytes, name: str, addresses: tuple[str, ...], purpose: x509.ObjectIdentifier) -> bytes:
    """Key and certificate that `authority` vouches for today: PEM."""
    now_us, token = SystemClock().now_us(), SystemRandomness().token
    return issue(authority, name, addresses, purpose, now_us=now_us, token=token)


def older(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same client, which has not heard of TLS 1.3."""
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    return context


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """At once, without the farewell of TLS that the other side may never answer."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def shown_serial(port: int, authority: str) -> int:
    """The number of the certificate that a listener shows to a new caller whom it need not know."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority))
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await hang_up(writer)
    return x509.load_der_x509_certificate(shown).serial_number


async def is_shut_out(port: int, context: ssl.SSLContext | None, said: bytes = b"GET / HTTP/1.1\r\n\r\n") -> bool:
    """Whether a caller is hung up on without a word."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            writer.write(said)
            return await reader.read() == b""
        finally:
            await hang_up(writer)
    except (ssl.SSLError, ConnectionError):
        return True
