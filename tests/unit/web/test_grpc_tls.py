"""gRPC over TLS, in a process of its own: which versions it refuses is fixed when its library is loaded."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from dissonance.errors import ConfigurationError
from dissonance.security.tls import trusting
from dissonance.web.grpc_versions import refuse_older_tls
from support.certificates import DAY_S, DUE_DAYS, clock_days_ago, hang_up, live_in, older, shown_serial

SERVER = """
import asyncio, sys
from pathlib import Path
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.tls.local_authority import tls_in
from dissonance.security.live_tls import LiveTls
from dissonance.telemetry.metrics import Metrics
from dissonance.web.grpc_versions import refuse_older_tls
from dissonance.web.renewing import renew_for_ever

refuse_older_tls()
from dissonance.web.grpc_server import GrpcServer

async def main():
    tls, stop = LiveTls(tls_in(Path(sys.argv[1]) / "tls")), asyncio.Event()
    server = GrpcServer([], verifier=None, lockout=None, trail=None, health=None, clock=FixedClock(),
                        metrics=Metrics(), max_message_bytes=1000, tls=tls)
    renewing = asyncio.create_task(renew_for_ever(tls, 0.02))
    async with server.serving("127.0.0.1", 0, stop) as port:
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
    renewing.cancel()

asyncio.run(main())
"""


def context(authority: str) -> ssl.SSLContext:
    made = trusting(authority)
    made.set_alpn_protocols(["h2"])
    return made


async def is_taken(port: int, context: ssl.SSLContext | None) -> bool:
    """Whether the server begins to speak HTTP/2 with a caller."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            return len(await reader.read(9)) > 0
        finally:
            await hang_up(writer)
    except (ssl.SSLError, ConnectionError):
        return False


def test_grpc_is_served_by_tls_1_3_only_and_shows_a_renewed_certificate(tmp_path: Path) -> None:
    clock = clock_days_ago(DUE_DAYS)
    tls = live_in(tmp_path, clock)
    authority = tls.tls.authority
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())

        async def story() -> None:
            assert await is_taken(port, context(authority))
            assert not await is_taken(port, None)
            assert not await is_taken(port, older(context(authority)))
            assert not await is_taken(port, ssl.create_default_context())
            before = await shown_serial(port, authority)
            clock.advance(DUE_DAYS * DAY_S)
            assert tls.refresh()
            while await shown_serial(port, authority) == before:
                await asyncio.sleep(0.02)

        asyncio.run(story())
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait() == 0


def test_a_process_that_has_loaded_the_library_already_is_told_so() -> None:
    import grpc  # noqa: F401

    with pytest.raises(ConfigurationError, match="refuse TLS"):
        refuse_older_tls()
