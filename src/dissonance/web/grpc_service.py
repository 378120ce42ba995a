"""How a role declares methods of gRPC: every one names exactly one permission, as routes do.

Apart from `web.grpc_server`, so that a process without gRPC does not load it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from dissonance.security.identity import Identity
from dissonance.security.permissions import Permission
from dissonance.web.health import Health


class Call(NamedTuple):
    """An admitted call. `identity` is None for a public method; `body` is the message as it came; `key` is the
    metadata's `idempotency-key`."""

    message: Any
    body: bytes
    identity: Identity | None
    key: str | None
    health: Health


class Method(NamedTuple):
    """`request` is the message's class; `handle` returns a message, or raises a `DissonanceError`."""

    permission: Permission
    request: Any
    handle: Callable[[Call], Awaitable[Any]]


class GrpcService(NamedTuple):
    """`name` with its package; methods that are not named are UNIMPLEMENTED."""

    name: str
    methods: dict[str, Method]
