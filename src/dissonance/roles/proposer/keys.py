"""The header `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header), bound to client and task."""

from __future__ import annotations

import hashlib

from starlette.types import Scope

from dissonance.errors import MalformedBody
from dissonance.roles.catalogue import TaskContext
from dissonance.roles.proposer.ask import IdempotencyKey
from dissonance.roles.proposer.decide import idempotency_hash
from dissonance.web.admission import identity_of

HEADER = b"idempotency-key"
MAX_KEY_CHARACTERS = 255


def idempotency_key(scope: Scope, context: TaskContext, body: bytes) -> IdempotencyKey | None:
    """Of an admitted request; None when it has none. Raises `MalformedBody`."""
    for name, value in scope["headers"]:
        if name == HEADER:
            return bound_key(value.decode("latin-1"), identity_of(scope).name, context, body)
    return None


def bound_key(key: str, client: str, context: TaskContext, body: bytes) -> IdempotencyKey:
    """Raises `MalformedBody`."""
    if not 0 < len(key) <= MAX_KEY_CHARACTERS:
        raise MalformedBody(
            f"the key has {len(key)} characters",
            where="header Idempotency-Key",
            fix=f"send 1 to {MAX_KEY_CHARACTERS} characters, a UUID for example",
        )
    return IdempotencyKey(idempotency_hash(context.task.task_id, client, key), hashlib.sha256(body).digest())
