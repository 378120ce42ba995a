"""Settings in, addresses and roles out; what is missing is named before anything is started."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import psutil
import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.embedded.process import ProcessIdentity
from dissonance.adapters.embedded.state import State, write_state
from dissonance.bootstrap import addresses_of, trusted_issuers
from dissonance.bootstrap_roles import run_roles
from dissonance.errors import ConfigurationError, DataFolderError, EngineUnavailable
from dissonance.roles.listed import ROLES
from dissonance.security.grants import default_grants
from dissonance.settings import Settings

RUNNING = EngineAddresses("postgresql:///data", "postgresql:///keys", "tls://u:p@localhost:1", "https://localhost:2")


def this_process() -> ProcessIdentity:
    process = psutil.Process()
    return ProcessIdentity(process.pid, process.create_time(), tuple(process.cmdline()))


def folder_of_engines(folder: Path, supervisor: ProcessIdentity) -> Settings:
    """Settings of a data folder on which engines run as long as `supervisor` lives."""
    write_state(folder, State(supervisor, RUNNING, ready=True))
    return Settings(data=str(folder))


def test_the_addresses_are_those_of_what_runs_on_the_data_folder(tmp_path: Path) -> None:
    assert addresses_of(folder_of_engines(tmp_path, this_process())) == RUNNING


def test_an_address_that_is_given_wins_over_what_runs(tmp_path: Path) -> None:
    folder_of_engines(tmp_path, this_process())
    addresses = addresses_of(Settings(data=str(tmp_path), nats_url="tls://elsewhere:4222"))
    assert addresses == EngineAddresses(
        RUNNING.database_url, RUNNING.keys_database_url, "tls://elsewhere:4222", RUNNING.mlflow_url
    )


def test_with_all_addresses_given_no_data_folder_is_looked_at(tmp_path: Path) -> None:
    given = Settings(
        data=str(tmp_path / "none"),
        database_url="postgresql:///a?host=/run",
        keys_database_url="postgresql:///b?host=/run",
        nats_url="tls://c",
        mlflow_url="https://d",
    )
    assert addresses_of(given) == EngineAddresses(
        "postgresql:///a?host=/run", "postgresql:///b?host=/run", "tls://c", "https://d"
    )


@pytest.mark.parametrize("given", ["", "postgresql:///a"])
def test_engines_that_neither_run_nor_are_given_are_named_with_the_way_to_start_them(
    tmp_path: Path, given: str
) -> None:
    with pytest.raises(EngineUnavailable) as raised:
        addresses_of(Settings(data=str(tmp_path), database_url=given))
    assert raised.value.where == str(tmp_path)
    assert "dissonance up" in raised.value.fix


def test_a_state_that_its_supervisor_did_not_live_to_remove_is_no_engine(tmp_path: Path) -> None:
    another_life = msgspec.structs.replace(this_process(), started=this_process().started - 60.0)
    with pytest.raises(EngineUnavailable):
        addresses_of(folder_of_engines(tmp_path, another_life))


def test_a_damaged_state_is_said_so(tmp_path: Path) -> None:
    settings = folder_of_engines(tmp_path, this_process())
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(DataFolderError, match="damaged"):
        addresses_of(settings)


def test_a_role_that_there_is_not_is_refused_before_any_engine_is_asked(tmp_path: Path) -> None:
    starting = run_roles(
        Settings(data=str(tmp_path)), ["proposer", "oracle"], stop=asyncio.Event(), on_started=lambda url: None
    )
    with pytest.raises(ConfigurationError, match="'oracle'") as raised:
        asyncio.run(starting)
    assert all(name in raised.value.fix for name in ROLES)
    assert list(tmp_path.iterdir()) == []


def test_other_issuers_come_from_the_file_that_the_settings_name(tmp_path: Path) -> None:
    file = tmp_path / "issuers.toml"
    file.write_text('[[issuers]]\nname = "corp"\nurl = "https://login.example.org"\naudience = "dissonance"\n')
    assert [rules.name for rules in trusted_issuers(Settings(oidc_issuers=str(file)), default_grants())] == ["corp"]
    assert trusted_issuers(Settings(), default_grants()) == []


def test_a_file_of_issuers_that_is_not_there_or_names_the_local_one_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "issuers.toml"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        trusted_issuers(Settings(oidc_issuers=str(file)), default_grants())
    file.write_text('[[issuers]]\nname = "corp"\nurl = "https://login.example.org"\naudience = "dissonance"\n')
    with pytest.raises(ConfigurationError, match="local issuer"):
        trusted_issuers(Settings(oidc_issuers=str(file), token_issuer="https://login.example.org"), default_grants())
