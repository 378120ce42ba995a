"""What follows for a part of the system from what it needs; whether the broker holds to it is tested on a real one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.adapters.nats.credentials import Credentials, public_keys, seed_file
from dissonance.adapters.nats.permissions import allowed, users
from dissonance.contracts.bus_needs import NEEDS, ROLE_NEEDS, SEVERAL
from dissonance.contracts.topics import EventKind, topic
from dissonance.errors import ConfigurationError, DataFolderError
from dissonance.roles.listed import ROLES


def test_needs_are_those_of_the_manifests() -> None:
    declared = {name: (set(role.publishes), set(role.consumes)) for name, role in ROLES.items()}

    from dissonance.contracts.consumers import CONSUMERS

    needed = {
        name: (set(needs.publishes), {kind for consumer in needs.consumers for kind in CONSUMERS[consumer]})
        for name, needs in ROLE_NEEDS.items()
    }
    assert needed == declared


@pytest.mark.parametrize("name", NEEDS)
def test_no_part_may_publish_what_it_does_not_declare_nor_change_streams_nor_hear_all(name: str) -> None:
    may = allowed(name, NEEDS[name])
    events = {subject for subject in may.publish if subject.startswith("dissonance.")}

    assert events == {topic(kind) for kind in NEEDS[name].publishes}
    assert not [subject for subject in may.publish if ".STREAM." in subject and subject.split(".")[3] in CHANGING]
    assert not {">", "$JS.>", "$JS.API.>", "_INBOX.>", "dissonance.>"} & {*may.publish, *may.subscribe}


CHANGING = {"CREATE", "UPDATE", "DELETE", "PURGE", "RESTORE", "SNAPSHOT"}


def test_process_of_several_roles_may_what_each_may() -> None:
    together = NEEDS[SEVERAL]

    assert {kind for needs in ROLE_NEEDS.values() for kind in needs.publishes} == set(together.publishes)
    assert together.looks_at_all
    assert topic(EventKind.TASK_CREATED) not in allowed(SEVERAL, together).publish


def test_only_who_is_asked_may_answer() -> None:
    assert [name for name in ROLE_NEEDS if allowed(name, NEEDS[name]).answers] == ["proposer"]


def test_seeds_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "nats"
    first = public_keys(folder, ["gate", "critic"], SeededRandomness(1))
    again = public_keys(folder, ["gate", "critic"], SeededRandomness(2))

    assert first == again
    assert first["gate"] != first["critic"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert f"nkey: {first['gate']}" in users(NEEDS, first)


def test_damaged_seed_is_named(tmp_path: Path) -> None:
    seed_file(tmp_path, "gate").write_text("SUNONSENSE")

    with pytest.raises(DataFolderError, match="keys cannot be used"):
        public_keys(tmp_path, ["gate"], SeededRandomness(1))


def test_credentials_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Credentials("gate", tmp_path / "none").options()


def test_file_of_nsc_is_handed_on_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "gate.creds"
    file.write_text("-----BEGIN NATS USER JWT-----\nx\n")

    assert Credentials("", file).options() == {"user_credentials": str(file)}
