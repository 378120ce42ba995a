"""An open-loop load: a request leaves when it is due, whether or not those before it were answered.

Latency counts from when a request was due, so that a late start is part of it: closed loops omit it, in coordination
with what they measure (Tene 2013). A client tries at most once more, under the same `Idempotency-Key`, and only what
may be tried again.
"""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import aiohttp
import msgspec

from dissonance.contracts.api import PredictReply
from dissonance.drills.client import PASSING, connector_to, retry_after_s
from dissonance.ports.clock import Randomness

NO_ANSWER = 0
"""Stands for a status where the connection broke."""

TIMED_OUT = -1
"""Stands for a status where no answer came in time."""

NOT_AN_ANSWER = -2
"""Stands for a status where a 200 came with something else than a prediction."""

TRIED_AGAIN = PASSING | {NO_ANSWER, TIMED_OUT}
SOONEST_AGAIN_S, LATEST_AGAIN_S = 0.1, 0.3
LONGEST_ASKED_S = 5.0


class Answer(NamedTuple):
    """`late_s`: how long after it was due the request left; `latency_s`: from when it was due until its last answer.
    `status`: of the last attempt, or one of the words above. `version`: of the model that answered."""

    late_s: float
    latency_s: float
    status: int
    attempts: int
    prediction_id: str = ""
    version: int = 0

    @property
    def ok(self) -> bool:
        return self.status == 200


class Bodies(Protocol):
    """What is sent; `traffic.Requests` is one."""

    def body(self, number: int) -> bytes: ...


class OpenLoad:
    """`answers[k]` is what became of the k-th request, None while it is on its way; it is due at `due_s(k)`.

    `attempt_s`: seconds an attempt may take; `tls`: whom it trusts.

        async with OpenLoad(url, token, bodies, 200.0, randomness) as load:
            sending = asyncio.create_task(load.run(stop))
    """

    def __init__(
        self,
        url: str,
        token: str,
        bodies: Bodies,
        rate: float,
        randomness: Randomness,
        attempt_s: float = 6.0,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answers: list[Answer | None] = []
        self.rate = rate
        self.begun_s = 0.0
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._bodies = bodies
        self._randomness = randomness
        self._attempt_s = attempt_s
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # As many connections as are needed: a client that queues would not be an open loop.
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._attempt_s), connector=connector_to(self._tls)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def due_s(self, number: int) -> float:
        """In the time of the event loop."""
        return self.begun_s + number / self.rate

    def number_at(self, moment_s: float) -> int:
        """The first request that is due at `moment_s` or later."""
        return max(0, -int(-(moment_s - self.begun_s) * self.rate // 1))

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set and everything sent is answered, or given up by its client."""
        loop = asyncio.get_running_loop()
        self.begun_s = loop.time()
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                number = len(self.answers)
                ahead_s = self.due_s(number) - loop.time()
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)
                self.answers.append(None)
                tasks.create_task(self._ask(number))

    async def _ask(self, number: int) -> None:
        loop, due_s = asyncio.get_running_loop(), self.due_s(number)
        late_s = loop.time() - due_s
        body, headers = (
            self._bodies.body(number),
            {**self._headers, "Idempotency-Key": self._randomness.token(16).hex()},
        )
        attempts, (status, asked_s, content) = 1, await self._attempt(body, headers)
        if status in TRIED_AGAIN:
            await asyncio.sleep(self._pause_s(asked_s))
            attempts, (status, _, content) = 2, await self._attempt(body, headers)
        prediction_id, version = "", 0
        if status == 200:
            status, prediction_id, version = _read(content)
        latency_s = loop.time() - due_s
        self.answers[number] = Answer(max(0.0, late_s), latency_s, status, attempts, prediction_id, version)

    async def _attempt(self, body: bytes, headers: dict[str, str]) -> tuple[int, float, bytes]:
        """Status, the seconds that `Retry-After` asks for, and the body."""
        assert self._session is not None, "use it in 'async with'"
        try:
            async with self._session.post(self._url, data=body, headers=headers) as response:
                return response.status, retry_after_s(response.headers.get("Retry-After")), await response.read()
        except TimeoutError:
            return TIMED_OUT, 0.0, b""
        except aiohttp.ClientError:
            return NO_ANSWER, 0.0, b""

    def _pause_s(self, asked_s: float) -> float:
        chance = int.from_bytes(self._randomness.token(4), "big") / 2**32
        jitter_s = SOONEST_AGAIN_S + chance * (LATEST_AGAIN_S - SOONEST_AGAIN_S)
        return min(asked_s, LONGEST_ASKED_S) + jitter_s


def _read(content: bytes) -> tuple[int, str, int]:
    """Status, prediction id and version of the model."""
    try:
        reply = msgspec.json.decode(content, type=PredictReply)
    except msgspec.MsgspecError:
        return NOT_AN_ANSWER, "", 0
    if len(reply.predictions) != 1:
        return NOT_AN_ANSWER, "", 0
    return 200, reply.predictions[0].prediction_id, reply.model_version
