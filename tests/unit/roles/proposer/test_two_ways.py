"""A plain prediction and the same one by the long way are answered alike, whatever is sent; neither is a defect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.contracts.events import Event
from dissonance.roles.proposer.role import ROLE
from support.api import echo_app
from support.asgi import Reply
from support.walk import Walk, row
from support.wire import Wire, request, whole

PATH = "/v1/tasks/toy/predict"
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["red", "blue", "p1", "2020-01-01T00:00:00Z", "green", "", 0.5, 1, 1.0]),
    st.text(max_size=4),
    st.lists(st.integers(), max_size=1),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"x": st.floats(0.0, 1.0) | SCALARS, "colour": st.sampled_from(["red", "blue", None]) | SCALARS},
        optional={"person": st.just("p1") | SCALARS, "at": st.just(1.5) | SCALARS, "other": SCALARS},
    ),
    max_size=3,
)
BODIES = ROWS.map(lambda rows: msgspec.json.encode({"rows": rows})) | st.binary(max_size=40)
PIECES = st.tuples(st.integers(0, 200), st.integers(0, 200), st.binary(max_size=3))


class TwoWays:
    """One walk on one loop for every example."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.walk = runner.run(self._open())

    async def _open(self) -> Walk:
        walk = await Walk.open()
        await walk.catalogue.by_name(walk.task.name)  # before that a plain request goes the long way too
        return walk

    def both(self, body: bytes) -> tuple[Reply, Reply]:
        plain = self._runner.run(self._ask("application/json", body))
        return plain, self._runner.run(self._ask("application/json; charset=utf-8", body))

    async def _ask(self, content_type: str, body: bytes) -> Reply:
        headers = {**self.walk.access.header("client"), "content-type": content_type}
        return await request(self.walk.app, PATH, headers, body)


@pytest.fixture(scope="module")
def two_ways() -> Iterator[TwoWays]:
    with asyncio.Runner() as runner:
        yield TwoWays(runner)


def said(reply: Reply) -> Any:
    """What depends on nothing but what was asked."""
    answer = reply.json()
    if reply.status == 200:
        return [(each["class"], each["probabilities"]) for each in answer["predictions"]]
    return answer["type"]


@given(body=BODIES)
def test_both_ways_say_the_same_of_whatever_is_sent(two_ways: TwoWays, body: bytes) -> None:
    plain, long = two_ways.both(body)
    assert plain.status in (200, 400, 413, 422)
    assert (plain.status, said(plain)) == (long.status, said(long))


@given(piece=PIECES)
def test_both_ways_say_the_same_of_a_damaged_body(two_ways: TwoWays, piece: tuple[int, int, bytes]) -> None:
    whole = msgspec.json.encode({"rows": [row(), row(0.1, "p2")]})
    start, end, put = piece
    plain, long = two_ways.both(whole[:start] + put + whole[end:])
    assert plain.status in (200, 400, 422)
    assert (plain.status, said(plain)) == (long.status, said(long))


def test_of_two_wrong_things_both_ways_name_the_same(two_ways: TwoWays) -> None:
    plain, long = two_ways.both(b'{"rows":[{"x":0.0,"colour":"p1"}]}')
    assert said(plain) == said(long) == "urn:dissonance:problem:unseen-category"


PLAIN = {"content-type": "application/json"}


def test_a_task_that_is_not_known_yet_is_answered_the_long_way_and_directly_from_then_on() -> None:
    async def story() -> None:
        walk = await Walk.open()
        headers, body = {**walk.access.header("client"), **PLAIN}, msgspec.json.encode({"rows": [row()]})
        known = []
        for _ in range(2):
            known.append(walk.catalogue.at_hand(walk.task.name) is not None)
            assert (await request(walk.app, PATH, headers, body)).status == 200
        assert known == [False, True]
        assert walk.metrics.rows_predicted.labels(task="toy")._value.get() == 2

    asyncio.run(story())


def test_of_requests_in_one_batch_each_gets_its_own_answer_or_problem() -> None:
    async def story() -> None:
        walk = await Walk.open()
        await walk.catalogue.by_name(walk.task.name)
        headers = {**walk.access.header("client"), **PLAIN}
        bodies = [{"rows": [row(0.9)]}, {"rows": [row(2.5) | {"colour": "green"}]}, {"rows": [row(0.1), row(0.2)]}]
        wires = [Wire(walk.app) for _ in bodies]
        for wire, body in zip(wires, bodies, strict=True):
            wire.send(whole(PATH, headers, msgspec.json.encode(body)))
        first, bad, last = [await wire.reply() for wire in wires]
        assert [len(reply.json()["predictions"]) for reply in (first, last)] == [1, 2]
        assert (bad.status, bad.headers["content-type"]) == (422, "application/problem+json")

    asyncio.run(story())


class Gate:
    """`ports.bus.Outbox` that acknowledges once it is `open`."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.events: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        self.events += events
        await self.open.wait()

    async def require_room(self) -> None: ...


def test_no_answer_leaves_before_its_record_is_acknowledged() -> None:
    async def story() -> None:
        walk, gate = await Walk.open(), Gate()
        await walk.catalogue.by_name(walk.task.name)
        app = echo_app(walk.access, routers=[ROLE.build(walk.place._replace(outbox=gate)).router])
        wire = Wire(app)
        wire.send(whole(PATH, {**walk.access.header("client"), **PLAIN}, msgspec.json.encode({"rows": [row()]})))
        while not gate.events:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert wire.written == b""
        gate.open.set()
        assert (await wire.reply()).status == 200

    asyncio.run(story())


def test_a_broker_that_takes_nothing_is_503_with_retry_after_and_nothing_was_answered() -> None:
    async def story() -> None:
        walk = await Walk.open()
        await walk.catalogue.by_name(walk.task.name)
        headers = {**walk.access.header("client"), **PLAIN}
        walk.bus.available = False
        reply = await request(walk.app, PATH, headers, msgspec.json.encode({"rows": [row()]}))
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        walk.bus.available = True
        assert (await request(walk.app, PATH, headers, msgspec.json.encode({"rows": [row()]}))).status == 200

    asyncio.run(story())


def test_a_repeated_request_whose_model_is_no_longer_loaded_gets_its_earlier_answer() -> None:
    async def story() -> None:
        walk = await Walk.open()
        await walk.catalogue.by_name(walk.task.name)
        headers = {**walk.access.header("client"), **PLAIN, "idempotency-key": "once"}
        body = msgspec.json.encode({"rows": [row()]})
        first = await request(walk.app, PATH, headers, body)
        walk.loader.pairs[2] = walk.loader.pair(2, 0.05)
        walk.loader.serving = 2
        walk.catalogue._pairs.clear()
        await walk.catalogue.refresh_all()
        again = await request(walk.app, PATH, headers, body)
        assert again.json() == first.json()
        other = await request(walk.app, PATH, {**headers, "idempotency-key": "twice"}, body)
        assert other.json()["model_version"] == 2

    asyncio.run(story())
