"""When the broker may be started again after a full disk."""

from __future__ import annotations

from pathlib import Path

from dissonance.adapters.embedded.nats import has_room_for_streams


def test_a_folder_on_a_disk_with_space_has_room(tmp_path: Path) -> None:
    assert has_room_for_streams(tmp_path)


def test_a_folder_whose_disk_cannot_be_asked_has_no_room_and_ends_nobody_who_looks(tmp_path: Path) -> None:
    assert not has_room_for_streams(tmp_path / "taken away")
