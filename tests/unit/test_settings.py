"""Settings: named, typed, absolute, and nothing that nobody knows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dissonance.errors import ConfigurationError
from dissonance.security.tls import Pair, Tls, Wire
from dissonance.settings import PREFIX, Settings, given_addresses, read_s3_settings, read_settings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()


def test_variables_of_others_are_left_alone() -> None:
    assert read_settings({"PATH": "/bin", "MY_DISSONANCE_DATA": "x"}) == Settings()


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("8080", "http_port", 8080),
        ("2.5", "ack_wait_s", 2.5),
        ("7", "ack_wait_s", 7.0),
        ("postgresql:///x", "database_url", "postgresql:///x"),
        ("DEBUG", "log_level", "DEBUG"),
    ],
)
def test_a_variable_becomes_the_type_of_its_setting(text: str, name: str, value: object) -> None:
    given = getattr(read_settings({PREFIX + name.upper(): text}), name)
    assert (given, type(given)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HTTP_PORT", "eighty"),
        ("HTTP_PORT", "-1"),
        ("HTTP_PORT", "65536"),
        ("ACK_WAIT_S", ""),
        ("ACK_WAIT_S", "nan"),
        ("ACK_WAIT_S", "0"),
        ("STREAM_MAX_AGE_S", "inf"),
        ("MAX_DELIVER", "2.5"),
        ("MAX_DELIVER", "0"),
        ("FETCH_MESSAGES", "0"),
        ("NICENESS", "20"),
        ("DATABASE_CONNECTIONS", "0"),
    ],
)
def test_a_value_of_the_wrong_type_or_out_of_range_stops_the_start_by_name(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=PREFIX + name):
        read_settings({PREFIX + name: text})


def test_an_unknown_setting_stops_the_start_by_name_and_says_which_there_are() -> None:
    with pytest.raises(ConfigurationError, match="DISSONANCE_DATABSE_URL") as raised:
        read_settings({"DISSONANCE_DATABSE_URL": "postgresql:///x"})
    assert "DISSONANCE_DATABASE_URL" in raised.value.fix


def test_a_variable_that_leads_sockets_over_a_network_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="PGHOSTADDR sends every connection") as refused:
        read_settings({"PGHOSTADDR": "127.0.0.1"})
    assert "unset PGHOSTADDR" in refused.value.fix
    assert read_settings({"PGHOSTADDR": "", "PGHOST": "db"}) == read_settings({})


def test_folders_are_absolute_and_the_keys_are_beside_the_data_unless_told(tmp_path: Path) -> None:
    assert read_settings({"DISSONANCE_DATA": str(tmp_path)}).keys_folder == tmp_path / "keys"
    elsewhere = read_settings({"DISSONANCE_DATA": str(tmp_path), "DISSONANCE_KEY_FOLDER": "some/keys"})
    assert elsewhere.keys_folder == Path.cwd() / "some" / "keys"
    assert "~" not in str(Settings().data_folder)
    assert Settings().data_folder.is_absolute()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().http_port = 1  # type: ignore[misc]
    assert "http_port" in msgspec.structs.asdict(Settings())


def test_the_endpoint_of_s3_alone_wins_over_that_of_all_of_aws() -> None:
    found = read_s3_settings({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b", "AWS_REGION": "x"})
    assert (found.endpoint, found.region, found.ca_file) == ("http://b", "x", None)


def test_an_empty_variable_of_aws_is_none() -> None:
    found = read_s3_settings({"AWS_ENDPOINT_URL": "", "AWS_DEFAULT_REGION": "y", "AWS_CA_BUNDLE": "ca.pem"})
    assert (found.endpoint, found.region, found.ca_file) == (None, "y", "ca.pem")


def test_certificate_key_and_authority_come_together(tmp_path: Path) -> None:
    given = {"DISSONANCE_TLS_CERTIFICATE": "/tls.crt", "DISSONANCE_TLS_KEY": "/tls.key"}
    with pytest.raises(ConfigurationError, match="together"):
        _ = read_settings(given).tls_files
    tls = read_settings({**given, "DISSONANCE_TLS_CA": "/ca.crt"}).tls_files
    assert tls == Tls("/ca.crt", Pair("/tls.crt", "/tls.key"), Pair("/tls.crt", "/tls.key"))
    assert read_settings({}).tls_files is None


def test_what_may_be_plain_is_named_by_known_words_and_nothing_is_by_default() -> None:
    assert read_settings({}).plain == frozenset()
    assert read_settings({"DISSONANCE_PLAIN_CONNECTIONS": "http, nats"}).plain == {Wire.HTTP, Wire.NATS}
    with pytest.raises(ConfigurationError, match="'all'") as raised:
        _ = read_settings({"DISSONANCE_PLAIN_CONNECTIONS": "all"}).plain
    assert "database" in raised.value.fix


def test_a_plain_broker_of_others_stops_the_start() -> None:
    plain = read_settings({"DISSONANCE_NATS_URL": "nats://elsewhere:4222"})
    with pytest.raises(ConfigurationError, match="nats://"):
        given_addresses(plain)


@pytest.mark.parametrize(
    ("url", "is_shown"), [("http://m:5000", False), ("http://127.0.0.1:5000", True), ("https://m", True)]
)
def test_tokens_are_shown_over_tls_or_within_this_machine_only(url: str, is_shown: bool) -> None:
    given = Settings(mlflow_url=url, mlflow_takes_our_tokens=True, plain_connections="mlflow")
    if is_shown:
        assert given_addresses(given).mlflow_url == url
        return
    with pytest.raises(ConfigurationError, match="not shown tokens"):
        given_addresses(given)
