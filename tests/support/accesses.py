"""Accesses and batches of them, all different, from a number."""

from __future__ import annotations

from typing import Any

from dissonance.contracts.accesses import Access, AccessBatch, Outcome


def access(number: int = 1, **changes: Any) -> Access:
    given = {
        "who": "ann",
        "source": "192.0.2.1",
        "permission": "policies:write",
        "what": "POST /v1/tasks/{task}/policy",
        "task": "toy",
        "outcome": Outcome.ALLOWED,
        "first_us": 1_000 * number,
        "last_us": 1_000 * number + 1,
        "status": 200,
        "request_id": f"request-{number}",
    }
    return Access(**{**given, **changes})


def denied(number: int = 1, **changes: Any) -> Access:
    return access(number, **{"outcome": Outcome.DENIED, "reason": "forbidden", "status": 403, **changes})


def batch(number: int, *accesses: Access, anchor: str = "") -> AccessBatch:
    return AccessBatch(batch_id=f"{number:032x}", by="this process", accesses=list(accesses), anchor=anchor)
