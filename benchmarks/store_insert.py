"""Benchmark: rows into the experience store, by one INSERT … SELECT FROM unnest against staging by COPY (ADR 21).

Both run in turn in one process, on one connection each, on a fresh embedded PostgreSQL: same rows, same tables, same
commit, one message a batch. COPY is given its best case: binary rows out of one `struct`, and a temporary table
that is made once and emptied at each commit. Encoding counts as part of storing; making the rows does not.

    .venv/bin/python benchmarks/store_insert.py
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import struct
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from closing import close
from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.addresses import EngineName
from dissonance.adapters.embedded.engines import EmbeddedEngines, EnginesSpecification
from dissonance.adapters.postgres.migrate import migrate
from dissonance.adapters.postgres.part import digest_bytes
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.contracts.events import PRODUCTION_ARM, Judged
from dissonance.contracts.ids import IdSource
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Task
from dissonance.contracts.verdicts import Reason, Verdict
from dissonance.drills.records import Equals, Raw, Record, make_record
from dissonance.security.text_seal import TextSeal

BATCHES = {1: 1_000, 50: 200, 1_000: 40, 10_000: 4}
"""Rows a batch: batches a repetition."""

SEALED_BYTES = 250
"""Of one sealed row: sixteen features, probabilities and the critic's, as the census task has them."""

CLOCK, RANDOMNESS = SystemClock(), SystemRandomness()
TASK = Task(
    task_id=RANDOMNESS.token(16).hex(),
    name="bench-store",
    schema=FeatureSchema((Feature("x", FeatureKind.NUMBER),)),
    classes=(0, 1),
    target="y",
    created_at_us=CLOCK.now_us(),
    source_digest="0" * 64,
)

COLUMNS = (
    "prediction_id, task_id, event_time_us, processing_time_us, confidence, dissonance, propensity, policy_version,"
    " model_digest, critic_digest, data_subject, verdict, reason, canary_arm, sealed"
)
MAKE_STAGING = "CREATE TEMPORARY TABLE staging (LIKE experience) ON COMMIT DELETE ROWS"
COPY = f"COPY staging ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
INSERT = f"""
WITH known AS (SELECT task_id FROM tasks WHERE task_id IN (SELECT task_id FROM staging) FOR KEY SHARE)
INSERT INTO experience ({COLUMNS}) SELECT {COLUMNS} FROM staging JOIN known USING (task_id)
ORDER BY prediction_id ON CONFLICT DO NOTHING
"""  # noqa: S608 - the names of columns above, nothing from outside

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
ROW = struct.Struct(">h i16s i16s iq iq id id id ii i32s i32s i16s")
LENGTH = struct.Struct(">i")


class CopyingStore(PostgresStore):
    """A store that takes experience by COPY into a temporary table; one connection, so one such table."""

    staging_is_there = False

    async def record_by_copy(self, batches: Sequence[Judged]) -> int:
        """What `record` does, the other way."""
        ids = [prediction_id for batch in batches for prediction_id in batch.prediction_ids]
        return await self.with_weeks(ids, partial(self._copy, batches))

    async def _copy(self, batches: Sequence[Judged]) -> int:
        async with self._database.connection("copy") as connection:
            if not self.staging_is_there:
                await connection.execute(MAKE_STAGING)
                self.staging_is_there = True
            async with connection.transaction(), connection.cursor() as cursor:
                async with cursor.copy(COPY) as copy:
                    await copy.write(b"".join([HEADER, *chain.from_iterable(map(binary_rows, batches)), TRAILER]))
                return (await cursor.execute(INSERT.encode())).rowcount


def binary_rows(event: Judged) -> list[bytes]:
    """Rows as COPY takes them in binary: number of columns, then length and bytes of each (PostgreSQL, "COPY")."""
    task, model = bytes.fromhex(event.task_id), digest_bytes(event.model_digest)
    critic = digest_bytes(event.critic_digest)
    rows = []
    for i, prediction_id in enumerate(event.prediction_ids):
        fixed = (
            *(15, 16, prediction_id, 16, task, 8, event.event_times_us[i], 8, event.processing_times_us[i]),
            *(8, event.confidences[i], 8, event.dissonances[i], 8, event.propensities[i], 4, event.policy_version),
            *(32, model, 32, critic, 16, event.data_subjects[i]),
        )
        texts = (event.verdicts[i].encode(), event.reasons[i].encode(), event.canary_arms[i].encode(), event.sealed[i])
        rows.append(b"".join([ROW.pack(*fixed), *(part for text in texts for part in (LENGTH.pack(len(text)), text))]))
    return rows


class Turn(NamedTuple):
    """Rows per second of one repetition."""

    unnest: float
    copy: float


def judged(ids: IdSource, rows: int) -> Judged:
    made, now_us = ids.many(rows), CLOCK.now_us()
    return Judged(
        event_id=made[0].hex(),
        task_id=TASK.task_id,
        produced_at_us=now_us,
        producer="benchmark",
        prediction_ids=made,
        data_subjects=[RANDOMNESS.token(16) for _ in made],
        event_times_us=[now_us] * rows,
        processing_times_us=[now_us] * rows,
        sealed=[RANDOMNESS.token(SEALED_BYTES) for _ in made],
        model_digest="0a" * 32,
        policy_digest="0b" * 32,
        canary_arms=[PRODUCTION_ARM] * rows,
        propensities=[1.0] * rows,
        confidences=[0.75] * rows,
        dissonances=[0.125] * rows,
        critic_digest="0c" * 32,
        verdicts=[Verdict.ADMITTED] * rows,
        reasons=[Reason.AGREED] * rows,
        policy_version=1,
    )


async def rows_per_s(record: Callable[[Sequence[Judged]], Awaitable[int]], events: Sequence[Judged]) -> float:
    begun_us, new = CLOCK.now_us(), 0
    for event in events:
        new += await record([event])
    seconds = (CLOCK.now_us() - begun_us) / 1e6
    if new != sum(event.rows for event in events):
        raise SystemExit(f"{new} rows were new; all of them should have been")
    return new / seconds


async def measured(url: str, repetitions: int) -> tuple[dict[int, list[Turn]], int, int]:
    """Turns by rows a batch; rows sent; rows found. The first turn of each warms up and is not kept."""
    ids = IdSource(CLOCK, RANDOMNESS)
    inserting = PostgresStore(url, texts=TextSeal(bytes(64)), clock=CLOCK, connections=1)
    copying = CopyingStore(url, texts=TextSeal(bytes(64)), clock=CLOCK, connections=1)
    turns: dict[int, list[Turn]] = {rows: [] for rows in BATCHES}
    sent = 0
    try:
        await inserting.create(TASK, Policy())
        for repetition in range(repetitions + 1):
            for rows, batches in BATCHES.items():
                first, second = ([judged(ids, rows) for _ in range(batches)] for _ in range(2))
                sent += 2 * rows * batches
                if repetition % 2:
                    unnest = await rows_per_s(inserting.record, first)
                    copy = await rows_per_s(copying.record_by_copy, second)
                else:
                    copy = await rows_per_s(copying.record_by_copy, first)
                    unnest = await rows_per_s(inserting.record, second)
                if repetition:
                    turns[rows].append(Turn(unnest, copy))
            sys.stderr.write(f"repetition {repetition} of {repetitions}\n")
        repeated = await inserting.record(second) + await copying.record_by_copy(first)
        return turns, sent, (await inserting.counts(TASK.task_id)).admitted + repeated
    finally:
        await inserting.close()
        await copying.close()


def record_of(turns: dict[int, list[Turn]], sent: int, found: int, repetitions: int) -> Record:
    """`ratio`: the median over the repetitions of unnest's rows per second by COPY's."""
    raw: dict[str, Raw] = {"repetitions": repetitions, "sealed_bytes": SEALED_BYTES, "sent": sent, "stored": found}
    for rows, taken in turns.items():
        raw |= {
            f"unnest_{rows}_rows_per_s": statistics.median(turn.unnest for turn in taken),
            f"copy_{rows}_rows_per_s": statistics.median(turn.copy for turn in taken),
            f"ratio_{rows}": statistics.median(turn.unnest / turn.copy for turn in taken),
            f"unnest_{rows}_each": [turn.unnest for turn in taken],
            f"copy_{rows}_each": [turn.copy for turn in taken],
        }
    return make_record(
        name="bench-store",
        what="rows a second into the experience store, INSERT from unnest and COPY into staging by turns, each batch"
        f" committed; batches of {', '.join(map(str, turns))} rows",
        command=f"python benchmarks/store_insert.py --repetitions {repetitions}",
        now_us=CLOCK.now_us(),
        raw=raw,
        limits=[Equals("stored", sent)],
    )


async def benchmark(folder: Path, repetitions: int) -> Record:
    engines = EmbeddedEngines(
        EnginesSpecification(
            folder=folder / "data",
            keys_folder=folder / "keys",
            environment=dict(os.environ),
            wanted=frozenset({EngineName.POSTGRESQL}),
        ),
        RANDOMNESS,
    )
    addresses = await engines.start()
    try:
        await asyncio.to_thread(migrate, addresses.database_url)
        return record_of(*await measured(addresses.database_url, repetitions), repetitions)
    finally:
        await engines.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=9, help="turns of each way and size (default: %(default)s)")
    parser.add_argument("--records", type=Path, default=Path("records"), help="where the record goes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dissonance-bench-") as folder:
        record = asyncio.run(benchmark(Path(folder), given.repetitions))
    return close(record, given.records)


if __name__ == "__main__":
    raise SystemExit(main())
