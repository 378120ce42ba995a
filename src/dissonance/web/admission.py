"""Who may come in: authentication and authorisation, decided before the body is looked at (design 6.1)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress

from starlette.types import Scope

from dissonance.errors import Forbidden, Unauthenticated
from dissonance.security.grants import default_grants, grants_that_have
from dissonance.security.identity import Identity
from dissonance.security.permissions import ANY_TASK, OF_THE_SYSTEM, Permission
from dissonance.security.refusals import Refusal
from dissonance.web.lockout import Lockout
from dissonance.web.rate_limits import Verifier

TASK_PARAMETER = "task"
_KEY = "dissonance.identity"


def admit(scope: Scope, permission: Permission, verifier: Verifier, lockout: Lockout) -> None:
    """Let the request pass, and remember who sent it.

    Raises `Unauthenticated` (401) without a valid token, `Forbidden` (403) without the permission or, on a route
    with `{task}` in its path, for a task that the token does not name, `RateLimited` (429) from a caller that asks too
    fast, `LockedOut` (429) instead of 401 where authentication failed too often.
    """
    if permission is Permission.PUBLIC:
        return
    identity = authenticate(scope, verifier, lockout)
    require(identity, permission, scope["path_params"].get(TASK_PARAMETER))


async def prepare(scope: Scope, permission: Permission, verifier: Verifier) -> None:
    """Before `admit`, wherever waiting is possible; whom it refuses is for `admit` to say."""
    if permission is not Permission.PUBLIC:
        with suppress(Unauthenticated):
            await verifier.prepare(bearer_token(scope))


def bearer_token(scope: Scope) -> str:
    """Raises `Unauthenticated` where there is none."""
    return token_of(_given(scope))


def authenticate(scope: Scope, verifier: Verifier, lockout: Lockout) -> Identity:
    """Who sends a request, which is remembered. Raises as `admit` does, but for `Forbidden`."""
    identity = scope[_KEY] = verified(_given(scope), client_address(scope), verifier, lockout)
    return identity


def _given(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"authorization"]


def client_address(scope: Scope) -> str:
    """Of who is at the other end of the connection; empty for a socket of the file system."""
    client = scope.get("client")
    return client[0] if client else ""


def verified(given: Sequence[bytes], address: str, verifier: Verifier, lockout: Lockout) -> Identity:
    """`given`: the `Authorization` headers. Nothing that came is no failure: clients ask so what is wanted of them."""
    if not given:
        token_of(given)
    credential = given[0].decode("latin-1")
    lockout.require(credential)
    try:
        return verifier.verify(token_of(given))
    except Unauthenticated:
        lockout.failed(address, credential)
        raise


def admit_again(scope: Scope, identity: Identity, verifier: Verifier) -> None:
    """As `admit`, for a request that differs in nothing that it looks at from one that it let pass."""
    verifier.verify_again(identity)
    scope[_KEY] = identity


def require(identity: Identity, permission: Permission, task: str | None = None) -> None:
    """Raises `Forbidden` without the permission, or for a task that the token does not name."""
    if permission in OF_THE_SYSTEM and permission in identity.permissions and ANY_TASK not in identity.tasks:
        raise Forbidden(
            f"'{permission}' is about every task, and the token is not",
            where="token tasks",
            fix=f"ask for a token for every task, {_with_a_grant(permission)}",
        )
    if not identity.may(permission):
        raise Forbidden(
            f"the token does not carry '{permission}'",
            where="token scope",
            fix=f"ask for a token {_with_a_grant(permission)}",
        )
    if task is not None and not identity.may_touch(task):
        raise Forbidden("the token is not for this task", where="token tasks", fix="ask for a token for this task")


def _with_a_grant(permission: Permission) -> str:
    names = ", ".join(grants_that_have(permission, default_grants()))
    return f"with a grant that has '{permission}': of those that ship, {names} (dissonance token grants)"


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
