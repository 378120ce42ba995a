"""What the flood calls a refusal is what the API answers: the drill counts anything else as a fault of ours."""

from __future__ import annotations

import asyncio
from itertools import islice

from dissonance.drills.faults.hostile import OVERSIZED_EVERY, bad_requests
from support.asgi import request
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
