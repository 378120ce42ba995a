"""The verdict of the soak: flat, bounded, nothing lost; each limit broken alone fails the record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dissonance.adapters.nats.state import StreamState
from dissonance.contracts.topics import EventKind
from dissonance.drills.demo.result import Accounting
from dissonance.drills.records import Outcome
from dissonance.drills.soak.counting import KINDS, Passed
from dissonance.drills.soak.gauge import LOAD_GENERATOR, Sample
from dissonance.drills.soak.record import (
    EVERY_ROW,
    MOST_GROWTH,
    lag_by_consumer,
    largest_lag_allowed,
    memory_trends,
    record_of,
)
from dissonance.drills.soak.run import SoakOutcome

ROWS = 100_000
MIB = 2**20
WHOLE = Accounting(
    acknowledged=ROWS,
    admitted=90_000,
    blocked=10_000,
    dead_lettered=0,
    missing=0,
    unexpected=0,
    labels_sent=1_500,
    labels_joined=1_500,
    requests=2_500,
    retries=0,
    verdict_chain_links=2_000,
)


def samples(gate_growth: float = 0.0, lag: int = 3) -> list[Sample]:
    """Of 50; `gate_growth`: MiB from the first to the last."""
    return [
        Sample(
            elapsed_s=2.0 * step,
            rows=ROWS * step // 50,
            memory_bytes={
                "gate": round((200.0 + gate_growth * step / 50) * MIB),
                "nats": 60 * MIB,
                LOAD_GENERATOR: (100 + 10 * step) * MIB,
            },
            lag={"gate-contradicted": lag if step == 25 else 0},
            load=2.0,
        )
        for step in range(1, 51)
    ]


def outcome(**changed: Any) -> SoakOutcome:
    by_row = {kind: Passed(2_500, ROWS, ROWS) for kind in EVERY_ROW}
    by_label = {kind: Passed(100, 1_510, 1_500) for kind in KINDS if kind not in EVERY_ROW}
    usual = SoakOutcome(
        rows=ROWS,
        rows_per_s=1_000.0,
        stream_s=100.0,
        drain_s=3.0,
        samples=samples(),
        lag_at_end={"gate-contradicted": 0},
        accounting=WHOLE,
        passed=by_row | by_label,
        streams={kind: StreamState(2_500, 10_000, {}) for kind in EventKind},
        asked={"chosen": 800, "random_check": 200},
    )
    return usual._replace(**changed)


def test_a_run_within_every_limit_passes_and_says_what_it_rests_on() -> None:
    record = record_of(outcome())

    assert (record.verdict, record.reasons) == (Outcome.PASS, [])
    assert record.raw["events"] == 4 * ROWS + 2 * 1_510
    assert record.raw["gate_mib_per_100k_rows"] == pytest.approx(0.0, abs=1e-9)
    assert record.raw["gate-contradicted_largest_lag"] == 3
    assert record.raw["series_rows"] == [sample.rows for sample in samples()]
    assert record.raw["asked_as_random_check"] == 200


def without(kind: EventKind) -> dict[EventKind, Passed]:
    """One row never came out as an event of this kind."""
    return outcome().passed | {kind: Passed(2_499, ROWS - 1, ROWS - 1)}


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({"samples": samples(gate_growth=60.0)}, "largest_growth_of_last_half"),
        ({"samples": samples(lag=largest_lag_allowed(1_000.0) + 1)}, "largest_lag"),
        ({"samples": samples()[:5]}, "largest_growth_of_last_half"),
        ({"lag_at_end": {"gate-contradicted": 1}}, "lag_at_end"),
        ({"stream_s": 112.0}, "rows_per_s"),
        ({"accounting": msgspec.structs.replace(WHOLE, missing=1)}, "missing"),
        ({"accounting": msgspec.structs.replace(WHOLE, unexpected=1)}, "unexpected"),
        ({"accounting": msgspec.structs.replace(WHOLE, admitted=89_999)}, "unaccounted"),
        ({"accounting": msgspec.structs.replace(WHOLE, labels_joined=1_499)}, "labels_not_joined"),
        ({"passed": without(EventKind.PREDICTED)}, "predicted_predictions"),
        ({"passed": without(EventKind.JUDGED)}, "judged_predictions"),
        ({"passed": without(EventKind.EXPERIENCED)}, "experienced_predictions"),
    ],
)
def test_one_limit_broken_is_the_one_reason_to_fail(changed: dict[str, object], broken: str) -> None:
    record = record_of(outcome(**changed))

    assert record.verdict is Outcome.FAIL
    assert [reason.split()[0] for reason in record.reasons] == [broken]


def test_a_dead_letter_fails_though_every_row_is_accounted_for() -> None:
    record = record_of(outcome(accounting=msgspec.structs.replace(WHOLE, admitted=89_999, dead_lettered=1)))

    assert [reason.split()[0] for reason in record.reasons] == ["dead_lettered"]


def test_what_this_process_keeps_to_count_by_is_shown_and_not_judged() -> None:
    record = record_of(outcome())

    grown = record.raw[f"{LOAD_GENERATOR}_growth_of_last_half"]
    assert isinstance(grown, float)
    assert grown > MOST_GROWTH
    assert record.verdict is Outcome.PASS


def test_a_part_that_was_not_there_all_the_time_has_no_trend() -> None:
    seen = samples()
    seen[10].memory_bytes.pop("nats")

    assert set(memory_trends(seen)) == {"gate", LOAD_GENERATOR}
    assert memory_trends([]) == {}


def test_a_consumer_made_later_had_nothing_waiting_before() -> None:
    early, late = samples()[0]._replace(lag={}), samples()[24]

    assert lag_by_consumer([early, late]) == {"gate-contradicted": [0, 3]}
