"""A working system in, the routes out at which its issuer gives tokens to programs and to people who log in."""

from __future__ import annotations

import asyncio

import msgspec

from dissonance.adapters.authlib.authorization import AuthlibAuthorization
from dissonance.adapters.authlib.records import Records
from dissonance.bootstrap import System
from dissonance.contracts.oauth_api import KeySet, PublicKey
from dissonance.ports.clock import Clock, Randomness
from dissonance.ports.store import Store
from dissonance.security.grants import Grants, read_grants
from dissonance.security.passwords import NOBODYS
from dissonance.security.signers import published
from dissonance.security.tokens import TokenIssuer, public_key_pem
from dissonance.web.few_at_once import FewAtOnce
from dissonance.web.login import Login, login_routes
from dissonance.web.login_proof import LoginProofs
from dissonance.web.oauth import oauth_routes
from dissonance.web.password_check import PasswordCheck
from dissonance.web.routes import ProtectedRouter

AT_ONCE = 2
"""Requests for tokens and logins that a process works for at once, of those `MOST` that may be there."""

MOST = 64


class IssuerParts(msgspec.Struct, frozen=True):
    """`page_key`: 32 bytes that all replicas have. `nobodys`: as in `PasswordCheck`."""

    private_key_pem: bytes
    issuer: str
    audience: str
    grants: Grants
    page_key: bytes
    nobodys: str = NOBODYS


def issuing_routes(system: System) -> list[ProtectedRouter]:
    """Belongs to the event loop that it is called on."""
    settings = system.settings
    parts = IssuerParts(
        system.key_folder.issuer_private_key_pem,
        settings.token_issuer,
        settings.token_audience,
        read_grants(settings.grants),
        system.key_folder.derive("login pages"),
    )
    return issuing_on(system.store, system.clock, system.randomness, parts)


def issuing_on(store: Store, clock: Clock, randomness: Randomness, parts: IssuerParts) -> list[ProtectedRouter]:
    """As `issuing_routes`, on any store."""
    tokens = TokenIssuer(
        parts.private_key_pem,
        issuer=parts.issuer,
        audience=parts.audience,
        clock=clock,
        randomness=randomness,
        grants=parts.grants,
    )
    records = Records(store, clock, asyncio.get_running_loop())
    authorization = AuthlibAuthorization(records, tokens, parts.grants, randomness)
    keys = KeySet([msgspec.convert(published(public_key_pem(parts.private_key_pem)), PublicKey)])
    few, passwords = FewAtOnce(AT_ONCE, MOST), PasswordCheck(store, clock, parts.nobodys)
    login = Login(authorization, few, passwords, LoginProofs(parts.page_key, randomness), clock, parts.issuer)
    return [oauth_routes(authorization, clock, few, stated_issuer=parts.issuer, keys=keys), login_routes(login)]
