"""Drill: is anything readable that was sent? Twice the same: as it ships, and the control, which must show all."""

from __future__ import annotations

from pathlib import Path

from dissonance.drills.encryption.story import Looked, Say, run_once


async def encryption_drill(folder: Path, say: Say) -> tuple[Looked, Looked]:
    """The system as it ships, and the control, one after the other in folders of their own."""
    sealed = await run_once(folder / "sealed", lambda line: say(f"sealed: {line}"), is_control=False)
    control = await run_once(folder / "control", lambda line: say(f"control: {line}"), is_control=True)
    return sealed, control
