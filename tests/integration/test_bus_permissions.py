"""Each part of the system at a real broker: it can do what it declares, and nothing of another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.nats import JetStreamBus
from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.credentials import Credentials, public_keys, seed_file
from dissonance.adapters.nats.permissions import users
from dissonance.adapters.nats.streams import durable
from dissonance.contracts.bus_needs import NEEDS, WATCHED
from dissonance.contracts.consumers import CONSUMERS
from dissonance.contracts.standings import SERVING
from dissonance.contracts.topics import DEAD_STREAM, EventKind, stream, topic
from support.bus import NatsServer, connect

PARTS = pytest.mark.parametrize("name", NEEDS)
TASK = "0" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("permissions")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[NatsServer]:
    """With its streams, and a user for each part."""
    server = NatsServer(folder, users(NEEDS, public_keys(folder, NEEDS, SystemRandomness())))
    server.start()

    async def make_streams() -> None:
        await (await connect(server.url)).close()

    try:
        asyncio.run(make_streams())
        yield server
    finally:
        server.stop()


class Part:
    """A connection of one part. `refused`: subjects that the broker refused, lower-case as nats-py tells them."""

    def __init__(self, connection: Connection, bus: JetStreamBus) -> None:
        self.client = connection.client
        self.bus = bus
        self.refused: list[str] = []

    async def note(self, error: Exception) -> None:
        text = str(error)
        assert "permissions violation" in text.lower(), text
        self.refused.append(text.rpartition('"')[0].rpartition('"')[2])

    async def settled(self) -> list[str]:
        """What was refused until now: an answer comes behind all that was sent before."""
        await self.bus.ready()
        return sorted(self.refused)


def as_told(subjects: Iterable[str]) -> list[str]:
    return sorted(subject.lower() for subject in subjects)


@asynccontextmanager
async def acting(server: NatsServer, folder: Path, name: str) -> AsyncIterator[Part]:
    address = f"nats://127.0.0.1:{server.port}"
    bus = await JetStreamBus.connect(
        address,
        clock=SystemClock(),
        ack_wait_s=30.0,
        max_deliver=5,
        duplicate_window_s=60.0,
        stream_max_age_s=600.0,
        credentials=Credentials(name, seed_file(folder, name)),
        makes_streams=False,
    )
    part = Part(bus._connection, bus)
    part.client._error_cb = part.note
    try:
        yield part
    finally:
        await bus.close()


@PARTS
def test_part_publishes_what_it_declares_and_nothing_else(server: NatsServer, folder: Path, name: str) -> None:
    async def scenario() -> None:
        async with acting(server, folder, name) as part:
            for kind in NEEDS[name].publishes:
                await part.client.jetstream().publish(topic(kind, TASK), b"x")
            assert await part.settled() == []
            others = [kind for kind in EventKind if kind not in NEEDS[name].publishes]
            for kind in others:
                await part.client.publish(topic(kind, TASK), b"x")
            assert await part.settled() == as_told(topic(kind, TASK) for kind in others)

    asyncio.run(scenario())


@PARTS
def test_part_fetches_and_acknowledges_its_own_and_cannot_fetch_for_another(
    server: NatsServer, folder: Path, name: str
) -> None:
    async def scenario() -> None:
        client = (await Connection.open(server.url, 5.0)).client
        async with acting(server, folder, name) as part:
            for consumer in NEEDS[name].consumers:
                for kind in CONSUMERS[consumer]:
                    await client.jetstream().publish(topic(kind, TASK), b"taken")
                async with part.bus.subscribe(consumer, CONSUMERS[consumer]) as subscription:
                    taken = await subscription.fetch(10_000, 5.0)
                    assert taken
                    await taken[0].dead_letter("of a test")
                    for each in taken[1:]:
                        await each.ack()
                assert await part.bus.lag(consumer, CONSUMERS[consumer]) >= 0
            assert await part.settled() == []
            theirs = [
                f"$JS.API.CONSUMER.{what}.{stream(kind)}.{durable(consumer, kind)}"
                for consumer, kinds in CONSUMERS.items()
                for kind in kinds
                for what in ("CREATE", "DURABLE.CREATE", "MSG.NEXT", "DELETE")
                if consumer not in NEEDS[name].consumers or what == "DELETE"
            ]
            for subject in theirs:
                await part.client.publish(subject, b"{}", reply=part.client.new_inbox())
            assert await part.settled() == as_told(theirs)
        await client.close()

    asyncio.run(scenario())


@PARTS
def test_part_watches_its_kinds_and_hears_no_other_and_no_foreign_inbox(
    server: NatsServer, folder: Path, name: str
) -> None:
    async def scenario() -> None:
        async with acting(server, folder, name) as part:
            mine = {*WATCHED, *NEEDS[name].watches}
            async with part.bus.watch(sorted(mine)):
                assert await part.settled() == []
            foreign = [topic(kind) for kind in EventKind if kind not in mine]
            foreign += [">", "_INBOX.>", *(f"_INBOX_{other}.>" for other in NEEDS if other != name)]
            for subject in foreign:
                await part.client.subscribe(subject)
            assert await part.settled() == as_told(foreign)

    asyncio.run(scenario())


@PARTS
def test_part_changes_no_stream_and_reads_no_dead_letters_but_who_looks_at_all(
    server: NatsServer, folder: Path, name: str
) -> None:
    async def scenario() -> None:
        async with acting(server, folder, name) as part:
            subjects = [
                f"$JS.API.STREAM.{what}.{at}"
                for what in ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE")
                for at in (stream(EventKind.JUDGED), DEAD_STREAM)
            ]
            for subject in subjects:
                await part.client.publish(subject, b"{}", reply=part.client.new_inbox())
            assert await part.settled() == as_told(subjects)
            part.refused.clear()
            if NEEDS[name].looks_at_all:
                await part.bus.dead_letters(1)
            else:
                await part.client.publish(f"$JS.API.STREAM.MSG.GET.{DEAD_STREAM}", b"{}", reply="x")
                assert await part.settled() == as_told([f"$JS.API.STREAM.MSG.GET.{DEAD_STREAM}"])

    asyncio.run(scenario())


def test_gate_asks_and_proposer_answers_and_nobody_answers_unasked(server: NatsServer, folder: Path) -> None:
    async def scenario() -> None:
        async with acting(server, folder, "gate") as gate, acting(server, folder, "proposer") as proposer:
            async with proposer.bus.answering(SERVING, lambda _: b"here"):
                heard = await gate.bus.ask(SERVING, b"?", wait_s=5.0, enough=lambda answers: len(answers) == 1)
            assert heard.said == [b"here"]
            assert await gate.settled() == await proposer.settled() == []
            await proposer.client.publish("_INBOX_gate.x", b"unasked")
            assert await proposer.settled() == as_told(["_INBOX_gate.x"])

    asyncio.run(scenario())
