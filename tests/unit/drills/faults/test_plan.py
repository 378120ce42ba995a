"""Every part of the system has every fault that it can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.drills.faults.attackers import OVERSIZED_BYTES, OVERSIZED_EVERY, bad_requests
from dissonance.drills.faults.hostile import connections_to_open
from dissonance.drills.faults.plan import chosen, short_campaign, whole_campaign
from dissonance.drills.faults.stand import GROUPS
from dissonance.drills.faults.storage import changed, file_with
from dissonance.errors import InputError
from dissonance.roles.listed import ROLES


def test_every_role_and_engine_is_killed_stopped_ended_slowed_and_cut_off() -> None:
    names = [fault.name for fault in whole_campaign()]

    assert len(names) == len(set(names))
    for target in (*GROUPS, "nats", "postgresql", "mlflow"):
        assert {f"{kind} {target}" for kind in ("kill", "stop", "terminate", "slow", "cut")} <= set(names)
    assert {role for roles in GROUPS.values() for role in roles} == set(ROLES)


def test_short_campaign_is_part_of_the_whole() -> None:
    assert {fault.name for fault in short_campaign()} < {fault.name for fault in whole_campaign()}


def test_word_that_names_no_fault_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no fault is named 'earthquake'") as refused:
        chosen(whole_campaign(), ["earthquake"])

    assert "kill nats" in refused.value.fix


def test_bad_requests_are_refused_for_more_than_one_reason() -> None:
    bad = bad_requests("a.b.cccccccc")
    some = [next(bad) for _ in range(OVERSIZED_EVERY)]

    assert len(some[-1].body) > OVERSIZED_BYTES
    assert some[-1].refused_by == {413}
    assert {status for each in some for status in each.refused_by} >= {400, 401, 413, 415, 422}


@pytest.mark.parametrize(
    ("limit", "used", "room", "opened"), [(1_024, 30, 9_000, 789), (1_024, 900, 9_000, 0), (10**6, 30, 50_000, 24_000)]
)
def test_connections_fill_four_fifths_of_the_descriptors_at_most(limit: int, used: int, room: int, opened: int) -> None:
    assert connections_to_open(limit, used, room) == opened


def test_changed_model_file_is_of_the_same_length_and_found_by_its_content(tmp_path: Path) -> None:
    folder, content = tmp_path, bytes(range(200))
    (folder / "run").mkdir()
    (folder / "run" / "artefact.bin").write_bytes(content)
    (folder / "other.bin").write_bytes(changed(content))

    assert len(changed(content)) == len(content)
    assert changed(content) != content
    assert file_with(folder, content) == folder / "run" / "artefact.bin"
    with pytest.raises(FileNotFoundError):
        file_with(folder, b"nobody's")
