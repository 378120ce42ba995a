"""People who label, on a walk of doubles: the queue over HTTP, and labels by id or by data subject and time."""

from __future__ import annotations

from typing import Any

import msgspec

from dissonance.contracts.ids import id_from_text
from dissonance.contracts.policy import Policy
from dissonance.ports.store import Experience
from support.asgi import Reply
from support.walk import POLICY, TASK, Walk

DAY_S = 86_400
ASKING = msgspec.structs.replace(POLICY, label_budget_per_day=1_000_000, d_budget_per_hour=1_000)
"""Asks about every row: budget and traffic are such that each propensity is 1."""


async def asking(policy: Policy = ASKING, gap: float = 0.05) -> Walk:
    return await Walk.open(gap=gap, policy=policy)


async def send(walk: Walk, *labels: dict[str, Any], status: int = 200) -> Reply:
    """To the labels route; then everything is pumped."""
    reply = await walk.post("toy/labels", {"labels": list(labels)})
    assert reply.status == status, reply.body
    await walk.pump()
    return reply


async def lease(walk: Walk, count: int = 1, grant: str = "labeller") -> list[dict[str, Any]]:
    reply = await walk.post("toy/label-requests/lease", {"count": count}, grant=grant)
    assert reply.status == 200, reply.body
    leased: list[dict[str, Any]] = reply.json()["requests"]
    return leased


async def settle(walk: Walk, request: dict[str, Any], how: str, body: dict[str, Any] | None = None) -> Reply:
    """Answer, skip or return a request; then everything is pumped."""
    reply = await walk.post(f"toy/label-requests/{request['request_id']}/{how}", body or {}, grant="labeller")
    await walk.pump()
    return reply


async def status(walk: Walk) -> dict[str, Any]:
    reply = await walk.get("toy/label-requests", grant="viewer")
    answer: dict[str, Any] = reply.json()
    return answer


async def stored(walk: Walk, prediction_id: str) -> Experience:
    number = id_from_text(prediction_id)
    return (await walk.store.find(TASK.task_id, [number]))[number]
