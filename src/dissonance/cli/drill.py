"""`dissonance drill`: start the real thing, hurt or load it, measure, write a record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dissonance.cli.drill_encryption import encryption
from dissonance.cli.drilling import DEFAULT_RECORDS, AsJson, Folder, Records, Result, say, working_folder
from dissonance.cli.faults import faults
from dissonance.cli.output import emit, progress
from dissonance.cli.pentest import pentest
from dissonance.contracts.counts import counted

if TYPE_CHECKING:
    from dissonance.drills.records import Raw, Record

app = typer.Typer(help="Drills and benchmarks on the real system; each writes a record.", no_args_is_help=True)

MOST_VALUES_SHOWN = 12
CYCLES = [10_000, 100_000, 1_000_000]


@app.callback()
def drill() -> None:
    """Drills and benchmarks on the real system; each writes a record."""


@app.command("nothing-lost")
def nothing_lost(
    rows: Annotated[int, typer.Option(min=1_000, help="Predictions to stream.")] = 50_000,
    everything: Annotated[bool, typer.Option(help="Kill every role and engine, not just the four stated.")] = False,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Kill critic, learner, NATS and PostgreSQL (-9) under a stream of predictions; account for every row."""
    from dissonance.drills import nothing_lost as drill
    from dissonance.drills.nothing_lost_record import record_of

    victims = drill.EVERYTHING if everything else drill.STATED
    outcome = _in_folder(data, lambda folder: drill.nothing_lost(folder, rows, victims, say))
    _finish(record_of(outcome, rows), records, as_json)


@app.command("bench-cycle")
def bench_cycle(
    cycles: Annotated[
        list[int] | None,
        typer.Option(min=1_000, help="Single-row requests; may come several times. Default: 1e4, 1e5, 1e6."),
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=512, help="Requests in flight.")] = 64,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Durable cycles per second: single-row requests until all of them are stored experience. Needs wrk."""
    from dissonance.drills.cycle import bench_cycle, record_of

    sizes = cycles or CYCLES
    outcomes = _in_folder(data, lambda folder: bench_cycle(folder, sizes, connections, say))
    _finish(record_of(outcomes, connections), records, as_json)


@app.command("bench-soak")
def bench_soak(
    rows: Annotated[int, typer.Option(min=2_000, help="Rows through every role.")] = 1_000_000,
    rows_per_s: Annotated[float, typer.Option(min=1.0, help="The steady rate.")] = 1_000.0,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """A million rows through all roles at a steady rate: is memory flat, lag bounded, nothing lost? Some 20 minutes."""
    from dissonance.drills.soak.picture import picture
    from dissonance.drills.soak.record import record_of
    from dissonance.drills.soak.run import soak

    with progress("rows through every role", rows, quiet=as_json, unit="rows") as tell:
        outcome = _in_folder(data, lambda folder: soak(folder, rows, rows_per_s, say, tell))
    _finish(record_of(outcome), records, as_json, picture)


@app.command("startup")
def startup(records: Records = DEFAULT_RECORDS, data: Folder = None, as_json: AsJson = False) -> None:
    """Time `dissonance up` until every engine answers; weigh the whole embedded system."""
    from dissonance.drills import startup as drill

    _finish(drill.record_of(_in_folder(data, lambda folder: drill.startup(folder, say))), records, as_json)


@app.command("revocation")
def revocation(
    rounds: Annotated[int, typer.Option(min=1, help="Revocations of each kind: token, API key, holder.")] = 5,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Revoke credentials in use on two replicas and at MLflow: how soon are they refused, also by one that was away?"""
    from dissonance.drills import revocation as drill

    _finish(drill.record_of(_in_folder(data, lambda folder: drill.revocation(folder, rounds, say))), records, as_json)


@app.command("rollback")
def rollback(
    rollbacks: Annotated[int, typer.Option(min=36, help="By command; some are commands of their own.")] = 334,
    rate: Annotated[float, typer.Option(min=2.0, help="Requests a second, whether or not they are answered.")] = 100.0,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Roll back and forth under load on two replicas; then put bad models into production and wait. Ten minutes."""
    from dissonance.drills.rollback.picture import picture
    from dissonance.drills.rollback.record import record_of
    from dissonance.drills.rollback.run import rollback_drill

    with progress("rollbacks", rollbacks, quiet=as_json, unit="rollbacks") as tell:
        outcome = _in_folder(data, lambda folder: rollback_drill(folder, rollbacks, rate, say, tell))
    _finish(record_of(outcome, rollbacks), records, as_json, picture)


@app.command("keys")
def keys(
    people: Annotated[int, typer.Option(min=1_000, help="Data subjects in the store.")] = 1_000_000,
    rotations: Annotated[int, typer.Option(min=2, help="By command; the second is cut short and resumed.")] = 4,
    rate: Annotated[float, typer.Option(min=2.0, help="Requests a second, whether or not they are answered.")] = 100.0,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Rotate keys under load and destroy the old ones; erase people of a million, and put a backup back. 20 minutes."""
    from dissonance.drills.keys.record import record_of
    from dissonance.drills.keys.run import keys_drill

    with progress("people stored", people, quiet=as_json, unit="people") as tell:
        outcome = _in_folder(data, lambda folder: keys_drill(folder, people, rotations, rate, say, tell))
    _finish(record_of(outcome, rotations), records, as_json)


@app.command("deploy")
def deploy(
    deployments: Annotated[int, typer.Option(min=1, help="So many into production, one after the other.")] = 10,
    rows_per_s: Annotated[float, typer.Option(min=1.0, help="Rows, and labels, a second.")] = 100.0,
    limit_s: Annotated[float, typer.Option(min=1.0, help="Give up after so many seconds.")] = 3_600.0,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Replay rows and labels until updates went into production without a hand. Some twenty minutes."""
    from dissonance.drills.deploy.record import record_of
    from dissonance.drills.deploy.run import deploy_drill

    with progress("deployments", deployments, quiet=as_json, unit="deployments") as tell:
        outcome = _in_folder(data, lambda folder: deploy_drill(folder, deployments, rows_per_s, limit_s, say, tell))
    _finish(record_of(outcome, deployments), records, as_json)


@app.command("who-answered")
def who_answered(
    versions: Annotated[int, typer.Option(min=3, help="Models that answer, one after the other.")] = 7,
    rows_per_s: Annotated[float, typer.Option(min=1.0, help="Rows a second, of both replicas together.")] = 100.0,
    least: Annotated[int, typer.Option(min=150, help="Answers by each version, before the next comes.")] = 500,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Change models by canary and at once while predictions go on; ask of each prediction who answered. 4 minutes."""
    from dissonance.drills.who_answered.record import record_of
    from dissonance.drills.who_answered.run import who_answered_drill

    with progress("models", versions - 1, quiet=as_json, unit="models") as tell:
        account = _in_folder(data, lambda folder: who_answered_drill(folder, versions, rows_per_s, least, say, tell))
    _finish(record_of(account, versions, rows_per_s, least), records, as_json)


@app.command("bench-pipeline")
def bench_pipeline(
    rows: Annotated[
        list[int] | None,
        typer.Option(min=5_000, help="Rows of the source; may come several times. Default: 1e4, 1e5, all of ACS, 1e6."),
    ] = None,
    records: Records = DEFAULT_RECORDS,
    data: Folder = None,
    as_json: AsJson = False,
) -> None:
    """From the trigger to a candidate through its gates, step by step: seconds and memory as sources grow."""
    from dissonance.drills.pipeline_cost import SIZES, measure, record_of

    sizes = sorted(rows or SIZES)
    outcomes = _in_folder(data, lambda folder: measure(folder, sizes, say))
    _finish(record_of(outcomes), records, as_json)


app.command("faults")(faults)
app.command("encryption")(encryption)
app.command("pentest")(pentest)


def _in_folder(data: Path | None, work: Callable[[Path], Awaitable[Result]]) -> Result:
    with working_folder(data) as folder:

        async def run() -> Result:
            return await work(folder)

        return asyncio.run(run())


def _finish(record: Record, records: Path, as_json: bool, picture: Callable[[Record], str] | None = None) -> None:
    from dissonance.drills.records import Outcome, write_record

    path = write_record(records, record)
    if picture is not None:
        path.with_suffix(".svg").write_text(picture(record), encoding="utf-8")
    table = Table(title=f"{record.name}: {record.verdict}", caption=str(path))
    table.add_column("measured")
    table.add_column("value", justify="right")
    table.add_column("limit")
    for name, value in record.raw.items():
        table.add_row(name, _shown(value), record.limits.get(name, ""))
    emit(record, as_json, table)
    raise typer.Exit(0 if record.verdict is Outcome.PASS else 1)


def _shown(value: Raw) -> str:
    """A long series is in the record; here its length will do."""
    if isinstance(value, list) and len(value) > MOST_VALUES_SHOWN:
        return counted(len(value), "value")
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)
