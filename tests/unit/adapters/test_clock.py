from __future__ import annotations

import time

from dissonance.adapters.clock import SystemClock, SystemRandomness, uuid7
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.contracts.ids import uuid7_time_us


def test_system_clock_reads_microseconds_since_1970() -> None:
    before = time.time_ns() // 1000
    assert before <= SystemClock().now_us() <= time.time_ns() // 1000


def test_system_randomness_gives_tokens_of_the_size_asked_for() -> None:
    tokens = {SystemRandomness().token(16) for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {16}


def test_ids_of_a_process_rise_also_when_the_clock_steps_back() -> None:
    clock = FixedClock(4_000_000_000_000_000)
    ids = [uuid7(clock, SeededRandomness(seed)) for seed in range(20)]
    clock.advance(-1_000)
    ids += [uuid7(clock, SeededRandomness(seed)) for seed in range(20)]
    assert ids == sorted(set(ids))
    assert uuid7_time_us(ids[0]) >= 4_000_000_000_000_000
