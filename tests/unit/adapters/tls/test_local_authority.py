"""Certificates of an installation: made once, renewed in time, made anew when what they rest on is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.errors import DataFolderError
from dissonance.security.certificates import addresses_of, is_issued_by, validity_of
from support.certificates import DAY_S, DUE_DAYS, authority_in, clock_days_ago

FILES = ("authority.pem", "ca.pem", "server.pem", "client.pem")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "tls" / name).read_bytes() for name in FILES}


def test_what_is_made_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    authority = authority_in(tmp_path, clock_days_ago())
    assert authority.renew()
    made = contents(tmp_path)
    assert {(tmp_path / "tls" / name).stat().st_mode & 0o777 for name in FILES} == {0o600}
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700
    assert b"PRIVATE" not in made["ca.pem"]
    assert {"localhost", "127.0.0.1", "::1"} <= addresses_of(made["server.pem"])
    assert not authority.renew()
    assert contents(tmp_path) == made


def test_a_third_of_its_life_after_it_was_made_a_certificate_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    clock = clock_days_ago()
    authority = authority_in(tmp_path, clock)
    authority.renew()
    before = contents(tmp_path)
    clock.advance(DUE_DAYS * DAY_S)
    assert validity_of(before["server.pem"])[1] > clock.now_us()
    assert authority.renew()
    after = contents(tmp_path)
    assert [name for name in FILES if after[name] != before[name]] == ["server.pem", "client.pem"]


def test_a_new_name_of_this_machine_is_added_to_those_of_others(tmp_path: Path) -> None:
    clock = clock_days_ago()
    for name in ("a.example", "0.0.0.0", "10.0.0.5"):
        authority_in(tmp_path, clock, names=(name,)).renew()
    said = addresses_of(contents(tmp_path)["server.pem"])
    assert {"a.example", "10.0.0.5"} <= said
    assert "0.0.0.0" not in said
    clock.advance(DUE_DAYS * DAY_S)
    authority_in(tmp_path, clock).renew()
    assert addresses_of(contents(tmp_path)["server.pem"]) == said


def test_without_the_authority_everything_is_made_anew(tmp_path: Path) -> None:
    authority = authority_in(tmp_path, clock_days_ago())
    authority.renew()
    before = contents(tmp_path)
    (tmp_path / "tls" / "authority.pem").unlink()
    assert authority.renew()
    after = contents(tmp_path)
    assert all(after[name] != before[name] for name in FILES)
    assert is_issued_by(after["server.pem"], after["authority.pem"])
    assert not is_issued_by(before["server.pem"], after["authority.pem"])


def test_a_damaged_certificate_is_replaced(tmp_path: Path) -> None:
    authority = authority_in(tmp_path, clock_days_ago())
    authority.renew()
    (tmp_path / "tls" / "client.pem").write_bytes(b"half")
    assert authority.renew()
    assert is_issued_by(contents(tmp_path)["client.pem"], contents(tmp_path)["authority.pem"])


def test_a_key_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    authority = authority_in(tmp_path / "keys", clock_days_ago())
    (tmp_path / "keys").rmdir()
    with pytest.raises(DataFolderError, match="cannot be kept") as raised:
        authority.renew()
    assert "DISSONANCE_TLS_CERTIFICATE" in raised.value.fix
