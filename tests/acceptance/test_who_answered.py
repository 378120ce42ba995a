"""An auditor asks of every prediction of a day on which five versions came and went: who answered it, and as what?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dissonance.drills.records import Outcome
from dissonance.drills.who_answered.record import record_of
from dissonance.drills.who_answered.run import who_answered_drill

VERSIONS, ROWS_PER_S, LEAST = 5, 100.0, 150


@pytest.mark.timeout(600)
def test_of_every_prediction_it_is_told_which_version_answered_and_as_what(tmp_path: Path) -> None:
    said = list[str]()

    account = asyncio.run(who_answered_drill(tmp_path, VERSIONS, ROWS_PER_S, LEAST, said.append, lambda count: None))

    record = record_of(account, VERSIONS, ROWS_PER_S, LEAST)
    assert record.verdict is Outcome.PASS, (record.reasons, said)
