"""`dissonance pipeline`: from labelled rows to a judged candidate on its way, step by step, and back from an answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.lineage import lineage
from dissonance.cli.options import AsJson, Data, TaskName, variables_of
from dissonance.cli.output import emit, error_console, progress
from dissonance.contracts.times import to_text, to_us
from dissonance.errors import EngineError, GateRefused, InputError, RowsRefused
from dissonance.ports.steps import Order, StepName
from dissonance.settings import read_s3_settings, read_settings

if TYPE_CHECKING:
    from dissonance.adapters.s3.files import S3Address
    from dissonance.bootstrap import System
    from dissonance.contracts.schema import Task
    from dissonance.pipeline.flow.bench import Bench
    from dissonance.ports.steps import Done, RunRequest

T = TypeVar("T")

app = typer.Typer(
    help="Ingest, check, snapshot, train, judge and roll out; and where an answer came from.", no_args_is_help=True
)


class StepLine(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: done, done before, refused or passed over; `reused`, `accepted` and `passed_over` say the same. `digest`
    of what it made; `numbers` and `findings` are the step's own; `seconds` since the step before it, or since the
    command began."""

    step: str
    state: str
    reused: bool
    accepted: bool
    passed_over: bool
    digest: str
    numbers: dict[str, float | int | str | None]
    findings: tuple[str, ...]
    seconds: float


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `run --json` prints. `refused_by`: the step that said no, None when none did. `passed_over`: why the
    candidate was not sent on its way and waits, and what a person can do; None where it was sent or refused."""

    task: str
    as_of: str
    source: str
    refused_by: str | None
    passed_over: str | None
    version: int | None
    snapshot: str | None
    model_files_digest: str | None
    phase: str | None
    seconds: float
    steps: list[StepLine]


@app.command()
def run(
    task: TaskName,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="New labelled rows: a .parquet, .csv or .arrow file or a folder of them, s3://bucket/key, the address "
            "of a database (with --query), or topic:labelled. Without it: what the system knows itself.",
        ),
    ] = None,
    query: Annotated[str | None, typer.Option(help="The SELECT that gives the rows of a database.")] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only rows and labels that were known then (RFC 3339).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was begun last.")] = False,
    seed: Annotated[int, typer.Option(help="The same snapshot and seed give the same model.")] = 0,
    max_drift: Annotated[
        float | None,
        typer.Option(min=0.5, max=1.0, help="Refuse rows that an AUC above it tells from the reference."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads; as many as there are cores when left out.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The scheduler of a Dask cluster that grows the trees.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without Dagster: `pipeline ui` will not show the run.")
    ] = False,
    s3_endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="An S3 store other than AWS. Default: $AWS_ENDPOINT_URL.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Run every step that is not done yet. Cut anywhere, --resume goes on; nothing half-done is ever seen.

    Exit code 3 when the rows are refused, 7 when the gate refuses the candidate; 0 also where an accepted candidate
    waits, its rollout being passed over: the answer says why.
    """
    from dissonance.pipeline.flow.run import Wish

    wish = Wish(
        source=source or "",
        as_of_us=None if as_of is None else to_us(as_of, "--as-of"),
        seed=seed,
        threads=jobs or os.cpu_count() or 1,
        drift_max=max_drift,
        cluster=cluster or "",
    )
    asked = _Asked(task, wish, source, query, resume, plain, _s3_address(s3_endpoint))
    begun = perf_counter()
    steps: list[tuple[Done, float]] = []
    with progress(f"pipeline of {task}", total=len(StepName), quiet=as_json) as advance:

        def told(done: Done) -> None:
            steps.append((done, perf_counter() - begun))
            advance(1)
            if not as_json:
                error_console.print(f"  {done.record.step.value}: {done.state}", markup=False)

        async def work(system: System) -> tuple[RunRequest, str | None]:
            return await _run(system, asked, told)

        request, refused_by = on_system(data, work)
    answer = run_answer(request, refused_by, steps, perf_counter() - begun)
    emit(answer, as_json, run_table(answer))
    raise typer.Exit(exit_code(refused_by))


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the loopback device; any free one when 0.")] = 0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Dagster's pages: assets, runs, checks; its schedule and the sensor of the bus, off until they are turned on."""
    from dissonance.bootstrap_pipeline import serve_ui

    variables = variables_of(data)
    with progress("starting Dagster", quiet=as_json):
        pages = serve_ui(read_settings(variables), variables, port)
    emit({"ui": pages.address}, as_json, f"Dagster: {pages.address} (Ctrl-C stops it)")
    raise typer.Exit(pages.until_stopped())


app.command()(lineage)


class _Asked(msgspec.Struct, frozen=True, array_like=True):
    task: str
    wish: Any
    source: str | None
    query: str | None
    resume: bool
    plain: bool
    s3: Any


async def _run(system: System, asked: _Asked, told: Callable[[Done], None]) -> tuple[RunRequest, str | None]:
    from dissonance.pipeline.flow.run import run_all

    task = await system.store.by_name(asked.task)
    request, bench = await _begin(system, task, asked)
    try:
        if asked.plain or find_spec("dagster") is None:
            await run_all(bench, task, request, told=told)
        else:
            await _run_on_dagster(system, request, bench, told)
    except RowsRefused:
        return request, StepName.VALIDATE.value
    except GateRefused as refused:
        if refused.where != StepName.GATE.value:
            raise
        return request, StepName.GATE.value
    return request, None


async def _run_on_dagster(system: System, request: RunRequest, bench: Bench, told: Callable[[Done], None]) -> None:
    """In a thread of this process; the steps themselves on this loop, which has the connections."""
    from dissonance.adapters.dagster.running import run_in_process
    from dissonance.bootstrap_hands import Pinned, StepHands, dagster_folder
    from dissonance.pipeline.flow.run import descriptions
    from dissonance.pipeline.flow.step import require_accepted

    loop, done = asyncio.get_running_loop(), []

    def on(use: Callable[[System], Awaitable[T]]) -> T:
        return asyncio.run_coroutine_threadsafe(_awaited(use, system), loop).result()

    def noted(step: Done) -> None:
        done.append(step)
        told(step)

    hands = StepHands(on, _s3_address(None), request.threads, pinned=Pinned(request, bench), told=noted)
    order = Order(request.task_name, request.source, reason=request.reason)
    whole = await asyncio.to_thread(run_in_process, dagster_folder(system.settings), descriptions(), hands, order)
    for step in done:
        require_accepted(step.record)
    if hands.failure is not None:
        raise hands.failure
    if not whole:
        raise EngineError(
            "Dagster did not do a step", where=str(dagster_folder(system.settings)), fix="see dissonance pipeline ui"
        )


async def _awaited(use: Callable[[System], Awaitable[T]], system: System) -> T:
    return await use(system)


async def _begin(system: System, task: Task, asked: _Asked) -> tuple[RunRequest, Bench]:
    from dissonance.bootstrap_pipeline import open_bench, open_source
    from dissonance.pipeline.flow.run import records_of, request_of

    latest = records_of(open_bench(system), task).latest() if asked.resume else None
    address, query = asked.source, asked.query
    if latest is not None and address is None and latest.source:
        address, query = latest.source, None
    source = None if address is None else open_source(system, task, address, query, asked.s3)
    if latest is None:
        wish = asked.wish._replace(source="" if source is None else source.shown)
        bench = open_bench(system, source, wish.cluster)
        return await request_of(bench, task, wish), bench
    if source is not None and source.shown != latest.source:
        raise InputError(
            f"the run was begun from '{latest.source}'", where="--from", fix="leave --from out, or --resume"
        )
    return latest, open_bench(system, source, latest.cluster)


def run_answer(
    request: RunRequest, refused_by: str | None, steps: list[tuple[Done, float]], seconds: float
) -> RunAnswer:
    """`steps` with the second of the command at which each was done."""
    by_name = {done.record.step: done.record for done, _ in steps}
    why_not = [finding for done, _ in steps if done.passed_over for finding in done.record.findings]
    begun = [0.0, *(at for _, at in steps)]
    registered, snapshot = by_name.get(StepName.REGISTER), by_name.get(StepName.SNAPSHOT)
    trained, rolled = by_name.get(StepName.TRAIN), by_name.get(StepName.ROLLOUT)
    return RunAnswer(
        task=request.task_name,
        as_of=to_text(request.as_of_us),
        source=request.source,
        refused_by=refused_by,
        passed_over="; ".join(why_not) or None,
        version=None if registered is None else int(registered.numbers["version"] or 0),
        snapshot=None if snapshot is None else snapshot.digest,
        model_files_digest=None if trained is None else trained.digest,
        phase=None if rolled is None else str(rolled.numbers["phase"]),
        seconds=seconds,
        steps=[
            StepLine(
                step=done.record.step.value,
                state=done.state,
                reused=done.reused,
                accepted=done.record.accepted,
                passed_over=done.passed_over,
                digest=done.record.digest,
                numbers=done.record.numbers,
                findings=done.record.findings,
                seconds=at - before,
            )
            for (done, at), before in zip(steps, begun, strict=False)
        ],
    )


def run_table(answer: RunAnswer) -> Table:
    table = Table(title=escape(f"Pipeline of {answer.task}, as of {answer.as_of}"))
    for heading in ("step", "", "what it found"):
        table.add_column(heading, overflow="fold")
    for line in answer.steps:
        told = [*line.findings] or [_short(line)]
        table.add_row(line.step, line.state, escape("\n".join(told)))
    return table


SHOWN: dict[StepName, tuple[str, ...]] = {
    StepName.INGEST: ("rows", "source"),
    StepName.VALIDATE: ("failures", "drift_auc"),
    StepName.SNAPSHOT: ("rows", "train_rows", "critic_rows", "source_rows", "experience_rows"),
    StepName.TRAIN: ("rows", "step", "kl"),
    StepName.EVALUATE: ("golden_accuracy", "incumbent_golden_accuracy"),
    StepName.REGISTER: ("version",),
    StepName.GATE: ("verdict", "rules"),
    StepName.ROLLOUT: ("phase",),
}
"""What a person is shown of a step's numbers."""


def exit_code(refused_by: str | None) -> int:
    codes = {StepName.VALIDATE.value: RowsRefused.exit_code, StepName.GATE.value: GateRefused.exit_code}
    return codes.get(refused_by or "", 0)


def _short(line: StepLine) -> str:
    names = [name for name in SHOWN[StepName(line.step)] if line.numbers.get(name) not in (None, "")]
    return ", ".join(f"{name.replace('_', ' ')} {_figure(line.numbers[name])}" for name in names)


def _figure(value: float | int | str | None) -> str:
    return f"{value:.4f}" if isinstance(value, float) and not value.is_integer() else f"{value:,.0f}" if isinstance(
        value, int | float
    ) else str(value)  # fmt: skip


def _s3_address(endpoint: str | None) -> S3Address:
    from dissonance.adapters.s3.files import S3Address

    found = read_s3_settings(os.environ)
    return S3Address(endpoint or found.endpoint, found.region, found.ca_file)
