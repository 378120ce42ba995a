from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.errors import ConfigurationError
from dissonance.security.grants import default_grants, parse_grants, read_grants
from dissonance.security.permissions import OF_THE_SYSTEM, Permission


def test_a_file_of_ones_own_takes_the_place_of_the_one_that_ships(tmp_path: Path) -> None:
    file = tmp_path / "grants.toml"
    file.write_text('[reader]\npurpose = "reads"\npermissions = ["windows:read"]\n')
    assert read_grants(file) == {"reader": frozenset({Permission.WINDOWS})}


def test_without_a_file_there_are_those_that_ship() -> None:
    assert read_grants(None) == default_grants()


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ('[viewer]\npermissions = ["window:read"]', "'viewer' names 'window:read'", "windows:read"),
        ('[viewer]\npermissions = ["xyzzy"]', "no such permission", "predictions:write"),
        ('[viewer]\npermissions = ["public:read"]', "no such permission", ""),
        ('[viewer]\npermissions = ["*", "windows:read"]', "names '*'", ""),
        ("[Viewer]\npermissions = []", "no name of a grant", "lower-case"),
        ("[viewer]\npermission = []", "cannot be read", ""),
        ("viewer", "cannot be read", ""),
        ("", "no grant", ""),
    ],
)
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(text: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_grants(text, "my.toml")
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.where == "my.toml"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_grants(tmp_path / "nowhere.toml")


def test_admin_has_every_permission_and_nobody_the_public_one() -> None:
    assert default_grants()["admin"] == frozenset(Permission) - {Permission.PUBLIC}
    assert all(Permission.PUBLIC not in permissions for permissions in default_grants().values())


@pytest.mark.parametrize("grant", ["viewer", "auditor"])
def test_who_only_looks_changes_nothing(grant: str) -> None:
    assert all(permission.value.endswith(":read") for permission in default_grants()[grant])


def test_only_whom_the_installation_concerns_has_what_is_of_the_whole_system() -> None:
    with_it = {name for name, permissions in default_grants().items() if permissions & OF_THE_SYSTEM}
    services = {name for name in default_grants() if name.endswith("-service")}
    assert with_it == {"scientist", "operator", "auditor", "admin"} | services


def test_who_makes_models_promotes_none_and_who_promotes_reads_no_rows() -> None:
    assert Permission.MOVE_MODELS not in default_grants()["scientist"]
    assert not default_grants()["operator"] & {Permission.LABEL_REQUESTS, Permission.EXPORT_MODEL, Permission.ANSWERS}
