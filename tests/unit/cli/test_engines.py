"""What `dissonance up` warns of."""

from __future__ import annotations

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.cli.engines import plain_engines
from dissonance.security.tls import Wire

ADDRESSES = EngineAddresses("postgresql://db/a", "postgresql:///b?host=/run", "tls://n", "https://m")


def test_a_start_warns_of_an_engine_that_is_plain_and_of_no_listener_of_roles() -> None:
    [line] = plain_engines(ADDRESSES, frozenset(Wire))
    assert line.startswith("WARNING: database is talked to without TLS")


def test_a_start_warns_of_nothing_where_no_setting_lets_anything_be_plain() -> None:
    assert plain_engines(ADDRESSES, frozenset()) == []
