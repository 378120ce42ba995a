"""`roles.anchoring.Anchoring` that counts how often it was asked."""

from __future__ import annotations

from dissonance.errors import EngineUnavailable


class RecordedAnchoring:
    """`available = False` plays a database that is away."""

    def __init__(self) -> None:
        self.available = True
        self.asked = 0

    async def anchor_all(self) -> None:
        self.asked += 1
        if not self.available:
            raise EngineUnavailable("the database is away", where="a test", fix="wait")
