"""What a program asks the browser to do, and what of its answers it believes."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.errors import Forbidden, Unauthenticated
from dissonance.security.login_request import new_login

ISSUER = "https://id.example.org"
REQUEST = new_login(ISSUER, f"{ISSUER}/oauth/authorize", "http://127.0.0.1:40123/", "models:read", SeededRandomness(1))
GOOD = {"code": "c", "state": REQUEST.state, "iss": ISSUER}


def test_the_browser_learns_the_challenge_and_not_the_verifier() -> None:
    asked = parse_qs(urlsplit(REQUEST.address).query)

    assert asked["code_challenge_method"] == ["S256"]
    assert REQUEST.verifier not in REQUEST.address
    assert len(REQUEST.verifier) == 43
    assert REQUEST.token_form("c")["code_verifier"] == REQUEST.verifier


def test_no_two_logins_have_the_same_secrets() -> None:
    randomness = SeededRandomness(1)
    one, two = (new_login(ISSUER, ISSUER, "", "", randomness) for _ in range(2))

    assert one.verifier != two.verifier
    assert one.state != two.state


@pytest.mark.parametrize(
    "changed",
    [{"state": "of another"}, {"state": ""}, {"iss": "https://evil.example.org"}, {"iss": ""}],
    ids=["another login", "no state", "mixed-up issuers", "no issuer"],
)
def test_an_answer_to_another_login_or_of_another_issuer_is_not_believed(changed: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        REQUEST.code_in(urlencode({**GOOD, **changed}))


def test_a_parameter_that_comes_twice_is_not_believed() -> None:
    with pytest.raises(Unauthenticated):
        REQUEST.code_in(f"{urlencode(GOOD)}&state=x")
    with pytest.raises(Forbidden):
        REQUEST.code_in(f"{urlencode(GOOD)}&code=x")


def test_a_no_is_told_as_one() -> None:
    with pytest.raises(Forbidden, match="access_denied"):
        REQUEST.code_in(urlencode({**GOOD, "error": "access_denied"}))
