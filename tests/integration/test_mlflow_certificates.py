"""The program that serves MLflow: renewed certificates are taken while it serves, and only when they fit each other;
it ends when it is asked to, whoever holds on to it."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from dissonance.adapters.embedded.loopback import HOST, choose_port
from dissonance.adapters.embedded.mlflow import SERVER
from dissonance.adapters.embedded.process import STOP_LIMIT_S
from support.certificates import DAY_S, DUE_DAYS, clock_days_ago, hang_up, live_in, shown_serial

APPLICATION = """
def make():
    async def application(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return application
"""
BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n", re.DOTALL)
ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Renewal(NamedTuple):
    """A certificate and its key, as PEM, before and after it was renewed."""

    certificates: tuple[bytes, bytes]
    keys: tuple[bytes, bytes]
    authority: str
    client: ssl.SSLContext

    def serial(self, number: int) -> int:
        return x509.load_pem_x509_certificate(self.certificates[number]).serial_number


def renewal(folder: Path) -> Renewal:
    clock = clock_days_ago(DUE_DAYS)
    live = live_in(folder, clock)
    before = Path(live.tls.server.certificate).read_bytes()
    clock.advance(DUE_DAYS * DAY_S)
    assert live.refresh()
    both = (before, Path(live.tls.server.certificate).read_bytes())
    keys, certificates = ([_blocks(text, private=private) for text in both] for private in (True, False))
    return Renewal((certificates[0], certificates[1]), (keys[0], keys[1]), live.tls.authority, live.client)


def _blocks(text: bytes, *, private: bool) -> bytes:
    return b"".join(found[0] for found in BLOCK.finditer(text) if (b"PRIVATE" in found[1]) is private)


def replace(path: Path, content: bytes) -> None:
    written = path.with_suffix(".new")
    written.write_bytes(content)
    written.rename(path)


@contextmanager
def serving(folder: Path, authority: str) -> Iterator[tuple[int, Path, subprocess.Popen[bytes]]]:
    """Its port, its log, and itself."""
    (folder / "served.py").write_text(APPLICATION)
    port, log = choose_port(0, engine="mlflow"), folder / "log"
    files = (str(folder / "certificate.pem"), str(folder / "key.pem"), authority)
    argv = [sys.executable, "-P", str(SERVER), str(folder), "served:make", HOST, str(port), "0", *files]
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as process:
        try:
            yield port, log, process
        finally:
            process.terminate()


async def said(log: Path, words: str) -> None:
    async with asyncio.timeout(60):
        while words not in log.read_text():
            await asyncio.sleep(0.05)


def test_renewed_certificate_is_taken_when_its_key_has_come_and_no_connection_is_lost(tmp_path: Path) -> None:
    given = renewal(tmp_path / "keys")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    replace(certificate, given.certificates[0])
    replace(key, given.keys[0])

    async def story(port: int, log: Path) -> None:
        await said(log, "Uvicorn running")
        reader, writer = await asyncio.open_connection(HOST, port, ssl=given.client)

        async def answers() -> bool:
            writer.write(ASK)
            return (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")

        assert await answers()
        replace(key, given.keys[1])
        await said(log, "renewed certificates cannot be used")
        assert await shown_serial(port, given.authority) == given.serial(0)
        replace(certificate, given.certificates[1])
        async with asyncio.timeout(60):
            while await shown_serial(port, given.authority) != given.serial(1):
                await asyncio.sleep(0.05)
        assert await answers()
        await hang_up(writer)

    with serving(tmp_path, given.authority) as (port, log, _):
        asyncio.run(story(port, log))


def test_it_ends_though_a_client_neither_uses_its_connection_nor_lets_it_be_closed(tmp_path: Path) -> None:
    given = renewal(tmp_path / "keys")
    replace(tmp_path / "certificate.pem", given.certificates[0])
    replace(tmp_path / "key.pem", given.keys[0])
    with serving(tmp_path, given.authority) as (port, log, process):
        asyncio.run(said(log, "Uvicorn running"))
        connection = given.client.wrap_socket(socket.create_connection((HOST, port)), server_hostname=HOST)
        with connection:
            connection.sendall(ASK)
            assert connection.recv(4_096).startswith(b"HTTP/1.1 200")
            process.terminate()
            process.wait(2 * STOP_LIMIT_S)
