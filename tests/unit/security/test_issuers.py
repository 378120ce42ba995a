from __future__ import annotations

import pytest

from dissonance.errors import ConfigurationError
from dissonance.security.issuers import read_issuers, require_safe_url

LINES = {"name": '"corp"', "url": '"https://login.example.org"', "audience": '"dissonance"'}


def issuer(**lines: str) -> bytes:
    return ("[[issuers]]\n" + "\n".join(f"{name} = {value}" for name, value in {**LINES, **lines}.items())).encode()


def test_without_more_it_is_rfc_9068_signed_with_elliptic_curves_and_grants_nothing() -> None:
    [rules] = read_issuers(issuer())
    assert (rules.algorithms, rules.token_type, rules.grants, rules.tasks) == (("ES256", "EdDSA"), "at+jwt", {}, ())


@pytest.mark.parametrize(
    "lines",
    [
        {"name": '"Corp"'},
        {"name": '"a/b"'},
        {"audience": '""'},
        {"algorithms": '["HS256"]'},
        {"algorithms": '["none"]'},
        {"algorithms": "[]"},
        {"token_type": '"id+jwt"'},
        {"skew_s": "301"},
        {"url": '"http://login.example.org"'},
        {"url": '"file:///etc/passwd"'},
        {"url": '"https://"'},
        {"grants": '{ml = ["emperor"]}'},
        {"grant": '{ml = ["client"]}'},
    ],
)
def test_rules_that_cannot_be_meant_stop_the_start(lines: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        read_issuers(issuer(**lines))


def test_an_issuer_that_is_there_twice_stops_the_start() -> None:
    for again in (issuer(name='"other"'), issuer(url='"https://other.example.org"')):
        with pytest.raises(ConfigurationError, match="twice"):
            read_issuers(issuer() + b"\n" + again)


@pytest.mark.parametrize("content", [b"", b"issuers = 1", b"\xff", b"[["])
def test_what_is_no_list_of_issuers_stops_the_start(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_issuers(content)


def test_keys_may_lie_in_the_clear_on_this_machine_only_where_their_issuer_does() -> None:
    require_safe_url("http://localhost:80/keys", as_safe_as="http://127.0.0.1:80")
    with pytest.raises(ConfigurationError, match="https"):
        require_safe_url("http://localhost:80/keys", as_safe_as="https://login.example.org")
