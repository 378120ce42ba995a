from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.cli.lengths import seconds
from dissonance.cli.token import app
from dissonance.errors import DataFolderError, InputError
from dissonance.security.grants import default_grants
from dissonance.security.tokens import LocalIssuer, public_key_pem
from dissonance.security.verifier import TokenVerifier

NO_SETTINGS = {"DISSONANCE_DATA": None, "DISSONANCE_KEY_FOLDER": None}


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder.open_or_create(tmp_path / "keys", SeededRandomness(1))


def create(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["create", "--data", str(folder), *arguments], env=NO_SETTINGS)


def verifier(keys: KeyFolder) -> TokenVerifier:
    public = public_key_pem(keys.issuer_private_key_pem)
    return TokenVerifier([LocalIssuer(public, issuer="dissonance-local", audience="dissonance")], clock=SystemClock())


def test_it_prints_the_token_alone_and_the_system_accepts_it(keys: KeyFolder, tmp_path: Path) -> None:
    result = create(tmp_path, "--grant", "client", "--grant", "labeller", "--task", "census", "--name", "ada")
    assert result.exit_code == 0
    assert result.output.count("\n") == 1
    identity = verifier(keys).verify(result.output.strip())
    assert identity.permissions == default_grants()["client"] | default_grants()["labeller"]
    assert identity.name == "ada"
    assert identity.tasks == {"census"}


def test_without_a_task_it_is_for_every_task_and_for_an_hour(keys: KeyFolder, tmp_path: Path) -> None:
    now_us = SystemClock().now_us()
    identity = verifier(keys).verify(create(tmp_path, "--grant", "viewer").output.strip())
    assert identity.tasks == {"*"}
    assert 3598e6 < identity.expires_at_us - now_us < 3660e6


def test_as_json_it_says_what_the_token_says(keys: KeyFolder, tmp_path: Path) -> None:
    result = create(tmp_path, "--grant", "labeller", "--json", "--lifetime", "2d")
    told = json.loads(result.output)
    assert verifier(keys).verify(told["token"]).name == told["name"] == "local"
    assert (told["grants"], told["tasks"]) == (["labeller"], ["*"])
    assert told["permissions"] == ["label_requests:read", "label_requests:write", "labels:write"]
    assert told["expires_at"].endswith("Z")


def test_an_unknown_grant_is_refused(keys: KeyFolder, tmp_path: Path) -> None:
    result = create(tmp_path, "--grant", "emperor")
    assert isinstance(result.exception, InputError)
    assert "emperor" in str(result.exception)


def test_without_keys_it_is_refused_and_makes_none(tmp_path: Path) -> None:
    result = create(tmp_path, "--grant", "client")
    assert isinstance(result.exception, DataFolderError)
    assert "dissonance up" in result.exception.fix
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-1h", "1.5h", "1w", "1h30m", "9999999999s"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="length of time"):
        seconds(text)
