"""Issuers beside the local one whose tokens are taken, and what their claims mean here.

They are named in the file of `DISSONANCE_OIDC_ISSUERS` (docs/credentials.md). What an issuer says of its people is
believed as far as that file goes: a claim's values are looked up in `grants`, and what is not there grants nothing.

>>> [rules] = read_issuers(b'''
... [[issuers]]
... name = "corp"
... url = "https://login.example.org"
... audience = "dissonance"
... grants_claim = "realm_access.roles"
... grants = { ml-team = ["viewer", "predictions:write"] }
... tasks = ["census"]
... ''')
>>> holder = TrustedIssuer(rules).holder({"sub": "ada", "realm_access": {"roles": ["ml-team", "staff"]}})
>>> holder.name, "predictions:write" in holder.permissions, sorted(holder.tasks)
('corp/ada', True, ['census'])
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import ConfigurationError
from dissonance.security.grants import Grants, default_grants
from dissonance.security.identity import MAX_SKEW_S, MICROSECONDS, SKEW_S
from dissonance.security.jwt_checks import ACCESS_TOKEN, CLAIMS, FEWER_CLAIMS, Expected
from dissonance.security.permissions import Permission
from dissonance.security.signers import Algorithm, Signer

WHERE = "DISSONANCE_OIDC_ISSUERS"


class Holder(NamedTuple):
    """Who a token is about, in our words."""

    name: str
    permissions: frozenset[Permission]
    tasks: frozenset[str]


class IssuerRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is taken from one issuer.

    `name` goes before its people's names: `corp/ada`. `token_type` is the `typ` of its access tokens: RFC 9068 says
    `at+jwt`; issuers that do not follow it write `JWT` or nothing, and then only the audience tells an access token
    from another, so that it must be one that no other token has. `grants`: value of the claim to grants and
    permissions. `tasks`: of everybody; those in `tasks_claim` come on top. Claims inside others are named `a.b`.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    url: str
    audience: Annotated[str, Meta(min_length=1)]
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("ES256", "EdDSA")
    token_type: Literal["at+jwt", "JWT", ""] = ACCESS_TOKEN
    skew_s: Annotated[float, Meta(ge=0.0, le=MAX_SKEW_S)] = SKEW_S
    ca_file: str = ""  # who vouches for its certificate; empty = whom the machine trusts
    grants_claim: str = "groups"
    grants: dict[str, list[str]] = {}
    tasks_claim: str = ""
    tasks: tuple[str, ...] = ()


class TrustedIssuer:
    """`security.verifier.Issuer` by its rules, whose grants are `known` (None: those that ship). Its `signers` are read
    from it, and replaced when it changes them."""

    def __init__(self, rules: IssuerRules, known: Grants | None = None) -> None:
        self.rules = rules
        self.signers: dict[str, Signer] = {}
        self.skew_us = round(rules.skew_s * MICROSECONDS)
        self.expected = Expected(
            issuer=rules.url,
            audience=rules.audience,
            algorithms=rules.algorithms,
            token_type=rules.token_type,
            claims=CLAIMS if rules.token_type == ACCESS_TOKEN else FEWER_CLAIMS,
        )
        self._permissions = {value: _permissions(names, known) for value, names in rules.grants.items()}

    def holder(self, claims: Mapping[str, Any]) -> Holder:
        granted = [self._permissions.get(value, frozenset()) for value in _values(claims, self.rules.grants_claim)]
        tasks = frozenset(self.rules.tasks).union(_values(claims, self.rules.tasks_claim))
        return Holder(f"{self.rules.name}/{claims['sub']}", frozenset[Permission]().union(*granted), tasks)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    issuers: list[IssuerRules]


def read_issuers(content: bytes, known: Grants | None = None) -> list[IssuerRules]:
    """From TOML. Raises `ConfigurationError`, also for a grant that does not exist and for an address in the clear."""
    try:
        issuers = msgspec.toml.decode(content, type=_File).issuers
    except UNREADABLE as error:
        raise ConfigurationError(
            f"the issuers cannot be read: {error}", where=WHERE, fix="see docs/credentials.md"
        ) from error
    for column in ([each.name for each in issuers], [each.url for each in issuers]):
        if len(set(column)) < len(column):
            raise ConfigurationError("an issuer is there twice", where=WHERE, fix="give each its name and its url")
    for each in issuers:
        require_safe_url(each.url)
        for names in each.grants.values():
            _permissions(names, known)
    return issuers


def require_safe_url(url: str, *, as_safe_as: str = "http:") -> None:
    """TLS, or this machine; this machine only where `as_safe_as` is not TLS. Raises `ConfigurationError`.

    >>> require_safe_url("http://127.0.0.1:8200/v1/identity/oidc")
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or as_safe_as.startswith("https:") or not is_this_machine(parts.hostname or ""):
        raise ConfigurationError(f"'{url}' is not https", where=WHERE, fix="name the issuer by its https address")


def is_this_machine(host: str) -> bool:
    """
    >>> is_this_machine("127.0.0.1"), is_this_machine("mlflow")
    (True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _permissions(names: list[str], known: Grants | None) -> frozenset[Permission]:
    grants = default_grants() if known is None else known
    found: set[Permission] = set()
    for name in names:
        if name in grants:
            found |= grants[name]
        elif name in Permission.__members__.values():
            found.add(Permission(name))
        else:
            raise ConfigurationError(
                f"there is no grant or permission '{name}'", where=WHERE, fix=f"use one of {', '.join(grants)}"
            )
    return frozenset(found)


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    """A list of words, or words separated by spaces; none where the claim is missing or something else."""
    found: Any = claims
    for part in path.split(".") if path else ():
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return found.split()
    return [value for value in found if isinstance(value, str)] if isinstance(found, list) else []
