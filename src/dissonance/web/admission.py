"""Who may come in: authentication and authorisation, decided before the body is looked at (design 6.1)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress

from starlette.types import Scope

from dissonance.errors import Forbidden, Unauthenticated
from dissonance.security.identity import Identity
from dissonance.security.permissions import GRANTS, Permission
from dissonance.security.refusals import Refusal
from dissonance.web.rate_limits import Verifier

TASK_PARAMETER = "task"
_KEY = "dissonance.identity"


def admit(scope: Scope, permission: Permission, verifier: Verifier) -> None:
    """Let the request pass, and remember who sent it.

    Raises `Unauthenticated` (401) without a valid token, `Forbidden` (403) without the permission or, on a route
    with `{task}` in its path, for a task that the token does not name, `RateLimited` (429) from a caller that asks too
    fast.
    """
    if permission is Permission.PUBLIC:
        return
    identity = verifier.verify(bearer_token(scope))
    scope[_KEY] = identity
    require(identity, permission, scope["path_params"].get(TASK_PARAMETER))


async def prepare(scope: Scope, permission: Permission, verifier: Verifier) -> None:
    """Before `admit`, wherever waiting is possible; whom it refuses is for `admit` to say."""
    if permission is not Permission.PUBLIC:
        with suppress(Unauthenticated):
            await verifier.prepare(bearer_token(scope))


def admit_again(scope: Scope, identity: Identity, verifier: Verifier) -> None:
    """As `admit`, for a request that differs in nothing that it looks at from one that it let pass."""
    verifier.verify_again(identity)
    scope[_KEY] = identity


def require(identity: Identity, permission: Permission, task: str | None = None) -> None:
    """Raises `Forbidden` without the permission, or for a task that the token does not name."""
    if not identity.may(permission):
        raise Forbidden(
            f"the token does not carry '{permission}'",
            where="token scope",
            fix=f"ask for a token with the grant {_grants_with(permission)}",
        )
    if task is not None and not identity.may_touch(task):
        raise Forbidden("the token is not for this task", where="token tasks", fix="ask for a token for this task")


def _grants_with(permission: Permission) -> str:
    return " or ".join(grant for grant, permissions in GRANTS.items() if permission in permissions)


def bearer_token(scope: Scope) -> str:
    """The token of the one `Authorization` header of a request."""
    return token_of([value for name, value in scope["headers"] if name == b"authorization"])


def token_of(given: Sequence[bytes]) -> str:
    """The token of `Authorization: Bearer` (RFC 6750 section 2.1), or the password of `Basic` (RFC 7617): clients of
    other protocols can often say who they are in an address only (ADR 37).

    >>> token_of([b"Bearer abc"]), token_of([b"Basic dG9rZW46YWJj"])
    ('abc', 'abc')
    """
    if not given:
        raise Unauthenticated(
            "no token came with the request",
            where="header Authorization",
            fix="send 'Authorization: Bearer <token>'; dissonance token create makes one",
            reason=Refusal.MISSING,
        )
    scheme, _, token = given[0].partition(b" ")
    read = SCHEMES.get(scheme.lower())
    if len(given) > 1 or read is None or not token.isascii():
        raise Unauthenticated(
            "the header is not one bearer token",
            where="header Authorization",
            fix="send 'Authorization: Bearer <token>'",
            reason=Refusal.HEADER,
        )
    return read(bytes(token).decode().strip())


def _password(credentials: str) -> str:
    """Where the coding is none there is no password, and none is right."""
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


SCHEMES: dict[bytes, Callable[[str], str]] = {b"bearer": str, b"basic": _password}


def identity_or_none(scope: Scope) -> Identity | None:
    identity: Identity | None = scope.get(_KEY)
    return identity


def identity_of(scope: Scope) -> Identity:
    """Who sent an admitted request; for handlers of routes that are not public."""
    identity: Identity = scope[_KEY]
    return identity
