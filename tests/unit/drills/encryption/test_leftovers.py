from __future__ import annotations

from pathlib import Path

from dissonance.drills.encryption.leftovers import left_behind


def test_what_is_new_and_in_nobodys_hands_was_left(tmp_path: Path) -> None:
    (tmp_path / "before").write_text("")
    before = set(tmp_path.iterdir())
    (tmp_path / "left").write_text("")
    (tmp_path / "worked-in" / "data").mkdir(parents=True)
    with (tmp_path / "worked-in" / "data" / "file").open("w"):
        assert left_behind(tmp_path, before) == [tmp_path / "left"]

    assert left_behind(tmp_path, before) == [tmp_path / "left", tmp_path / "worked-in"]
