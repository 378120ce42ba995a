"""The login that commands run under: when it is renewed, and what is said where it cannot be."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from dissonance.adapters.keys.kept_tokens import KeptLogin, KeptTokens
from dissonance.cli.kept_login import EARLY_S, current_token, give_back, installation
from dissonance.errors import IssuerUnavailable
from dissonance.settings import Settings

NOW_S = 1_800_000_000.0


def token(expires_in_s: float) -> str:
    return jwt.encode({"exp": int(NOW_S + expires_in_s)}, "k" * 32)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address of this machine that nobody answers at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def kept(folder: Path, login: KeptLogin) -> tuple[Settings, KeptTokens]:
    settings, tokens = Settings(data=str(folder)), KeptTokens(folder, None)
    tokens.keep(installation(settings), login)
    return settings, tokens


@pytest.mark.parametrize("left_s", [EARLY_S + 1, 1], ids=["not before it is time", "not while the issuer is away"])
def test_a_token_that_is_valid_is_used_and_not_renewed(tmp_path: Path, nobody: str, left_s: float) -> None:
    settings, tokens = kept(tmp_path, KeptLogin(token(left_s), "dsr_x", nobody))

    assert current_token(settings, tokens, NOW_S) == token(left_s)


def test_an_expired_token_that_cannot_be_renewed_is_no_reason_to_run_as_somebody_else(
    tmp_path: Path, nobody: str
) -> None:
    settings, tokens = kept(tmp_path, KeptLogin(token(0), "dsr_x", nobody))

    with pytest.raises(IssuerUnavailable) as raised:
        current_token(settings, tokens, NOW_S)
    assert raised.value.what.startswith("your login has expired, and cannot be renewed: nobody answers: ")
    assert raised.value.where == nobody
    assert "start its proposer (dissonance run)" in raised.value.fix
    assert "--as-owner" in raised.value.fix
    assert tokens.login(installation(settings)).refresh_token == "dsr_x"


def test_a_token_without_another_to_follow_is_used_as_it_is(tmp_path: Path) -> None:
    settings, tokens = kept(tmp_path, KeptLogin(token(-1)))

    assert current_token(settings, tokens, NOW_S) == token(-1)
    assert not give_back(settings, tokens.login(installation(settings)))


def test_nobody_is_logged_in_where_nobody_did(tmp_path: Path) -> None:
    assert current_token(Settings(data=str(tmp_path)), KeptTokens(tmp_path, None), NOW_S) == ""


def test_an_issuer_that_is_away_does_not_hear_of_a_logout(tmp_path: Path, nobody: str) -> None:
    assert not give_back(Settings(data=str(tmp_path)), KeptLogin(token(60), "dsr_x", nobody))


def test_who_is_logged_in_is_so_by_whatever_path_the_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    _, tokens = kept(tmp_path / "data", KeptLogin(token(600)))

    for path in ("linked", "data/../data"):
        assert current_token(Settings(data=str(tmp_path / path)), tokens, NOW_S) == token(600)
