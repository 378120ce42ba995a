"""What may be a client of the local issuer, and where people may be sent for it."""

from __future__ import annotations

import pytest

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.errors import InputError
from dissonance.security.oauth_clients import COMMAND_LINE, is_secret, new_client_secret, require_client

BACK = "https://grafana.example.org/back"


@pytest.mark.parametrize("name", ["", "Batch", "a.b", "a/b", "-a", "x" * 33, "a b", "ä"])
def test_a_name_that_could_be_taken_for_another_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        new_client_secret(name, SeededRandomness(1))


@pytest.mark.parametrize(
    "redirect",
    [
        "http://grafana.example.org/back",
        "https://grafana.example.org/back#x",
        "https://user@grafana.example.org/",
        "https:///back",
        "https://grafana.example.org:99999/",
        "http://localhost/",
        "http://127.0.0.1.example.org/",
        "javascript:alert(1)",
        "/back",
        "https://grafana.example.org/ä",
        'https://grafana.example.org/"',
        "https://*.example.org/ b",
        "",
    ],
)
def test_nobody_is_sent_where_a_code_could_be_read_by_others(redirect: str) -> None:
    with pytest.raises(InputError):
        require_client([], [redirect], 60.0)


def test_what_could_do_nothing_or_lives_for_ever_is_no_client() -> None:
    require_client(["viewer"], [BACK, "http://[::1]/back"], 60.0)
    for grants, redirects, lifetime_s in (([], [], 60.0), (["viewer"], [], 0.0), (["viewer"], [], 4e7)):
        with pytest.raises(InputError):
            require_client(grants, redirects, lifetime_s)


def test_a_client_without_a_secret_has_none_that_is_right() -> None:
    assert not is_secret(COMMAND_LINE, "")
