"""An SRE hurts the system under a load that does not wait, and asks what clients noticed and what was lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dissonance.drills.faults.plan import short_campaign
from dissonance.drills.faults.record import record_of
from dissonance.drills.faults.run import Options, faults
from dissonance.drills.records import Outcome

RATE = 50.0


@pytest.mark.timeout(600)
def test_killed_stopped_and_cut_off_parts_come_back_by_themselves_and_nothing_is_lost(tmp_path: Path) -> None:
    plan, said = short_campaign(), list[str]()
    options = Options(RATE, 2.0, 0)

    outcome = asyncio.run(faults(tmp_path, plan, options, said.append, lambda count: None))

    record = record_of(outcome, options, "dissonance drill faults --short", whole=False)
    raw = record.raw
    assert raw["fault_name"] == [fault.name for fault in plan]
    assert (raw["lost"], raw["doubled"], raw["invented"], raw["dead_lettered"]) == (0, 0, 0, 0)
    assert (raw["by_hand"], raw["not_done"]) == (0, 0), said
    assert outcome.account.stored == outcome.account.acknowledged + outcome.account.unanswered
    assert record.verdict is Outcome.PASS, record.reasons
