"""An SRE kills every role and every engine under load, and asks what became of each acknowledged prediction."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dissonance.drills.nothing_lost import EVERYTHING, nothing_lost

ROWS = 8_000


@pytest.mark.timeout(600)
def test_every_acknowledged_prediction_is_stored_once_though_each_part_was_killed(tmp_path: Path) -> None:
    outcome = asyncio.run(nothing_lost(tmp_path, ROWS, EVERYTHING, lambda line: None))
    assert outcome.killed == list(EVERYTHING)
    assert outcome.acknowledged == ROWS
    assert outcome.missing == 0
    assert outcome.doubled == 0
    assert outcome.dead_lettered == 0
    assert outcome.stored == ROWS
    assert outcome.chain_links > 0
