"""The list of what is revoked, as MLflow's server follows it."""

from __future__ import annotations

import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.mlflow_server.revoked import RevocationWatch
from dissonance.errors import EngineUnavailable
from dissonance.security.revocations import CredentialList


class Told:
    """Plays the database; `away` makes it raise."""

    def __init__(self) -> None:
        self.number, self.reads, self.away = 0, 0, False

    def changes(self) -> int:
        if self.away:
            raise EngineUnavailable("away")
        return self.number

    def revoked(self, now_us: int) -> CredentialList:
        self.reads += 1
        return CredentialList()


def test_the_list_is_read_once_at_first_and_again_when_it_was_changed() -> None:
    told, used = Told(), list[CredentialList]()
    watch = RevocationWatch(told, FixedClock(), used.append)
    for number in (0, 0, 1, 1, 1, 2):
        told.number = number
        watch.look()
    assert (told.reads, len(used)) == (3, 3)


def test_nothing_begins_while_the_list_cannot_be_read() -> None:
    told, used = Told(), list[CredentialList]()
    told.away = True
    with pytest.raises(EngineUnavailable):
        RevocationWatch(told, FixedClock(), used.append).start()
    assert used == []


def test_after_the_database_was_away_the_list_is_read_where_it_was_left() -> None:
    told, used = Told(), list[CredentialList]()
    watch = RevocationWatch(told, FixedClock(), used.append)
    watch.look()
    told.away = True
    with pytest.raises(EngineUnavailable):
        watch.look()
    told.away, told.number = False, 1
    watch.look()
    assert len(used) == 2
