"""A signature beside a record holds for these bytes and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.drills.signed import Standing, check_file, sign_file
from dissonance.security.signatures import public_key

SEED = bytes(range(32))


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "faults-20200101T000000Z.json"
    path.write_bytes(b'{"lost": 0}')
    return path


def test_signed_record_says_by_which_key(record: Path) -> None:
    sign_file(record, SEED)

    checked = check_file(record)
    assert (checked.standing, checked.public_key) == (Standing.HOLDS, public_key(SEED).hex())


def test_record_that_was_changed_is_found_out(record: Path) -> None:
    sign_file(record, SEED)
    record.write_bytes(b'{"lost": 1}')

    assert check_file(record).standing is Standing.BROKEN


@pytest.mark.parametrize("content", [b"", b"{}", b'{"public_key": "zz", "signature": "", "sha256": ""}', b"\xff"])
def test_signature_that_is_none_does_not_hold(record: Path, content: bytes) -> None:
    record.with_name(record.name + ".sig").write_bytes(content)

    assert check_file(record).standing is Standing.BROKEN


def test_signature_for_another_purpose_does_not_hold(record: Path) -> None:
    beside = sign_file(record, SEED)
    beside.write_text(beside.read_text(encoding="utf-8").replace("dissonance record 1", "another"), encoding="utf-8")

    assert check_file(record).standing is Standing.BROKEN


def test_record_without_signature_is_not_signed(record: Path) -> None:
    assert check_file(record).standing is Standing.UNSIGNED
