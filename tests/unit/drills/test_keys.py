"""What the drill makes of what it saw: a request that failed, a row that does not open, or one person readable in a
backup, and it has failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.keys.parts import FolderKeyParts
from dissonance.adapters.keys.versions import RestingKey, VersionKeys
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.drills.faults.load import Answer
from dissonance.drills.keys.backups import InBackup, OwnKeys, Restored
from dissonance.drills.keys.copied_versions import that_open
from dissonance.drills.keys.erasure import Erased
from dissonance.drills.keys.people import FRESH_EVERY, Requests, name_of
from dissonance.drills.keys.record import record_of
from dissonance.drills.keys.rotation import Ended, Rotation
from dissonance.drills.keys.run import Outcome, Whole
from dissonance.drills.records import Outcome as Verdict
from dissonance.security.wrapping import NEW_KEY_BYTES

OK, FAILED = Answer(0.0, 0.01, 200, 1), Answer(0.0, 0.01, 503, 2)
CLOSED, OPEN, NONE = InBackup(10, 0, 10, 10), InBackup(10, 10, 10, 10), InBackup(10, 0, 10, 0)
RESTORED = Restored(CLOSED, OwnKeys(OPEN, 1, 1), CLOSED, OwnKeys(NONE, 1, 0), CLOSED)


def rotation(opened: int = 30, *, resumed: bool = False) -> Rotation:
    return Rotation(2, 9.0, 1_000_000, resumed, 400 if resumed else 0, 30, opened)


def outcome(**changed: object) -> Outcome:
    good = Outcome(
        people=1_000_000,
        rate=100.0,
        filled_s=100.0,
        answers=[OK] * 2_000,
        rotations=[rotation(), rotation(resumed=True), rotation()],
        ended=Ended(refused=2, destroyed=3, left_under_them=0),
        started_after=[OK] * 10,
        whole=Whole(rows=1_002_000, closed=0, lost=0),
        erased=Erased([4.0] * 5, [1.0, 1.5, 1.0, 1.0, 1.0], 10, 10, 0),
        restored=RESTORED,
    )
    return good._replace(**changed)  # type: ignore[arg-type]


def test_rotations_that_nobody_noticed_and_erasures_that_hold_pass() -> None:
    record = record_of(outcome(), 3)
    assert (record.verdict, record.reasons) == (Verdict.PASS, [])
    assert record.raw["erase_max_s"] == 1.5
    assert record.raw["cut_short_and_resumed"] == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"answers": [OK] * 2_000 + [FAILED]}, "failed is 1"),
        ({"started_after": [FAILED]}, "failed_by_processes_started_after is 1"),
        ({"rotations": [rotation(), rotation(29), rotation()]}, "closed_after_a_rotation is 1"),
        ({"ended": Ended(refused=1, destroyed=3, left_under_them=0)}, "ends_refused_while_in_use is 1"),
        ({"ended": Ended(refused=2, destroyed=2, left_under_them=0)}, "versions_destroyed is 2"),
        ({"whole": Whole(rows=9, closed=1, lost=0)}, "rows_closed is 1"),
        ({"whole": Whole(rows=9, closed=0, lost=1)}, "answered_not_stored is 1"),
        ({"erased": Erased([4.0] * 5, [5.5] * 5, 10, 10, 0)}, "erase_max_s is 5.5"),
        ({"erased": Erased([4.0] * 5, [1.0] * 5, 9, 10, 0)}, "certificates_verified is 9"),
        ({"erased": Erased([4.0] * 5, [1.0] * 5, 10, 10, 1)}, "erased_rows_opened is 1"),
        ({"restored": RESTORED._replace(keys_of_now=InBackup(10, 1, 10, 10))}, "backup_erased_opened is 1"),
        ({"restored": RESTORED._replace(after_up=InBackup(10, 0, 10, 9))}, "restored_neighbours_closed is 1"),
        ({"restored": RESTORED._replace(after_up=InBackup(0, 0, 10, 10))}, "restored_erased_rows is 0"),
        ({"restored": RESTORED._replace(own_keys=OwnKeys(NONE, 1, 1))}, "copy_with_its_own_keys_erased_opened is 0"),
        ({"restored": RESTORED._replace(own_keys=OwnKeys(OPEN, 1, 0))}, "copy_with_its_own_keys_versions_opened is 0"),
        ({"restored": RESTORED._replace(left_behind=OwnKeys(CLOSED._replace(erased_opened=1), 1, 0))}, "copy_after_"),
        (
            {"restored": RESTORED._replace(left_behind=OwnKeys(NONE, 1, 1))},
            "copy_after_destroy_versions_opened is 1",
        ),
        ({"restored": RESTORED._replace(left_behind=OwnKeys(NONE, 0, 0))}, "copy_after_destroy_versions is 0"),
        ({"restored": RESTORED._replace(kept=NONE)}, "backup_after_destroy_neighbours_closed is 10"),
    ],
)
def test_what_is_not_as_it_should_be_fails_with_its_reason(changed: dict[str, object], reason: str) -> None:
    record = record_of(outcome(**changed), 3)
    assert record.verdict is Verdict.FAIL
    assert [each for each in record.reasons if each.startswith(reason)]


def test_copied_version_opens_with_its_part_and_under_the_root_key_of_before_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    randomness = SeededRandomness(1)
    folder = KeyFolder.open_or_create(tmp_path / "keys", randomness)
    parts = FolderKeyParts(folder.folder, folder.key_encryption_key, randomness)
    keys = VersionKeys(folder.key_encryption_key, parts, randomness)
    gone, kept = (keys.new_part() for _ in range(2))
    copied = [
        RestingKey(1, keys.root.new_version(1, randomness.token(NEW_KEY_BYTES)), None),
        RestingKey(2, gone.sealed(2), gone.part_id),
        RestingKey(3, kept.sealed(3), kept.part_id),
    ]
    assert that_open(folder, copied) == 3
    parts.destroy(gone.part_id)
    assert [that_open(folder, [each]) for each in copied] == [1, 0, 1]


def test_requests_are_about_people_of_the_store_and_about_new_ones() -> None:
    bodies = [Requests(1_000).body(number) for number in range(2 * FRESH_EVERY)]
    assert [name_of(0).encode() in body or b"stored-" in body for body in bodies] == [True, False] * FRESH_EVERY
