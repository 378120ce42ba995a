"""The servers that the proposer is held against, each a process: `python -m serving.variants NAME DATA`.

`echo`: an ASGI app that reads a body and sends a fixed answer of the size of ours, on the same server with the same
settings; the limit of what any Python handler can do there. `unsealed`, `unpublished`, `plain`: the proposer itself
without one of its parts (the cipher, the broker, TLS towards its callers), which tells what that part costs; the first
two exist only here. Each prints a line of JSON when it is ready.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import uvloop
from starlette.types import Receive, Scope, Send

from dissonance.bootstrap import certificates_of, open_system
from dissonance.bootstrap_roles import run_on
from dissonance.contracts.events import Event
from dissonance.contracts.sealed import SealedRow
from dissonance.ports.clock import Randomness
from dissonance.roles.proposer.role import ROLE, build
from dissonance.roles.role import Role
from dissonance.security.tls import Wire
from dissonance.settings import Settings
from dissonance.web.server import serve

ECHO_BYTES = 420
"""About the size of the answer to one row of the census task."""

_encode = msgspec.msgpack.Encoder().encode


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(ECHO_BYTES).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * ECHO_BYTES})


def unsealed(
    keys: dict[bytes, bytes],
    task_id: str,
    row_ids: Sequence[bytes],
    data_subjects: Sequence[bytes],
    rows: Sequence[SealedRow],
    randomness: Randomness,
) -> list[bytes]:
    """`security.rows.seal_rows` without the cipher: nothing that is made here may be kept."""
    return [_encode(row) for row in rows]


class Unpublished:
    """A bus that says that it has what it was given."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus

    async def publish(self, events: Sequence[Event]) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)


def _unsealed_role() -> Role:
    return ROLE._replace(build=partial(build, seal=unsealed))


async def _echo(data: str, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    def announce(port: int) -> None:
        ready(f"https://127.0.0.1:{port}")

    tls = certificates_of(Settings(data=data))
    await serve(echo, "127.0.0.1", 0, stop=stop, on_started=announce, tls=tls.server)


async def _unsealed(data: str, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    async with open_system(Settings(data=data)) as system:
        await run_on(system, [_unsealed_role()], stop=stop, on_started=ready)


async def _unpublished(data: str, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    async with open_system(Settings(data=data)) as system:
        await run_on(system._replace(bus=Unpublished(system.bus)), [ROLE], stop=stop, on_started=ready)


async def _plain(data: str, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    async with open_system(Settings(data=data, plain_connections=Wire.HTTP.value)) as system:
        await run_on(system, [ROLE], stop=stop, on_started=ready)


VARIANTS: dict[str, Callable[[str, asyncio.Event, Callable[[str], None]], Awaitable[None]]] = {
    "echo": _echo,
    "unsealed": _unsealed,
    "unpublished": _unpublished,
    "plain": _plain,
}


async def _main(name: str, data: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready(url: str) -> None:
        sys.stdout.write(msgspec.json.encode({"url": url}).decode() + "\n")
        sys.stdout.flush()

    await VARIANTS[name](data, stop, ready)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(sys.argv[1], sys.argv[2]))
