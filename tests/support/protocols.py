"""The walk of `support.walk`, asked in the protocols that clients of others speak."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pyarrow as pa

from dissonance.contracts.updates import RolloutPhase
from dissonance.ports.rollouts import Rollout
from dissonance.web.arrow_bodies import ARROW
from support.asgi import Reply, request
from support.updates import step_of
from support.walk import PlainLoader, Walk

Story = Callable[[Walk], Awaitable[None]]
JSON = {"content-type": "application/json"}


def told(story: Story, **options: Any) -> None:
    async def run() -> None:
        await story(await Walk.open(**options))

    asyncio.run(run())


async def ask(
    walk: Walk,
    path: str,
    body: Any = b"",
    headers: Mapping[str, str] = JSON,
    *,
    method: str = "POST",
    grant: str = "client",
    tasks: tuple[str, ...] = ("*",),
) -> Reply:
    """A body that is no bytes is sent as JSON; no grant, no token."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    access = walk.access.header(grant, tasks) if grant else {}
    return await request(walk.app, method, path, headers={**access, **headers}, body=data)


async def look(walk: Walk, path: str, *, grant: str = "client") -> Reply:
    return await ask(walk, path, method="GET", headers={}, grant=grant)


def stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def table_of(reply: Reply) -> pa.Table:
    assert reply.headers["content-type"] == ARROW, reply.body
    with pa.ipc.open_stream(reply.body) as reader:
        return reader.read_all()


def tensor(name: str, datatype: str, *values: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": list(values)}


def tensors(*xs: float, person: str = "p1") -> list[dict[str, Any]]:
    return [
        tensor("x", "FP64", *xs),
        tensor("colour", "BYTES", *["red"] * len(xs)),
        tensor("person", "BYTES", *[person] * len(xs)),
    ]


async def stored(walk: Walk) -> int:
    """Rows in the store after everything that was published was handled."""
    await walk.pump()
    counts = await walk.store.counts(walk.task.task_id)
    return counts.admitted + counts.blocked


async def begin_canary(walk: Walk, share: float) -> None:
    """Version 2 is on its canary beside version 1."""
    walk.loader.pairs[2] = PlainLoader.pair(2, 0.05)
    rollout = Rollout(
        rollout_id="0" * 31 + "7",
        task_id=walk.task.task_id,
        version=2,
        model_digest=walk.loader.pairs[2].proposer_digest,
        previous_version=1,
        previous_digest=walk.loader.pairs[1].proposer_digest,
        phase=RolloutPhase.CANARY,
        share=share,
        started_at_us=0,
        phase_at_us=0,
        by="tester",
        reason="a test",
    )
    saved = await walk.store.save_rollout(rollout, step_of(rollout))
    assert saved
