"""Grants: named sets of permissions, in a TOML file that is read at start (ADR 53).

One table a grant: its `purpose`, and its `permissions`, or `["*"]` for every permission there is. A name is lower-case
words joined by `-`. Unknown names stop the start: a misspelt permission would be one that nobody has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from dissonance.contracts.unreadable import UNREADABLE
from dissonance.errors import ConfigurationError, InputError
from dissonance.security.permissions import Permission

DEFAULT_FILE = "grants.toml"
EVERY = "*"
NAME = re.compile(r"[a-z]+(-[a-z]+)*")

Grants = Mapping[str, frozenset[Permission]]
"""From the name of a grant to what it permits, in the order of the file."""


class _Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    permissions: list[str]
    purpose: str = ""


def parse_grants(text: str, where: str) -> Grants:
    """`where`: the file, for errors. Raises `ConfigurationError` that names what is wrong.

    >>> sorted(parse_grants('[reader]\\npermissions = ["windows:read", "models:read"]', "my.toml")["reader"])
    [<Permission.MODELS: 'models:read'>, <Permission.WINDOWS: 'windows:read'>]
    """
    try:
        read = msgspec.toml.decode(text, type=dict[str, _Grant])
    except UNREADABLE as error:
        raise ConfigurationError(
            f"the grants cannot be read: {error}", where=where, fix='write [name] and permissions = ["windows:read"]'
        ) from error
    if not read:
        raise ConfigurationError("there is no grant in it", where=where, fix="start from the file that ships with it")
    for name in read:
        if NAME.fullmatch(name) is None:
            raise ConfigurationError(
                f"'{name}' is no name of a grant", where=where, fix="use lower-case words joined by '-'"
            )
    return {name: _permissions(name, grant.permissions, where) for name, grant in read.items()}


def _permissions(grant: str, given: list[str], where: str) -> frozenset[Permission]:
    known = {permission.value: permission for permission in Permission if permission is not Permission.PUBLIC}
    if given == [EVERY]:
        return frozenset(known.values())
    for name in given:
        if name not in known:
            likely = get_close_matches(name, known, n=1)
            raise ConfigurationError(
                f"the grant '{grant}' names '{name}', and there is no such permission",
                where=where,
                fix=f"did you mean '{likely[0]}'?" if likely else f"the permissions are {', '.join(known)}",
            )
    return frozenset(known[name] for name in given)


@cache
def default_grants() -> Grants:
    """Those of the file that ships with the package."""
    return parse_grants(files(__package__).joinpath(DEFAULT_FILE).read_text("utf-8"), DEFAULT_FILE)


def read_grants(file: Path | None) -> Grants:
    """Those of `file`, in place of the ones that ship with the package. Raises `ConfigurationError`."""
    if file is None:
        return default_grants()
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the grants cannot be read: {error}", where=str(file), fix="correct or unset DISSONANCE_GRANTS_FILE"
        ) from error
    return parse_grants(text, str(file))


def grants_that_have(permission: Permission, grants: Grants) -> list[str]:
    """In the order of the file.

    >>> grants_that_have(Permission.CONFIGURATION, default_grants())
    ['operator', 'auditor', 'admin']
    """
    return [name for name, has in grants.items() if permission in has]


def permissions_of(names: Sequence[str], grants: Grants) -> frozenset[Permission]:
    """All permissions of these grants. Raises `InputError` for an unknown one, or none.

    >>> sorted(permission.value for permission in permissions_of(["labeller"], default_grants()))
    ['label_requests:read', 'label_requests:write', 'labels:write']
    """
    for name in names:
        if name not in grants:
            raise InputError(f"there is no grant '{name}'", where="grant", fix=f"use one of {', '.join(grants)}")
    if not names:
        raise InputError("a token needs a grant", where="grant", fix=f"use one of {', '.join(grants)}")
    return frozenset().union(*(grants[name] for name in names))
