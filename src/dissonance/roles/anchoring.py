"""What roles ask of the pipeline about the hash chains: write their heads down outside the database."""

from __future__ import annotations

from typing import Protocol


class Anchoring(Protocol):
    async def anchor_all(self) -> None:
        """Every chain that has grown since its last anchor gets another. Raises `EngineUnavailable`."""
        ...
