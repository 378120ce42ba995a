"""An async client of the HTTP API, for the demo, the drills and the tests.

What may be tried again (429, 502, 503, 504, a connection that broke, a reply that did not come) is tried again with
exponential delays and jitter, under the same `Idempotency-Key`, so that a request is answered once in effect
however often it was sent. `Retry-After` (RFC 9110, 10.2.3) is the least delay. Every other problem (RFC 9457) becomes
the error of our tree that its slug names.

    async with DissonanceClient(url, token, randomness, tls=trusting("ca.pem")) as client:
        reply = await client.predict("acs", rows)
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dissonance.contracts.api import (
    CheckReply,
    ContradictReply,
    CyclesReply,
    Label,
    LabelsReply,
    LabelsRequest,
    ModelsReply,
    PredictReply,
    Row,
    RowsRequest,
)
from dissonance.contracts.label_api import AnswerRequest, LeaseReply, LeaseRequest, SettledReply
from dissonance.contracts.schema import Scalar
from dissonance.contracts.window_api import WindowsReply
from dissonance.errors import DissonanceError, EngineError, EngineUnavailable, InputError, TimedOut
from dissonance.errors_by_slug import errors_by_slug
from dissonance.ports.clock import Randomness

Reply = TypeVar("Reply")

PASSING = frozenset({429, 502, 503, 504})
"""Statuses that may be another one the next time."""


class Patience(msgspec.Struct, frozen=True):
    """How long a caller waits for a server that is away."""

    request_s: float = 60.0  # seconds one attempt may take
    total_s: float = 120.0  # seconds of delays, all attempts together, before giving up
    first_delay_s: float = 0.05  # seconds; doubled after each attempt
    longest_delay_s: float = 2.0  # seconds, jitter not counted


class Problem(msgspec.Struct, frozen=True):
    """The members of problem+json (RFC 9457) that we read; `type` ends with the error's slug."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    where: str = ""
    fix: str = ""


def connector_to(tls: ssl.SSLContext | None) -> aiohttp.TCPConnector:
    """As many connections as are wanted, to whom `tls` trusts; without it to none that speaks TLS but those whom this
    machine trusts."""
    return aiohttp.TCPConnector(limit=0, ssl=True if tls is None else tls)


class DissonanceClient:
    """One connection pool to one base address; `attempts` counts what was sent, `retries` what of it was sent again.

    `tls`: whom it trusts; needed for `https`. `randomness` gives jitter and idempotency keys; `sleep` takes seconds.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        randomness: Randomness,
        *,
        tls: ssl.SSLContext | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.attempts = 0
        self.retries = 0
        self._token = token
        self._tls = tls
        self._randomness = randomness
        self._patience = patience or Patience()
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._patience.request_s)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector_to(self._tls))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def predict(
        self, task: str, rows: Sequence[Row], contradict: bool = False, idempotency_key: str | None = None
    ) -> PredictReply:
        """Answers, recorded. Without a key one is made, so that a retry is never recorded twice."""
        route = "predict?contradict=true" if contradict else "predict"
        key = idempotency_key or self._key()
        return await self._post(task, route, RowsRequest(list(rows)), PredictReply, key)

    async def run_once(self, task: str, rows: Sequence[Row], idempotency_key: str | None = None) -> CyclesReply:
        """Whole cycles; returns when they are in the store."""
        return await self._post(task, "run_once", RowsRequest(list(rows)), CyclesReply, idempotency_key or self._key())

    async def contradict(self, task: str, rows: Sequence[Row]) -> ContradictReply:
        return await self._post(task, "contradict", RowsRequest(list(rows)), ContradictReply)

    async def check(self, task: str, rows: Sequence[Row]) -> CheckReply:
        return await self._post(task, "check", RowsRequest(list(rows)), CheckReply)

    async def labels(self, task: str, labels: Sequence[Label], source: str = "api") -> LabelsReply:
        """Labels by prediction id; sending one twice changes nothing."""
        return await self._post(task, "labels", LabelsRequest(list(labels), source), LabelsReply)

    async def lease(self, task: str, count: int) -> LeaseReply:
        """Take label requests; nobody else gets them until the lease runs out."""
        return await self._post(task, "label-requests/lease", LeaseRequest(count), LeaseReply)

    async def answer(self, task: str, request_id: str, label: Scalar, labelled_at: str | None = None) -> None:
        """Answer one label request."""
        body = AnswerRequest(label=label, labelled_at=labelled_at)
        await self._post(task, f"label-requests/{request_id}/answer", body, SettledReply)

    async def windows(self, task: str) -> WindowsReply:
        return await self._get(f"/v1/tasks/{task}/windows", WindowsReply)

    async def models(self, task: str) -> ModelsReply:
        return await self._get(f"/v1/tasks/{task}/models", ModelsReply)

    async def ready(self) -> bool:
        """Whether `/readyz` says yes now; a server that is away is not ready."""
        try:
            status, _, _ = await self._once("GET", "/readyz", None, {})
        except (aiohttp.ClientError, TimeoutError):
            return False
        return status == 200

    async def text(self, path: str) -> str:
        """Any route that answers with text, such as `/metrics`."""
        return (await self._retried("GET", path, None, {})).decode()

    async def samples(self) -> list[Sample]:
        """What `/metrics` says now."""
        families = text_string_to_metric_families(await self.text("/metrics"))
        return [sample for family in families for sample in family.samples]

    async def _post(self, task: str, route: str, body: msgspec.Struct, reply: type[Reply], key: str = "") -> Reply:
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        answer = await self._retried("POST", f"/v1/tasks/{task}/{route}", msgspec.json.encode(body), headers)
        return _decode(answer, reply)

    async def _get(self, path: str, reply: type[Reply]) -> Reply:
        return _decode(await self._retried("GET", path, None, {}), reply)

    async def _retried(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        waited_s = 0.0
        for delay_s in self._delays():
            asked_s = 0.0
            try:
                status, reply_headers, answer = await self._once(method, path, body, headers)
                if 200 <= status < 300:
                    return answer
                failure = problem_error(status, answer)
                if status not in PASSING:
                    raise failure
                asked_s = retry_after_s(reply_headers.get("Retry-After"))
            except TimeoutError as error:
                failure = TimedOut("no answer came in time", where=self.base_url + path, fix="see the server's log")
                failure.__cause__ = error
            except aiohttp.ClientError as error:
                failure = EngineUnavailable(f"no answer: {error}", where=self.base_url + path, fix="is it running?")
                failure.__cause__ = error
            if waited_s >= self._patience.total_s:
                raise failure
            await self._sleep(max(delay_s, asked_s))
            waited_s += max(delay_s, asked_s)
            self.retries += 1
        raise AssertionError("the delays never end")

    async def _once(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            raise EngineError("the client is not open", where="drills.client", fix="use it in 'async with'")
        self.attempts += 1
        if self._token is not None:
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        async with self._session.request(method, self.base_url + path, data=body, headers=headers) as response:
            return response.status, response.headers, await response.read()

    def _delays(self) -> Iterator[float]:
        """Seconds without end: each between half and all of a delay that doubles up to the longest."""
        delay_s = self._patience.first_delay_s
        while True:
            chance = int.from_bytes(self._randomness.token(4), "big") / 2**32
            yield delay_s * (0.5 + 0.5 * chance)
            delay_s = min(2.0 * delay_s, self._patience.longest_delay_s)

    def _key(self) -> str:
        return self._randomness.token(16).hex()


def problem_error(status: int, body: bytes) -> DissonanceError:
    """The error of our tree that a problem names, with its what, where and fix; the nearest one by status otherwise.

    >>> problem_error(404, b'{"type": "urn:dissonance:unknown-task", "detail": "no task is named x"}').slug
    'unknown-task'
    """
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        problem = Problem(title="not problem+json", detail=body[:200].decode(errors="replace"))
    slug = problem.type.rstrip("/").replace("#", "/").replace(":", "/").rsplit("/", 1)[-1]
    what = problem.detail or problem.title or f"HTTP status {status}"
    kind = errors_by_slug().get(slug)
    if kind is None:
        kind = InputError if 400 <= status < 500 else EngineError
        what = f"HTTP status {status}: {what}"
    return kind(what, where=problem.where, fix=problem.fix)


def retry_after_s(header: str | None) -> float:
    """Seconds that `Retry-After` asks for; 0 for none and for the date form, which we never send.

    >>> retry_after_s("3")
    3.0
    """
    return float(header) if header is not None and header.isdigit() else 0.0


def _decode(body: bytes, reply: type[Reply]) -> Reply:
    try:
        return msgspec.json.decode(body, type=reply)
    except msgspec.MsgspecError as error:
        raise EngineError(
            f"the answer is not a {reply.__name__}: {error}", where="HTTP reply", fix="same version on both sides?"
        ) from error
