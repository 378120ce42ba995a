"""`dissonance score`: a file of rows becomes a file of answers, however large it is."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from dissonance.cli.connected import on_system
from dissonance.cli.options import AsJson, Data, TaskName
from dissonance.cli.output import emit, progress
from dissonance.errors import InputError, InvalidDataFile
from dissonance.settings import read_s3_settings

if TYPE_CHECKING:
    from dissonance.adapters.s3.files import S3Address
    from dissonance.bootstrap import System
    from dissonance.pipeline.scoring.run import Model, Outcome, Request


class BadRows(StrEnum):
    """Values of `--on-bad-row`."""

    STOP = "stop"
    SKIP = "skip"
    REPORT = "report"


class ScoreAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `score --json` prints. `rows` of the input = `scored` + `rejected`; `resumed` of them an earlier run did;
    `rows_per_s` is of this one, reading and writing included."""

    task: str
    file: str
    out: str
    version: int
    model_digest: str
    critic_digest: str | None
    rows: int
    scored: int
    rejected: int
    rejected_file: str | None
    resumed: int
    rows_per_s: float


def score(
    task: TaskName,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Rows: .parquet, .csv (also .csv.gz) or .arrow; a path or s3://bucket/key."
        ),
    ],
    out: Annotated[str, typer.Option(help="File to write: .parquet, .csv or .arrow; a path or s3://bucket/key.")],
    version: Annotated[
        int | None, typer.Option(help="The model's version; the one in production when left out.")
    ] = None,
    contradict: Annotated[bool, typer.Option("--contradict", help="Add doubt and dissonance.")] = False,
    key: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column of FILE that comes along; may be repeated.")
    ] = None,
    on_bad_row: Annotated[
        BadRows, typer.Option(help="Stop at a row that cannot be answered, skip it, or report it in a file.")
    ] = BadRows.STOP,
    rejected: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where bad rows are reported. Default: OUT with .rejected in its name."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what an earlier run left, and OUT.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads; as many as there are cores when left out.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The scheduler of a Dask cluster that does the work.")
    ] = None,
    s3_endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="An S3 store other than AWS. Default: $AWS_ENDPOINT_URL.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Answer every row of a file, in its order; nothing of it is recorded as experience.

    The same command goes on where an earlier one was cut. Exit code 3 when rows were skipped or reported; all others
    are answered.
    """
    from dissonance.bootstrap_scoring import crew_maker
    from dissonance.pipeline.scoring.run import Scoring, open_model

    request = _request(file, out, rejected, tuple(key or ()), on_bad_row, restart, _s3_address(s3_endpoint))
    make_crew = crew_maker(cluster, jobs or os.cpu_count() or 1)

    async def work(system: System) -> Model:
        return await open_model(system, task, version, contradict=contradict)

    model = on_system(data, work)
    scoring = Scoring(model, request)
    begun = perf_counter()
    with progress(f"scoring {file}", total=scoring.rows, quiet=as_json, unit="rows") as advance:
        outcome = scoring.run(make_crew, advance)
    answer = score_answer(model, request, outcome, perf_counter() - begun)
    emit(answer, as_json, score_table(answer))
    raise typer.Exit(InputError.exit_code if answer.rejected else 0)


def rejected_name(out: str) -> str:
    """
    >>> rejected_name("s3://bucket/scores.parquet")
    's3://bucket/scores.rejected.parquet'
    """
    stem, dot, ending = out.rpartition(".")
    return f"{stem}.rejected{dot}{ending}"


def require_there(file: str) -> None:
    """Before anything is said of its ending. An object store is asked later. Raises `InvalidDataFile`."""
    if "://" not in file and not Path(file).expanduser().exists():
        raise InvalidDataFile("there is no such file", where=file, fix="give the path of a file of rows")


def score_answer(model: Model, request: Request, outcome: Outcome, seconds: float) -> ScoreAnswer:
    return ScoreAnswer(
        task=model.task.name,
        file=request.source.shown,
        out=request.out.shown,
        version=model.version,
        model_digest=model.proposer.digest,
        critic_digest=None if model.critic is None else model.critic.digest,
        rows=outcome.read,
        scored=outcome.scored,
        rejected=outcome.rejected,
        rejected_file=None if request.rejected is None else request.rejected.shown,
        resumed=outcome.resumed,
        rows_per_s=(outcome.read - outcome.resumed) / max(seconds, 1e-9),
    )


def score_table(answer: ScoreAnswer) -> Table:
    table = Table(title=escape(f"Scored: {answer.file}"), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("answers", escape(answer.out))
    table.add_row("model", escape(f"version {answer.version} of {answer.task}"))
    table.add_row("rows", f"{answer.rows:,}, of which {answer.scored:,} scored")
    if answer.rejected:
        where = f", listed in {answer.rejected_file}" if answer.rejected_file else ""
        table.add_row("could not be answered", escape(f"{answer.rejected:,}{where}"))
    if answer.resumed:
        table.add_row("done by an earlier run", f"{answer.resumed:,}")
    table.add_row("speed", f"{answer.rows_per_s:,.0f} rows/s")
    return table


def _request(
    file: str, out: str, rejected: str | None, keys: tuple[str, ...], on_bad_row: BadRows, restart: bool, s3: S3Address
) -> Request:
    from dissonance.bootstrap_scoring import open_place
    from dissonance.pipeline.scoring.formats import input_format, output_format
    from dissonance.pipeline.scoring.run import OnBadRow, Request

    source = open_place(file, s3)
    require_there(file)
    input_format(file)
    for name in (out, *([rejected] if rejected else [])):
        output_format(name)
    if rejected is not None and on_bad_row is not BadRows.REPORT:
        raise InputError("bad rows are not reported", where="--rejected", fix="give --on-bad-row report as well")
    report = open_place(rejected or rejected_name(out), s3) if on_bad_row is BadRows.REPORT else None
    return Request(
        source=source,
        out=open_place(out, s3),
        rejected=report,
        keys=keys,
        on_bad_row=OnBadRow(on_bad_row.value),
        restart=restart,
    )


def _s3_address(endpoint: str | None) -> S3Address:
    from dissonance.adapters.s3.files import S3Address

    found = read_s3_settings(os.environ)
    return S3Address(endpoint or found.endpoint, found.region, found.ca_file)
