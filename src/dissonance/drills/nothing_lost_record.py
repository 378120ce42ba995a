"""The record of the drill `nothing_lost`: what was counted, and the limits it is judged by."""

from __future__ import annotations

from dissonance.adapters.clock import SystemClock
from dissonance.drills.nothing_lost import Outcome
from dissonance.drills.records import Equals, Record, make_record


def record_of(outcome: Outcome, rows: int) -> Record:
    counted = outcome._asdict()
    raw = {
        **counted,
        "killed": ", ".join(outcome.killed),
        "unaccounted": outcome.acknowledged - outcome.stored - outcome.dead_lettered,
    }
    return make_record(
        name="nothing-lost",
        what=f"{rows} predictions streamed while {raw['killed']} were each killed (-9) once and came back",
        command=f"dissonance drill nothing-lost --rows {rows}",
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=[
            Equals("acknowledged", rows),
            Equals("missing", 0),
            Equals("doubled", 0),
            Equals("unaccounted", 0),
            Equals("dead_lettered", 0),
        ],
    )
