"""PostgreSQL is killed and stands still under a proposer's key ring: it goes on sealing, and all of it opens after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.state import engine_pids
from dissonance.adapters.memory.key_parts import MemoryKeyParts
from dissonance.adapters.postgres.database import FAILURES, REST_S
from dissonance.adapters.postgres.keys import PostgresDataSubjectKeys
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.contracts.events import Predicted
from dissonance.contracts.sealed import SealedRow
from dissonance.errors import EngineUnavailable
from dissonance.ports.breaker import Breaker, BreakerState
from dissonance.roles.proposer.keyring import KeyRing
from dissonance.roles.spares import settled
from dissonance.security.rows import open_rows, seal_rows
from dissonance.telemetry.metrics import Metrics
from integration.test_standing_postgres import standing_still
from integration.test_store_recovery import kill
from support.engines import running_engines
from support.events import CURRENT

TASK = "ab" * 16
CLOCK, RANDOMNESS = SystemClock(), SystemRandomness()
KNOWN = [bytes([number]) * 16 for number in range(5)]
PARTS = MemoryKeyParts()
NEW = [bytes([100 + number]) * 16 for number in range(5)]


def keys_at(url: str) -> PostgresDataSubjectKeys:
    breaker = Breaker("keys database", CLOCK, failures=FAILURES, rest_s=REST_S)
    return PostgresDataSubjectKeys(
        url,
        key_encryption_key=b"\x05" * 32,
        hash_key=b"h",
        parts=PARTS,
        clock=CLOCK,
        randomness=RANDOMNESS,
        breaker=breaker,
    )


def sealed_by(ring_keys: dict[bytes, bytes], subjects: list[bytes]) -> list[bytes]:
    rows = [SealedRow(features=subject) for subject in subjects]
    return seal_rows(ring_keys, TASK, subjects, subjects, rows, RANDOMNESS)


@contextmanager
def not_started_again(folder: Path) -> Iterator[None]:
    """The supervisor of the engines gets no processor until the block ends: it is quicker than what waits for them."""
    supervisor = psutil.Process(engine_pids(folder)["postgresql"]).parent()
    assert supervisor is not None
    supervisor.suspend()
    try:
        yield
    finally:
        supervisor.resume()


@pytest.mark.parametrize("how", ["killed", "standing still"])
def test_ring_goes_on_without_postgresql_and_what_it_sealed_opens_after(tmp_path: Path, how: str) -> None:
    async def story(url: str) -> None:
        store, breaker, metrics = keys_at(url), Breaker("proposer/keys", CLOCK), Metrics()
        ring = KeyRing(store, CLOCK, RANDOMNESS, breaker, metrics, spare_keys=50)
        watching = asyncio.create_task(ring.watch())
        known = await ring.obtain(TASK, KNOWN)
        while metrics.registry.get_sample_value("dissonance_spare_keys") != 50.0:
            await asyncio.sleep(0.02)

        async def outage() -> list[bytes]:
            at_hand = await ring.obtain(TASK, [*KNOWN, *NEW])
            assert {subject: at_hand.keys[subject] for subject in KNOWN} == known.keys
            assert set(at_hand.spares) == set(NEW)
            assert breaker.state is BreakerState.OPEN
            assert (await ring.obtain(TASK, NEW)).keys == {subject: at_hand.keys[subject] for subject in NEW}
            return at_hand.named(sealed_by(at_hand.keys, [*KNOWN, *NEW]), [*KNOWN, *NEW])

        if how == "killed":
            with not_started_again(tmp_path):
                kill(tmp_path / "postgres")
                sealed = await outage()
        else:
            with standing_still(tmp_path):
                sealed = await outage()
        async with asyncio.timeout(60):
            while breaker.state is not BreakerState.CLOSED:
                await asyncio.sleep(0.05)
            made = await ring.obtain(TASK, NEW[:1])  # a key of its own, before the spare one is settled
            assert not made.spares
            event = msgspec.structs.replace(
                CURRENT[Predicted.KIND],
                task_id=TASK,
                prediction_ids=[*KNOWN, *NEW],
                data_subjects=[*KNOWN, *NEW],
                sealed=sealed,
            )
            assert isinstance(event, Predicted)
            for _ in range(2):
                while True:
                    try:
                        after = await settled(store, event, RANDOMNESS)
                        break
                    except EngineUnavailable:
                        await asyncio.sleep(0.1)
                keys = await store.find(TASK, [*KNOWN, *NEW])
                rows = open_rows(keys, TASK, after.prediction_ids, after.data_subjects, after.sealed)
                assert [row.features for row in rows if row is not None] == [*KNOWN, *NEW]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await store.close()

    with running_engines(tmp_path, nats=False) as addresses:
        migrate(addresses.keys_database_url, Schema.DATA_SUBJECT_KEYS)
        asyncio.run(story(addresses.keys_database_url))
