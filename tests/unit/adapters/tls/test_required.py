"""Engines of others are reached by TLS, or a setting says in so many words that they are not."""

from __future__ import annotations

import pytest

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.tls.required import secured_addresses, secured_database, unprotected
from dissonance.errors import ConfigurationError
from dissonance.security.tls import Pair, Tls, Wire

TLS = Tls("/ca.pem", Pair("/c.pem", "/k.pem"), Pair("/c.pem", "/k.pem"))
SAFE = EngineAddresses("postgresql:///a?host=/run", "postgresql:///b?host=/run", "tls://u:p@n:4222", "https://m", TLS)


def test_safe_addresses_stay_as_they_are_given() -> None:
    assert secured_addresses(SAFE, ()) == SAFE
    assert secured_addresses(EngineAddresses(), ()) == EngineAddresses()


@pytest.mark.parametrize(
    ("address", "url", "wire"),
    [
        ("nats_url", "nats://u:hidden@n:4222", Wire.NATS),
        ("mlflow_url", "http://u:hidden@m", Wire.MLFLOW),
        ("database_url", "postgresql://u:hidden@db/a?sslmode=require", Wire.DATABASE),
        ("keys_database_url", "postgresql://u:hidden@/a?host=db&sslmode=disable", Wire.DATABASE),
    ],
)
def test_an_address_without_tls_is_refused_unless_a_setting_lets_it_be(address: str, url: str, wire: Wire) -> None:
    given = EngineAddresses(**{address: url})
    with pytest.raises(ConfigurationError) as raised:
        secured_addresses(given, set(Wire) - {wire})
    assert "DISSONANCE_PLAIN_CONNECTIONS" in raised.value.fix
    assert "hidden" not in str(raised.value)
    assert secured_addresses(given, {wire}) == given
    assert unprotected(given, {wire}) == (wire,)


def test_a_remote_database_is_checked_by_authority_and_name_without_being_asked() -> None:
    wanted = "sslmode=verify-full&ssl_min_protocol_version=TLSv1.3&sslrootcert=/ca.pem"
    assert secured_database("postgresql://u:p@db:5432/a", TLS, ()) == f"postgresql://u:p@db:5432/a?{wanted}"
    own = "postgresql://db/a?sslmode=verify-full&sslrootcert=system&ssl_min_protocol_version=TLSv1.3"
    assert secured_database(own, TLS, ()) == own


def test_what_may_be_plain_and_is_not_needs_no_finding() -> None:
    assert unprotected(SAFE, {Wire.NATS, Wire.DATABASE, Wire.MLFLOW}) == ()
    assert unprotected(SAFE, set(Wire)) == (Wire.HTTP, Wire.GRPC)
