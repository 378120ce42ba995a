"""`dissonance demo`: watch the whole system on real census data."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from dissonance.adapters.looking import is_empty, looking
from dissonance.cli.output import emit, error_console
from dissonance.errors import DataFolderBusy

if TYPE_CHECKING:
    from dissonance.drills.demo.progress import Progress
    from dissonance.drills.demo.result import DemoResult
    from dissonance.drills.demo.run import DemoPlace

DEFAULT_OUT = Path("out/demo")
DEFAULT_ROWS = 40_000
EXIT_NOT_SHOWN = 1
EXIT_TERMINATED = 143  # 128 + SIGTERM, as shells say it


def demo(
    data: Annotated[Path | None, typer.Option(help="A folder to run in; it is kept. Default: a temporary one.")] = None,
    out: Annotated[Path, typer.Option(help="Where report, result and logs go.")] = DEFAULT_OUT,
    rows: Annotated[int, typer.Option(help="Rows of the stream.")] = DEFAULT_ROWS,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON at the end.")] = False,
) -> None:
    """Watch a classifier on real census data notice, ask, learn, judge, promote and take back, beside a frozen one.

    Takes five to seven minutes on two idle cores, and up to three times that where other work keeps them busy: the
    stream waits while models are trained and judged. The exit code is 0 when every event that went in was found again,
    harm was noticed, and the managed model did better than the frozen one.
    """
    from dissonance.drills.demo.report import render_report
    from dissonance.drills.demo.run import DemoPlace
    from dissonance.drills.demo.view import end_table

    with _workspace(data, keep) as work:
        result = asyncio.run(_run(DemoPlace(work, out.absolute()), rows))
        kept = data is not None or keep
        report = out.absolute() / "report.html"
        result = msgspec.structs.replace(result, report=str(report), data_folder=str(work / "data") if kept else "")
    out.mkdir(parents=True, exist_ok=True)
    report.write_text(render_report(result), encoding="utf-8")
    (out / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    emit(result, as_json, end_table(result))
    raise typer.Exit(0 if result.shown else EXIT_NOT_SHOWN)


@contextmanager
def _workspace(data: Path | None, keep: bool) -> Iterator[Path]:
    """The folder of this run. A given one must be new: the demo makes a task, and does not mix it with others."""
    if data is not None:
        if not is_empty(data):
            raise DataFolderBusy(
                "the folder is not empty", where=str(data), fix="name one that is not there yet, or leave out --data"
            )
        with looking(data):
            data.mkdir(parents=True, exist_ok=True)
        yield data.absolute()
    elif keep:
        yield Path(tempfile.mkdtemp(prefix="dissonance-demo-"))
    else:
        with tempfile.TemporaryDirectory(prefix="dissonance-demo-") as folder:
            yield Path(folder)


async def _run(place: DemoPlace, rows: int) -> DemoResult:
    """The demo with its view beside it; SIGTERM ends it as Ctrl-C does, with everything stopped."""
    from dissonance.adapters.clock import SystemClock, SystemRandomness
    from dissonance.drills.demo.progress import Progress
    from dissonance.drills.demo.run import run_demo

    loop = asyncio.get_running_loop()
    progress = Progress(loop.time, rows)
    driver = asyncio.create_task(
        run_demo(place, rows, progress, clock=SystemClock(), randomness=SystemRandomness()), name="demo"
    )
    loop.add_signal_handler(signal.SIGTERM, driver.cancel, "SIGTERM")
    view = asyncio.create_task(_view()(progress, error_console))
    try:
        return await driver
    except asyncio.CancelledError as error:
        if error.args == ("SIGTERM",):
            raise typer.Exit(EXIT_TERMINATED) from error
        raise
    finally:
        view.cancel()
        await asyncio.wait([view])
        error_console.print(f"logs: {escape(str(place.logs))}", style="dim", soft_wrap=True)


def _view() -> Callable[[Progress, Console], Coroutine[Any, Any, None]]:
    """Progress goes to stderr, so that stdout has the result alone."""
    from dissonance.drills.demo.view import show_live, show_plain

    return show_live if error_console.is_terminal else show_plain
