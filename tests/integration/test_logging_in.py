"""Programs and people get tokens from a running proposer: by a client that others wrote, and by `dissonance login`."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.cli import run
from dissonance.security.oauth_clients import COMMAND_LINE
from support import browser

REDIRECT = "http://127.0.0.1:40123/"
WINDOWS = "/v1/tasks/none/windows"
"""A route that needs a token; that there is no such task is told to whoever may know."""


class Installation(NamedTuple):
    folder: Path
    url: str
    authority: str

    def described(self) -> dict[str, Any]:
        address = f"{self.url}/.well-known/oauth-authorization-server"
        found: dict[str, Any] = requests.get(address, verify=self.authority, timeout=60).json()
        return found

    def status(self, token: str, path: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return requests.get(self.url + path, headers=headers, verify=self.authority, timeout=60).status_code


@pytest.fixture(scope="module")
def installation(all_engines: EngineAddresses, all_engines_folder: Path) -> Iterator[Installation]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dissonance", "run", "proposer", "--data", str(all_engines_folder), "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        try:
            told = msgspec.json.decode(process.stdout.readline())
            yield Installation(all_engines_folder, told["url"], str(all_engines_folder / "keys/tls/ca.pem"))
        finally:
            process.terminate()
            process.wait(timeout=60)


def command(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> Any:
    assert run([*arguments, "--data", str(folder), "--json"]) == 0
    return msgspec.json.decode(capsys.readouterr().out)


def test_a_library_of_others_gets_a_token_for_a_secret_until_the_client_is_removed(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installation.folder
    made = command(capsys, folder, "token", "client", "create", "--name", "reader", "--grant", "viewer")
    session = OAuth2Session(made["id"], made["secret"], token_endpoint_auth_method="client_secret_basic")
    token = session.fetch_token(
        installation.described()["token_endpoint"], grant_type="client_credentials", verify=installation.authority
    )
    assert installation.status(token["access_token"], WINDOWS) == 404
    assert installation.status(token["access_token"], "/config") == 403

    command(capsys, folder, "token", "client", "remove", made["id"])
    assert made["id"] not in [each["id"] for each in command(capsys, folder, "token", "client", "list")]
    while installation.status(token["access_token"], WINDOWS) != 401:
        pass


def test_a_library_of_others_gets_a_token_for_somebody_who_logs_in(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installation.folder
    made = command(capsys, folder, "user", "add", "grace", "--grant", "viewer", "--generate")
    described = installation.described()
    session = OAuth2Session(
        COMMAND_LINE.client_id,
        redirect_uri=REDIRECT,
        scope="windows:read",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
    )
    verifier = "v" * 64
    address, state = session.create_authorization_url(described["authorization_endpoint"], code_verifier=verifier)
    trust = ssl.create_default_context(cafile=installation.authority)
    back = browser.log_in(address, made["name"], made["password"], trust)
    token = session.fetch_token(
        described["token_endpoint"],
        authorization_response=back,
        state=state,
        code_verifier=verifier,
        verify=installation.authority,
    )
    assert token["scope"] == "windows:read"
    assert installation.status(token["access_token"], WINDOWS) == 404

    command(capsys, folder, "user", "remove", "grace")
    while installation.status(token["access_token"], WINDOWS) != 401:
        pass


def test_commands_are_those_of_who_logged_in_until_they_log_out(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = installation.folder
    made = command(capsys, folder, "user", "add", "ada", "--grant", "viewer", "--generate")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    surroundings = {
        **os.environ,
        "BROWSER": f"{sys.executable} {browser.__file__} %s",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "TEST_CA": installation.authority,
        "TEST_NAME": "ada",
        "TEST_PASSWORD": made["password"],
    }
    arguments = ["login", installation.url, "--data", str(folder), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "dissonance", *arguments], env=surroundings, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    told = msgspec.json.decode(done.stdout)
    assert (told["name"], told["kept_in"]) == ("ada", str(tmp_path / "dissonance"))
    assert "models:read" in told["permissions"]
    assert f"{installation.url}/oauth/authorize?" in done.stderr

    assert run(["task", "list", "--data", str(folder)]) == 0
    assert run(["user", "list", "--data", str(folder)]) == 4
    assert run(["logout", "--data", str(folder)]) == 0
    assert run(["user", "list", "--data", str(folder)]) == 0
