"""Benchmark of serving: `make bench-serving`.

One machine, one run: the proposer (authorised, sealed, acknowledged by the broker before it replies), MLflow's scoring
server on the same model and rows, a bare echo on the same web server as the limit, and the proposer without sealing,
without publishing and without TLS, so that each part's price is seen. What is compared is measured in turns, round
after round; figures are medians over the rounds, and shares those of each round, since a machine is not as fast in all.
Load generator and broker run on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import lightgbm
import msgspec

from dissonance.adapters.clock import SystemClock
from dissonance.bootstrap import open_system
from dissonance.contracts.api import Row, RowsRequest
from dissonance.decisions.rows import RowEncoder
from dissonance.drills import census
from dissonance.drills.load import NOBODY, Answered, ask, require_wrk, write_bodies
from dissonance.drills.records import AtLeast, AtMost, Equals, Limit, Outcome, Raw, Record, make_record, write_record
from dissonance.drills.system import TWO_PROCESSES, RunningSystem
from dissonance.pipeline.aliases import open_version
from dissonance.science.proposer import LightGBMProposer
from dissonance.settings import Settings
from dissonance.telemetry.names import MetricName
from serving.servers import Server, mlflow_server, variant

TRAINING_ROWS = 20_000
PERSONS = 5_000
CONNECTIONS = (1, 16, 64, 256)
MANY_ROWS = 100
SECONDS = 4.0
ROUNDS = 3
DRAINED_S = 300.0
RELAXED = "2m"
"""The broker's own default: what was acknowledged last is lost at a power cut, not at the end of a process."""


class Cell(NamedTuple):
    """One thing to measure. `keyed`: every request has an idempotency key of its own."""

    name: str
    server: Server
    bodies: Path
    connections: int
    bearer: str = NOBODY
    rows: int = 1
    think_ms: float = 0.0
    keyed: bool = False


class Measured(NamedTuple):
    answered: Answered
    cpu_us_per_row: float


async def measure(cell: Cell, seconds: float) -> Measured:
    before = cell.server.cpu_s()
    answered = await ask(
        cell.server.url,
        cell.bodies,
        connections=cell.connections,
        seconds=seconds,
        bearer=cell.bearer,
        think_ms=cell.think_ms,
        keyed=cell.keyed,
    )
    spent_s = cell.server.cpu_s() - before
    return Measured(answered, 1e6 * spent_s / max(1, answered.requests * cell.rows))


async def in_turns(cells: Sequence[Cell], rounds: int, seconds: float) -> dict[str, list[Measured]]:
    """Every cell once a round, after one short warm-up of each."""
    found: dict[str, list[Measured]] = {cell.name: [] for cell in cells}
    for cell in cells:
        await measure(cell, min(seconds, 2.0))
    for number in range(rounds):
        for cell in cells:
            one = await measure(cell, seconds)
            found[cell.name].append(one)
            each = one.answered
            _say(f"round {number + 1}  {cell.name:<32} {each.per_s:>9,.0f}/s  p99 {each.p99_us / 1e3:6.1f} ms")
    return found


def summary(found: dict[str, list[Measured]], rows: dict[str, int]) -> dict[str, Raw]:
    """Medians over the rounds, and the raw rates."""
    raw: dict[str, Raw] = {}
    for name, each in found.items():
        raw[f"{name}_per_s"] = statistics.median(one.answered.per_s for one in each)
        raw[f"{name}_rates"] = [one.answered.per_s for one in each]
        raw[f"{name}_p50_ms"] = statistics.median(one.answered.p50_us for one in each) / 1e3
        raw[f"{name}_p99_ms"] = statistics.median(one.answered.p99_us for one in each) / 1e3
        raw[f"{name}_cpu_us_per_row"] = statistics.median(one.cpu_us_per_row for one in each)
        if rows[name] > 1:
            raw[f"{name}_rows_per_s"] = rows[name] * statistics.median(one.answered.per_s for one in each)
    return raw


class Bodies(NamedTuple):
    """Files of request bodies. `strangers`: each row about somebody who was never seen before."""

    single: Path
    many: Path
    strangers: Path
    mlflow_single: Path
    mlflow_many: Path


def write_all(folder: Path, records: list[Row], encoder: RowEncoder) -> Bodies:
    known = [{**record, census.PERSON: f"known-{i % PERSONS}"} for i, record in enumerate(records)]
    hundreds = [known[start : start + MANY_ROWS] for start in range(0, len(known), MANY_ROWS)]
    names = list(encoder.schema.names)

    def split(rows: list[Row]) -> bytes:
        return msgspec.json.encode({"dataframe_split": {"columns": names, "data": encoder.encode(rows).tolist()}})

    plain = [[record] for record in known]
    strangers = [
        [{**record, census.PERSON: f"stranger-{turn}-{i}"}] for turn in range(10) for i, record in enumerate(records)
    ]
    return Bodies(
        *(
            write_bodies(folder / f"{name}.txt", bodies)
            for name, bodies in (
                ("single", [msgspec.json.encode(RowsRequest(rows)) for rows in plain]),
                ("many", [msgspec.json.encode(RowsRequest(rows)) for rows in hundreds]),
                ("strangers", [msgspec.json.encode(RowsRequest(rows)) for rows in strangers]),
                ("mlflow-single", [split(rows) for rows in plain]),
                ("mlflow-many", [split(rows) for rows in hundreds]),
            )
        )
    )


async def drained(running: RunningSystem) -> None:
    """Wait until no consumer lags."""
    token = await running.token("operator")
    async with asyncio.timeout(DRAINED_S):
        while any((await _lags(running, token)).values()):
            await asyncio.sleep(1.0)


async def _lags(running: RunningSystem, token: str) -> dict[str, float]:
    async with running.client("critic", token) as client:
        return {each.labels["role"]: each.value for each in await client.samples() if each.name == MetricName.LAG}


async def strict(folder: Path, rounds: int, seconds: float) -> dict[str, Raw]:
    """With `sync_interval: always`, as `dissonance up` runs it: everything but one figure."""
    logs = folder / "logs"
    async with RunningSystem(folder / "strict", logs, TWO_PROCESSES) as running, AsyncExitStack() as stack:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start("proposer")
        token = await running.token("client", task=census.TASK)
        path = f"/v1/tasks/{census.TASK}/predict"
        product = Server("product", running.url("proposer") + path, (running.pid("proposer"),))
        async with open_system(Settings(data=str(running.data))) as system:
            task = await system.store.by_name(census.TASK)
            pair = await open_version(system, task, None)
        assert isinstance(pair.proposer, LightGBMProposer)
        records, _ = census.traffic(20_000)
        bodies = write_all(folder, records, RowEncoder(task.schema, (census.PERSON,)))
        echo = await stack.enter_async_context(variant("echo", running.data, "/", logs))

        await running.start("backstage")
        consumed = Cell("product_with_consumers_64", product, bodies.single, 64, token)
        beside = await in_turns([consumed, Cell("echo_with_consumers_64", echo, bodies.single, 64)], rounds, seconds)
        await drained(running)
        await running.stop_group("backstage")

        unsealed = await stack.enter_async_context(variant("unsealed", running.data, path, logs))
        unpublished = await stack.enter_async_context(variant("unpublished", running.data, path, logs))
        plain = await stack.enter_async_context(variant("plain", running.data, path, logs))
        booster = lightgbm.Booster(model_str=pair.proposer.text)
        peer = await stack.enter_async_context(mlflow_server(booster, folder / "mlflow-model", logs))
        parts = {"plain": plain, "unsealed": unsealed, "unpublished": unpublished}
        cells = [
            cell
            for connections in CONNECTIONS
            for cell in (
                Cell(f"product_{connections}", product, bodies.single, connections, token),
                *(
                    Cell(f"{name}_64", part, bodies.single, 64, token)
                    for name, part in parts.items()
                    if connections == 64
                ),
                Cell(f"echo_{connections}", echo, bodies.single, connections),
                Cell(f"mlflow_{connections}", peer, bodies.mlflow_single, connections),
            )
        ]
        cells += [
            Cell("strangers_64", product, bodies.strangers, 64, token),
            Cell("keyed_64", product, bodies.single, 64, token, keyed=True),
            Cell("product_100_rows_16", product, bodies.many, 16, token, rows=MANY_ROWS),
            Cell("unsealed_100_rows_16", unsealed, bodies.many, 16, token, rows=MANY_ROWS),
            Cell("unpublished_100_rows_16", unpublished, bodies.many, 16, token, rows=MANY_ROWS),
            Cell("plain_100_rows_16", plain, bodies.many, 16, token, rows=MANY_ROWS),
            Cell("echo_100_rows_16", echo, bodies.many, 16, rows=MANY_ROWS),
            Cell("mlflow_100_rows_16", peer, bodies.mlflow_many, 16, rows=MANY_ROWS),
        ]
        found = await in_turns(cells, rounds, seconds)
        raw = summary(found, {cell.name: cell.rows for cell in cells})
        raw |= summary(beside, dict.fromkeys(beside, 1))
        half = await _at_half_load(product, bodies, token, raw, rounds, seconds)
        raw |= half
        raw |= {f"{server.name}_memory_bytes": server.memory_bytes() for server in (product, echo, peer)}
        everything = [*found.values(), *beside.values()]
        raw["failed"] = sum(one.answered.failed for each in everything for one in each)
        return raw


async def _at_half_load(
    product: Server, bodies: Bodies, token: str, raw: dict[str, Raw], rounds: int, seconds: float
) -> dict[str, Raw]:
    whole = raw["product_64_per_s"]
    assert isinstance(whole, float)
    think_ms = 64 / (0.5 * whole) * 1e3
    cell = Cell("product_half_load_64", product, bodies.single, 64, token, think_ms=think_ms)
    found = await in_turns([cell], rounds, seconds)
    return summary(found, {cell.name: 1})


async def relaxed(folder: Path, rounds: int, seconds: float) -> dict[str, Raw]:
    """The one figure with the broker's own sync policy."""
    logs = folder / "logs-relaxed"
    up = ("--nats-sync", RELAXED)
    async with RunningSystem(folder / "relaxed", logs, TWO_PROCESSES, up=up) as running, AsyncExitStack() as stack:
        await running.command(*census.create_arguments(census.write_training_file(folder, TRAINING_ROWS)))
        await running.start("proposer")
        token = await running.token("client", task=census.TASK)
        url = f"{running.url('proposer')}/v1/tasks/{census.TASK}/predict"
        product = Server("product", url, (running.pid("proposer"),))
        echo = await stack.enter_async_context(variant("echo", running.data, "/", logs))
        cells = [
            Cell("product_relaxed_64", product, folder / "single.txt", 64, token),
            Cell("product_relaxed_100_rows_16", product, folder / "many.txt", 16, token, rows=MANY_ROWS),
            Cell("echo_relaxed_64", echo, folder / "single.txt", 64),
        ]
        found = await in_turns(cells, rounds, seconds)
        raw = summary(found, {cell.name: cell.rows for cell in cells})
        raw["relaxed_failed"] = sum(one.answered.failed for each in found.values() for one in each)
        return raw


LIMITS: list[Limit] = [
    AtLeast("product_64_per_s", 10_000.0),
    AtLeast("share_of_echo", 0.4),
    AtLeast("times_mlflow", 20.0),
    AtLeast("share_of_plain", 0.8),
    AtMost("product_half_load_64_p99_ms", 15.0),
    AtLeast("product_100_rows_16_rows_per_s", 60_000.0),
    Equals("failed", 0),
    Equals("relaxed_failed", 0),
]


def record_of(raw: dict[str, Raw], command: str) -> Record:
    def rates(name: str) -> list[float]:
        found = raw[f"{name}_rates"]
        assert isinstance(found, list)
        return [each for each in found if isinstance(each, float)]

    def share(name: str, of: str) -> float:
        return statistics.median(one / other for one, other in zip(rates(name), rates(of), strict=True))

    raw |= {
        "share_of_echo": share("product_64", "echo_64"),
        "share_of_echo_relaxed": share("product_relaxed_64", "echo_relaxed_64"),
        "times_mlflow": share("product_64", "mlflow_64"),
        "share_of_plain": share("product_64", "plain_64"),
        "price_of_sealing": 1.0 - share("product_64", "unsealed_64"),
        "price_of_publishing": 1.0 - share("product_64", "unpublished_64"),
        "broker_sync": "always; of the figures called relaxed: 2m",
        "load_generator": "wrk, one thread, on the same cores",
    }
    return make_record(
        name="bench-serving",
        what="requests of 1 and of 100 rows, authorised, sealed, acknowledged; one worker, consumers off unless said",
        command=command,
        now_us=SystemClock().now_us(),
        raw=raw,
        limits=LIMITS,
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


async def bench(rounds: int, seconds: float) -> dict[str, Raw]:
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as name:
        folder = Path(name)
        return await strict(folder, rounds, seconds) | await relaxed(folder, rounds, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each cell in each round")
    parser.add_argument("--records", type=Path, default=Path("records"))
    given = parser.parse_args()
    require_wrk()
    raw = asyncio.run(bench(given.rounds, given.seconds))
    record = record_of(raw, f"make bench-serving ROUNDS={given.rounds} SECONDS_EACH={given.seconds:g}")
    path = write_record(given.records, record)
    for name in sorted(raw):
        _say(f"{name:<44} {raw[name]}")
    _say(f"{record.verdict.value}: {'; '.join(record.reasons) or 'every limit holds'}  ({path})")
    return 0 if record.verdict is Outcome.PASS else 1


if __name__ == "__main__":
    sys.exit(main())
