"""New files are taken while the process goes on; bad ones are refused and change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dissonance.errors import ConfigurationError
from dissonance.security.live_tls import LiveTls
from dissonance.security.tls import Pair, Tls
from support.certificates import DAY_S, DUE_DAYS, authority_in, clock_days_ago, live_in


def test_contexts_stay_the_same_when_certificates_are_renewed(tmp_path: Path) -> None:
    clock = clock_days_ago(DUE_DAYS)
    live = live_in(tmp_path, clock)
    server, client, pem = live.server, live.client, live.server_pem
    assert not live.refresh()
    clock.advance(DUE_DAYS * DAY_S)
    assert live.refresh()
    assert (live.server, live.client) == (server, client)
    assert live.server_pem != pem
    assert not live.refresh()


def test_a_key_that_does_not_fit_is_refused_until_it_does(tmp_path: Path) -> None:
    authority, other = (authority_in(tmp_path / name, clock_days_ago(), seed) for seed, name in enumerate("ab"))
    for each in (authority, other):
        each.renew()
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    for path in (certificate, key):
        path.write_bytes(Path(authority.tls.server.key).read_bytes())
    pair = Pair(str(certificate), str(key))
    live = LiveTls(Tls(authority.tls.authority, pair, pair))
    before = live.server_pem
    key.write_bytes(Path(other.tls.server.key).read_bytes())
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            live.refresh()
    assert live.server_pem == before
    certificate.write_bytes(Path(other.tls.server.certificate).read_bytes())
    assert live.refresh()


def test_files_that_are_not_there_stop_the_start(tmp_path: Path) -> None:
    none = Pair(str(tmp_path / "none.pem"), str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match="No such file") as raised:
        LiveTls(Tls(str(tmp_path / "ca.pem"), none, none))
    assert raised.value.where.startswith(str(tmp_path))
