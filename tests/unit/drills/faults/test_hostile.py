"""What the flood calls a refusal is what the API answers: the drill counts anything else as a fault of ours."""

from __future__ import annotations

import asyncio
from itertools import islice
from pathlib import Path

import pytest

from dissonance.adapters.embedded.loopback import HOST, choose_port
from dissonance.drills.faults.attackers import OVERSIZED_EVERY, Attack, bad_requests
from dissonance.drills.faults.hostile import attacking
from dissonance.errors import EngineError
from support.asgi import request
from support.certificates import clock_days_ago, live_in
from support.walk import Walk

PATH = "/v1/tasks/toy/predict"


def test_every_bad_request_is_refused_as_the_flood_expects() -> None:
    async def story() -> None:
        walk = await Walk.open()
        token = walk.access.header("client")["authorization"].removeprefix("Bearer ")
        for bad in islice(bad_requests(token), OVERSIZED_EVERY):
            headers = {name.lower(): value for name, value in bad.headers.items()}
            reply = await request(walk.app, "POST", PATH, headers=headers, body=bad.body)
            assert reply.status in bad.refused_by, (bad.body[:40], reply.status)

    asyncio.run(story())


def test_clients_are_a_process_that_says_what_became_of_its_requests(tmp_path: Path) -> None:
    authority = live_in(tmp_path, clock_days_ago(0)).tls.authority
    port = choose_port(0, engine="nobody")
    attack = Attack(f"https://{HOST}:{port}{PATH}", "token", authority, hold_s=0.05)

    async def story() -> dict[str, int]:
        async with attacking(attack) as said:
            return await said()

    assert asyncio.run(story()) == {"sent": 10, "broken_off": 10}


def test_clients_that_cannot_begin_are_an_error_with_a_way_out(tmp_path: Path) -> None:
    async def story() -> None:
        async with attacking(Attack(f"https://{HOST}:1{PATH}", "token", str(tmp_path / "none"), 0.05)) as said:
            await said()

    with pytest.raises(EngineError, match="hostile clients"):
        asyncio.run(story())
