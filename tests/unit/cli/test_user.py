"""`dissonance user` and `token client`: what they take and show; the commands themselves run on a system."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.cli import user
from dissonance.cli.token_clients import client_line
from dissonance.errors import InputError
from dissonance.security.oauth_clients import OAuthClient, new_client_secret
from dissonance.security.people import Person

MADE = new_client_secret("night-batch", SeededRandomness(1))
CLIENT = OAuthClient(
    client_id=MADE.client_id,
    digest=MADE.digest,
    grants=("client",),
    tasks=("*",),
    redirects=(),
    created_at_us=0,
    expires_at_us=1_000_000,
    by="root",
)


def test_a_password_is_asked_for_at_a_terminal_and_nowhere_else() -> None:
    done = CliRunner().invoke(user.app, ["add", "ada", "--grant", "viewer"])

    assert isinstance(done.exception, InputError)
    assert "terminal" in str(done.exception)


def test_no_command_takes_a_password_as_an_argument() -> None:
    for command in ("add", "password"):
        done = CliRunner().invoke(user.app, [command, "ada", "--password", "a sentence of mine"])
        assert done.exit_code == 2


@pytest.mark.parametrize(("now_us", "state"), [(0, "valid"), (999_999, "valid"), (1_000_000, "expired")])
def test_a_client_is_valid_until_it_expires(now_us: int, state: str) -> None:
    assert client_line(CLIENT, now_us).state == state


def test_nothing_that_is_listed_says_a_secret_or_what_is_kept_of_it() -> None:
    ada = Person(name="ada", password="$argon2id$x", grants=("viewer",), tasks=("*",), created_at_us=0, by="root")

    assert "argon2" not in str(user.person_line(ada))
    assert MADE.secret not in str(client_line(CLIENT, 0))
    assert str(MADE.digest) not in str(client_line(CLIENT, 0))
