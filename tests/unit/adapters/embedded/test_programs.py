"""What each engine is started with: addresses, secrets out of sight, durable settings."""

from __future__ import annotations

import importlib.util
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from mlflow import environment_variables

from dissonance.adapters.embedded import mlflow as ours
from dissonance.adapters.embedded.account import OWN, Account, others_can_reach, unprivileged_account
from dissonance.adapters.embedded.folder import DataFolder
from dissonance.adapters.embedded.loopback import choose_port
from dissonance.adapters.embedded.mlflow import MlflowEngine
from dissonance.adapters.embedded.nats import NatsEngine
from dissonance.adapters.embedded.postgres import LONGEST_SOCKET_PATH, SOCKET_NAME, PostgresEngine
from dissonance.adapters.embedded.status import without_password
from dissonance.adapters.mlflow_server.files import Access
from dissonance.errors import ConfigurationError, EngineError
from dissonance.security.tls import Pair, Tls

SECRETS = {"DISSONANCE_NATS_URL": "nats://u:theirs@h", "AWS_SECRET_ACCESS_KEY": "theirs", "PATH": os.defpath}

TLS = Tls("/k/ca.pem", Pair('/k/se"r.pem', '/k/se"r.pem'), Pair("/k/client.pem", "/k/client.pem"))


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.open()
    folder.close()
    return folder


def settings_of(argv: tuple[str, ...]) -> dict[str, str]:
    words = argv[argv.index("-c") :]
    return dict(word.split("=", 1) for word in words if "=" in word)


def test_postgres_is_durable_and_listens_on_no_network(folder: DataFolder) -> None:
    program = PostgresEngine(folder, OWN, SECRETS).program()
    settings = settings_of(program.argv)
    assert settings["listen_addresses"] == ""
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == ("on", "on", "on")
    assert program.environment == {"PATH": os.defpath}


def test_postgres_puts_its_socket_inside_a_data_folder_of_short_path(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "d")
    engine = PostgresEngine(folder, OWN, {}, temporary=tmp_path)
    assert engine.url("mlflow") == f"postgresql://postgres@/mlflow?host={folder.postgres}"
    assert engine.scratch == ()


def test_postgres_puts_its_socket_elsewhere_when_the_path_is_too_long(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / ("long" * 30))
    with tempfile.TemporaryDirectory(prefix="short") as short:
        engine = PostgresEngine(folder, OWN, {}, temporary=Path(short))
        (place,) = engine.scratch
        assert len(os.fsencode(place / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
        assert place.stat().st_mode & 0o777 == 0o700
        again = PostgresEngine(folder, OWN, {}, temporary=Path(short))
        assert again.scratch == (place,), "the address stays the same"
        engine.remove_scratch()
        assert not place.exists()


def test_nats_keeps_its_secrets_out_of_file_and_command_line(folder: DataFolder) -> None:
    engine = NatsEngine(folder, SECRETS, store_key="kstore", password="pword", supervisor_password="psuper", tls=TLS)
    program = engine.program()
    text = (folder.nats / "nats.conf").read_text()
    for secret in ("kstore", "pword", "psuper"):
        assert secret not in text + " ".join(program.argv)
    assert program.environment == {
        "PATH": os.defpath,
        "NATS_STORE_KEY": "kstore",
        "NATS_PASSWORD": "pword",
        "NATS_SUPERVISOR_PASSWORD": "psuper",
    }
    assert 'sync_interval: "always"' in text
    assert "cipher: chachapoly" in text


def test_nats_shuts_out_who_has_no_certificate_or_speaks_an_older_tls(folder: DataFolder) -> None:
    NatsEngine(folder, {}, store_key="k", password="p", supervisor_password="s", tls=TLS).program()
    text = (folder.nats / "nats.conf").read_text()
    for line in ("verify: true", 'min_version: "1.3"', "handshake_first: true", 'key_file: "/k/se\\"r.pem"'):
        assert f"  {line}\n" in text


@pytest.mark.parametrize("interval", ["never", "0s", "2", '2m"\nport: 1'])
def test_nats_sync_interval_that_means_nothing_is_refused(folder: DataFolder, interval: str) -> None:
    with pytest.raises(ConfigurationError, match="sync interval"):
        NatsEngine(folder, {}, store_key="k", password="p", supervisor_password="s", tls=TLS, sync_interval=interval)


def test_mlflow_gets_its_database_through_the_environment_only(folder: DataFolder) -> None:
    program = MlflowEngine(
        folder,
        SECRETS,
        database_url="postgresql://u:secret@h/mlflow",
        access=Access(b"public", "us", "here", "beside"),
        token=lambda: "",
        form_secret="secret too",
        tls=TLS,
    ).program()
    assert "secret" not in " ".join(program.argv)
    assert "theirs" not in str(program.environment)
    assert program.environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_names_of_mlflow_settings_are_those_of_the_installed_release() -> None:
    constants = mlflow_constants()
    assert constants.BACKEND_STORE_URI_ENV_VAR == ours.BACKEND_STORE
    assert constants.REGISTRY_STORE_URI_ENV_VAR == ours.REGISTRY_STORE
    assert constants.ARTIFACT_ROOT_ENV_VAR == ours.ARTIFACT_ROOT
    assert constants.ARTIFACTS_DESTINATION_ENV_VAR == ours.ARTIFACT_DESTINATION
    assert constants.SERVE_ARTIFACTS_ENV_VAR == ours.SERVE_ARTIFACTS
    assert environment_variables.MLFLOW_AUTH_CONFIG_PATH.name == ours.ACCESS_FILE
    assert environment_variables.MLFLOW_FLASK_SERVER_SECRET_KEY.name == ours.FORM_SECRET
    assert environment_variables._MLFLOW_SGI_NAME.name == ours.SERVED_BY


def mlflow_constants() -> Any:
    """The module alone: importing it through its package would load a whole server."""
    package = importlib.util.find_spec("mlflow")
    assert package is not None and package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / "server" / "constants.py"
    specification = importlib.util.spec_from_file_location("mlflow_server_constants", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("engine", ["nats", "mlflow"])
def test_port_that_is_taken_is_named_with_the_option_that_changes_it(folder: DataFolder, engine: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port} cannot be had") as caught:
            choose_port(port, engine=engine)
    assert f"--{engine}-port" in caught.value.fix


def test_port_that_was_taken_in_between_stops_the_restart(folder: DataFolder) -> None:
    engine = NatsEngine(folder, {}, store_key="k", password="p", supervisor_password="s", tls=TLS)
    port = int(engine.url.rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(EngineError, match=f"port {port} cannot be had for nats"):
            engine.program()


def test_postgres_account_is_never_root() -> None:
    account = unprivileged_account()
    assert account.uid > 0 if os.geteuid() == 0 else account == Account()


def test_folder_under_a_private_one_is_out_of_reach_for_others(tmp_path: Path) -> None:
    (tmp_path / "private" / "inner").mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    assert not others_can_reach(tmp_path / "private" / "inner")
    assert others_can_reach(Path("/usr/bin/env"))


def test_address_is_shown_without_its_password() -> None:
    assert without_password("postgresql://u:secret@db:5432/x?sslmode=require") == "postgresql://db:5432/x"
    assert without_password("nats://u:secret@h:4222") == "nats://h:4222"
    assert without_password("") == ""
