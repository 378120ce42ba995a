"""What the commands on keys print."""

from __future__ import annotations

from dissonance.cli.keys import KeysAnswer, key_line, keys_table
from dissonance.ports.key_versions import KeyState, KeyVersion, PartState
from support.printing import printed


def test_list_shows_state_and_what_rests_under_each_version() -> None:
    versions = [KeyVersion(1, KeyState.RETIRED, 0, 60_000_000), KeyVersion(2, KeyState.ACTIVE, 0, 0, 1_000_000, 20)]
    answer = KeysAnswer(root_guard="passphrase", keys=[key_line(each) for each in versions], rewrapped=1_000_020)
    said = printed(keys_table(answer))
    assert "retired" in said and "active" in said
    assert "1,000,000" in said
    assert "guarded by: passphrase; 1,000,020 keys were wrapped anew" in said
    assert answer.keys[0].changed_at.startswith("1970-01-01T00:01:00")


def test_list_says_which_versions_have_no_part_or_one_that_does_not_open_and_whose_was_left_over() -> None:
    versions = [KeyVersion(number, KeyState.RETIRED, 0, 0, part=part) for number, part in enumerate(PartState, start=1)]
    answer = KeysAnswer(root_guard="file", keys=[key_line(each) for each in versions])
    assert [each.part for each in answer.keys] == [
        "yes",
        "no",
        "missing",
        "damaged",
        "unreadable",
        "destroyed",
        "left over",
    ]
    assert "left over" in printed(keys_table(answer))


def test_list_says_how_files_that_no_version_needs_are_removed() -> None:
    found = KeyVersion(1, KeyState.ACTIVE, 0, 0)
    answer = KeysAnswer(root_guard="file", keys=[key_line(found)], unneeded_parts=2)
    assert "2 files in versions belong to no version: dissonance keys sweep" in printed(keys_table(answer))


def test_a_terminal_of_80_columns_shows_everything_of_a_version() -> None:
    found = KeyVersion(12, KeyState.DESTROYED, 0, 60_000_000, 1_000_000, 1_024, PartState.DESTROYED)
    said = printed(keys_table(KeysAnswer(root_guard="file", keys=[key_line(found)])), width=80)
    assert max(len(line) for line in said.splitlines()) <= 80
    assert {"12", "1,000,000", "1,024", "destroyed", "1970-01-01", "00:00:00", "00:01:00"} <= set(said.split())
