"""Engines of others are reached by TLS, or a setting says in so many words that they are not."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.tls.required import secured_addresses, secured_database, unprotected
from dissonance.errors import ConfigurationError
from dissonance.security.tls import Pair, Tls, Wire

TLS = Tls("/ca.pem", Pair("/c.pem", "/k.pem"), Pair("/c.pem", "/k.pem"))
CA = "/ca.pem"
REST = "options=-c%20search_path%3Da&application_name=a%2Bb&sslrootcert=system"
SAFE = EngineAddresses("postgresql:///a?host=/run", "postgresql:///b?host=/run", "tls://u:p@n:4222", "https://m", TLS)


def test_safe_addresses_stay_as_they_are_given() -> None:
    assert secured_addresses(SAFE, (), CA) == SAFE
    assert secured_addresses(EngineAddresses(), (), CA) == EngineAddresses()


@pytest.mark.parametrize(
    ("address", "url", "wire"),
    [
        ("nats_url", "nats://u:hidden@n:4222", Wire.NATS),
        ("mlflow_url", "http://u:hidden@m", Wire.MLFLOW),
        ("database_url", "postgresql://u:hidden@db/a?sslmode=require", Wire.DATABASE),
        ("keys_database_url", "postgresql://u:hidden@/a?host=db&sslmode=disable", Wire.DATABASE),
        ("database_url", "postgresql://u:hidden@db/a?sslmode=verify-full&sslmode=prefer", Wire.DATABASE),
        ("database_url", "postgresql://u:hidden@/a?host=/run,db&sslmode=", Wire.DATABASE),
        ("database_url", "postgresql:///a?sslmode=disable", Wire.DATABASE),
        ("database_url", "postgresql://u:hidden@db/a?sslmode=verify-full#&sslmode=disable", Wire.DATABASE),
        ("database_url", "postgresql://u:hidden@db/a?sslmode=verify-full&ssl=true", Wire.DATABASE),
    ],
)
def test_an_address_without_tls_is_refused_unless_a_setting_lets_it_be(address: str, url: str, wire: Wire) -> None:
    given = EngineAddresses(**{address: url})
    with pytest.raises(ConfigurationError) as raised:
        secured_addresses(given, set(Wire) - {wire}, CA)
    assert "DISSONANCE_PLAIN_CONNECTIONS" in raised.value.fix
    assert "hidden" not in str(raised.value)
    assert secured_addresses(given, {wire}, CA) == given
    assert unprotected(given, {wire}) == (wire,)


@pytest.mark.parametrize("lax", ["ssl_min_protocol_version=TLSv1.2", "gssencmode=prefer"])
def test_an_older_tls_or_another_encryption_is_refused_also_where_the_database_may_be_plain(lax: str) -> None:
    url = f"postgresql://db/a?sslmode=verify-full&{lax}"
    for plain in ((), {Wire.DATABASE}):
        with pytest.raises(ConfigurationError, match="DISSONANCE_PLAIN_CONNECTIONS"):
            secured_database(url, plain, CA)


@pytest.mark.parametrize(
    "given",
    ["host=db dbname=a sslmode=disable", "mysql://db/a", "POSTGRESQL://db/a", "postgresql://db/a?no=option"],
)
def test_what_is_no_address_of_a_postgresql_is_not_handed_on_unread(given: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql://"):
        secured_database(given, set(Wire), CA)


@pytest.mark.parametrize(
    "place",
    [
        "u:p@db:5432/a",
        "/a",
        "/a?host=/run,db",
        "/a?hostaddr=10.0.0.1",
        "/a?service=s",
        "/a?host=/run&service=s",
        "%2Frun,db/a",
        "%2Frun#,db/a",
        "u@db,@%2Frun/a",
    ],
)
def test_a_database_that_may_be_remote_is_checked_by_authority_and_name_without_being_asked(place: str) -> None:
    wanted = f"sslmode=verify-full&ssl_min_protocol_version=TLSv1.3&gssencmode=disable&sslrootcert={CA}"
    secured = secured_database(f"postgresql://{place}", (), CA)
    assert secured.endswith(wanted)
    said = conninfo_to_dict(f"postgresql://{place}")
    assert conninfo_to_dict(secured) == said | dict(pair.split("=") for pair in wanted.split("&"))


def test_what_an_address_says_else_stays_as_libpq_reads_it() -> None:
    url = f"postgresql://db/a?{REST}&sslmode=verify-full&ssl_min_protocol_version=TLSv1.3&gssencmode=disable"
    secured = secured_database(url, (), CA)
    assert secured == url
    assert conninfo_to_dict(secured) == conninfo_to_dict(url)


def test_an_empty_root_certificate_is_none() -> None:
    secured = secured_database("postgresql://db/a?sslrootcert=", (), CA)
    assert conninfo_to_dict(secured)["sslrootcert"] == CA


def test_what_may_be_plain_and_is_not_needs_no_finding() -> None:
    assert unprotected(SAFE, {Wire.NATS, Wire.DATABASE, Wire.MLFLOW}) == ()
    assert unprotected(SAFE, set(Wire)) == (Wire.HTTP, Wire.GRPC)
