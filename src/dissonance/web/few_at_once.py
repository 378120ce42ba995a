"""Work that only so many may have done at once, and for which only so many may wait: callers who need no token could
otherwise keep the threads and the database of a process busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dissonance.errors import Overloaded


class FewAtOnce:
    """For one event loop. `most`: who are worked for and who wait, together."""

    def __init__(self, at_once: int, most: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = most
        self._there = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Have the block done when it is its turn. Raises `Overloaded` where too many are there already."""
        if self._there >= self._most:
            raise Overloaded("too many ask for tokens at once", where="login", fix="try again in a few seconds")
        self._there += 1
        try:
            async with self._places:
                yield
        finally:
            self._there -= 1
