"""Load from a process of its own: wrk (Glozer), which is compiled and costs a tenth of what it asks for.

wrk asks again as soon as it is answered. For latency at a given load each connection pauses between two requests, so
long that all together ask about as often as they should.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dissonance.adapters.clock import SystemRandomness
from dissonance.errors import ConfigurationError, EngineError

SCRIPT = Path(__file__).parent / "wrk.lua"
JSON = "application/json"
NOBODY = "-"
"""The bearer of requests without a token."""


class Answered(msgspec.Struct, frozen=True):
    """What came of one run. `failed`: connections, reads, writes, timeouts, and answers of status 400 and up."""

    requests: int
    duration_us: int
    failed: int
    p50_us: float
    p99_us: float
    mean_us: float

    @property
    def per_s(self) -> float:
        return self.requests / (self.duration_us / 1e6)


def require_wrk() -> str:
    """Raises `ConfigurationError` where there is none."""
    found = shutil.which("wrk")
    if found is None:
        raise ConfigurationError(
            "wrk is not installed", where="PATH", fix="install it (Debian, Ubuntu: apt install wrk)"
        )
    return found


def write_bodies(path: Path, bodies: Sequence[bytes]) -> Path:
    """One body a line."""
    path.write_bytes(b"\n".join(bodies) + b"\n")
    return path


async def ask(
    url: str,
    bodies: Path,
    *,
    connections: int,
    seconds: float,
    bearer: str = NOBODY,
    think_ms: float = 0.0,
    keyed: bool = False,
) -> Answered:
    """Ask over `connections` for `seconds`; `keyed`: every request has an idempotency key of its own.

    Raises `EngineError` when wrk says something else than it should.
    """
    process = await asyncio.create_subprocess_exec(
        require_wrk(),
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds:g}s",
        "--timeout=10s",
        f"--script={SCRIPT}",
        url,
        "--",
        str(bodies),
        bearer,
        JSON,
        f"{think_ms:g}",
        SystemRandomness().token(8).hex() if keyed else NOBODY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    last = said.strip().rpartition(b"\n")[2]
    try:
        return msgspec.json.decode(last, type=Answered)
    except msgspec.MsgspecError as error:
        raise EngineError(f"wrk said {said[-300:]!r}", where=url, fix="is the server running?") from error
