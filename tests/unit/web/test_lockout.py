from __future__ import annotations

import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.errors import LockedOut
from dissonance.web.app import DissonanceApp
from dissonance.web.lockout import (
    FORGOTTEN_S,
    FREE_OF_ADDRESS,
    FREE_OF_CREDENTIAL,
    KEPT,
    LONGEST_S,
    Lockout,
)
from support.access import LocalAccess
from support.api import echo_app
from support.asgi import Reply, call

HERE, THERE = "192.0.2.1", "192.0.2.2"


def fail(lockout: Lockout, times: int, address: str = HERE, credential: str = "wrong {}") -> float:
    """Seconds of the pause that the last one was answered with; 0 for none."""
    pause_s = 0.0
    for number in range(times):
        pause_s = 0.0
        try:
            lockout.failed(address, credential.format(number))
        except LockedOut as error:
            pause_s = error.retry_after_s
    return pause_s


def test_an_address_that_fails_again_and_again_pauses_twice_as_long_each_time() -> None:
    clock = FixedClock()
    lockout = Lockout(clock)
    assert fail(lockout, FREE_OF_ADDRESS) == 0.0
    pauses = []
    for _ in range(12):
        pauses.append(fail(lockout, 1))
        clock.advance(pauses[-1])
    assert pauses == [min(2.0**number, LONGEST_S) for number in range(12)]


def test_what_comes_within_a_pause_does_not_make_it_longer() -> None:
    clock = FixedClock()
    lockout = Lockout(clock)
    assert fail(lockout, FREE_OF_ADDRESS + 3 * FREE_OF_ADDRESS) == 1.0


def test_another_address_pauses_for_nobody_else() -> None:
    lockout = Lockout(FixedClock())
    fail(lockout, 10 * FREE_OF_ADDRESS)
    assert fail(lockout, 1, THERE, "another") == 0.0


def test_addresses_of_one_network_of_ipv6_are_one() -> None:
    lockout = Lockout(FixedClock())
    for number in range(FREE_OF_ADDRESS):
        fail(lockout, 1, f"2001:db8::{number:x}", f"wrong {number}")
    assert fail(lockout, 1, "2001:db8::ffff", "another") == 1.0
    assert fail(lockout, 1, "2001:db8:0:1::1", "one more") == 0.0


def test_a_credential_that_failed_is_not_looked_at_again_wherever_it_comes_from() -> None:
    clock = FixedClock()
    lockout = Lockout(clock)
    fail(lockout, FREE_OF_CREDENTIAL + 1, credential="stale")
    with pytest.raises(LockedOut):
        lockout.require("stale")
    lockout.require("right")
    clock.advance(1.0)
    lockout.require("stale")


def test_after_a_while_nothing_is_held_against_anybody() -> None:
    clock = FixedClock()
    lockout = Lockout(clock)
    fail(lockout, 2 * FREE_OF_ADDRESS)
    clock.advance(FORGOTTEN_S + LONGEST_S)
    assert fail(lockout, 1, credential="another") == 0.0


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    lockout = Lockout(FixedClock())
    for number in range(KEPT + 10):
        lockout.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"wrong {number}")
    assert len(lockout._addresses._known) == len(lockout._credentials._known) == KEPT


def metrics_with(app: DissonanceApp, token: str | None) -> Reply:
    return call(app, "GET", "/metrics", headers={} if token is None else {"authorization": f"Bearer {token}"})


def test_a_flood_of_wrong_tokens_is_put_off_and_a_right_one_from_the_same_address_is_let_in() -> None:
    access = LocalAccess()
    app = echo_app(access)
    replies = [metrics_with(app, f"wrong.{number}.token") for number in range(2 * FREE_OF_ADDRESS)]
    assert [reply.status for reply in replies] == [401] * FREE_OF_ADDRESS + [429] * FREE_OF_ADDRESS
    assert replies[-1].headers["retry-after"] == "1"
    assert replies[-1].json()["type"] == "urn:dissonance:problem:locked-out"
    assert metrics_with(app, access.token("operator")).status == 200


def test_requests_without_a_token_are_no_failures() -> None:
    app = echo_app(LocalAccess())
    assert {metrics_with(app, None).status for _ in range(3 * FREE_OF_ADDRESS)} == {401}


def test_unknown_addresses_count_like_known_ones() -> None:
    app = echo_app(LocalAccess())
    for number in range(FREE_OF_ADDRESS):
        call(app, "GET", "/no/such/place", headers={"authorization": f"Bearer wrong.{number}.token"})
    assert metrics_with(app, "another.wrong.token").status == 429
