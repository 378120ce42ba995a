"""A limit of time on a call to an engine, held also when its driver takes its time to let go of a cancelled call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from dissonance.errors import EngineUnavailable

T = TypeVar("T")


async def within(limit_s: float, engine: str, call: Coroutine[Any, Any, T]) -> T:
    """What `call` returns or raises, or `EngineUnavailable` with the engine's name when nothing comes for `limit_s`.

    The call is cancelled then, and not waited for.
    """
    asking = asyncio.ensure_future(call)
    try:
        answered, _ = await asyncio.wait({asking}, timeout=limit_s)
    finally:
        if not asking.done():
            asking.cancel()
            asking.add_done_callback(_take_note)
    if not answered:
        raise EngineUnavailable(f"{engine} does not answer", where=engine, fix="see dissonance status")
    return asking.result()


def _take_note(asked: asyncio.Future[Any]) -> None:
    """What comes after the caller went on is nobody's concern any more."""
    if not asked.cancelled():
        asked.exception()
