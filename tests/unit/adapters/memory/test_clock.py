from __future__ import annotations

from dissonance.adapters.memory.clock import FixedClock, SeededRandomness


def test_fixed_clock_moves_only_when_told_to() -> None:
    clock = FixedClock(5)
    assert (clock.now_us(), clock.now_us()) == (5, 5)
    clock.advance(1.5)
    clock.advance(-0.5)
    assert clock.now_us() == 1_000_005


def test_seeded_randomness_repeats_from_its_seed_and_never_within() -> None:
    one, two, other = SeededRandomness(1), SeededRandomness(1), SeededRandomness(2)
    tokens = [one.token(16) for _ in range(5)]
    assert tokens == [two.token(16) for _ in range(5)]
    assert len({*tokens, other.token(16)}) == 6
    assert [len(one.token(size)) for size in (0, 1, 100)] == [0, 1, 100]
