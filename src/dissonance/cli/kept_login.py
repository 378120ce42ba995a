"""The login that commands run under: kept between them, and made to go on before its token expires."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from dissonance.adapters.looking import is_file
from dissonance.cli.as_owner import OPTION
from dissonance.errors import IssuerUnavailable, Unauthenticated
from dissonance.settings import Settings

if TYPE_CHECKING:
    from dissonance.adapters.keys.kept_tokens import KeptLogin, KeptTokens
    from dissonance.adapters.oidc.login import IssuerSide
    from dissonance.contracts.oauth_api import TokenReply

EARLY_S = 60
"""Seconds before a token expires in which it is renewed: a command takes some, and clocks differ."""


def kept_tokens() -> KeptTokens:
    from dissonance.adapters.keys.kept_tokens import KeptTokens, system_ring

    return KeptTokens(login_folder(), system_ring())


def login_folder() -> Path:
    """Of this user's configuration (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dissonance"


def installation(settings: Settings) -> str:
    """The same one by whatever path it is named: by another, who is logged in would be nobody but the account."""
    return str(settings.keys_folder.resolve())


def is_logged_in() -> bool:
    """Whether somebody is anywhere: it costs less than asking the keyring."""
    from dissonance.adapters.keys.kept_tokens import FILE

    return (login_folder() / FILE).exists()


def current_token(settings: Settings, tokens: KeptTokens, now_s: float) -> str:
    """Of who is logged in on this data folder, renewed where it is about to expire; empty where nobody is. `now_s`:
    since 1970 UTC. Raises `Unauthenticated` where the login is over, `IssuerUnavailable` where it cannot go on.
    """
    login = tokens.login(installation(settings))
    if not login.refresh_token or now_s < expires_at_s(login.token) - EARLY_S:
        return login.token
    with tokens.alone():
        login = tokens.login(installation(settings))
        if not login.refresh_token or now_s < expires_at_s(login.token) - EARLY_S:
            return login.token  # another command was faster
        return _renewed(settings, tokens, login, now_s)


def expires_at_s(token: str) -> int:
    """What the token says of itself, in seconds since 1970 UTC."""
    import jwt

    return int(jwt.decode(token, options={"verify_signature": False}).get("exp", 0))


def kept(reply: TokenReply, url: str, ca: str) -> KeptLogin:
    from dissonance.adapters.keys.kept_tokens import KeptLogin

    return KeptLogin(reply.access_token, reply.refresh_token, url, ca)


def give_back(settings: Settings, login: KeptLogin) -> bool:
    """Whether the login is over at its issuer, too."""
    from dissonance.security.login_request import give_back_form

    if not login.refresh_token:
        return False
    try:
        issuer = _issuer(settings, login)
        issuer.give_back(issuer.discover().revocation_endpoint, give_back_form(login.refresh_token))
    except (IssuerUnavailable, Unauthenticated):
        return False
    return True


def trusted_by(settings: Settings, url: str, ca: str) -> ssl.SSLContext | None:
    """None where there is nothing to trust: an address in the clear, which may only be of this machine. Raises
    `ConfigurationError`."""
    from dissonance.adapters.tls.local_authority import CA, FOLDER
    from dissonance.security.issuers import require_safe_url
    from dissonance.security.tls import trusting

    require_safe_url(url)
    own = settings.keys_folder / FOLDER / CA
    authority = ca or settings.tls_ca or (str(own) if is_file(own) else "")
    if not url.startswith("https:"):
        return None
    return trusting(authority) if authority else ssl.create_default_context()


def _renewed(settings: Settings, tokens: KeptTokens, login: KeptLogin, now_s: float) -> str:
    from dissonance.security.login_request import refresh_form

    try:
        issuer = _issuer(settings, login)
        reply = issuer.change(issuer.discover().token_endpoint, refresh_form(login.refresh_token))
    except Unauthenticated as error:
        raise Unauthenticated(
            "the login is over", where=login.url, fix=f"dissonance login {login.url}, or dissonance logout"
        ) from error
    except IssuerUnavailable as error:
        if now_s < expires_at_s(login.token):
            return login.token
        raise IssuerUnavailable(
            f"your login has expired, and cannot be renewed: {error.what}",
            where=login.url,
            fix=f"{error.fix}. Until then only `dissonance status` and `kpis` run; {OPTION} behind another runs "
            "it as the account that owns the key folder, not as you",
        ) from error
    tokens.keep(installation(settings), kept(reply, login.url, login.ca))
    return reply.access_token


def _issuer(settings: Settings, login: KeptLogin) -> IssuerSide:
    from dissonance.adapters.oidc.login import IssuerSide

    return IssuerSide(login.url, trusted_by(settings, login.url, login.ca))
