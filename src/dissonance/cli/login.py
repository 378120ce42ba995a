"""`dissonance login`, `logout`: commands as somebody who logged in with the browser, until the token expires."""

from __future__ import annotations

import os
import ssl
import webbrowser
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from dissonance.cli.options import AsJson, Data, variables_of
from dissonance.cli.output import emit, error_console
from dissonance.contracts.times import to_text
from dissonance.settings import Settings, read_settings

if TYPE_CHECKING:
    from dissonance.adapters.keys.kept_tokens import KeptTokens
    from dissonance.contracts.oauth_api import TokenReply

WAIT_S = 300.0


class LoggedIn(msgspec.Struct, frozen=True):
    """What `login --json` prints. `expires_at` is RFC 3339 in UTC."""

    name: str
    permissions: list[str]
    expires_at: str
    kept_in: str


class LoggedOut(msgspec.Struct, frozen=True):
    """`was`: whether somebody was logged in."""

    was: bool


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

    The token is kept in the keyring of the system, or where there is none in a file that only you may read.
    """
    settings = read_settings(variables_of(data))
    reply = _token(url, trusted_by(settings, url, ca), " ".join(scope or ()), open_browser=browser)
    in_ring = kept_tokens().keep(installation(settings), reply.access_token)
    answer = _logged_in(reply, in_ring)
    emit(answer, as_json, f"{answer.name} is logged in until {answer.expires_at[:16].replace('T', ' ')} UTC.")


def logout(data: Data = None, as_json: AsJson = False) -> None:
    """Forget the token of the login. It is valid until it expires: `dissonance token revoke` ends it before."""
    was = kept_tokens().forget(installation(read_settings(variables_of(data))))
    emit(LoggedOut(was), as_json, "Nobody is logged in any more." if was else "Nobody was logged in.")


def kept_tokens() -> KeptTokens:
    from dissonance.adapters.keys.kept_tokens import KeptTokens, system_ring

    return KeptTokens(login_folder(), system_ring())


def login_folder() -> Path:
    """Of this user's configuration (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dissonance"


def installation(settings: Settings) -> str:
    return str(settings.keys_folder)


def trusted_by(settings: Settings, url: str, ca: Path | None) -> ssl.SSLContext | None:
    """None where there is nothing to trust: an address in the clear, which may only be of this machine. Raises
    `ConfigurationError`."""
    from dissonance.adapters.tls.local_authority import CA, FOLDER
    from dissonance.security.issuers import require_safe_url
    from dissonance.security.tls import trusting

    require_safe_url(url)
    own = settings.keys_folder / FOLDER / CA
    authority = str(ca) if ca is not None else settings.tls_ca or (str(own) if own.is_file() else "")
    if not url.startswith("https:"):
        return None
    return trusting(authority) if authority else ssl.create_default_context()


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
