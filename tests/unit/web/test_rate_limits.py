from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.memory.clock import FixedClock
from dissonance.errors import RateLimited
from dissonance.security.identity import Identity
from dissonance.web.rate_limits import KEPT, RateLimitedVerifier


class Everybody:
    """Takes the token for the name."""

    def verify(self, token: str) -> Identity:
        return Identity(token, frozenset(), frozenset(), 10**18)

    def verify_again(self, identity: Identity) -> None:
        pass

    def remembers(self, identity: Identity) -> bool:
        return identity.name == "ann"

    def at_hand(self, token: str) -> bool:
        return token == "ann"

    async def prepare(self, token: str) -> None:
        pass


def let_through(verifier: RateLimitedVerifier, name: str) -> bool:
    try:
        verifier.verify(name)
    except RateLimited as error:
        assert name in error.what
        return False
    return True


def test_a_caller_that_was_quiet_may_ask_for_a_second_at_once_and_then_waits() -> None:
    clock = FixedClock()
    verifier = RateLimitedVerifier(Everybody(), 5.0, clock)
    assert [let_through(verifier, "ann") for _ in range(7)] == [True] * 5 + [False] * 2
    clock.advance(0.2)
    assert [let_through(verifier, "ann") for _ in range(2)] == [True, False]


def test_one_caller_takes_nothing_from_another() -> None:
    verifier = RateLimitedVerifier(Everybody(), 1.0, FixedClock())
    assert let_through(verifier, "ann")
    assert not let_through(verifier, "ann")
    assert let_through(verifier, "bob")


def test_a_request_whose_token_was_verified_before_counts_as_any_other() -> None:
    verifier = RateLimitedVerifier(Everybody(), 2.0, FixedClock())
    ann = verifier.verify("ann")
    verifier.verify_again(ann)
    with pytest.raises(RateLimited):
        verifier.verify_again(ann)


def test_callers_without_debt_are_forgotten() -> None:
    clock = FixedClock()
    verifier = RateLimitedVerifier(Everybody(), 1.0, clock)
    for number in range(KEPT + 1):
        verifier.verify(f"caller {number}")
        clock.advance(2.0)
    assert len(verifier._free_at_us) <= 1


@given(st.floats(0.5, 200.0), st.lists(st.floats(0.0, 0.5), min_size=1, max_size=200))
def test_never_more_than_the_rate_and_one_burst_go_through(rate: float, pauses_s: list[float]) -> None:
    clock = FixedClock()
    verifier = RateLimitedVerifier(Everybody(), rate, clock)
    through = 0
    for pause_s in pauses_s:
        clock.advance(pause_s)
        through += let_through(verifier, "ann")
    assert through <= rate * sum(pauses_s) + max(rate, 1.0) + 1e-3


def test_the_refusal_says_how_fast_is_allowed() -> None:
    verifier = RateLimitedVerifier(Everybody(), 2.0, FixedClock())
    for _ in range(2):
        verifier.verify("ann")
    with pytest.raises(RateLimited, match="2 times a second"):
        verifier.verify("ann")
