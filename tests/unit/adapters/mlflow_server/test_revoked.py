"""MLflow's server follows what is revoked, and asks no more often than it has to."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.mlflow_server.revoked import ASK_EVERY_US, Following, Listed, reader
from dissonance.errors import Unauthenticated
from dissonance.security.revocations import Revocation, Revoked
from support.access import LocalAccess


class Store:
    """Answers what it holds; counts how often it was asked. `away`: it does not answer."""

    def __init__(self) -> None:
        self.listed = Listed(0, [])
        self.asked = 0
        self.away = False

    def read(self, known: int, since_us: int) -> Listed | None:
        self.asked += 1
        return None if self.away or known == self.listed.changes else self.listed


def revoke(store: Store, holder: str, now_us: int) -> None:
    line = Revocation(what=Revoked.HOLDER, value=holder, revoked_at_us=now_us, by="x", reason="")
    store.listed = Listed(store.listed.changes + 1, [*store.listed.revocations, line])


def test_token_that_is_revoked_is_refused_by_the_next_question() -> None:
    store, access = Store(), LocalAccess()
    following = Following(store.read, access.clock)
    token = access.token("viewer")
    verifier = access.fresh_tokens()
    assert verifier.verify(token).name == "tester"

    assert following.news() is not None
    revoke(store, "tester", access.clock.now_us())
    access.clock.advance(ASK_EVERY_US / 1e6)
    listed = following.news()
    assert listed is not None
    verifier.use(listed)

    with pytest.raises(Unauthenticated):
        verifier.verify(token)


def test_store_is_asked_once_in_two_seconds_and_lists_are_read_only_when_they_changed() -> None:
    store, clock = Store(), FixedClock()
    following = Following(store.read, clock)
    assert following.news() is not None
    assert [following.news() for _ in range(5)] == [None] * 5
    assert store.asked == 1
    clock.advance(ASK_EVERY_US / 1e6)
    assert following.news() is None
    assert store.asked == 2


def test_while_the_store_is_away_what_is_known_goes_on() -> None:
    store, clock = Store(), FixedClock()
    following = Following(store.read, clock)
    store.away = True
    assert following.news() is None
    store.away = False
    clock.advance(ASK_EVERY_US / 1e6)
    assert following.news() is not None


def test_database_that_cannot_be_reached_tells_nothing_new() -> None:
    nowhere = make_url("postgresql+psycopg://nobody@/x?host=/no-such-folder")
    assert reader(nowhere)(-1, 0) is None
