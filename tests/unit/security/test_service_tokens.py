"""Tokens of the system's own parts."""

from __future__ import annotations

from dissonance.adapters.memory.clock import FixedClock
from dissonance.security.grants import default_grants
from dissonance.security.service_tokens import LIFETIME_S, ServiceToken
from support.access import LocalAccess


def test_token_is_kept_for_half_its_life_and_renewed_before_it_expires() -> None:
    clock = FixedClock()
    access = LocalAccess(clock)
    token = ServiceToken(access.issuer, clock, subject="registrar", grant="registrar")
    first = token()

    clock.advance(LIFETIME_S / 2 - 1)
    assert token() == first
    clock.advance(1)
    second = token()

    assert second != first
    identity = access.verifier.verify(second)
    assert (identity.name, identity.permissions, identity.tasks) == ("registrar", default_grants()["registrar"], {"*"})
    assert access.verifier.verify(first).name == "registrar", "it still lived when it was replaced"
