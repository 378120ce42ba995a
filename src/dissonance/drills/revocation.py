"""Drill: how soon a revoked credential opens nothing on any of two replicas that have let it in a moment before.

Both answer a stream of single predictions under one credential, the fast way: the head of each request is known to
them. Then it is revoked by command. Counted from the time that the revocation bears, on one clock for all: when each
replica refused first, and what it let in after. Tokens, API keys and whole holders in turn; in the last rounds one
replica was away: stopped in its tracks while it happened, and killed before it and started after. MLflow's server,
which hears nothing on the bus, is asked in the same way.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec

from dissonance.adapters.clock import SystemClock
from dissonance.contracts.api import RowsRequest
from dissonance.drills import census
from dissonance.drills.client import connector_to, problem_error
from dissonance.drills.records import AtLeast, AtMost, Equals, Raw, Record, make_record
from dissonance.drills.system import RunningSystem
from dissonance.errors import EngineError, LockedOut
from dissonance.security.tls import client_context

REPLICAS = ("one", "two")
TRAINING_ROWS = 5_000
PAUSE_S = 0.005  # between two requests to one replica
LET_IN_FIRST = 20  # requests that each replica answers before anything is revoked
SEARCH_AT_MLFLOW = "/api/2.0/mlflow/experiments/search"
WITHIN_S = 30.0  # after which it is given up
LONGEST_S = 5.0  # the issue's
KINDS = ("token", "api key", "holder")

Say = Callable[[str], None]


class Credential(NamedTuple):
    """What is sent, and the arguments that revoke it."""

    text: str
    revoke: tuple[str, ...]


class Seen(NamedTuple):
    """One replica, one revocation: seconds until it refused, and requests begun after it and answered nevertheless."""

    refused_after_s: float
    let_in_after: int


class Revocations(NamedTuple):
    by_kind: dict[str, list[Seen]]
    at_mlflow: list[Seen]
    stopped: list[Seen]
    let_in_by_a_new_process: int
    still_let_in: int


class Caller:
    """Asks one server again and again under one credential. `answered_us`: when requests began that were answered.

    `tls`: True for that of `http`.
    """

    def __init__(
        self, http: aiohttp.ClientSession, url: str, credential: str, body: bytes, tls: ssl.SSLContext | bool = True
    ) -> None:
        self._http = http
        self._url = url
        self._headers = {"authorization": f"Bearer {credential}", "content-type": "application/json"}
        self._body = body
        self._tls = tls
        self._clock = SystemClock()
        self.answered_us: list[int] = []
        self.refused_us: int | None = None

    async def refused(self) -> bool:
        """Asks once."""
        began_us = self._clock.now_us()
        async with self._http.post(self._url, data=self._body, headers=self._headers, ssl=self._tls) as reply:
            content = await reply.read()
        refused = is_refusal(reply.status, content)
        if reply.status == 200:
            self.answered_us.append(began_us)
        elif refused and self.refused_us is None:
            self.refused_us = self._clock.now_us()
        return refused

    async def until_refused(self) -> None:
        while not await self.refused():
            await asyncio.sleep(PAUSE_S)

    def seen(self, since_us: int) -> Seen:
        assert self.refused_us is not None
        after = sum(began_us >= since_us for began_us in self.answered_us)
        return Seen(max(0, self.refused_us - since_us) / 1e6, after)


async def revocation(folder: Path, rounds: int, say: Say) -> Revocations:
    """`rounds`: of each kind of credential."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = dict.fromkeys(REPLICAS, ("proposer",))
    async with (
        RunningSystem(folder / "data", folder / "logs", groups) as running,
        aiohttp.ClientSession(connector=connector_to(running.trust())) as http,
    ):
        training = census.write_training_file(folder, TRAINING_ROWS)
        await running.command(*census.create_arguments(training))
        await running.start_all()
        stage = Stage(running, http)
        by_kind: dict[str, list[Seen]] = {}
        for kind in KINDS:
            by_kind[kind] = [seen for _ in range(rounds) for seen in await stage.revoke_under_load(kind)]
            say(f"{kind}: refused after {max(seen.refused_after_s for seen in by_kind[kind]):.3f} s at the latest")
        at_mlflow = [await stage.revoke_at_mlflow() for _ in range(rounds)]
        say(f"MLflow: refused after {max(seen.refused_after_s for seen in at_mlflow):.3f} s at the latest")
        stopped = [await stage.revoke_while_stopped() for _ in range(rounds)]
        say(f"stopped meanwhile: {max(seen.refused_after_s for seen in stopped):.3f} s after it went on")
        again = sum([await stage.revoke_while_dead() for _ in range(rounds)])
        say(f"started again: {again} of {rounds} let in")
        return Revocations(by_kind, at_mlflow, stopped, again, await stage.still_let_in())


class Stage:
    """The replicas, and every credential that was revoked so far."""

    def __init__(self, running: RunningSystem, http: aiohttp.ClientSession) -> None:
        self._running = running
        self._http = http
        rows, _ = census.traffic(1)
        self._body = msgspec.json.encode(RowsRequest(rows))
        self._revoked: list[str] = []
        self._made = 0

    async def revoke_under_load(self, kind: str) -> list[Seen]:
        credential = await self._credential(kind)
        async with self._asking([self._caller(name, credential) for name in REPLICAS]) as callers:
            since_us = await self._revoke(credential)
        return [caller.seen(since_us) for caller in callers]

    async def revoke_at_mlflow(self) -> Seen:
        """A token of somebody who may look at models there."""
        credential = await self._credential("token", "viewer")
        url = f"{self._running.engines_ready['addresses']['mlflow_url']}{SEARCH_AT_MLFLOW}"
        body = msgspec.json.encode({"max_results": 1})
        asking = Caller(self._http, url, credential.text, body, client_context(self._running.tls))
        async with self._asking([asking]) as callers:
            since_us = await self._revoke(credential)
        return callers[0].seen(since_us)

    async def revoke_while_stopped(self) -> Seen:
        """Counted from when the replica goes on."""
        credential, pid = await self._credential("token"), self._running.pid(REPLICAS[1])
        async with self._asking([self._caller(REPLICAS[1], credential)]) as callers:
            os.kill(pid, signal.SIGSTOP)
            await self._revoke(credential)
            since_us = SystemClock().now_us()
            os.kill(pid, signal.SIGCONT)
        return callers[0].seen(since_us)

    async def revoke_while_dead(self) -> bool:
        """Whether the first request to the new process is let in."""
        credential = await self._credential("token")
        await self._running.kill(REPLICAS[1])
        await self._revoke(credential)
        await self._running.start(REPLICAS[1])
        return not await self._caller(REPLICAS[1], credential).refused()

    async def still_let_in(self) -> int:
        """Of all that was revoked, on every replica."""
        callers = [self._caller(name, Credential(text, ())) for name in REPLICAS for text in self._revoked]
        return sum([not await caller.refused() for caller in callers])

    @asynccontextmanager
    async def _asking(self, callers: list[Caller]) -> AsyncIterator[list[Caller]]:
        """The callers, which are being let in while the block lasts; at its end they ask until they are refused.

        Raises `EngineError` when one is still let in after `WITHIN_S`.
        """
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(caller.until_refused()) for caller in callers]
            while min(len(caller.answered_us) for caller in callers) < LET_IN_FIRST:
                if any(caller.refused_us is not None for caller in callers):
                    raise EngineError("a new credential was refused", where="replica", fix="see its log")
                await asyncio.sleep(PAUSE_S)
            yield callers
            _, left = await asyncio.wait(asking, timeout=WITHIN_S)
            if left:
                raise EngineError("a revoked credential is let in", where="replica", fix="see its log")

    def _caller(self, name: str, credential: Credential) -> Caller:
        url = f"{self._running.group_url(name)}/v1/tasks/{census.TASK}/predict"
        return Caller(self._http, url, credential.text, self._body)

    async def _credential(self, kind: str, grant: str = "client") -> Credential:
        self._made += 1
        name = f"holder-{self._made}"
        asked = ("--grant", grant, "--task", census.TASK, "--name", name)
        if kind == "api key":
            made = await self._running.command("token", "key", "create", *asked)
            return Credential(made["key"], ("token", "key", "revoke", made["id"]))
        made = await self._running.command("token", "create", *asked)
        what = (made["id"],) if kind == "token" else ("--subject", name)
        return Credential(made["token"], ("token", "revoke", *what))

    async def _revoke(self, credential: Credential) -> int:
        """Since when it is, in microseconds."""
        self._revoked.append(credential.text)
        told: dict[str, Any] = await self._running.command(*credential.revoke)
        return round(datetime.fromisoformat(told["revoked_at"]).timestamp() * 1e6)


def is_refusal(status: int, content: bytes) -> bool:
    """Whether a reply says that the credential is none. So does `locked-out`: only who sent a wrong one is put off.

    >>> is_refusal(401, b""), is_refusal(429, b'{"type": "urn:dissonance:problem:rate-limited"}')
    (True, False)
    """
    return status == 401 or (status == 429 and isinstance(problem_error(status, content), LockedOut))


def record_of(outcome: Revocations) -> Record:
    everything = [seen for kind in outcome.by_kind.values() for seen in kind]
    raw: dict[str, Raw] = {
        "replicas": len(REPLICAS),
        "revocations_under_load": len(everything) // len(REPLICAS),
        **{
            f"{kind.replace(' ', '_')}_refused_after_s": [seen.refused_after_s for seen in seen_of]
            for kind, seen_of in outcome.by_kind.items()
        },
        "mlflow_refused_after_s": [seen.refused_after_s for seen in outcome.at_mlflow],
        "mlflow_let_in_after": [seen.let_in_after for seen in outcome.at_mlflow],
        "let_in_after": [seen.let_in_after for seen in everything],
        "stopped_refused_after_s": [seen.refused_after_s for seen in outcome.stopped],
        "stopped_let_in_after": [seen.let_in_after for seen in outcome.stopped],
        "started_again_let_in": outcome.let_in_by_a_new_process,
        "longest_s": max(seen.refused_after_s for seen in [*everything, *outcome.at_mlflow, *outcome.stopped]),
        "still_let_in": outcome.still_let_in,
    }
    return make_record(
        name="revocation",
        what="a credential in use on two replicas, or at MLflow, is revoked: seconds until it is refused, and what was "
        "let in after",
        command="dissonance drill revocation",
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=[
            AtLeast("revocations_under_load", len(KINDS)),
            AtMost("longest_s", LONGEST_S),
            Equals("started_again_let_in", 0),
            Equals("still_let_in", 0),
        ],
    )
