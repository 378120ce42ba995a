"""`dissonance login`, `logout`: commands as somebody who logged in with the browser, until they log out or use none."""

from __future__ import annotations

import ssl
import webbrowser
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from dissonance.cli.kept_login import give_back, installation, kept, kept_tokens, login_folder, trusted_by
from dissonance.cli.options import AsJson, Data, variables_of
from dissonance.cli.output import emit, error_console
from dissonance.contracts.times import to_text
from dissonance.security.refresh_tokens import UNUSED_S
from dissonance.settings import read_settings

if TYPE_CHECKING:
    from dissonance.contracts.oauth_api import TokenReply

WAIT_S = 300.0


class LoggedIn(msgspec.Struct, frozen=True):
    """What `login --json` prints. `expires_at`, RFC 3339 in UTC, is of the token, which commands renew."""

    name: str
    permissions: list[str]
    expires_at: str
    kept_in: str


class LoggedOut(msgspec.Struct, frozen=True):
    """`was`: whether somebody was logged in. `ended`: whether the issuer knows that they are not."""

    was: bool
    ended: bool


def login(
    url: Annotated[str, typer.Argument(help="The address of the HTTP API, as `dissonance run` says it.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="A permission to ask for; all without. May be repeated.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="PEM file of who vouches for it. Default: the installation's own authority.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Whether to open the browser; its address is shown anyway.")] = True,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Log in with the browser. From then on commands on this data folder do what you may, and nothing else.

    What it gives is kept in the keyring of the system, or where there is none in a file that only you may read. It ends
    with `dissonance logout`, after eight hours without a command, or after a week.
    """
    settings, authority = read_settings(variables_of(data)), str(ca.resolve()) if ca is not None else ""
    reply = _token(url, trusted_by(settings, url, authority), " ".join(scope or ()), open_browser=browser)
    tokens = kept_tokens()
    with tokens.alone():
        before = tokens.forget(installation(settings))
        in_ring = tokens.keep(installation(settings), kept(reply, url, authority))
    if before is not None:
        give_back(settings, before)
    answer = _logged_in(reply, in_ring)
    emit(answer, as_json, f"{answer.name} is logged in.")


def logout(data: Data = None, as_json: AsJson = False) -> None:
    """End the login, here and at its issuer, with all its tokens."""
    settings, tokens = read_settings(variables_of(data)), kept_tokens()
    with tokens.alone():
        was = tokens.forget(installation(settings))
    ended = was is not None and give_back(settings, was)
    if was is not None and not ended:
        error_console.print(
            f"The issuer did not hear of it: the login is over there after {UNUSED_S // 3600} hours, or with "
            "`dissonance token revoke --subject NAME`.",
            markup=False,
        )
    said = "Nobody was logged in." if was is None else "Nobody is logged in any more."
    emit(LoggedOut(was is not None, ended), as_json, said)


def _token(url: str, tls: ssl.SSLContext | None, scope: str, *, open_browser: bool) -> TokenReply:
    from dissonance.adapters.clock import SystemRandomness
    from dissonance.adapters.oidc.login import BrowserSide, IssuerSide
    from dissonance.security.login_request import new_login

    issuer = IssuerSide(url, tls)
    found = issuer.discover()
    with BrowserSide() as back:
        request = new_login(found.issuer, found.authorization_endpoint, back.redirect, scope, SystemRandomness())
        error_console.print("Log in with your browser:", markup=False)
        error_console.print(request.address, markup=False, soft_wrap=True)
        if open_browser:
            # Some browsers only return when they are closed, and this one is answered here.
            Thread(target=webbrowser.open, args=(request.address,), daemon=True).start()
        code = request.code_in(back.query(WAIT_S))
    return issuer.change(found.token_endpoint, request.token_form(code))


def _logged_in(reply: TokenReply, in_ring: bool) -> LoggedIn:
    """What the token says of itself; whether that is true is asked when it is used."""
    import jwt

    claims = jwt.decode(reply.access_token, options={"verify_signature": False})
    return LoggedIn(
        name=str(claims.get("sub", "")),
        permissions=sorted(reply.scope.split()),
        expires_at=to_text(int(claims.get("exp", 0)) * 1_000_000),
        kept_in="keyring" if in_ring else str(login_folder()),
    )
